//! What a fault came to.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use sluice_tests::{Books, Figures};

/// The moments of a run, in milliseconds since it began.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) struck: Option<(u64, SystemTime)>,
    pub(crate) detected: Option<u64>,
    pub(crate) mended: Option<u64>,
}

/// A row of the table.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) number: String,
    pub(crate) name: String,
    pub(crate) figures: Figures,
    /// From the fault to the first line of the log that tells of it, or to what the row looks at.
    pub(crate) seconds_to_detect: Option<f64>,
    /// From the end of the fault to the next message that arrives for its first time.
    pub(crate) seconds_to_first: Option<f64>,
    /// From the end of the fault until everything arrived.
    pub(crate) seconds_to_drain: Option<f64>,
    /// Containers, queues and users that stayed when the flows were deleted.
    pub(crate) orphans: usize,
    /// How often the webhook answered with each status that is no success.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// What has to be so, and is.
    pub(crate) held: Vec<String>,
    /// What has to be so, and is not.
    pub(crate) broken: Vec<String>,
    /// Figures of the row's own.
    pub(crate) notes: Vec<String>,
    /// Whether messages that the fault destroys count as lost; then they are only shown.
    pub(crate) may_lose: bool,
    /// How long the row took.
    pub(crate) seconds: f64,
}

impl Row {
    /// Something that has to be so.
    pub(crate) fn check(&mut self, what: &str, is_so: bool) {
        if is_so { &mut self.held } else { &mut self.broken }.push(what.to_owned());
    }

    /// A figure of the row's own.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// What every run has to keep.
    pub(crate) fn judge(&mut self) {
        let figures = self.figures.clone();
        self.check("something was delivered", figures.delivered_unique > 0);
        if !self.may_lose {
            self.check("lost = 0", figures.lost == 0);
        }
        self.check("unexpected = 0", figures.unexpected == 0);
        self.check("duplicates have the id and the data of their first", figures.changed == 0);
    }

    pub(crate) fn orphans(&mut self, left: &[String]) {
        self.orphans = left.len();
        let what = match left.first() {
            Some(first) => format!("nothing stays of deleted flows (left: {first})"),
            None => "nothing stays of deleted flows".to_owned(),
        };
        self.check(&what, left.is_empty());
    }

    pub(crate) fn seconds_of(
        &mut self,
        times: &Times,
        books: &Books,
        sign: impl Fn(SystemTime) -> Option<u64>,
    ) {
        let seconds = |milliseconds: u64| (milliseconds as f64 / 100.0).round() / 10.0;
        let Some((struck, at)) = times.struck else { return };
        let looked = times.detected.map(|detected| detected.saturating_sub(struck));
        self.seconds_to_detect = looked.or_else(|| sign(at)).map(seconds);
        let mended = times.mended.unwrap_or(struck);
        self.seconds_to_first = books.first_after(mended).map(|at| seconds(at - mended));
        self.seconds_to_drain = books.last().and_then(|last| last.checked_sub(mended)).map(seconds);
    }

    /// `pass`, `FAIL` or `INVALID`.
    pub(crate) fn verdict(&self) -> &'static str {
        match (self.figures.delivered_unique, self.broken.is_empty()) {
            (0, _) => "INVALID",
            (_, true) => "pass",
            (_, false) => "FAIL",
        }
    }
}
