//! Attachments: processes of authors in the place of containers.

use serde_json::{Value, json};
use sluice_domain::Permission;
use sluice_engine::Settings;
use sluice_ports::runtime::Runtime;
use sluice_protocol::gateway::SessionRequest;
use sluice_testkit::eventually;

use crate::harness::Server;

const PATH: &str = "/api/v1/attachments";

pub(crate) async fn developers() -> Server {
    let server = Server::start_with(Settings { attach: true, ..Settings::default() }).await;
    server.deploy().await;
    until("a container", async || containers(&server).await == 1).await;
    server
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    eventually(what, || async { so().await.then_some(()) }).await;
}

async fn containers(server: &Server) -> usize {
    server.runtime.list().await.unwrap().len()
}

pub(crate) async fn call(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = server.call(method, path, Some(&body.to_string())).await;
    assert!(answer.status < 400 || answer.is_problem(), "{}", answer.text);
    (answer.status, if answer.text.is_empty() { Value::Null } else { answer.json() })
}

async fn descriptor(server: &Server) -> Value {
    server.call("GET", "/api/v1/connectors/demo", None).await.json()[0]["descriptor"].clone()
}

async fn status_of_deployment(server: &Server) -> Value {
    server.call("GET", "/api/v1/deployments", None).await.json()["items"][0]["status"].clone()
}

/// Attaches, and waits until a process may begin: the path of the attachment, and the deployment.
pub(crate) async fn attached(server: &Server) -> (String, Value) {
    let (status, made) = call(server, "POST", PATH, json!({ "descriptor": descriptor(server).await })).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    let free = async || {
        let (_, renewed) = call(server, "POST", &format!("{path}/renew"), json!({ "processes": [] })).await;
        renewed["deployments"][0]["free"] == true
    };
    until("room for a process", free).await;
    let (_, renewed) = call(server, "POST", &format!("{path}/renew"), json!({ "processes": [] })).await;
    (path, renewed["deployments"][0]["id"].clone())
}

async fn speaks(server: &Server, token: &str) -> bool {
    server.engine.gateway_session(token, SessionRequest::default()).await.is_ok()
}

#[tokio::test]
async fn a_process_takes_the_place_of_a_container_until_it_is_detached() {
    let server = developers().await;
    let (path, deployment) = attached(&server).await;
    assert_eq!(containers(&server).await, 0, "the container made room");
    assert_eq!(status_of_deployment(&server).await, "attaching");
    let (status, boot) =
        call(&server, "POST", &format!("{path}/starts"), json!({ "deployment": deployment })).await;
    assert_eq!(status, 201, "{boot}");
    let token = boot["token"].as_str().unwrap();
    assert!(speaks(&server, token).await);
    let (_, renewed) =
        call(&server, "POST", &format!("{path}/renew"), json!({ "processes": [deployment] })).await;
    assert_eq!(renewed["deployments"][0]["flows"], json!(["demo"]), "{renewed}");
    until("the process", async || status_of_deployment(&server).await == "attached").await;
    assert_eq!(containers(&server).await, 0);
    let listed = server.call("GET", PATH, None).await;
    assert!(listed.json()[0]["component"] == "demo" && !listed.text.contains(token), "{}", listed.text);

    let (status, refused) =
        call(&server, "POST", PATH, json!({ "descriptor": descriptor(&server).await })).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("attached_already")), "{refused}");
    assert_eq!(call(&server, "DELETE", &path, Value::Null).await.0, 204);
    assert!(!speaks(&server, token).await, "the token works no more");
    until("the container", async || containers(&server).await == 1).await;
    until("its status", async || status_of_deployment(&server).await == "running").await;
    assert_eq!(call(&server, "POST", &format!("{path}/renew"), json!({ "processes": [] })).await.0, 404);
}

#[tokio::test]
async fn the_token_of_a_process_that_ended_works_no_more() {
    let server = developers().await;
    let (path, deployment) = attached(&server).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let body = json!({ "deployment": deployment });
        let (_, boot) = call(&server, "POST", &format!("{path}/starts"), body).await;
        tokens.push(boot["token"].as_str().unwrap().to_owned());
    }
    assert!(!speaks(&server, &tokens[0]).await, "another process took its place");
    assert!(speaks(&server, &tokens[1]).await);
    call(&server, "POST", &format!("{path}/renew"), json!({ "processes": [] })).await;
    assert!(!speaks(&server, &tokens[1]).await);
    let unknown = json!({ "deployment": "dep_00000000000000000000000000" });
    assert_eq!(call(&server, "POST", &format!("{path}/starts"), unknown).await.0, 404);
}

#[tokio::test]
async fn only_what_is_allowed_and_the_very_component_may_be_attached() {
    let closed = Server::start().await;
    closed.deploy().await;
    let body = json!({ "descriptor": descriptor(&closed).await });
    let (status, refused) = call(&closed, "POST", PATH, body.clone()).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("attach_off")), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("SLUICE__DEVELOPMENT__ATTACH"), "{refused}");

    let server = developers().await;
    let request = axum::http::Request::post(PATH)
        .header("authorization", format!("Bearer {}", server.token(Permission::Write)))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()));
    assert_eq!(server.send(request.unwrap()).await.status, 403);
    let mut other = body.clone();
    other["descriptor"]["actions"]["act"]["title"] = json!("Do");
    let (status, refused) = call(&server, "POST", PATH, other).await;
    assert_eq!((status, &refused["reason"]), (409, &json!("descriptor_differs")), "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("/actions/act/title"), "{refused}");
    let mut unknown = body.clone();
    unknown["descriptor"]["name"] = json!("other");
    assert_eq!(call(&server, "POST", PATH, unknown).await.0, 404);
    assert_eq!(call(&server, "POST", PATH, json!({ "descriptor": 1 })).await.0, 400);
    assert_eq!(containers(&server).await, 1, "its container runs on");
}
