//! The parameters of an operation: those of its path and its own.

use serde_json::Value;

use crate::auth::is_token;
use crate::bounds::NAME_CHARS;
use crate::document::{Document, Reason, flag, list, object, text};
use crate::names::line;
use crate::report::Remarks;

/// Headers that OpenAPI leaves to other parts of the description.
const ELSEWHERE: [&str; 3] = ["accept", "content-type", "authorization"];
/// Headers that the HTTP client sets itself.
const RESERVED: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter<'d> {
    pub(crate) name: &'d str,
    pub(crate) place: Place,
    pub(crate) required: bool,
    pub(crate) style: Option<&'d str>,
    pub(crate) explode: Option<bool>,
    /// The schema; nothing stands for any value.
    pub(crate) schema: Option<&'d Value>,
    /// Whether the value is sent as JSON text.
    pub(crate) is_json: bool,
    pub(crate) description: Option<&'d str>,
    pub(crate) deprecated: bool,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// All parameters of an operation that can be sent.
///
/// # Errors
/// When one of them cannot be found.
pub(crate) fn collect<'d>(
    document: Document<'d>,
    levels: [&'d Value; 2],
    at: &str,
    remarks: &mut Remarks,
) -> Result<Vec<Parameter<'d>>, Reason> {
    let mut found: Vec<Parameter<'d>> = Vec::new();
    for spec in levels.into_iter().flat_map(|level| list(level, "parameters")) {
        let spec = document.resolve(spec)?;
        let (Some(name), Some(place)) = (spec.get("name").and_then(Value::as_str), text(spec, "in")) else {
            remarks.part(at, "a parameter without `name` or `in` was left out");
            continue;
        };
        let Some(place) = place_of(name, place, at, remarks) else { continue };
        let parameter = read(name, place, spec);
        // That of the operation replaces that of the path.
        match found.iter_mut().find(|other| other.place == place && other.name == name) {
            Some(other) => *other = parameter,
            None => found.push(parameter),
        }
    }
    found.sort_by_key(|parameter| parameter.place as u8);
    Ok(found)
}

fn place_of(name: &str, place: &str, at: &str, remarks: &mut Remarks) -> Option<Place> {
    let lower = name.to_ascii_lowercase();
    let shown = line(name);
    if name.is_empty() || name.chars().count() > NAME_CHARS {
        remarks.part(at, "a parameter whose name is empty or too long was left out");
        return None;
    }
    match place {
        "path" => Some(Place::Path),
        "query" => Some(Place::Query),
        "header" if ELSEWHERE.contains(&lower.as_str()) => None,
        "header" if RESERVED.contains(&lower.as_str()) || !is_token(name) => {
            remarks.part(at, format!("the header `{shown}` was left out: connectors cannot set it"));
            None
        }
        "header" => Some(Place::Header),
        "cookie" => {
            remarks.part(at, format!("the cookie `{shown}` was left out: connectors send no cookies"));
            None
        }
        _ => {
            remarks.part(at, format!("the parameter `{shown}` was left out: it is in an unknown place"));
            None
        }
    }
}

fn read<'d>(name: &'d str, place: Place, spec: &'d Value) -> Parameter<'d> {
    let content = object(spec, "content").and_then(|content| content.iter().next());
    let json = content.filter(|(media, _)| crate::media::is_json(media));
    Parameter {
        name,
        place,
        required: place == Place::Path || flag(spec, "required"),
        style: text(spec, "style"),
        explode: spec.get("explode").and_then(Value::as_bool),
        schema: spec.get("schema").or_else(|| json.and_then(|(_, media)| media.get("schema"))),
        is_json: spec.get("schema").is_none() && json.is_some(),
        description: text(spec, "description"),
        deprecated: flag(spec, "deprecated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_of_the_operation_replace_those_of_the_path() {
        let root = json!({
            "openapi": "3.0.0",
            "components": {"parameters": {"limit": {"name": "limit", "in": "query", "schema": {}}}},
        });
        let item = json!({"parameters": [
            {"name": "a", "in": "query"}, {"name": "id", "in": "path"}, {"name": "Accept", "in": "header"},
            {"name": "Host", "in": "header"}, {"name": "c", "in": "cookie"}
        ]});
        let operation = json!({"parameters": [
            {"name": "a", "in": "query", "required": true}, {"name": "X-A", "in": "header"}
        ]});
        let mut remarks = Remarks::default();
        let document = Document::new(&root).unwrap();
        let found = collect(document, [&item, &operation], "here", &mut remarks).unwrap();
        let found: Vec<_> = found.iter().map(|one| format!("{}{}", one.name, one.required)).collect();
        assert_eq!(found, ["idtrue", "atrue", "X-Afalse"]);
        assert_eq!(remarks.finish().len(), 2);
    }
}
