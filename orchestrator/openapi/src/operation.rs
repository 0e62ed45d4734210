//! One operation becomes one action.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sluice_declarative::{Action, Request, Response};

use crate::document::{Reason, flag, text};
use crate::input::Input;
use crate::names::{humanise, line, prose};
use crate::pages::Guess;
use crate::parameter::{Parameter, Place};
use crate::schema::Schemas;
use crate::{answer, body, pages, parameter, query};

/// An operation and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Operation<'d> {
    /// In upper case.
    pub(crate) method: String,
    pub(crate) path: &'d str,
    /// The item of the path.
    pub(crate) item: &'d Value,
    pub(crate) spec: &'d Value,
}

impl<'d> Operation<'d> {
    /// What remarks call it.
    pub(crate) fn place(&self) -> String {
        format!("{} {}", self.method, line(self.path))
    }

    /// What its name is made of.
    pub(crate) fn label(&self) -> String {
        let id =
            text(self.spec, "operationId").filter(|id| id.bytes().any(|byte| byte.is_ascii_alphabetic()));
        id.map_or_else(|| format!("{} {}", self.method.to_ascii_lowercase(), self.path), str::to_owned)
    }

    /// The action, but for its name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn action(&self, name: &str, schemas: &mut Schemas<'d>) -> Result<Action, Reason> {
        let at = &self.place();
        let (path, names) = self.template()?;
        let parameters =
            parameter::collect(schemas.document, [self.item, self.spec], at, &mut schemas.remarks)?;
        let answer = answer::find(schemas.document, self.spec)?;
        let body = match self.method.as_str() {
            "GET" | "HEAD" | "TRACE" if self.spec.get("requestBody").is_some() => {
                schemas
                    .remarks
                    .part(at, format!("the body was left out: a {} request has none", self.method));
                None
            }
            _ => body::find(schemas, self.spec, at)?,
        };
        let guess =
            (self.method == "GET").then(|| pages::guess(schemas.document, &parameters, answer)).flatten();
        let mut making = Making {
            schemas,
            at,
            names,
            input: Input::new(body.is_some()),
            request: Request {
                method: self.method.clone(),
                path,
                path_params: Map::new(),
                query: Map::new(),
                headers: Map::new(),
                body: None,
            },
        };
        making.parameters(&parameters, guess.as_ref())?;
        if let Some(found) = body {
            making.request.body = Some(body::add(making.schemas, found, &mut making.input, at)?);
        }
        let Making { input, request, .. } = making;
        let output = match guess.as_ref().map(|guess| guess.items).or(answer.schema) {
            Some(schema) => Some(schemas.convert(schema, at)?).filter(Value::is_object),
            None => None,
        };
        if let Some(guess) = &guess {
            schemas.remarks.guess(at, format!("pages, from {}", guess.why));
        }
        let (pagination, result) = guess.map(|guess| (guess.pagination, guess.result)).unzip();
        Ok(Action {
            title: text(self.spec, "summary")
                .map(line)
                .filter(|title| !title.is_empty())
                .unwrap_or_else(|| humanise(name)),
            description: self.description(),
            input: input.schema(),
            output,
            request: Some(request),
            response: Response { format: None, result: result.flatten() },
            pagination,
            ..Action::default()
        })
    }

    fn description(&self) -> String {
        let description = text(self.spec, "description").map(prose).unwrap_or_default();
        match (flag(self.spec, "deprecated"), description.as_str()) {
            (true, "") => "Deprecated.".to_owned(),
            (true, description) => format!("Deprecated.\n\n{description}"),
            (false, _) if Some(description.as_str()) == text(self.spec, "summary") => String::new(),
            (false, _) => description,
        }
    }

    /// The path without fragment, and the names in its braces.
    fn template(&self) -> Result<(String, BTreeSet<String>), Reason> {
        // Some documents tell operations of the same path apart by a fragment.
        let path = self.path.split('#').next().unwrap_or_default();
        if path.chars().any(char::is_control) {
            return Err(Reason("its path has control characters".to_owned()));
        }
        let unbalanced = || Reason("its path has a `{` or `}` without its counterpart".to_owned());
        let mut names = BTreeSet::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(unbalanced)?;
            if name.is_empty() || name.contains('{') || before.contains('}') {
                return Err(unbalanced());
            }
            names.insert(name.to_owned());
            rest = after;
        }
        if rest.contains('}') {
            return Err(unbalanced());
        }
        Ok((path.to_owned(), names))
    }
}

/// An action while it is made.
struct Making<'s, 'd> {
    schemas: &'s mut Schemas<'d>,
    at: &'s str,
    /// The names in the path that have no value yet.
    names: BTreeSet<String>,
    input: Input,
    request: Request,
}

impl<'d> Making<'_, 'd> {
    fn parameters(&mut self, parameters: &[Parameter<'d>], guess: Option<&Guess<'d>>) -> Result<(), Reason> {
        let paged = |name: &str| {
            guess.is_some_and(|guess| {
                let plan = &guess.pagination;
                [&plan.param, &plan.size_param].into_iter().flatten().any(|taken| taken == name)
            })
        };
        for parameter in parameters {
            match parameter.place {
                Place::Path if !self.names.remove(parameter.name) => {
                    let message = format!(
                        "the parameter `{}` was left out: it is not in the path",
                        line(parameter.name)
                    );
                    self.schemas.remarks.part(self.at, message);
                }
                Place::Path => self.path(parameter)?,
                Place::Query if paged(parameter.name) => {}
                Place::Query => self.query(parameter)?,
                Place::Header => {
                    let property = self.property(parameter)?;
                    let value = query::simple(self.schemas.document, parameter, &property)?;
                    self.request.headers.insert(parameter.name.to_owned(), value);
                }
            }
        }
        for name in std::mem::take(&mut self.names) {
            let message = format!("`{}` of the path is no parameter: it was taken for a text", line(&name));
            self.schemas.remarks.guess(self.at, message);
            let property = self.input.add(&name, "path", json!({ "type": "string" }), true);
            if property.0 != name {
                self.request.path_params.insert(name, json!(property.path()));
            }
        }
        Ok(())
    }

    fn path(&mut self, parameter: &Parameter<'d>) -> Result<(), Reason> {
        let property = self.property(parameter)?;
        let value = query::simple(self.schemas.document, parameter, &property)?;
        // The name of a path stands for the input's property of that name anyway.
        if property.0 != parameter.name || value != json!(property.path()) {
            self.request.path_params.insert(parameter.name.to_owned(), value);
        }
        Ok(())
    }

    fn query(&mut self, parameter: &Parameter<'d>) -> Result<(), Reason> {
        // Whether it can be written must be known before it becomes a property.
        let probe = Input::default().add(parameter.name, "", Value::Null, false);
        if let Err(message) = query::write(self.schemas.document, parameter, &probe) {
            self.schemas.remarks.part(self.at, message);
            return Ok(());
        }
        let property = self.property(parameter)?;
        if let Ok(written) = query::write(self.schemas.document, parameter, &property) {
            self.request.query.extend(written);
        }
        Ok(())
    }

    fn property(&mut self, parameter: &Parameter<'d>) -> Result<crate::input::Property, Reason> {
        let mut schema = match parameter.schema {
            Some(schema) => self.schemas.convert(schema, self.at)?,
            None => json!({}),
        };
        if let Some(members) = schema.as_object_mut() {
            if let Some(description) = parameter.description {
                members.insert("description".to_owned(), json!(prose(description)));
            }
            if parameter.deprecated {
                members.insert("deprecated".to_owned(), json!(true));
            }
        }
        Ok(self.input.add(parameter.name, parameter.place.name(), schema, parameter.required))
    }
}

#[cfg(test)]
mod tests;
