//! The platform's HTTP API as a process sees it: its config, its snapshot, its secrets, objects of its own.
//!
//! It listens in the container only, and answers nobody who does not know the key of the process. What the platform of the
//! family has and Sluice has not is refused with a sentence that says so, never passed in silence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_families::Route;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::child::Child;

/// Most bytes of a request.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of all objects of a process together.
const OBJECT_BYTES: usize = 32 * 1024 * 1024;

/// A port of this container.
pub(crate) async fn listen() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

#[derive(Clone)]
struct Platform {
    child: Arc<Child>,
    kept: Arc<Mutex<Kept>>,
}

/// What a process gave into keeping.
#[derive(Default)]
struct Kept {
    objects: HashMap<String, (Option<String>, Bytes)>,
    hook: Option<Value>,
}

/// Serves until the process has ended.
pub(crate) fn serve(listener: TcpListener, child: Arc<Child>) {
    let ended = child.ended.clone();
    let router = Router::new().fallback(answer).with_state(Platform { child, kept: Arc::default() });
    tokio::spawn(async move {
        let serving = axum::serve(listener, router).into_future();
        tokio::select! {
            () = ended.cancelled() => {}
            served = serving => if let Err(error) = served {
                warn!(%error, "the platform's API of a component ended");
            },
        }
    });
}

async fn answer(State(platform): State<Platform>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.as_str().to_owned(), head.uri.path().to_owned());
    let route = platform.child.family.route(&method, &path);
    // Addresses of objects are handed to whoever is to read them: the id is what proves that one may.
    if !matches!(route, Some(Route::Object(_))) && !platform.knows(&head.headers) {
        return problem(StatusCode::UNAUTHORIZED, "the key is wrong");
    }
    let Some(route) = route else {
        debug!(method, path, "the component asks for something that is not known");
        return problem(StatusCode::NOT_FOUND, "there is no such thing");
    };
    let Ok(bytes) = to_bytes(body, BODY_BYTES).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 16 MiB");
    };
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    match route {
        Route::Step | Route::Snapshot => platform.told(&route, &platform.child.config),
        Route::Secret => platform.secret(&route, false).await,
        Route::RefreshedSecret => platform.secret(&route, true).await,
        Route::Hook => platform.hook(&method, &bytes),
        Route::SignedUrl => {
            let url = format!("{}/objects/{}", platform.child.place.api, uuid::Uuid::new_v4());
            json_of(StatusCode::OK, &json!({ "get_url": url, "put_url": url, "expires": 86_400 }))
        }
        Route::NewObject => {
            let id = uuid::Uuid::new_v4().to_string();
            platform.put(&id, kind, bytes, StatusCode::CREATED)
        }
        Route::Object(id) => platform.object(&method, &id, kind, bytes),
        Route::Keys => problem(
            StatusCode::NOT_IMPLEMENTED,
            "a component cannot change the keys of an account here: an instance keeps its own",
        ),
        Route::NotOffered(why) => problem(StatusCode::NOT_IMPLEMENTED, why),
    }
}

impl Platform {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let (user, key) = &self.child.place.access;
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{key}")));
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.is_some_and(|given| given == basic || given.strip_prefix("Bearer ") == Some(key))
    }

    fn told(&self, route: &Route, config: &Value) -> Response {
        let child = &self.child;
        json_of(StatusCode::OK, &child.family.answer(route, &child.step, config, &child.snapshot()))
    }

    /// The secrets as they are now.
    async fn secret(&self, route: &Route, refused: bool) -> Response {
        match self.child.credentials(refused).await {
            Ok(credentials) => self.told(route, &credentials),
            Err(error) => problem(StatusCode::BAD_GATEWAY, &error.to_string()),
        }
    }

    fn hook(&self, method: &str, bytes: &[u8]) -> Response {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match method {
            "POST" if kept.hook.is_some() => problem(StatusCode::CONFLICT, "there is such data already"),
            "POST" => {
                kept.hook = Some(serde_json::from_slice(bytes).unwrap_or_else(|_| json!({})));
                json_of(StatusCode::CREATED, &json!({}))
            }
            "DELETE" => {
                kept.hook = None;
                StatusCode::NO_CONTENT.into_response()
            }
            _ => json_of(StatusCode::OK, kept.hook.as_ref().unwrap_or(&json!({}))),
        }
    }

    fn put(&self, id: &str, kind: Option<String>, bytes: Bytes, status: StatusCode) -> Response {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = kept.objects.values().map(|(_, bytes)| bytes.len()).sum();
        if held + bytes.len() > OBJECT_BYTES {
            return problem(
                StatusCode::INSUFFICIENT_STORAGE,
                "the objects of this component have more than 32 MiB together",
            );
        }
        kept.objects.insert(id.to_owned(), (kind, bytes));
        json_of(status, &json!({ "objectId": id }))
    }

    fn object(&self, method: &str, id: &str, kind: Option<String>, bytes: Bytes) -> Response {
        if method == "PUT" {
            return self.put(id, kind, bytes, StatusCode::OK);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if method == "DELETE" {
            kept.objects.remove(id);
            return StatusCode::NO_CONTENT.into_response();
        }
        match kept.objects.get(id) {
            Some((kind, bytes)) => {
                let kind = kind.as_deref().unwrap_or("application/octet-stream");
                ([(header::CONTENT_TYPE, kind)], Body::from(bytes.clone())).into_response()
            }
            None => problem(StatusCode::NOT_FOUND, "there is no such object"),
        }
    }
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn problem(status: StatusCode, why: &str) -> Response {
    json_of(status, &json!({ "errors": [{ "status": status.as_u16(), "title": why }], "message": why }))
}
