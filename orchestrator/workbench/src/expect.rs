//! Whether a run emitted what a case says.

use serde_json::{Map, Value, json};
use sluice_engine::{EvaluateRequest, Invoked, evaluate};

/// What is different about a run, if anything is.
pub(crate) fn differs(expect: &Value, invoked: &Invoked) -> Option<String> {
    let bodies = bodies(invoked);
    match expect {
        Value::String(text) if text.starts_with('=') => holds(text, invoked),
        Value::Array(parts) if parts.len() != bodies.len() => {
            Some(format!("it emitted {} outputs, expected are {}", bodies.len(), parts.len()))
        }
        Value::Array(parts) => parts
            .iter()
            .zip(&bodies)
            .enumerate()
            .find_map(|(index, (part, body))| part_of(part, body, &format!("/{index}"))),
        part => match bodies.first() {
            Some(body) => part_of(part, body, ""),
            None => Some("it emitted nothing".to_owned()),
        },
    }
}

/// The bodies of what was emitted, in order.
pub(crate) fn bodies(invoked: &Invoked) -> Vec<Value> {
    let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
    invoked.outputs.iter().map(|output| read(output.body.get())).collect()
}

fn holds(expression: &str, invoked: &Invoked) -> Option<String> {
    let outputs: Vec<Value> = invoked
        .outputs
        .iter()
        .zip(bodies(invoked))
        .map(|(output, body)| json!({ "port": output.port, "body": body, "headers": output.headers }))
        .collect();
    let input = json!({ "outputs": outputs, "state": invoked.state });
    match evaluate(EvaluateRequest::Mapping { mapping: Value::from(expression), input }) {
        Ok(Some(Value::Bool(true))) => None,
        Ok(value) => Some(format!("`{expression}` gives {}, not true", brief(&value.unwrap_or_default()))),
        Err(error) => Some(sluice_engine::chain(&error)),
    }
}

/// Where `part` is not in `whole`: members of objects may be more, lists are as long, everything else is equal.
fn part_of(part: &Value, whole: &Value, place: &str) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => members(part, whole, place),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            let mut pairs = part.iter().zip(whole).enumerate();
            pairs.find_map(|(index, (part, whole))| part_of(part, whole, &format!("{place}/{index}")))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ if part == whole => None,
        _ => {
            let place = if place.is_empty() { "the body" } else { place };
            Some(format!("{place} is {}, expected is {}", brief(whole), brief(part)))
        }
    }
}

fn members(part: &Map<String, Value>, whole: &Map<String, Value>, place: &str) -> Option<String> {
    part.iter().find_map(|(name, part)| {
        let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
        match whole.get(name) {
            Some(whole) => part_of(part, whole, &place),
            None => Some(format!("{place} is missing")),
        }
    })
}

/// A value in a sentence.
pub(crate) fn brief(value: &Value) -> String {
    const SHOWN: usize = 120;
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use sluice_protocol::{Headers, Output, Port};

    use super::*;

    #[track_caller]
    fn check(expect: Value, outputs: Value, wrong: Option<&str>) {
        let output = |body: &Value| Output {
            port: Port::default(),
            body: serde_json::value::to_raw_value(body).unwrap(),
            headers: Headers::new(),
        };
        let outputs = outputs.as_array().unwrap().iter().map(output).collect();
        let invoked = Invoked { outputs, state: Some(json!(3)), ..Invoked::default() };
        let got = differs(&expect, &invoked);
        match wrong {
            None => assert_eq!(got, None),
            Some(text) => assert!(got.as_ref().is_some_and(|got| got.contains(text)), "{got:?}"),
        }
    }

    #[test]
    fn an_object_is_part_of_the_first_body() {
        check(json!({ "a": 1 }), json!([{ "a": 1.0, "b": 2 }]), None);
        check(json!({ "a": { "c": [1, {}] } }), json!([{ "a": { "c": [1, { "d": 1 }] } }]), None);
        check(json!({ "a": 1 }), json!([{ "b": 2 }]), Some("/a is missing"));
        check(json!({ "a": [1] }), json!([{ "a": [1, 2] }]), Some("/a is [1,2], expected is [1]"));
        check(json!({ "a": 1 }), json!([]), Some("nothing"));
    }

    #[test]
    fn a_list_has_a_part_for_each_output() {
        check(json!([{ "a": 1 }, 2]), json!([{ "a": 1, "b": 1 }, 2]), None);
        check(json!([]), json!([]), None);
        check(json!([1]), json!([1, 2]), Some("emitted 2 outputs"));
        check(json!([1, 3]), json!([1, 2]), Some("/1 is 2"));
    }

    #[test]
    fn an_expression_must_be_true() {
        check(
            json!("= $count(outputs) = 2 and outputs[0].body.a = 1 and state = 3"),
            json!([{ "a": 1 }, 2]),
            None,
        );
        check(json!("= state"), json!([]), Some("gives 3, not true"));
        check(json!("= $sum("), json!([]), Some(""));
    }
}
