//! What is wrong with `auth.session`.

use std::collections::BTreeSet;

use sluice_mapping::is_expression;

use super::{Check, ProblemKind, RESERVED, is_token, short};
use crate::{Auth, AuthPlace, AuthType, Lifetime, Login, Session};

impl Check {
    pub(super) fn session(&mut self, at: &str, auth: &Auth) {
        match (auth.kind == AuthType::Session, &auth.session) {
            (true, None) => {
                let text = "the type `session` needs `session`, which says how to log in";
                self.add(at, ProblemKind::Missing, text, "give it at least `login` and `token`");
            }
            (false, Some(_)) => {
                let text = "`session` says nothing for another type of authorisation";
                let help = "write `type: session`, or remove it";
                self.add(format!("{at}/session"), ProblemKind::Value, text, help);
            }
            (true, Some(session)) => {
                if !auth.prefix.is_empty() || auth.name.is_some() || auth.place != AuthPlace::Header {
                    let text = "`in`, `name` and `prefix` beside `session` belong to an API key";
                    self.add(at, ProblemKind::Value, text, "move them into `session`");
                }
                if auth.secrets.is_empty() {
                    let text =
                        "the type `session` needs `secrets`, the names of what an instance logs in with";
                    self.add(at, ProblemKind::Missing, text, "for example `secrets: [username, password]`");
                }
                let at = format!("{at}/session");
                self.login(&format!("{at}/login"), &session.login);
                self.lifetime(&at, session);
                self.carrier(&at, session);
            }
            (false, None) => {}
        }
    }

    fn login(&mut self, at: &str, login: &Login) {
        self.request(at, &login.request(), Some(&BTreeSet::new()));
        match (&login.path, &login.url) {
            (Some(_), None) => {}
            (None, Some(url)) => {
                let whole = url.starts_with("https://") || url.starts_with("http://");
                if !is_expression(url) && !whole {
                    let text = "`url` is neither a URL nor an expression";
                    let help = "write https://..., or give a `path` that is appended to `base_url`";
                    self.add(format!("{at}/url"), ProblemKind::Value, text, help);
                }
                self.text(&format!("{at}/url"), url);
            }
            (None, None) | (Some(_), Some(_)) => {
                let text = "a login has either a `path` or a `url`";
                self.add(at, ProblemKind::Missing, text, "for example `path: /login`");
            }
        }
    }

    fn lifetime(&mut self, at: &str, session: &Session) {
        self.expression(&format!("{at}/token"), Some(&session.token));
        self.expression(&format!("{at}/expires_at"), session.expires_at.as_deref());
        match &session.expires_in {
            Some(Lifetime::Expression(text)) => self.expression(&format!("{at}/expires_in"), Some(text)),
            Some(Lifetime::Seconds(0)) => {
                let text = "a token that lasts 0 seconds is of no use";
                self.add(format!("{at}/expires_in"), ProblemKind::Value, text, "for example 3600");
            }
            Some(Lifetime::Seconds(_)) | None => {}
        }
        if session.expires_in.is_some() && session.expires_at.is_some() {
            let text = "`expires_in` and `expires_at` exclude each other";
            self.add(at, ProblemKind::Value, text, "keep the one that the answer has");
        }
    }

    fn carrier(&mut self, at: &str, session: &Session) {
        match (&session.name, session.place) {
            (None, AuthPlace::Header) => {}
            (None, AuthPlace::Query | AuthPlace::Cookie) => {
                let text = "a token in the query or in a cookie needs a `name`";
                self.add(at, ProblemKind::Missing, text, "for example `name: session_id`");
            }
            (Some(name), place) => {
                let reserved = RESERVED.contains(&name.to_ascii_lowercase().as_str());
                if !is_token(name) || (place == AuthPlace::Header && reserved) {
                    let text = format!("`{}` can carry no token", short(name));
                    self.add(format!("{at}/name"), ProblemKind::Value, text, "use letters, digits and `-`");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::Manifest;

    fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
        let mut value = json!({
            "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
            "http": { "base_url": "= vars.url", "errors": [{ "status": [419], "then": "refresh" }] },
            "auth": {
                "type": "session", "secrets": ["user", "password"],
                "session": {
                    "login": { "path": "/login", "body": { "value": { "u": "$.secrets.user" } } },
                    "token": "$.response.body.token", "expires_in": 3600,
                },
            },
            "actions": { "get": { "title": "Get", "request": { "path": "/" } } },
        });
        change(&mut value);
        Manifest::from_value(&value).unwrap()
    }

    #[test]
    fn a_session_has_the_secrets_that_it_names() {
        let manifest = manifest(|_| {});
        assert_eq!(manifest.check(), []);
        assert_eq!(manifest.descriptor().secrets.unwrap()["required"], json!(["user", "password"]));
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(Manifest::from_value(&serde_json::from_str(&text).unwrap()).unwrap(), manifest);
        let session = manifest.auth.session.unwrap();
        assert_eq!(session.carrier(), ("Authorization", "Bearer "));
        assert_eq!(session.login.method, "POST");
    }

    #[test]
    fn every_fault_is_found_at_its_place() {
        type Change = fn(&mut Value);
        let cases: &[(Change, &str, &str)] = &[
            (|a| drop(a.as_object_mut().unwrap().remove("session")), "", "needs `session`"),
            (|a| a["secrets"] = json!([]), "", "needs `secrets`"),
            (|a| a["secrets"] = json!(["a b"]), "/secrets/0", "letters, digits"),
            (|a| a["name"] = json!("X-Key"), "", "move them"),
            (|a| a["session"]["login"]["url"] = json!("https://a.test"), "/session/login", "either a `path`"),
            (|a| a["session"]["login"] = json!({ "url": "a.test" }), "/session/login/url", "neither a URL"),
            (|a| a["session"]["login"] = json!({ "path": "/{id}" }), "/session/login/path", "nothing gives"),
            (|a| a["session"]["login"]["method"] = json!("GET"), "/session/login/body", "no body"),
            (|a| a["session"]["token"] = json!("token"), "/session/token", "no expression"),
            (|a| a["session"]["expires_in"] = json!(0), "/session/expires_in", "0 seconds"),
            (|a| a["session"]["expires_in"] = json!("soon"), "/session/expires_in", "no expression"),
            (|a| a["session"]["expires_at"] = json!("$.response.body.end"), "/session", "exclude each other"),
            (|a| a["session"]["in"] = json!("cookie"), "/session", "needs a `name`"),
            (|a| a["session"]["name"] = json!("Host"), "/session/name", "carry no token"),
        ];
        for (change, place, text) in cases {
            let found = manifest(|m| change(&mut m["auth"])).check();
            let hit = found.iter().any(|one| {
                let said = format!("{} {}", one.message, one.help);
                one.pointer == format!("/auth{place}") && said.contains(text)
            });
            assert!(hit && found.len() == 1, "{place} {text}: {found:?}");
        }
        let found = manifest(|m| m["auth"]["type"] = json!("basic")).check();
        assert!(found.iter().any(|one| one.pointer == "/auth/session"), "{found:?}");
        let found = manifest(|m| m["http"]["errors"][0]["then"] = json!("reauthorize")).check();
        assert_eq!(found[0].pointer, "/http/errors/0/then");
    }
}
