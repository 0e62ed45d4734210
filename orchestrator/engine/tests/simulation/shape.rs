//! Random templates, and what their conditions, splits and mappings mean, said in another way than the engine does.

use serde_json::{Value, json};

use crate::dice::Dice;

/// The listener that every template begins with.
pub(crate) const TRIGGER: &str = "source";
/// The step that errors may lead to.
const HANDLER: &str = "handler";

/// The steps of a template.
#[derive(Clone)]
pub(crate) struct Shape {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
struct Step {
    id: String,
    after: Vec<String>,
    when: Option<u64>,
    split: bool,
    input: Option<Input>,
    retry: Value,
    on_error: Option<Value>,
    timeout_ms: u64,
    concurrency: u64,
    isolation: &'static str,
}

/// A kind of mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// The same fields again, by JSONPath.
    Copy,
    /// The fields and the number that the trigger emitted, which has to travel along.
    Root,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file(0))
    }
}

impl Shape {
    /// A template of 1 to 6 steps behind its trigger.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let count = dice.between(1, 6);
        let handled = dice.chance(400);
        let mut steps: Vec<Step> = Vec::new();
        for number in 1..=count {
            steps.push(draw_step(dice, number, &steps, handled));
        }
        if steps.iter().any(|step| step.on_error == Some(json!({ "to": HANDLER }))) {
            let handler = Step {
                id: HANDLER.to_owned(),
                after: Vec::new(),
                when: None,
                split: false,
                input: None,
                on_error: None,
                ..draw_step(dice, 0, &[], false)
            };
            steps.push(handler);
        }
        Self { steps }
    }

    /// Every step one at a time and without retries: then order is kept all the way.
    pub(crate) fn in_order(mut self) -> Self {
        for step in &mut self.steps {
            step.concurrency = 1;
        }
        self
    }

    /// Another version of the same flow: one step more, or another mapping, policy or condition.
    pub(crate) fn changed(&self, dice: &mut Dice) -> Self {
        let mut next = self.clone();
        let own = next.steps.iter().filter(|step| step.id != HANDLER).count();
        let drawn = Self::draw(dice).steps.swap_remove(0);
        let index = usize::try_from(dice.below(own as u64)).unwrap_or(0);
        let Step { id, after, on_error, isolation, .. } = next.steps[index].clone();
        next.steps[index] = Step { id, after, on_error, isolation, ..drawn };
        next
    }

    /// The file.
    pub(crate) fn file(&self, version: u64) -> String {
        let mut steps = vec![json!({ "id": TRIGGER, "use": "sim/listen" })];
        steps.extend(self.steps.iter().map(Step::json));
        json!({
            "sluice": 1, "kind": "template", "name": "simulated", "version": format!("1.0.{version}"),
            "title": "Simulated", "steps": steps,
        })
        .to_string()
    }
}

fn draw_step(dice: &mut Dice, number: u64, before: &[Step], handled: bool) -> Step {
    let mut after = vec![TRIGGER.to_owned()];
    if !before.is_empty() && dice.chance(850) {
        let from = &before[usize::try_from(dice.below(before.len() as u64)).unwrap_or(0)].id;
        after = vec![if dice.chance(150) { format!("{from}.rejected") } else { from.clone() }];
    }
    let backoff = dice.pick(&["fixed", "linear", "exponential"]);
    let initial = dice.pick(&["50ms", "500ms", "1s", "2s", "7s"]);
    let on_error = if dice.chance(150) {
        Some(json!("continue"))
    } else if handled && dice.chance(600) {
        Some(json!({ "to": HANDLER }))
    } else {
        None
    };
    Step {
        id: format!("s{number}"),
        after,
        when: dice.chance(250).then(|| dice.between(2, 5)),
        split: dice.chance(150),
        input: dice.pick(&[None, None, Some(Input::Copy), Some(Input::Root)]),
        retry: json!({ "attempts": dice.between(1, 4), "backoff": backoff, "initial": initial, "max": "20s",
                       "on": ["transient", "timeout"] }),
        on_error,
        timeout_ms: dice.pick(&[500, 2000, 5000]),
        concurrency: dice.pick(&[1, 1, 2, 4]),
        isolation: dice.pick(&["shared", "shared", "shared", "flow", "step"]),
    }
}

impl Step {
    fn json(&self) -> Value {
        let mut step = json!({
            "id": self.id, "use": "sim/act", "after": self.after, "retry": self.retry,
            "timeout": format!("{}ms", self.timeout_ms), "concurrency": self.concurrency,
            "isolation": self.isolation,
        });
        if let Some(modulus) = self.when {
            step["when"] = json!(format!("= body.n % {modulus} != 0"));
        }
        if self.split {
            step["split"] = json!("= body.items");
        }
        if let Some(input) = self.input {
            let of = if self.split { "item" } else { "body" };
            step["input"] =
                json!({ "n": format!("$.{of}.n"), "items": format!("$.{of}.items"), "mapped": self.id });
            if input == Input::Root {
                step["input"]["root"] = json!(format!("$.steps.{TRIGGER}.body.n"));
            }
        }
        if let Some(route) = &self.on_error {
            step["on_error"] = route.clone();
        }
        step
    }
}

/// What comes out of a gate of a [`Shape`]: the bodies, none when its condition is false.
pub(crate) fn through(gate: &sluice_domain::Gate, body: &Value, root: Option<i64>) -> Vec<Value> {
    let number = |when: &String| when.split_whitespace().skip_while(|word| *word != "%").nth(1)?.parse().ok();
    let modulus: Option<i64> = gate.when.as_ref().and_then(number);
    if let Some(modulus) = modulus
        && body["n"].as_i64().is_some_and(|n| n % modulus == 0)
    {
        return Vec::new();
    }
    let items = match (&gate.split, &body["items"]) {
        (None, _) => vec![body.clone()],
        (Some(_), Value::Array(items)) => items.clone(),
        (Some(_), _) => Vec::new(),
    };
    let Some(input) = &gate.input else { return items };
    let map = |item: Value| {
        let mut mapped = json!({ "n": item["n"], "items": item["items"], "mapped": input["mapped"] });
        if input.get("root").is_some()
            && let Some(root) = root
        {
            mapped["root"] = json!(root);
        }
        mapped
    };
    items.into_iter().map(map).collect()
}
