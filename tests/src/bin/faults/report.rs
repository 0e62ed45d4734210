//! The tables: for people on the terminal, for `docs/reliability.md`, and as JSON.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use sluice_tests::crash::{Case, POINTS};

use crate::catalogue::{Fault, How};
use crate::row::Row;

/// What a run of the program came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) messages: usize,
    /// `development` or `release`.
    pub(crate) build: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// The table of faults, those that do not run here included.
    pub(crate) fn table(&self, faults: &[Fault]) -> String {
        let mut text = String::from(
            "| fault | verdict | accepted | delivered | lost | twice | dead | seconds: detect, first, drain | notes |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for fault in faults {
            let title = format!("{} {}", fault.number, fault.name);
            match (fault.how, self.rows.iter().find(|row| row.number == fault.number)) {
                (How::Runs(_), Some(row)) => line(&mut text, &title, row),
                (How::Runs(_), None) => {}
                (How::Shown(by), _) => {
                    writeln!(text, "| {title} | elsewhere | | | | | | | {by} |").unwrap_or_default()
                }
                (How::LeftOut(why), _) => {
                    writeln!(text, "| {title} | left out | | | | | | | {why} |").unwrap_or_default();
                }
            }
        }
        let figures = self.rows.iter().map(|row| &row.figures);
        let (accepted, lost) =
            figures.fold((0, 0), |sum, figures| (sum.0 + figures.acknowledged, sum.1 + figures.lost));
        let stated: usize = self.rows.iter().filter(|row| row.may_lose).map(|row| row.figures.lost).sum();
        let passed = self.rows.iter().filter(|row| row.verdict() == "pass").count();
        writeln!(
            text,
            "\nSeed {}, {} messages a load, a {} build: {passed} of {} rows pass. {accepted} messages were accepted; \
             {} of them were lost, besides {stated} that the faults themselves destroyed.",
            self.seed,
            self.messages,
            self.build,
            self.rows.len(),
            lost - stated,
        )
        .unwrap_or_default();
        text
    }
}

fn line(text: &mut String, title: &str, row: &Row) {
    let figures = &row.figures;
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let mut notes = row.notes.clone();
    if !row.refused.is_empty() {
        let refused: Vec<String> =
            row.refused.iter().map(|(status, times)| format!("{times} x {status}")).collect();
        notes.push(format!("webhook: {}", refused.join(", ")));
    }
    notes.extend(row.broken.iter().map(|what| format!("**not so: {what}**")));
    writeln!(
        text,
        "| {title} | {} | {} | {} | {} | {} | {} | {}, {}, {} | {} |",
        row.verdict(),
        figures.acknowledged,
        figures.delivered_unique,
        figures.lost,
        figures.duplicated,
        figures.dead,
        seconds(row.seconds_to_detect),
        seconds(row.seconds_to_first),
        seconds(row.seconds_to_drain),
        notes.join("; ").replace('|', "\\|"),
    )
    .unwrap_or_default();
}

/// The table of crash points.
pub(crate) fn crash_table(cases: &[Case], failed: &[(String, String)]) -> String {
    let mut text = String::from(
        "| point | where it strikes | abort | error | delay of 5 s |\n| --- | --- | --- | --- | --- |\n",
    );
    for point in POINTS {
        let cell = |blow: &str| {
            let name = format!("{} {blow}", point.name);
            if failed.iter().any(|(known, _)| *known == name) {
                return "**FAIL**".to_owned();
            }
            let of = |case: &&Case| case.point == point.name && format!("{:?}", case.blow) == blow;
            match cases.iter().find(of) {
                Some(case) => format!("{:.1} s", case.seconds),
                None if blow == "Error" && !point.fails => "cannot fail".to_owned(),
                None => "-".to_owned(),
            }
        };
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            point.name,
            point.at,
            cell("Abort"),
            cell("Error"),
            cell("Delay")
        )
        .unwrap_or_default();
    }
    if let Some(last) = cases.last() {
        let figures = &last.figures;
        writeln!(
            text,
            "\n{} cases, {} of them failed. At the end {} messages were accepted, {} delivered, {} dead, {} lost, {} came twice.",
            cases.len() + failed.len(),
            failed.len(),
            figures.acknowledged,
            figures.delivered_unique,
            figures.dead,
            figures.lost,
            figures.duplicated,
        )
        .unwrap_or_default();
    }
    text
}

/// Puts a table between `<!-- NAME -->` and `<!-- /NAME -->` of a file.
///
/// # Errors
/// When the file has no such marks.
pub(crate) fn put_between_marks(file: &Path, name: &str, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = between_marks(&text, name, table)?;
    std::fs::write(file, text).map_err(Into::into)
}

fn between_marks(text: &str, name: &str, table: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no {begin}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("there is no {end}"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let text = "a\n<!-- t -->\nold\n<!-- /t -->\nb\n";
        let new = super::between_marks(text, "t", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n");
        assert!(super::between_marks(text, "u", "new").is_err());
    }
}
