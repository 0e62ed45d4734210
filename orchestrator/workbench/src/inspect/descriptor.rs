//! All faults of a descriptor, each with its place. [`Descriptor::from_json`] stops at the first.

use std::str::FromStr;

use serde_json::{Map, Value};
use sluice_planner::{BUILTIN, nearest, schema_faults};
use sluice_protocol::{ComponentName, Descriptor, Egress, FunctionName, Port};

use crate::{Finding, FindingCode};

const ROOT: [&str; 10] = [
    "name",
    "version",
    "title",
    "description",
    "settings",
    "secrets",
    "test",
    "egress",
    "triggers",
    "actions",
];
const ACTION: [&str; 6] = ["title", "description", "config", "input", "output", "ports"];
const TRIGGER: [&str; 7] = ["title", "description", "kind", "config", "output", "ports", "closes_with"];

/// Reads a descriptor, and says everything that is wrong with it. There is one exactly when nothing is an error.
#[must_use]
pub fn descriptor(text: &str) -> (Option<Descriptor>, Vec<Finding>) {
    let mut walk = Walk::default();
    match serde_json::from_str::<Value>(text) {
        Ok(value) => walk.root(&value),
        Err(error) => {
            let message = format!("the descriptor is no JSON: {error}");
            walk.found.push(Finding::new(FindingCode::DescriptorUnreadable, message));
        }
    }
    match Descriptor::from_json(text) {
        Ok(descriptor) if walk.found.is_empty() => (Some(descriptor), walk.found),
        Ok(_) => (None, walk.found),
        Err(error) => {
            // What the walk does not know is still no descriptor.
            if walk.found.is_empty() {
                let message = sluice_engine::chain(&error);
                walk.found.push(Finding::new(FindingCode::DescriptorField, message));
            }
            (None, walk.found)
        }
    }
}

#[derive(Default)]
struct Walk {
    found: Vec<Finding>,
}

impl Walk {
    fn say(&mut self, code: FindingCode, place: &str, message: impl Into<String>) {
        let place = if place.is_empty() { "/" } else { place };
        self.found.push(Finding::new(code, message).at(place));
    }

    fn wrong(&mut self, place: &str, message: impl Into<String>) {
        self.say(FindingCode::DescriptorField, place, message);
    }

    fn root(&mut self, value: &Value) {
        let Some(members) = self.object("", value, &ROOT, &["name", "version", "title"]) else { return };
        self.parsed::<ComponentName>("/name", members.get("name"));
        if members.get("name").and_then(Value::as_str) == Some(BUILTIN) {
            let message = format!("a component cannot be named `{BUILTIN}`: that is what is built in");
            self.say(FindingCode::ReservedName, "/name", message);
        }
        self.parsed::<semver::Version>("/version", members.get("version"));
        self.texts("", members);
        for field in ["settings", "secrets"] {
            self.schema(&format!("/{field}"), members.get(field));
        }
        let triggers = self.functions("/triggers", members.get("triggers"), &TRIGGER);
        let actions = self.functions("/actions", members.get("actions"), &ACTION);
        if triggers.is_empty() && actions.is_empty() {
            self.say(FindingCode::NoFunction, "", "there is neither a trigger nor an action");
        }
        for name in triggers.iter().filter(|name| actions.contains(name)) {
            let place = format!("/triggers/{name}");
            self.say(FindingCode::SameName, &place, format!("`{name}` is both a trigger and an action"));
        }
        self.test(members.get("test"), &actions);
        self.closings(members.get("triggers"), &actions);
        self.egress(members);
    }

    fn closings(&mut self, triggers: Option<&Value>, actions: &[String]) {
        for (name, trigger) in triggers.and_then(Value::as_object).into_iter().flatten() {
            let Some(closes) = trigger.get("closes_with") else { continue };
            let place = format!("/triggers/{}/closes_with", escape(name));
            match closes.as_str() {
                Some(_) if trigger["kind"] != "polling" => {
                    self.wrong(&place, "only a trigger that polls has something that closes it");
                }
                Some(action) if actions.iter().any(|known| known == action) => {}
                Some(action) => {
                    self.wrong(&place, format!("`{action}` is no action{}", hint(action, actions)))
                }
                None => self.wrong(&place, "it is no text"),
            }
        }
    }

    fn egress(&mut self, members: &Map<String, Value>) {
        let Some(value) = members.get("egress") else { return };
        let egress = match serde_json::from_value::<Egress>(value.clone()) {
            Ok(egress) => egress,
            Err(error) => return self.say(FindingCode::WrongEgress, "/egress", error.to_string()),
        };
        for fault in egress.faults() {
            self.say(FindingCode::WrongEgress, &fault.pointer, format!("it {}", fault.reason));
        }
        for (field, pointers) in [("settings", &egress.settings), ("secrets", &egress.secrets)] {
            let Some(known) = members.get(field).and_then(|schema| schema.get("properties")) else {
                continue;
            };
            for (number, pointer) in pointers.iter().enumerate() {
                let name =
                    pointer.split('/').nth(1).unwrap_or_default().replace("~1", "/").replace("~0", "~");
                if known.get(&name).is_none() {
                    let message = format!("`{field}` has no property `{name}`");
                    self.say(FindingCode::WrongEgress, &format!("/egress/{field}/{number}"), message);
                }
            }
        }
    }

    fn test(&mut self, test: Option<&Value>, actions: &[String]) {
        let Some(test) = test else { return };
        match test.as_str() {
            Some(name) if actions.iter().any(|known| known == name) => {}
            Some(name) => {
                let message = format!("`{name}` is no action{}", hint(name, actions));
                self.say(FindingCode::UnknownTest, "/test", message);
            }
            None => self.wrong("/test", "it is no text"),
        }
    }

    /// The names of the functions of a kind.
    fn functions(&mut self, place: &str, value: Option<&Value>, known: &[&str]) -> Vec<String> {
        let Some(value) = value else { return Vec::new() };
        let Some(members) = value.as_object() else {
            self.wrong(place, "it is no object of functions by name");
            return Vec::new();
        };
        for (name, function) in members {
            let place = format!("{place}/{}", escape(name));
            if let Err(error) = name.parse::<FunctionName>() {
                self.wrong(&place, error.to_string());
            }
            self.function(&place, function, known);
        }
        members.keys().cloned().collect()
    }

    fn function(&mut self, place: &str, value: &Value, known: &[&str]) {
        let kind = known.contains(&"kind");
        let required: &[&str] = if kind { &["title", "kind"] } else { &["title"] };
        let Some(members) = self.object(place, value, known, required) else { return };
        self.texts(place, members);
        for field in ["config", "input", "output"] {
            if known.contains(&field) {
                self.schema(&format!("{place}/{field}"), members.get(field));
            }
        }
        if kind {
            self.kind(&format!("{place}/kind"), members.get("kind"));
        }
        self.ports(&format!("{place}/ports"), members.get("ports"));
    }

    fn kind(&mut self, place: &str, value: Option<&Value>) {
        match value.map(|kind| kind.as_str()) {
            None | Some(Some("polling" | "listener")) => {}
            Some(Some("webhook")) => {
                let message = "a component has no webhooks; the orchestrator takes their requests";
                self.say(FindingCode::WebhookTrigger, place, message);
            }
            Some(_) => self.wrong(place, "it is neither `polling` nor `listener`"),
        }
    }

    fn ports(&mut self, place: &str, value: Option<&Value>) {
        let Some(value) = value else { return };
        let Some(ports) = value.as_array() else { return self.wrong(place, "it is no list of ports") };
        for (index, port) in ports.iter().enumerate() {
            self.parsed::<Port>(&format!("{place}/{index}"), Some(port));
        }
    }

    fn object<'v>(
        &mut self,
        place: &str,
        value: &'v Value,
        known: &[&str],
        required: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(members) = value.as_object() else {
            self.wrong(place, "it is no object");
            return None;
        };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("there is no field `{name}`{}", hint(name, known));
            self.wrong(&format!("{place}/{}", escape(name)), message);
        }
        for name in required.iter().filter(|name| !members.contains_key(**name)) {
            self.wrong(place, format!("the field `{name}` is missing"));
        }
        Some(members)
    }

    fn texts(&mut self, place: &str, members: &Map<String, Value>) {
        for field in ["title", "description"] {
            if members.get(field).is_some_and(|value| !value.is_string()) {
                self.wrong(&format!("{place}/{field}"), "it is no text");
            }
        }
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, place: &str, value: Option<&Value>) {
        match value.map(|value| value.as_str().map(str::parse::<T>)) {
            None | Some(Some(Ok(_))) => {}
            Some(Some(Err(error))) => self.wrong(place, error.to_string()),
            Some(None) => self.wrong(place, "it is no text"),
        }
    }

    fn schema(&mut self, place: &str, value: Option<&Value>) {
        let Some(schema) = value else { return };
        if !schema.is_object() && !schema.is_boolean() {
            return self.say(FindingCode::WrongSchema, place, "it is no JSON Schema: an object is one");
        }
        for fault in schema_faults(schema) {
            self.say(FindingCode::WrongSchema, &format!("{place}{}", fault.pointer), fault.message);
        }
    }
}

fn hint(given: &str, known: &[impl AsRef<str>]) -> String {
    let near = nearest(given, known.iter().map(AsRef::as_ref));
    near.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str)]) {
        let (read, found) = descriptor(text);
        let got: Vec<(&str, &str)> = found
            .iter()
            .map(|finding| (finding.code.as_str(), finding.place.as_deref().unwrap_or_default()))
            .collect();
        assert_eq!(got, expect, "{found:?}");
        assert_eq!(read.is_some(), expect.is_empty());
    }

    #[test]
    fn what_a_component_may_reach_is_checked() {
        let with = |egress: &str| {
            format!(
                r#"{{"name":"a","version":"1.0.0","title":"A","settings":{{"properties":{{"url":{{}}}}}},"actions":{{"x":{{"title":"X"}}}},"egress":{egress}}}"#
            )
        };
        check(&with(r#"{"settings":["/url"],"hosts":["api.test:443"]}"#), &[]);
        check(&with(r#"{"host":["api.test:443"]}"#), &[("C0209", "/egress")]);
        check(
            &with(r#"{"hosts":["api.test"],"settings":["/uri"]}"#),
            &[("C0209", "/egress/hosts/0"), ("C0209", "/egress/settings/0")],
        );
    }

    #[test]
    fn a_good_descriptor_has_no_findings() {
        for text in [
            include_str!("../../../../components/http/component.json"),
            include_str!("../../../../components/rabbitmq/component.json"),
            include_str!("../../../../components/timer/component.json"),
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn all_faults_are_found_with_their_places() {
        let text = r#"{
            "name": "Log", "version": "1", "titel": "Log", "test": "writ",
            "settings": { "type": "objekt" },
            "actions": { "write": { "title": 7, "ports": ["out", "Out"] }, "Up": { "title": "", "input": [] } },
            "triggers": {
                "write": { "title": "", "kind": "webhook" }, "poll": { "kind": "push" },
                "hear": { "title": "", "kind": "listener", "closes_with": "write" },
                "look": { "title": "", "kind": "polling", "closes_with": "writ" },
                "see": { "title": "", "kind": "polling", "closes_with": [] }
            }
        }"#;
        check(
            text,
            &[
                ("C0202", "/titel"),
                ("C0202", "/"),
                ("C0202", "/name"),
                ("C0202", "/version"),
                ("C0208", "/settings/type"),
                ("C0206", "/triggers/write/kind"),
                ("C0202", "/triggers/poll"),
                ("C0202", "/triggers/poll/kind"),
                ("C0202", "/actions/write/title"),
                ("C0202", "/actions/write/ports/1"),
                ("C0202", "/actions/Up"),
                ("C0208", "/actions/Up/input"),
                ("C0205", "/triggers/write"),
                ("C0204", "/test"),
                ("C0202", "/triggers/hear/closes_with"),
                ("C0202", "/triggers/look/closes_with"),
                ("C0202", "/triggers/see/closes_with"),
            ],
        );
    }

    #[test]
    fn what_is_no_descriptor_at_all_is_told_in_one_finding() {
        check("{", &[("C0201", "")]);
        check("[]", &[("C0202", "/")]);
        check(r#"{"name":"a","version":"1.0.0","title":""}"#, &[("C0203", "/")]);
        check(
            r#"{"name":"sluice","version":"1.0.0","title":"","actions":{"x":{"title":""}}}"#,
            &[("C0207", "/name")],
        );
    }
}
