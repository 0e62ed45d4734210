//! TLS for images that hold no certificate store: rustls with ring and the roots of webpki-roots.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Makes ring the process's default for libraries that ask for one. Calling it again does nothing.
pub(crate) fn install_provider() {
    // The error only says that a provider is installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// A client configuration that trusts the public web's certificate authorities, for components that open connections
/// of their own.
///
/// # Panics
/// Never: ring supports the protocol versions that are compiled in.
#[must_use]
pub fn tls_config() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
