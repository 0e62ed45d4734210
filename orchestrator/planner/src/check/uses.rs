//! Instances whose actions the scripts of another may call: whether they are bound, and whether the calls have an end.

use std::collections::BTreeMap;

use sluice_declarative::Use;
use sluice_domain::{Alias, Connector, InstanceName};
use sluice_protocol::FunctionName;

use crate::Catalogue;
use crate::near::{quote, suggest};
use crate::places::escape;
use crate::schema::Violation;

/// How many instances may be called one by the other, the first not counted.
pub(crate) const DEPTH: usize = 4;

/// What of the bindings of an instance does not fit its connector.
pub(crate) fn faults(
    connector: &Connector,
    bound: &BTreeMap<Alias, InstanceName>,
    catalogue: &Catalogue,
) -> Vec<Violation> {
    let nothing = BTreeMap::new();
    let uses = connector.manifest().map_or(&nothing, |manifest| &manifest.uses);
    let unknown = bound.keys().filter(|alias| use_of(uses, alias).is_none()).map(|alias| {
        let help = suggest(alias.as_str(), "aliases", uses.keys().map(FunctionName::as_str));
        let name = connector.name();
        at(
            alias,
            format!("the connector `{name}` uses nothing by the name {}: {help}", quote(alias.as_str())),
        )
    });
    let unfit = bound
        .iter()
        .filter_map(|(alias, name)| Some(at(alias, unfit((name, use_of(uses, alias)?), catalogue)?)));
    unknown.chain(unbound(connector, bound, "/instances")).chain(unfit).collect()
}

/// The aliases of a connector that nothing is bound to; the place is `at`.
pub(crate) fn unbound(
    connector: &Connector,
    bound: &BTreeMap<Alias, InstanceName>,
    at: &str,
) -> Vec<Violation> {
    let uses = connector.manifest().into_iter().flat_map(|manifest| &manifest.uses);
    let missing = uses.filter(|(alias, _)| !bound.keys().any(|one| one.as_str() == alias.as_str()));
    let violations = missing.map(|(alias, wanted)| {
        let message = format!("no instance of `{}` is bound to `{alias}`", wanted.connector);
        Violation { pointer: at.to_owned(), keyword: String::new(), message }
    });
    violations.collect()
}

fn use_of<'u>(uses: &'u BTreeMap<FunctionName, Use>, alias: &Alias) -> Option<&'u Use> {
    uses.iter().find(|(known, _)| known.as_str() == alias.as_str()).map(|(_, wanted)| wanted)
}

/// Why an instance cannot stand for an alias.
fn unfit((name, wanted): (&InstanceName, &Use), catalogue: &Catalogue) -> Option<String> {
    let Some(facts) = catalogue.instances.get(name) else {
        return Some(format!("there is no instance `{name}`"));
    };
    let Use { connector, version } = wanted;
    if facts.connector != *connector {
        return Some(format!("the instance `{name}` belongs to `{}`, not to `{connector}`", facts.connector));
    }
    if catalogue.choose(connector.as_str(), version.as_ref()).is_some() {
        return None;
    }
    let version = version.as_ref().map(ToString::to_string).unwrap_or_default();
    Some(format!("no version of `{connector}` is installed that fits `{version}`"))
}

fn at(alias: &Alias, message: String) -> Violation {
    let pointer = format!("/instances/{}", escape(alias.as_str()));
    Violation { pointer, keyword: String::new(), message }
}

/// Whether calls from an instance could come back to one on their way, or lead too far. Those that lead to the instance
/// count, too: it may have been the last that was missing.
pub(crate) fn circles(name: &InstanceName, catalogue: &Catalogue) -> Vec<Violation> {
    let down = way(name, |caller| called(caller, catalogue));
    let told: Vec<&str> = down.iter().map(|name| name.as_str()).collect();
    let told = told.join(" -> ");
    let message = if returns(&down) {
        format!("instances call each other in a circle: {told}")
    } else if down.len() > DEPTH + 1 {
        format!("instances call each other too deeply: {told}")
    } else if down.len() + way(name, |used| callers(used, catalogue)).len() > DEPTH + 2 {
        format!("with those that call it, instances call each other more than {DEPTH} deep: {told}")
    } else {
        return Vec::new();
    };
    vec![Violation { pointer: "/instances".to_owned(), keyword: String::new(), message }]
}

/// The instances that one calls.
fn called<'c>(caller: &InstanceName, catalogue: &'c Catalogue) -> Vec<&'c InstanceName> {
    let facts = catalogue.instances.get(caller);
    facts.into_iter().flat_map(|facts| facts.uses.values()).collect()
}

/// The instances that call one.
fn callers<'c>(used: &InstanceName, catalogue: &'c Catalogue) -> Vec<&'c InstanceName> {
    let all = catalogue.instances.iter();
    let calling = all.filter(|(_, facts)| facts.uses.values().any(|one| one == used));
    calling.map(|(name, _)| name).collect()
}

/// A longest way from an instance, which ends where it comes back to itself, or one behind the limit.
fn way<'c>(
    name: &'c InstanceName,
    step: impl Fn(&InstanceName) -> Vec<&'c InstanceName>,
) -> Vec<&'c InstanceName> {
    // One way for each end and length: there may be very many in all.
    let mut ways = vec![vec![name]];
    for _ in 0..=DEPTH {
        let mut longer: BTreeMap<&InstanceName, Vec<&InstanceName>> = BTreeMap::new();
        for way in &ways {
            for next in way.last().map(|last| step(last)).unwrap_or_default() {
                let way: Vec<_> = way.iter().copied().chain([next]).collect();
                if returns(&way) {
                    return way;
                }
                longer.entry(next).or_insert(way);
            }
        }
        if longer.is_empty() {
            break;
        }
        ways = longer.into_values().collect();
    }
    ways.swap_remove(0)
}

/// Whether the last of a way is on it already.
fn returns(way: &[&InstanceName]) -> bool {
    way.split_last().is_some_and(|(last, before)| before.contains(last))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Map;

    use super::*;
    use crate::InstanceFacts;

    fn catalogue(edges: &[(&str, &[&str])]) -> Catalogue {
        let facts = |targets: &[&str]| InstanceFacts {
            connector: "crm".parse().unwrap(),
            settings: Map::new(),
            secret_fields: BTreeSet::new(),
            granted: None,
            uses: targets
                .iter()
                .enumerate()
                .map(|(n, to)| (format!("u{n}").parse().unwrap(), to.parse().unwrap()))
                .collect(),
        };
        let instances = edges.iter().map(|(name, targets)| (name.parse().unwrap(), facts(targets))).collect();
        Catalogue { instances, ..Catalogue::default() }
    }

    #[test]
    fn calls_between_instances_have_an_end() {
        type Edges = &'static [(&'static str, &'static [&'static str])];
        let cases: &[(Edges, &str, &str)] = &[
            (&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])], "a", ""),
            (&[("a", &["a"])], "a", "in a circle: a -> a"),
            (&[("a", &["b"]), ("b", &["a"])], "b", "in a circle: b -> a -> b"),
            (&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], "a", "in a circle: a -> b -> c -> b"),
            (&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["e"]), ("e", &[])], "a", ""),
            (
                &[("z", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["e"]), ("e", &[])],
                "z",
                "too deeply",
            ),
            (
                &[("z", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["e"]), ("e", &[])],
                "c",
                "more than 4 deep",
            ),
            (&[("a", &["gone"])], "a", ""),
        ];
        for (edges, name, expect) in cases {
            let found = circles(&name.parse().unwrap(), &catalogue(edges));
            let told = found.first().map(|one| one.message.as_str()).unwrap_or_default();
            assert!(told.contains(expect) && expect.is_empty() == told.is_empty(), "{edges:?}: {told}");
        }
    }
}
