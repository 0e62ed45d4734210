//! From what a component declares, and what people wrote in an instance and a step, to rules.
//!
//! Only what people wrote is looked at, never a message. A base URL that is an expression sees the variables of the
//! instance and nothing else, as the file of a declarative connector says.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};
use sluice_domain::InstanceName;
use sluice_mapping::{Evaluator, Limits, Mapping, Root, is_expression};
use sluice_protocol::{Egress, HostRule};
use url::Url;

use super::held::Facts;

/// Most entries of a list of hosts that are read.
const ENTRIES: usize = 256;
/// Most characters of a URL that is read.
const URL_CHARS: usize = 32 * 1024;

/// Where a step says where it goes.
pub(super) struct Source<'s> {
    pub(super) instance: Option<(&'s InstanceName, &'s Facts)>,
    pub(super) config: &'s Value,
    pub(super) input: Option<&'s Value>,
}

/// What base URLs came to, by the instance and the text: many steps have the same.
#[derive(Default)]
pub(super) struct Seen(HashMap<(Option<InstanceName>, String), Option<String>>);

/// Adds the rules of a step.
pub(super) fn read(declared: &Egress, source: &Source<'_>, seen: &mut Seen, rules: &mut BTreeSet<HostRule>) {
    rules.extend(declared.rules());
    if let Some((_, facts)) = source.instance {
        for pointer in &declared.settings {
            let named = pointer_in(&facts.settings, pointer);
            rules.extend(named.into_iter().flat_map(of_value));
        }
        for secret in declared.secrets.iter().filter_map(|pointer| facts.secret(pointer)) {
            rules.extend(of_text(secret));
        }
    }
    for value in declared.config.iter().filter_map(|pointer| source.config.pointer(pointer)) {
        rules.extend(of_value(value));
    }
    for pointer in &declared.input {
        let value = source.input.and_then(|input| input.pointer(pointer)).and_then(Value::as_str);
        rules.extend(value.filter(|text| !is_expression(text)).into_iter().flat_map(of_text));
    }
    if declared.declarations {
        of_call(source, seen, rules);
    }
}

fn pointer_in<'v>(settings: &'v serde_json::Map<String, Value>, pointer: &str) -> Option<&'v Value> {
    let rest = pointer.strip_prefix('/')?;
    let (first, rest) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    let member = settings.get(&first.replace("~1", "/").replace("~0", "~"))?;
    rest.map_or(Some(member), |rest| member.pointer(&format!("/{rest}")))
}

/// The hosts of a text or of a list of texts.
fn of_value(value: &Value) -> Vec<HostRule> {
    match value {
        Value::String(text) => of_text(text),
        Value::Array(list) => {
            let texts = list.iter().take(ENTRIES).filter_map(Value::as_str);
            texts.flat_map(|text| if text.contains("://") { of_text(text) } else { of_entry(text) }).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// An entry of a list of hosts, which may leave the port open.
fn of_entry(text: &str) -> Vec<HostRule> {
    text.trim().parse::<HostRule>().into_iter().collect()
}

/// The host of a URL, or a host with its port. A path alone names none.
fn of_text(text: &str) -> Vec<HostRule> {
    let text = text.trim();
    if text.len() > URL_CHARS {
        return Vec::new();
    }
    if !text.contains("://") {
        let names_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        return if names_port { of_entry(text) } else { Vec::new() };
    }
    let Ok(url) = Url::parse(text) else { return Vec::new() };
    let port = url.port_or_known_default().or_else(|| match url.scheme() {
        "amqp" => Some(5672),
        "amqps" => Some(5671),
        _ => None,
    });
    let (Some(host), Some(port)) = (url.host_str(), port) else { return Vec::new() };
    let mut rules: Vec<HostRule> = HostRule::exact(host, Some(port)).into_iter().collect();
    if url.scheme() == "http" && port == 80 {
        // The same host with TLS instead of without.
        rules.extend(HostRule::exact(host, Some(443)));
    }
    rules
}

/// The hosts of a call of a declarative connector: what its component admits, see `docs/declarative-connectors.md`.
fn of_call(source: &Source<'_>, seen: &mut Seen, rules: &mut BTreeSet<HostRule>) {
    let Some(http) = source.config.get("http") else { return };
    rules.extend(http.get("allowed_hosts").into_iter().flat_map(of_value));
    let Some(base) = http.get("base_url").and_then(Value::as_str) else { return };
    let key = (source.instance.map(|(name, _)| name.clone()), base.to_owned());
    let base = seen.0.entry(key).or_insert_with(|| evaluated(base, source));
    rules.extend(base.as_deref().into_iter().flat_map(of_text));
}

fn evaluated(base: &str, source: &Source<'_>) -> Option<String> {
    if !is_expression(base) {
        return Some(base.to_owned());
    }
    let limits = Limits::default();
    let mapping = Mapping::parse(&Value::String(base.to_owned()), &limits).ok()?;
    let vars = source.instance.map(|(_, facts)| facts.settings.clone()).unwrap_or_default();
    let config = source.config.get("config").cloned().unwrap_or_default();
    let document = json!({ "vars": vars, "config": config });
    let found = Evaluator::new(limits).map(&mapping, &Root::new(&document)).ok()?;
    found.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: Value, source: &Source<'_>, expect: &[&str]) {
        let mut rules = BTreeSet::new();
        read(&serde_json::from_value(declared).unwrap(), source, &mut Seen::default(), &mut rules);
        let rules: BTreeSet<String> = rules.iter().map(ToString::to_string).collect();
        assert_eq!(rules, expect.iter().map(|text| (*text).to_owned()).collect());
    }

    #[test]
    fn a_component_that_says_nothing_goes_nowhere() {
        let config = json!({ "url": "https://a.test" });
        check(json!({}), &Source { instance: None, config: &config, input: Some(&config) }, &[]);
    }

    #[test]
    fn hosts_are_found_where_the_component_says_that_they_are() {
        let name: InstanceName = "shop".parse().unwrap();
        let settings = json!({
            "base_url": "https://Shop.test/v1", "allowed_hosts": ["*.cdn.test", "files.test:8443", "x y"],
            "deep": { "broker": "amqps://queue.test/shop" }, "other": "https://other.test"
        });
        let facts = Facts::new(&settings, &[("dsn", "amqp://u:p@10.0.0.7:5673/x"), ("token", "evil.test:1")]);
        let config = json!({ "url": "http://hook.test/x", "relative": "/contacts", "name": "word" });
        let input = json!({ "target": "plain.test:25", "mapped": "= body.url", "path": "$.body.url" });
        let source = Source { instance: Some((&name, &facts)), config: &config, input: Some(&input) };
        let declared = json!({
            "hosts": ["api.test:443"], "settings": ["/base_url", "/allowed_hosts", "/deep/broker", "/missing"],
            "secrets": ["/dsn"], "config": ["/url", "/relative", "/name"],
            "input": ["/target", "/mapped", "/path"],
        });
        let expect = [
            "api.test:443",
            "shop.test:443",
            "*.cdn.test",
            "files.test:8443",
            "queue.test:5671",
            "10.0.0.7:5673",
            "hook.test:80",
            "hook.test:443",
            "plain.test:25",
        ];
        check(declared, &source, &expect);
    }

    #[test]
    fn a_call_goes_where_its_connector_and_its_instance_say() {
        let name: InstanceName = "crm".parse().unwrap();
        let facts = Facts::new(&json!({ "region": "eu", "port": 8443 }), &[]);
        let declared = || json!({ "declarations": true });
        let call = |http: Value| json!({ "connector": "crm@1.0.0", "http": http, "config": {} });
        for (http, expect) in [
            (json!({ "base_url": "https://api.test" }), vec!["api.test:443"]),
            (
                json!({ "base_url": "= 'http://' & vars.region & '.test:' & vars.port", "allowed_hosts": ["f.test"] }),
                vec!["eu.test:8443", "f.test"],
            ),
            (json!({ "base_url": "= 1 +" }), vec![]),
            (json!({ "base_url": "= vars.missing" }), vec![]),
            (json!({}), vec![]),
        ] {
            let config = call(http);
            let source = Source { instance: Some((&name, &facts)), config: &config, input: None };
            check(declared(), &source, &expect);
            check(json!({}), &source, &[]);
        }
    }
}
