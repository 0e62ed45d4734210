//! The code of every refusal. Codes are stable: one that is no longer used is not given to another refusal.

use axum::http::StatusCode;

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $title:literal)*) => {
        /// What kind of refusal it is. Each has a page `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode {
            $(#[doc = $title] $variant,)*
        }

        impl ErrorCode {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, as in `A0001`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// What it means, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)*
                }
            }
        }
    };
}

codes! {
    Unauthorized "A0001" UNAUTHORIZED "a valid token is needed"
    Forbidden "A0002" FORBIDDEN "the token may not do this"
    NotFound "A0003" NOT_FOUND "there is no such thing"
    BadRequest "A0004" BAD_REQUEST "the request makes no sense"
    BadBody "A0005" BAD_REQUEST "the body cannot be read"
    BadField "A0006" UNPROCESSABLE_ENTITY "a field of the body is wrong"
    BadPath "A0007" BAD_REQUEST "an id or name in the path is malformed"
    BadQuery "A0008" BAD_REQUEST "the query is wrong"
    InvalidFiles "A0009" UNPROCESSABLE_ENTITY "the files have errors"
    Conflict "A0010" CONFLICT "the state of things forbids it"
    Changed "A0011" PRECONDITION_FAILED "it was changed meanwhile"
    TooLarge "A0012" PAYLOAD_TOO_LARGE "the body is too large"
    MediaType "A0013" UNSUPPORTED_MEDIA_TYPE "the body has the wrong type"
    Method "A0014" METHOD_NOT_ALLOWED "the method is not allowed here"
    Unavailable "A0015" SERVICE_UNAVAILABLE "a service that is needed is away"
    Internal "A0016" INTERNAL_SERVER_ERROR "a fault of Sluice"
    TimedOut "A0017" REQUEST_TIMEOUT "the request took too long"
    KeyReused "A0018" UNPROCESSABLE_ENTITY "the idempotency key was used for another request"
    KeyBusy "A0019" CONFLICT "the request with this idempotency key still runs"
    Unsigned "A0030" UNAUTHORIZED "the webhook does not know the sender"
    Crowded "A0031" TOO_MANY_REQUESTS "too much waits already"
    FlowFailed "A0032" BAD_GATEWAY "the flow failed before it answered"
    FlowLate "A0033" GATEWAY_TIMEOUT "the flow did not answer in time"
}

impl ErrorCode {
    /// The code for an answer that was made without one, by its status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::Method,
            StatusCode::REQUEST_TIMEOUT => Self::TimedOut,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}
