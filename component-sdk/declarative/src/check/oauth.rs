//! What is wrong with `auth.oauth2`.

use std::collections::BTreeMap;

use sluice_mapping::is_expression;

use super::{Check, ProblemKind, RESERVED, escape, is_token, short};
use crate::oauth::{Grant, Hook, OAuth2, TokenKind};
use crate::{Auth, AuthPlace, AuthType, ClientAuth, Manifest, Reaction, TokenPlace};

/// What OAuth itself sets in an authorisation request (RFC 6749, section 4.1.1; RFC 7636, section 4.3).
const AUTHORIZE: [&str; 8] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
];
/// In a request for a token (RFC 6749, section 4.1.3; RFC 7636, section 4.5; RFC 8628, section 3.4).
const TOKEN: [&str; 8] = [
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "redirect_uri",
    "refresh_token",
];
/// In a refresh (RFC 6749, section 6).
const REFRESH: [&str; 4] = ["client_id", "client_secret", "grant_type", "refresh_token"];
/// In a revocation (RFC 7009, section 2.1).
const REVOKE: [&str; 4] = ["client_id", "client_secret", "token", "token_type_hint"];

impl Check {
    /// One way, which may be OAuth.
    pub(super) fn oauth(&mut self, at: &str, auth: &Auth, manifest: &Manifest) {
        let place = format!("{at}/oauth2");
        match (auth.kind, &auth.oauth2) {
            (AuthType::OAuth2, None) => {
                let text = "the type `oauth2` needs `oauth2`, which says where tokens come from";
                self.add(at, ProblemKind::Missing, text, "give it at least `token_url`");
            }
            (AuthType::OAuth2, Some(oauth)) => {
                if !auth.prefix.is_empty() || auth.name.is_some() || auth.place != AuthPlace::Header {
                    let text = "`in`, `name` and `prefix` beside `oauth2` belong to an API key";
                    self.add(at, ProblemKind::Value, text, "move them into `oauth2`");
                }
                self.endpoints(&place, oauth);
                self.carrying(&place, oauth);
                self.scopes(&place, oauth);
                self.parameters(&place, oauth);
                self.fields(&place, oauth);
                self.hooks(&place, manifest, oauth);
            }
            (_, Some(_)) => {
                let text = "`oauth2` says nothing for another type of authorisation";
                self.add(place, ProblemKind::Value, text, "write `type: oauth2`, or remove it");
            }
            (_, None) => {}
        }
    }

    /// Reactions that only a token can follow.
    pub(super) fn reactions(&mut self, manifest: &Manifest) {
        for (index, rule) in manifest.http.iter().flat_map(|http| &http.errors).enumerate() {
            let auth = &manifest.auth;
            let text = match rule.then {
                Reaction::Refresh if !auth.renews() => {
                    "only a connector that authorises by `oauth2` or `session` can refresh a token"
                }
                Reaction::Reauthorize if !auth.is_authorized() => {
                    "only a connector that authorises by `oauth2` can be authorised again"
                }
                _ => continue,
            };
            let help = "use `fail` or `retry`";
            self.add(format!("/http/errors/{index}/then"), ProblemKind::Value, text, help);
        }
    }

    fn endpoints(&mut self, at: &str, oauth: &OAuth2) {
        let urls = [
            ("authorize_url", &oauth.authorize_url),
            ("refresh_url", &oauth.refresh_url),
            ("revoke_url", &oauth.revoke_url),
            ("device_url", &oauth.device_url),
            ("issuer", &oauth.issuer),
        ];
        self.endpoint(at, "token_url", &oauth.token_url);
        for (name, url) in urls {
            if let Some(url) = url {
                self.endpoint(at, name, url);
            }
        }
        let needed = match oauth.grant {
            Grant::AuthorizationCode => Some(("authorization_code", "authorize_url", &oauth.authorize_url)),
            Grant::DeviceCode => Some(("device_code", "device_url", &oauth.device_url)),
            Grant::ClientCredentials => None,
        };
        if let Some((grant, name, None)) = needed {
            let text = format!("the grant `{grant}` needs `{name}`");
            let help = "add it, or choose another `grant`";
            self.add(at, ProblemKind::Missing, text, help);
        }
        if oauth.revoke_using.is_some() && oauth.revoke_url.is_none() {
            let text = "`revoke_using` needs `revoke_url`";
            self.add(
                format!("{at}/revoke_using"),
                ProblemKind::Missing,
                text,
                "add `revoke_url`, or remove it",
            );
        }
        if oauth.grant == Grant::ClientCredentials {
            self.client_credentials(at, oauth);
        }
    }

    /// A client that acts for itself has a secret and no refresh token (RFC 6749, section 4.4).
    fn client_credentials(&mut self, at: &str, oauth: &OAuth2) {
        if oauth.client_auth == ClientAuth::None {
            let text = "the grant `client_credentials` is for clients with a secret";
            let help = "use `header` or `body`";
            self.add(format!("{at}/client_auth"), ProblemKind::Value, text, help);
        }
        if oauth.revoke_using == Some(TokenKind::Refresh) {
            let text = "the grant `client_credentials` gives no refresh token that could be revoked";
            self.add(format!("{at}/revoke_using"), ProblemKind::Value, text, "use `access`");
        }
    }

    /// Tokens and secrets go there, so it is TLS (RFC 6749, section 3.2) or this very machine.
    fn endpoint(&mut self, at: &str, name: &str, url: &str) {
        let at = format!("{at}/{name}");
        self.text(&at, url);
        if is_expression(url) {
            return;
        }
        let loopback = url.strip_prefix("http://").is_some_and(is_loopback);
        if !(url.starts_with("https://") || loopback) {
            let text = format!("`{name}` is neither an https URL nor an expression");
            self.add(
                at,
                ProblemKind::Value,
                text,
                "write https://..., or for example `= vars.url & '/token'`",
            );
        } else if url.contains('#') {
            let text = format!("`{name}` has a fragment (RFC 6749, section 3.1)");
            self.add(at, ProblemKind::Value, text, "remove everything from the `#` on");
        }
    }

    fn carrying(&mut self, at: &str, oauth: &OAuth2) {
        let Some(name) = &oauth.name else { return };
        let what = match oauth.place {
            TokenPlace::Header => "header",
            TokenPlace::Query => "parameter",
        };
        let header = oauth.place == TokenPlace::Header;
        if !is_token(name) || (header && RESERVED.contains(&name.to_ascii_lowercase().as_str())) {
            let text = format!("`{}` is no {what} that can carry a token", short(name));
            self.add(format!("{at}/name"), ProblemKind::Value, text, "use letters, digits, `-` and `_`");
        }
    }

    /// Scopes that functions need must be asked for.
    pub(super) fn needed_scopes(&mut self, manifest: &Manifest) {
        let asked = manifest.auth.authorization().map(|oauth| oauth.scopes.as_slice()).unwrap_or_default();
        let triggers = manifest.triggers.keys().map(|name| ("triggers", name));
        for (kind, name) in manifest.actions.keys().map(|name| ("actions", name)).chain(triggers) {
            for (index, scope) in
                manifest.scopes(name).iter().enumerate().filter(|(_, it)| !asked.contains(it))
            {
                let text = format!("`auth.oauth2.scopes` does not ask for `{}`", short(scope));
                let help = "add it there, or remove it here";
                self.add(format!("/{kind}/{name}/scopes/{index}"), ProblemKind::Value, text, help);
            }
        }
    }

    fn scopes(&mut self, at: &str, oauth: &OAuth2) {
        let mut separator = oauth.scope_separator.chars();
        if separator.next().is_none_or(char::is_control) || separator.next().is_some() {
            let text = "`scope_separator` is not one character";
            self.add(format!("{at}/scope_separator"), ProblemKind::Value, text, "for example \" \" or \",\"");
        }
        for (index, scope) in oauth.scopes.iter().enumerate() {
            let fits = scope.chars().all(|c| matches!(c, '!'..='~') && c != '"' && c != '\\');
            if scope.is_empty() || !fits || scope.contains(oauth.separator()) {
                let text = format!("`{}` is no scope (RFC 6749, section 3.3)", short(scope));
                let help = "write each scope as an item of its own, without spaces and separators";
                self.add(format!("{at}/scopes/{index}"), ProblemKind::Value, text, help);
            }
        }
    }

    fn parameters(&mut self, at: &str, oauth: &OAuth2) {
        let groups = [
            ("authorize_params", &oauth.authorize_params, AUTHORIZE.as_slice()),
            ("token_params", &oauth.token_params, TOKEN.as_slice()),
            ("refresh_params", &oauth.refresh_params, REFRESH.as_slice()),
            ("revoke_params", &oauth.revoke_params, REVOKE.as_slice()),
        ];
        for (group, parameters, reserved) in groups {
            self.reserved((at, group), parameters, reserved);
        }
        if oauth.grant == Grant::ClientCredentials && !oauth.scopes.is_empty() {
            // The request for a token names the scopes itself (RFC 6749, section 4.4.2).
            self.reserved((at, "token_params"), &oauth.token_params, &["scope"]);
        }
        for name in oauth.token_headers.keys() {
            let lower = name.to_ascii_lowercase();
            let set = ["authorization", "content-type"].contains(&lower.as_str());
            if !is_token(name) || set || RESERVED.contains(&lower.as_str()) {
                let text = format!("`{}` cannot be set as a header of a request for tokens", short(name));
                let at = format!("{at}/token_headers/{}", escape(name));
                let help = "remove it: `client_auth` and `token_body` say who asks and how";
                self.add(at, ProblemKind::Value, text, help);
            }
        }
        for (name, value) in &oauth.token_headers {
            if value.chars().any(char::is_control) {
                let at = format!("{at}/token_headers/{}", escape(name));
                let text = "the header has a line break or another control character";
                self.add(at, ProblemKind::Value, text, "remove it");
            }
        }
    }

    fn reserved(
        &mut self,
        (at, group): (&str, &str),
        parameters: &BTreeMap<String, String>,
        reserved: &[&str],
    ) {
        for name in parameters.keys().filter(|name| name.is_empty() || reserved.contains(&name.as_str())) {
            let text = format!("`{group}` may not set `{}`, which the protocol sets itself", short(name));
            let at = format!("{at}/{group}/{}", escape(name));
            self.add(at, ProblemKind::Value, text, "remove it");
        }
    }

    fn fields(&mut self, at: &str, oauth: &OAuth2) {
        for (name, place) in oauth.fields.all() {
            let escapes = place.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
            if place.is_empty() || (place.starts_with('/') && !escapes) {
                let text = format!("`{}` is neither the name of a member nor a JSON Pointer", short(place));
                let help = "for example `access_token` or `/authed_user/access_token`";
                self.add(format!("{at}/fields/{name}"), ProblemKind::Value, text, help);
            }
        }
    }

    fn hooks(&mut self, at: &str, manifest: &Manifest, oauth: &OAuth2) {
        self.hook(at, ("on_authorize", oauth.on_authorize.as_ref()), manifest);
        self.hook(at, ("on_revoke", oauth.on_revoke.as_ref()), manifest);
    }

    /// What is called at some point: an action or script that is there.
    pub(super) fn hook(&mut self, at: &str, (name, hook): (&str, Option<&Hook>), manifest: &Manifest) {
        let at = format!("{at}/{name}");
        match hook {
            Some(Hook::Action(action)) if !manifest.actions.keys().any(|known| known.as_str() == action) => {
                let text = format!("`{name}` names the action `{}`, which is not described", short(action));
                let help = "name one of the actions of this file, or write `{ script: NAME }`";
                self.add(at, ProblemKind::Unknown, text, help);
            }
            Some(Hook::Script(_)) if manifest.http.is_none() => {
                let text = format!("a script as `{name}` needs `http`, which says how to reach the API");
                let help = "for example `http: { base_url: https://api.example.com }`";
                self.add(at, ProblemKind::Missing, text, help);
            }
            Some(Hook::Script(hook)) => self.known(&format!("{at}/script"), Some(&hook.script), manifest),
            Some(Hook::Action(_)) | None => {}
        }
    }
}

/// Whether what follows `http://` names this machine (RFC 8252, section 7.3).
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    // A user name before an `@` would be taken for the host.
    !authority.contains('@') && matches!(host, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests;
