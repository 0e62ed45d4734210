//! Scripts that want more than they get.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Doubles, compiled, run, said, sources};
use crate::{Clock, Host, HostError, Limits, NoHost, ScriptError, Scripts};

/// Little time, and so much memory that the time is over first.
fn short() -> Limits {
    Limits { time: Duration::from_millis(100), memory: 1 << 30, ..Limits::default() }
}

fn failed(code: &str) -> ScriptError {
    failed_within(code, short())
}

fn failed_within(code: &str, limits: Limits) -> ScriptError {
    let scripts = Scripts::compile(&sources(&[("main", code)]), limits).unwrap();
    scripts.call("main", vec![json!(null)], Arc::new(Doubles::default())).unwrap_err()
}

#[test]
fn what_does_not_end_is_stopped() {
    let begun = Instant::now();
    for code in [
        "() => { for (;;) {} }",
        "() => { try { for (;;) {} } finally { for (;;) {} } }",
        "() => { for (;;) { try { for (;;) {} } catch (e) {} } }",
        "() => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "() => { const again = () => Promise.resolve().then(again); return again(); }",
        "async () => { for (;;) { await null; } }",
        "() => { Promise.resolve().then(() => { for (;;) {} }); return new Promise(() => {}); }",
        "() => ({ toJSON() { for (;;) {} } })",
        "() => { throw { toJSON() { for (;;) {} } } }",
        "() => [3, 1, 2].sort(() => { for (;;) {} })",
        "() => { function* all() { for (;;) yield 1; } for (const one of all()) {} }",
    ] {
        let error = failed(code);
        assert_eq!(error, ScriptError::TimedOut { script: "main".to_owned(), millis: 100 }, "{code}");
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn memory_stack_and_calls_have_an_end() {
    for code in [
        "() => { const a = []; while (true) { a.push('x'.repeat(1000) + a.length); } }",
        "() => { let s = 'x'; for (let i = 0; i < 28; i++) { s += s; } return s; }",
        "() => 'x'.repeat(2 ** 29)",
        "() => new Uint8Array(2 ** 30)",
        "() => { const m = new Map(); for (let i = 0; ; i++) { m.set(i, {}); } }",
        "() => Array.from({ length: 2 ** 32 - 1 })",
    ] {
        let patient = Limits { time: Duration::from_secs(60), ..Limits::default() };
        let error = failed_within(code, patient);
        assert!(matches!(error, ScriptError::OutOfMemory { bytes: 16_777_216, .. }), "{code}: {error:?}");
    }
    for code in [
        "() => { const f = () => 1 + f(); return f(); }",
        "() => scripts.main()",
        "() => { const a = { toString() { return `${a}`; } }; return `${a}`; }",
    ] {
        let error = failed(code);
        assert_eq!(error, ScriptError::StackOverflow { script: "main".to_owned() }, "{code}");
    }
    for code in [
        "() => { for (let i = 0; i < 101; i++) invoke('double', { n: i }); }",
        "() => { for (let i = 0; i < 101; i++) { try { invoke('double', { n: i }); } catch (e) { return 1; } } }",
    ] {
        assert_eq!(failed(code), ScriptError::TooManyCalls { script: "main".to_owned(), limit: 100 });
    }
}

#[test]
fn code_arguments_and_results_have_a_size() {
    let told = |error: ScriptError| error.to_string();
    assert_eq!(
        told(failed("() => 'x'.repeat(1024 * 1024)")),
        "script `main`: its result is larger than 1048576 bytes"
    );
    let deep = "() => { let a = []; for (let i = 0; i < 101; i++) a = [a]; return a; }";
    assert_eq!(told(failed(deep)), "script `main`: the depth of its result is larger than 100 levels");
    let very_deep = "() => { let a = []; for (let i = 0; i < 500; i++) a = [a]; return a; }";
    assert_eq!(told(failed(very_deep)), "script `main`: the depth of its result is larger than 100 levels");
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    assert!(matches!(run("(x) => x", deep), Err(ScriptError::TooLarge { .. })));
    assert!(matches!(run("(x) => 1", json!("x".repeat(9 << 20))), Err(ScriptError::TooLarge { .. })));
    let code = |bytes: usize| format!("() => 1 //{}", "x".repeat(bytes));
    let refused = |all: BTreeMap<String, String>| Scripts::compile(&all, Limits::default()).unwrap_err();
    let one = refused([("a".to_owned(), code(65 * 1024))].into());
    assert_eq!(told(one), "script `a`: its code is larger than 65536 bytes");
    let many = refused(["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), code(60 * 1024))).into());
    assert_eq!(told(many), "script `e`: the code of all scripts is larger than 262144 bytes");
}

#[test]
fn nothing_of_a_call_is_there_in_the_next() {
    let scripts = compiled(
        "(input) => {
            const seen = [({}).spoiled, globalThis.kept, [].map === 1, typeof JSON.parse, scripts.main.kept];
            Object.prototype.spoiled = 1; globalThis.kept = 1; Array.prototype.map = 1; JSON.parse = null; scripts.main.kept = 1;
            return seen;
        }",
    );
    for _ in 0..3 {
        let seen = scripts.call("main", vec![json!({})], Arc::new(NoHost)).unwrap();
        assert_eq!(seen, json!([null, null, false, "function", null]));
    }
    let polluted = run("(input) => [({}).x, input.__proto__.x]", json!({ "__proto__": { "x": 1 } }));
    assert_eq!(polluted, Ok(json!([null, 1])), "a member like any other");
}

#[test]
fn there_is_no_way_out() {
    let names = "['require', 'process', 'Deno', 'std', 'os', 'fetch', 'XMLHttpRequest', 'setTimeout', 'WebAssembly', \
        'eval', 'Proxy', 'print', 'load', 'navigator', 'Worker', 'bjson', 'scriptArgs', 'performance']";
    let found = run(&format!("() => {names}.filter((name) => name in globalThis)"), json!(null));
    assert_eq!(found, Ok(json!([])));
    for code in [
        "() => Function('return 1')()",
        "() => new Function('return 1')()",
        "() => (() => {}).constructor('return 1')()",
        "() => (async () => {}).constructor('return 1')()",
        "() => (function* () {}).constructor('yield 1')().next()",
        "() => Object.getPrototypeOf(async function* () {}).constructor('yield 1')()",
        "() => { const f = invoke.constructor; return f('return 1')(); }",
        "() => console.log.constructor.prototype.constructor('return 1')()",
        "() => Reflect.construct(Function, ['return 1'])()",
    ] {
        assert!(said(code).contains("code cannot be made of a text"), "{code}");
    }
    assert!(said("() => { return eval('1'); }").contains("ReferenceError"));
    assert!(said("() => (0, globalThis.eval)('1')").contains("not a function"));
    for module in ["std", "os", "./main", "main", "file:///etc/passwd", "data:text/javascript,1"] {
        let told = said(&format!("() => import('{module}')"));
        assert!(!told.is_empty(), "{module}");
    }
    let own = run("() => (function () { return this === undefined; })()", json!(null));
    assert_eq!(own, Ok(json!(true)), "code is strict");
}

/// Waits for longer than a script may compute, without sleeping.
struct Slow;

impl Host for Slow {
    fn invoke(&self, _: &str, _: Value) -> Result<Value, HostError> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(150) {
            std::hint::spin_loop();
        }
        Ok(json!(1))
    }

    fn log(&self, _: &str) {}
}

#[test]
fn waiting_for_the_host_does_not_count() {
    let scripts =
        Scripts::compile(&sources(&[("main", "() => invoke('a') + invoke('b')")]), short()).unwrap();
    let clock = Arc::new(Clock::default());
    assert_eq!(scripts.call_timed("main", vec![], Arc::new(Slow), &clock), Ok(json!(2)));
    assert!(clock.computed() < Duration::from_millis(100), "{:?}", clock.computed());
    let then_loops = "() => { invoke('a'); for (;;) {} }";
    let scripts = Scripts::compile(&sources(&[("main", then_loops)]), short()).unwrap();
    let error = scripts.call("main", vec![], Arc::new(Slow)).unwrap_err();
    assert!(matches!(error, ScriptError::TimedOut { .. }));
}
