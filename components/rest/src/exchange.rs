//! One request and the answer to it, redirects included.
//!
//! Redirects are followed here and not by the library: every hop has to be one of the call's hosts, credentials go only
//! where `hosts` trusts the URL, and nothing goes from https to http.

use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Method, Response, StatusCode};
use sluice_sdk::{Error, proxy_refusal};
use tokio::time::Instant;
use url::Url;

use crate::auth::Credential;
use crate::client::Shared;
use crate::failure;
use crate::hosts::{self, Hosts, Reach};
use crate::request::Draft;
use crate::signer::Authority;
use crate::upload::{self, Fault, Way};

pub(crate) const REDIRECTS: usize = 5;

/// Sends a request to where its URL says. `first` is its credential; after a redirect `authority` is asked again. Gives the answer and the URL that gave it, without credentials.
pub(crate) async fn send(
    shared: &Shared,
    hosts: &Hosts,
    (authority, first): (&Authority<'_>, Credential),
    mut draft: Draft,
    deadline: Instant,
) -> Result<(Response, Url), Error> {
    let mut first = Some(first);
    for _ in 0..=REDIRECTS {
        let reach = hosts.admit(&draft.url)?;
        let (mut url, mut headers) = (draft.url.clone(), draft.headers.clone());
        let known = first.take();
        if hosts.trusts(&url) {
            let credential = match known {
                Some(credential) => credential,
                None => authority.credential(&draft).await?,
            };
            credential.apply(&mut url, &mut headers)?;
        }
        let response = once(shared, (hosts, reach), Hop { draft: &draft, url, headers }, deadline).await?;
        let place = failure::place(&draft.method, &draft.url);
        match target(&draft.url, &response, &place)? {
            None => return Ok((response, draft.url)),
            Some(next) => follow(&mut draft, next, response.status()),
        }
    }
    let place = failure::place(&draft.method, &draft.url);
    Err(Error::fatal("too_many_redirects", format_args!("{place}: more than {REDIRECTS} redirects")))
}

/// A request on its way to one URL: what of it is as it was, and what the credential changed.
pub(crate) struct Hop<'d> {
    pub(crate) draft: &'d Draft,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
}

/// Sends a request, and gives the answer even where that is a redirect.
pub(crate) async fn once(
    shared: &Shared,
    (hosts, reach): (&Hosts, Reach),
    Hop { draft, url, headers }: Hop<'_>,
    deadline: Instant,
) -> Result<Response, Error> {
    let mut request = shared
        .client(reach)?
        .request(draft.method.clone(), url)
        .timeout(deadline.saturating_duration_since(Instant::now()))
        .headers(headers);
    let mut fault = Fault::default();
    if let Some(content) = &draft.body {
        (request, fault) = upload::attach(request, content, Way { shared, hosts, deadline }).await?;
    }
    match request.send().await {
        Ok(response) => match proxy_refusal(&response) {
            None => Ok(response),
            Some(refused) => Err(refused),
        },
        Err(error) => {
            // A source that breaks off takes the request with it.
            if let Some(fault) = fault.take() {
                return Err(fault);
            }
            let broken = || failure::transport(&error, &failure::place(&draft.method, &draft.url));
            Err(shared.egress().explain(&draft.url, &error).await.unwrap_or_else(broken))
        }
    }
}

/// Turns a request into the one that a redirect asks for (RFC 9110, section 15.4).
fn follow(draft: &mut Draft, next: Url, status: StatusCode) {
    let as_get = match status {
        StatusCode::SEE_OTHER => draft.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => draft.method == Method::POST,
        _ => false,
    };
    if as_get {
        draft.method = Method::GET;
        draft.body = None;
        draft.headers.remove(CONTENT_TYPE);
    }
    leave(draft, next);
}

/// Sends a request elsewhere. What may tell who asks stays behind when that is another origin.
pub(crate) fn leave(draft: &mut Draft, next: Url) {
    if !hosts::stays(&draft.url, &next) {
        for private in ["authorization", "cookie", "proxy-authorization", "idempotency-key"] {
            draft.headers.remove(private);
        }
    }
    draft.url = next;
}

/// Where a redirect leads; nothing when the answer is no redirect.
pub(crate) fn target(from: &Url, response: &Response, place: &str) -> Result<Option<Url>, Error> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let refused = |why: &str| Error::fatal("redirect_refused", format_args!("{place}: a redirect {why}"));
    let location = location.to_str().map_err(|_| refused("names no URL"))?;
    let mut next = from.join(location).map_err(|_| refused("names no URL"))?;
    next.set_fragment(None);
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(refused("leads from https to http"));
    }
    Ok(Some(next))
}
