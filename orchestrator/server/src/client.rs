//! The API as a client sees it.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_http::{TENANT_HEADER, dto};
use url::Url;

use crate::context::Context;
use crate::failure::{Code, Failure};

/// How long an answer may take. The server gives up earlier.
const PATIENCE: Duration = Duration::from_secs(75);

/// Most bytes of a line of a stream.
const LINE: usize = 8 << 20;

/// A client of the API.
pub(crate) struct Client {
    http: reqwest::Client,
    context: Context,
}

/// The parameters of a query.
pub(crate) type Query<'a> = &'a [(&'a str, String)];

impl Client {
    /// A client of the server that the context names.
    pub(crate) fn find() -> Result<Self, Failure> {
        Self::new(Context::find()?)
    }

    pub(crate) fn new(context: Context) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            // A token goes to the server that was named and to nobody that it points to.
            .redirect(reqwest::redirect::Policy::none());
        if is_local(&context.url) {
            builder = builder.no_proxy();
        }
        let failed = |error: reqwest::Error| Failure::new(Code::Unreachable, sluice_engine::chain(&error));
        Ok(Self { http: builder.build().map_err(failed)?, context })
    }

    /// The server's URL.
    pub(crate) fn url(&self) -> &Url {
        &self.context.url
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<T, Failure> {
        read(self.send(self.request(Method::GET, path).query(query).timeout(PATIENCE)).await?).await
    }

    /// All items of a list, at most `most`, page by page.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        most: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < most {
            let mut query = query.to_vec();
            query.push(("limit", (most - items.len()).min(1000).to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let page: dto::Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(items)
    }

    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        body: &B,
    ) -> Result<T, Failure> {
        let request = self.request(Method::POST, path).query(query).json(body).timeout(PATIENCE);
        read(self.send(request).await?).await
    }

    pub(crate) async fn patch<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &B,
    ) -> Result<T, Failure> {
        read(self.send(self.request(Method::PATCH, path).json(body).timeout(PATIENCE)).await?).await
    }

    pub(crate) async fn delete(&self, path: &[&str], query: Query<'_>) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path).query(query).timeout(PATIENCE)).await.map(drop)
    }

    /// The items of a stream, as they come.
    pub(crate) async fn stream<T: DeserializeOwned + 'static>(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<impl Stream<Item = Result<T, Failure>> + Unpin + use<T>, Failure> {
        let request = self.request(Method::GET, path).query(query).header("accept", "application/x-ndjson");
        let response = self.send(request).await?;
        let lines = futures_util::stream::unfold(
            (response.bytes_stream().boxed(), Vec::new()),
            |(mut bytes, mut held)| async {
                loop {
                    if let Some(end) = held.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = held.drain(..=end).collect();
                        let item = serde_json::from_slice(&line).map_err(|error| foreign(&error));
                        return Some((item, (bytes, held)));
                    }
                    match bytes.next().await {
                        Some(Ok(chunk)) if held.len() + chunk.len() <= LINE => held.extend_from_slice(&chunk),
                        Some(Ok(_)) => {
                            return Some((
                                Err(foreign(&"a line is too long")),
                                (futures_util::stream::empty().boxed(), Vec::new()),
                            ));
                        }
                        Some(Err(_)) | None => return None,
                    }
                }
            },
        );
        Ok(lines.boxed())
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.context.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut request = self.http.request(method, url);
        if let Some(tenant) = &self.context.tenant {
            request = request.header(TENANT_HEADER, tenant.as_str());
        }
        match &self.context.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| {
            let why = sluice_engine::chain(&error.without_url());
            Failure::new(Code::Unreachable, format!("{} does not answer: {why}", self.context.url))
                .help("is `sluice serve` running there? set SLUICE_URL, or use `sluice login URL`, for another server")
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        match response.json::<dto::Problem>().await {
            Ok(problem) => Err(Failure::refused(problem)),
            Err(_) => Err(foreign(&format!("{} answered {status}", self.context.url))),
        }
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let empty = response.status() == StatusCode::NO_CONTENT;
    let bytes = response.bytes().await.map_err(|error| foreign(&error.without_url()))?;
    let bytes: &[u8] = if empty { b"null" } else { &bytes };
    serde_json::from_slice(bytes).map_err(|error| foreign(&error))
}

fn foreign(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Foreign, format!("the answer cannot be read: {error}"))
        .help("does the URL name a Sluice server of about this version?")
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}
