//! Container starts.

use sluice_domain::{ContainerStart, ContainerStartId, DeploymentId};

use super::StoreHarness;
use crate::contract::ok;
use crate::fixtures::at;

pub(super) async fn suite(harness: &dyn StoreHarness) {
    let store = harness.store().await;
    let start = |id: u8| ContainerStart {
        id: ContainerStartId::from_bits(u128::from(id)),
        deployment: DeploymentId::from_bits(3),
        token_hash: [id; 32],
        started_at: at(i64::from(id)),
    };
    for id in [2, 1] {
        ok(store.put_start(&start(id)).await);
    }
    ok(store.put_start(&start(1)).await);
    assert_eq!(ok(store.starts().await), [start(1), start(2)], "starts are listed oldest first, each once");
    assert_eq!(ok(store.start_by_token(&[2; 32]).await), Some(start(2)));
    assert_eq!(ok(store.start_by_token(&[3; 32]).await), None);
    ok(store.remove_start(start(2).id).await);
    ok(store.remove_start(start(2).id).await);
    assert_eq!(ok(store.start_by_token(&[2; 32]).await), None, "its token works no longer");
    assert_eq!(ok(store.starts().await), [start(1)]);
}
