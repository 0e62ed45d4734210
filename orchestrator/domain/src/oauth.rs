//! OAuth 2.0 (RFC 6749): everything that can be said without asking anybody.
//!
//! The URL that a person is sent to, the answer that comes back in the callback, PKCE, resolved endpoints, and the state
//! of an instance's authorisation. Requests to the provider are the port `OAuth`.

mod authorize;
mod callback;
mod endpoints;
mod pkce;
mod said;
mod state;

pub use authorize::AuthorizeRequest;
pub use callback::{Callback, CallbackError};
pub use endpoints::{EndpointError, Endpoints};
pub use pkce::Pkce;
pub use said::said;
pub use sluice_declarative::{
    ClientAuth, Grant, Hook, OAuth2, ScriptHook, TokenBody, TokenFields, TokenKind,
};
pub use state::{AuthorizationState, AuthorizationStateError};
