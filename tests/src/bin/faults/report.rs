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
    /// The table of faults, those that do not run here included. Rows that this run has not are those of the table
    /// `before`.
    pub(crate) fn table(&self, faults: &[Fault], before: &str) -> String {
        let mut text = String::from(
            "| fault | verdict | accepted | delivered | lost | twice | dead | seconds: detect, first, drain | notes |\n\
             | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for fault in faults {
            let title = format!("{} {}", fault.number, fault.name);
            match (fault.how, self.rows.iter().find(|row| row.number == fault.number)) {
                (How::Runs(_), Some(row)) => line(&mut text, &title, row),
                (How::Runs(_), None) => {
                    if let Some(kept) = row_of(before, fault.number) {
                        writeln!(text, "{kept}").unwrap_or_default();
                    }
                }
                (How::Shown(by), _) => {
                    writeln!(text, "| {title} | elsewhere | | | | | | | {by} |").unwrap_or_default();
                }
                (How::LeftOut(why), _) => {
                    writeln!(text, "| {title} | left out | | | | | | | {why} |").unwrap_or_default();
                }
            }
        }
        let sums = Sums::of(&text);
        writeln!(
            text,
            "\n{} of {} rows pass. {} messages were accepted; {} of them were lost, besides {} that the faults themselves \
             destroyed. The last run: seed {}, {} messages a load, a {} build.",
            sums.passed, sums.rows, sums.accepted, sums.lost, sums.stated, self.seed, self.messages, self.build,
        )
        .unwrap_or_default();
        text
    }
}

/// The row of a table that begins with this word.
fn row_of<'t>(table: &'t str, name: &str) -> Option<&'t str> {
    table.lines().find(|line| line.strip_prefix("| ").and_then(|rest| rest.split(' ').next()) == Some(name))
}

/// What all rows of a table of faults that ran come to.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    rows: usize,
    passed: usize,
    accepted: usize,
    lost: usize,
    /// Lost in rows that pass: what the fault itself destroyed.
    stated: usize,
}

impl Sums {
    fn of(table: &str) -> Self {
        let mut sums = Self::default();
        for row in table.lines() {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [_, _, verdict @ ("pass" | "FAIL" | "INVALID"), accepted, _, lost, ..] = cells[..] else {
                continue;
            };
            let (accepted, lost) = (accepted.parse().unwrap_or(0), lost.parse().unwrap_or(0));
            let passed = verdict == "pass";
            sums.rows += 1;
            sums.passed += usize::from(passed);
            sums.accepted += accepted;
            *(if passed { &mut sums.stated } else { &mut sums.lost }) += lost;
        }
        sums
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
        one_line(&notes.join("; ")),
    )
    .unwrap_or_default();
}

/// A text that stays within its cell.
fn one_line(text: &str) -> String {
    const MOST: usize = 600;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    match words.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &words[..end]),
        None => words,
    }
}

/// The table of crash points. Points that this run has not are those of the table `before`.
pub(crate) fn crash_table(cases: &[Case], failed: &[(String, String)], before: &str) -> String {
    let mut text = String::from(
        "| point | where it strikes | abort | error | delay of 5 s |\n| --- | --- | --- | --- | --- |\n",
    );
    for point in POINTS {
        let tried = cases.iter().any(|case| case.point == point.name)
            || failed.iter().any(|(known, _)| known.split(' ').next() == Some(point.name));
        if !tried && let Some(kept) = row_of(before, &format!("`{}`", point.name)) {
            writeln!(text, "{kept}").unwrap_or_default();
            continue;
        }
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
        let cells = ["Abort", "Error", "Delay"].map(cell).join(" | ");
        writeln!(text, "| `{}` | {} | {cells} |", point.name, point.at).unwrap_or_default();
    }
    let rows = || text.lines().filter(|line| line.starts_with("| `"));
    let passed: usize = rows().map(|row| row.matches(" s |").count()).sum();
    let failures: usize = rows().map(|row| row.matches("**FAIL**").count()).sum();
    writeln!(text, "\n{} cases, {failures} of them failed.", passed + failures).unwrap_or_default();
    if let Some(last) = cases.last() {
        let figures = &last.figures;
        writeln!(
            text,
            "At the end of the last run, of {} cases, {} messages were accepted, {} delivered, {} dead, {} lost, {} came twice.",
            cases.len() + failed.len(),
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

/// Puts a table, made of the one before, between `<!-- NAME -->` and `<!-- /NAME -->` of a file.
///
/// # Errors
/// When the file has no such marks.
pub(crate) fn put_between_marks(file: &Path, name: &str, table: impl FnOnce(&str) -> String) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = between_marks(&text, name, table)?;
    std::fs::write(file, text).map_err(Into::into)
}

fn between_marks(text: &str, name: &str, table: impl FnOnce(&str) -> String) -> Result<String> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no {begin}"))?;
    let (old, after) = rest.split_once(&end).with_context(|| format!("there is no {end}"))?;
    Ok(format!("{before}{begin}\n{}\n{end}{after}", table(old).trim()))
}

#[cfg(test)]
mod tests {
    use super::{Report, Sums};
    use crate::catalogue;
    use crate::row::Row;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let text = "a\n<!-- t -->\nold\n<!-- /t -->\nb\n";
        let new = super::between_marks(text, "t", |old| old.replace("old", "new")).unwrap();
        assert_eq!(new, "a\n<!-- t -->\nnew\n<!-- /t -->\nb\n");
        assert!(super::between_marks(text, "u", |_| "new".to_owned()).is_err());
    }

    #[test]
    fn rows_of_a_run_replace_those_rows_alone() {
        let row = |number: &str, delivered: usize| {
            let mut row = Row { number: number.to_owned(), ..Row::default() };
            (row.figures.acknowledged, row.figures.delivered_unique) = (7, delivered);
            row
        };
        let report = |seed, rows| Report { seed, messages: 1, build: "test", rows };
        let all = catalogue::all();
        let first = report(1, vec![row("F1", 7), row("F14", 0), row("F14a", 5)]).table(&all, "");
        let second = report(2, vec![row("F14", 6)]).table(&all, &first);
        let kept = |number| super::row_of(&second, number) == super::row_of(&first, number);
        assert!(kept("F1") && kept("F14a") && kept("F5") && !kept("F14"), "{second}");
        assert_eq!(Sums::of(&first).passed, 2);
        assert_eq!(Sums::of(&second), Sums { rows: 3, passed: 3, accepted: 21, lost: 0, stated: 0 });
        assert_eq!(second.matches("seed").count(), 1);
    }

    #[test]
    fn what_a_row_that_passes_lost_was_destroyed_by_its_fault() {
        let table = "| F9 x | pass | 10 | 8 | 2 | 0 | 0 | - | |\n| F1 y | FAIL | 5 | 4 | 1 | 0 | 0 | - | |\n";
        assert_eq!(Sums::of(table), Sums { rows: 2, passed: 1, accepted: 15, lost: 1, stated: 2 });
    }
}
