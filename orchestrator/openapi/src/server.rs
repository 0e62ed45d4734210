//! Servers become the base URL and the variables of an instance.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::document::{list, object, text};
use crate::names::{is_plain, line, prose, snake, unique};
use crate::report::Remarks;

/// The variable that replaces the server's URL.
const URL: &str = "url";
/// Names that JSONata takes for operators and values.
const WORDS: [&str; 6] = ["and", "or", "in", "true", "false", "null"];

/// How an API is reached.
#[derive(Debug, PartialEq)]
pub(crate) struct Base {
    /// An expression for the base URL.
    pub(crate) url: String,
    /// The schema of the variables that it reads.
    pub(crate) variables: Value,
}

/// The server that is meant by a list: its first https one, else its first http one, else its first.
pub(crate) fn preferred(servers: &[Value]) -> Option<&Value> {
    let first = |scheme: &str| {
        servers.iter().find(|server| text(server, "url").is_some_and(|url| url.starts_with(scheme)))
    };
    first("https://")
        .or_else(|| first("http://"))
        .or_else(|| servers.iter().find(|server| text(server, "url").is_some()))
}

/// The servers of an operation: its own, those of its path, or those of the document.
pub(crate) fn of_operation<'d>(root: &'d Value, item: &'d Value, operation: &'d Value) -> Option<&'d Value> {
    [operation, item, root].into_iter().find_map(|level| preferred(list(level, "servers")))
}

/// The URL of a server as it is written, which tells one from another.
pub(crate) fn key(server: Option<&Value>) -> &str {
    server.and_then(|server| text(server, "url")).unwrap_or("/").trim_end_matches('/')
}

/// The base URL and its variables.
pub(crate) fn base(server: Option<&Value>, remarks: &mut Remarks) -> Base {
    let url = key(server);
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        let message = match url {
            "" => "the document names no server: each instance gives its `url`".to_owned(),
            _ => format!(
                "the document's server has no host, only `{}`: each instance gives its `url`",
                line(url)
            ),
        };
        remarks.choice(message);
        let mut description = "The address of the API".to_owned();
        if !url.is_empty() {
            description +=
                &format!(", for example https://example.com/{}", line(url.trim_start_matches('/')));
        }
        let variables = json!({
            "type": "object", "required": [URL],
            "properties": { URL: { "type": "string", "description": description } }
        });
        return Base { url: "= vars.url".to_owned(), variables };
    }
    let named = object(server.unwrap_or(&Value::Null), "variables");
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut schema = json!({ "type": "string", "description": "Another address of the API" });
    if !url.contains('{') {
        schema["default"] = json!(url);
    }
    properties.insert(URL.to_owned(), schema);
    let (mut parts, mut taken, mut given) =
        (Vec::new(), BTreeSet::from([URL.to_owned()]), BTreeMap::<&str, String>::new());
    let mut rest = url;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        parts.push(quoted(before));
        let variable = given.entry(name).or_insert_with(|| {
            let variable = unique(&identifier(name), 64, &mut taken);
            let (schema, has_default) = variable_schema(named.and_then(|named| named.get(name)));
            if !has_default {
                required.push(json!(variable));
            }
            properties.insert(variable.clone(), schema);
            variable
        });
        let default = named.and_then(|named| named.get(name)).and_then(default);
        parts.push(match default {
            Some(default) => format!("(vars.{variable} ? vars.{variable} : {})", quoted(&default)),
            None => format!("vars.{variable}"),
        });
        rest = after;
    }
    parts.push(quoted(rest));
    parts.retain(|part| part != "''");
    let mut variables = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        variables["required"] = Value::Array(required);
    }
    Base { url: format!("= vars.url ? vars.url : {}", parts.join(" & ")), variables }
}

fn default(variable: &Value) -> Option<String> {
    match variable.get("default")? {
        Value::String(text) => Some(text.clone()),
        other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
        _ => None,
    }
}

fn variable_schema(variable: Option<&Value>) -> (Value, bool) {
    let mut schema = json!({ "type": "string" });
    let Some(variable) = variable else { return (schema, false) };
    if let Some(description) = text(variable, "description") {
        schema["description"] = json!(prose(description));
    }
    let choices: Vec<&Value> = list(variable, "enum").iter().filter(|choice| choice.is_string()).collect();
    if !choices.is_empty() {
        schema["enum"] = json!(choices);
    }
    let default = default(variable);
    if let Some(default) = &default {
        schema["default"] = json!(default);
    }
    (schema, default.is_some())
}

/// A name that JSONata takes as it is.
fn identifier(name: &str) -> String {
    let name = if is_plain(name) { name.to_owned() } else { snake(name) };
    match name.as_str() {
        "" => "variable".to_owned(),
        word if WORDS.contains(&word) || word.starts_with(|letter: char| letter.is_ascii_digit()) => {
            format!("v_{word}")
        }
        _ => name,
    }
}

/// A text of JSONata.
pub(crate) fn quoted(text: &str) -> String {
    let clean: String = text.chars().filter(|letter| !letter.is_control()).collect();
    format!("'{}'", clean.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_become_base_urls() {
        for (servers, expect, names) in [
            (
                json!([{"url": "https://a.example/v1/"}]),
                "= vars.url ? vars.url : 'https://a.example/v1'",
                vec!["url"],
            ),
            (
                json!([{"url": "/x"}, {"url": "http://a.example"}, {"url": "https://b.example"}]),
                "= vars.url ? vars.url : 'https://b.example'",
                vec!["url"],
            ),
            (json!([{"url": "/api/v3"}]), "= vars.url", vec!["url"]),
            (json!([]), "= vars.url", vec!["url"]),
            (
                json!([{"url": "https://{site-id}.example/{in}", "variables": {"site-id": {"default": "o'ne"}, "in": {}}}]),
                "= vars.url ? vars.url : 'https://' & (vars.site_id ? vars.site_id : 'o\\'ne') & '.example/' & vars.v_in",
                vec!["url", "site_id", "v_in"],
            ),
        ] {
            let base = base(preferred(servers.as_array().unwrap()), &mut Remarks::default());
            assert_eq!(base.url, expect);
            let got: Vec<_> = base.variables["properties"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(got, names);
        }
    }

    #[test]
    fn the_url_is_required_where_there_is_no_other() {
        let base = base(None, &mut Remarks::default());
        assert_eq!(base.variables["required"], json!(["url"]));
    }
}
