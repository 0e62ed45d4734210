//! Known answers. Those of Standard Webhooks, GitHub and Slack stand in the documentation of the providers; those of
//! Stripe and Shopify, who publish none with its secret, were made with OpenSSL.

use sluice_declarative::{Preset, Signature};

use super::{Refusal, Verified, verify};
use crate::{Request, Scheme};

/// A request that is right, and what it takes.
struct Known {
    signature: Signature,
    secret: &'static str,
    headers: &'static [(&'static str, &'static str)],
    query: &'static str,
    body: &'static str,
    now: i64,
    delivery: Option<&'static str>,
    timed: bool,
}

fn preset(preset: Preset) -> Signature {
    Signature { preset: Some(preset), ..Signature::default() }
}

const SLACK: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https\
    %3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=\
    398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn known() -> Vec<Known> {
    let token = Signature { header: Some("X-Token".to_owned()), ..preset(Preset::Token) };
    let in_query = Signature { query: Some("token".to_owned()), ..preset(Preset::Token) };
    vec![
        Known {
            signature: preset(Preset::Standard),
            secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            headers: &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
            query: "",
            body: r#"{"test": 2432232314}"#,
            now: 1_614_265_330,
            delivery: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
            timed: true,
        },
        Known {
            signature: preset(Preset::Github),
            secret: "It's a Secret to Everybody",
            headers: &[(
                "X-Hub-Signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )],
            query: "",
            body: "Hello, World!",
            now: 0,
            delivery: None,
            timed: false,
        },
        Known {
            signature: preset(Preset::Stripe),
            secret: "whsec_test_secret",
            headers: &[(
                "Stripe-Signature",
                "t=1492774577,v1=654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543,v0=00",
            )],
            query: "",
            body: r#"{"id":"evt_1","object":"event"}"#,
            now: 1_492_774_577,
            delivery: Some("654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543"),
            timed: true,
        },
        Known {
            signature: preset(Preset::Slack),
            secret: "8f742231b10e8888abcd99yyyzzz85a5",
            headers: &[
                ("X-Slack-Request-Timestamp", "1531420618"),
                ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ],
            query: "",
            body: SLACK,
            now: 1_531_420_618,
            delivery: Some("a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            timed: true,
        },
        Known {
            signature: preset(Preset::Shopify),
            secret: "hush",
            headers: &[("X-Shopify-Hmac-Sha256", "Y5yh1MBcvmylNdRGRmMjSnWMAU5vK6ZYOwIowkFMvRk=")],
            query: "",
            body: r#"{"id":"evt_1","object":"event"}"#,
            now: 0,
            delivery: None,
            timed: false,
        },
        Known {
            signature: token,
            secret: "a token",
            headers: &[("x-token", "a token")],
            query: "",
            body: "",
            now: 0,
            delivery: None,
            timed: false,
        },
        Known {
            signature: in_query,
            secret: "a token",
            headers: &[],
            query: "x=1&token=a%20token",
            body: "",
            now: 0,
            delivery: None,
            timed: false,
        },
    ]
}

fn request(known: &Known) -> Request {
    let headers =
        known.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Request {
        method: "POST".to_owned(),
        query: known.query.to_owned(),
        headers,
        body: known.body.to_owned().into(),
    }
}

fn check(known: &Known, secrets: &[&str], request: &Request, now: i64) -> Result<Verified, Refusal> {
    verify(&Scheme::of(&known.signature).unwrap(), secrets, request, now)
}

#[test]
fn what_the_providers_publish_is_right() {
    for known in known() {
        let verified = check(&known, &[known.secret], &request(&known), known.now).unwrap();
        assert_eq!(verified.delivery_id.as_deref(), known.delivery, "{:?}", known.signature.preset);
        assert_eq!(verified.timestamp, known.timed.then_some(known.now));
    }
}

#[test]
fn another_secret_or_body_is_a_mismatch() {
    for known in known() {
        let good = request(&known);
        assert_eq!(check(&known, &["d3Jvbmc="], &good, known.now), Err(Refusal::Mismatch));
        if known.signature.preset != Some(Preset::Token) {
            let changed = Request { body: format!("{} ", known.body).into(), ..good };
            assert_eq!(check(&known, &[known.secret], &changed, known.now), Err(Refusal::Mismatch));
        }
    }
}

#[test]
fn without_a_secret_nothing_passes() {
    for known in known() {
        for secrets in [&[][..], &[""], &["  "]] {
            assert_eq!(check(&known, secrets, &request(&known), known.now), Err(Refusal::NoSecret));
        }
    }
    let standard = &known()[0];
    let unreadable = check(standard, &["whsec_***"], &request(standard), standard.now);
    assert_eq!(unreadable, Err(Refusal::NoSecret), "a secret that is no Base64 is none");
}

#[test]
fn any_of_several_secrets_will_do() {
    for known in known() {
        let secrets = ["b3RoZXI=", known.secret];
        assert!(check(&known, &secrets, &request(&known), known.now).is_ok());
    }
}

#[test]
fn a_time_counts_300_seconds_both_ways() {
    for known in known().into_iter().filter(|known| known.timed) {
        let at = |now| check(&known, &[known.secret], &request(&known), now).err();
        assert_eq!((at(known.now - 300), at(known.now + 300)), (None, None));
        assert_eq!(at(known.now + 301), Some(Refusal::TooOld));
        assert_eq!(at(known.now - 301), Some(Refusal::TooNew));
    }
}

#[test]
fn the_tolerance_can_be_set() {
    let mut known = known().remove(2);
    known.signature.tolerance_seconds = Some(10);
    let at = |now| check(&known, &[known.secret], &request(&known), now).err();
    assert_eq!((at(known.now + 10), at(known.now + 11)), (None, Some(Refusal::TooOld)));
}

#[test]
fn each_header_must_stand_once() {
    for known in known() {
        for index in 0..known.headers.len() {
            let mut missing = request(&known);
            missing.headers.remove(index);
            assert_eq!(check(&known, &[known.secret], &missing, known.now), Err(Refusal::Missing));
            let mut twice = request(&known);
            twice.headers.push(twice.headers[index].clone());
            assert_eq!(check(&known, &[known.secret], &twice, known.now), Err(Refusal::Twice));
        }
    }
    let known = known().remove(6);
    let twice = Request { query: "token=a%20token&token=x".to_owned(), ..request(&known) };
    assert_eq!(check(&known, &[known.secret], &twice, 0), Err(Refusal::Twice));
}

#[test]
fn the_case_of_a_header_does_not_matter() {
    for known in known() {
        let mut request = request(&known);
        for (name, _) in &mut request.headers {
            *name = name.to_ascii_uppercase();
        }
        assert!(check(&known, &[known.secret], &request, known.now).is_ok());
    }
}

#[test]
fn a_header_of_another_form_is_malformed() {
    let with = |index: usize, header: usize, value: &str| {
        let known = known().remove(index);
        let mut request = request(&known);
        request.headers[header].1 = value.as_bytes().to_vec();
        check(&known, &[known.secret], &request, known.now).unwrap_err()
    };
    for (index, header, value, expect) in [
        (0, 2, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", Refusal::Malformed),
        (0, 2, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", Refusal::Malformed),
        (0, 1, "16e9", Refusal::Malformed),
        (0, 1, "-1614265330", Refusal::Malformed),
        (0, 0, "", Refusal::Malformed),
        (0, 0, "msg.p5jXN8AQM9LWM0D4loKWxJek", Refusal::Malformed),
        (1, 0, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", Refusal::Malformed),
        (1, 0, "sha256=", Refusal::Mismatch),
        (1, 0, "sha256=zz", Refusal::Malformed),
        (2, 0, "v1=654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543", Refusal::Missing),
        (2, 0, "t=1492774577", Refusal::Malformed),
        (2, 0, "t=1,t=1492774577,v1=00", Refusal::Twice),
        (2, 0, "", Refusal::Malformed),
        (4, 0, "é", Refusal::Malformed),
    ] {
        assert_eq!(with(index, header, value), expect, "{value}");
    }
}

#[test]
fn any_of_several_signatures_will_do_but_not_of_any_number() {
    let known = known().remove(0);
    let right = known.headers[2].1;
    let with = |value: String| {
        let mut request = request(&known);
        request.headers[2].1 = value.into_bytes();
        check(&known, &[known.secret], &request, known.now).err()
    };
    assert_eq!(with(format!("v1,AAAA v1a,zzzz {right}")), None);
    assert_eq!(with(format!("{}{right}", "v1,AAAA ".repeat(16))), Some(Refusal::Malformed));
}

#[test]
fn nothing_is_asked_of_an_open_hook() {
    let open = Scheme::of(&preset(Preset::None)).unwrap();
    assert_eq!(verify(&open, &[], &Request::default(), 0), Ok(Verified::default()));
}

#[test]
fn other_hashes_can_be_described() {
    let signature: Signature = serde_json::from_str(
        r#"{ "header": "X-Sig", "algorithm": "sha512", "signed": "{timestamp}.{body}", "timestamp": { "header": "X-Time" } }"#,
    )
    .unwrap();
    let right = "3b955b39eed667d04eb440d176f2c953e636ff217ddc707cd7253a7bc435ceec6aa33846ccff86533063c5260e291b9fab320762f479632636be27405734e17b";
    let headers = vec![("x-sig".to_owned(), right.into()), ("x-time".to_owned(), b"1492774577".to_vec())];
    let body = r#"{"id":"evt_1","object":"event"}"#;
    let request = Request { headers, body: body.into(), ..Request::default() };
    let scheme = Scheme::of(&signature).unwrap();
    assert!(verify(&scheme, &["s"], &request, 1_492_774_577).is_ok());

    let sha1: Signature =
        serde_json::from_str(r#"{ "header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1=" }"#)
            .unwrap();
    let right = b"sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".to_vec();
    let headers = vec![("x-hub-signature".to_owned(), right)];
    let request = Request { headers, body: "Hello, World!".into(), ..Request::default() };
    let scheme = Scheme::of(&sha1).unwrap();
    assert!(verify(&scheme, &["It's a Secret to Everybody"], &request, 0).is_ok());
}
