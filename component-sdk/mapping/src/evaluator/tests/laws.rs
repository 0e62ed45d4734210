//! What holds for every tree and every document.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Reads, StepReads};

/// Any JSON value; strings include what looks like expressions.
fn any_value(text: &'static str) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has finite numbers", |n| n.is_finite()).prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-e]{1,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_root() -> impl Strategy<Value = Value> {
    let value = || any_value("[a-z]{0,3}");
    (value(), value(), value(), value(), value(), 0..9u8).prop_map(|(body, headers, x, y, params, attempt)| {
        json!({
            "body": body, "headers": headers, "params": params, "attempt": attempt, "item": { "a": attempt },
            "steps": { "a": { "body": x, "headers": { "a": 1 } }, "b": { "body": y, "headers": { "b": 2 } } },
            "flow": { "name": "f" }, "execution": { "id": "e" }
        })
    })
}

/// JSONata of every kind that reads in a way of its own.
const ATOMS: &[&str] = &[
    "body",
    "headers.a",
    "steps",
    "steps.a",
    "steps.a.body",
    "steps.b.headers",
    "steps.*",
    "steps.a.*",
    "$",
    "$$",
    "*",
    "**",
    "$.body",
    "$$.headers",
    "body.%",
    "$keys($)",
    "$keys()",
    "$lookup($$, 'body')",
    "$lookup('params')",
    "$string()",
    "steps.$keys()",
    "steps.$lookup('a')",
    "$each($$, function($v, $k) { $k })",
    "$.($.attempt)",
    "steps.(a).body",
    "[steps][0].a.body",
    "(steps.b).body",
    "params.a",
    "$$.steps.a.headers",
    "$map([1], function($x) { attempt })",
    "body.$string()",
    "body.(function() { attempt })()",
    "steps[a].b.body",
    "$sift(function($v) { true })",
    "flow.name",
    "steps@$s.headers",
    "body#$i.$i",
    "{'a': steps}.a.b.headers",
    "$type(item)",
    "$merge([steps.a, steps.b])",
    "$exists(steps.a)",
    "$ ~> |$|{'x': 1}|",
    "steps^(a)",
    "execution{id: $}",
    "($k := $keys; $k())",
    "$ ~> $keys",
    "$count(steps.a.body.a)",
    "steps ~> $keys()",
    "[steps.a, steps.b].body",
    "steps.a ? 1 : steps.b.body",
    "steps[0].a.body",
    "item.a & attempt",
    "$spread()",
    "($s := steps; $s.a.body)",
];

/// The same for JSONPath.
const PATHS: &[&str] = &[
    "$",
    "$.body",
    "$.steps.a.body",
    "$.steps.a",
    "$.steps",
    "$['steps']['b'].headers",
    "$..a",
    "$.*",
    "$['body','params']",
    "$.body[?@.a == $.attempt]",
    "$.body[?$.steps.b.body]",
    "$.steps[*].body",
    "$.body[?count($.headers.*) > 0]",
    "$.item.a",
    "$[?@.a]",
    "$.steps.a.body[0]",
    "$.body[?length($.flow.name) == 1]",
    "$.steps.a['body','headers']",
    "$.nothing.x",
];

/// Expressions over the root, in both languages, of every kind that reads in a way of its own.
fn any_expression() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(ATOMS).prop_map(str::to_owned);
    let jsonata = (atom.clone(), atom, 0..5u8).prop_map(|(left, right, how)| match how {
        0 => format!("=[{left}, {right}]"),
        1 => format!("={{'l': {left}, 'r': {right}}}"),
        2 => format!("=($v := {left}; [$v, {right}])"),
        3 => format!("={left}"),
        _ => format!("=$exists({left}) ? {right} : {left}"),
    });
    prop_oneof![3 => jsonata, 1 => prop::sample::select(PATHS).prop_map(str::to_owned)]
}

/// The root with only what is read.
fn pruned(root: &Value, reads: &Reads) -> Value {
    let mut root = root.clone();
    let members = root.as_object_mut().expect("the root is an object");
    members.retain(|name, _| reads.reads(name));
    if let (StepReads::Some(read), Some(Value::Object(steps))) = (&reads.steps, members.get_mut("steps")) {
        steps.retain(|id, _| read.contains_key(id));
        for (id, step) in steps.iter_mut() {
            let parts = read[id];
            if let Some(step) = step.as_object_mut() {
                step.retain(|name, _| (name == "body" && parts.body) || (name == "headers" && parts.headers));
            }
        }
    }
    root
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_tree_parses_and_evaluates_without_a_panic(tree in any_value("[$=\\\\]?[$.@*?a-c\\[\\](){}'0-9 &|<>=:,^#%~/+-]{0,12}"), root in any_root()) {
        let limits = Limits { timeout: std::time::Duration::from_millis(200), ..Limits::default() };
        match Mapping::parse(&tree, &limits) {
            Ok(mapping) => drop(Evaluator::new(limits).map(&mapping, &Root::new(&root))),
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }

    #[test]
    fn a_tree_of_literals_maps_to_itself(tree in any_value("[a-z ]{0,5}"), root in any_root()) {
        prop_assert_eq!(map(&tree, &root).unwrap(), tree);
    }

    #[test]
    fn a_path_gives_back_exactly_what_it_picks(value in any_value("\\PC{0,5}")) {
        let root = json!({ "body": { "v": value } });
        prop_assert_eq!(&map(&json!("$.body.v"), &root).unwrap(), &value);
        prop_assert_eq!(map(&json!("$.body[*]"), &root).unwrap(), json!([value]));
    }

    #[test]
    fn what_is_not_read_does_not_matter(source in any_expression(), root in any_root()) {
        let mapping = Mapping::parse(&json!({ "x": &source }), &Limits::default());
        let mapping = mapping.map_err(|errors| TestCaseError::fail(errors[0].to_string()))?;
        let mut evaluator = Evaluator::new(Limits::default());
        let whole = evaluator.map(&mapping, &Root::new(&root)).map_err(|error| error.kind);
        let less = pruned(&root, mapping.reads());
        let part = evaluator.map(&mapping, &Root::new(&less)).map_err(|error| error.kind);
        prop_assert_eq!(whole, part, "{} reads {:?}", source, mapping.reads());
    }

    #[test]
    fn the_metered_form_gives_what_the_plain_one_gives(source in any_expression(), root in any_root()) {
        if !source.starts_with('=') {
            return Ok(());
        }
        let expression = expression(&source);
        let root = Root::new(&root);
        let mut evaluator = Evaluator::new(Limits::default());
        let text = |result: Result<JValue, EvaluatorError>| {
            result.map(|value| from_jvalue(&value, &mut OutputBudget::new(1 << 24)))
                .map_err(|error| error.code().map(str::to_owned))
        };
        let plain = text(evaluator.plain.evaluate(&expression.program().plain, &root.converted().value));
        evaluator.budget.refill();
        let metered = text(evaluator.metered.evaluate(&expression.program().metered, &root.converted().value));
        prop_assert_eq!(plain, metered);
    }
}
