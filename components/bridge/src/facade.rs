//! The platform's HTTP API as a process sees it: its config, its snapshot, its secrets, objects of its own.
//!
//! It listens in the container only, and answers nobody who does not know the key of the process. What the platform of the
//! family has and Sluice has not is refused with a sentence that says so, never passed in silence.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_families::Route;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::child::Child;
use crate::objects::Object;

/// Most bytes of a request.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of the headers that are kept with an object.
const HEADER_BYTES: usize = 8 * 1024;

/// A port of this container.
pub(crate) async fn listen() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

#[derive(Clone)]
struct Platform {
    child: Arc<Child>,
}

/// Serves until the process has ended.
pub(crate) fn serve(listener: TcpListener, child: Arc<Child>) {
    let ended = child.ended.clone();
    let router = Router::new().fallback(answer).with_state(Platform { child });
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
            platform.put(&id, (&head.headers, bytes), StatusCode::CREATED)
        }
        Route::Object(id) => platform.object(&method, &id, (&head.headers, bytes)),
        Route::Objects => platform.objects(&method, &head.uri),
        Route::Result => {
            platform.child.gave(serde_json::from_slice(&bytes).unwrap_or_default());
            json_of(StatusCode::OK, &json!({}))
        }
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
        let child = &self.child;
        match method {
            "POST" if child.startup().is_some() => {
                problem(StatusCode::CONFLICT, "there is such data already")
            }
            "POST" => {
                child.keep_startup(Some(serde_json::from_slice(bytes).unwrap_or_else(|_| json!({}))));
                json_of(StatusCode::CREATED, &json!({}))
            }
            "DELETE" => {
                child.keep_startup(None);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => json_of(StatusCode::OK, &child.startup().unwrap_or_else(|| json!({}))),
        }
    }

    fn put(&self, id: &str, (headers, bytes): (&HeaderMap, Bytes), status: StatusCode) -> Response {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let belongs = |name: &str| name.starts_with("x-query-") || name.starts_with("x-meta-");
        let names = headers.keys().map(header::HeaderName::as_str).filter(|name| belongs(name));
        let own: BTreeMap<String, String> =
            names.filter_map(|name| Some((name.to_owned(), text(name)?))).collect();
        if own.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_BYTES {
            return problem(StatusCode::BAD_REQUEST, "the headers of the object have more than 8 KiB");
        }
        let object = Object { kind: text("content-type"), bytes, headers: own };
        match self.child.objects.put(id, object) {
            Ok(()) => json_of(status, &json!({ "objectId": id })),
            Err(full) => problem(StatusCode::INSUFFICIENT_STORAGE, &full.to_string()),
        }
    }

    fn object(&self, method: &str, id: &str, given: (&HeaderMap, Bytes)) -> Response {
        let objects = &self.child.objects;
        match method {
            "PUT" => return self.put(id, given, StatusCode::OK),
            "DELETE" if objects.remove(id) => return StatusCode::NO_CONTENT.into_response(),
            _ => {}
        }
        let Some(object) = objects.get(id) else {
            return problem(StatusCode::NOT_FOUND, "there is no such object");
        };
        let kind = object.kind.unwrap_or_else(|| "application/octet-stream".to_owned());
        let mut response = ([(header::CONTENT_TYPE, kind)], Body::from(object.bytes)).into_response();
        let names = object.headers.iter();
        response.headers_mut().extend(names.filter_map(|(name, value)| {
            Some((header::HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        }));
        response
    }

    /// The objects that `?query[name]=value` asks for. Without a question there is no answer: it would be all of them.
    fn objects(&self, method: &str, uri: &Uri) -> Response {
        let asked = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(asked)| asked);
        let named = |(name, value): (String, String)| {
            Some((name.strip_prefix("query[")?.strip_suffix(']')?.to_owned(), value))
        };
        let asked: Vec<_> = asked.unwrap_or_default().into_iter().filter_map(named).collect();
        if asked.is_empty() {
            return problem(StatusCode::BAD_REQUEST, "ask as `?query[name]=value`");
        }
        let found = self.child.objects.find(&asked);
        if method == "DELETE" {
            for (id, _) in &found {
                self.child.objects.remove(id);
            }
            return StatusCode::NO_CONTENT.into_response();
        }
        json_of(StatusCode::OK, &found.into_iter().map(|(_, told)| told).collect())
    }
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

fn problem(status: StatusCode, why: &str) -> Response {
    json_of(status, &json!({ "errors": [{ "status": status.as_u16(), "title": why }], "message": why }))
}
