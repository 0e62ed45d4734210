//! Leading the names of an expression to another root, word by word.

use std::collections::BTreeSet;

use super::token::{Kind, Token};
use super::{Remark, Scheme, Scope, quoted};
use crate::finding::FindingCode;

/// Why an expression cannot be led to another root.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Words do not tell what it looks at.
    Entangled,
    /// It uses something that is not there.
    Missing(String),
    /// It reads a step that is not in the flow.
    UnknownStep(String),
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) text: String,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) variables: BTreeSet<String>,
}

pub(crate) struct Rewriting<'s> {
    source: &'s str,
    words: &'s [Token<'s>],
    scope: &'s Scope<'s>,
    done: Done,
    /// How much of the source is written.
    written: usize,
    /// For each bracket that is open, whether names in it are members of something else than the root.
    frames: Vec<bool>,
}

impl<'s> Rewriting<'s> {
    pub(crate) fn new(source: &'s str, words: &'s [Token<'s>], scope: &'s Scope<'s>) -> Self {
        Self { source, words, scope, done: Done::default(), written: 0, frames: Vec::new() }
    }

    /// Leads each name at the root to where it is here.
    pub(crate) fn run(mut self) -> Result<Done, Problem> {
        let mut at = 0;
        while at < self.words.len() {
            at = self.word(at)?;
        }
        self.done.text.push_str(&self.source[self.written..]);
        Ok(self.done)
    }

    /// Puts the expression into a path as a whole; only what the platform adds is replaced in it.
    pub(crate) fn wrapped(mut self) -> Result<Done, Problem> {
        self.frames.push(true);
        if self.words.iter().any(|word| word.is("%") && !word.infix) {
            return Err(Problem::Missing("`%`, which could leave the message".to_owned()));
        }
        let mut at = 0;
        while at < self.words.len() {
            at = match self.words[at].kind {
                Kind::Variable => self.variable(at)?,
                Kind::Name if self.is_elasticio(at) => {
                    return Err(Problem::Missing(
                        "earlier steps in a way that cannot be followed".to_owned(),
                    ));
                }
                _ => at + 1,
            };
        }
        self.done.text.push_str(&self.source[self.written..]);
        self.done.text = format!("{}.({})", self.whole(), self.done.text);
        Ok(self.done)
    }

    fn get(&self, at: usize) -> Option<&'s Token<'s>> {
        self.words.get(at)
    }

    fn is(&self, at: usize, sign: &str) -> bool {
        self.get(at).is_some_and(|word| word.is(sign))
    }

    /// Whether the word is a step of a path.
    fn after_dot(&self, at: usize) -> bool {
        at > 0 && self.is(at - 1, ".")
    }

    fn is_relative(&self) -> bool {
        self.frames.last().copied().unwrap_or(false)
    }

    /// Writes the source up to a word, something in the place of some words, and goes on behind them.
    fn replace(&mut self, from: usize, to: usize, with: &str) {
        let (from, to) = (&self.words[from], &self.words[to]);
        self.done.text.push_str(&self.source[self.written..from.start]);
        self.done.text.push_str(with);
        self.written = to.end();
    }

    fn insert(&mut self, at: usize, text: &str) {
        let start = self.words[at].start;
        self.done.text.push_str(&self.source[self.written..start]);
        self.done.text.push_str(text);
        self.written = start;
    }

    /// Handles a word; gives the one to go on with.
    fn word(&mut self, at: usize) -> Result<usize, Problem> {
        let word = &self.words[at];
        match word.kind {
            Kind::Variable => return self.variable(at),
            Kind::Name if word.infix && !self.after_dot(at) => {}
            Kind::Name
                if !self.after_dot(at) && matches!(word.text, "function" | "λ") && self.is(at + 1, "(") =>
            {
                return self.lambda(at);
            }
            Kind::Name if !self.after_dot(at) && matches!(word.text, "true" | "false" | "null") => {}
            Kind::Name | Kind::Quoted if !self.after_dot(at) && !self.is_relative() => return self.name(at),
            // A text at the beginning of a path is a name.
            Kind::Text if !self.after_dot(at) && !self.is_relative() && self.is(at + 1, ".") => {
                return self.name(at);
            }
            Kind::Sign => self.sign(at)?,
            Kind::Name | Kind::Quoted | Kind::Text | Kind::Number | Kind::Pattern => {}
        }
        Ok(at + 1)
    }

    fn sign(&mut self, at: usize) -> Result<(), Problem> {
        let word = &self.words[at];
        let elsewhere = self.is_relative() || self.after_dot(at);
        match word.text {
            "(" => {
                // What is called is looked for before the dot: `items.$f(x)` looks at an item.
                let called = word.infix && at > 1 && self.after_dot(at - 1);
                let sorts = at > 0 && self.is(at - 1, "^");
                self.frames.push(elsewhere || called || sorts);
            }
            "[" => self.frames.push(elsewhere || word.infix),
            "{" => {
                let body = at > 0 && self.is(at - 1, ")") && self.closes_parameters(at - 1);
                self.frames.push(elsewhere || (word.infix && !body));
            }
            ")" | "]" | "}" => drop(self.frames.pop()),
            "*" | "**" if !word.infix && !elsewhere => match self.scope.scheme {
                Scheme::Body => self.insert(at, "body."),
                Scheme::Message => return Err(Problem::Entangled),
            },
            "%" if !word.infix => return Err(Problem::Entangled),
            "@" | "#" | "|" => return Err(Problem::Entangled),
            _ => {}
        }
        Ok(())
    }

    /// Whether a bracket closes the parameters of a function.
    fn closes_parameters(&self, close: usize) -> bool {
        let mut depth = 0usize;
        for at in (0..=close).rev() {
            if self.is(at, ")") {
                depth += 1;
            } else if self.is(at, "(") {
                depth -= 1;
                if depth == 0 {
                    return at > 0 && matches!(self.words[at - 1].text, "function" | "λ");
                }
            }
        }
        false
    }

    /// `function($a, $b)`: its parameters are no names of ours.
    fn lambda(&mut self, at: usize) -> Result<usize, Problem> {
        let close = (at..self.words.len()).find(|at| self.is(*at, ")")).ok_or(Problem::Entangled)?;
        // A signature such as `<n:n>` has words of its own.
        if self.is(close + 1, "{") { Ok(close + 1) } else { Err(Problem::Entangled) }
    }

    fn variable(&mut self, at: usize) -> Result<usize, Problem> {
        let word = &self.words[at];
        let called = self.is(at + 1, "(") && self.is(at + 2, ")");
        match word.text {
            "$getPassthrough" if called => {
                let root = if self.is_relative() { "$$.steps" } else { "steps" };
                return self.passthrough(at, at + 2, root);
            }
            "$getFlowVariables" if called => {
                let root = if self.is_relative() { "$$.params" } else { "params" };
                self.replace(at, at + 2, root);
                match (self.is(at + 3, "."), self.get(at + 4).and_then(Token::name)) {
                    (true, Some(name)) => {
                        self.done.variables.insert(name.clone());
                        self.replace(at + 4, at + 4, &quoted(&name));
                        return Ok(at + 5);
                    }
                    _ => return Err(Problem::Missing("all flow variables at once".to_owned())),
                }
            }
            "$getPassthrough" | "$getFlowVariables" => {
                return Err(Problem::Missing(format!("`{}` as a value", word.text)));
            }
            "$$" => return self.context(at, "$$."),
            "$" if !self.is_relative() && !self.after_dot(at) => return self.context(at, ""),
            _ => {}
        }
        Ok(at + 1)
    }

    /// `$` at the root, or `$$`.
    fn context(&mut self, at: usize, root: &str) -> Result<usize, Problem> {
        match self.scope.scheme {
            Scheme::Body if self.is(at + 1, ".") && self.is_elasticio(at + 2) => {
                let steps = format!("{root}steps");
                return self.passthrough(at, at + 2, &steps);
            }
            Scheme::Body => self.replace(at, at, &format!("{root}body")),
            Scheme::Message if self.is(at + 1, ".") => {
                let name = self.get(at + 2).and_then(Token::name).ok_or(Problem::Entangled)?;
                return self.part(at, at + 2, &name, root);
            }
            Scheme::Message => return Err(Problem::Missing("the whole message".to_owned())),
        }
        Ok(at + 1)
    }

    /// Whether a word begins the way to earlier steps.
    fn is_elasticio(&self, at: usize) -> bool {
        self.get(at).and_then(Token::name).as_deref() == Some("elasticio") && self.is(at + 1, ".")
    }

    /// A name at the root.
    fn name(&mut self, at: usize) -> Result<usize, Problem> {
        let name = self.words[at].name().ok_or(Problem::Entangled)?;
        match self.scope.scheme {
            Scheme::Body if name == "elasticio" && self.is(at + 1, ".") => self.passthrough(at, at, "steps"),
            Scheme::Body => {
                self.insert(at, "body.");
                Ok(at + 1)
            }
            Scheme::Message => self.part(at, at, &name, ""),
        }
    }

    /// A part of a message of the Open Integration Hub.
    fn part(&mut self, from: usize, to: usize, name: &str, root: &str) -> Result<usize, Problem> {
        let place = match name {
            "data" => format!("{root}body"),
            "metadata" | "attachments" | "headers" | "id" => format!("{root}headers.`eio-{name}`"),
            "passthrough" => return self.passthrough(from, to, &format!("{root}steps")),
            other => return Err(Problem::Missing(format!("`{other}`, which no message has"))),
        };
        self.replace(from, to, &place);
        Ok(to + 1)
    }

    /// The way to an earlier step. `to` is the last word that stands for all of them.
    fn passthrough(&mut self, from: usize, to: usize, root: &str) -> Result<usize, Problem> {
        let step = self.get(to + 2).and_then(Token::name).filter(|_| self.is(to + 1, "."));
        let Some(step) = step else {
            return Err(Problem::Missing("all earlier steps at once".to_owned()));
        };
        let ours = self.scope.steps.get(&step).ok_or_else(|| Problem::UnknownStep(step.clone()))?;
        let mut way = format!("{root}.{}", quoted(ours));
        let body = match self.scope.scheme {
            Scheme::Body => "body",
            Scheme::Message => "data",
        };
        let part = self.get(to + 4).and_then(Token::name).filter(|_| self.is(to + 3, "."));
        let end = match part.as_deref() {
            None => {
                let message = format!("the whole output of `{step}` is read");
                self.done.remarks.push((FindingCode::WholeStep, message));
                to + 2
            }
            Some(part) if part == body => {
                way.push_str(".body");
                to + 4
            }
            Some(part @ ("headers" | "attachments" | "id" | "metadata")) => {
                way.push_str(&format!(".headers.`eio-{part}`"));
                to + 4
            }
            Some(part) => {
                return Err(Problem::Missing(format!("`{part}` of the step `{step}`")));
            }
        };
        self.replace(from, end, &way);
        Ok(end + 1)
    }

    /// What the expression looks at, in one word or object.
    fn whole(&self) -> &'static str {
        match self.scope.scheme {
            Scheme::Body => "body",
            Scheme::Message => {
                "{'data': body, 'metadata': headers.`eio-metadata`, 'attachments': headers.`eio-attachments`}"
            }
        }
    }
}
