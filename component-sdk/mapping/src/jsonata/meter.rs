//! The metered form of an expression: its tree with a scale in front of everything that can grow.
//!
//! A scale is a call of a function of ours that weighs its argument, charges the evaluation's budget
//! and hands the argument on unchanged, so the rewritten tree gives what the original gives or fails
//! with [`OVERRUN`]. Scales have names that no source can spell.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::{JValue, with_stack};

use super::shape::widths_are_short;

/// How the message of a spent budget starts.
pub(crate) const OVERRUN: &str = "the expression needs too much work";

const WEIGH: &str = " weigh";
const WEIGH_SQUARE: &str = " weigh square";
const HOLD: &str = " hold";
const TIMES_HELD: &str = " times held";
const WIDTH: &str = " width";
const PICTURE: &str = " picture";

/// Charge of one node, in bytes.
const NODE: u64 = 8;

/// Functions that look at no more than their arguments' own items, or that call back.
const SHALLOW: &[&str] = &[
    "abs", "append", "average", "ceil", "count", "exists", "filter", "floor", "keys", "length", "lookup",
    "map", "max", "millis", "min", "now", "number", "power", "random", "reduce", "reverse", "round", "sift",
    "single", "sort", "sqrt", "sum", "type", "each",
];

/// The budget of one evaluation, shared with the scales.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    left: Cell<u64>,
    total: u64,
    /// Weights of first arguments that a second one multiplies.
    held: RefCell<Vec<u64>>,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Rc<Self> {
        let total = total as u64;
        Rc::new(Budget { left: Cell::new(total), total, held: RefCell::default() })
    }

    pub(crate) fn refill(&self) {
        self.left.set(self.total);
        self.held.borrow_mut().clear();
    }

    fn charge(&self, amount: u64) -> Result<(), EvaluatorError> {
        match self.left.get().checked_sub(amount) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                Err(EvaluatorError::EvaluationError(format!("{OVERRUN}: more than {} units", self.total)))
            }
        }
    }

    /// Charges the unfolded size of a value times `factor`; returns the size.
    fn weigh(&self, value: &JValue, factor: u64) -> Result<u64, EvaluatorError> {
        let own = NODE
            + match value {
                JValue::String(text) => text.len() as u64,
                _ => 0,
            };
        self.charge(own.saturating_mul(factor))?;
        let mut size = own;
        match value {
            JValue::Array(items) => with_stack(|| {
                items.iter().try_for_each(|item| self.weigh(item, factor).map(|more| size += more))
            })?,
            JValue::Object(members) => with_stack(|| {
                members.iter().try_for_each(|(name, member)| {
                    self.charge(name.len() as u64)?;
                    self.weigh(member, factor).map(|more| size += more + name.len() as u64)
                })
            })?,
            _ => {}
        }
        Ok(size)
    }
}

/// A tree-walking evaluator that knows the scales.
pub(crate) fn evaluator(options: EvaluatorOptions, budget: &Rc<Budget>) -> Evaluator {
    let mut evaluator = Evaluator::with_options(Context::new(), options);
    let mut register = |name: &str, scale: fn(&Budget, &JValue, f64) -> Result<(), EvaluatorError>| {
        let budget = Rc::clone(budget);
        let function = move |args: &[JValue]| {
            let value = args.first().cloned().unwrap_or(JValue::Undefined);
            let factor = args.get(1).and_then(JValue::as_f64).unwrap_or(1.0);
            scale(&budget, &value, factor)?;
            Ok(value)
        };
        evaluator.register_fn(name, function).expect("no built-in has a space in its name");
    };
    register(WEIGH, |budget, value, factor| budget.weigh(value, factor as u64).map(drop));
    register(WEIGH_SQUARE, |budget, value, _| {
        let size = budget.weigh(value, 1)?;
        let items = value.as_array().map_or(1, Vec::len) as u64;
        budget.charge(items.saturating_mul(size) / (4 * NODE))
    });
    register(HOLD, |budget, value, factor| {
        let size = budget.weigh(value, factor as u64)?;
        budget.held.borrow_mut().push(size);
        Ok(())
    });
    register(TIMES_HELD, |budget, value, _| {
        let held = budget.held.borrow_mut().pop().unwrap_or(1);
        let size = budget.weigh(value, 1)? - NODE;
        budget.charge(held.saturating_mul(size) / NODE)
    });
    register(WIDTH, |budget, value, _| match value {
        JValue::Number(width) => budget.charge(width.abs() as u64),
        other => budget.weigh(other, 1).map(drop),
    });
    register(PICTURE, |budget, value, _| {
        budget.weigh(value, 1)?;
        match value {
            JValue::String(picture) if !widths_are_short(picture) => Err(EvaluatorError::EvaluationError(
                format!("{OVERRUN}: a field of a date picture is too wide"),
            )),
            _ => Ok(()),
        }
    });
    evaluator
}

/// Puts scales into a tree. `pattern` is the length of its longest pattern.
pub(crate) fn rewrite(node: &mut AstNode, pattern: usize) {
    with_stack(|| {
        if let AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } = node
            && let Some(call) = chained(lhs, rhs)
        {
            *node = call;
        }
        inside(node, pattern);
        if matches!(node, AstNode::Array(_) | AstNode::Object(_)) {
            wrap(node, WEIGH, 1);
        }
    });
}

/// `x ~> $f(y)` as `$f(x, y)`. `None` for what may compose two functions instead.
fn chained(lhs: &AstNode, rhs: &AstNode) -> Option<AstNode> {
    match rhs {
        AstNode::Function { name, args, is_builtin } if !args.contains(&AstNode::Placeholder) => {
            let mut all = vec![lhs.clone()];
            all.extend(args.iter().cloned());
            Some(AstNode::Function { name: name.clone(), args: all, is_builtin: *is_builtin })
        }
        AstNode::Variable(name) if name == "distinct" || name == "join" => {
            Some(AstNode::Function { name: name.clone(), args: vec![lhs.clone()], is_builtin: true })
        }
        _ => None,
    }
}

/// Rewrites below a node and weighs its operands, leaving the node itself in place.
fn inside(node: &mut AstNode, pattern: usize) {
    match node {
        AstNode::Path { steps } => path(steps, pattern),
        AstNode::Binary { op, lhs, rhs } => {
            rewrite(lhs, pattern);
            rewrite(rhs, pattern);
            operands(*op, lhs, rhs);
        }
        AstNode::Function { name, args, .. } => {
            args.iter_mut().for_each(|arg| rewrite(arg, pattern));
            call(name, args, pattern);
        }
        AstNode::Call { procedure, args } => {
            rewrite(procedure, pattern);
            for arg in args {
                rewrite(arg, pattern);
                wrap(arg, WEIGH, 1);
            }
        }
        AstNode::Array(items) | AstNode::ArrayGroup(items) => {
            // A constructor within a constructor is weighed with the outer one.
            items.iter_mut().for_each(|item| constructed(item, pattern));
        }
        AstNode::Object(pairs) => pairs_inside(pairs, pattern),
        AstNode::ObjectTransform { input, pattern: pairs } => {
            inside_deep(input, pattern);
            pairs_inside(pairs, pattern);
        }
        AstNode::Block(items) => items.iter_mut().for_each(|item| rewrite(item, pattern)),
        AstNode::Unary { operand, .. } => rewrite(operand, pattern),
        AstNode::Lambda { body, .. } => rewrite(body, pattern),
        AstNode::Conditional { condition, then_branch, else_branch } => {
            rewrite(condition, pattern);
            rewrite(then_branch, pattern);
            else_branch.iter_mut().for_each(|branch| rewrite(branch, pattern));
        }
        AstNode::FunctionApplication(inner) => rewrite(inner, pattern),
        AstNode::Sort { input, terms } => {
            inside_deep(input, pattern);
            terms.iter_mut().for_each(|(term, _)| rewrite(term, pattern));
        }
        AstNode::Transform { location, update, delete } => {
            inside_deep(location, pattern);
            inside_deep(update, pattern);
            delete.iter_mut().for_each(|names| inside_deep(names, pattern));
        }
        _ => {}
    }
}

/// Weighs what an operator reads or keeps whole.
fn operands(op: BinaryOp, lhs: &mut AstNode, rhs: &mut AstNode) {
    match op {
        BinaryOp::Concatenate => {
            // A chain of `&` is no longer than its leaves, which are weighed each.
            for side in [lhs, rhs] {
                if !matches!(side, AstNode::Binary { op: BinaryOp::Concatenate, .. }) {
                    wrap(side, WEIGH, 1);
                }
            }
        }
        BinaryOp::Equal | BinaryOp::NotEqual | BinaryOp::In => {
            wrap(lhs, WEIGH, 1);
            wrap(rhs, WEIGH, 1);
        }
        BinaryOp::ColonEqual => wrap(rhs, WEIGH, 1),
        BinaryOp::ChainPipe => wrap(lhs, WEIGH, 1),
        _ => {}
    }
}

fn inside_deep(node: &mut AstNode, pattern: usize) {
    with_stack(|| inside(node, pattern));
}

fn constructed(node: &mut AstNode, pattern: usize) {
    if matches!(node, AstNode::Array(_) | AstNode::Object(_)) {
        inside_deep(node, pattern);
    } else {
        rewrite(node, pattern);
    }
}

fn pairs_inside(pairs: &mut [(AstNode, AstNode)], pattern: usize) {
    for (key, value) in pairs {
        rewrite(key, pattern);
        constructed(value, pattern);
    }
}

/// Steps keep their own nodes, whose kinds the engine looks at; their insides are rewritten.
fn path(steps: &mut Vec<PathStep>, pattern: usize) {
    let mut scales = Vec::new();
    for at in 0..steps.len() {
        inside_deep(&mut steps[at].node, pattern);
        for stage in &mut steps[at].stages {
            if let Stage::Filter(filter) = stage {
                inside_deep(filter, pattern);
            }
        }
        // `*` and `**` unfold values that share parts; only computed values can.
        let unfolds = matches!(steps[at].node, AstNode::Wildcard | AstNode::Descendant);
        if at > 0 && unfolds && !matches!(steps[at - 1].node, AstNode::Name(_)) {
            scales.push(at);
        }
    }
    if steps.iter().any(|step| step.is_tuple || step.ancestor_label.is_some()) {
        return;
    }
    for at in scales.into_iter().rev() {
        let mut item = AstNode::Variable(String::new());
        wrap(&mut item, WEIGH, 1);
        steps.insert(at, PathStep::new(item));
    }
}

fn call(name: &str, args: &mut Vec<AstNode>, pattern: usize) {
    let context = || AstNode::Variable(String::new());
    let matching = 1 + pattern as u64 / 4;
    match name {
        "join" => {
            if let Some(arg) = args.get_mut(0) {
                wrap_always(arg, HOLD, 2);
            }
            if let Some(arg) = args.get_mut(1) {
                wrap_always(arg, TIMES_HELD, 1);
            }
        }
        "replace" => {
            if args.len() == 2 {
                args.insert(0, context());
            }
            if args.len() > 2 {
                wrap_always(&mut args[0], HOLD, matching);
                wrap_always(&mut args[2], TIMES_HELD, 1);
            }
        }
        "contains" | "match" | "split" => {
            if args.len() == 1 {
                args.insert(0, context());
            }
            if let Some(arg) = args.get_mut(0) {
                wrap_always(arg, WEIGH, matching + 8);
            }
        }
        "distinct" => args.iter_mut().for_each(|arg| wrap_always(arg, WEIGH_SQUARE, 1)),
        "pad" => args.iter_mut().for_each(|arg| wrap_always(arg, WIDTH, 1)),
        // Time alone may be text with many digits; `$fromMillis` may find its time in the context.
        "fromMillis" => args.iter_mut().for_each(|arg| wrap_always(arg, PICTURE, 1)),
        "toMillis" => args.iter_mut().skip(1).for_each(|arg| wrap_always(arg, PICTURE, 1)),
        _ if SHALLOW.contains(&name) => {}
        _ => args.iter_mut().for_each(|arg| wrap(arg, WEIGH, 1)),
    }
}

/// Puts a scale in front of anything that is not constant or a function.
fn wrap(node: &mut AstNode, scale: &str, factor: u64) {
    let light = matches!(
        node,
        AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::Lambda { .. }
            | AstNode::Transform { .. }
    );
    let weighed = matches!(node, AstNode::Function { name, .. } if name == WEIGH);
    if !light && !weighed {
        wrap_always(node, scale, factor);
    }
}

fn wrap_always(node: &mut AstNode, scale: &str, factor: u64) {
    let inner = std::mem::replace(node, AstNode::Null);
    *node = AstNode::Function {
        name: scale.to_owned(),
        args: vec![inner, AstNode::Number(factor as f64)],
        is_builtin: true,
    };
}
