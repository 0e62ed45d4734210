//! Webhooks that come in: who sent a request, and what its body says. And the signatures of what is sent.
//!
//! [`verify()`] checks a signature over the bytes as they came, and fails closed: a request passes only when a signature of
//! it was found to be right. [`body::read`] makes a value of the bytes afterwards. Pure: the time is an argument.
//!
//! Deliberately not here: the key in the URL, replays, and what becomes of a request.
#![deny(missing_docs)]

pub mod body;
mod request;
mod scheme;
mod sign;
mod verify;

pub use request::Request;
pub use scheme::{Scheme, SchemeError, TokenPlace};
pub use sign::{is_signing_secret, sign};
pub use verify::{Refusal, Verified, verify};
