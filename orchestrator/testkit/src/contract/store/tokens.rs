//! API tokens.

use std::collections::BTreeSet;

use sluice_domain::{ApiToken, Permission, TokenId};
use sluice_ports::Fault;

use super::StoreHarness;
use crate::contract::{fault_of, ok};
use crate::fixtures::at;

pub(super) async fn suite(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let token = |id: u8, seconds| ApiToken {
        tenant: "acme".parse().ok().filter(|_| id == 2),
        id: TokenId::from_bits(u128::from(id)),
        name: "ci".to_owned(),
        hash: [id; 32],
        permissions: BTreeSet::from([Permission::Read, Permission::Admin]),
        created_at: at(seconds),
        expires_at: (id == 1).then(|| at(100)),
        revoked_at: None,
    };
    let (new, old) = (token(1, 2), token(2, 1));
    ok(store.put_token(&new).await);
    ok(store.put_token(&old).await);
    let twin = ApiToken { id: TokenId::from_bits(9), ..new.clone() };
    assert_eq!(fault_of(store.put_token(&twin).await), Fault::Conflict, "a hash belongs to one token");
    assert_eq!(ok(store.tokens().await), [old.clone(), new.clone()]);
    assert_eq!(ok(store.token_by_hash(&[1; 32]).await), Some(new.clone()));
    assert_eq!(ok(store.token_by_hash(&[9; 32]).await), None);

    ok(store.revoke_token(new.id, at(50)).await);
    ok(store.revoke_token(new.id, at(60)).await);
    let revoked = ApiToken { revoked_at: Some(at(50)), ..new };
    assert_eq!(ok(store.token_by_hash(&[1; 32]).await), Some(revoked), "it is found, and stays revoked");
    let nobody = store.revoke_token(TokenId::from_bits(9), at(60)).await;
    assert_eq!(fault_of(nobody), Fault::NotFound);
}
