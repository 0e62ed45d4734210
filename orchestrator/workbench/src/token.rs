//! Connectors with OAuth in a suite: nobody is there to authorise, so the acceptance file brings an access token.

use sluice_declarative::{Auth, AuthType, Manifest, Reaction, Trigger};

/// The secret that is the access token.
pub const TOKEN: &str = "access_token";

/// The connector with an access token as its only secret, carried in requests as ever. One that has no OAuth is
/// returned as it is.
#[must_use]
pub fn with_token(manifest: &Manifest) -> Manifest {
    let mut plain = manifest.clone();
    let Some(oauth2) = &manifest.auth.oauth2 else { return plain };
    let carried = oauth2.carried();
    plain.auth = Auth { kind: AuthType::ApiKey, secret: Some(TOKEN.to_owned()), ..carried };
    plain.actions.values_mut().for_each(|action| action.scopes.clear());
    for trigger in plain.triggers.values_mut() {
        if let Trigger::Polling(polling) = trigger {
            polling.scopes.clear();
        }
    }
    for rule in plain.http.iter_mut().flat_map(|http| &mut http.errors) {
        // Nobody refreshes or authorises: the refusal is the end.
        if matches!(rule.then, Reaction::Refresh | Reaction::Reauthorize) {
            rule.then = Reaction::Fail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_access_token_takes_the_place_of_an_authorisation() {
        let manifest = Manifest::from_value(&json!({
            "sluice": 1, "kind": "connector", "name": "crm", "version": "1.0.0", "title": "CRM",
            "http": { "base_url": "https://api.example", "errors": [{ "status": [403], "then": "reauthorize" }] },
            "auth": { "type": "oauth2", "oauth2": {
                "authorize_url": "https://api.example/a", "token_url": "https://api.example/t", "scopes": ["read"],
            } },
            "actions": { "a": { "title": "A", "scopes": ["read"], "request": { "path": "/a" } } },
        }))
        .unwrap();
        let plain = with_token(&manifest);
        let secrets = plain.descriptor().secrets.unwrap();
        assert_eq!(secrets["required"], json!([TOKEN]));
        assert_eq!(
            (plain.auth.name.as_deref(), plain.auth.prefix.as_str()),
            (Some("Authorization"), "Bearer ")
        );
        let text = serde_json::to_string(&plain).unwrap();
        let file = sluice_planner::SourceFile { name: "crm.json".to_owned(), text };
        let (_, report) = sluice_planner::read(&[file]);
        assert!(!report.has_errors(), "{report}");
    }
}
