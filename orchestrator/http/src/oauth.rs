//! What browsers open while a person authorises an instance: the link that begins, and where providers send back to.
//!
//! Neither needs a token: the link holds a secret of its own, and the way back needs the cookie that the link set. Nothing
//! of a query gets into a log or a page.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use sluice_engine::{CallbackRefusal, Departure};
use tracing::{error, warn};

use crate::ApiState;

/// The routes, for the list of those that need no token.
pub(crate) const START: &str = "/oauth/start/{state}";
/// See [`START`].
pub(crate) const CALLBACK: &str = "/oauth/callback";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new().route(START, get(start)).route(CALLBACK, get(callback))
}

async fn start(State(state): State<ApiState>, Path(attempt): Path<String>) -> Response {
    match state.engine.start_authorization(&attempt).await {
        Ok(departure) => depart(&attempt, &departure, state.engine.redirect_uri().starts_with("https:")),
        Err(refusal) => refused(&refusal),
    }
}

/// Sends the browser to the provider, with a cookie that it has to bring back.
fn depart(attempt: &str, departure: &Departure, secure: bool) -> Response {
    let flag = if secure { "; Secure" } else { "" };
    let cookie = format!(
        "{}={}; Path={CALLBACK}; Max-Age={}; HttpOnly; SameSite=Lax{flag}",
        cookie_name(attempt),
        departure.browser.expose_secret(),
        departure.lasts.num_seconds(),
    );
    let values = (HeaderValue::from_str(departure.url.as_str()), HeaderValue::from_str(&cookie));
    let (Ok(location), Ok(mut cookie)) = values else {
        return page(StatusCode::INTERNAL_SERVER_ERROR, "The provider's address cannot be opened.");
    };
    cookie.set_sensitive(true);
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    guarded(response)
}

async fn callback(State(state): State<ApiState>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    let attempt = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    let cookie = attempt.and_then(|(_, attempt)| cookie(&headers, &cookie_name(&attempt)));
    match state.engine.finish_authorization(&query, cookie.as_deref()).await {
        Ok(instance) => {
            page(StatusCode::OK, &format!("The instance {instance} is authorised. You can close this page."))
        }
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &CallbackRefusal) -> Response {
    match refusal {
        CallbackRefusal::Command(cause) => {
            error!(error = sluice_engine::chain(cause), "an authorisation cannot be finished");
            let text = "Something that is needed is away or wrong. The log of the server says more.";
            page(StatusCode::SERVICE_UNAVAILABLE, text)
        }
        CallbackRefusal::Unknown | CallbackRefusal::Callback(_) | CallbackRefusal::Provider(_) => {
            warn!(%refusal, "an authorisation came to nothing");
            page(StatusCode::BAD_REQUEST, &format!("Nothing was authorised: {refusal}."))
        }
    }
}

/// One cookie for each attempt, so that two in one browser do not get into each other's way.
fn cookie_name(attempt: &str) -> String {
    let hash = Sha256::digest(attempt.as_bytes());
    let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("sluice_oauth_{short}")
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

/// A page of one sentence.
fn page(status: StatusCode, sentence: &str) -> Response {
    let sentence = escape(sentence);
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sluice</title>\
         <body style=\"font-family:system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
         <h1>Sluice</h1><p>{sentence}</p></body></html>\n"
    );
    let mut response = (status, body).into_response();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    guarded(response)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Keeps what the page says from being kept, framed, or told to others.
fn guarded(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; sluice_oauth_x=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=3"));
        assert_eq!(cookie(&headers, "sluice_oauth_x").as_deref(), Some("2"));
        assert_eq!(cookie(&headers, "b").as_deref(), Some("3"));
        assert_eq!(cookie(&headers, "c"), None);
    }

    #[test]
    fn a_page_says_nothing_that_a_browser_would_run() {
        assert_eq!(escape("<script>\"&\""), "&lt;script&gt;&quot;&amp;&quot;");
    }
}
