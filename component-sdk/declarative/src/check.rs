//! What is wrong with a manifest that fits the schema. Every fault, not just the first.

mod auth;
mod http;
mod oauth;
mod references;
mod scripts;
mod session;

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sluice_mapping::{Limits, Mapping, is_expression};

use crate::request::{Pagination, PaginationType, Request, Response};
use crate::{Incremental, Initial, Manifest, PollingTrigger, TimeFormat, Trigger};

/// A fault of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON Pointer into the file.
    pub pointer: String,
    /// What kind it is.
    pub kind: ProblemKind,
    /// One sentence.
    pub message: String,
    /// What to do, in one sentence.
    pub help: String,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A field is missing that another one needs.
    Missing,
    /// A value breaks a rule.
    Value,
    /// An expression cannot be read.
    Expression,
    /// A name is used that nothing defines.
    Unknown,
}

/// Headers that the HTTP client sets itself.
const RESERVED: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

impl Manifest {
    /// Every fault of the manifest.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut check = Check { problems: Vec::new() };
        check.manifest(self);
        check.problems
    }

    /// Whether a function of it makes requests.
    fn calls(&self) -> bool {
        !self.actions.is_empty() || self.triggers.values().any(|one| matches!(one, Trigger::Polling(_)))
    }
}

struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn add(&mut self, pointer: impl Into<String>, kind: ProblemKind, message: impl Into<String>, help: &str) {
        self.problems.push(Problem {
            pointer: pointer.into(),
            kind,
            message: message.into(),
            help: help.to_owned(),
        });
    }

    fn manifest(&mut self, manifest: &Manifest) {
        if manifest.actions.is_empty() && manifest.triggers.is_empty() {
            let text = "the connector has neither an action nor a trigger";
            self.add("", ProblemKind::Missing, text, "describe at least one under `actions` or `triggers`");
        }
        match &manifest.http {
            Some(http) => self.http(http),
            None if manifest.calls() => {
                let text = "actions and polling triggers need `http`, which says how to reach the API";
                self.add(
                    "",
                    ProblemKind::Missing,
                    text,
                    "for example `http: { base_url: https://api.example.com }`",
                );
            }
            None => {}
        }
        self.authorisation(manifest);
        self.reactions(manifest);
        self.needed_scopes(manifest);
        self.references(manifest);
        self.scripts(manifest);
        if let Some(test) = &manifest.test
            && !manifest.actions.keys().any(|name| name.as_str() == test)
        {
            let text = format!("`test` names the action `{test}`, which is not described");
            self.add("/test", ProblemKind::Unknown, text, "name one of the actions of this file");
        }
        for (name, action) in &manifest.actions {
            let at = format!("/actions/{name}");
            if manifest.triggers.contains_key(name) {
                let text = format!("`{name}` is both an action and a trigger");
                self.add(at.clone(), ProblemKind::Value, text, "give one of them another name");
            }
            if let Some(request) = &action.request {
                // A script may give the input other members.
                let known = properties([&action.input, &action.config]).filter(|_| action.before.is_none());
                self.request(&format!("{at}/request"), request, known.as_ref());
            }
            self.response(&format!("{at}/response"), &action.response);
            if let Some(pagination) = &action.pagination {
                self.pagination(&format!("{at}/pagination"), pagination);
            }
        }
        for (name, trigger) in &manifest.triggers {
            let at = format!("/triggers/{name}");
            match trigger {
                Trigger::Polling(trigger) => self.polling(&at, trigger),
                Trigger::Webhook(webhook) => self.webhook(&at, webhook, manifest),
            }
        }
    }

    fn polling(&mut self, at: &str, trigger: &PollingTrigger) {
        self.request(&format!("{at}/request"), &trigger.request, properties([&trigger.config]).as_ref());
        self.response(&format!("{at}/response"), &trigger.response);
        if let Some(pagination) = &trigger.pagination {
            self.pagination(&format!("{at}/pagination"), pagination);
        }
        self.expression(&format!("{at}/key"), trigger.key.as_deref());
        if let Some(incremental) = &trigger.incremental {
            self.incremental(&format!("{at}/incremental"), incremental);
        }
    }

    fn request(&mut self, at: &str, request: &Request, known: Option<&BTreeSet<String>>) {
        let method = &request.method;
        if method.is_empty() || method.len() > 20 || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let text = format!("`{}` is no method", short(method));
            self.add(
                format!("{at}/method"),
                ProblemKind::Value,
                text,
                "write GET, POST, PUT, PATCH or DELETE",
            );
        }
        self.path(at, request, known);
        self.mapping(&format!("{at}/path_params"), &Value::Object(request.path_params.clone()));
        self.mapping(&format!("{at}/query"), &Value::Object(request.query.clone()));
        self.headers(&format!("{at}/headers"), &request.headers);
        if let Some(body) = &request.body {
            self.mapping(&format!("{at}/body/value"), &body.value);
            if matches!(method.as_str(), "GET" | "HEAD") {
                let text = format!("a {method} request has no body");
                self.add(format!("{at}/body"), ProblemKind::Value, text, "remove it, or use another method");
            }
        }
    }

    fn path(&mut self, at: &str, request: &Request, known: Option<&BTreeSet<String>>) {
        let (pointer, path) = (format!("{at}/path"), &request.path);
        if is_expression(path) {
            return self.text(&pointer, path);
        }
        if !(path.is_empty() || path.starts_with('/')) {
            let text = "the path does not begin with `/`";
            self.add(pointer.clone(), ProblemKind::Value, text, "it is appended to `base_url`");
        }
        match placeholders(path) {
            Err(()) => {
                let text = "the path has a `{` or `}` without its counterpart";
                self.add(pointer, ProblemKind::Value, text, "write for example /contacts/{id}");
            }
            Ok(names) => {
                for name in names {
                    let given = request.path_params.contains_key(name);
                    if !given && known.is_some_and(|known| !known.contains(name)) {
                        let text = format!("nothing gives the path its `{}`", short(name));
                        let help = "add it to `path_params`, or to the properties of `input` or `config`";
                        self.add(pointer.clone(), ProblemKind::Unknown, text, help);
                    }
                }
            }
        }
    }

    fn headers(&mut self, at: &str, headers: &Map<String, Value>) {
        self.mapping(at, &Value::Object(headers.clone()));
        for name in headers.keys() {
            let lower = name.to_ascii_lowercase();
            if !is_token(name) || RESERVED.contains(&lower.as_str()) {
                let text = format!("`{}` cannot be set as a header", short(name));
                let pointer = format!("{at}/{}", escape(name));
                self.add(
                    pointer,
                    ProblemKind::Value,
                    text,
                    "remove it, or mend its name (RFC 9110, section 5.1)",
                );
            }
        }
    }

    fn response(&mut self, at: &str, response: &Response) {
        self.expression(&format!("{at}/result"), response.result.as_deref());
    }

    fn pagination(&mut self, at: &str, pagination: &Pagination) {
        use PaginationType::{Cursor, Custom, Link, NextUrl, Offset, Page};
        self.expression(&format!("{at}/next"), pagination.next.as_deref());
        self.expression(&format!("{at}/stop"), pagination.stop.as_deref());
        let kind = pagination.kind;
        if matches!(kind, Page | Offset | Cursor) && pagination.param.is_none() {
            let text = "this type of pagination needs `param`, the parameter that gets the number or token";
            self.add(at, ProblemKind::Missing, text, "for example `param: page`");
        }
        if matches!(kind, Cursor | NextUrl | Custom) && pagination.next.is_none() {
            let text = "this type of pagination needs `next`, which finds the next page in the answer";
            self.add(at, ProblemKind::Missing, text, "for example `next: $.response.body.next`");
        }
        if matches!(kind, Page | Offset | Link) && pagination.next.is_some() {
            let text = "this type of pagination does not read `next`";
            self.add(
                format!("{at}/next"),
                ProblemKind::Value,
                text,
                "remove it, or use `cursor`, `next_url` or `custom`",
            );
        }
        if kind == Custom && (pagination.param.is_some() || pagination.start.is_some()) {
            let text = "`custom` has no `param` and no `start`: `next` says all of the next request";
            self.add(at, ProblemKind::Value, text, "remove them");
        }
        if pagination.size_param.is_some() && pagination.size.is_none() {
            let text = "`size_param` needs `size`";
            self.add(format!("{at}/size_param"), ProblemKind::Missing, text, "for example `size: 100`");
        }
    }

    fn incremental(&mut self, at: &str, incremental: &Incremental) {
        self.expression(&format!("{at}/value"), Some(&incremental.value));
        let is_time = !matches!(incremental.format, TimeFormat::Number | TimeFormat::Text);
        if !is_time && incremental.overlap_seconds > 0 {
            let text = "only times have an overlap";
            self.add(format!("{at}/overlap_seconds"), ProblemKind::Value, text, "remove it");
        }
        if !is_time && incremental.initial == Initial::Now {
            let text = "only times have a now";
            self.add(format!("{at}/initial"), ProblemKind::Value, text, "use `beginning`");
        }
    }

    fn mapping(&mut self, at: &str, value: &Value) {
        if let Err(errors) = Mapping::parse(value, &Limits::default()) {
            for error in errors {
                let pointer = format!("{at}{}", error.place);
                self.add(pointer, ProblemKind::Expression, error.reason, "mend the expression");
            }
        }
    }

    /// A text that may be an expression.
    fn text(&mut self, at: &str, text: &str) {
        self.mapping(at, &Value::String(text.to_owned()));
    }

    /// A text that must be an expression.
    fn expression(&mut self, at: &str, text: Option<&str>) {
        let Some(text) = text else { return };
        let help = "write a JSONPath that begins with `$.`, or JSONata that begins with `=`";
        if !is_expression(text) {
            let text = format!("`{}` is no expression", short(text));
            self.add(at, ProblemKind::Expression, text, help);
        } else {
            self.text(at, text);
        }
    }
}

/// The names that the schemas have; nothing when one of them may have others.
fn properties<const N: usize>(schemas: [&Option<Value>; N]) -> Option<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for schema in schemas.into_iter().flatten() {
        let plain = !["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(*key).is_some());
        let members = schema.get("properties").and_then(Value::as_object).filter(|_| plain)?;
        names.extend(members.keys().cloned());
    }
    Some(names)
}

/// The names in braces of a path.
pub(crate) fn placeholders(path: &str) -> Result<Vec<&str>, ()> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(open) = rest.find(['{', '}']) {
        let after = &rest[open + 1..];
        let close = after.find(['{', '}']).filter(|close| after[*close..].starts_with('}')).ok_or(())?;
        if !rest[open..].starts_with('{') || close == 0 {
            return Err(());
        }
        names.push(&after[..close]);
        rest = &after[close + 1..];
    }
    Ok(names)
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

mod signature;
mod webhook;

#[cfg(test)]
mod hooks;
#[cfg(test)]
mod tests;
