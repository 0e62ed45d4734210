//! The formats of bodies, in and out, against the parsers of others; and a file that is never held whole.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_tests::node::Server;
use sluice_tests::{Orchestrator, World};

const FILE_BYTES: usize = 20 << 20;
/// What the container of `rest` may grow by while a file passes through it.
const GROWTH_MIB: u64 = 8;

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: formats
version: 1.0.0
title: Formats
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
actions:
  json: { title: JSON, request: { method: POST, path: /read/json, body: { value: $.input } } }
  form: { title: Form, request: { method: POST, path: /read/form, body: { format: form, value: $.input } } }
  xml: { title: XML, request: { method: POST, path: /read/xml, body: { format: xml, value: $.input } } }
  multipart:
    title: Multipart
    request:
      method: POST
      path: /read/multipart
      body:
        format: multipart
        value:
          title: $.input.title
          meta: { value: $.input.meta }
          note: { value: $.input.note, base64: true, filename: "nöte 1.txt", content_type: text/plain }
  upload:
    title: Upload a file from elsewhere
    request:
      method: POST
      path: /read/multipart
      body: { format: multipart, value: { film: { from: $.input.url, filename: film.bin } } }
  read: { title: Read, request: { path: "/write/{format}", path_params: { format: $.input.format } } }
"#;

async fn invoke(world: &World, action: &str, input: &Value) -> Result<Value> {
    let path = format!("/api/v1/instances/formats/invoke/{action}");
    let invoked = world.api.call("POST", &path, Some(json!({ "input": input }))).await?;
    ensure!(invoked["status"] == "succeeded", "{action}: {invoked}");
    Ok(invoked["outputs"][0]["body"].clone())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// The most memory that the process of a container had since it was asked last, in MiB.
fn peak(pid: u32) -> Result<u64> {
    let kib = Orchestrator::peak_kib(pid)?;
    // The next figure begins anew (proc(5)).
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    Ok(kib / 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_what_is_sent_and_are_read_and_files_pass_through() -> Result<()> {
    let world = World::start("formats", &["rest"]).await?;
    let server = Server::start("formats", &[("HOST", &world.host)]).await?;
    let url = server.url().as_str().trim_end_matches('/').to_owned();
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: formats\nconnector: formats\nsettings: {{ url: \"{url}\" }}\n"
    );
    world.api.apply(&format!("{CONNECTOR}{instance}"), json!({})).await?;

    let text = "Ä & <b> \"q\" 'a' 1+1=2 %41 🦀\n2";
    let value = json!({ "a": text, "n": 1.5, "list": [1, 2], "none": null, "nested": { "b": true } });
    assert_eq!(invoke(&world, "json", &value).await?, value);
    let form = invoke(&world, "form", &json!({ "a": text, "n": 1.5, "list": ["x", "y"] })).await?;
    assert_eq!(form, json!({ "a": text, "n": "1.5", "list": ["x", "y"] }));
    let xml =
        invoke(&world, "xml", &json!({ "order": { "@id": "7", "name": text, "line": ["x", "y"] } })).await?;
    assert_eq!(xml, json!({ "order": { "$": { "id": "7" }, "name": text, "line": ["x", "y"] } }));
    let input = json!({ "title": text, "meta": { "value": [1] }, "note": "aGkK" });
    let note =
        json!({ "filename": "nöte 1.txt", "type": "text/plain", "bytes": 3, "sha256": sha256(b"hi\n") });
    let read = invoke(&world, "multipart", &input).await?;
    assert_eq!(read, json!({ "title": text, "meta": { "value": [1] }, "note": note }));

    let both = json!([{ "id": 1, "name": "Ada & co" }, { "id": 2, "name": "Grace <h>" }]);
    let texts = json!([{ "id": "1", "name": "Ada & co" }, { "id": "2", "name": "Grace <h>" }]);
    for (format, expect) in [
        ("json", both.clone()),
        ("ndjson", both),
        ("csv", texts.clone()),
        ("form", texts[0].clone()),
        ("xml", json!({ "records": { "record": texts } })),
    ] {
        assert_eq!(invoke(&world, "read", &json!({ "format": format })).await?, expect, "{format}");
    }

    let pid = world.process("rest").await?;
    peak(pid)?;
    invoke(&world, "upload", &json!({ "url": format!("{url}/file?bytes=1000") })).await?;
    let before = peak(pid)?;
    let film = invoke(&world, "upload", &json!({ "url": format!("{url}/file?bytes={FILE_BYTES}") })).await?;
    let after = peak(pid)?;
    let bytes: Vec<u8> =
        b"sluice".iter().copied().cycle().take(64 << 10).collect::<Vec<_>>().repeat(FILE_BYTES >> 16);
    let expect = json!({ "filename": "film.bin", "type": "application/octet-stream", "bytes": FILE_BYTES, "sha256": sha256(&bytes) });
    assert_eq!(film, json!({ "film": expect }));
    println!("a file of {} MiB: at most {before} MiB before, {after} MiB with it", FILE_BYTES >> 20);
    assert!(after <= before + GROWTH_MIB, "{before} MiB before, {after} MiB with the file");
    world.stop().await
}
