//! Security schemes become the way that requests are authorised. The one that most operations accept is taken, with those
//! that they want besides it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluice_declarative::{Auth, AuthPlace, AuthType};

use crate::document::{Document, list, object, text};
use crate::names::line;
use crate::report::Remarks;

/// A scheme that connectors know.
#[derive(Debug, Clone, PartialEq)]
struct Scheme {
    auth: Auth,
    /// The better one of equals: lower is better.
    rank: u8,
    oauth: bool,
}

/// Chooses the way for operations, given what each of them accepts.
pub(crate) fn choose(document: Document<'_>, operations: &[&Value], remarks: &mut Remarks) -> Auth {
    let all = document.root.get("components").and_then(|components| object(components, "securitySchemes"));
    let mut known: BTreeMap<&str, Scheme> = BTreeMap::new();
    for name in all.into_iter().flat_map(|schemes| schemes.keys()) {
        let scheme = document.component("securitySchemes", name);
        match scheme.and_then(read) {
            Some(scheme) => drop(known.insert(name, scheme)),
            None => remarks.part(
                "",
                format!("the security scheme `{}` is of a kind that connectors do not have", line(name)),
            ),
        }
    }
    let ballot = Ballot::count(document.root, operations, &known);
    let rank = |name: &str| known.get(name).map_or(u8::MAX, |scheme| scheme.rank);
    let best = ballot.votes.iter().max_by_key(|(name, votes)| (**votes, std::cmp::Reverse(rank(name))));
    let Some((chosen, scheme)) = best.and_then(|(name, _)| Some((*name, known.get(name)?))) else {
        remarks.choice(match known.is_empty() {
            true => "the document names no security scheme that connectors have: `auth` was left out",
            false => "no operation says that it needs one of the security schemes: `auth` was left out",
        });
        return Auth::default();
    };
    let together = ballot.together(chosen, &known);
    ballot.tell((chosen, scheme), &together, remarks);
    if together.is_empty() { scheme.auth.clone() } else { combined(&together, &known) }
}

/// Several schemes at once. Keys whose secrets would have the same name are told apart by the names of their schemes.
fn combined(names: &[&str], known: &BTreeMap<&str, Scheme>) -> Auth {
    let mut all: Vec<Auth> = Vec::new();
    for name in names {
        let Some(mut auth) = known.get(name).map(|scheme| scheme.auth.clone()) else { continue };
        if auth.kind == AuthType::ApiKey {
            let taken = |secret: &str| all.iter().any(|other| other.needs().contains(&secret));
            let secret = secret(name);
            let free =
                (1..).map(|number| if number == 1 { secret.clone() } else { format!("{secret}_{number}") });
            auth.secret = free.into_iter().find(|secret| !taken(secret));
        }
        all.push(auth);
    }
    Auth { all, ..Auth::default() }
}

/// The name of a scheme as one of a secret: `AppKey` becomes `app_key`.
fn secret(name: &str) -> String {
    let mut secret = String::new();
    for c in name.chars().take(40) {
        if c.is_ascii_uppercase() && secret.ends_with(|before: char| before.is_ascii_lowercase()) {
            secret.push('_');
        }
        secret.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    if secret.is_empty() { "api_key".to_owned() } else { secret }
}

/// What operations accept.
struct Ballot<'v> {
    /// What each operation accepts: sets of schemes, each of which suffices.
    operations: Vec<Vec<Vec<&'v str>>>,
    /// How many accept a scheme alone, and together with others.
    votes: BTreeMap<&'v str, (usize, usize)>,
}

impl<'v> Ballot<'v> {
    fn count(root: &'v Value, operations: &[&'v Value], known: &BTreeMap<&str, Scheme>) -> Self {
        let operations: Vec<_> = operations.iter().map(|operation| accepted(root, operation)).collect();
        let mut votes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for set in operations.iter().flatten() {
            for name in set.iter().filter(|name| known.contains_key(**name)) {
                let (alone, any) = votes.entry(name).or_default();
                *alone += usize::from(set.len() == 1);
                *any += 1;
            }
        }
        Self { operations, votes }
    }

    /// The schemes that operations want together with the chosen one, that one included. Nothing where one of them accepts
    /// it alone, or where they cannot be combined.
    fn together(&self, chosen: &str, known: &BTreeMap<&str, Scheme>) -> Vec<&'v str> {
        let mut sets: BTreeMap<&[&'v str], usize> = BTreeMap::new();
        for set in self.operations.iter().flatten().filter(|set| set.contains(&chosen)) {
            *sets.entry(set).or_default() += 1;
        }
        let most = sets.iter().max_by_key(|(_, count)| **count).map(|(set, _)| *set);
        let Some(set) = most.filter(|_| !sets.keys().any(|set| set.len() == 1)) else { return Vec::new() };
        let mut places = BTreeSet::new();
        let fits = set.len() <= 8
            && set.iter().all(|name| {
                let Some(Scheme { auth, oauth: false, .. }) = known.get(name) else { return false };
                let name = auth.name.as_deref().unwrap_or("authorization").to_ascii_lowercase();
                places.insert((format!("{:?}", auth.place), name))
            });
        if fits { set.to_vec() } else { Vec::new() }
    }

    fn tell(&self, (chosen, scheme): (&str, &Scheme), together: &[&str], remarks: &mut Remarks) {
        let name = line(chosen);
        if !together.is_empty() {
            remarks.choice(format!("requests carry {} together", quoted(together.iter())));
        }
        if scheme.oauth {
            remarks.choice(format!(
                "`{name}` is OAuth 2.0 or OpenID Connect: requests carry a bearer token, which each instance gives as \
                 its secret `token`"
            ));
        }
        let others = quoted(self.votes.keys().filter(|other| **other != chosen && !together.contains(other)));
        if !others.is_empty() {
            remarks.choice(format!("of the security schemes `{name}` was chosen; the others are {others}"));
        }
        let mut sets: BTreeMap<&[&str], usize> = BTreeMap::new();
        for set in self.operations.iter().flatten().filter(|set| set.len() > 1 && set.contains(&chosen)) {
            if set.as_slice() == together {
                continue;
            }
            *sets.entry(set).or_default() += 1;
        }
        for (set, count) in sets {
            let more = quoted(set.iter().filter(|other| **other != chosen));
            remarks
                .part("", format!("{count} operations want {more} beside `{name}`: only the latter is sent"));
        }
        let refused = self.operations.iter().filter(|sets| {
            !sets.is_empty() && !sets.iter().any(|set| set.is_empty() || set.contains(&chosen))
        });
        match refused.count() {
            0 => {}
            count => remarks.part(
                "",
                format!("{count} operations do not accept `{name}` and will be refused by the API"),
            ),
        }
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n &'n str>) -> String {
    names.map(|name| format!("`{}`", line(name))).collect::<Vec<_>>().join(", ")
}

/// What an operation accepts: sets of schemes, each of which suffices.
fn accepted<'v>(root: &'v Value, operation: &'v Value) -> Vec<Vec<&'v str>> {
    let level = if operation.get("security").is_some() { operation } else { root };
    let sets = list(level, "security").iter().filter_map(Value::as_object);
    sets.map(|set| set.keys().map(String::as_str).collect()).collect()
}

fn read(scheme: &Value) -> Option<Scheme> {
    let plain = |kind, rank, oauth| Some(Scheme { auth: Auth { kind, ..Auth::default() }, rank, oauth });
    match text(scheme, "type")? {
        "http" => match text(scheme, "scheme")?.to_ascii_lowercase().as_str() {
            "bearer" => plain(AuthType::Bearer, 0, false),
            "basic" => plain(AuthType::Basic, 2, false),
            _ => None,
        },
        "apiKey" => {
            let place = match text(scheme, "in")? {
                "header" => AuthPlace::Header,
                "query" => AuthPlace::Query,
                "cookie" => AuthPlace::Cookie,
                _ => return None,
            };
            let name = text(scheme, "name").filter(|name| is_token(name))?.to_owned();
            let auth = Auth { kind: AuthType::ApiKey, place, name: Some(name), ..Auth::default() };
            Some(Scheme { auth, rank: 1, oauth: false })
        }
        "oauth2" | "openIdConnect" => plain(AuthType::Bearer, 3, true),
        _ => None,
    }
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pick(security: Value, operations: Value) -> (String, Vec<String>) {
        let root = json!({
            "openapi": "3.0.0", "security": security,
            "components": {"securitySchemes": {
                "basic": {"type": "http", "scheme": "Basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "query", "name": "k"},
                "AppKey": {"type": "apiKey", "in": "header", "name": "X-App"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "c"},
                "oauth": {"type": "oauth2", "flows": {}},
            }}
        });
        let mut remarks = Remarks::default();
        let operations: Vec<&Value> = operations.as_array().unwrap().iter().collect();
        let auth = choose(Document::new(&root).unwrap(), &operations, &mut remarks);
        let one = |auth: &Auth| {
            let kind = serde_json::to_value(auth.kind).unwrap().as_str().unwrap().to_owned();
            let name = auth.name.as_ref().map(|name| format!(" {:?} {name}", auth.place)).unwrap_or_default();
            kind + &name + &auth.secret.as_ref().map(|name| format!(" {name}")).unwrap_or_default()
        };
        let kinds: Vec<String> = auth.each().iter().map(one).collect();
        (kinds.join(", "), remarks.finish().into_iter().map(|remark| remark.message).collect())
    }

    #[test]
    fn the_scheme_that_most_operations_accept_is_chosen() {
        for (security, operations, expect, remarks) in [
            (json!([{"basic": []}]), json!([{}]), "basic", 0),
            (json!([{"basic": []}, {"bearer": []}]), json!([{}]), "bearer", 1),
            (json!([{"key": []}]), json!([{}, {}, {"security": [{"basic": []}]}]), "api_key Query k", 2),
            (json!([{"cookie": []}]), json!([{}]), "api_key Cookie c", 0),
            (json!([{"oauth": ["read"]}]), json!([{}, {"security": []}]), "bearer", 1),
            (json!([{"key": [], "basic": []}]), json!([{}]), "api_key Query k key, basic", 1),
            (
                json!([{"key": [], "AppKey": []}]),
                json!([{}, {"security": []}]),
                "api_key Query k key, api_key Header X-App app_key",
                1,
            ),
            (json!([{"key": [], "basic": []}, {"key": []}]), json!([{}]), "api_key Query k", 2),
            (json!([{"bearer": [], "basic": []}]), json!([{}]), "bearer", 2),
            (json!([]), json!([{}]), "none", 1),
        ] {
            let (kind, messages) = pick(security, operations);
            assert_eq!((kind.as_str(), messages.len()), (expect, remarks), "{messages:?}");
        }
    }
}
