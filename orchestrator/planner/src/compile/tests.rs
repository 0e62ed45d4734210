//! Compiled flows, and the law of carried outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_domain::compiled::{Carry, CompiledFlow};
use sluice_domain::{ErrorRoute, StepId};

use crate::fixtures::{compile_text, lines, template};
use crate::graph;

const ORDERS: &str = "\
parameters:
  type: object
  required: [exchange]
  properties:
    exchange: { type: string }
    minimum: { type: number, default: 5 }
    proxy: { type: object, properties: { port: { type: integer, default: 80 } } }
    tls: { type: object, required: [cert], properties: { cert: { type: string }, depth: { default: 3 } } }
    servers: { type: array, items: { type: object, properties: { weight: { default: 1 } } } }
instances:
  shop: { connector: rabbitmq, version: ^1 }
steps:
  - { id: orders, use: shop/listen, config: { exchange: = params.exchange & '.in', routing_key: '\\$.x' } }
  - { id: sort, use: router/sort }
  - { id: push, use: http/request, after: sort.accepted, config: { url: $.params.exchange }, on_error: { to: alert } }
  - { id: last, use: log/write, after: [push, sort.rejected], input: { total: $.steps.orders.body.total } }
  - { id: alert, use: log/write, after: [], isolation: flow, input: { n: = steps.sort.body.n } }
";

fn good(params: Value) -> CompiledFlow {
    let (flow, report) = compile_text(&template(ORDERS), params, &[("shop", "shop-eu")]);
    flow.unwrap_or_else(|| panic!("{report}"))
}

fn ids(ids: &[&str]) -> BTreeSet<StepId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

#[test]
fn parameters_get_their_defaults_nested_ones_too() {
    let flow = good(json!({"exchange": "shop", "servers": [{}, {"weight": 2}]}));
    let expect = json!({"exchange": "shop", "servers": [{"weight": 1}, {"weight": 2}], "minimum": 5, "proxy": {"port": 80}});
    assert_eq!(flow.params, expect);
}

#[test]
fn configs_are_evaluated_with_the_parameters() {
    let flow = good(json!({"exchange": "shop"}));
    let config = |id: &str| flow.steps[&id.parse::<StepId>().unwrap()].config.clone();
    assert_eq!(config("orders"), json!({"exchange": "shop.in", "routing_key": "$.x"}));
    assert_eq!(config("push"), json!({"url": "shop"}));
}

#[test]
fn edges_go_by_port_and_outputs_are_carried_as_far_as_they_are_read() {
    let flow = good(json!({"exchange": "shop"}));
    let step = |id: &str| &flow.steps[&id.parse::<StepId>().unwrap()];
    assert_eq!(
        serde_json::to_value(&step("sort").next).unwrap(),
        json!({"accepted": ["push"], "rejected": ["last"]})
    );
    assert_eq!(step("orders").carries, Carry::nothing());
    assert_eq!(step("sort").carries, Carry::Only(ids(&["orders"])));
    assert_eq!(step("push").carries, Carry::Only(ids(&["orders", "sort"])));
    assert_eq!(step("last").carries, Carry::nothing());
    assert_eq!(step("orders").instance.as_ref().unwrap().as_str(), "shop-eu");
    assert_eq!(step("sort").lane.deployment(), step("sort").deployment.id);
    assert_ne!(step("alert").deployment.id, step("last").deployment.id);
}

#[test]
fn a_flow_is_drawn_as_text() {
    let expect = "\
orders  rabbitmq/listen, a listener (shop-eu)
  └─> sort
sort  router/sort
  ├─accepted> push
  └─rejected> last
push  http/request
  ├─> last
  └─! alert
last  log/write [input]
alert  log/write [input]
";
    let drawn = graph(&good(json!({"exchange": "shop"})));
    assert_eq!(drawn.replace("─ ", "─"), expect.replace("─ ", "─"), "\n{drawn}");
}

#[test]
fn what_does_not_fit_is_said_at_the_declaration() {
    let check = |params: Value, instance: &str, expect: &str| {
        let (flow, report) = compile_text(&template(ORDERS), params, &[("shop", instance)]);
        assert!(flow.is_none());
        assert_eq!(lines(&report).trim_end(), expect);
    };
    check(json!({}), "shop-eu", "F0042 6: \"exchange\" is a required property");
    check(json!([1]), "shop-eu", "F0042 6: the parameters must be an object");
    check(
        json!({"exchange": "x", "minimum": "y"}),
        "shop-eu",
        "F0042 10: `/minimum`: \"y\" is not of type \"number\"",
    );
    check(
        json!({"exchange": "x", "minimun": 1}),
        "shop-eu",
        "F0043 6: the template has no parameter `minimun`: did you mean `minimum`?",
    );
    check(
        json!({"exchange": "x"}),
        "shop-bare",
        "F0054 15: the instance `shop-bare`: \"url\" is a required property\nF0055 15: the instance `shop-bare`: the connector `rabbitmq` needs the secret `password`",
    );
}

#[test]
fn a_config_that_fails_with_these_parameters_says_so() {
    let text = template(
        "parameters: { type: object, properties: { level: { type: string } } }\nsteps:\n  - { id: tick, use: timer/tick, schedule: { every: 5m } }\n  - { id: a, use: log/write, config: { level: = params.level } }\n",
    );
    let (_, report) = compile_text(&text, json!({"level": "loud"}), &[]);
    assert_eq!(
        lines(&report),
        "F0039 8: with these parameters: \"loud\" is not one of \"info\" or \"warn\"\n"
    );
    let (flow, _) = compile_text(&text, json!({}), &[]);
    assert_eq!(flow.unwrap().steps[&"a".parse::<StepId>().unwrap()].config, json!({}));
}

/// Steps of a random graph: for each its predecessors, its error target and the steps that it reads, by number.
type Plan = Vec<(BTreeSet<usize>, Option<usize>, BTreeSet<usize>)>;

fn plans() -> impl Strategy<Value = Plan> {
    let step = (
        proptest::collection::btree_set(0..8_usize, 1..4),
        proptest::option::weighted(0.3, 1..4_usize),
        proptest::collection::btree_set(0..8_usize, 0..4),
    );
    proptest::collection::vec(step, 1..8)
}

/// What each step but the trigger reads, of the steps that a message to it can know.
fn known_reads(plan: &Plan) -> Vec<BTreeSet<usize>> {
    let mut known = vec![BTreeSet::new(); plan.len() + 1];
    let mut found = Vec::new();
    for (index, (before, error, reads)) in plan.iter().enumerate() {
        let number = index + 1;
        for from in before.iter().map(|from| from % number) {
            let more: Vec<usize> = known[from].iter().copied().chain([from]).collect();
            known[number].extend(more);
        }
        if let Some(skip) = error.filter(|skip| number + skip <= plan.len()) {
            let more: Vec<usize> = known[number].iter().copied().collect();
            known[number + skip].extend(more);
        }
        found.push(
            reads.iter().map(|read| read % number).filter(|read| known[number].contains(read)).collect(),
        );
    }
    found
}

/// A template of a plan. Step 0 is the trigger; edges only lead to later steps.
fn write(plan: &Plan) -> String {
    let mut text = String::from("steps:\n  - { id: s0, use: timer/tick, schedule: { every: 5m } }\n");
    for (index, ((before, error, _), reads)) in plan.iter().zip(known_reads(plan)).enumerate() {
        let number = index + 1;
        let after: BTreeSet<String> = before.iter().map(|from| format!("s{}", from % number)).collect();
        let after = after.into_iter().collect::<Vec<_>>().join(", ");
        write!(text, "  - {{ id: s{number}, use: log/write, after: [{after}]").unwrap();
        if let Some(skip) = error.filter(|skip| number + skip <= plan.len()) {
            write!(text, ", on_error: {{ to: s{} }}", number + skip).unwrap();
        }
        let reads: Vec<String> = reads.iter().map(|read| format!("r{read}: $.steps.s{read}.body")).collect();
        writeln!(text, ", input: {{ {} }} }}", reads.join(", ")).unwrap();
    }
    template(&text)
}

/// Sends a message through every way and says what each gate that reads a step on that way cannot find.
fn missing(flow: &CompiledFlow, reads: &BTreeMap<StepId, BTreeSet<StepId>>) -> Vec<String> {
    let mut faults = Vec::new();
    let start: StepId = "s0".parse().unwrap();
    // A message to a step: what it has with it, and which steps gave an output on its way.
    let mut waiting = vec![(start, BTreeSet::new(), BTreeSet::new())];
    while let Some((id, context, passed)) = waiting.pop() {
        let step = &flow.steps[&id];
        let mut send = |to: &StepId, known: BTreeSet<StepId>, passed: BTreeSet<StepId>| {
            for read in reads.get(to).into_iter().flatten() {
                if passed.contains(read) && !known.contains(read) {
                    faults.push(format!("{to} reads {read} after {id}"));
                }
            }
            let kept = known.into_iter().filter(|known| flow.steps[to].carries.has(known)).collect();
            waiting.push((to.clone(), kept, passed));
        };
        for to in step.next.values().flatten() {
            let with =
                |set: &BTreeSet<StepId>| set.iter().cloned().chain([id.clone()]).collect::<BTreeSet<_>>();
            send(to, with(&context), with(&passed));
        }
        if let ErrorRoute::To(to) = &step.on_error {
            send(to, context.clone(), passed.clone());
        }
    }
    faults
}

proptest! {
    #[test]
    fn whatever_a_gate_reads_is_there_when_it_is_evaluated(plan in plans()) {
        let text = write(&plan);
        let (flow, report) = compile_text(&text, json!({}), &[]);
        prop_assert!(!report.has_errors(), "{}", report);
        let flow = flow.unwrap();
        let name = |number: usize| format!("s{number}").parse::<StepId>().unwrap();
        let reads = known_reads(&plan).into_iter().enumerate();
        let reads = reads.map(|(at, reads)| (name(at + 1), reads.into_iter().map(name).collect())).collect();
        prop_assert_eq!(missing(&flow, &reads), Vec::<String>::new());
    }

    #[test]
    fn compiling_twice_gives_the_same_flow_and_an_empty_diff(plan in plans()) {
        let text = write(&plan);
        let (first, one) = compile_text(&text, json!({}), &[]);
        let (second, two) = compile_text(&text, json!({}), &[]);
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(one, two);
        if let (Some(first), Some(mut second)) = (first, second) {
            second.version = second.version.next();
            prop_assert!(crate::diff(Some(&first), &second).is_empty());
            prop_assert!(!crate::diff(None, &second).is_empty());
        }
    }
}
