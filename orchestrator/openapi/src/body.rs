//! The body of a request: always the property `body` of the input.

use serde_json::{Map, Value, json};
use sluice_declarative::{Body, BodyFormat};

use crate::document::{Document, Reason, flag, list, object, text};
use crate::input::Input;
use crate::media::{Media, best};
use crate::names::prose;
use crate::schema::Schemas;

/// The best media type of an operation's body, and whether the body is required.
///
/// # Errors
/// When the body cannot be found, is required, and is in no format that connectors can send.
pub(crate) fn find<'d>(
    schemas: &mut Schemas<'d>,
    operation: &'d Value,
    at: &str,
) -> Result<Option<(Media<'d>, &'d Value)>, Reason> {
    let Some(body) = operation.get("requestBody") else { return Ok(None) };
    let body = schemas.document.resolve(body)?;
    if let Some(media) = best(body) {
        return Ok(Some((media, body)));
    }
    if object(body, "content").is_none_or(Map::is_empty) {
        return Ok(None);
    }
    if flag(body, "required") {
        return Err(Reason("its body is in a format that connectors cannot send".to_owned()));
    }
    schemas.remarks.part(at, "the body was left out: connectors cannot send its format");
    Ok(None)
}

/// Adds the body to the input, and says how it is sent.
///
/// # Errors
/// When its schema leads out of the document.
pub(crate) fn add(
    schemas: &mut Schemas<'_>,
    (media, body): (Media<'_>, &Value),
    input: &mut Input,
    at: &str,
) -> Result<Body, Reason> {
    let mut schema = match media.format {
        BodyFormat::Json | BodyFormat::Form => match media.spec.get("schema") {
            Some(schema) => schemas.convert(schema, at)?,
            None => json!({}),
        },
        BodyFormat::Multipart => parts(schemas, media.spec, at)?,
        BodyFormat::Text => json!({ "type": "string" }),
        BodyFormat::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        BodyFormat::Xml => {
            schemas.remarks.part(
                at,
                "the schema of an XML body was left out: its form as JSON has a member for the root",
            );
            json!({ "type": "object", "minProperties": 1, "maxProperties": 1, "description": "The root element" })
        }
    };
    if media.format == BodyFormat::Form {
        let shape = media.spec.get("schema").map(|schema| schemas.document.properties(schema, false));
        let nested = |(_, schema): &(&str, &Value)| schemas.document.types(schema).contains("object");
        if shape.is_some_and(|members| members.iter().any(nested)) {
            schemas
                .remarks
                .part(at, "the form has members that are objects: they are sent as JSON text, or not at all");
        }
    }
    if let (Some(description), Some(members)) = (text(body, "description"), schema.as_object_mut())
        && !members.contains_key("description")
    {
        members.insert("description".to_owned(), json!(prose(description)));
    }
    // A body of which something is required is hardly ever meant to be left out, but the document has the last word.
    let property = input.add_body(schema, flag(body, "required"));
    Ok(Body { format: media.format, value: json!(property.path()), content_type: media.content_type })
}

/// The schema of a multipart body: files are texts or objects with a content.
fn parts(schemas: &mut Schemas<'_>, spec: &Value, at: &str) -> Result<Value, Reason> {
    let Some(schema) = spec.get("schema") else { return Ok(json!({ "type": "object" })) };
    let document: Document<'_> = schemas.document;
    let members = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.target(reference)?,
        None => schema,
    };
    let Some(properties) = object(members, "properties") else { return schemas.convert(schema, at) };
    let mut turned = Map::new();
    for (name, part) in properties {
        let target = match part.get("$ref").and_then(Value::as_str) {
            Some(reference) => document.target(reference)?,
            None => part,
        };
        let value = if is_file(target) { file(target) } else { schemas.convert(part, at)? };
        turned.insert(name.clone(), value);
    }
    let mut body = json!({ "type": "object" });
    let required = list(members, "required");
    if !required.is_empty() && required.iter().all(Value::is_string) {
        body["required"] = json!(required);
    }
    body["properties"] = Value::Object(turned);
    Ok(body)
}

fn is_file(schema: &Value) -> bool {
    text(schema, "format") == Some("binary")
        || (schema.get("contentMediaType").is_some() && schema.get("contentEncoding").is_none())
        || schema.get("items").is_some_and(|items| text(items, "format") == Some("binary"))
}

fn file(schema: &Value) -> Value {
    let mut file = json!({
        "type": ["string", "object"],
        "properties": {
            "value": {}, "filename": { "type": "string" }, "content_type": { "type": "string" }, "base64": { "type": "boolean" }
        }
    });
    if let Some(description) = text(schema, "description") {
        file["description"] = json!(prose(description));
    }
    file
}
