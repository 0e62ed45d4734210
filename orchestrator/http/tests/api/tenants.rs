//! Tenants: each sees and changes its own, and of another it cannot tell what there is.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use sluice_ports::store::{DeadLetterStore, FlowStore, HistoryBatch, HistoryStore};
use sluice_testkit::fixtures;

use crate::harness::{Answer, FLOW, Server, apply};

const INSTANCE: &str = "sluice: 1\nkind: instance\nname: crm\nconnector: demo\n";

/// Tokens of administrators of two tenants.
struct Two {
    server: Server,
    acme: String,
    other: String,
}

impl Two {
    /// `acme` and `other` have a flow `demo` and an instance `crm` each, of the same files.
    async fn start() -> Self {
        let server = Server::start().await;
        server.install("sluice/demo:1.0.0").await;
        let mut tokens = Vec::new();
        for tenant in ["acme", "other"] {
            let made = server
                .call_with(
                    "POST",
                    "/api/v1/tokens",
                    Some(r#"{"name":"t","permissions":["admin"]}"#),
                    &[("sluice-tenant", tenant)],
                )
                .await;
            assert_eq!((made.status, &made.json()["tenant"]), (201, &json!(tenant)), "{}", made.text);
            tokens.push(made.json()["token"].as_str().unwrap().to_owned());
        }
        let [acme, other] = <[String; 2]>::try_from(tokens).unwrap();
        let two = Self { server, acme, other };
        for token in [&two.acme, &two.other] {
            let applied = two
                .send(token, "POST", "/api/v1/apply", Some(&apply(&format!("{FLOW}---\n{INSTANCE}"))))
                .await;
            assert_eq!(applied.status, 200, "{}", applied.text);
        }
        two
    }

    async fn send(&self, token: &str, method: &str, path: &str, body: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        self.server.send(request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap()).await
    }

    async fn names(&self, token: &str, path: &str) -> Vec<String> {
        let listed = self.send(token, "GET", path, None).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        let listed = listed.json();
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    /// An execution and a dead letter of acme's flow, and the flow's id.
    async fn history(&self) -> [String; 3] {
        let flow = self.server.store.flow_named(&"acme.demo".parse().unwrap()).await.unwrap().unwrap();
        let mut run = fixtures::run(1, 7, sluice_domain::RunStatus::Succeeded);
        run.flow = flow.id;
        let batch = HistoryBatch { runs: vec![run], ..HistoryBatch::default() };
        self.server.store.record(&batch).await.unwrap();
        let mut letter = fixtures::dead_letter(1);
        letter.step.as_mut().unwrap().flow = flow.id;
        self.server.store.put_dead_letters(std::slice::from_ref(&letter)).await.unwrap();
        let execution = sluice_protocol::ExecutionId::from_bits(7);
        [flow.id.to_string(), execution.to_string(), letter.id.to_string()]
    }
}

#[tokio::test]
async fn each_has_things_of_the_same_names_and_sees_its_own() {
    let two = Two::start().await;
    for (token, tenant) in [(&two.acme, "acme"), (&two.other, "other")] {
        for (path, name) in
            [("/api/v1/flows", "demo"), ("/api/v1/instances", "crm"), ("/api/v1/templates", "demo")]
        {
            assert_eq!(two.names(token, path).await, [format!("{tenant}.{name}")], "{path}");
            for said in [name.to_owned(), format!("{tenant}.{name}")] {
                let shown = two.send(token, "GET", &format!("{path}/{said}"), None).await;
                assert_eq!(shown.status, 200, "{path}/{said}: {}", shown.text);
            }
        }
        let tokens = two.send(token, "GET", "/api/v1/tokens", None).await.json();
        let tokens = tokens["items"].as_array().unwrap();
        assert!(tokens.len() == 1 && tokens[0]["tenant"] == tenant, "{tokens:?}");
    }
    // The operator sees all, and speaks for one on demand.
    let all = two.server.call("GET", "/api/v1/flows", None).await.text;
    assert!(all.contains("acme.demo") && all.contains("other.demo"), "{all}");
    let one = two.server.call_with("GET", "/api/v1/flows", None, &[("sluice-tenant", "acme")]).await.text;
    assert!(one.contains("acme.demo") && !one.contains("other"), "{one}");
}

#[tokio::test]
async fn no_route_tells_or_changes_what_belongs_to_another() {
    let two = Two::start().await;
    let [flow, execution, letter] = two.history().await;
    let token = two.send(&two.acme, "GET", "/api/v1/tokens", None).await.json()["items"][0]["id"].clone();
    let token = token.as_str().unwrap();
    let session = json!({ "instances": ["crm"] }).to_string();
    let session = two.send(&two.acme, "POST", "/api/v1/sessions", Some(&session)).await.json();
    let session = session["id"].as_str().unwrap().to_owned();
    let document = serde_json::to_value(sluice_http::openapi()).unwrap();
    let mut refused = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/") {
            continue;
        }
        for flow in ["acme.demo", flow.as_str()] {
            let filled = path
                .replace("{flow}", flow)
                .replace("{instance}", "acme.crm")
                .replace("{template}", "acme.demo")
                .replace("{execution}", &execution)
                .replace("{letter}", &letter)
                .replace("{token}", token)
                .replace("{session}", &session)
                .replace("{step}", "hear")
                .replace("{function}", "act")
                .replace("{connector}", "demo")
                .replace("{attachment}", "att_00000000000000000000000000")
                .replace("{key}", "k0");
            assert!(!filled.contains('{'), "{filled} has a parameter that this test does not know");
            for method in methods.as_object().unwrap().keys().filter(|key| key.len() < 7 && *key != "servers")
            {
                let method = method.to_uppercase();
                let body = (method != "GET").then_some("{}");
                let answer = two.send(&two.other, &method, &filled, body).await;
                let about = format!("{method} {filled}: {} {}", answer.status, answer.text);
                if filled == *path {
                    // A list, or something about nothing in particular.
                    assert!(!answer.text.contains("acme"), "{about}");
                } else if ["/connectors/", "/keys/", "/attachments/"].iter().any(|it| filled.contains(it)) {
                    assert!([200, 403].contains(&answer.status), "{about}");
                    assert!(method == "GET" || answer.status == 403, "{about}");
                } else {
                    assert_eq!(answer.status, 404, "{about}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 40, "{refused} refusals");
    let own = two.send(&two.acme, "GET", "/api/v1/sessions", None).await.json();
    assert!(own["items"][0]["id"] == session && own["items"][0]["revoked_at"].is_null(), "{own}");
    // All of it is still there.
    assert_eq!(two.names(&two.acme, "/api/v1/flows").await, ["acme.demo"]);
    for path in [format!("/api/v1/executions/{execution}"), format!("/api/v1/dead-letters/{letter}")] {
        assert_eq!(two.send(&two.acme, "GET", &path, None).await.status, 200, "{path}");
    }
    for path in ["/api/v1/executions", "/api/v1/dead-letters"] {
        let count = async |token: &str| {
            two.send(token, "GET", path, None).await.json()["items"].as_array().map(Vec::len)
        };
        assert_eq!((count(&two.acme).await, count(&two.other).await), (Some(1), Some(0)), "{path}");
        // Naming the flow of another by its id is no way around it.
        let named = two.send(&two.other, "GET", &format!("{path}?flow={flow}"), None).await;
        assert_eq!(named.status, 404, "{}", named.text);
    }
    let discarded = two.send(&two.other, "POST", "/api/v1/dead-letters/discard", None).await;
    assert_eq!(discarded.json(), json!({ "count": 0 }));
}

#[tokio::test]
async fn files_cannot_reach_into_another_tenant() {
    let two = Two::start().await;
    let bound = |name: &str| {
        let template = "sluice: 1\nkind: template\nname: t\nversion: 1.0.0\ninstances: { crm: { connector: demo } }\nsteps:\n  - { id: hear, use: demo/listen }\n  - { id: act, use: crm/act }\n";
        json!({ "files": [{ "name": "t.yaml", "text": template }], "instances": { "crm": name } }).to_string()
    };
    let status = async |token: &str, body: &str| {
        let answer = two.send(token, "POST", "/api/v1/apply", Some(body)).await;
        (answer.status, answer.text)
    };
    assert_eq!(status(&two.acme, &bound("crm")).await.0, 200);
    assert_eq!(status(&two.other, &bound("acme.crm")).await.0, 404);
    // What the installation itself has is not a tenant's to use either.
    let own = INSTANCE.replace("crm", "central");
    assert_eq!(two.server.call("POST", "/api/v1/apply", Some(&apply(&own))).await.status, 200);
    let (code, text) = status(&two.other, &bound("central")).await;
    assert!(code == 422 && text.contains("central"), "{text}");

    let named = INSTANCE.replace("crm", "acme.crm2");
    let (code, text) = status(&two.other, &apply(&named)).await;
    assert!(code == 422 && text.contains("F0014") && text.contains("acme."), "{text}");
    let connector = "sluice: 1\nkind: connector\nname: c\nversion: 1.0.0\ntitle: C\nhttp: { base_url: \"http://127.0.0.1:9\" }\nactions: { a: { title: A, request: { path: / } } }\n";
    let (code, text) = status(&two.other, &apply(connector)).await;
    assert!(code == 400 && text.contains("tenant_connector"), "{code} {text}");

    // To prune is to prune one's own.
    let body = json!({ "files": [], "prune": true }).to_string();
    let pruned = two.send(&two.other, "POST", "/api/v1/apply", Some(&body)).await;
    assert_eq!(pruned.status, 200, "{}", pruned.text);
    let intent = |answer: &Answer| answer.json()["intent"].clone();
    let flow = two.send(&two.other, "GET", "/api/v1/flows/demo", None).await;
    assert!(flow.status == 404 || intent(&flow) == "delete", "{}", flow.text);
    let flow = two.send(&two.acme, "GET", "/api/v1/flows/demo", None).await;
    assert_eq!(intent(&flow), "run", "{}", flow.text);
}

#[tokio::test]
async fn templates_of_the_installation_are_everybodys_and_own_ones_come_first() {
    let two = Two::start().await;
    let common = FLOW.replace("name: demo", "name: common");
    assert_eq!(two.server.call("POST", "/api/v1/apply", Some(&apply(&common))).await.status, 200);
    let flow = "sluice: 1\nkind: flow\nname: mine\ntemplate: common\n";
    let applied = two.send(&two.acme, "POST", "/api/v1/apply", Some(&apply(flow))).await;
    assert_eq!(applied.status, 200, "{}", applied.text);
    let shown = two.send(&two.acme, "GET", "/api/v1/flows/mine", None).await.json();
    assert_eq!(shown["name"], "acme.mine");
    assert!(two.names(&two.acme, "/api/v1/templates").await.contains(&"common".to_owned()));
    assert_eq!(two.send(&two.acme, "GET", "/api/v1/templates/common", None).await.status, 200);
}

#[tokio::test]
async fn a_token_of_a_tenant_speaks_for_no_other() {
    let two = Two::start().await;
    for (value, status) in [("acme", 200), ("other", 403), ("Not a name", 400), ("default", 400)] {
        let request = Request::builder()
            .uri("/api/v1/flows")
            .header("authorization", format!("Bearer {}", two.acme))
            .header("sluice-tenant", value);
        let answer = two.server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{value}: {}", answer.text);
    }
    // A token that it makes is its own.
    let body = r#"{"name":"more","permissions":["admin"]}"#;
    let made = two.send(&two.acme, "POST", "/api/v1/tokens", Some(body)).await;
    assert_eq!(made.json()["tenant"], "acme", "{}", made.text);
    let body = json!({ "instances": ["crm"] }).to_string();
    let session = two.send(&two.acme, "POST", "/api/v1/sessions", Some(&body)).await;
    assert_eq!(session.status, 201, "{}", session.text);
    let session = session.json()["token"].as_str().unwrap().to_owned();
    for (name, status) in [("crm", 200), ("acme.crm", 200), ("other.crm", 403)] {
        let shown = two.send(&session, "GET", &format!("/embed/v1/instances/{name}"), None).await;
        assert_eq!(shown.status, status, "{name}: {}", shown.text);
    }
    let both = json!({ "instances": ["acme.crm", "other.crm"] }).to_string();
    let refused = two.server.call("POST", "/api/v1/sessions", Some(&both)).await;
    assert!(refused.status == 400 && refused.text.contains("session_instances"), "{}", refused.text);
}

#[tokio::test]
async fn each_tenant_has_a_data_key() {
    let two = Two::start().await;
    let keys = two.server.call("GET", "/api/v1/keys", None).await.json();
    let mut tenants: Vec<&str> =
        keys.as_array().unwrap().iter().filter_map(|key: &Value| key["tenant"].as_str()).collect();
    tenants.sort_unstable();
    assert_eq!(tenants, ["acme", "default", "other"]);
    let rotated = two.server.call("POST", "/api/v1/keys/rotate", Some(r#"{"secrets":true}"#)).await.json();
    assert_eq!(rotated["data"].as_array().map(Vec::len), Some(3), "{rotated}");
}
