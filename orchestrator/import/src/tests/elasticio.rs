//! Documents of elastic.io.

use serde_json::{Value, json};

use super::{codes, file, first_line, imported};
use crate::{ImportError, Options, Platform, Severity, import};

fn flow(graph: Value) -> Value {
    json!({ "data": { "type": "flow", "id": "f1", "attributes": {
        "name": "Orders to CRM", "default_mapper_type": "jsonata", "cron": "*/5 * * * *", "graph": graph,
    }, "relationships": { "workspace": {} } } })
}

#[test]
fn a_flow_becomes_a_template() {
    let mut document = flow(json!({
        "nodes": [
            { "id": "step_1", "command": "acme/shop:getOrders@latest", "fields": { "page": 10, "path": "$.x" },
              "credentials_id": { "credentialId": "615709ccb0bc08001129de87", "credentialName": "Shop EU" } },
            { "id": "step_2", "command": "acme/jsonata:transform@abc", "fields": { "expression": "{ 'a': a }" } },
            { "id": "step_3", "command": "acme/crm:upsertContact", "secret_id": "main-crm", "vpn_agent_id": "v" },
        ],
        "edges": [
            { "id": "step_1:step_2", "source": "step_1", "target": "step_2" },
            { "source": "step_2", "target": "step_3", "config": { "mapper_type": "jsonata", "condition": null, "mapper": {
                "email": "customer.email", "kind": "\"order\"",
                "order": "$getPassthrough().\"step_1\".body.id",
            } } },
        ],
    }));
    document["data"]["attributes"]["nodes_config"] =
        json!({ "step_2": { "prefetch": 4, "log_level": "info", "odd": 1 }, "step_9": {} });
    let made = imported(Platform::Elasticio, &document, &Options::default());
    let expect = json!({
        "sluice": 1, "kind": "template", "name": "orders-to-crm", "version": "1.0.0", "title": "Orders to CRM",
        "instances": { "main-crm": { "connector": "crm" }, "shop-eu": { "connector": "shop" } },
        "steps": [
            { "id": "step_1", "use": "shop-eu/get_orders", "config": { "page": 10, "path": "\\$.x" },
              "schedule": { "cron": "*/5 * * * *" } },
            { "id": "step_2", "use": "jsonata/transform", "config": { "expression": "{ 'a': a }" }, "concurrency": 4 },
            { "id": "step_3", "use": "main-crm/upsert_contact", "input": {
                "email": "= body.customer.email", "kind": "order", "order": "= steps.step_1.body.id",
            } },
        ],
    });
    assert_eq!(file(&made, "orders-to-crm.template.yaml"), expect);
    assert_eq!(file(&made, "shop-eu.instance.yaml")["connector"], "shop");
    assert_eq!(codes(&made, Severity::Warning), ["M0103", "M0404", "M0501", "M0711"]);
    let commands: Vec<&str> = made.images.iter().map(|image| image.command.as_str()).collect();
    assert_eq!(commands[0], "sluice component adopt IMAGE --name crm");
    let deploys =
        "sluice apply -f orders-to-crm.template.yaml --instance main-crm=main-crm --instance shop-eu=shop-eu";
    assert_eq!(first_line(&made, "orders-to-crm.template.yaml"), deploys);
}

#[test]
fn a_recipe_becomes_templates_with_parameters() {
    let node = |id: &str, error: bool| json!({ "id": id, "command": "acme/mail:send", "error": error });
    let graph = json!({
        "nodes": [node("get", false), node("send", false), node("error_all", true)],
        "edges": [
            { "source": "get", "target": "send", "config": { "mapper": { "cc": "$getFlowVariables().email" } } },
            { "source": null, "target": "error_all", "config": { "mapper": { "text": "error.message" }, "error": true } },
        ],
    });
    let document = json!({ "data": { "type": "recipe", "attributes": {
        "info": { "title": "Pets", "description": "Long.", "short_description": "Short." },
        "declarations": { "variables": [{ "id": "email", "title": "Email", "help": { "description": "To" } }],
            "credentials": [{ "id": "shop", "help": { "description": "Yours" } }] },
        "flow_templates": [{ "title": "One", "graph": graph }, { "title": "Two", "graph": graph }],
    } } });
    let made = imported(Platform::Elasticio, &document, &Options::default());
    let template = file(&made, "one.template.yaml");
    assert_eq!(template["description"], "Short.\n\nLong.");
    assert_eq!(template["parameters"]["required"], json!(["email"]));
    assert_eq!(template["parameters"]["properties"]["email"]["title"], "Email");
    assert_eq!(template["steps"][1]["input"], json!({ "cc": "= params.email" }));
    assert_eq!(template["steps"][1]["on_error"], json!({ "to": "error_all" }));
    let handler = json!({ "id": "error_all", "use": "mail/send", "after": [] });
    assert_eq!(template["steps"][2], handler);
    assert_eq!(file(&made, "two.template.yaml")["title"], "Two");
    assert!(codes(&made, Severity::Warning).contains(&"M0701"));
    assert_eq!(first_line(&made, "one.template.yaml"), "sluice apply -f one.template.yaml --set email=VALUE");
}

#[test]
fn a_router_becomes_conditions() {
    let node = |id: &str, command: &str| json!({ "id": id, "command": command });
    let document = flow(json!({
        "nodes": [node("in", "acme/webhook:receive"), node("router", "acme/router:route"), node("one", "acme/code:execute"),
            node("two", "acme/code:execute"), node("other", "acme/code:execute")],
        "edges": [
            { "source": "in", "target": "router" },
            { "source": "router", "target": "one", "config": { "condition": "$number(test) > 10" } },
            { "source": "router", "target": "two", "config": { "condition": "kind = 'b'",
                "mapper": { "x": "$getPassthrough().router.body.y" } } },
            { "source": "router", "target": "other" },
        ],
    }));
    let made = imported(Platform::Elasticio, &document, &Options::default());
    let steps = file(&made, "orders-to-crm.template.yaml")["steps"].clone();
    assert_eq!(
        steps,
        json!([
            { "id": "in", "use": "imported-webhook/receive" },
            { "id": "one", "use": "code/execute", "when": "= $number(body.test) > 10" },
            { "id": "two", "use": "code/execute", "after": "in", "when": "= body.kind = 'b'", "input": { "x": "= steps.`in`.body.y" } },
            { "id": "other", "use": "code/execute", "after": "in",
              "when": "= $not(($number(body.test) > 10) or (body.kind = 'b'))" },
        ])
    );
    assert!(made.files.iter().any(|file| file.path == "imported-webhook.connector.yaml"));
    assert!(made.images.iter().all(|image| image.connector != "webhook"), "{:?}", made.images);
    assert!(codes(&made, Severity::Note).contains(&"M0702"));
    let deploys = "sluice apply -f imported-webhook.connector.yaml -f orders-to-crm.template.yaml";
    assert_eq!(first_line(&made, "orders-to-crm.template.yaml"), deploys);
    let rest = made.images.iter().find(|image| image.connector == "rest").unwrap();
    assert!(rest.command.starts_with("sluice connector install sluice/rest:"), "{}", rest.command);
}

#[test]
fn a_task_of_the_first_api_becomes_a_template() {
    let document = json!({ "name": "Hook", "nodes": [
        { "function": "elasticio/webhook:receive", "config": { "payload": "email" } },
        { "function": "elasticio/mapper:map", "config": { "mapper": { "mail": "{{email}}", "type": "html" },
            "lookup_tables": { "a": "b" } } },
        { "function": "elasticio/mailchimp:subscribe", "account": "54536902230d250700000016", "config": { "listId": "8" } },
    ] });
    let made = imported(Platform::Elasticio, &document, &Options::default());
    let steps = file(&made, "hook.template.yaml")["steps"].clone();
    assert_eq!(
        steps,
        json!([
            { "id": "step_1", "use": "imported-webhook/receive" },
            { "id": "step_3", "use": "mailchimp/subscribe", "config": { "listId": "8" },
              "input": { "mail": "= $string(body.email)", "type": "html" } },
        ])
    );
    assert_eq!(codes(&made, Severity::Error), ["M0607"]);
    let connected = json!({ "recipe": {
        "nodes": [{ "id": "a", "compId": "c1", "function": "x/timer:timer" }, { "id": "b", "function": "x/log:write" }],
        "connections": [{ "from": "a", "to": "b", "mapper": { "t": "fireTime" } }],
    } });
    let made = imported(Platform::Elasticio, &connected, &Options::default());
    let steps = file(&made, "imported-flow.template.yaml")["steps"].clone();
    assert_eq!(steps[1]["input"], json!({ "t": "= body.fireTime" }));
    assert_eq!(steps[0]["schedule"], json!({ "cron": "*/10 * * * *" }));
    assert_eq!(steps[0]["use"], "elasticio-timer/timer", "there is a connector of ours with that name");
}

#[test]
fn a_webhook_with_credentials_and_components_that_read_behind_it_are_told() {
    let document = flow(json!({
        "nodes": [{ "id": "in", "command": "acme/webhook:receive", "credentials_id": "basic" },
            { "id": "out", "command": "acme/jsonata:transform", "fields": { "expression": "$getPassthrough().in.body" } }],
        "edges": [{ "source": "in", "target": "out" }],
    }));
    let made = imported(Platform::Elasticio, &document, &Options::default());
    assert_eq!(codes(&made, Severity::Error), ["M0306", "M0602"]);
    let step = &file(&made, "orders-to-crm.template.yaml")["steps"][1];
    assert_eq!(step["config"]["_passthrough"], true);
}

#[test]
fn unsound_graphs_are_made_sound_and_told() {
    let node = |id: &str| json!({ "id": id, "command": format!("acme/log:{id}") });
    let document = flow(json!({
        "nodes": [node("a"), node("b"), node("c"), node("a"), node("alone"), { "command": "acme/log:x" }],
        "edges": [
            { "source": "a", "target": "b" }, { "source": "b", "target": "c" }, { "source": "c", "target": "b" },
            { "source": "b", "target": "b" }, { "source": "c", "target": "nowhere" }, { "source": "a", "target": "c",
                "config": { "mapper": { "x": "y" } } }, { "source": "a" },
        ],
    }));
    let made = imported(Platform::Elasticio, &document, &Options::default());
    let steps = file(&made, "orders-to-crm.template.yaml")["steps"].clone();
    let ids: Vec<&str> = steps.as_array().unwrap().iter().filter_map(|step| step["id"].as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(codes(&made, Severity::Error), ["M0201", "M0202", "M0203", "M0204", "M0205", "M0206"]);
}

#[test]
fn a_component_alone_gives_an_instance_to_fill_in() {
    let component = json!({ "title": "Shop", "credentials": { "fields": {
            "url": { "viewClass": "TextFieldView", "required": true },
            "password": { "viewClass": "PasswordFieldView", "required": true }, "region": { "viewClass": "TextFieldView" },
        } },
        "actions": { "getOrders": { "main": "./a.js", "title": "Get" } } });
    let made = imported(Platform::Elasticio, &component, &Options::default());
    let instance = file(&made, "shop.instance.yaml");
    assert_eq!(instance["secrets"], json!({ "password": { "env": "SHOP_PASSWORD" } }));
    assert_eq!(instance["settings"], json!({ "url": "CHANGE_ME" }));
    assert!(made.files.iter().any(|file| file.path == "components/shop/component.json"));
    // With the record beside a flow, its functions are known.
    let document = flow(json!({ "nodes": [{ "id": "s", "command": "acme/shop:getOrder" }] }));
    let options =
        Options { components: vec![("shop".to_owned(), component.to_string())], ..Options::default() };
    let made = import(Platform::Elasticio, &document.to_string(), &options).unwrap();
    super::faults(&made, &["F0022"]);
    assert!(codes(&made, Severity::Error).contains(&"M0403"), "{:?}", made.findings);
}

#[test]
fn what_is_none_of_it_is_refused() {
    let refused = |text: &str| import(Platform::Elasticio, text, &Options::default()).unwrap_err();
    assert!(matches!(refused("{"), ImportError::Unreadable(_)));
    assert!(matches!(refused("a: [b"), ImportError::Unreadable(_)));
    assert_eq!(refused("3"), ImportError::Nothing(Platform::Elasticio));
    assert_eq!(refused(&("[".repeat(70) + &"]".repeat(70))), ImportError::TooDeep);
    assert_eq!(refused(&" ".repeat(crate::MAX_BYTES + 1)), ImportError::TooLarge);
    let oih = r#"{"graph":{"nodes":[{"id":"a","componentId":"x","function":"f"}]}}"#;
    assert_eq!(refused(oih), ImportError::Other { platform: Platform::Oih });
    let many = vec![json!({ "nodes": [] }); crate::MAX_FLOWS + 1];
    assert_eq!(refused(&json!(many).to_string()), ImportError::TooMany);
}
