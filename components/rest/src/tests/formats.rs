//! Bodies in each format, both ways.

use serde_json::json;

use super::server::{Server, ok, text};
use super::{action, run};

#[tokio::test]
async fn bodies_are_written_in_their_format() {
    let server = Server::always(ok(json!({}))).await;
    for (body, content_type, expect) in [
        (json!({ "value": { "a": "$.input.a" } }), "application/json", r#"{"a":"b c"}"#),
        (
            json!({ "format": "form", "value": { "a": "$.input.a", "n": [1, 2] } }),
            "application/x-www-form-urlencoded",
            "a=b+c&n=1&n=2",
        ),
        (json!({ "format": "text", "value": "$.input.a", "content_type": "text/x" }), "text/x", "b c"),
        (json!({ "format": "bytes", "value": "aGk=" }), "application/octet-stream", "hi"),
        (
            json!({ "format": "xml", "value": { "r": { "@id": 1, "a": "$.input.a" } } }),
            "application/xml",
            r#"<?xml version="1.0" encoding="UTF-8"?><r id="1"><a>b c</a></r>"#,
        ),
    ] {
        let request = json!({ "request": { "method": "POST", "body": body } });
        run(action(&server, request), json!({ "a": "b c" })).await.unwrap();
        let asked = server.last();
        assert_eq!((asked.headers["content-type"].as_str(), asked.body.as_str()), (content_type, expect));
    }
    for body in [
        json!({ "format": "bytes", "value": "?" }),
        json!({ "format": "form", "value": [1] }),
        json!({ "format": "xml", "value": { "a": 1, "b": 2 } }),
        json!({ "format": "multipart", "value": "x" }),
    ] {
        let request = json!({ "request": { "method": "POST", "body": body } });
        assert_eq!(run(action(&server, request), json!({})).await.unwrap_err().code, "bad_body", "{body}");
    }
}

#[tokio::test]
async fn a_multipart_body_has_texts_and_files() {
    let server = Server::always(ok(json!({}))).await;
    let value = json!({
        "note": "$.input.note",
        "none": "$.input.none",
        "file": { "value": "$.input.file", "base64": true, "filename": "a.bin" },
        "tags": [{ "value": { "a": 1 } }, "t2"]
    });
    let request =
        json!({ "request": { "method": "POST", "body": { "format": "multipart", "value": value } } });
    run(action(&server, request), json!({ "note": "n1", "file": "aGk=" })).await.unwrap();
    let asked = server.last();
    let boundary = asked.headers["content-type"].strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(asked.headers["content-length"], asked.body.len().to_string());
    let expect = [
        "Content-Disposition: form-data; name=\"note\"\r\n\r\nn1\r\n",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n",
        "Content-Disposition: form-data; name=\"tags\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n",
        "Content-Disposition: form-data; name=\"tags\"\r\n\r\nt2\r\n",
    ];
    let expect: String = expect.iter().map(|part| format!("--{boundary}\r\n{part}")).collect();
    assert_eq!(asked.body, format!("{expect}--{boundary}--\r\n"));
}

#[tokio::test]
async fn an_object_is_a_description_of_a_part_only_where_it_has_its_members() {
    let server = Server::always(ok(json!({}))).await;
    for (part, expect) in [
        (json!({ "a": 1 }), Some("Content-Type: application/json\r\n\r\n{\"a\":1}\r\n")),
        (
            json!({ "value": 1, "a": 1 }),
            Some("Content-Type: application/json\r\n\r\n{\"value\":1,\"a\":1}\r\n"),
        ),
        (json!({}), Some("Content-Type: application/json\r\n\r\n{}\r\n")),
        (json!({ "value": { "value": 1 } }), Some("Content-Type: application/json\r\n\r\n{\"value\":1}\r\n")),
        (json!({ "value": 1 }), Some("name=\"p\"\r\n\r\n1\r\n")),
        (json!({ "base64": "aGk=" }), Some("name=\"p\"\r\n\r\nhi\r\n")),
        (json!({ "filename": "a", "base64": true }), None),
        (json!({ "from": null, "filename": "a" }), None),
    ] {
        let body = json!({ "format": "multipart", "value": { "p": "$.input.p", "q": "1" } });
        let request = json!({ "request": { "method": "POST", "body": body } });
        run(action(&server, request), json!({ "p": part })).await.unwrap();
        let sent = server.last().body;
        assert_eq!(sent.contains("name=\"p\""), expect.is_some(), "{part}: {sent}");
        assert!(sent.contains(expect.unwrap_or_default()), "{part}: {sent}");
    }
    for (part, why) in [
        (json!({ "from": "http://a.test/", "value": 1 }), "`from` excludes"),
        (json!({ "from": 7 }), "its `from` is no URL"),
        (json!(vec![json!({ "from": "http://a.test/" }); 11]), "more than 10 parts"),
    ] {
        let body = json!({ "format": "multipart", "value": { "p": "$.input.p" } });
        let request = json!({ "request": { "method": "POST", "body": body } });
        let error = run(action(&server, request), json!({ "p": part })).await.unwrap_err();
        assert!(error.code == "bad_body" && error.message.contains(why), "{error:?}");
    }
}

#[tokio::test]
async fn answers_are_read_by_their_format() {
    let server = Server::always(ok(json!({}))).await;
    for (content_type, body, format, expect) in [
        ("application/json", "[1]", json!(null), json!([1])),
        ("text/plain", "[1]", json!("json"), json!([1])),
        ("application/xml", "<r><a>1</a></r>", json!(null), json!({ "r": { "a": "1" } })),
        ("text/csv", "a,b\n1,2\n", json!(null), json!([{ "a": "1", "b": "2" }])),
        ("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", json!(null), json!([{ "a": 1 }, { "a": 2 }])),
        ("application/x-www-form-urlencoded", "a=1&b=2", json!(null), json!({ "a": "1", "b": "2" })),
        ("text/html", "<p>", json!(null), json!("<p>")),
        ("application/json", "hi", json!("bytes"), json!("aGk=")),
    ] {
        server.answer(move |_| text(200, content_type, body));
        let config = action(&server, json!({ "response": { "format": format } }));
        assert_eq!(run(config, json!({})).await.unwrap(), [expect], "{content_type}");
    }
}
