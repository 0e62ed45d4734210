//! What is wrong with `auth`, alone or with several ways at once.

use std::collections::BTreeSet;

use super::{Check, ProblemKind, is_token, short};
use crate::{Auth, AuthPlace, AuthType, Manifest};

/// Most ways at once.
const MOST: usize = 8;

impl Check {
    pub(super) fn authorisation(&mut self, manifest: &Manifest) {
        let auth = &manifest.auth;
        if auth.all.is_empty() {
            return self.way("/auth", auth, manifest);
        }
        if *auth != (Auth { all: auth.all.clone(), ..Auth::default() }) {
            let text = "beside `all` nothing else stands";
            self.add("/auth", ProblemKind::Value, text, "move it into an entry of `all`");
        }
        if auth.all.len() > MOST {
            let text = format!("a request goes at most {MOST} ways at once");
            self.add("/auth/all", ProblemKind::Value, text, "leave some out");
        }
        for (index, one) in auth.all.iter().enumerate() {
            let at = format!("/auth/all/{index}");
            if self.joins(&at, one) {
                self.way(&at, one, manifest);
            }
        }
        self.clashes(&auth.all);
    }

    /// One way on its own.
    fn way(&mut self, at: &str, auth: &Auth, manifest: &Manifest) {
        self.key(at, auth);
        self.secret(at, auth);
        self.session(at, auth);
        self.oauth(at, auth, manifest);
        self.signing(at, auth, manifest);
    }

    /// Whether an entry of `all` is of a kind that can be there.
    fn joins(&mut self, at: &str, one: &Auth) -> bool {
        let (text, help) = if !one.all.is_empty() {
            ("an entry of `all` has no `all` of its own", "write all entries into one list")
        } else if one.kind == AuthType::None {
            ("an entry of `all` needs a `type`", "for example `type: api_key`, or remove the entry")
        } else {
            return true;
        };
        self.add(at, ProblemKind::Value, text, help);
        false
    }

    fn clashes(&mut self, all: &[Auth]) {
        let (mut secrets, mut targets, mut once) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for (index, one) in all.iter().enumerate() {
            let at = format!("/auth/all/{index}");
            for name in own(one).into_iter().filter(|name| !secrets.insert(*name)) {
                let text = format!("another entry has the secret `{}` already", short(name));
                self.add(at.clone(), ProblemKind::Value, text, "name another one with `secret`");
            }
            if let Some((place, name)) = target(one)
                && !targets.insert((place, name.clone()))
            {
                let text = format!("another entry sets the {place} `{}` already", short(&name));
                self.add(at.clone(), ProblemKind::Value, text, "leave one of them out");
            }
            let single = match one.kind {
                AuthType::Script => {
                    Some("there is another entry of this type, of which there can be one only")
                }
                // When a request is refused, nobody could tell which of two tokens was meant.
                AuthType::Session | AuthType::OAuth2 => {
                    Some("there is another entry that gets a token, of which there can be one only")
                }
                AuthType::None | AuthType::ApiKey | AuthType::Basic | AuthType::Bearer => None,
            };
            if let Some(text) = single.filter(|kind| !once.insert(*kind)) {
                self.add(at, ProblemKind::Value, text, "leave one of them out");
            }
        }
    }

    fn key(&mut self, at: &str, auth: &Auth) {
        match (auth.kind, &auth.name) {
            (AuthType::ApiKey, None) => {
                let text = "an API key needs the `name` of its header, parameter or cookie";
                self.add(at, ProblemKind::Missing, text, "for example `name: X-Api-Key`");
            }
            (AuthType::ApiKey, Some(name)) if !is_token(name) => {
                let text = format!("`{}` is no name of a header, parameter or cookie", short(name));
                self.add(format!("{at}/name"), ProblemKind::Value, text, "use letters, digits and `-`");
            }
            (AuthType::None | AuthType::Basic | AuthType::Bearer | AuthType::Script, Some(_)) => {
                let text = "only an API key has a name";
                let help = "remove it, or use the type `api_key`";
                self.add(format!("{at}/name"), ProblemKind::Value, text, help);
            }
            (AuthType::ApiKey | AuthType::OAuth2 | AuthType::Session, Some(_)) | (_, None) => {}
        }
    }

    fn secret(&mut self, at: &str, auth: &Auth) {
        let Some(name) = &auth.secret else { return };
        let at = format!("{at}/secret");
        if !matches!(auth.kind, AuthType::ApiKey | AuthType::Bearer) {
            let text = "only an API key and a bearer token have a secret of another name";
            self.add(at, ProblemKind::Value, text, "remove it");
        } else if !is_secret(name) {
            let text = "the name of a secret has 1 to 64 letters, digits and `_`";
            self.add(at, ProblemKind::Value, text, "give it another name");
        }
    }
}

/// Whether it can be the name of a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    !name.is_empty() && name.len() <= 64 && plain
}

/// The secrets that no other entry may have. The id of a client is none of OAuth alone: some APIs want it in a header,
/// too. Its secret is never given to a run.
fn own(one: &Auth) -> Vec<&str> {
    if one.kind == AuthType::OAuth2 { vec!["client_secret", "access_token"] } else { one.needs() }
}

/// What a way sets in each request. A script may set anything.
fn target(auth: &Auth) -> Option<(&'static str, String)> {
    let carried = auth.carried();
    let (place, name) = match (auth.kind, &auth.session) {
        (AuthType::Basic | AuthType::Bearer, _) => (AuthPlace::Header, "authorization"),
        (AuthType::ApiKey, _) => (auth.place, auth.name.as_deref()?),
        (AuthType::OAuth2, _) => (carried.place, carried.name.as_deref()?),
        (AuthType::Session, Some(session)) => (session.place, session.carrier().0),
        (AuthType::Session, None) | (AuthType::None | AuthType::Script, _) => return None,
    };
    Some(match place {
        AuthPlace::Header => ("header", name.to_ascii_lowercase()),
        AuthPlace::Query => ("parameter", name.to_owned()),
        AuthPlace::Cookie => ("cookie", name.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Manifest;

    fn manifest(auth: Value) -> Manifest {
        let value = json!({
            "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
            "http": { "base_url": "= vars.url" }, "auth": auth,
            "scripts": { "sign": { "code": "() => ({})" } },
            "actions": { "get": { "title": "Get", "request": { "path": "/" } } },
        });
        Manifest::from_value(&value).unwrap()
    }

    #[test]
    fn several_ways_have_the_secrets_of_all() {
        let manifest = manifest(json!({ "all": [
            { "type": "api_key", "name": "X-App", "secret": "app_key" },
            { "type": "api_key", "name": "X-User" },
            { "type": "basic" },
            { "type": "script", "script": "sign", "secrets": ["seal"] },
        ] }));
        assert_eq!(manifest.check(), []);
        let secrets = manifest.descriptor().secrets.unwrap();
        assert_eq!(secrets["required"], json!(["app_key", "api_key", "username", "password", "seal"]));
        let call = manifest.call(&"get".parse().unwrap(), json!({})).unwrap();
        assert!(call.scripts.keys().any(|name| name.as_str() == "sign"));
        assert_eq!(serde_json::from_value::<crate::Call>(json!(call)).unwrap(), call);
    }

    fn oauth() -> Value {
        let oauth = json!({ "token_url": "https://login.example/token", "grant": "client_credentials" });
        json!({ "type": "oauth2", "oauth2": oauth })
    }

    #[test]
    fn oauth_goes_along_with_other_keys() {
        let app = json!({ "type": "api_key", "name": "X-App", "secret": "app_key" });
        // Some APIs want to know the client in a header of its own.
        let client = json!({ "type": "api_key", "name": "Client-Id", "secret": "client_id" });
        let sign = json!({ "type": "script", "script": "sign", "secrets": ["seal"] });
        let manifest = manifest(json!({ "all": [oauth(), app, client, sign] }));
        assert_eq!(manifest.check(), []);
        let secrets = manifest.descriptor().secrets.unwrap();
        assert_eq!(secrets["required"], json!(["client_id", "client_secret", "app_key", "seal"]));
        assert_eq!(manifest.auth.beside_token(), ["app_key", "client_id", "seal"]);
        assert!(manifest.auth.authorization().is_some() && manifest.auth.renews());
        let call = manifest.call(&"get".parse().unwrap(), json!({})).unwrap();
        assert!(call.auth.is_authorized() && call.auth.authorization().is_none());
        assert_eq!(call.auth.all[0].name.as_deref(), Some("Authorization"));
        assert!(!serde_json::to_string(&call).unwrap().contains("login.example"));
    }

    #[test]
    fn a_public_client_among_others_may_leave_its_secret_out() {
        let mut oauth = oauth();
        oauth["oauth2"] = json!({ "token_url": "https://login.example/token", "client_auth": "none",
            "authorize_url": "https://login.example/authorize" });
        let key = json!({ "type": "api_key", "name": "X-App" });
        let manifest = manifest(json!({ "all": [key, oauth] }));
        assert_eq!(manifest.check(), []);
        let secrets = manifest.descriptor().secrets.unwrap();
        assert_eq!(secrets["required"], json!(["api_key", "client_id"]));
        assert!(secrets["properties"]["client_secret"].is_object());
    }

    #[test]
    fn what_cannot_be_combined_is_said_at_its_place() {
        let key = json!({ "type": "api_key", "name": "X-A" });
        let session = json!({ "type": "session", "secrets": ["s"], "session": {
            "login": { "path": "/" }, "token": "$.response.body", "name": "X-S" } });
        let oauth = oauth();
        for (all, place, text) in [
            (json!([key, { "type": "api_key", "name": "X-B" }]), "/1", "secret `api_key` already"),
            (json!([key, { "type": "api_key", "name": "x-a", "secret": "b" }]), "/1", "the header `x-a`"),
            (json!([{ "type": "basic" }, { "type": "bearer" }]), "/1", "the header `authorization`"),
            (json!([{ "all": [key] }]), "/0", "no `all` of its own"),
            (json!([{}]), "/0", "needs a `type`"),
            (
                json!([key, { "type": "oauth2", "oauth2": { "token_url": "x", "grant": "client_credentials" } }]),
                "/1/oauth2/token_url",
                "neither an https URL",
            ),
            (json!([key, { "type": "oauth2" }]), "/1", "needs `oauth2`"),
            (json!([oauth, { "type": "bearer" }]), "/1", "the header `authorization`"),
            (
                json!([oauth, { "type": "api_key", "name": "X-A", "secret": "client_secret" }]),
                "/1",
                "`client_secret` already",
            ),
            (
                json!([oauth, { "type": "api_key", "name": "X-A", "secret": "access_token" }]),
                "/1",
                "`access_token` already",
            ),
            (json!([oauth, session]), "/1", "gets a token"),
            (json!([{ "type": "api_key" }]), "/0", "needs the `name`"),
            (json!([{ "type": "basic", "secret": "x" }]), "/0/secret", "of another name"),
            (json!([{ "type": "bearer", "secret": "a-b" }]), "/0/secret", "1 to 64"),
            (json!([{ "type": "script", "script": "none", "secrets": ["x"] }]), "/0/script", "no script"),
        ] {
            let found = manifest(json!({ "all": all })).check();
            let hit = found
                .iter()
                .any(|one| one.pointer == format!("/auth/all{place}") && one.message.contains(text));
            assert!(hit && found.len() == 1, "{place} {text}: {found:?}");
        }
        let found = manifest(json!({ "all": [session, session] })).check();
        assert!(found.iter().any(|one| one.message.contains("one only")), "{found:?}");
        let found = manifest(json!({ "all": [oauth, oauth] })).check();
        assert!(found.iter().any(|one| one.message.contains("gets a token")), "{found:?}");
        let found = manifest(json!({ "type": "basic", "all": [key] })).check();
        assert!(found.len() == 1 && found[0].pointer == "/auth", "{found:?}");
        assert_eq!(manifest(json!({ "type": "bearer", "secret": "pat" })).check(), []);
    }
}
