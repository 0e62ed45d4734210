//! Manifests with OAuth, and with faults in it.

use serde_json::{Value, json};

use crate::{AuthPlace, AuthType, Call, Grant, Manifest, TokenKind};

fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
    let mut value = json!({
        "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
        "http": { "base_url": "= vars.url" },
        "auth": { "type": "oauth2", "oauth2": {
            "authorize_url": "https://login.example/authorize?tenant=a",
            "token_url": "= vars.url & '/token'",
            "revoke_url": "http://127.0.0.1:9000/revoke",
            "scopes": ["read", "https://api.example/write"],
            "authorize_params": { "access_type": "offline" },
            "on_authorize": "hello",
        } },
        "actions": { "hello": { "title": "Hello", "request": { "path": "/me" } } },
    });
    change(&mut value);
    Manifest::from_value(&value).unwrap()
}

/// A manifest whose `oauth2` has a member more.
fn with(name: &str, member: Value) -> Manifest {
    manifest(|m| m["auth"]["oauth2"][name] = member)
}

#[test]
fn what_is_not_said_has_its_usual_value() {
    let manifest = manifest(|_| {});
    assert_eq!(manifest.check(), []);
    let oauth = manifest.auth.oauth2.unwrap();
    assert_eq!((oauth.grant, oauth.pkce, oauth.expiring_seconds), (Grant::AuthorizationCode, true, 60));
    assert_eq!((oauth.separator(), oauth.revokes()), (' ', TokenKind::Refresh));
    assert_eq!(oauth.fields.access_token, "access_token");
}

#[test]
fn every_fault_is_found_at_its_place() {
    for (name, member, pointer, text) in [
        ("token_url", json!("ftp://x"), "/token_url", "neither an https URL"),
        ("token_url", json!("http://login.example/token"), "/token_url", "neither an https URL"),
        ("token_url", json!("http://localhost@evil.example/"), "/token_url", "neither an https URL"),
        ("token_url", json!("http://127.0.0.1.evil.example/"), "/token_url", "neither an https URL"),
        ("token_url", json!("= 1 +"), "/token_url", ""),
        ("authorize_url", json!("https://x.example/#a"), "/authorize_url", "fragment"),
        ("authorize_url", Value::Null, "", "needs `authorize_url`"),
        ("grant", json!("device_code"), "", "needs `device_url`"),
        ("revoke_url", json!("x"), "/revoke_url", "neither"),
        ("issuer", json!("login.example"), "/issuer", "neither"),
        ("scope_separator", json!(""), "/scope_separator", "one character"),
        ("scope_separator", json!(", "), "/scope_separator", "one character"),
        ("scopes", json!(["a b"]), "/scopes/0", "no scope"),
        ("scopes", json!(["ok", "ü"]), "/scopes/1", "no scope"),
        ("authorize_params", json!({ "state": "x" }), "/authorize_params/state", "may not set `state`"),
        (
            "authorize_params",
            json!({ "code_challenge": "x" }),
            "/authorize_params/code_challenge",
            "may not set",
        ),
        ("token_params", json!({ "redirect_uri": "x" }), "/token_params/redirect_uri", "may not set"),
        ("refresh_params", json!({ "client_id": "x" }), "/refresh_params/client_id", "may not set"),
        ("revoke_params", json!({ "token": "x" }), "/revoke_params/token", "may not set"),
        ("token_headers", json!({ "Authorization": "x" }), "/token_headers/Authorization", "cannot be set"),
        ("token_headers", json!({ "X-A": "a\nb" }), "/token_headers/X-A", "line break"),
        ("fields", json!({ "scope": "" }), "/fields/scope", "neither the name"),
        ("fields", json!({ "scope": "/a~2" }), "/fields/scope", "neither the name"),
        ("name", json!("Host"), "/name", "no header"),
        ("name", json!("a b"), "/name", "no header"),
        ("on_authorize", json!("none"), "/on_authorize", "not described"),
        ("on_revoke", json!("none"), "/on_revoke", "not described"),
        ("on_revoke", json!({ "script": "none" }), "/on_revoke/script", "no script `none`"),
    ] {
        let told = member.to_string();
        let problems = with(name, member).check();
        assert_eq!(problems.len(), 1, "{name} {told}: {problems:?}");
        assert_eq!(problems[0].pointer, format!("/auth/oauth2{pointer}"));
        assert!(problems[0].message.contains(text), "{}", problems[0].message);
    }
}

#[test]
fn parts_that_do_not_fit_each_other_are_faults() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 8] = [
        (|m| m["auth"] = json!({ "type": "oauth2" }), "/auth"),
        (|m| m["auth"]["type"] = json!("bearer"), "/auth/oauth2"),
        (|m| m["auth"]["name"] = json!("X-Token"), "/auth"),
        (
            |m| {
                let oauth = json!({ "token_url": "https://x.example/t", "revoke_using": "access" });
                m["auth"]["oauth2"] = oauth;
                m["auth"]["oauth2"]["grant"] = json!("client_credentials");
            },
            "/auth/oauth2/revoke_using",
        ),
        (
            |m| {
                m["auth"]["oauth2"]["grant"] = json!("client_credentials");
                m["auth"]["oauth2"]["revoke_using"] = json!("refresh");
            },
            "/auth/oauth2/revoke_using",
        ),
        (
            |m| {
                m["auth"]["oauth2"]["grant"] = json!("client_credentials");
                m["auth"]["oauth2"]["client_auth"] = json!("none");
            },
            "/auth/oauth2/client_auth",
        ),
        (
            |m| {
                m["auth"]["oauth2"]["grant"] = json!("client_credentials");
                m["auth"]["oauth2"]["token_params"] = json!({ "scope": "x", "audience": "y" });
            },
            "/auth/oauth2/token_params/scope",
        ),
        (
            |m| {
                m["auth"] = json!({ "type": "bearer" });
                m["http"]["errors"] = json!([{ "status": [401], "then": "refresh" }]);
            },
            "/http/errors/0/then",
        ),
    ];
    for (change, pointer) in cases {
        let problems = manifest(change).check();
        assert_eq!(problems.iter().map(|one| one.pointer.as_str()).collect::<Vec<_>>(), [pointer]);
    }
    let mended = manifest(|m| {
        m["http"]["errors"] =
            json!([{ "status": [401], "then": "refresh" }, { "status": [403], "then": "reauthorize" }]);
    });
    assert_eq!(mended.check(), []);
}

#[test]
fn a_script_is_a_hook_with_all_that_it_calls() {
    let manifest = manifest(|m| {
        m["scripts"] = json!({
            "first": { "code": "(input) => ({ settings: { who: scripts.name_of(invoke('hello')) } })" },
            "name_of": { "code": "(person) => person.name" },
            "other": { "code": "() => 1" },
        });
        m["auth"]["oauth2"]["on_authorize"] = json!({ "script": "first" });
    });
    assert_eq!(manifest.check(), []);
    let hook = manifest.auth.oauth2.as_ref().unwrap().on_authorize.clone().unwrap();
    assert_eq!(hook.to_string(), "script first");
    let call = manifest.script_call(&"first".parse().unwrap()).unwrap();
    let names = |keys: Vec<String>| keys.join(" ");
    assert_eq!(names(call.scripts.keys().map(ToString::to_string).collect()), "first name_of");
    assert_eq!(names(call.actions.keys().map(ToString::to_string).collect()), "hello");
    assert_eq!(manifest.script_call(&"none".parse().unwrap()), None);
    let mut without = manifest;
    without.http = None;
    without.actions.clear();
    let found = without.check();
    assert!(found.iter().any(|one| one.pointer == "/auth/oauth2/on_authorize"), "{found:?}");
}

#[test]
fn an_instance_has_the_secrets_of_its_client() {
    let needed = |manifest: &Manifest| manifest.descriptor().secrets.unwrap()["required"].clone();
    assert_eq!(needed(&manifest(|_| {})), json!(["client_id", "client_secret"]));
    let public = with("client_auth", json!("none"));
    assert_eq!(needed(&public), json!(["client_id"]));
    let properties = public.descriptor().secrets.unwrap()["properties"].clone();
    assert!(properties.get("client_secret").is_some(), "it may be given: {properties}");
}

#[test]
fn a_call_says_how_the_token_is_carried_and_nothing_of_where_it_comes_from() {
    let of = |manifest: &Manifest| -> Call {
        let call = manifest.call(&"hello".parse().unwrap(), json!({})).unwrap();
        let text = serde_json::to_string(&call).unwrap();
        assert!(!text.contains("login.example"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let auth = of(&manifest(|_| {})).auth;
    assert_eq!((auth.kind, auth.place), (AuthType::OAuth2, AuthPlace::Header));
    assert_eq!((auth.name.as_deref(), auth.prefix.as_str()), (Some("Authorization"), "Bearer "));
    let auth = of(&with("in", json!("query"))).auth;
    assert_eq!((auth.place, auth.name.as_deref()), (AuthPlace::Query, Some("access_token")));
    assert_eq!(auth.prefix, "");
    let auth = of(&manifest(|m| {
        m["auth"]["oauth2"]["name"] = json!("X-Access-Token");
        m["auth"]["oauth2"]["prefix"] = json!("");
    }))
    .auth;
    assert_eq!((auth.name.as_deref(), auth.prefix.as_str()), (Some("X-Access-Token"), ""));
}
