//! Signing what is sent, by Standard Webhooks 1.0 (symmetric signatures, `v1`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::verify::key;

/// Bytes of a key of Standard Webhooks.
const KEY: std::ops::RangeInclusive<usize> = 24..=64;

/// Whether a secret is 24 to 64 bytes in base 64, with or without `whsec_` before them.
#[must_use]
pub fn is_signing_secret(secret: &str) -> bool {
    signing_key(secret).is_some()
}

/// The value of `webhook-signature` for a delivery: the HMAC-SHA256 of `id.timestamp.body`. Nothing when the secret is none
/// (see [`is_signing_secret`]).
#[must_use]
pub fn sign(secret: &str, (id, timestamp): (&str, i64), body: &[u8]) -> Option<String> {
    let key = signing_key(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn signing_key(secret: &str) -> Option<Vec<u8>> {
    key(sluice_declarative::SecretEncoding::Base64, secret.trim()).filter(|key| KEY.contains(&key.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Scheme, verify};
    use sluice_declarative::{Preset, Signature};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_example_of_the_specification_is_signed_alike() {
        let signed =
            sign(SECRET, ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330), br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn what_is_signed_here_is_verified_here() {
        let signature = Signature { preset: Some(Preset::Standard), ..Signature::default() };
        let scheme = Scheme::of(&signature).unwrap();
        let body = b"{}".as_slice();
        let value = sign(SECRET, ("evt_1", 1_000), body).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let headers = vec![
            header("webhook-id", "evt_1"),
            header("webhook-timestamp", "1000"),
            header("webhook-signature", &value),
        ];
        let request = Request { method: "POST".into(), headers, body: body.into(), ..Request::default() };
        let verified = verify(&scheme, &[SECRET], &request, 1_010).unwrap();
        assert_eq!(verified.delivery_id.as_deref(), Some("evt_1"));
        let changed = Request { body: b"{ }".as_slice().into(), ..request };
        assert!(verify(&scheme, &[SECRET], &changed, 1_010).is_err());
    }

    #[test]
    fn weak_secrets_are_none() {
        for secret in ["", "whsec_", "hunter2", "c2hvcnQ=", &"A".repeat(200)] {
            assert!(!is_signing_secret(secret), "{secret}");
            assert_eq!(sign(secret, ("a", 0), b""), None);
        }
    }
}
