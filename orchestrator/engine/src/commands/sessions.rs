//! Sessions of browsers: tokens that hold what they allow, sealed. What is kept of a session is for operators who look at it
//! or revoke it.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::{
    InstanceName, KeptSession, Owned, Permission, Session, SessionDeed, SessionId, TenantName, TokenId,
};
use sluice_ports::{Fault, PortError, SealedSecret};

use crate::{CommandError, Engine};

/// What tokens of sessions begin with, so that scanners for leaked secrets know them.
const PREFIX: &str = "sluice_session_";
/// What a session is sealed for, so that no other sealed secret passes for one.
const PLACE: [&str; 1] = ["session"];
/// How long a session lasts when nothing else is said.
const USUAL: Duration = Duration::from_secs(15 * 60);
/// The shortest and the longest session.
const LASTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3600);
/// Most instances of one session.
const INSTANCES: usize = 20;

/// What session to make.
#[derive(Debug, Clone)]
pub struct SessionRequest {
    /// The instances that it is about: 1 to 20, which exist.
    pub instances: BTreeSet<InstanceName>,
    /// What it may do with them; everything when empty.
    pub allow: BTreeSet<SessionDeed>,
    /// The origin of the pages that may use it, for example `https://app.example.com`.
    pub origin: Option<String>,
    /// How long it lasts: a minute to an hour, 15 minutes when absent.
    pub expires_in: Option<Duration>,
    /// The API token that asks for it.
    pub issuer: Option<TokenId>,
}

impl Engine {
    /// Makes a session. Its token is returned once and never again.
    ///
    /// # Errors
    /// When an instance is not there, or the origin or the time makes no sense.
    pub async fn create_session(
        &self,
        request: SessionRequest,
    ) -> Result<(Session, SecretString), CommandError> {
        let SessionRequest { instances, allow, origin, expires_in, issuer } = request;
        if instances.is_empty() || instances.len() > INSTANCES {
            let text = format!("a session is about 1 to {INSTANCES} instances");
            return Err(CommandError::bad("session_instances", text));
        }
        for name in &instances {
            self.instance(name).await?;
        }
        let tenants: BTreeSet<Option<TenantName>> = instances.iter().map(Owned::tenant).collect();
        if tenants.len() > 1 {
            let text = "a session is for one tenant; its instances belong to several";
            return Err(CommandError::bad("session_instances", text));
        }
        let lasts = expires_in.unwrap_or(USUAL);
        if !LASTS.contains(&lasts) {
            return Err(CommandError::bad("session_time", "a session lasts from one minute to one hour"));
        }
        let origin = origin.map(|text| known_origin(&text)).transpose()?;
        let allow = if allow.is_empty() { SessionDeed::ALL.into() } else { allow };
        let now = self.core.ports.clock.now();
        let expires_at = now + lasts;
        let id = SessionId::from_bits(self.core.ports.entropy.bits());
        let session = Session { id, instances, allow, origin, issuer, created_at: now, expires_at };
        let text = serde_json::to_string(&session).expect("a session is plain JSON");
        let sealed = self.core.ports.vault.seal(TenantName::or_default(None), &PLACE, &text.into());
        let sealed = sealed.map_err(|error| PortError::new(Fault::Permanent, "seal a session", error))?;
        self.core.ports.store.put_session(&session, now).await?;
        let (key, sealed) = (URL_SAFE_NO_PAD.encode(&sealed.key_id), URL_SAFE_NO_PAD.encode(&sealed.sealed));
        Ok((session, format!("{PREFIX}{key}.{sealed}").into()))
    }

    /// The sessions that are not at their end, oldest first; also those that were revoked. Without their tokens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn sessions(&self) -> Result<Vec<KeptSession>, CommandError> {
        let now = self.core.ports.clock.now();
        let all = self.core.ports.store.sessions().await?;
        Ok(all.into_iter().filter(|kept| now < kept.session.expires_at).collect())
    }

    /// Revokes a session at once.
    ///
    /// # Errors
    /// When there is none.
    pub async fn revoke_session(&self, id: SessionId) -> Result<(), CommandError> {
        match self.core.ports.store.revoke_session(id, self.core.ports.clock.now()).await {
            Ok(()) => Ok(()),
            Err(PortError { fault: Fault::NotFound, .. }) => Err(CommandError::not_found("session", id)),
            Err(error) => Err(error.into()),
        }
    }

    /// The session that a token holds, if it is valid now: whole, not at its end, not revoked, and made with an API token
    /// that still is good for it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_session(&self, token: &str) -> Result<Option<Session>, CommandError> {
        let now = self.core.ports.clock.now();
        let Some(session) = self.unseal(token).filter(|session| now < session.expires_at) else {
            return Ok(None);
        };
        if !self.core.ports.store.session(session.id).await?.is_some_and(|kept| kept.is_valid(now)) {
            return Ok(None);
        }
        let Some(issuer) = session.issuer else { return Ok(Some(session)) };
        let tokens = self.core.ports.store.tokens().await?;
        let good = tokens
            .iter()
            .any(|token| token.id == issuer && token.is_valid(now) && token.may(Permission::Write));
        Ok(good.then_some(session))
    }

    fn unseal(&self, token: &str) -> Option<Session> {
        let (key, sealed) = token.strip_prefix(PREFIX)?.split_once('.')?;
        let key_id = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        let sealed = SealedSecret { key_id, sealed: URL_SAFE_NO_PAD.decode(sealed).ok()? };
        let text = self.core.ports.vault.open(&PLACE, &sealed).ok()?;
        serde_json::from_str(text.expose_secret()).ok()
    }
}

/// An origin as browsers send it: scheme, host and port, and nothing else.
fn known_origin(text: &str) -> Result<String, CommandError> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let origin = url.map(|url| url.origin().ascii_serialization());
    origin.filter(|origin| origin == text.trim_end_matches('/')).ok_or_else(|| {
        let text = "the origin is the scheme, host and port of a page, for example https://app.example.com";
        CommandError::bad("session_origin", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, expect) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("https://app.example.com/", Some("https://app.example.com")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("https://app.example.com/path", None),
            ("https://user@app.example.com", None),
            ("https://APP.example.com", None),
            ("*", None),
            ("null", None),
            ("file:///x", None),
        ] {
            assert_eq!(known_origin(text).ok().as_deref(), expect, "{text}");
        }
    }
}
