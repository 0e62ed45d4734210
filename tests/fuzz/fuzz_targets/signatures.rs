//! Signatures of webhooks: headers of all forms. Who does not know the secret is never believed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_declarative::{Preset, Signature};
use sluice_webhook::{Request, Scheme, verify};

const NAMES: [&str; 9] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "stripe-signature",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "x-shopify-hmac-sha256",
    "x-hub-signature-256",
    "x-token",
];
/// Nobody finds it: it is in no seed.
const SECRET: &str = "whsec_Zm9yIGZ1enppbmcgb25seSwgMzIgYnl0ZXMgISE=";

// Nine lines are the values of the headers, the rest is the body.
fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(NAMES.len() + 1, |byte| *byte == b'\n');
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for name in NAMES {
        let value = lines.next().unwrap_or_default();
        // A tab divides a header that stands twice.
        for one in value.split(|byte| *byte == b'\t').filter(|one| !one.is_empty()) {
            headers.push((name.to_owned(), one.to_vec()));
        }
    }
    let body = lines.next().unwrap_or_default().to_vec();
    let request = Request { headers, body: body.into(), ..Request::default() };
    for preset in [Preset::Standard, Preset::Github, Preset::Stripe, Preset::Slack, Preset::Shopify] {
        let signature = Signature { preset: Some(preset), ..Signature::default() };
        refused(&signature, &request);
    }
    let header = Some("X-Token".to_owned());
    refused(&Signature { preset: Some(Preset::Token), header, ..Signature::default() }, &request);
});

fn refused(signature: &Signature, request: &Request) {
    let scheme = Scheme::of(signature).expect("a preset is a scheme");
    for secrets in [&[SECRET][..], &[], &["", " "]] {
        let verified = verify(&scheme, secrets, request, 1_750_000_000);
        assert!(verified.is_err(), "{signature:?} believed {request:?}");
    }
}
