//! What containers write, as people read it.
//!
//! Most write lines of JSON: ours (`timestamp`, `level`, `message`), bunyan and pino of Node components (`time`, `level` as a
//! number, `msg`), logrus and zap. Who asks for JSON gets each line as it was written.

use serde_json::{Map, Value};

/// The fields that name the time; the line has one of the container engine.
const TIMES: [&str; 5] = ["timestamp", "time", "ts", "@timestamp", "date"];
/// What each line of a process says alike.
const ALIKE: [&str; 6] = ["target", "v", "pid", "hostname", "name", "logger"];

/// A line as people read it: its level where that is not `info`, its message, and its other fields. What the component `log`
/// writes has the input in the place of a message. What is no JSON object with either stays as it is.
pub(super) fn said(line: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let text = |name: &'static str| Some((name, fields.get(name)?.as_str()?.to_owned()));
    let input = || Some(("input", fields.get("input")?.to_string()));
    let message = text("message").or_else(|| text("msg"));
    let Some((place, mut said)) = message.or_else(input) else { return line.to_owned() };
    if let Some(level) = level(&fields).filter(|level| level != "info") {
        said = format!("{}: {said}", level.to_uppercase());
    }
    let others =
        |name: &str| name != place && name != "level" && !TIMES.contains(&name) && !ALIKE.contains(&name);
    for (name, value) in fields.iter().filter(|(name, _)| others(name)) {
        said += &format!("  {name}={}", plain(value));
    }
    said
}

fn level(fields: &Map<String, Value>) -> Option<String> {
    let of_bunyan = |number: u64| match number {
        0..20 => "trace",
        20..30 => "debug",
        30..40 => "info",
        40..50 => "warn",
        50..60 => "error",
        _ => "fatal",
    };
    match fields.get("level")? {
        Value::String(level) => Some(level.to_lowercase()),
        Value::Number(number) => number.as_u64().map(|number| of_bunyan(number).to_owned()),
        _ => None,
    }
}

/// A text without quotes where it is one word, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"') =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_line_of_ours_is_its_message_and_what_it_is_about() {
        let line = r#"{"timestamp":1,"level":"info","target":"log","step.id":"note","message":"Hello 1","n":[1],"who":"Ada L"}"#;
        assert_eq!(said(line), r#"Hello 1  step.id=note  n=[1]  who="Ada L""#);
        let line = r#"{"timestamp":1,"level":"warn","target":"sluice","message":"no broker"}"#;
        assert_eq!(said(line), "WARN: no broker");
        let line = r#"{"level":"error","step.id":"note","input":{"who":"Ada"}}"#;
        assert_eq!(said(line), r#"ERROR: {"who":"Ada"}  step.id=note"#);
    }

    #[test]
    fn a_line_of_bunyan_is_read_too() {
        let line = r#"{"name":"sailor","hostname":"h","pid":1,"level":50,"msg":"no such order","time":"2026-01-01T00:00:00Z","v":0,"threadId":"t-1"}"#;
        assert_eq!(said(line), "ERROR: no such order  threadId=t-1");
        assert_eq!(said(r#"{"level":30,"msg":"x"}"#), "x");
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        for line in ["", "plain text", "[1]", r#"{"a":1}"#, r#"{"message":{"a":1}}"#, "{\"message\":\"x\""] {
            assert_eq!(said(line), line);
        }
    }
}
