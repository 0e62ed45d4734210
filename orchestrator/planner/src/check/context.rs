//! What the checks share: the template looked through once.

use serde_json::Value;
use sluice_domain::Step;
use sluice_mapping::{Expression, Limits, Mapping, MappingError, Reads, Segment, StepReads};

use crate::resolve::{Resolved, resolve};
use crate::topology::Topology;
use crate::{Catalogue, Code, Diagnostic, Report, TemplateDoc};

/// A template, resolved and parsed as far as it goes.
pub(crate) struct Context<'a> {
    pub(crate) doc: &'a TemplateDoc,
    pub(crate) catalogue: &'a Catalogue,
    /// What each step means, where that is known.
    pub(crate) resolved: Vec<Option<Resolved<'a>>>,
    pub(crate) topology: Topology,
    /// The expressions of each step's gate.
    pub(crate) gates: Vec<Expressions>,
    /// The expressions of each step's config.
    pub(crate) configs: Vec<Expressions>,
}

/// The expressions of a part of a step.
#[derive(Debug, Default)]
pub(crate) struct Expressions {
    /// Those that can be read.
    pub(crate) good: Vec<Parsed>,
    /// The faults of `input` or `config`, with their place in the document.
    pub(crate) mapping_faults: Vec<(String, MappingError)>,
    /// The faults of `when` and `split`.
    pub(crate) condition_faults: Vec<(String, MappingError)>,
}

/// One expression and where it stands.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) pointer: String,
    pub(crate) source: String,
    pub(crate) reads: Reads,
    pub(crate) paths: Vec<Vec<Segment>>,
    pub(crate) exact: bool,
}

impl<'a> Context<'a> {
    pub(crate) fn new(doc: &'a TemplateDoc, catalogue: &'a Catalogue) -> Self {
        let template = &doc.template;
        let limits = Limits::default();
        let steps = || template.steps.iter().enumerate();
        Self {
            doc,
            catalogue,
            resolved: steps().map(|(_, step)| resolve(template, step, catalogue)).collect(),
            topology: Topology::of(template),
            gates: steps().map(|(index, step)| gate(doc, index, step, &limits)).collect(),
            configs: steps()
                .map(|(index, step)| {
                    let mut found = Expressions::default();
                    mapping(&step.config, doc.pointer(index, "/config"), &limits, &mut found);
                    found
                })
                .collect(),
        }
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = (usize, &'a Step)> {
        self.doc.template.steps.iter().enumerate()
    }

    /// The ids of the steps, those that could not be read included.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let read = self.doc.template.steps.iter().map(|step| step.id.as_str());
        read.chain(self.doc.gaps.steps.iter().map(String::as_str)).collect()
    }

    /// Whether nothing can be said about a step id because parts of the template could not be read.
    pub(crate) fn unsure(&self) -> bool {
        self.doc.gaps.any
    }

    /// Whether the step uses a trigger, as far as that is known.
    pub(crate) fn is_trigger(&self, step: usize) -> bool {
        self.resolved[step].is_some_and(|resolved| resolved.function.is_trigger())
    }

    /// Where an edge of a step stands: an item of the list `after`, or its only text.
    pub(crate) fn after_pointer(&self, step: usize, number: usize) -> String {
        self.doc.pointer(step, &format!("/after/{number}"))
    }

    /// A diagnostic at a field of a step.
    pub(crate) fn at_step(
        &self,
        code: Code,
        step: usize,
        field: &str,
        message: impl Into<String>,
    ) -> Diagnostic {
        self.at(code, &self.doc.pointer(step, field), message)
    }

    /// A diagnostic at a place of the document.
    pub(crate) fn at(&self, code: Code, pointer: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, &self.doc.file, self.doc.places.at(pointer), message)
    }

    /// Reports the faults of expressions.
    pub(crate) fn faults(&self, code: Code, faults: &[(String, MappingError)], report: &mut Report) {
        for (pointer, error) in faults {
            let place = if error.expression.is_empty() {
                String::new()
            } else {
                format!("`{}`: ", error.expression.trim())
            };
            report.push(self.at(code, pointer, crate::read::clean(&format!("{place}{}", error.reason))));
        }
    }
}

impl Expressions {
    /// The ids of the steps that are read, with the expression that does; `All` reads name none.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&Parsed, &str)> {
        self.good.iter().flat_map(|parsed| {
            let ids: Vec<&str> = match &parsed.reads.steps {
                StepReads::Some(steps) => steps.keys().map(String::as_str).collect(),
                StepReads::None | StepReads::All => Vec::new(),
            };
            ids.into_iter().map(move |id| (parsed, id))
        })
    }

    /// What all of them read together.
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = Reads::default();
        self.good.iter().for_each(|parsed| reads.merge(&parsed.reads));
        reads
    }
}

fn gate(doc: &TemplateDoc, index: usize, step: &Step, limits: &Limits) -> Expressions {
    let mut found = Expressions::default();
    for (field, source) in [("/when", &step.gate.when), ("/split", &step.gate.split)] {
        let Some(source) = source else { continue };
        let pointer = doc.pointer(index, field);
        match Expression::parse(source, limits) {
            Ok(expression) => found.good.push(Parsed {
                pointer,
                source: expression.source().to_owned(),
                reads: expression.reads().clone(),
                paths: expression.paths(),
                exact: false,
            }),
            Err(error) => found.condition_faults.push((pointer, error)),
        }
    }
    if let Some(input) = &step.gate.input {
        mapping(input, doc.pointer(index, "/input"), limits, &mut found);
    }
    found
}

/// Finds the expressions of a mapping. Each is parsed alone, so that what it reads has a place.
fn mapping(value: &Value, pointer: String, limits: &Limits, found: &mut Expressions) {
    if let Err(errors) = Mapping::parse(value, limits) {
        let at = errors.into_iter().map(|error| (format!("{pointer}{}", error.place), error));
        found.mapping_faults.extend(at);
    }
    leaves(value, pointer, limits, &mut found.good);
}

fn leaves(value: &Value, pointer: String, limits: &Limits, found: &mut Vec<Parsed>) {
    match value {
        Value::String(text) if sluice_mapping::is_expression(text) => {
            let Ok(mapping) = Mapping::parse(value, limits) else { return };
            let paths = mapping.paths();
            found.push(Parsed {
                pointer,
                source: text.clone(),
                reads: mapping.reads().clone(),
                exact: paths.first().is_some_and(|path| path.exact),
                paths: paths.into_iter().map(|path| path.segments).collect(),
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{pointer}/{index}"), limits, found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, format!("{pointer}/{}", crate::places::escape(name)), limits, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
