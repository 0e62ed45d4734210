//! Components of other platforms: how a process of theirs is configured, what it says on the wire, and how that maps onto
//! ours.
//!
//! Each [`Family`] is one module. What drives such a process (`components/bridge`) and what adopts its image know the seam
//! and no family, so a further family is one module more. Nothing here does I/O.

#![deny(missing_docs)]

mod adoption;
mod cipher;
mod descriptor;
mod details;
mod discovery;
mod family;
mod ferryman;
mod fields;
mod lookups;
mod message;
mod sailor;
mod schemas;
mod shared;

pub use adoption::{Adoption, Foreign, FunctionKind};
pub use cipher::{Cipher, CipherError};
pub use descriptor::{ALLOWED_HOSTS, CARRY, function_name};
pub use details::{Details, FieldDetails, FunctionDetails, Metadata, details};
pub use discovery::{Discovered, DiscoveryError, ImageFacts, component_name, discover};
pub use family::{
    Errand, Event, EventKind, Failure, Family, FamilyName, Launch, Place, Route, Step, WireError,
};
pub use lookups::VERIFY;
pub use message::{ATTACHMENTS, HEADERS, Input, Message, PASSTHROUGH, Publication};
