//! Small valid things to test with.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use secrecy::SecretString;
use serde_json::json;
use sluice_domain::compiled::{Carry, CompiledFlow, CompiledStep};
use sluice_domain::oauth::{ClientAuth, TokenBody, TokenFields};
use sluice_domain::topology::LaneName;
use sluice_domain::{
    Connector, DeadLetter, DeadLetterId, DeadLetterState, DeadReason, Delay, DeploymentSpec, ErrorRoute,
    Flow, FlowId, FlowVersion, Gate, Instance, Intent, Limits, PinnedImage, RetryPolicy, RunStatus, Scope,
    Source, StepAddress, StepId, StepRun, Template,
};
use sluice_ports::oauth::{Client, Endpoint};
use sluice_protocol::gateway::Role;
use sluice_protocol::{Descriptor, ErrorInfo, ExecutionId, MessageId, Port};

/// A time, so many seconds after noon of 2026-01-01, UTC.
#[must_use]
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(1_767_268_800 + seconds)
}

/// An endpoint of a provider of tokens with nothing unusual about it. The client's secret is `client-secret`.
#[must_use]
pub fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.parse().expect("a valid URL"),
        client: Client {
            id: "client".to_owned(),
            secret: Some(SecretString::from("client-secret")),
            auth: ClientAuth::Header,
        },
        body: TokenBody::Form,
        params: BTreeMap::new(),
        headers: BTreeMap::new(),
        fields: TokenFields::default(),
        scope_separator: ' ',
    }
}

/// A connector with the polling trigger `tick` and the action `push`.
#[must_use]
pub fn connector(name: &str, version: &str) -> Connector {
    let descriptor = json!({
        "name": name, "version": version, "title": name,
        "triggers": { "tick": { "title": "Tick", "kind": "polling" } },
        "actions": { "push": { "title": "Push" } },
    });
    Connector {
        descriptor: Descriptor::from_json(&descriptor.to_string()).expect("a valid descriptor"),
        source: Source::Image(PinnedImage {
            image: format!("sluice/{name}:{version}").parse().expect("a valid image"),
            digest: format!("sha256:{}", "0".repeat(64)).parse().expect("a valid digest"),
        }),
        installed_at: at(0),
    }
}

/// An instance of the connector `crm` with one plain setting.
#[must_use]
pub fn instance(name: &str) -> Instance {
    Instance {
        name: name.parse().expect("a valid name"),
        connector: "crm".parse().expect("a valid name"),
        settings: json!({ "url": "https://crm.example" }).as_object().cloned().unwrap_or_default(),
        secret_fields: BTreeSet::from(["password".to_owned()]),
        secret_revisions: BTreeMap::from([("password".to_owned(), 1)]),
        uses: [("billing".parse().expect("a valid name"), "billing-main".parse().expect("a valid name"))]
            .into(),
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A template without steps.
#[must_use]
pub fn template(name: &str, version: &str) -> Template {
    Template {
        name: name.parse().expect("a valid name"),
        version: version.parse().expect("a valid version"),
        title: "A template".to_owned(),
        description: String::new(),
        parameters: Some(json!({ "type": "object" })),
        instances: BTreeMap::new(),
        steps: Vec::new(),
    }
}

/// A flow of the template of the same name.
#[must_use]
pub fn flow(id: u128, name: &str, version: u32) -> Flow {
    Flow {
        id: FlowId::from_bits(id),
        name: name.parse().expect("a valid name"),
        template: name.parse().expect("a valid template reference"),
        params: json!({ "rate": 1.5, "big": 9_007_199_254_740_993_u64 }),
        instances: BTreeMap::from([("crm".parse().expect("an alias"), "crm-1".parse().expect("a name"))]),
        version: FlowVersion(version),
        intent: Intent::Run,
        created_at: at(0),
        updated_at: at(i64::from(version)),
    }
}

/// A version of a flow: the trigger `tick` of the connector `timer`, then the action `push` of `crm`.
#[must_use]
pub fn compiled(flow: &Flow) -> CompiledFlow {
    let push = step("push");
    let mut tick = compiled_step(flow.id, "timer", "tick", Role::Polling);
    tick.next = BTreeMap::from([(Port::default(), vec![push.clone()])]);
    CompiledFlow {
        id: flow.id,
        name: flow.name.clone(),
        version: flow.version,
        template: flow.template.name.clone(),
        template_version: semver::Version::new(1, 0, 0),
        params: flow.params.clone(),
        steps: BTreeMap::from([
            (step("tick"), Box::new(tick)),
            (push, Box::new(compiled_step(flow.id, "crm", "push", Role::Action))),
        ]),
    }
}

/// A step's id.
#[must_use]
pub fn step(id: &str) -> StepId {
    id.parse().expect("a valid step id")
}

fn compiled_step(flow: FlowId, component: &str, function: &str, role: Role) -> CompiledStep {
    let connector = connector(component, "1.0.0");
    let pinned = connector.image().expect("it has an image");
    let deployment = DeploymentSpec::new(&connector, pinned, Scope::Shared, Limits::default());
    CompiledStep {
        function: function.parse().expect("a valid function"),
        role,
        lane: LaneName::of_step(deployment.id, flow, &step(function)),
        deployment,
        instance: None,
        config: json!({}),
        gate: Gate::default(),
        next: BTreeMap::new(),
        carries: Carry::nothing(),
        schedule: None,
        retry: RetryPolicy::default(),
        timeout: Delay::seconds(60),
        concurrency: 1,
        on_error: ErrorRoute::DeadLetter,
        closes_with: None,
    }
}

/// A step run of the step `push` of version 1 of the flow 1, at attempt 1 and time `at(0)`.
#[must_use]
pub fn run(id: u128, execution: u128, status: RunStatus) -> StepRun {
    StepRun {
        id: MessageId::from_bits(id),
        execution: ExecutionId::from_bits(execution),
        flow: FlowId::from_bits(1),
        version: FlowVersion(1),
        step: step("push"),
        status,
        attempt: 1,
        input: None,
        output: None,
        context: None,
        error: None,
        micros: 0,
        at: at(0),
    }
}

/// A waiting dead letter of the step `push` of version 1 of the flow 1, from the time `at(id)`.
#[must_use]
pub fn dead_letter(id: u32) -> DeadLetter {
    let message = MessageId::from_bits(u128::from(id));
    let created_at = at(i64::from(id));
    DeadLetter {
        id: DeadLetterId::from_bits(u128::from(id)),
        message,
        execution: Some(ExecutionId::from_bits(7)),
        step: Some(StepAddress { flow: FlowId::from_bits(1), version: FlowVersion(1), step: step("push") }),
        reason: DeadReason::Exhausted,
        error: ErrorInfo::new("http_503", "The other side is away.", true),
        attempts: 5,
        suspected: 1,
        exit: Some(sluice_domain::ExitInfo { code: 137, out_of_memory: true }),
        body: r#"{"n": 1.10}"#.to_owned(),
        headers: json!({ "x": 1 }).as_object().cloned().unwrap_or_default(),
        context: Some("{}".to_owned()),
        state: DeadLetterState::Waiting,
        redrives: 0,
        created_at,
        updated_at: created_at,
    }
}
