//! A page of another origin in a real browser: it authorises an instance at a real provider, calls it with a file, and
//! takes the authorisation back.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, Oidc, World, node};
use tokio::process::Command;

const SECRET: &str = "canary-client-secret-4104";

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: scans
version: 1.0.0
title: Scans
variables: { type: object, required: [url, files], properties: { url: {}, files: { type: string } } }
http: { base_url: = vars.files }
auth:
  type: oauth2
  oauth2:
    authorize_url: = vars.url & '/auth'
    token_url: = vars.url & '/token'
    revoke_url: = vars.url & '/token/revocation'
    issuer: = vars.url
    scopes: [openid, offline_access, contacts.read]
    authorize_params: { prompt: consent }
actions:
  upload:
    title: Upload
    request:
      method: POST
      path: /scans
      body: { format: multipart, value: { folder: $.input.folder, scan: $.input.file } }
    response: { result: "= { 'status': response.status }" }
"#;

/// What the driver says, step by step.
async fn drive(settings: &Value) -> Result<Vec<Value>> {
    let output = Command::new("node")
        .args(["run.mjs", &settings.to_string()])
        .current_dir(node::installed("browser").await?)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot start node")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_authorises_calls_and_revokes_in_chromium() -> Result<()> {
    let world = World::start("browser", &["rest"]).await?;
    let oidc = Oidc::start(&world.host, SECRET, 3600).await?;
    let files = HttpSink::start().await?;
    let instance = |name: &str| {
        format!(
            "---\nsluice: 1\nkind: instance\nname: {name}\nconnector: scans\nsettings: {{ url: \"{}\", files: \"{}\" }}\nsecrets: {{ client_id: {{ env: I }}, client_secret: {{ env: S }} }}\n",
            oidc.url(),
            files.url(&world.host)
        )
    };
    let client = json!({ "client_id": "sluice", "client_secret": SECRET });
    let text = format!("{CONNECTOR}{}{}", instance("scans"), instance("other"));
    let body = json!({
        "files": [{ "name": "scans.yaml", "text": text }], "secrets": { "scans": client, "other": client },
    });
    world.api.call("POST", "/api/v1/apply", Some(body)).await?;

    let file = json!({ "name": "page.txt", "mimeType": "text/plain", "text": "scanned text" });
    let steps = drive(&json!({
        "sluice": world.api.base(), "operator": world.api.token(), "instance": "scans", "other_instance": "other",
        "invoke": { "function": "upload", "input": { "folder": "inbox" }, "file": file },
    }))
    .await?;
    let value = |step: &str| steps.iter().find(|one| one["step"] == step).map(|one| &one["value"]);
    for step in ["popup_blocked", "foreign_session", "refuse", "authorize", "revoke"] {
        assert!(value(step).is_some(), "{step} is missing: {steps:?}");
    }
    assert_eq!(value("status").context("no status")?["state"], "needs_authorization");
    assert_eq!(value("is_authorized"), Some(&json!(true)));
    assert_eq!(value("invoke"), Some(&json!({ "status": 200 })));
    assert_eq!(value("is_authorized_after"), Some(&json!(false)));
    let received = files.received();
    assert_eq!(received.len(), 1, "{received:?}");
    let sent = received[0].body.to_string();
    assert!(sent.contains("scanned text") && sent.contains("page.txt") && sent.contains("inbox"), "{sent}");
    let bearer = received[0].headers.get("authorization").context("no token")?;
    assert!(bearer.starts_with("Bearer "), "{bearer}");
    let token = bearer.trim_start_matches("Bearer ");
    for text in
        [steps.iter().map(Value::to_string).collect(), std::fs::read_to_string(world.data().join("log"))?]
    {
        assert!(!text.contains(SECRET) && !text.contains(token), "a secret shows: {text}");
    }
    world.stop().await
}
