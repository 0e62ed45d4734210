//! The authorisation on another device (RFC 8628), against a real OpenID provider.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::{Answer, Oidc, World, eventually};

const SECRET: &str = "canary-client-secret-1729";
const INSTANCE: &str = "/api/v1/instances/set-top";

const CONNECTOR: &str = r#"
sluice: 1
kind: connector
name: television
version: 1.0.0
title: Television
variables: { type: object, properties: { url: { type: string }, account: { type: string } } }
http: { base_url: = vars.url }
auth:
  type: oauth2
  oauth2:
    grant: device_code
    device_url: = vars.url & '/device/auth'
    token_url: = vars.url & '/token'
    scopes: [openid, offline_access, contacts.read]
    authorize_params: { prompt: consent }
    on_authorize: remember
test: me
actions:
  me: { title: Me, request: { path: /me } }
  remember:
    title: Remember who authorised
    request: { path: /me }
    response: { result: "= { 'settings': { 'account': response.body.account } }" }
"#;

/// Begins, and gives the page and the code for the person.
async fn begin(world: &World) -> Result<(String, String)> {
    let todo = world.api.call("POST", &format!("{INSTANCE}/authorize"), None).await?;
    ensure!(todo["url"].is_null() && todo["expires_at"].is_string(), "{todo}");
    let text = |name: &str| todo[name].as_str().map(str::to_owned).with_context(|| format!("{name}: {todo}"));
    Ok((text("verification_uri")?, text("user_code")?))
}

/// How the authorisation stands when `found` holds for it.
async fn stands(world: &World, what: &str, found: impl Fn(&Value) -> bool) -> Result<Value> {
    eventually(what, Duration::from_secs(120), || async {
        let now = world.api.get(INSTANCE).await?["authorization"].clone();
        ensure!(found(&now), "{now}");
        Ok(Some(now))
    })
    .await
}

/// Why the attempt came to nothing.
async fn failure(world: &World) -> Result<String> {
    let now = stands(world, "the attempt to end", |now| now["failure"].is_string()).await?;
    assert_eq!(now["state"], "needs_authorization", "{now}");
    Ok(now["failure"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_authorises_on_another_device_or_does_not() -> Result<()> {
    let world = World::start("devices", &["rest"]).await?;
    let oidc = Oidc::start(&world.host, SECRET, 3600).await?;
    let instance = format!(
        "---\nsluice: 1\nkind: instance\nname: set-top\nconnector: television\nsettings: {{ url: \"{}\" }}\nsecrets: {{ client_id: {{ env: I }}, client_secret: {{ env: S }} }}\n",
        oidc.url()
    );
    let secrets = json!({ "set-top": { "client_id": "sluice", "client_secret": SECRET } });
    world.api.apply(&format!("{CONNECTOR}{instance}"), secrets).await?;

    // The person says no, to the provider's own words.
    let (page, code) = begin(&world).await?;
    let last = oidc.type_in(&page, &code, "ada", Answer::Refuse).await?;
    assert!(last.contains("aborted"), "{last}");
    let why = failure(&world).await?;
    assert!(why.contains("access_denied: End-User aborted interaction"), "{why}");

    // Nobody acts in time. The failure before is gone as soon as the next attempt begins.
    begin(&world).await?;
    assert_eq!(world.api.get(INSTANCE).await?["authorization"]["failure"], Value::Null);
    oidc.pull("/admin/expire-codes").await?;
    let why = failure(&world).await?;
    assert!(why.contains("expired_token: device code is expired"), "{why}");

    // Not without a token.
    let refused = world.api.call("POST", &format!("{INSTANCE}/invoke/me"), Some(json!({}))).await?;
    assert_eq!(refused["error"]["code"], "needs_reauth", "{refused}");

    // The person agrees: the instance works, and the hook ran.
    let (page, code) = begin(&world).await?;
    let last = oidc.type_in(&page, &code, "ada", Answer::Agree).await?;
    assert!(last.contains("Go back to your device"), "{last}");
    let now = stands(&world, "the instance to be authorised", |now| now["state"] == "ok").await?;
    assert!(now["failure"].is_null() && now["authorized_at"].is_string(), "{now}");
    let invoked = world.api.call("POST", &format!("{INSTANCE}/invoke/me"), Some(json!({}))).await?;
    assert_eq!(invoked["outputs"][0]["body"]["account"], "ada", "{invoked}");
    eventually("the hook's setting", Duration::from_secs(120), || async {
        ensure!(world.api.get(INSTANCE).await?["settings"]["account"] == "ada");
        Ok(Some(()))
    })
    .await?;

    // The token ends; the refresh token that came with it gets another.
    oidc.pull("/admin/expire").await?;
    let invoked = world.api.call("POST", &format!("{INSTANCE}/invoke/me"), Some(json!({}))).await?;
    assert_eq!(invoked["outputs"][0]["body"]["account"], "ada", "{invoked}");
    assert_eq!(oidc.counters().await?["token"]["refresh_token"]["success"], 1);
    world.stop().await
}
