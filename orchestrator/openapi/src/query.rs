//! How parameters are written: the styles of OpenAPI become expressions.

use serde_json::{Map, Value, json};

use crate::document::{Document, Reason};
use crate::input::{Property, is_quotable};
use crate::names::line;
use crate::parameter::{Parameter, Place};

/// What a parameter is in a request: values by name. Or nothing, with the reason.
pub(crate) type Written = Result<Map<String, Value>, String>;

/// The values of a parameter of the query.
pub(crate) fn write(document: Document<'_>, parameter: &Parameter<'_>, property: &Property) -> Written {
    let name = parameter.name.to_owned();
    if parameter.is_json {
        return Ok(one(name, format!("= $string({})", property.jsonata())));
    }
    let types = parameter.schema.map(|schema| document.types(schema)).unwrap_or_default();
    let style = parameter.style.unwrap_or("form");
    let explode = parameter.explode.unwrap_or(style == "form");
    if types.contains("object") {
        return object(document, parameter, property, (style, explode));
    }
    match (style, explode) {
        // A list in brackets is what servers read that know `deepObject`.
        ("deepObject", _) if types.contains("array") && !name.ends_with("[]") => {
            Ok(one(name + "[]", property.path()))
        }
        ("form" | "deepObject", true)
        | ("spaceDelimited" | "pipeDelimited", true)
        | ("deepObject", false) => Ok(one(name, property.path())),
        _ if !types.contains("array") => Ok(one(name, property.path())),
        ("form", false) => Ok(one(name, joined(property, ","))),
        ("spaceDelimited", false) => Ok(one(name, joined(property, " "))),
        ("pipeDelimited", false) => Ok(one(name, joined(property, "|"))),
        _ => Err(format!("the parameter `{}` was left out: its style is unknown", line(&name))),
    }
}

/// The value of a parameter of the path or of a header.
///
/// # Errors
/// For styles that cannot be written.
pub(crate) fn simple(
    document: Document<'_>,
    parameter: &Parameter<'_>,
    property: &Property,
) -> Result<Value, Reason> {
    if parameter.is_json {
        return Ok(json!(format!("= $string({})", property.jsonata())));
    }
    let shown = line(parameter.name);
    if parameter.style.is_some_and(|style| style != "simple") && parameter.place == Place::Path {
        return Err(Reason(format!("the path parameter `{shown}` has a style that connectors do not have")));
    }
    let types = parameter.schema.map(|schema| document.types(schema)).unwrap_or_default();
    let is_scalar = ["string", "integer", "number", "boolean"].iter().any(|kind| types.contains(kind));
    if types.contains("object") && !is_scalar {
        return Err(Reason(format!("the parameter `{shown}` of its path or headers is an object")));
    }
    let value = if types.contains("array") { joined(property, ",") } else { property.path() };
    Ok(json!(value))
}

fn object(
    document: Document<'_>,
    parameter: &Parameter<'_>,
    property: &Property,
    style: (&str, bool),
) -> Written {
    let name = line(parameter.name);
    let schema = parameter.schema.unwrap_or(&Value::Null);
    let members = document.properties(schema, true);
    let is_deep = match style {
        ("deepObject", _) => true,
        ("form", true) => false,
        _ => {
            return Err(format!(
                "the parameter `{name}` was left out: objects cannot be written in its style"
            ));
        }
    };
    if members.is_empty() {
        return Err(format!(
            "the parameter `{name}` was left out: it is an object whose members the document does not name"
        ));
    }
    let mut written = Map::new();
    let others = document.types(schema).into_iter().any(|kind| !["object", "null"].contains(&kind));
    if others {
        let value = property.jsonata();
        written.insert(
            parameter.name.to_owned(),
            json!(format!("= $type({value}) = 'object' ? null : {value}")),
        );
    }
    for (member, schema) in members.into_iter().filter(|(member, _)| member.chars().all(is_quotable)) {
        let types = document.types(schema);
        let key = match is_deep {
            true if types.contains("array") => format!("{}[{member}][]", parameter.name),
            true => format!("{}[{member}]", parameter.name),
            false => member.to_owned(),
        };
        if !types.contains("object") {
            written.insert(key, json!(property.member(member)));
        }
    }
    if written.is_empty() {
        return Err(format!("the parameter `{name}` was left out: its members are objects themselves"));
    }
    Ok(written)
}

/// The items of a list as one text; nothing where there is no list.
fn joined(property: &Property, separator: &str) -> String {
    format!("= $join({}.$string(), '{separator}')", property.jsonata())
}

fn one(name: String, value: String) -> Map<String, Value> {
    Map::from_iter([(name, Value::String(value))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_become_expressions() {
        let root = json!({"openapi": "3.0.0"});
        let document = Document::new(&root).unwrap();
        let list = json!({"type": "array", "items": {"type": "string"}});
        let object = json!({"type": "object", "properties": {"a": {"type": "string"}, "b-c": {}, "d": {"type": "array"}, "e": {"type": "object"}}});
        let either = json!({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"gt": {"type": "integer"}}}]});
        let any = json!({"type": "object"});
        for (schema, style, explode, expect) in [
            (&list, None, None, r#"{"p":"$.input.p"}"#),
            (&list, None, Some(false), r#"{"p":"= $join(input.p.$string(), ',')"}"#),
            (&list, Some("spaceDelimited"), None, r#"{"p":"= $join(input.p.$string(), ' ')"}"#),
            (&list, Some("pipeDelimited"), Some(false), r#"{"p":"= $join(input.p.$string(), '|')"}"#),
            (&list, Some("deepObject"), Some(true), r#"{"p[]":"$.input.p"}"#),
            (
                &object,
                Some("deepObject"),
                Some(true),
                r#"{"p[a]":"$.input.p.a","p[b-c]":"$.input.p['b-c']","p[d][]":"$.input.p.d"}"#,
            ),
            (&object, None, None, r#"{"a":"$.input.p.a","b-c":"$.input.p['b-c']","d":"$.input.p.d"}"#),
            (
                &object,
                None,
                Some(false),
                "the parameter `p` was left out: objects cannot be written in its style",
            ),
            (
                &either,
                Some("deepObject"),
                None,
                r#"{"p":"= $type(input.p) = 'object' ? null : input.p","p[gt]":"$.input.p.gt"}"#,
            ),
            (
                &any,
                Some("deepObject"),
                None,
                "the parameter `p` was left out: it is an object whose members the document does not name",
            ),
        ] {
            let parameter = Parameter {
                name: "p",
                place: Place::Query,
                required: false,
                style,
                explode,
                schema: Some(schema),
                is_json: false,
                description: None,
                deprecated: false,
            };
            let got = match write(document, &parameter, &Property("p".to_owned())) {
                Ok(written) => Value::Object(written).to_string(),
                Err(reason) => reason,
            };
            assert_eq!(got, expect, "{style:?} {explode:?}");
        }
    }
}
