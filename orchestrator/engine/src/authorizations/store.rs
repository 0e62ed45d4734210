//! What is stored of an authorisation, and who is told when it changes.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sluice_domain::oauth::{AuthorizationState, OAuth2};
use sluice_domain::{Instance, InstanceName};
use sluice_ports::PortError;
use sluice_ports::oauth::Tokens;
use sluice_ports::store::StoredAuthorization;
use tracing::{info, warn};

use crate::CommandError;
use crate::core::Core;
use crate::secrets::Shelf;

/// What becomes of an authorisation.
pub(crate) enum Change {
    /// There are new tokens. A provider that sends no refresh token goes on with the old one.
    Tokens {
        tokens: Tokens,
        /// The scopes that were asked for, which count where the answer names none.
        asked: Vec<String>,
        /// How long the access token works where the answer does not say.
        default: Option<TimeDelta>,
        /// Whether somebody authorised the instance now; else these are in the place of tokens that it had.
        anew: bool,
    },
    /// The provider takes the grant for over.
    Dead(String),
    /// An operator ended it.
    Revoked,
}

/// The version of an instance's credentials, as components see it: it grows with every change of the instance and of
/// its authorisation.
pub(crate) fn version_of(instance: &Instance, authorization: Option<&StoredAuthorization>) -> u64 {
    (instance.revision << 32) | authorization.map_or(0, |known| known.version & u64::from(u32::MAX))
}

/// Whether a version of an instance's credentials that was refused has the token of this authorisation. The settings may
/// have changed since, which is no news of the token.
pub(crate) fn is_token_of(refused: u64, known: &StoredAuthorization) -> bool {
    refused & u64::from(u32::MAX) == known.version & u64::from(u32::MAX)
}

/// Stores a change. The caller holds the flight of the instance, so only another process can be quicker.
///
/// # Errors
/// When the store is away, the instance is gone, or somebody else was quicker.
pub(crate) async fn change(
    core: &Core,
    instance: &InstanceName,
    before: Option<&StoredAuthorization>,
    change: Change,
) -> Result<StoredAuthorization, CommandError> {
    let now = core.ports.clock.now();
    let blank = StoredAuthorization {
        instance: instance.clone(),
        version: before.map_or(0, |before| before.version) + 1,
        state: AuthorizationState::Revoked,
        detail: None,
        access: None,
        refresh: None,
        expires_at: None,
        scopes: before.map(|before| before.scopes.clone()).unwrap_or_default(),
        updated_at: now,
        authorized_at: before.and_then(|before| before.authorized_at),
    };
    let after = match change {
        Change::Tokens { tokens, asked, default, anew } => {
            let granted = tokens.expires_in.and_then(|span| TimeDelta::from_std(span).ok()).or(default);
            let refresh = match &tokens.refresh {
                Some(refresh) => {
                    Some(Shelf::Authorization.seal(core, (instance, "refresh_token"), refresh)?)
                }
                None => before.and_then(|before| before.refresh.clone()),
            };
            StoredAuthorization {
                state: AuthorizationState::Ok,
                access: Some(Shelf::Authorization.seal(core, (instance, "access_token"), &tokens.access)?),
                refresh,
                expires_at: granted.and_then(|span| now.checked_add_signed(span)),
                scopes: tokens.scopes.unwrap_or(asked),
                authorized_at: blank.authorized_at.filter(|_| !anew).or(Some(now)),
                ..blank
            }
        }
        Change::Dead(detail) => {
            StoredAuthorization { state: AuthorizationState::NeedsReauth, detail: Some(detail), ..blank }
        }
        Change::Revoked => blank,
    };
    store(core, &after).await?;
    tell(core, before.map(|before| before.state), &after);
    Ok(after)
}

/// Stores, and tries again while the store is away: what a provider gave it gives only once.
async fn store(core: &Core, after: &StoredAuthorization) -> Result<(), CommandError> {
    for _ in 0..8 {
        match core.ports.store.put_authorization(after).await {
            Err(error) if error.is_transient() => {
                warn!(error = crate::chain(&error), "cannot store an authorisation; trying again");
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
    }
    Ok(core.ports.store.put_authorization(after).await?)
}

/// Lets the steps of an instance go on or wait, by its state.
fn tell(core: &Core, before: Option<AuthorizationState>, after: &StoredAuthorization) {
    let (name, state) = (&after.instance, after.state);
    if before != Some(state) {
        info!(instance.name = %name, %state, detail = after.detail, "the authorisation of an instance changed");
        core.news.spread();
    }
    mark(core, name, !state.is_usable());
}

/// Notes whether runs have to wait for the authorisation of an instance.
pub(crate) fn mark(core: &Core, instance: &InstanceName, waits: bool) {
    if core.snapshot().parked.contains(instance) == waits {
        return;
    }
    core.table.change(|snapshot| {
        if waits {
            snapshot.parked.insert(instance.clone())
        } else {
            snapshot.parked.remove(instance)
        };
    });
}

/// The instances whose runs have to wait, as stored.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn parked(ports: &sluice_ports::Ports) -> Result<BTreeSet<InstanceName>, PortError> {
    let all = ports.store.authorizations().await?;
    Ok(all.into_iter().filter(|known| !known.state.is_usable()).map(|known| known.instance).collect())
}

/// How an authorisation stands now.
pub(crate) fn state_of(
    declared: &OAuth2,
    known: &StoredAuthorization,
    now: DateTime<Utc>,
) -> AuthorizationState {
    if known.state != AuthorizationState::Ok {
        return known.state;
    }
    AuthorizationState::of_token(known.expires_at, margin(declared), now)
}

/// How long before its end a token is refreshed.
pub(crate) fn margin(declared: &OAuth2) -> TimeDelta {
    TimeDelta::seconds(i64::from(declared.expiring_seconds))
}
