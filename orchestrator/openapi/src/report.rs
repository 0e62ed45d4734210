//! What was made of a document, and what was not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What was made of a document, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// The version of OpenAPI that the document is written in.
    pub openapi: String,
    /// How many operations the document has.
    pub operations: usize,
    /// How many of them were asked for.
    pub chosen: usize,
    /// How many actions were made.
    pub actions: usize,
    /// How many datatypes they refer to.
    pub datatypes: usize,
    /// What was left out, guessed and chosen, the gravest first.
    pub remarks: Vec<Remark>,
}

/// Something to know about the import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What kind it is.
    pub kind: RemarkKind,
    /// One sentence.
    pub message: String,
    /// Where in the document: operations such as `GET /pets`, or schemas.
    pub places: Vec<String>,
}

/// The kinds of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// A whole operation was left out.
    OperationLeftOut,
    /// A part of an operation or schema was left out.
    PartLeftOut,
    /// Something was guessed and should be looked at.
    Guessed,
    /// One of several ways was chosen.
    Chosen,
}

/// Remarks while they are collected: equal ones are one, with several places.
#[derive(Debug, Default)]
pub(crate) struct Remarks(BTreeMap<(RemarkKind, String), BTreeSet<String>>);

impl Remarks {
    pub(crate) fn add(&mut self, kind: RemarkKind, place: &str, message: impl Into<String>) {
        let places = self.0.entry((kind, message.into())).or_default();
        if !place.is_empty() {
            places.insert(place.to_owned());
        }
    }

    pub(crate) fn part(&mut self, place: &str, message: impl Into<String>) {
        self.add(RemarkKind::PartLeftOut, place, message);
    }

    pub(crate) fn guess(&mut self, place: &str, message: impl Into<String>) {
        self.add(RemarkKind::Guessed, place, message);
    }

    pub(crate) fn choice(&mut self, message: impl Into<String>) {
        self.add(RemarkKind::Chosen, "", message);
    }

    /// Takes all remarks of another collection.
    pub(crate) fn append(&mut self, other: Self) {
        for (key, places) in other.0 {
            self.0.entry(key).or_default().extend(places);
        }
    }

    pub(crate) fn finish(self) -> Vec<Remark> {
        let remark = |((kind, message), places): (_, BTreeSet<String>)| Remark {
            kind,
            message,
            places: places.into_iter().collect(),
        };
        self.0.into_iter().map(remark).collect()
    }
}
