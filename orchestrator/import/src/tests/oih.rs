//! Documents of the Open Integration Hub.

use serde_json::{Value, json};

use super::{codes, file, imported};
use crate::{Options, Platform, Severity};

fn component() -> Value {
    json!({ "id": "61e18f6714f335002746ba6f", "name": "snazzy", "distribution": { "type": "docker", "image": "acme/snazzy:1" },
        "access": "public", "descriptor": {
            "credentials": { "fields": { "key": { "viewClass": "PasswordFieldView", "required": true } } },
            "triggers": { "getPersons": { "type": "polling", "fields": { "since": { "viewClass": "TextFieldView" } } } },
            "actions": { "upsertPerson": { "title": "Upsert" } },
        } })
}

fn flow(first: &str, cron: Option<&str>) -> Value {
    json!({ "name": "Persons", "status": "active", "cron": cron, "owners": [{ "id": "o", "type": "user" }], "graph": {
        "nodes": [
            { "id": "step_1", "componentId": "61e18f6714f335002746ba6f", "function": first,
              "credentials_id": "5ca5c44c187c040010a9bb8b", "fields": { "since": "now", "password": "hunter2" } },
            { "id": "step_2", "componentId": "5ca5c44c187c040010a9bb8c", "function": "transform", "nodeSettings": {
                "applyTransform": "before", "transformFunction": "{'data': {'n': data.first, 'p': passthrough.step_1.data.x}}",
                "storeRawRecord": true, "idLinking": true, "passthrough": true, "odd": 1 } },
        ],
        "edges": [{ "source": "step_1", "target": "step_2" }],
    } })
}

#[test]
fn a_flow_and_its_component_become_files() {
    let document =
        json!({ "data": [flow("getPersons", Some("0 */2 * * *")), component()], "meta": { "total": 2 } });
    let made = imported(Platform::Oih, &document, &Options::default());
    let expect = json!({
        "sluice": 1, "kind": "template", "name": "persons", "version": "1.0.0", "title": "Persons",
        "instances": { "snazzy": { "connector": "snazzy" } },
        "steps": [
            { "id": "step_1", "use": "snazzy/get_persons", "config": { "since": "now" }, "schedule": { "cron": "0 */2 * * *" } },
            { "id": "step_2", "use": "component-10a9bb8c/transform", "config": { "_passthrough": true },
              "input": "= ({'data': {'n': body.first, 'p': steps.step_1.body.x}}).data" },
        ],
    });
    assert_eq!(file(&made, "persons.template.yaml"), expect);
    assert_eq!(file(&made, "snazzy.instance.yaml")["secrets"], json!({ "key": { "env": "SNAZZY_KEY" } }));
    assert_eq!(codes(&made, Severity::Error), ["M0502", "M0707"]);
    for code in ["M0103", "M0401", "M0404", "M0501", "M0609", "M0710"] {
        assert!(codes(&made, Severity::Warning).contains(&code), "{code}");
    }
    let command = &made.images.iter().find(|image| image.connector == "snazzy").unwrap().command;
    assert_eq!(command, "sluice component adopt acme/snazzy:1 --name snazzy");
    let all: String = made.files.iter().map(|file| file.text.as_str()).collect();
    assert!(!all.contains("hunter2"));
}

#[test]
fn components_can_be_named() {
    let connectors = [("5ca5c44c187c040010a9bb8c".to_owned(), "my-code".to_owned())].into();
    let made = imported(
        Platform::Oih,
        &flow("getPersons", Some("* * * * *")),
        &Options { connectors, ..Options::default() },
    );
    assert_eq!(file(&made, "persons.template.yaml")["steps"][1]["use"], "my-code/transform");
}

#[test]
fn what_starts_a_flow_is_found_or_told() {
    let start = |first: &str, cron: Option<&str>| {
        let made = imported(Platform::Oih, &json!([flow(first, cron), component()]), &Options::default());
        (file(&made, "persons.template.yaml")["steps"][0].clone(), codes(&made, Severity::Note))
    };
    let (step, _) = start("upsertPerson", Some("0 7 * * *"));
    assert_eq!(step, json!({ "id": "start", "use": "timer/tick", "schedule": { "cron": "0 7 * * *" } }));
    let (step, _) = start("upsertPerson", None);
    assert_eq!(step, json!({ "id": "start", "use": "imported-webhook/receive" }));
}

#[test]
fn what_is_put_in_front_of_an_action_goes_through_its_transformation() {
    for (cron, uses) in [(Some("0 7 * * *"), "timer/tick"), (None, "imported-webhook/receive")] {
        let mut document = flow("upsertPerson", cron);
        document["graph"]["nodes"][0]["nodeSettings"] =
            json!({ "applyTransform": "before", "transformFunction": "{ 'data': { 'n': data.name } }" });
        let made = imported(Platform::Oih, &json!([document, component()]), &Options::default());
        let steps = file(&made, "persons.template.yaml")["steps"].clone();
        assert_eq!(steps[0]["use"], uses);
        assert_eq!(steps[1]["input"], "= ({ 'data': { 'n': body.name } }).data");
        assert!(codes(&made, Severity::Warning).contains(&"M0609"), "{:?}", made.findings);
    }
}

#[test]
fn components_that_come_with_sluice_are_installed_and_not_adopted() {
    let connectors = [("5ca5c44c187c040010a9bb8c".to_owned(), "http".to_owned())].into();
    let document = json!([flow("upsertPerson", Some("0 7 * * *")), component()]);
    let made = imported(Platform::Oih, &document, &Options { connectors, ..Options::default() });
    let version = env!("CARGO_PKG_VERSION");
    let commands: Vec<&str> = made.images.iter().map(|image| image.command.as_str()).collect();
    let expect = [
        format!("sluice connector install sluice/http:{version}"),
        "sluice component adopt acme/snazzy:1 --name snazzy".to_owned(),
        format!("sluice connector install sluice/timer:{version}"),
    ];
    assert_eq!(commands, expect);
    assert!(!codes(&made, Severity::Warning).contains(&"M0404"));
}

#[test]
fn a_flow_that_nothing_starts_is_told() {
    let import = |cron| {
        crate::import(Platform::Oih, &flow("getPersons", cron).to_string(), &Options::default()).unwrap()
    };
    let made = import(None);
    super::faults(&made, &[]);
    assert!(codes(&made, Severity::Error).contains(&"M0302"));
    let made = import(Some("* /2 * * * *"));
    assert!(codes(&made, Severity::Error).contains(&"M0303"));
    assert!(file(&made, "persons.template.yaml")["steps"][0].get("schedule").is_none());
}

#[test]
fn what_an_edge_says_is_taken_over_and_told() {
    let document = json!({ "graph": { "nodes": [
            { "id": "trigger", "componentId": "test-component", "function": "testTrigger" },
            { "id": "gate", "componentId": "logicGateway", "function": "exec", "nodeSettings": { "applyTransform": "after",
                "transformFunction": "{'data': data.inner}" }, "fields": { "command": "run-next-steps" } },
            { "id": "positive", "componentId": "test-component", "function": "testAction" },
        ], "edges": [
            { "source": "trigger", "target": "gate", "config": { "condition": "a > 1", "mapper": { "b": "c" } } },
            { "source": "gate", "target": "positive" },
        ] }, "cron": "* * * * *" });
    let made = imported(Platform::Oih, &document, &Options::default());
    let steps = file(&made, "imported-flow.template.yaml")["steps"].clone();
    assert_eq!(steps[1]["when"], "= body.a > 1");
    assert_eq!(steps[1]["input"], json!({ "b": "= body.c" }));
    assert_eq!(steps[2]["input"], "= ({'data': body.inner}).data");
    assert_eq!(codes(&made, Severity::Error), ["M0706"]);
    assert!(codes(&made, Severity::Warning).contains(&"M0605"));
}
