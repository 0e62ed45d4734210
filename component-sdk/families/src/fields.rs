//! Forms of other platforms as JSON Schema.

use serde_json::{Map, Value, json};

/// Views whose value is a secret.
const SECRET: [&str; 2] = ["PasswordFieldView", "HTTPAuthView"];
/// Views whose value is an object.
const OBJECTS: [&str; 1] = ["HTTPAuthView"];

/// Whether what a person enters there is a secret.
pub(crate) fn is_secret(field: &Value) -> bool {
    view(field).is_some_and(|view| SECRET.contains(&view))
}

/// Whether what a person enters there is an object.
pub(crate) fn is_object(field: &Value) -> bool {
    view(field).is_some_and(|view| OBJECTS.contains(&view))
}

fn view(field: &Value) -> Option<&str> {
    field["viewClass"].as_str()
}

/// Whether a function makes its schemas when it is asked for them.
pub(crate) fn is_dynamic(function: &Value) -> bool {
    is_true(&function["dynamicMetadata"]) || function["dynamicMetadata"].is_string()
}

/// The fields of a function: those that stand beside the functions belong to each of them.
pub(crate) fn form(component: &Value, function: &Value) -> Map<String, Value> {
    let mut form = component["fields"].as_object().cloned().unwrap_or_default();
    form.extend(function["fields"].as_object().cloned().unwrap_or_default());
    form
}

/// The schema of a form; `None` when it has no fields.
pub(crate) fn schema<'f>(
    fields: impl Iterator<Item = (&'f String, &'f Value)>,
    secret: bool,
) -> Option<Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, field) in fields {
        properties.insert(name.clone(), property(field, secret));
        if is_true(&field["required"]) {
            required.push(Value::from(name.as_str()));
        }
    }
    if properties.is_empty() {
        return None;
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    Some(schema)
}

/// One field. Only what the platforms enforce too is demanded of its value: a mapping may give others.
fn property(field: &Value, secret: bool) -> Value {
    let mut property = Map::new();
    if secret {
        property.insert("type".to_owned(), "string".into());
    } else if view(field) == Some("CheckBoxView") {
        property.insert("type".to_owned(), "boolean".into());
    } else if let (Some("SelectView"), Some(model)) = (view(field), field["model"].as_object())
        && model.values().all(Value::is_string)
    {
        property.insert("enum".to_owned(), model.keys().cloned().collect());
    }
    let text = |name: &str| field[name].as_str().map(str::trim).filter(|text| !text.is_empty());
    if let Some(label) = text("label") {
        property.insert("title".to_owned(), label.into());
    }
    let help = field["help"]["description"].as_str();
    if let Some(note) = text("note").or(help).or_else(|| text("placeholder")) {
        property.insert("description".to_owned(), note.into());
    }
    if let Some(default) = field.get("defaultValue").or_else(|| field.get("default")).filter(|_| !secret) {
        property.insert("default".to_owned(), default.clone());
    }
    Value::Object(property)
}

/// Some files say `"true"`.
pub(crate) fn is_true(value: &Value) -> bool {
    value == true || value == "true"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_schema() {
        let fields = json!({
            "method": { "viewClass": "SelectView", "label": " Method", "required": true, "model": { "GET": "Get", "POST": "Post" } },
            "strict": { "viewClass": "CheckBoxView", "note": "Stop at the first error" },
            "list": { "viewClass": "SelectView", "model": "getLists", "required": "true" },
            "code": { "viewClass": "CodeFieldView", "placeholder": "x", "defaultValue": 3 },
        });
        let schema = schema(fields.as_object().unwrap().iter(), false).unwrap();
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "required": ["method", "list"],
                "properties": {
                    "method": { "enum": ["GET", "POST"], "title": "Method" },
                    "strict": { "type": "boolean", "description": "Stop at the first error" },
                    "list": {},
                    "code": { "description": "x", "default": 3 },
                },
            })
        );
        assert_eq!(super::schema(Map::new().iter(), false), None);
    }
}
