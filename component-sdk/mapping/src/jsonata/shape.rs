//! What an expression can cost, judged from its tree alone, and what it may not contain.
//!
//! *Linear* means: at most (nodes of the expression) x (bytes of the document) of work. Loops over
//! an array are linear when their bodies look at the item only; what refers to anything outside from
//! inside a loop, binds variables, recurses or matches patterns is not. The rule errs towards "not
//! linear", which costs speed and nothing else.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::value::with_stack;
use regex::RegexBuilder;

/// Longest text of a separator that counts as constant.
const SHORT: usize = 64;
/// Longest pattern, in bytes.
const PATTERN_BYTES: usize = 512;
/// Largest compiled pattern, in bytes.
const PATTERN_PROGRAM: usize = 128 * 1024;

/// Functions that parse, multiply or pad, so that they may only be called by name, with all arguments.
const BY_NAME_ONLY: [&str; 7] = ["eval", "pad", "join", "replace", "distinct", "fromMillis", "toMillis"];

/// Of these, the ones that one argument cannot harm, so that `x ~> $f` may name them.
const CHAINED: [&str; 4] = ["distinct", "join", "fromMillis", "toMillis"];

/// Longest run of digits in a date picture: widths up to 9999.
const WIDTH_DIGITS: usize = 4;

/// Functions whose work is linear in their arguments.
const LINEAR: &[&str] = &[
    "abs",
    "append",
    "average",
    "base64decode",
    "base64encode",
    "boolean",
    "ceil",
    "contains",
    "count",
    "decodeUrl",
    "decodeUrlComponent",
    "encodeUrl",
    "encodeUrlComponent",
    "exists",
    "floor",
    "formatBase",
    "formatInteger",
    "formatNumber",
    "keys",
    "length",
    "lookup",
    "lowercase",
    "max",
    "merge",
    "millis",
    "min",
    "not",
    "now",
    "number",
    "parseInteger",
    "power",
    "reverse",
    "round",
    "split",
    "spread",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "trim",
    "type",
    "uppercase",
];

/// Functions that the library runs as bytecode.
const COMPILED: &[&str] = &[
    "abs",
    "append",
    "average",
    "boolean",
    "ceil",
    "contains",
    "count",
    "filter",
    "floor",
    "join",
    "keys",
    "length",
    "lowercase",
    "map",
    "max",
    "merge",
    "min",
    "not",
    "number",
    "reverse",
    "round",
    "split",
    "sqrt",
    "string",
    "substring",
    "substringAfter",
    "substringBefore",
    "sum",
    "trim",
    "uppercase",
];

/// What the tree says about an expression's cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Work is at most `nodes` times the document.
    pub(crate) linear: bool,
    /// The library can run it as bytecode; a wrong guess costs speed only.
    pub(crate) compiled: bool,
    /// Nodes of the tree.
    pub(crate) nodes: usize,
    /// Length of the longest pattern, as a factor of what matching costs; 0 without patterns.
    pub(crate) pattern: usize,
}

impl Shape {
    /// The shape, or one sentence that says what the expression may not use.
    pub(crate) fn of(tree: &AstNode) -> Result<Shape, String> {
        let mut shape = Shape { linear: false, compiled: true, nodes: 0, pattern: 0 };
        scan(tree, &mut shape)?;
        shape.linear = linear(tree, Scope::default());
        Ok(shape)
    }
}

/// Counts nodes and patterns and refuses what is forbidden anywhere.
fn scan(node: &AstNode, shape: &mut Shape) -> Result<(), String> {
    with_stack(|| {
        shape.nodes += 1;
        shape.compiled &= compiles(node);
        match node {
            AstNode::Regex { pattern, flags } => {
                check_pattern(pattern, flags)?;
                shape.pattern = shape.pattern.max(pattern.len());
            }
            AstNode::Variable(name) if BY_NAME_ONLY.contains(&name.as_str()) => {
                return Err(format!("`${name}` may only be called by its name"));
            }
            AstNode::Function { name, .. } if name == "eval" => {
                return Err("`$eval` is not available: expressions are checked before they run".to_owned());
            }
            AstNode::Function { name, args, .. }
                if BY_NAME_ONLY.contains(&name.as_str()) && args.contains(&AstNode::Placeholder) =>
            {
                return Err(format!("`${name}` may only be called with all its arguments"));
            }
            // `x ~> $distinct` is a call by name in another order.
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } if matches!(&**rhs, AstNode::Variable(name) if CHAINED.contains(&name.as_str())) =>
            {
                return scan(lhs, shape);
            }
            _ => {}
        }
        let mut result = Ok(());
        each_child(node, &mut |child| {
            if result.is_ok() {
                result = scan(child, shape);
            }
        });
        result
    })
}

fn check_pattern(pattern: &str, flags: &str) -> Result<(), String> {
    if pattern.len() > PATTERN_BYTES {
        return Err(format!("a pattern is longer than {PATTERN_BYTES} bytes"));
    }
    RegexBuilder::new(pattern)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(PATTERN_PROGRAM)
        .build()
        .map(drop)
        .map_err(|_| format!("the pattern /{pattern}/ is not supported or too large"))
}

fn compiles(node: &AstNode) -> bool {
    match node {
        AstNode::String(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Name(_)
        | AstNode::Variable(_)
        | AstNode::Unary { .. }
        | AstNode::Conditional { .. }
        | AstNode::Array(_)
        | AstNode::Block(_)
        | AstNode::Lambda { signature: None, thunk: false, .. } => true,
        AstNode::Path { steps } => {
            steps.iter().all(|step| matches!(step.node, AstNode::Name(_) | AstNode::Variable(_)))
        }
        AstNode::Object(pairs) => pairs.iter().all(|(key, _)| matches!(key, AstNode::String(_))),
        AstNode::Function { name, .. } => COMPILED.contains(&name.as_str()),
        AstNode::Binary { op, .. } => !matches!(
            op,
            BinaryOp::Range | BinaryOp::In | BinaryOp::ColonEqual | BinaryOp::Default | BinaryOp::ChainPipe
        ),
        _ => false,
    }
}

/// Where a node stands, as far as cost goes.
#[derive(Debug, Clone, Copy, Default)]
struct Scope<'a> {
    /// In the body of a loop.
    looping: bool,
    /// In a callback, where bare names still mean the document outside the loop.
    callback: bool,
    /// The callback's parameters that mean the item.
    items: &'a [String],
}

impl Scope<'_> {
    const ITEM: Scope<'static> = Scope { looping: true, callback: false, items: &[] };
}

fn linear(node: &AstNode, scope: Scope<'_>) -> bool {
    with_stack(|| match node {
        AstNode::String(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined => true,
        AstNode::Name(_) | AstNode::Wildcard => !scope.callback,
        AstNode::Variable(name) if name.is_empty() => !scope.callback,
        AstNode::Variable(name) => scope.items.contains(name),
        AstNode::ParentVariable(_) => !scope.looping,
        AstNode::Path { steps } => linear_path(steps, scope),
        AstNode::Binary { op, lhs, rhs } => {
            !matches!(
                op,
                BinaryOp::Range
                    | BinaryOp::In
                    | BinaryOp::ColonEqual
                    | BinaryOp::FocusBind
                    | BinaryOp::IndexBind
                    | BinaryOp::ChainPipe
            ) && linear(lhs, scope)
                && linear(rhs, scope)
        }
        AstNode::Function { name, args, is_builtin } => *is_builtin && linear_call(name, args, scope),
        AstNode::Unary { .. }
        | AstNode::Conditional { .. }
        | AstNode::Array(_)
        | AstNode::ArrayGroup(_)
        | AstNode::Object(_)
        | AstNode::Block(_)
        | AstNode::FunctionApplication(_) => {
            let mut all = true;
            each_child(node, &mut |child| all = all && linear(child, scope));
            all
        }
        AstNode::Sort { input, terms } => {
            picks(input) && linear(input, scope) && terms.iter().all(|(term, _)| linear(term, Scope::ITEM))
        }
        AstNode::ObjectTransform { input, pattern } => {
            picks(input)
                && linear(input, scope)
                && pattern.iter().all(|(key, value)| linear(key, Scope::ITEM) && linear(value, Scope::ITEM))
        }
        _ => false,
    })
}

/// Names may follow anything; one step of another kind may follow names, since each such step can
/// multiply what it gets.
fn linear_path(steps: &[PathStep], scope: Scope<'_>) -> bool {
    let Some((first, rest)) = steps.split_first() else { return true };
    let computed = rest.iter().filter(|step| !matches!(step.node, AstNode::Name(_))).count();
    let plain_start =
        matches!(first.node, AstNode::Name(_) | AstNode::Variable(_) | AstNode::ParentVariable(_));
    linear(&first.node, scope)
        && (computed == 0 || (computed == 1 && plain_start))
        && rest.iter().all(|step| linear(&step.node, Scope::ITEM))
        && steps.iter().all(|step| {
            !step.is_tuple
                && step.focus.is_none()
                && step.index_var.is_none()
                && step.ancestor_label.is_none()
                && step.stages.iter().all(|stage| match stage {
                    Stage::Filter(filter) => linear(filter, Scope::ITEM),
                    Stage::KeepArray => true,
                    Stage::Index(_) => false,
                })
        })
}

fn linear_call(name: &str, args: &[AstNode], scope: Scope<'_>) -> bool {
    match (name, args) {
        ("map" | "filter", [input, AstNode::Lambda { params, body, signature: None, .. }]) => {
            let items = Scope { looping: true, callback: true, items: params };
            params.len() <= 2 && picks(input) && linear(input, scope) && linear(body, items)
        }
        ("join", [input]) => linear(input, scope),
        ("join", [input, AstNode::String(separator)]) => separator.len() <= SHORT && linear(input, scope),
        ("fromMillis" | "toMillis", [time, rest @ ..]) => {
            linear(time, scope)
                && rest.iter().all(|arg| matches!(arg, AstNode::String(picture) if widths_are_short(picture)))
        }
        _ => LINEAR.contains(&name) && args.iter().all(|arg| linear(arg, scope)),
    }
}

/// Whether a date picture asks for no field wider than four digits can say.
pub(crate) fn widths_are_short(picture: &str) -> bool {
    picture.split(|c: char| !c.is_ascii_digit()).all(|run| run.len() <= WIDTH_DIGITS)
}

/// Whether this is a path of names, which gives no more than the document holds.
fn picks(node: &AstNode) -> bool {
    match node {
        AstNode::Name(_) | AstNode::Variable(_) => true,
        AstNode::Path { steps } => steps.iter().all(|step| {
            matches!(step.node, AstNode::Name(_) | AstNode::Variable(_) | AstNode::ParentVariable(_))
        }),
        _ => false,
    }
}

/// Calls `visit` on each direct child, predicates included.
pub(crate) fn each_child<'a>(node: &'a AstNode, visit: &mut dyn FnMut(&'a AstNode)) {
    match node {
        AstNode::Path { steps } => {
            steps.iter().for_each(|step| each_in_step(step, visit));
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand, .. } => visit(operand),
        AstNode::Function { args, .. } => args.iter().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter().for_each(visit);
        }
        AstNode::Lambda { body, .. } => visit(body),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
            items.iter().for_each(visit);
        }
        AstNode::Object(pairs) => both(pairs, visit),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            both(pattern, visit);
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            else_branch.iter().for_each(|branch| visit(branch));
        }
        AstNode::FunctionApplication(inner) => visit(inner),
        AstNode::Sort { input, terms } => {
            visit(input);
            terms.iter().for_each(|(term, _)| visit(term));
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            delete.iter().for_each(|names| visit(names));
        }
        // Leaves; a kind that a later version of the library adds belongs above.
        _ => {}
    }
}

fn each_in_step<'a>(step: &'a PathStep, visit: &mut dyn FnMut(&'a AstNode)) {
    visit(&step.node);
    for stage in &step.stages {
        if let Stage::Filter(filter) = stage {
            visit(filter);
        }
    }
}

fn both<'a>(pairs: &'a [(AstNode, AstNode)], visit: &mut dyn FnMut(&'a AstNode)) {
    for (key, value) in pairs {
        visit(key);
        visit(value);
    }
}
