//! JSONata of other platforms as JSONata of ours.
//!
//! There an expression looks at a message, here at a root in which the message is `body`. Names at the root are led to
//! where they are here, word by word, so that a person knows the expression again. Where that cannot be done, because the
//! expression changes what it looks at in ways that words do not show, it is put into a path as a whole.

mod rewrite;
mod token;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluice_mapping::{Expression, Limits};

use crate::bounds::EXPRESSION_BYTES;
use crate::finding::FindingCode;
use crate::object::shown;
use rewrite::{Problem, Rewriting};
use token::{Kind, Token, tokens, unquoted};

/// What an expression looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// The body of a message, as mappers and conditions do.
    Body,
    /// The whole message of the Open Integration Hub: `data`, `metadata` and so on.
    Message,
}

/// Where expressions stand: what they look at, and the steps that they may read, by their ids there.
#[derive(Debug)]
pub(crate) struct Scope<'s> {
    pub(crate) scheme: Scheme,
    pub(crate) steps: &'s BTreeMap<String, String>,
}

/// An expression of ours.
#[derive(Debug, PartialEq)]
pub(crate) struct Translated {
    /// A value of a mapping: a literal, or a text that begins with `=`.
    pub(crate) value: Value,
    /// The expression, also of a literal.
    pub(crate) source: String,
    /// What a person should know.
    pub(crate) remarks: Vec<Remark>,
    /// The flow variables that it reads.
    pub(crate) variables: BTreeSet<String>,
}

/// A finding without its place.
pub(crate) type Remark = (FindingCode, String);

/// Translates an expression.
///
/// # Errors
/// What of it cannot be read, or is not there.
pub(crate) fn translate(source: &str, scope: &Scope<'_>) -> Result<Translated, Remark> {
    let source = source.trim();
    let limits = Limits::default();
    let unreadable =
        |reason: &str| (FindingCode::NotRead, format!("`{}` cannot be read: {reason}", shown(source)));
    if source.len() > EXPRESSION_BYTES {
        return Err(unreadable("it is too long"));
    }
    Expression::parse(source, &limits).map_err(|error| unreadable(&error.reason))?;
    let words = tokens(source).ok_or_else(|| unreadable("it ends too early"))?;
    if let Some(value) = literal(&words) {
        return Ok(Translated {
            source: source.to_owned(),
            value,
            remarks: Vec::new(),
            variables: BTreeSet::new(),
        });
    }
    let missing = |what: String| (FindingCode::NotHere, format!("`{}` uses {what}", shown(source)));
    let unknown = unknown_functions(&words);
    if !unknown.is_empty() {
        return Err(missing(format!("{}, which JSONata does not have", unknown.join(", "))));
    }
    let mut done = Rewriting::new(source, &words, scope).run();
    if let Err(Problem::Entangled) = done {
        done = Rewriting::new(source, &words, scope).wrapped();
    }
    let done = match done {
        Ok(done) => done,
        Err(Problem::Entangled) => return Err(missing("what cannot be led to another root".to_owned())),
        Err(Problem::Missing(what)) => return Err(missing(what)),
        Err(Problem::UnknownStep(step)) => {
            let message = format!("`{}` reads the step `{}`", shown(source), shown(&step));
            return Err((FindingCode::UnknownStep, message));
        }
    };
    Expression::parse(&done.text, &limits).map_err(|error| unreadable(&error.reason))?;
    Ok(Translated {
        value: Value::String(format!("= {}", done.text)),
        source: done.text,
        remarks: done.remarks,
        variables: done.variables,
    })
}

/// The value of an expression that is one word.
fn literal(words: &[Token<'_>]) -> Option<Value> {
    let (sign, word) = match words {
        [word] => ("", word),
        [minus, word] if minus.is("-") && word.kind == Kind::Number => ("-", word),
        _ => return None,
    };
    match (word.kind, word.text) {
        (Kind::Text, text) => unquoted(text).map(|text| Value::String(escaped(&text))),
        (Kind::Number, text) => serde_json::from_str(&format!("{sign}{text}")).ok(),
        (Kind::Name, "true") => Some(Value::Bool(true)),
        (Kind::Name, "false") => Some(Value::Bool(false)),
        (Kind::Name, "null") => Some(Value::Null),
        _ => None,
    }
}

/// A text that no mapping takes for an expression.
pub(crate) fn escaped(text: &str) -> String {
    if sluice_mapping::is_expression(text) || text.starts_with('\\') {
        format!("\\{text}")
    } else {
        text.to_owned()
    }
}

/// A name as it can stand in a path.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !matches!(name, "and" | "or" | "in" | "true" | "false" | "null" | "function");
    if plain { name.to_owned() } else { format!("`{name}`") }
}

/// The functions of JSONata, without those of the platforms.
const FUNCTIONS: &str = "string length substring substringBefore substringAfter uppercase lowercase trim pad contains \
    split join match replace base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl number \
    abs floor ceil round power sqrt random formatNumber formatBase formatInteger parseInteger sum max min average boolean \
    not exists count append sort reverse shuffle distinct zip keys lookup spread merge sift each error assert type map \
    filter reduce single now millis fromMillis toMillis";
/// Functions that the platforms add, and that are led to something else.
const THEIRS: [&str; 2] = ["getPassthrough", "getFlowVariables"];

/// Variables that are neither functions of JSONata nor bound in the expression.
fn unknown_functions(words: &[Token<'_>]) -> Vec<String> {
    let bound: BTreeSet<&str> = words
        .iter()
        .zip(words.iter().skip(1))
        .enumerate()
        .filter(|(at, (word, next))| {
            // `$x := …`, or a parameter of a function; what is bound by `@` or `#` counts, too.
            let before = at.checked_sub(1).map(|at| &words[at]);
            let parameter = || {
                let opens = words[..*at].iter().rposition(|word| word.is("("));
                let function = opens.and_then(|at| at.checked_sub(1)).map(|at| words[at].text);
                matches!(function, Some("function" | "λ"))
            };
            let focus = || before.is_some_and(|before| before.is("@") || before.is("#"));
            word.kind == Kind::Variable && (next.is(":=") || parameter() || focus())
        })
        .map(|(_, (word, _))| word.text)
        .collect();
    let known = |name: &str| {
        name.is_empty()
            || name == "$"
            || THEIRS.contains(&name)
            || FUNCTIONS.split_whitespace().any(|known| known == name)
    };
    let mut unknown: Vec<String> = words
        .iter()
        .filter(|word| word.kind == Kind::Variable && !known(&word.text[1..]) && !bound.contains(word.text))
        .map(|word| format!("`{}`", word.text))
        .collect();
    unknown.sort();
    unknown.dedup();
    unknown
}

#[cfg(test)]
mod tests;
