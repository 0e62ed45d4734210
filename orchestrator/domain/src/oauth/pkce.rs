//! Proof Key for Code Exchange (RFC 7636).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A secret of one authorisation and what may be known of it. A code that somebody steals is worth nothing without the
/// verifier.
#[derive(Debug, Clone)]
pub struct Pkce {
    /// What the request for the token shows (RFC 7636, section 4.5): 43 characters.
    pub verifier: SecretString,
    /// What the authorisation request shows (RFC 7636, section 4.3): 43 characters.
    pub challenge: String,
}

impl Pkce {
    /// The method, in the words of `code_challenge_method`. `plain` is not offered.
    pub const METHOD: &'static str = "S256";

    /// Makes a verifier of random bytes that nobody can predict (RFC 7636, section 4.1), and its challenge.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        let verifier = SecretString::from(URL_SAFE_NO_PAD.encode(random));
        let challenge = Self::challenge_of(&verifier);
        Self { verifier, challenge }
    }

    /// The challenge of a verifier (RFC 7636, section 4.2).
    #[must_use]
    pub fn challenge_of(verifier: &SecretString) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let random = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
            214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let pkce = Pkce::new(random);
        assert_eq!(pkce.verifier.expose_secret(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(!format!("{pkce:?}").contains("dBjft"), "{pkce:?}");
    }

    proptest! {
        #[test]
        fn verifiers_have_the_length_and_the_characters_of_section_4_1(random: [u8; 32]) {
            let pkce = Pkce::new(random);
            let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            for text in [pkce.verifier.expose_secret(), &pkce.challenge] {
                prop_assert_eq!(text.len(), 43);
                prop_assert!(text.chars().all(unreserved));
            }
        }
    }
}
