//! The contract of [`OAuth`].

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use sluice_domain::oauth::{Pkce, TokenKind};
use sluice_ports::oauth::{
    ClientCredentials, CodeExchange, DevicePoll, DeviceStart, Endpoint, OAuth, OAuthError, Refresh, Revoke,
    Tokens, Waiting,
};

/// Where the person comes back to.
const REDIRECT: &str = "https://sluice.example/callback";

/// What the suite needs besides the port: a provider whose person can be played, and that rotates refresh tokens.
#[async_trait]
pub trait OAuthHarness: Send + Sync {
    /// The port under test.
    fn oauth(&self) -> Arc<dyn OAuth>;

    /// The token endpoint, for refreshes too.
    fn tokens(&self) -> Endpoint;

    /// The device authorisation endpoint.
    fn devices(&self) -> Endpoint;

    /// The revocation endpoint.
    fn revocations(&self) -> Endpoint;

    /// A person agreed: the code that the callback brings.
    async fn code(&self, challenge: Option<&str>, redirect_uri: &str) -> SecretString;

    /// A person typed in the code of a device, and agreed or not.
    async fn decide(&self, user_code: &str, agreed: bool);

    /// Takes the provider away, or brings it back.
    async fn set_down(&self, down: bool);
}

/// Runs the whole contract.
///
/// # Panics
/// Where the port breaks its contract.
pub async fn suite(harness: &dyn OAuthHarness) {
    a_code_works_once(harness).await;
    a_code_belongs_to_its_verifier_and_redirect_uri(harness).await;
    a_refresh_replaces_the_refresh_token(harness).await;
    a_client_gets_a_token_for_itself(harness).await;
    a_device_waits_for_its_person(harness).await;
    a_refused_device_is_done(harness).await;
    revoking_is_idempotent_and_ends_the_grant(harness).await;
    a_provider_that_is_away_is_worth_another_try(harness).await;
}

async fn authorised(harness: &dyn OAuthHarness) -> Tokens {
    let code = harness.code(None, REDIRECT).await;
    exchange(harness, &code, None, REDIRECT).await.expect("a fresh code can be exchanged")
}

async fn exchange(
    harness: &dyn OAuthHarness,
    code: &SecretString,
    verifier: Option<&SecretString>,
    redirect_uri: &str,
) -> Result<Tokens, OAuthError> {
    let request = CodeExchange {
        endpoint: harness.tokens(),
        code: code.clone(),
        verifier: verifier.cloned(),
        redirect_uri: redirect_uri.to_owned(),
    };
    let result = harness.oauth().exchange(&request).await;
    quiet(&result, [Some(code), verifier].into_iter().flatten());
    result
}

async fn refresh(harness: &dyn OAuthHarness, token: &SecretString) -> Result<Tokens, OAuthError> {
    let request = Refresh { endpoint: harness.tokens(), token: token.clone() };
    let result = harness.oauth().refresh(&request).await;
    quiet(&result, [token]);
    result
}

/// No secret is in what is printed of a result.
#[track_caller]
fn quiet<'s>(result: &Result<Tokens, OAuthError>, secrets: impl IntoIterator<Item = &'s SecretString>) {
    let mut text = format!("{result:?}");
    if let Err(error) = result {
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            text = format!("{text} {error}");
            cause = error.source();
        }
    }
    let mut secrets: Vec<&str> = secrets.into_iter().map(ExposeSecret::expose_secret).collect();
    if let Ok(tokens) = result {
        secrets.push(tokens.access.expose_secret());
        secrets.extend(tokens.refresh.as_ref().map(ExposeSecret::expose_secret));
    }
    for secret in secrets {
        assert!(!text.contains(secret), "a secret is in: {text}");
    }
}

#[track_caller]
fn dead(result: Result<Tokens, OAuthError>) {
    let error = result.expect_err("the provider refuses it");
    assert!(error.is_grant_dead() && !error.is_transient(), "{error:?}");
}

async fn a_code_works_once(harness: &dyn OAuthHarness) {
    let code = harness.code(None, REDIRECT).await;
    let tokens = exchange(harness, &code, None, REDIRECT).await.expect("a fresh code can be exchanged");
    assert!(tokens.refresh.is_some(), "the provider gives a refresh token");
    assert_eq!(tokens.token_type.to_ascii_lowercase(), "bearer");
    dead(exchange(harness, &code, None, REDIRECT).await);
}

async fn a_code_belongs_to_its_verifier_and_redirect_uri(harness: &dyn OAuthHarness) {
    let pkce = Pkce::new([7; 32]);
    let other = Pkce::new([8; 32]);
    for (verifier, redirect_uri, works) in [
        (Some(&other.verifier), REDIRECT, false),
        (None, REDIRECT, false),
        (Some(&pkce.verifier), "https://sluice.example/other", false),
        (Some(&pkce.verifier), REDIRECT, true),
    ] {
        let code = harness.code(Some(&pkce.challenge), REDIRECT).await;
        let result = exchange(harness, &code, verifier, redirect_uri).await;
        if works {
            result.expect("the code and its verifier belong together");
        } else {
            dead(result);
        }
    }
}

async fn a_refresh_replaces_the_refresh_token(harness: &dyn OAuthHarness) {
    let first = authorised(harness).await;
    let old = first.refresh.expect("the provider gives a refresh token");
    let second = refresh(harness, &old).await.expect("a refresh token works");
    assert_ne!(first.access.expose_secret(), second.access.expose_secret());
    let new = second.refresh.expect("the provider rotates refresh tokens");
    let third = refresh(harness, &new).await.expect("the new refresh token works");
    dead(refresh(harness, &old).await);
    // The old one was shown again, so the grant is over.
    dead(refresh(harness, &third.refresh.expect("the provider rotates refresh tokens")).await);
}

async fn a_client_gets_a_token_for_itself(harness: &dyn OAuthHarness) {
    let request = ClientCredentials { endpoint: harness.tokens(), scopes: Vec::new() };
    let oauth = harness.oauth();
    let first = oauth.client_credentials(&request).await.expect("the client gets a token");
    let second = oauth.client_credentials(&request).await.expect("the client gets another token");
    assert!(first.refresh.is_none(), "RFC 6749, section 4.4.3: there is no refresh token");
    assert_ne!(first.access.expose_secret(), second.access.expose_secret());
}

async fn a_device_waits_for_its_person(harness: &dyn OAuthHarness) {
    let start = DeviceStart { endpoint: harness.devices(), scopes: Vec::new() };
    let oauth = harness.oauth();
    let codes = oauth.start_device(&start).await.expect("a device gets its codes");
    assert!(!format!("{codes:?}").contains(codes.device_code.expose_secret()), "the code is in {codes:?}");
    let poll = DevicePoll { endpoint: harness.tokens(), device_code: codes.device_code.clone() };
    let waiting = oauth.poll_device(&poll).await.expect_err("nobody has agreed");
    assert_eq!((waiting.waiting(), waiting.is_transient()), (Some(Waiting::Pending), false));
    harness.decide(&codes.user_code, true).await;
    let tokens = oauth.poll_device(&poll).await;
    quiet(&tokens, [&codes.device_code]);
    tokens.expect("the person agreed");
    let again = oauth.poll_device(&poll).await.expect_err("a device code works once");
    assert!(again.waiting().is_none() && !again.is_transient(), "{again:?}");
}

async fn a_refused_device_is_done(harness: &dyn OAuthHarness) {
    let start = DeviceStart { endpoint: harness.devices(), scopes: Vec::new() };
    let oauth = harness.oauth();
    let codes = oauth.start_device(&start).await.expect("a device gets its codes");
    harness.decide(&codes.user_code, false).await;
    let poll = DevicePoll { endpoint: harness.tokens(), device_code: codes.device_code };
    let refused = oauth.poll_device(&poll).await.expect_err("the person refused");
    assert!(matches!(&refused, OAuthError::Refused { error, .. } if error == "access_denied"), "{refused:?}");
    assert!(refused.waiting().is_none() && !refused.is_transient(), "{refused:?}");
}

async fn revoking_is_idempotent_and_ends_the_grant(harness: &dyn OAuthHarness) {
    let token = authorised(harness).await.refresh.expect("the provider gives a refresh token");
    let revoke = Revoke { endpoint: harness.revocations(), token: token.clone(), kind: TokenKind::Refresh };
    for _ in 0..2 {
        harness.oauth().revoke(&revoke).await.expect("a token can be revoked, again and again");
    }
    dead(refresh(harness, &token).await);
}

async fn a_provider_that_is_away_is_worth_another_try(harness: &dyn OAuthHarness) {
    let token = authorised(harness).await.refresh.expect("the provider gives a refresh token");
    harness.set_down(true).await;
    let error = refresh(harness, &token).await.expect_err("the provider is away");
    assert!(error.is_transient() && !error.is_grant_dead(), "{error:?}");
    harness.set_down(false).await;
    refresh(harness, &token).await.expect("the provider is back");
}
