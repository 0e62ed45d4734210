//! Mappings and expressions: parsed, evaluated within limits, and evaluated from text to text, which must give the same.
#![no_main]

use std::cell::RefCell;
use std::sync::Once;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use sluice_mapping::{EvalErrorKind, Evaluator, JsonPath, Limits, Mapping, Query, Root};

thread_local! {
    static EVALUATOR: RefCell<Evaluator> = RefCell::new(Evaluator::new(limits()));
}

fn limits() -> Limits {
    Limits { timeout: Duration::from_millis(200), ..Limits::default() }
}

// The first line is a mapping in JSON, or an expression; the rest is the body of a message.
fuzz_target!(|data: &[u8]| {
    // The evaluator turns panics of its library into errors. One that gets past it still ends the process.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            // What a library says of itself is no news; what is ours is.
            if info.location().is_none_or(|place| !place.file().contains(".cargo")) {
                eprintln!("{info}");
            }
        }));
    });
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (source, body) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(value) = serde_json::from_str::<Value>(body) else { return };
    let root = json!({ "body": value });
    EVALUATOR.with_borrow_mut(|evaluator| {
        expression(evaluator, source, &root);
        let source = serde_json::from_str(source).unwrap_or_else(|_| Value::from(source));
        let Ok(mapping) = Mapping::parse(&source, &limits()) else { return };
        mapping.reads();
        mapping.paths();
        let plain = evaluator.map(&mapping, &Root::new(&root));
        let Some(text) = evaluator.map_text(&mapping, body) else { return };
        match (&text, &plain) {
            (Ok(text), Ok(plain)) => {
                let read: Value = serde_json::from_str(text).expect("what is made is JSON");
                assert_eq!(&read, plain, "{source} of {body}");
            }
            (Err(text), Err(plain)) => assert_eq!(text.place, plain.place, "{source} of {body}"),
            // A bound may be met by one and not by the other: they weigh differently, and time passes.
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => {
                assert!(is_bound(&error.kind), "{error}: {source} of {body}")
            }
        }
    });
});

fn expression(evaluator: &mut Evaluator, source: &str, root: &Value) {
    let root = Root::new(root);
    if let Ok(query) = Query::parse(source, &limits()) {
        let value = query.value(evaluator, &root);
        let truthy = query.truthy(evaluator, &root);
        drop((value, truthy));
    }
    if let Ok(path) = JsonPath::parse(source, &limits()) {
        let first = evaluator.jsonpath(&path, &root);
        let again = evaluator.jsonpath(&path, &root);
        if let (Ok(first), Ok(again)) = (first, again) {
            assert_eq!(first, again, "a path is not what it was: {source}");
        }
    }
}

fn is_bound(kind: &EvalErrorKind) -> bool {
    use EvalErrorKind::{Depth, OutputSize, Sequence, Timeout, Work};
    matches!(kind, Timeout | Depth | Sequence | Work | OutputSize)
}
