//! The answer of an operation: its first success that is JSON.

use serde_json::Value;

use crate::document::{Document, Reason, object};
use crate::media::is_json;

/// What an operation answers.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Answer<'d> {
    /// The schema of the JSON body.
    pub(crate) schema: Option<&'d Value>,
    /// Whether the answer has the header `Link`.
    pub(crate) has_link: bool,
}

/// The first success of an operation, by status.
///
/// # Errors
/// When it leads out of the document.
pub(crate) fn find<'d>(document: Document<'d>, operation: &'d Value) -> Result<Answer<'d>, Reason> {
    let mut responses: Vec<(&str, &Value)> = object(operation, "responses")
        .into_iter()
        .flatten()
        .map(|(status, response)| (status.as_str(), response))
        .filter(|(status, _)| status.len() == 3 && status.starts_with('2'))
        .collect();
    responses.sort_by_key(|(status, _)| status.to_ascii_uppercase());
    let mut first = Answer::default();
    for (_, response) in responses {
        let response = document.resolve(response)?;
        let has_link = object(response, "headers")
            .is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("link")));
        let content = object(response, "content").into_iter().flatten();
        let schema = content.filter(|(name, _)| is_json(name)).find_map(|(_, media)| media.get("schema"));
        if schema.is_some() {
            return Ok(Answer { schema, has_link });
        }
        first.has_link |= has_link;
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_success_with_json_counts() {
        let root = json!({
            "openapi": "3.0.0",
            "components": {"responses": {"ok": {"content": {"application/json": {"schema": {"const": 1}}}}}},
        });
        let document = Document::new(&root).unwrap();
        for (responses, expect, link) in [
            (json!({"default": {"content": {"application/json": {"schema": {}}}}}), None, false),
            (
                json!({"204": {}, "201": {"$ref": "#/components/responses/ok"}}),
                Some(json!({"const": 1})),
                false,
            ),
            (
                json!({"2XX": {"$ref": "#/components/responses/ok"}, "400": {}}),
                Some(json!({"const": 1})),
                false,
            ),
            (
                json!({"200": {"headers": {"link": {}}, "content": {"a/vnd+json": {"schema": {}}}}}),
                Some(json!({})),
                true,
            ),
        ] {
            let operation = json!({ "responses": responses });
            let answer = find(document, Box::leak(Box::new(operation))).unwrap();
            assert_eq!((answer.schema.cloned(), answer.has_link), (expect, link));
        }
    }
}
