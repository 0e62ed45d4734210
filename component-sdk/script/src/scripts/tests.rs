//! Scripts as connectors use them, good ones and hostile ones.

mod hostile;
mod laws;
mod signing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::Scripts;
use crate::{Host, HostError, Limits, NoHost, ScriptError};

fn sources(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect()
}

fn compiled(code: &str) -> Scripts {
    Scripts::compile(&sources(&[("main", code)]), Limits::default()).unwrap()
}

fn run(code: &str, input: Value) -> Result<Value, ScriptError> {
    compiled(code).call("main", vec![input], Arc::new(NoHost))
}

/// The message of what the script throws.
fn said(code: &str) -> String {
    match run(code, json!(null)) {
        Err(ScriptError::Thrown { message, .. }) => message,
        other => panic!("{code}: {other:?}"),
    }
}

/// Answers `double` and keeps what it hears.
#[derive(Default)]
struct Doubles {
    heard: Mutex<Vec<String>>,
}

impl Host for Doubles {
    fn invoke(&self, action: &str, input: Value) -> Result<Value, HostError> {
        match action {
            "double" => Ok(json!({ "twice": input["n"].as_i64().unwrap() * 2 })),
            _ => Err(HostError::new("http_404", "there is nothing")),
        }
    }

    fn log(&self, line: &str) {
        self.heard.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn a_script_computes_a_result_of_its_arguments() {
    let scripts =
        compiled("function (input, cx) { return { sum: input.a + cx.b, list: [1, 'x', null, true] }; };");
    let args = vec![json!({ "a": 1 }), json!({ "b": 2.5 })];
    let result = scripts.call("main", args, Arc::new(NoHost)).unwrap();
    assert_eq!(result, json!({ "sum": 3.5, "list": [1, "x", null, true] }));
    for (code, expect) in [
        ("(input) => input.length // the end", json!(3)),
        ("async (input) => { await null; return input + '!'; }", json!("abc!")),
        ("(input) => Promise.resolve(input).then((it) => it.toUpperCase())", json!("ABC")),
        ("() => undefined", json!(null)),
        ("() => ({ a: undefined, f() {}, d: new Date(0) })", json!({ "d": "1970-01-01T00:00:00.000Z" })),
        ("(input) => input.replace(/(?<x>b)/, '[$<x>]')", json!("a[b]c")),
        (
            "() => [typeof Math.random(), typeof Date.now(), typeof now()]",
            json!(["number", "number", "number"]),
        ),
        ("() => '\\ud800 \\\\ud800 \\ud83d\\ude00'", json!("\u{fffd} \\ud800 😀")),
    ] {
        assert_eq!(run(code, json!("abc")), Ok(expect), "{code}");
    }
}

#[test]
fn scripts_share_each_other_by_name() {
    let all = sources(&[
        ("fact", "(n) => n < 2 ? 1 : n * scripts.fact(n - 1)"),
        ("main", "(input) => scripts.fact(input)"),
    ]);
    let scripts = Scripts::compile(&all, Limits::default()).unwrap();
    assert_eq!(scripts.call("main", vec![json!(5)], Arc::new(NoHost)), Ok(json!(120)));
    let unknown = ScriptError::Unknown { name: "none".to_owned() };
    assert_eq!(scripts.call("none", vec![], Arc::new(NoHost)), Err(unknown));
}

#[test]
fn code_that_cannot_be_read_is_refused_with_its_line() {
    for (code, line, text) in [
        ("(input) => {\n  return input +;\n}", 2, "SyntaxError"),
        ("function (a) {\n\n\n  let let = 1;\n}", 4, "SyntaxError"),
        ("42", 1, "gives no function"),
        ("import x from 'y'", 1, "SyntaxError"),
        ("(() => {\n throw new Error('at once') })()", 2, "at once"),
    ] {
        let error = Scripts::compile(&sources(&[("main", code)]), Limits::default()).unwrap_err();
        let ScriptError::Syntax { script, line: found, message } = &error else {
            panic!("{code}: {error:?}")
        };
        assert_eq!((script.as_str(), *found), ("main", line), "{code}: {error}");
        assert!(message.contains(text), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn what_is_thrown_is_told_in_one_line_with_its_place() {
    let all = sources(&[
        ("helper", "(x) => {\n  return x.missing.member;\n}"),
        (
            "main",
            "function (input) {\n  if (input) { throw new Error('no\\n such thing'); }\n  return scripts.helper({});\n}",
        ),
    ]);
    let scripts = Scripts::compile(&all, Limits::default()).unwrap();
    let error = |input| scripts.call("main", vec![input], Arc::new(NoHost)).unwrap_err().to_string();
    assert_eq!(error(json!(true)), "script `main`, line 2: no such thing");
    let told = error(json!(false));
    assert!(told.starts_with("script `helper`, line 2: TypeError: "), "{told}");
    assert_eq!(said("() => { throw 'a text' }"), "a text");
    assert_eq!(said("() => { throw { a: 1 } }"), r#"{"a":1}"#);
    assert_eq!(said("async () => { throw new RangeError('far') }"), "RangeError: far");
    assert_eq!(
        said("() => new Promise(() => {})"),
        "TypeError: the promise that the script gave is never settled"
    );
    assert!(said("() => 1n").contains("TypeError"));
    assert_eq!(said("() => { throw 'x'.repeat(9999) }").chars().count(), 501);
}

#[test]
fn other_actions_answer_and_fail_like_functions() {
    let host = Arc::new(Doubles::default());
    let scripts = compiled(
        "(input) => {
            const one = invoke('double', { n: input });
            try { invoke('none'); } catch (error) { return [one.twice, error.code, error.message]; }
        }",
    );
    let result = scripts.call("main", vec![json!(4)], Arc::<Doubles>::clone(&host));
    assert_eq!(result, Ok(json!([8, "http_404", "there is nothing"])));
    let error = compiled("() => invoke('none')").call("main", vec![], host).unwrap_err();
    let ScriptError::Thrown { message, code, line, .. } = error else { panic!("{error:?}") };
    assert_eq!((message.as_str(), code.as_deref(), line), ("there is nothing", Some("http_404"), 1));
}

#[test]
fn the_log_is_bounded() {
    let host = Arc::new(Doubles::default());
    let code = "() => { console.log('a', { b: [1] }, 2, null); for (let i = 0; i < 500; i++) console.warn('é'.repeat(9999)); }";
    compiled(code).call("main", vec![], Arc::<Doubles>::clone(&host)).unwrap();
    let heard = host.heard.lock().unwrap();
    assert_eq!(heard[0], r#"a {"b":[1]} 2 null"#);
    assert_eq!((heard.len(), heard[1].len()), (100, 1024));
}

#[test]
fn helpers_encode_and_decode() {
    for (code, expect) in [
        ("base64.encode('grüße')", "Z3LDvMOfZQ=="),
        ("base64.decode('Z3LDvMOfZQ')", "grüße"),
        ("base64.encode({ hex: 'fbff' })", "+/8="),
        ("hex.encode({ base64: '-_8' })", "fbff"),
        ("hex.decode('c3bc')", "ü"),
        ("url.encode('a b/ü~*')", "a%20b%2F%C3%BC~%2A"),
        ("url.decode('a%20b%2F%C3%BC')", "a b/ü"),
        ("String(/^[0-9a-f-]{36}$/.test(uuid()) && uuid() !== uuid())", "true"),
    ] {
        assert_eq!(run(&format!("() => {code}"), json!(null)), Ok(json!(expect)), "{code}");
    }
    for (code, text) in [
        ("base64.decode('*')", "no Base64"),
        ("hex.decode('ff')", "no UTF-8"),
        ("hex.decode('f')", "not hexadecimal"),
        ("base64.encode(7)", "a text is needed"),
        ("crypto.hash('md4', '')", "the algorithm"),
        ("crypto.hash('md5', '', 'latin1')", "the encoding"),
    ] {
        let told = said(&format!("() => {code}"));
        assert!(told.contains(text), "{code}: {told}");
    }
}
