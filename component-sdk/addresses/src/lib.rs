//! Where requests may lead: addresses told apart, networks, and a look-up of names that refuses some of them.
//!
//! Who can choose a URL can make us ask for it from inside. So whatever sends requests to URLs that somebody else wrote
//! decides by address where they may go: by [`kind()`] for a literal address in the URL ([`literal`]), and by [`Guard`] for
//! a name, at the moment of the connection, since a name may have another address the next time.
#![deny(missing_docs)]

mod guard;
mod kind;
mod network;

pub use guard::{Guard, Refused, literal, was_refused};
pub use kind::{Kind, canonical, kind};
pub use network::{Network, NetworkError};
