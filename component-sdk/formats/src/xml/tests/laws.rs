//! The laws of the rule: what decoding can give comes back, and a document means what it meant.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::characters::{is_allowed, is_blank};
use super::*;

/// Text with everything that needs care.
fn any_text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        prop::sample::select(vec![
            '<', '>', '&', '"', '\'', ']', ' ', '\t', '\n', '\r', ';', '#', 'x', '\u{85}'
        ]),
        any::<char>().prop_filter("allowed in XML", |char| is_allowed(*char)),
    ];
    vec(char, 0..8).prop_map(String::from_iter)
}

fn any_name() -> impl Strategy<Value = String> {
    "([a-c]{1,2}:)?[a-cA-C_ä][a-c0-9._-]{0,3}"
}

/// Each value that an element may be.
fn any_element() -> impl Strategy<Value = Value> {
    any_text().prop_map(Value::String).prop_recursive(4, 40, 5, |inner| {
        let child = prop_oneof![3 => inner.clone(), 1 => vec(inner, 2..4).prop_map(Value::Array)];
        (btree_map(any_name(), any_text(), 0..3), any_text(), btree_map(any_name(), child, 0..4)).prop_map(
            |(attributes, text, children)| {
                if attributes.is_empty() && children.is_empty() {
                    return Value::String(text);
                }
                let mut members = Map::new();
                members.extend(attributes.into_iter().map(|(name, text)| (format!("@{name}"), text.into())));
                if !text.is_empty() && (children.is_empty() || !is_blank(&text)) {
                    members.insert("#text".to_owned(), text.into());
                }
                members.extend(children);
                Value::Object(members)
            },
        )
    })
}

/// A piece of content as somebody else may write it.
fn any_piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z \\n\\r]{0,5}",
        prop::sample::select(vec![
            "&amp;",
            "&#x3c;",
            "&#13;",
            "&quot;",
            "<![CDATA[<&x>]]>",
            "<![CDATA[]]>",
            "\r\n"
        ])
        .prop_map(str::to_owned),
    ]
}

/// A document without comments and processing instructions, children and text in any order.
fn any_document() -> impl Strategy<Value = String> {
    let leaf = (any_name(), any_piece()).prop_map(|(name, text)| format!("<{name}>{text}</{name}>"));
    leaf.prop_recursive(4, 40, 6, |inner| {
        let content = vec(prop_oneof![inner, any_piece()], 0..6).prop_map(|pieces| pieces.concat());
        let value = prop_oneof![
            "[a-z\\n\\t]{0,4}".prop_map(|text| format!("\"{text}\"")),
            "[a-z>\"]{0,4}(&lt;|&#10;)?".prop_map(|text| format!("'{text}'")),
        ];
        (any_name(), btree_map(any_name(), value, 0..3), content).prop_map(|(name, attributes, content)| {
            let attributes: String =
                attributes.iter().map(|(name, value)| format!("\n{name} = {value}")).collect();
            match content.as_str() {
                "" => format!("<{name}{attributes} />"),
                _ => format!("<{name}{attributes}>{content}</{name} >"),
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_decoding_can_give_comes_back(name in any_name(), element in any_element()) {
        let value = Value::Object(Map::from_iter([(name, element)]));
        let text = encode_xml(&value, None, &Limits::default()).unwrap();
        prop_assert_eq!(decode_xml(text.as_bytes(), None, &Limits::default()).unwrap(), value, "{}", text);
    }

    #[test]
    fn a_document_written_again_means_the_same(text in any_document()) {
        let value = decode_xml(text.as_bytes(), None, &Limits::default()).unwrap();
        let again = encode_xml(&value, None, &Limits::default()).unwrap();
        prop_assert_eq!(decode_xml(again.as_bytes(), None, &Limits::default()).unwrap(), value, "{}", text);
    }

    #[test]
    fn any_value_is_a_readable_document_or_refused(name in "[a@#<]{1,2}", key in any::<String>(), text in any::<String>()) {
        for element in [json!(text), json!({ &key: text }), json!({ "@a": text, &key: [text, 1] })] {
            if let Ok(document) = encode_xml(&element, Some(&name), &Limits::default()) {
                decode_xml(document.as_bytes(), None, &Limits::default()).unwrap();
            }
        }
    }
}
