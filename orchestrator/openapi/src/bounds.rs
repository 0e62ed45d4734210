//! What a document may cost.

use serde_json::Value;

/// Most bytes of a document. Whoever reads it keeps to this.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Deepest nesting of a document.
pub const MAX_DEPTH: usize = 200;
/// Most operations that are imported at once.
pub const MAX_OPERATIONS: usize = 5_000;
/// Deepest nesting of a schema, so that the connector file stays within the depth that files may have.
pub(crate) const SCHEMA_DEPTH: usize = 48;
/// Most references in a row.
pub(crate) const HOPS: usize = 32;
/// Most characters of the name of a parameter or datatype.
pub(crate) const NAME_CHARS: usize = 200;

/// Whether a value nests at most so many levels. Looks no deeper than that.
pub(crate) fn is_within(value: &Value, depth: usize) -> bool {
    let Some(left) = depth.checked_sub(1) else {
        return !matches!(value, Value::Array(_) | Value::Object(_));
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_within(item, left)),
        Value::Object(members) => members.values().all(|member| is_within(member, left)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn depth_counts_lists_and_objects() {
        for (value, depth, expect) in [
            (json!(1), 0, true),
            (json!([]), 0, false),
            (json!([1]), 1, true),
            (json!([{"a": []}]), 2, false),
            (json!([{"a": []}]), 3, true),
        ] {
            assert_eq!(is_within(&value, depth), expect, "{value} {depth}");
        }
    }
}
