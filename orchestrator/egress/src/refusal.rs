//! What the proxy answers by itself, each with a code that has a page under `docs/errors/`.
//!
//! Answers say so in `Proxy-Status` (RFC 9209), which nobody behind the proxy can forge: the header is taken out of what
//! others answer. So a component tells a refusal from an answer of the other side.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, PROXY_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::json;

/// Says what the proxy has to do with an answer.
pub(crate) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $outcome:literal $kind:literal $title:literal)*) => {
        /// Why the proxy refused a request, or could not serve it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is written, for example `E0003`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it stands for, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// As metrics say it.
            pub(crate) const fn outcome(self) -> &'static str {
                match self { $(Self::$variant => $outcome,)* }
            }

            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The type of the error, of those that RFC 9209 lists in section 2.3.
            const fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }
        }
    };
}

codes! {
    Stranger "E0001" PROXY_AUTHENTICATION_REQUIRED "stranger" "http_request_denied" "the proxy does not know who asks"
    Malformed "E0002" BAD_REQUEST "malformed" "http_request_error" "the proxy does not understand the request"
    NoRule "E0003" FORBIDDEN "no_rule" "http_request_denied" "no rule lets the component go there"
    Address "E0004" FORBIDDEN "address" "destination_ip_prohibited" "nobody may go to that address"
    NotFound "E0005" BAD_GATEWAY "not_found" "dns_error" "the host has no address"
    Unreachable "E0006" BAD_GATEWAY "unreachable" "connection_refused" "the host cannot be reached"
    TimedOut "E0007" GATEWAY_TIMEOUT "timed_out" "connection_timeout" "the host does not answer in time"
    Crowded "E0008" TOO_MANY_REQUESTS "crowded" "connection_limit_reached" "the container has too many connections"
    Undecided "E0009" SERVICE_UNAVAILABLE "undecided" "proxy_internal_error" "the proxy cannot decide now"
    Broken "E0010" BAD_GATEWAY "broken" "connection_terminated" "the host broke off"
}

/// A refusal: a code, and a sentence about this case. Never holds anything of a request but its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The answer that says so (RFC 9457).
    pub(crate) fn answer(&self) -> Response<Full<Bytes>> {
        let Self { code, detail } = self;
        let status = code.status();
        let body = json!({
            "type": "about:blank", "title": code.title(), "status": status.as_u16(), "code": code.as_str(), "detail": detail,
        });
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let told = format!("sluice; error={}; details=\"{}\"", code.kind(), code.as_str());
        if let Ok(told) = HeaderValue::try_from(told) {
            headers.insert(PROXY_STATUS, told);
        }
        if *code == Code::Stranger {
            headers.insert(PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sluice\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page() {
        for code in Code::ALL {
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.as_str());
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
            let title = format!("# {}: {}\n", code.as_str(), code.title());
            assert!(text.starts_with(&title), "{page} does not begin with {title}");
            assert!(text.contains("## What to do"), "{page}");
        }
    }

    #[test]
    fn an_answer_says_that_it_is_the_proxys() {
        let answer = Refusal::new(Code::NoRule, "x:1").answer();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.headers()[PROXY_STATUS], "sluice; error=http_request_denied; details=\"E0003\"");
    }
}
