//! Declarative connectors: their faults at their lines, and steps that use them.

use serde_json::json;
use sluice_domain::{FlowId, FlowVersion};

use crate::fixtures::{catalogue, check, lines, read_text};
use crate::{Catalogue, Demand, check_instance, check_template, compile};

const CRM: &str = "\
sluice: 1
kind: connector
name: crm
version: 1.2.0
title: CRM
variables: { type: object, required: [url], properties: { url: { type: string } } }
http: { base_url: = vars.url }
auth: { type: basic }
actions:
  create:
    title: Create a contact
    input: { type: object }
    request: { method: POST, path: /contacts, body: { value: $.input } }
triggers:
  changed:
    title: Changed contacts
    kind: polling
    config: { type: object, required: [list], properties: { list: { type: string } } }
    request: { path: \"/lists/{list}\" }
";

const USE: &str = "\
---
sluice: 1
kind: instance
name: crm-eu
connector: crm
settings: { url: https://crm.example }
secrets: { username: { env: U }, password: { env: P } }
---
sluice: 1
kind: template
name: copy
version: 1.0.0
instances: { crm: { connector: crm } }
steps:
  - { id: changed, use: crm/changed, config: { list: all }, schedule: { every: 1m } }
  - { id: create, use: crm/create }
";

/// The fixtures' catalogue with `rest`, where it is wanted, and the connectors of the text.
fn with(text: &str, rest: bool) -> Catalogue {
    let (documents, report) = read_text(text);
    assert!(!report.has_errors(), "{report}");
    let mut catalogue = catalogue();
    if rest {
        let descriptor = json!({
            "name": "rest", "version": "0.1.0", "title": "Declarative REST",
            "actions": { "call": { "title": "Call" } },
            "triggers": { "poll": { "title": "Poll", "kind": "polling" } },
        });
        catalogue.connectors.push(crate::fixtures::connector(descriptor));
    }
    let now = chrono::DateTime::UNIX_EPOCH;
    catalogue.connectors.extend(documents.connectors.iter().map(|doc| doc.connector(now)));
    catalogue
}

#[test]
fn all_faults_of_a_connector_are_found_at_their_lines() {
    check(
        "\
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
htpp: {}
http: { base_url: https://crm.example, timeout_seconds: 0 }
actions:
  list: { title: List, request: { path: /x, metod: GET }, pagination: { type: pages } }
",
        "F0011 6: there is no field `htpp` here
         F0010 7: 0 is less than the minimum of 1
         F0011 9: there is no field `metod` here
         F0010 9: \"pages\" is not one of \"page\", \"offset\" or 4 other candidates",
    );
    check(
        "\
sluice: 1
kind: connector
name: crm
version: 1.0.0
title: CRM
http: { base_url: crm.example }
auth: { type: api_key }
test: ping
actions:
  list:
    title: List
    input: { type: object, properties: { a: { type: txt } } }
    output: { $ref: \"#/datatypes/list\" }
    request: { method: get, path: \"/lists/{id}\", query: { q: \"= 1 +\" } }
    response: { result: body }
    pagination: { type: page }
",
        "F0010 6: `base_url` is neither a URL nor an expression
         F0010 7: an API key needs the `name` of its header, parameter or cookie
         F0010 8: `test` names the action `ping`, which is not described
         F0057 12: \"txt\" is not valid under any of the schemas listed in the 'anyOf' keyword
         F0010 13: there is no datatype `list`
         F0010 14: `get` is no method
         F0010 14: nothing gives the path its `id`
         F0056 14: not a JSONata expression: S0207: Unexpected end of expression
         F0056 15: `body` is no expression
         F0010 16: this type of pagination needs `param`, the parameter that gets the number or token",
    );
}

#[test]
fn a_step_of_a_declarative_connector_runs_in_rest_with_its_part_of_the_file() {
    let text = format!("{CRM}{USE}");
    let catalogue = with(&text, true);
    let (documents, _) = read_text(&text);
    assert_eq!(lines(&check_instance(&documents.instances[0], &catalogue)), "");
    let demand = Demand {
        doc: &documents.templates[0],
        flow: FlowId::from_bits(1),
        name: "copy".parse().unwrap(),
        version: FlowVersion(1),
        params: json!({}),
        instances: [("crm".parse().unwrap(), "crm-eu".parse().unwrap())].into(),
    };
    let mut catalogue = catalogue;
    let facts = crate::InstanceFacts {
        connector: "crm".parse().unwrap(),
        settings: documents.instances[0].settings.clone(),
        secret_fields: ["username".to_owned(), "password".to_owned()].into(),
        uses: std::collections::BTreeMap::new(),
        granted: None,
    };
    catalogue.instances.insert("crm-eu".parse().unwrap(), facts);
    let (flow, report) = compile(&demand, &catalogue);
    let flow = flow.unwrap_or_else(|| panic!("{report}"));
    let create = &flow.steps[&"create".parse::<sluice_domain::StepId>().unwrap()];
    assert_eq!((create.function.as_str(), create.deployment.component.as_str()), ("call", "rest"));
    assert_eq!(create.config["connector"], "crm@1.2.0");
    assert_eq!(create.config["function"], "create");
    let changed = &flow.steps[&"changed".parse::<sluice_domain::StepId>().unwrap()];
    assert_eq!(changed.function.as_str(), "poll");
    assert_eq!(changed.config["config"], json!({ "list": "all" }));
    assert_eq!(changed.deployment.id, create.deployment.id);
}

const HOOK: &str = "\
sluice: 1
kind: connector
name: shop
version: 1.0.0
title: Shop
triggers:
  paid:
    title: An order was paid
    kind: webhook
    signature: { preset: shopify }
";

const HEAR: &str = "\
---
sluice: 1
kind: template
name: hear
version: 1.0.0
instances: { shop: { connector: shop } }
steps:
  - { id: paid, use: shop/paid }
  - { id: note, use: log/write }
";

#[test]
fn faults_of_a_webhook_are_found_at_their_lines() {
    let hook = HOOK
        .replace("preset: shopify", "preset: shoply")
        .replace("kind: webhook", "kind: webhook\n    filtre: x");
    check(
        &hook,
        "F0011 10: there is no field `filtre` here
         F0010 11: \"shoply\" is not one of \"standard\", \"github\" or 5 other candidates",
    );
    check(
        &HOOK.replace("kind: webhook", "kind: polling"),
        "F0010 8: \"request\" is a required property
         F0011 10: there is no field `signature` here",
    );
}

#[test]
fn a_webhook_is_a_step_that_no_component_serves() {
    let text = format!("{HOOK}{HEAR}");
    let mut catalogue = with(&text, true);
    let (documents, _) = read_text(&text);
    let mut compile_with = |secrets: &[&str]| {
        let facts = crate::InstanceFacts {
            connector: "shop".parse().unwrap(),
            settings: serde_json::Map::new(),
            secret_fields: secrets.iter().map(|name| (*name).to_owned()).collect(),
            uses: std::collections::BTreeMap::new(),
            granted: None,
        };
        catalogue.instances.insert("shop-eu".parse().unwrap(), facts);
        let demand = Demand {
            doc: &documents.templates[0],
            flow: FlowId::from_bits(1),
            name: "hear".parse().unwrap(),
            version: FlowVersion(1),
            params: json!({}),
            instances: [("shop".parse().unwrap(), "shop-eu".parse().unwrap())].into(),
        };
        compile(&demand, &catalogue)
    };
    assert!(lines(&compile_with(&[]).1).contains("signing_secret"));
    let (flow, report) = compile_with(&["signing_secret"]);
    let flow = flow.unwrap_or_else(|| panic!("{report}"));
    let paid = &flow.steps[&"paid".parse::<sluice_domain::StepId>().unwrap()];
    assert_eq!((paid.function.as_str(), paid.role), ("paid", sluice_protocol::gateway::Role::Webhook));
    assert_eq!(paid.config["webhook"]["signature"]["preset"], "shopify");
    let deployments = flow.deployments();
    assert!(deployments.iter().all(|spec| spec.component.as_str() == "log"), "{deployments:?}");
}

#[test]
fn a_webhook_has_no_schedule_and_needs_an_instance() {
    let text = format!("{HOOK}{HEAR}").replace("shop/paid }", "shop/paid, schedule: { every: 1m } }");
    let (documents, _) = read_text(&text);
    let report = lines(&check_template(&documents.templates[0], &with(&text, true)));
    assert!(report.contains("its schedule has no effect"), "{report}");
    let text = format!("{HOOK}{HEAR}").replace("instances: { shop: { connector: shop } }\n", "");
    let (documents, _) = read_text(&text);
    let report = lines(&check_template(&documents.templates[0], &with(&text, true)));
    assert!(report.contains("and so an instance"), "{report}");
}

#[test]
fn the_config_of_a_step_is_checked_against_the_file() {
    let text = format!("{CRM}{}", USE.replace("list: all", "lst: all"));
    let (documents, _) = read_text(&text);
    let report = lines(&check_template(&documents.templates[0], &with(&text, true)));
    assert!(report.contains("F0039") && report.contains("list"), "{report}");
}

#[test]
fn without_rest_a_declarative_connector_cannot_be_used() {
    let text = format!("{CRM}{USE}");
    let (documents, _) = read_text(&text);
    let report = lines(&check_template(&documents.templates[0], &with(&text, false)));
    assert_eq!(report.matches("F0058").count(), 2, "{report}");
}

const CLOUD: &str = "\
sluice: 1
kind: connector
name: cloud
version: 1.0.0
title: Cloud
http: { base_url: https://cloud.example.com }
auth:
  type: oauth2
  oauth2:
    authorize_url: https://login.example/authorize
    token_url: https://login.example/token
    scopes: [files.read, files.write]
actions:
  list: { title: List, scopes: [files.read], request: { path: /files } }
  save: { title: Save, scopes: [files.read, files.write], request: { method: POST, path: /files } }
---
sluice: 1
kind: template
name: save
version: 1.0.0
instances: { cloud: { connector: cloud } }
steps:
  - { id: tick, use: timer/tick, schedule: { every: 1h } }
  - { id: list, use: cloud/list }
  - { id: save, use: cloud/save }
";

#[test]
fn a_flow_needs_what_its_instances_were_granted() {
    let mut catalogue = with(CLOUD, true);
    let (documents, report) = read_text(CLOUD);
    assert!(report.is_empty(), "{report}");
    let mut faults = |granted: Option<&[&str]>| {
        let facts = crate::InstanceFacts {
            connector: "cloud".parse().unwrap(),
            settings: serde_json::Map::new(),
            secret_fields: ["client_id".to_owned(), "client_secret".to_owned()].into(),
            uses: std::collections::BTreeMap::new(),
            granted: granted.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        };
        catalogue.instances.insert("cloud-eu".parse().unwrap(), facts);
        let demand = Demand {
            doc: &documents.templates[0],
            flow: FlowId::from_bits(1),
            name: "save".parse().unwrap(),
            version: FlowVersion(1),
            params: json!({}),
            instances: [("cloud".parse().unwrap(), "cloud-eu".parse().unwrap())].into(),
        };
        lines(&compile(&demand, &catalogue).1)
    };
    assert_eq!(faults(None), "", "nobody has authorised it yet");
    assert_eq!(faults(Some(&["files.read", "files.write", "more"])), "");
    assert_eq!(
        faults(Some(&["files.read"])),
        "F0060 25: the instance `cloud-eu` was not granted `files.write`, which `save` needs\n"
    );
}
