//! The URL at which a person grants access (RFC 6749, section 4.1.1).

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::Pkce;

/// An authorisation request.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizeRequest<'a> {
    /// The authorisation endpoint. What its query says already stays (RFC 6749, section 3.1).
    pub endpoint: &'a Url,
    /// The client.
    pub client_id: &'a str,
    /// Where the answer goes to, to the letter as the provider knows it and as the request for the token repeats it.
    pub redirect_uri: &'a str,
    /// What access is asked for.
    pub scopes: &'a [String],
    /// What stands between scopes.
    pub separator: char,
    /// What the callback has to repeat: a text that nobody can guess (RFC 6749, section 10.12).
    pub state: &'a str,
    /// The challenge of PKCE with S256; none for providers that refuse it.
    pub challenge: Option<&'a str>,
    /// Further parameters. They replace those of the endpoint's query, and never those of the protocol.
    pub extra: &'a BTreeMap<String, String>,
}

impl AuthorizeRequest<'_> {
    /// The URL to open in a browser. No parameter is in it twice.
    #[must_use]
    pub fn url(&self) -> Url {
        let scope = self.scopes.join(self.separator.encode_utf8(&mut [0; 4]));
        let mut own = vec![
            ("response_type", "code"),
            ("client_id", self.client_id),
            ("redirect_uri", self.redirect_uri),
            ("state", self.state),
        ];
        if !scope.is_empty() {
            own.push(("scope", &scope));
        }
        if let Some(challenge) = self.challenge {
            own.push(("code_challenge", challenge));
            own.push(("code_challenge_method", Pkce::METHOD));
        }
        let set: BTreeSet<&str> = own.iter().map(|(name, _)| *name).collect();
        let extra = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        own.extend(extra.filter(|(name, _)| !set.contains(name)));
        let names: BTreeSet<&str> = own.iter().map(|(name, _)| *name).collect();
        let kept: Vec<(String, String)> = self
            .endpoint
            .query_pairs()
            .filter(|(name, _)| !names.contains(name.as_ref()))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut url = self.endpoint.clone();
        url.set_fragment(None);
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(own);
        url
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request<'a>(endpoint: &'a Url, extra: &'a BTreeMap<String, String>) -> AuthorizeRequest<'a> {
        AuthorizeRequest {
            endpoint,
            client_id: "my id",
            redirect_uri: "https://sluice.example/callback",
            scopes: &[],
            separator: ' ',
            state: "s1",
            challenge: None,
            extra,
        }
    }

    #[test]
    fn the_url_has_the_parameters_of_the_protocol_and_keeps_its_own() {
        let endpoint = "https://login.example/a?tenant=t%201#top".parse().unwrap();
        let extra = BTreeMap::from([("access_type".to_owned(), "offline".to_owned())]);
        let scopes = ["read".to_owned(), "write".to_owned()];
        let request = request(&endpoint, &extra);
        let url = AuthorizeRequest { scopes: &scopes, challenge: Some("abc"), ..request }.url();
        assert_eq!(
            url.as_str(),
            "https://login.example/a?tenant=t+1&response_type=code&client_id=my+id\
             &redirect_uri=https%3A%2F%2Fsluice.example%2Fcallback&state=s1&scope=read+write\
             &code_challenge=abc&code_challenge_method=S256&access_type=offline"
        );
        let url = AuthorizeRequest { scopes: &scopes, separator: ',', ..request }.url();
        assert!(url.as_str().contains("&scope=read%2Cwrite&"), "{url}");
        assert!(!url.as_str().contains("code_challenge"), "{url}");
    }

    #[test]
    fn nothing_replaces_the_state() {
        let endpoint = "https://login.example/a?state=evil&x=1&x=2".parse().unwrap();
        let extra = [("state", "evil"), ("x", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let extra = BTreeMap::from(extra);
        let url = request(&endpoint, &extra).url();
        assert!(!url.as_str().contains("evil"), "{url}");
        let x: Vec<_> = url.query_pairs().filter(|(name, _)| name == "x").map(|pair| pair.1).collect();
        assert_eq!(x, ["3"]);
    }

    proptest! {
        #[test]
        fn every_parameter_is_there_once_and_to_the_letter(
            state in ".{1,40}", client_id in ".{1,40}", name in "[a-z]{1,6}", value in ".{0,40}"
        ) {
            let endpoint = Url::parse_with_params("https://login.example/a", [(&name, &value)]).unwrap();
            let extra = BTreeMap::new();
            let request = AuthorizeRequest { state: &state, client_id: &client_id, ..request(&endpoint, &extra) };
            let pairs: Vec<(String, String)> = request.url().query_pairs().into_owned().collect();
            let names: BTreeSet<_> = pairs.iter().map(|pair| pair.0.clone()).collect();
            prop_assert_eq!(names.len(), pairs.len());
            for pair in [("state", &state), ("client_id", &client_id)] {
                prop_assert!(pairs.contains(&(pair.0.to_owned(), pair.1.clone())));
            }
            let reserved = ["state", "scope"].contains(&name.as_str());
            prop_assert!(reserved || pairs.contains(&(name, value)));
        }
    }
}
