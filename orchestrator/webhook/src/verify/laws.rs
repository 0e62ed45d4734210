//! What holds for every request: only what was signed passes.

use hmac::{Hmac, Mac};
use proptest::prelude::*;
use sha2::Sha256;
use sluice_declarative::{Preset, Signature};

use super::{Refusal, verify};
use crate::{Request, Scheme};

fn scheme(preset: Preset) -> Scheme {
    let signature = Signature { preset: Some(preset), ..Signature::default() };
    Scheme::of(&signature).unwrap()
}

/// A request that is signed as GitHub does.
fn signed(secret: &str, body: &[u8]) -> Request {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers = vec![("X-Hub-Signature-256".to_owned(), signature.into_bytes())];
    Request { headers, body: body.to_vec().into(), ..Request::default() }
}

proptest! {
    #[test]
    fn what_was_signed_passes_and_any_flipped_bit_of_the_body_does_not(
        secret in "[a-zA-Z0-9]{1,40}",
        body in proptest::collection::vec(any::<u8>(), 1..300),
        bit in any::<prop::sample::Index>(),
    ) {
        let github = scheme(Preset::Github);
        let good = signed(&secret, &body);
        prop_assert!(verify(&github, &[&secret], &good, 0).is_ok());
        let bit = bit.index(body.len() * 8);
        let mut flipped = body;
        flipped[bit / 8] ^= 1 << (bit % 8);
        let bad = Request { body: flipped.into(), ..good };
        prop_assert_eq!(verify(&github, &[&secret], &bad, 0), Err(Refusal::Mismatch));
    }

    #[test]
    fn any_flipped_bit_of_the_signature_is_refused(
        body in proptest::collection::vec(any::<u8>(), 0..50),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut request = signed("secret", &body);
        let digits = hex::decode(&request.headers[0].1[7..]).unwrap();
        let bit = bit.index(digits.len() * 8);
        let mut flipped = digits;
        flipped[bit / 8] ^= 1 << (bit % 8);
        request.headers[0].1 = format!("sha256={}", hex::encode(flipped)).into_bytes();
        prop_assert_eq!(verify(&scheme(Preset::Github), &["secret"], &request, 0), Err(Refusal::Mismatch));
    }

    #[test]
    fn garbage_is_refused_and_never_panics(
        values in proptest::collection::vec("[ -~]{0,80}", 3),
        body in proptest::collection::vec(any::<u8>(), 0..50),
        now in any::<i64>(),
    ) {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "Stripe-Signature", "X-Slack-Signature",
            "X-Slack-Request-Timestamp", "X-Shopify-Hmac-Sha256", "X-Hub-Signature-256"];
        let headers = names.iter().zip(values.iter().cycle());
        let headers = headers.map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes())).collect();
        let request = Request { headers, body: body.into(), ..Request::default() };
        for preset in [Preset::Standard, Preset::Github, Preset::Stripe, Preset::Slack, Preset::Shopify] {
            prop_assert!(verify(&scheme(preset), &["c2VjcmV0"], &request, now).is_err());
        }
    }
}
