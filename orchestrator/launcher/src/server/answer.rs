//! Answers, as hyper sends them.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Response, StatusCode, header};
use serde::Serialize;
use sluice_ports::PortError;

use crate::refusal::Refusal;
use crate::wire::Failure;

/// A body of any kind.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a verb gives.
pub(super) enum Told {
    /// All of it, as JSON.
    Whole(Vec<u8>),
    /// A line of JSON for each item.
    Lines(BoxStream<'static, Bytes>),
}

/// Why a verb gives nothing.
pub(super) enum Untold {
    /// The launcher refused it.
    Refused(Refusal),
    /// The container engine failed, or refused.
    Failed(PortError),
}

impl From<Refusal> for Untold {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<PortError> for Untold {
    fn from(error: PortError) -> Self {
        Self::Failed(error)
    }
}

impl Told {
    pub(super) fn whole(value: &impl Serialize) -> Self {
        Self::Whole(json(value))
    }

    pub(super) fn lines<T: Serialize>(items: impl Stream<Item = T> + Send + 'static) -> Self {
        let lines = items.map(|item| {
            let mut line = json(&item);
            line.push(b'\n');
            Bytes::from(line)
        });
        Self::Lines(lines.boxed())
    }

    pub(super) fn respond(self) -> Response<Body> {
        match self {
            Self::Whole(bytes) => response(StatusCode::OK, "application/json", full(bytes)),
            Self::Lines(lines) => {
                let frames = lines.map(|line| Ok(Frame::data(line)));
                response(StatusCode::OK, "application/x-ndjson", StreamBody::new(frames).boxed_unsync())
            }
        }
    }
}

impl Untold {
    pub(super) fn respond(&self, operation: String) -> Response<Body> {
        let (status, failure) = match self {
            Self::Refused(refusal) => (refusal.code.status(), Failure::refused(refusal, operation)),
            Self::Failed(error) => {
                let failure = Failure::from(error);
                (failure.status(), failure)
            }
        };
        response(status, "application/json", full(json(&failure)))
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is answered is plain JSON")
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).boxed_unsync()
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
