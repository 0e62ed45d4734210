//! Sessions of browsers.

use std::collections::BTreeSet;

use sluice_domain::{KeptSession, Session, SessionDeed, SessionId, TokenId};
use sluice_ports::Fault;

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::at;

pub(super) async fn suite(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let session = |id: u8, seconds| Session {
        id: SessionId::from_bits(u128::from(id)),
        instances: BTreeSet::from(["crm".parse().expect("a name")]),
        allow: SessionDeed::ALL.into(),
        origin: (id == 1).then(|| "https://app.example.com".to_owned()),
        issuer: Some(TokenId::from_bits(7)),
        created_at: at(seconds),
        expires_at: at(seconds + 100),
    };
    let kept = |session: &Session, revoked_at| KeptSession { session: session.clone(), revoked_at };
    let (new, old) = (session(1, 2), session(2, 1));
    ok(store.put_session(&new, at(2)).await);
    ok(store.put_session(&old, at(2)).await);
    assert_eq!(
        fault_of(store.put_session(&new, at(2)).await),
        Fault::Conflict,
        "an id belongs to one session"
    );
    assert_eq!(ok(store.sessions().await), [kept(&old, None), kept(&new, None)]);
    assert_eq!(ok(store.session(new.id).await), Some(kept(&new, None)));
    assert_eq!(ok(store.session(SessionId::from_bits(9)).await), None);

    ok(store.revoke_session(new.id, at(50)).await);
    ok(store.revoke_session(new.id, at(60)).await);
    assert_eq!(ok(store.session(new.id).await), Some(kept(&new, Some(at(50)))), "it stays revoked");
    let nobody = store.revoke_session(SessionId::from_bits(9), at(60)).await;
    assert_eq!(fault_of(nobody), Fault::NotFound);

    let next = session(3, 101);
    ok(store.put_session(&next, at(101)).await);
    assert_eq!(
        ok(store.sessions().await),
        [kept(&new, Some(at(50))), kept(&next, None)],
        "the first is over"
    );
}
