//! Documents by the rule, one table each for what is read, written and refused; the laws are beside.

mod laws;

use serde_json::{Value, json};

use super::{decode_xml, encode_xml};
use crate::error::{FormatErrorCode, Place};
use crate::limits::Limits;

const SOAP: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:shop">
  <!-- a comment --><?target data?>
  <soap:Body>
    <order id='7'><item>pen &amp; ink</item><item/></order>
  </soap:Body>
</soap:Envelope>
"#;

fn read(text: &str) -> Value {
    decode_xml(text.as_bytes(), None, &Limits::default()).expect(text)
}

fn write(value: &Value) -> String {
    let text = encode_xml(value, None, &Limits::default()).expect("encodes");
    text.split_once("?>").expect("a declaration").1.to_owned()
}

#[test]
fn documents_are_read_by_the_rule() {
    for (text, expect) in [
        ("<a/>", json!({ "a": "" })),
        ("<a></a>", json!({ "a": "" })),
        ("<a > </a >\n", json!({ "a": " " })),
        ("<a>x</a>", json!({ "a": "x" })),
        ("<a b='1'/>", json!({ "a": { "@b": "1" } })),
        ("<a b = '1'>x</a>", json!({ "a": { "@b": "1", "#text": "x" } })),
        ("<a b='1'> </a>", json!({ "a": { "@b": "1", "#text": " " } })),
        ("<a><b/></a>", json!({ "a": { "b": "" } })),
        ("<a>\n <b>1</b>\n <b>2</b>\n</a>", json!({ "a": { "b": ["1", "2"] } })),
        ("<a><b>1</b><c/><b><d/></b><b/></a>", json!({ "a": { "b": ["1", { "d": "" }, ""], "c": "" } })),
        ("<a>x<b/>y</a>", json!({ "a": { "#text": "xy", "b": "" } })),
        ("<a><![CDATA[<&]]>]]&gt;<![CDATA[ ]]></a>", json!({ "a": "<&]]> " })),
        ("<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#13;</a>", json!({ "a": "<>&'\"A😀\r" })),
        ("<a>1\r\n2\r3</a>", json!({ "a": "1\n2\n3" })),
        ("<a b='&quot;\n\t&#10;>'/>", json!({ "a": { "@b": "\"  \n>" } })),
        ("<a>x<!-- c -->y<?p q?>z</a>", json!({ "a": "xyz" })),
        ("<ä:ö xmlns:ä='u'/>", json!({ "ä:ö": { "@xmlns:ä": "u" } })),
    ] {
        assert_eq!(read(text), expect, "{text}");
    }
    let envelope = json!({ "soap:Envelope": {
        "@xmlns:soap": "http://schemas.xmlsoap.org/soap/envelope/", "@xmlns": "urn:shop",
        "soap:Body": { "order": { "@id": "7", "item": ["pen & ink", ""] } }
    } });
    assert_eq!(read(SOAP), envelope);
}

#[test]
fn values_are_written_by_the_rule() {
    for (value, expect) in [
        (json!({ "a": "" }), "<a/>"),
        (json!({ "a": null }), "<a/>"),
        (json!({ "a": {} }), "<a/>"),
        (json!({ "a": { "#text": "" } }), "<a/>"),
        (json!({ "a": 1.5 }), "<a>1.5</a>"),
        (json!({ "a": true }), "<a>true</a>"),
        (json!({ "a": "<&>\"'\n\r" }), "<a>&lt;&amp;&gt;\"'\n&#13;</a>"),
        (json!({ "a": { "@b": "<&>\"'\n\t\r" } }), "<a b=\"&lt;&amp;&gt;&quot;'&#10;&#9;&#13;\"/>"),
        (json!({ "a": { "@b": 1, "@c": null, "#text": 2 } }), "<a b=\"1\">2</a>"),
        (json!({ "a": { "c": "1", "#text": "t", "@b": "2" } }), "<a b=\"2\">t<c>1</c></a>"),
        (json!({ "a": { "b": ["1", { "@c": "2" }, null] } }), "<a><b>1</b><b c=\"2\"/><b/></a>"),
        (json!({ "a": { "b": [], "c": ["1"] } }), "<a><c>1</c></a>"),
        (json!({ "s:a": { "@xmlns:s": "u" } }), "<s:a xmlns:s=\"u\"/>"),
    ] {
        assert_eq!(write(&value), expect, "{value}");
    }
}

#[test]
fn a_root_may_be_given() {
    let limits = Limits::default();
    let text = encode_xml(&json!({ "b": 1 }), Some("a"), &limits);
    assert_eq!(text.as_deref(), Ok("<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b>1</b></a>"));
    let error = encode_xml(&json!({}), Some("a b"), &limits).expect_err("no name");
    assert_eq!((error.code, error.place), (FormatErrorCode::XmlName, Place::Path(String::new())));
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_place() {
    for (text, code, line, column) in [
        ("", FormatErrorCode::Xml, 1, 1),
        (" \n", FormatErrorCode::Xml, 2, 1),
        ("x", FormatErrorCode::Xml, 1, 1),
        ("<a/>\nx", FormatErrorCode::Xml, 1, 5),
        ("<a/>\n<b/>", FormatErrorCode::Xml, 2, 1),
        ("<a/><![CDATA[ ]]>", FormatErrorCode::Xml, 1, 5),
        ("<a/>&#32;", FormatErrorCode::Xml, 1, 5),
        ("<a>\n<ä></b></a>", FormatErrorCode::Xml, 2, 4),
        ("<a>\n</a></a>", FormatErrorCode::Xml, 2, 5),
        ("<a><b>", FormatErrorCode::Xml, 1, 7),
        ("<a", FormatErrorCode::Xml, 1, 1),
        ("<a b/>", FormatErrorCode::Xml, 1, 1),
        ("<a b=c/>", FormatErrorCode::Xml, 1, 1),
        ("<a b='1' b='2'/>", FormatErrorCode::Xml, 1, 1),
        ("<a b='<'/>", FormatErrorCode::Xml, 1, 1),
        ("<a b='&'/>", FormatErrorCode::Xml, 1, 1),
        ("<a>]]></a>", FormatErrorCode::Xml, 1, 4),
        ("<a>& b</a>", FormatErrorCode::Xml, 1, 4),
        ("<a><!-- -- --></a>", FormatErrorCode::Xml, 1, 4),
        (" <?xml version='1.0'?><a/>", FormatErrorCode::Xml, 1, 2),
        ("<a>&nbsp;</a>", FormatErrorCode::XmlEntity, 1, 4),
        ("<a b='&x;'/>", FormatErrorCode::XmlEntity, 1, 1),
        ("<a>&#0;</a>", FormatErrorCode::XmlCharacter, 1, 4),
        ("<a>\u{0}</a>", FormatErrorCode::XmlCharacter, 1, 4),
        ("<1/>", FormatErrorCode::XmlName, 1, 1),
        ("<>x</>", FormatErrorCode::XmlName, 1, 1),
        ("<a 1='x'/>", FormatErrorCode::XmlName, 1, 1),
    ] {
        let error = decode_xml(text.as_bytes(), None, &Limits::default()).expect_err(text);
        assert_eq!((error.code, &error.place), (code, &Place::Line { line, column }), "{text}: {error}");
        assert!(error.to_string().chars().count() < 200, "{error}");
    }
}

#[test]
fn a_definition_is_refused_whatever_it_says() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!doctype a><a/>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b 'c",
        "<!DOCTYPE",
        "<!DOCTYPE>",
        "<a><!DOCTYPE a></a>",
    ] {
        let error = decode_xml(text.as_bytes(), None, &Limits::default()).expect_err(text);
        assert_eq!(error.code, FormatErrorCode::XmlDtd, "{text}: {error}");
    }
    for text in ["<!ENTITY b 'c'><a/>", "<a><!ELEMENT a ANY></a>"] {
        assert!(decode_xml(text.as_bytes(), None, &Limits::default()).is_err(), "{text}");
    }
}

#[test]
fn errors_do_not_repeat_long_input() {
    let long = "n".repeat(10_000);
    for text in [
        format!("<{long}></a>"),
        format!("<a></{long}>"),
        format!("</{long}>"),
        format!("<{long}>"),
        format!("<a {long}></a>"),
        format!("<a>&{long};</a>"),
        format!("<a>&{long}"),
        format!("<a b='&{long};'/>"),
        format!("<1{long}/>"),
        format!("<?xml version='1.0' encoding='{}'?><a/>", &long[..300]),
        format!("<?xml {long}='1.0'?>"),
    ] {
        let error = decode_xml(text.as_bytes(), None, &Limits::default()).expect_err("refused").to_string();
        assert!(error.matches('n').count() < 100, "{error}");
    }
}

#[test]
fn documents_are_bounded() {
    let limits = Limits { depth: 2, nodes: 4, ..Limits::default() };
    let code =
        |text: &str, limits: &Limits| decode_xml(text.as_bytes(), None, limits).err().map(|error| error.code);
    for (text, expect) in [
        ("<a><b/><c/><d/></a>", None),
        ("<a><b/><c/><d/><e/></a>", Some(FormatErrorCode::TooMany)),
        ("<a b='1' c='2' d='3' e='4'/>", Some(FormatErrorCode::TooMany)),
        ("<a><b><c/></b></a>", Some(FormatErrorCode::TooDeep)),
    ] {
        assert_eq!(code(text, &limits), expect, "{text}");
    }
    let endless = Limits { depth: usize::MAX, nodes: usize::MAX, ..Limits::default() };
    assert_eq!(code(&"<a>".repeat(100_000), &endless), Some(FormatErrorCode::TooDeep));
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(code(&format!("<a{attributes}/>"), &Limits::default()), None);
}

#[test]
fn what_xml_cannot_say_is_refused_with_its_path() {
    let mut deep = json!("x");
    for _ in 0..200 {
        deep = json!({ "a": deep });
    }
    for (value, code, path) in [
        (json!("x"), FormatErrorCode::XmlShape, ""),
        (json!({}), FormatErrorCode::XmlShape, ""),
        (json!({ "a": 1, "b": 2 }), FormatErrorCode::XmlShape, ""),
        (json!({ "a": [1] }), FormatErrorCode::XmlShape, "/a"),
        (json!({ "a": { "b": [1, [2]] } }), FormatErrorCode::XmlShape, "/a/b/1"),
        (json!({ "a": { "@b": {} } }), FormatErrorCode::XmlShape, "/a/@b"),
        (json!({ "a": { "#text": [1] } }), FormatErrorCode::XmlShape, "/a/#text"),
        (json!({ "@a": 1 }), FormatErrorCode::XmlName, "/@a"),
        (json!({ "#text": "x" }), FormatErrorCode::XmlName, "/#text"),
        (json!({ "a": { "b c": 1 } }), FormatErrorCode::XmlName, "/a/b c"),
        (json!({ "a": { "": 1 } }), FormatErrorCode::XmlName, "/a/"),
        (json!({ "a": { "@": 1 } }), FormatErrorCode::XmlName, "/a/@"),
        (json!({ "a": { "b><c": [] } }), FormatErrorCode::XmlName, "/a/b><c"),
        (json!({ "a": { "@b='' c/d": 1 } }), FormatErrorCode::XmlName, "/a/@b='' c~1d"),
        (json!({ "a": { "b": ["x", "\u{0}"] } }), FormatErrorCode::XmlCharacter, "/a/b/1"),
        (json!({ "a": { "@b": "\u{ffff}" } }), FormatErrorCode::XmlCharacter, "/a/@b"),
    ] {
        let error = encode_xml(&value, None, &Limits::default()).expect_err("refused");
        assert_eq!((error.code, error.place), (code, Place::Path(path.to_owned())), "{value}");
    }
    let error = encode_xml(&deep, None, &Limits::default()).expect_err("deep");
    assert_eq!(error.code, FormatErrorCode::TooDeep);
    let tight = Limits { bytes: 60, ..Limits::default() };
    let error = encode_xml(&json!({ "a": "x".repeat(60) }), None, &tight).expect_err("large");
    assert_eq!(error.code, FormatErrorCode::TooLarge);
}
