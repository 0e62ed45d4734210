//! Providers that do it their own way.
use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json as object};
use sluice_domain::oauth::{ClientAuth, TokenBody, TokenFields, TokenKind};
use sluice_oauth::{HttpOAuth, Settings};
use sluice_ports::oauth::{
    ClientCredentials, CodeExchange, DevicePoll, DeviceStart, Endpoint, OAuth, OAuthError, Refresh, Revoke,
    Tokens, Waiting,
};
use sluice_testkit::fixtures::endpoint;

use super::server::{Reply, Server, here, json, reply};

fn oauth() -> HttpOAuth {
    HttpOAuth::new(&here()).unwrap()
}

async fn refresh_at(endpoint: Endpoint) -> Result<Tokens, OAuthError> {
    oauth().refresh(&Refresh { endpoint, token: SecretString::from("old-refresh-token") }).await
}

/// What a refresh comes to that is answered so.
async fn refreshed(reply: Reply) -> Result<Tokens, OAuthError> {
    let server = Server::always(reply).await;
    refresh_at(endpoint(&server.url("/token"))).await
}

fn fields(change: impl FnOnce(&mut TokenFields)) -> TokenFields {
    let mut fields = TokenFields::default();
    change(&mut fields);
    fields
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn answers_are_json_or_forms_whatever_they_call_themselves() {
    let form = "access_token=a%2B1&scope=repo%2Cgist&token_type=bearer&expires_in=28800";
    let members = object!({ "access_token": "a+1", "scope": "repo gist", "expires_in": "28800" }).to_string();
    for (content_type, body) in [
        (FORM, form),
        ("application/x-www-form-urlencoded; charset=utf-8", form),
        ("text/plain", form),
        ("text/html; charset=utf-8", form),
        ("application/json", members.as_str()),
        ("application/vnd.api+json;v=1", members.as_str()),
        ("text/javascript", members.as_str()),
    ] {
        let tokens = refreshed(reply(200, content_type, body)).await.unwrap();
        assert_eq!(tokens.access.expose_secret(), "a+1", "{content_type}");
        assert_eq!(tokens.scopes.unwrap(), ["repo", "gist"]);
        assert_eq!(tokens.expires_in, Some(Duration::from_secs(28800)));
        assert!(tokens.refresh.is_none() && tokens.extra.is_empty(), "{:?}", tokens.extra);
    }
}

#[tokio::test]
async fn tokens_may_lie_deep_and_none_stays_in_the_open() {
    let answer = json(
        200,
        &object!({
            "ok": true, "app_id": "A1", "access_token": "bot-token", "token_type": "bot",
            "authed_user": { "id": "U1", "access_token": "user-token", "refresh_token": "user-refresh",
                "expires_in": 43200, "scope": "read,write", "token_type": "user" },
            "team": { "id": "T1", "tokens": [{ "id_token": "x" }] },
        }),
    );
    let server = Server::always(answer).await;
    let mut endpoint = endpoint(&server.url("/token"));
    endpoint.scope_separator = ',';
    endpoint.fields = fields(|fields| {
        fields.access_token = "/authed_user/access_token".to_owned();
        fields.refresh_token = "/authed_user/refresh_token".to_owned();
        fields.expires_in = "/authed_user/expires_in".to_owned();
        fields.scope = "/authed_user/scope".to_owned();
        fields.token_type = "/authed_user/token_type".to_owned();
    });
    let tokens = refresh_at(endpoint).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), "user-token");
    assert_eq!(tokens.refresh.unwrap().expose_secret(), "user-refresh");
    assert_eq!(tokens.scopes.unwrap(), ["read", "write"]);
    assert_eq!(tokens.token_type, "user");
    let expect = object!({
        "ok": true, "app_id": "A1", "token_type": "bot", "authed_user": { "id": "U1" },
        "team": { "id": "T1", "tokens": [{}] },
    });
    assert_eq!(Value::Object(tokens.extra), expect);
}

#[tokio::test]
async fn refusals_come_with_any_status_and_in_any_form() {
    for (answer, code, dead) in [
        (json(400, &object!({ "error": "invalid_grant" })), "invalid_grant", true),
        (json(200, &object!({ "error": "bad_refresh_token" })), "bad_refresh_token", true),
        (
            json(200, &object!({ "ok": false, "error": "invalid_refresh_token" })),
            "invalid_refresh_token",
            true,
        ),
        (reply(200, FORM, "error=incorrect_client_credentials"), "incorrect_client_credentials", false),
        (json(401, &object!({ "error": "invalid_client" })), "invalid_client", false),
        (json(400, &object!({ "error": { "code": 190, "message": "over" } })), "190", false),
        (json(400, &object!({ "error": { "type": "OAuthException" } })), "OAuthException", false),
    ] {
        let error = refreshed(answer).await.unwrap_err();
        let OAuthError::Refused { error: found, .. } = &error else { panic!("{error:?}") };
        assert_eq!((found.as_str(), error.is_grant_dead(), error.is_transient()), (code, dead, false));
    }
    let server = Server::always(json(400, &object!({ "fault": { "code": "expired" } }))).await;
    let mut endpoint = endpoint(&server.url("/token"));
    endpoint.fields = fields(|fields| fields.error = "/fault/code".to_owned());
    let error = refresh_at(endpoint).await.unwrap_err();
    assert!(matches!(&error, OAuthError::Refused { error, .. } if error == "expired"), "{error:?}");
}

#[tokio::test]
async fn what_is_no_answer_of_oauth_says_so_and_whether_to_try_again() {
    let page = "<html>Sorry, try again later. a=b</html>";
    let large = format!("{{\"access_token\":\"{}\"}}", "x".repeat(1024 * 1024));
    let moved =
        Reply { headers: vec![("location", "http://127.0.0.1:1/".to_owned())], ..reply(302, FORM, "") };
    for (answer, transient, text) in [
        (reply(200, "text/html", page), false, "answered 200, but it is neither JSON nor a form"),
        (reply(400, "text/html", page), false, "answered 400, but it names no error"),
        (reply(502, "text/html", page), true, "answered 502"),
        (reply(429, "text/plain", "slow"), true, "answered 429"),
        (json(503, &object!({ "error": "server_error" })), true, "refused with server_error"),
        (json(200, &object!({ "token_type": "bearer" })), false, "it has no access token"),
        (json(200, &object!({ "access_token": "" })), false, "it has no access token"),
        (reply(200, "application/json", "[1]"), false, "neither JSON nor a form"),
        (reply(200, "application/json", large), false, "more than 1048576 bytes"),
        (moved, false, "it redirects"),
    ] {
        let error = refreshed(answer).await.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{error}");
        assert!(error.to_string().contains(text) && error.to_string().contains("/token"), "{error}");
    }
    let wait = Reply { headers: vec![("retry-after", "7".to_owned())], ..reply(503, "text/plain", "") };
    assert_eq!(refreshed(wait).await.unwrap_err().retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::always(json(200, &object!({ "access_token": "a" }))).await;
    let headers = vec![("location", target.url("/"))];
    let error = refreshed(Reply { status: 307, headers, body: String::new() }).await.unwrap_err();
    assert!(matches!(error, OAuthError::Malformed { status: 307, .. }), "{error:?}");
    assert!(target.asked().is_empty());
}

#[tokio::test]
async fn a_provider_that_repeats_secrets_is_not_repeated() {
    let server = Server::start(|asked| {
        let said = format!("bad\u{7} request\n{} {:?} {}", asked.body, asked.headers, "y".repeat(900));
        let answer = object!({ "error": format!("no {}", asked.body), "error_description": said });
        Box::pin(std::future::ready(json(400, &answer)))
    })
    .await;
    for auth in [ClientAuth::Header, ClientAuth::Body] {
        let mut endpoint = endpoint(&server.url("/token"));
        endpoint.client.auth = auth;
        let request = CodeExchange {
            endpoint,
            code: SecretString::from("hunter/2"),
            verifier: Some(SecretString::from("hunter+3")),
            redirect_uri: "https://sluice.example/callback".to_owned(),
        };
        let error = oauth().exchange(&request).await.unwrap_err();
        let OAuthError::Refused { description, .. } = &error else { panic!("{error:?}") };
        let description = description.as_ref().unwrap();
        assert!(description.starts_with("bad request ") && description.chars().count() == 500, "{error}");
        let text = format!("{error} {error:?}");
        let basic = "Y2xpZW50OmNsaWVudC1zZWNyZXQ=";
        for secret in ["hunter/2", "hunter%2F2", "hunter+3", "hunter%2B3", "client-secret", basic] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[tokio::test]
async fn a_client_says_who_it_is_in_three_ways() {
    let server = Server::always(json(200, &object!({ "access_token": "a" }))).await;
    for (auth, basic, members) in [
        // RFC 6749, section 2.3.1: `my id` and `s:ü` are form-encoded first.
        (ClientAuth::Header, Some("Basic bXkraWQ6cyUzQSVDMyVCQw=="), [None, None]),
        (ClientAuth::Body, None, [Some("my id"), Some("s:ü")]),
        (ClientAuth::None, None, [Some("my id"), None]),
    ] {
        let mut endpoint = endpoint(&server.url("/token"));
        endpoint.client.id = "my id".to_owned();
        endpoint.client.secret = Some(SecretString::from("s:ü"));
        endpoint.client.auth = auth;
        refresh_at(endpoint).await.unwrap();
        let (asked, form) = (server.last(), server.last().form());
        assert_eq!(asked.headers.get("authorization").map(String::as_str), basic);
        let found = ["client_id", "client_secret"].map(|name| form.get(name).map(String::as_str));
        assert_eq!(found, members, "{auth:?}");
    }
}

#[tokio::test]
async fn a_request_has_its_parameters_headers_and_form() {
    let server = Server::always(json(200, &object!({ "access_token": "a" }))).await;
    let mut endpoint = endpoint(&server.url("/token?tenant=1"));
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    endpoint.params = BTreeMap::from([text("audience", "x y"), text("grant_type", "evil")]);
    endpoint.headers = BTreeMap::from([text("X-Version", "2"), text("Authorization", "evil")]);
    endpoint.scope_separator = ',';
    let scopes = vec!["read".to_owned(), "write".to_owned()];
    let request = ClientCredentials { endpoint: endpoint.clone(), scopes: scopes.clone() };
    oauth().client_credentials(&request).await.unwrap();
    let asked = server.last();
    assert_eq!(asked.query, "tenant=1");
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read%2Cwrite&audience=x+y");
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    assert_eq!((header("x-version"), header("accept")), (Some("2"), Some("application/json")));
    assert!(header("authorization").unwrap().starts_with("Basic "));
    endpoint.body = TokenBody::Json;
    oauth().client_credentials(&ClientCredentials { endpoint, scopes }).await.unwrap();
    let asked = server.last();
    assert_eq!(asked.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        body,
        object!({ "grant_type": "client_credentials", "scope": "read,write", "audience": "x y" })
    );
}

#[tokio::test]
async fn a_device_is_told_to_slow_down() {
    for (answer, waiting) in [
        (json(400, &object!({ "error": "authorization_pending" })), Waiting::Pending),
        (json(400, &object!({ "error": "slow_down" })), Waiting::SlowDown(None)),
        (reply(200, FORM, "error=slow_down&interval=10"), Waiting::SlowDown(Some(Duration::from_secs(10)))),
    ] {
        let server = Server::always(answer).await;
        let poll = DevicePoll {
            endpoint: endpoint(&server.url("/token")),
            device_code: SecretString::from("device-code"),
        };
        let error = oauth().poll_device(&poll).await.unwrap_err();
        assert_eq!((error.waiting(), error.is_transient()), (Some(waiting), false));
        assert_eq!(server.last().form()["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    }
}

#[tokio::test]
async fn the_codes_of_a_device_are_read_in_old_and_new_words() {
    let start = |server: &Server| DeviceStart {
        endpoint: endpoint(&server.url("/device")),
        scopes: vec!["read".to_owned()],
    };
    let old =
        object!({ "device_code": "d", "user_code": "AB-12", "verification_url": "https://x.example/d" });
    let server = Server::always(json(200, &old)).await;
    let codes = oauth().start_device(&start(&server)).await.unwrap();
    assert_eq!((codes.user_code.as_str(), codes.interval.as_secs()), ("AB-12", 5));
    assert_eq!(codes.verification_uri.as_str(), "https://x.example/d");
    assert_eq!(server.last().body, "scope=read&client_id=client");
    for bad in [
        object!({ "user_code": "AB-12", "verification_uri": "https://x.example/d" }),
        object!({ "device_code": "d", "user_code": "a\nb", "verification_uri": "https://x.example/d" }),
        object!({ "device_code": "d", "user_code": "AB-12", "verification_uri": "javascript:alert(1)" }),
    ] {
        let server = Server::always(json(200, &bad)).await;
        let error = oauth().start_device(&start(&server)).await.unwrap_err();
        assert!(matches!(error, OAuthError::Malformed { status: 200, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_token_that_works_no_more_counts_as_revoked() {
    for (answer, revoked) in [
        (reply(200, "text/plain", ""), true),
        (json(400, &object!({ "error": "invalid_token" })), true),
        (json(400, &object!({ "error": "unsupported_token_type" })), false),
        (reply(200, "text/html", "<p>done</p>"), true),
        (reply(503, "text/html", "<p>later</p>"), false),
    ] {
        let server = Server::always(answer.clone()).await;
        let revoke = Revoke {
            endpoint: endpoint(&server.url("/revoke")),
            token: SecretString::from("a-token"),
            kind: TokenKind::Access,
        };
        assert_eq!(oauth().revoke(&revoke).await.is_ok(), revoked, "{answer:?}");
        let form = server.last().form();
        assert_eq!((form["token"].as_str(), form["token_type_hint"].as_str()), ("a-token", "access_token"));
    }
}

#[tokio::test]
async fn requests_stay_where_they_may_go() {
    let server = Server::always(json(200, &object!({ "access_token": "a" }))).await;
    let local = format!("http://localhost:{}/token", server.port);
    refresh_at(endpoint(&local)).await.unwrap();
    let refused = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    let refusing = HttpOAuth::new(&Settings { refused, ..here() }).unwrap();
    let usual = HttpOAuth::new(&Settings::default()).unwrap();
    let token = SecretString::from("old-refresh-token");
    for url in [
        local.as_str(),
        &server.url("/token"),
        "https://10.0.0.1/token",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "http://93.184.216.34/token",
        "https://a:b@login.example/token",
        "ftp://login.example/token",
    ] {
        let refresh = Refresh { endpoint: endpoint(url), token: token.clone() };
        for strict in [&refusing, &usual] {
            let error = strict.refresh(&refresh).await.unwrap_err();
            assert!(
                matches!(error, OAuthError::Forbidden { .. }) && !error.is_transient(),
                "{url}: {error:?}"
            );
        }
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up() {
    let server = Server::start(|_| Box::pin(std::future::pending())).await;
    let settings = Settings { timeout: Duration::from_millis(50), ..here() };
    let refresh =
        Refresh { endpoint: endpoint(&server.url("/token")), token: SecretString::from("old-refresh-token") };
    let error = HttpOAuth::new(&settings).unwrap().refresh(&refresh).await.unwrap_err();
    assert!(matches!(error, OAuthError::Unreachable { .. }) && error.is_transient(), "{error:?}");
}
