//! Authorisations and attempts at them.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sluice_domain::oauth::AuthorizationState;
use sluice_ports::store::{AuthorizationAttempt, Store, StoredAuthorization, StoredInstance};
use sluice_ports::{Fault, SealedSecret};

use super::StoreHarness;
use crate::fixtures;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("a time of the calendar")
}

fn sealed(text: &str) -> SealedSecret {
    SealedSecret { key_id: "k1".to_owned(), sealed: text.as_bytes().to_vec() }
}

pub(super) fn authorization(version: u64) -> StoredAuthorization {
    StoredAuthorization {
        instance: fixtures::instance("crm").name,
        version,
        state: AuthorizationState::Ok,
        detail: Some("said".to_owned()),
        access: Some(sealed("access")),
        refresh: None,
        expires_at: Some(now() + TimeDelta::hours(1)),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        updated_at: now(),
        authorized_at: Some(now() - TimeDelta::days(1)),
    }
}

fn attempt(state: u8, expires_at: DateTime<Utc>) -> AuthorizationAttempt {
    AuthorizationAttempt {
        state: [state; 32],
        browser: None,
        instance: authorization(1).instance,
        verifier: Some(sealed("verifier")),
        redirect_uri: "https://sluice.example/oauth/callback".to_owned(),
        expires_at,
    }
}

fn instance() -> StoredInstance {
    StoredInstance { instance: fixtures::instance("crm"), secrets: BTreeMap::new() }
}

pub(super) async fn suite(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let store = &*store;
    let missing = store.put_authorization(&authorization(1)).await.expect_err("it is refused");
    assert_eq!(missing.fault, Fault::NotFound, "an authorisation belongs to an instance");
    store.put_instance(&instance()).await.expect("the store answers");
    versions(store).await;
    attempts(store).await;
    store.begin_attempt(&attempt(9, now() + TimeDelta::minutes(5)), now()).await.expect("the store answers");
    store.remove_instance(&authorization(1).instance).await.expect("the store answers");
    assert!(
        store.authorization(&authorization(1).instance).await.expect("the store answers").is_none(),
        "it goes with its instance"
    );
    assert!(
        store.take_attempt(&[9; 32], now()).await.expect("the store answers").is_none(),
        "attempts go too"
    );
}

async fn versions(store: &dyn Store) {
    let first = authorization(1);
    store.put_authorization(&first).await.expect("the store answers");
    assert!(store.authorization(&first.instance).await.expect("the store answers") == Some(first.clone()));
    let again = store.put_authorization(&first).await.expect_err("it is refused");
    assert_eq!(again.fault, Fault::Conflict, "somebody else was quicker");
    let second = StoredAuthorization {
        state: AuthorizationState::NeedsReauth,
        access: None,
        refresh: Some(sealed("refresh")),
        expires_at: None,
        authorized_at: None,
        ..authorization(2)
    };
    store.put_authorization(&second).await.expect("the store answers");
    // Another content of the instance leaves its authorisation alone.
    store.put_instance(&instance()).await.expect("the store answers");
    assert!(store.authorizations().await.expect("the store answers") == [second]);
}

async fn attempts(store: &dyn Store) {
    let later = now() + TimeDelta::minutes(10);
    let one = attempt(1, later);
    store.begin_attempt(&one, now()).await.expect("the store answers");
    let bound = AuthorizationAttempt { browser: Some([7; 32]), ..one.clone() };
    assert!(
        store.bind_attempt(&one.state, &[7; 32], now()).await.expect("the store answers")
            == Some(bound.clone())
    );
    assert!(
        store.bind_attempt(&one.state, &[8; 32], now()).await.expect("the store answers").is_none(),
        "one browser only"
    );
    assert!(store.bind_attempt(&[2; 32], &[8; 32], now()).await.expect("the store answers").is_none());
    assert!(store.take_attempt(&one.state, now()).await.expect("the store answers") == Some(bound));
    assert!(store.take_attempt(&one.state, now()).await.expect("the store answers").is_none(), "once only");
    store.begin_attempt(&attempt(3, later), now()).await.expect("the store answers");
    assert!(
        store.bind_attempt(&[3; 32], &[7; 32], later).await.expect("the store answers").is_none(),
        "it is over"
    );
    assert!(store.take_attempt(&[3; 32], later).await.expect("the store answers").is_none(), "it is over");
}
