//! A token that works: the stored one, or a new one.

use chrono::TimeDelta;
use secrecy::SecretString;
use sluice_domain::Connector;
use sluice_domain::oauth::{AuthorizationState, Grant, OAuth2};
use sluice_ports::oauth::{ClientCredentials, OAuthError, Refresh, Tokens};
use sluice_ports::store::{StoredAuthorization, StoredInstance};
use sluice_ports::{PortError, failpoint};
use tracing::{info, warn};

use super::provider::Provider;
use super::store::{self, Change};
use crate::core::Core;
use crate::secrets::Shelf;
use crate::{CommandError, chain};

/// An access token that works as far as anybody knows.
pub(crate) struct Token {
    pub(crate) access: SecretString,
    /// The version of the credentials that it belongs to.
    pub(crate) version: u64,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// A person has to authorise the instance. Says how it stands, in one sentence.
    NeedsAuthorization(String),
    /// Something is away or wrong.
    Failed(CommandError),
}

impl From<CommandError> for NoToken {
    fn from(error: CommandError) -> Self {
        Self::Failed(error)
    }
}

impl From<PortError> for NoToken {
    fn from(error: PortError) -> Self {
        Self::Failed(error.into())
    }
}

/// A token that works, refreshed if its end is near, or if `refused` names the version that the other side refused.
pub(crate) async fn token(
    core: &Core,
    connector: &Connector,
    declared: &OAuth2,
    stored: &StoredInstance,
    refused: Option<u64>,
) -> Result<Token, NoToken> {
    let name = &stored.instance.name;
    let flight = core.authorizations.flight(name);
    let _one_at_a_time = flight.lock().await;
    let known = core.ports.store.authorization(name).await?;
    if let Some(known) = &known
        && !(known.state.is_usable() || renews_itself(declared, known))
    {
        store::mark(core, name, true);
        return Err(needed(name.as_str(), Some(known)));
    }
    let now = core.ports.clock.now();
    let margin = store::margin(declared);
    if let Some(known) = known.as_ref().filter(|known| known.state.is_usable()) {
        let ending =
            AuthorizationState::of_token(known.expires_at, margin, now) == AuthorizationState::Expiring;
        let is_refused = refused.is_some_and(|version| store::is_token_of(version, known));
        if !ending && !is_refused {
            return opened(core, stored, known);
        }
        let still_works = !is_refused && known.expires_at.is_none_or(|end| end > now);
        if still_works && known.refresh.is_none() && declared.grant != Grant::ClientCredentials {
            return opened(core, stored, known);
        }
        return match renew(core, connector, stored, Some(known)).await {
            // The old one works for a moment longer; the next who asks tries again.
            Err(NoToken::Failed(error)) if still_works => {
                warn!(instance.name = %name, error = chain(&error), "cannot refresh a token yet");
                opened(core, stored, known)
            }
            other => other,
        };
    }
    if declared.grant == Grant::ClientCredentials {
        return renew(core, connector, stored, known.as_ref()).await;
    }
    store::mark(core, name, true);
    Err(needed(name.as_str(), None))
}

/// Whether an authorisation that is over is got again without anybody.
fn renews_itself(declared: &OAuth2, known: &StoredAuthorization) -> bool {
    declared.grant == Grant::ClientCredentials && known.state != AuthorizationState::Revoked
}

fn needed(name: &str, known: Option<&StoredAuthorization>) -> NoToken {
    let how = match known.map(|known| (known.state, known.detail.as_deref())) {
        None => "nobody has authorised it yet".to_owned(),
        Some((AuthorizationState::Revoked, _)) => "its authorisation was revoked".to_owned(),
        Some((_, Some(detail))) => format!("its authorisation is over: {detail}"),
        Some((_, None)) => "its authorisation is over".to_owned(),
    };
    NoToken::NeedsAuthorization(format!("instance {name}: {how}"))
}

fn opened(core: &Core, stored: &StoredInstance, known: &StoredAuthorization) -> Result<Token, NoToken> {
    let name = &stored.instance.name;
    let Some(access) = &known.access else { return Err(needed(name.as_str(), Some(known))) };
    let access = Shelf::Authorization.open(core, (name, "access_token"), access)?;
    Ok(Token { access, version: store::version_of(&stored.instance, Some(known)) })
}

/// Gets new tokens and stores them before anybody uses them.
async fn renew(
    core: &Core,
    connector: &Connector,
    stored: &StoredInstance,
    known: Option<&StoredAuthorization>,
) -> Result<Token, NoToken> {
    let name = &stored.instance.name;
    let provider = Provider::of(core, connector, stored).await?;
    let refreshes = &core.recorder.meters().refreshes;
    failpoint::reach("refresh_before_call").await?;
    let asked = match ask(core, &provider, stored, known).await? {
        Ok(tokens) => tokens,
        // What the configuration forbids says nothing of the grant, which works again as soon as it is mended.
        Err(error) if error.is_transient() || matches!(error, OAuthError::Forbidden { .. }) => {
            refreshes.add(["failed"]);
            return Err(CommandError::Unavailable(PortError::new(
                sluice_ports::Fault::Transient,
                "refresh a token",
                error,
            ))
            .into());
        }
        Err(error) => {
            // Another process may have used the refresh token before this one, and stored what came of it.
            let again = core.ports.store.authorization(name).await?;
            if let Some(newer) = again.filter(|newer| Some(newer.version) != known.map(|known| known.version))
            {
                return opened(core, stored, &newer);
            }
            refreshes.add(["refused"]);
            let after = store::change(core, name, known, Change::Dead(chain(&error))).await?;
            return Err(needed(name.as_str(), Some(&after)));
        }
    };
    failpoint::reach("refresh_after_call").await?;
    let after = store::change(core, name, known, got(&provider.declared, asked, false)).await?;
    refreshes.add(["renewed"]);
    info!(instance.name = %name, "a token was refreshed");
    opened(core, stored, &after)
}

/// What tokens come to, as the connector's file has it. `anew` where somebody authorised the instance now.
pub(super) fn got(declared: &OAuth2, tokens: Tokens, anew: bool) -> Change {
    let default = declared.default_expires_in_seconds.map(|seconds| TimeDelta::seconds(i64::from(seconds)));
    Change::Tokens { tokens, asked: declared.scopes.clone(), default, anew }
}

async fn ask(
    core: &Core,
    provider: &Provider,
    stored: &StoredInstance,
    known: Option<&StoredAuthorization>,
) -> Result<Result<Tokens, OAuthError>, NoToken> {
    let name = &stored.instance.name;
    let oauth = &core.ports.oauth;
    if let Some(sealed) = known.and_then(|known| known.refresh.as_ref()) {
        let token = Shelf::Authorization.open(core, (name, "refresh_token"), sealed)?;
        return Ok(oauth.refresh(&Refresh { endpoint: provider.refresh(), token }).await);
    }
    if provider.declared.grant == Grant::ClientCredentials {
        let scopes = provider.declared.scopes.clone();
        return Ok(oauth.client_credentials(&ClientCredentials { endpoint: provider.token(), scopes }).await);
    }
    let detail = "the token does not work any more, and the provider gave none to refresh it with";
    let after = store::change(core, name, known, Change::Dead(detail.to_owned())).await?;
    Err(needed(name.as_str(), Some(&after)))
}
