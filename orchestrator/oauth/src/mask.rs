//! Takes the secrets of a request out of what the provider says of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sluice_domain::oauth::said;
use url::form_urlencoded;

/// A shorter one would be found in ordinary words.
const SHORTEST: usize = 4;

/// The secrets of one request.
pub(crate) struct Mask(Vec<SecretString>);

impl Mask {
    pub(crate) fn new<'s>(secrets: impl IntoIterator<Item = &'s SecretString>) -> Self {
        let mut spellings: Vec<String> = Vec::new();
        for secret in secrets {
            let plain = secret.expose_secret();
            spellings.push(plain.to_owned());
            spellings.push(form_urlencoded::byte_serialize(plain.as_bytes()).collect());
            spellings.push(STANDARD.encode(plain));
            // As JSON writes it, for a secret with quotes or backslashes.
            spellings.push(Value::from(plain).to_string().trim_matches('"').to_owned());
        }
        spellings.retain(|spelling| spelling.chars().count() >= SHORTEST);
        // The longest first, so that none leaves a piece of another.
        spellings.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self(spellings.into_iter().map(SecretString::from).collect())
    }

    /// A text of the provider, for people: one line, without secrets, at most 500 characters.
    pub(crate) fn said(&self, text: &str) -> String {
        // Before it is cut: half a secret would not be recognised.
        let all = self.0.iter();
        said(&all.fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), "***")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_secret_is_repeated() {
        let secrets = ["code/42+x", "code/42+x-long", "abc"].map(SecretString::from);
        let mask = Mask::new(&secrets);
        let base64 = STANDARD.encode("code/42+x");
        let text = format!("code/42+x code%2F42%2Bx code/42+x-long {base64}\nabc");
        assert_eq!(mask.said(&text), "*** *** *** *** abc");
        let long = format!("{}code/42+x", "y".repeat(495));
        assert_eq!(mask.said(&long), format!("{}***", "y".repeat(495)));
    }
}
