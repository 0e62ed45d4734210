//! What commands print: results on standard output in the form that was asked for, everything else on standard error.

mod table;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::{Code, Failure};
pub(crate) use table::{Table, age, pairs};

/// The form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For people and programs.
    Yaml,
    /// Only names or ids, one a line.
    Name,
}

/// Where and how commands print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
}

impl Out {
    /// Prints a result: `names` for `-o name`, `text` for people, the value itself for programs.
    pub(crate) fn show<T: Serialize + ?Sized>(
        &self,
        value: &T,
        names: impl FnOnce() -> Vec<String>,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let wrong = |error: &dyn Display| {
            Failure::new(Code::Foreign, format!("the result cannot be printed: {error}"))
        };
        match self.format {
            Format::Table => self.line(text().trim_end()),
            Format::Json => self.line(&serde_json::to_string_pretty(value).map_err(|error| wrong(&error))?),
            Format::Yaml => {
                self.line(serde_saphyr::to_string(&value).map_err(|error| wrong(&error))?.trim_end())
            }
            Format::Name => names().iter().for_each(|name| self.line(name)),
        }
        Ok(())
    }

    /// Prints a result that is a line of a stream.
    pub(crate) fn item<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) {
        match self.format {
            Format::Table | Format::Name => self.line(&text()),
            Format::Json => self.line(&serde_json::to_string(value).unwrap_or_default()),
            Format::Yaml => {
                self.line(&format!("---\n{}", serde_saphyr::to_string(value).unwrap_or_default().trim_end()))
            }
        }
    }

    /// Prints on standard output. A reader that went away is not our trouble.
    #[expect(
        clippy::unused_self,
        reason = "printing goes through here, so that there is one place to change"
    )]
    pub(crate) fn line(&self, text: &str) {
        drop(writeln!(std::io::stdout().lock(), "{}", visible(text)));
    }

    /// Says what was done, unless it is to be quiet or programs read.
    pub(crate) fn done(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }
}

/// Prints on standard error.
pub(crate) fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{}", visible(text)));
}

/// The text with everything that a terminal would obey written out, as JSON writes it. Much of what is printed was said by
/// connectors and by those whom they talk to: a log line, an error, a body.
fn visible(text: &str) -> Cow<'_, str> {
    // In JSON these stand only in strings, so what is written instead means the same there.
    let is_obeyed = |letter: char| {
        (letter.is_control() && !matches!(letter, '\n' | '\t'))
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_obeyed(letter) {
            shown += &format!("\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Prints why a command was not done.
pub(crate) fn fail(failure: &Failure) {
    let text = failure.to_string();
    if !colours(&std::io::stderr()) {
        return note(&text);
    }
    // Before it is painted: the paint is made of what a terminal obeys.
    let text = visible(&text);
    let paint = |line: &str| match line.split_once('[') {
        Some(("error", rest)) => format!("\u{1b}[1;31merror\u{1b}[0m[{rest}"),
        Some(("warning", rest)) => format!("\u{1b}[1;33mwarning\u{1b}[0m[{rest}"),
        _ => line.to_owned(),
    };
    let painted = text.lines().map(paint).collect::<Vec<_>>().join("\n");
    drop(writeln!(std::io::stderr().lock(), "{painted}"));
}

/// Whether a stream shows colours: it is a terminal, and `NO_COLOR` is not set.
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether somebody sits there who can be asked.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question that is answered with yes or no.
pub(crate) fn confirm(question: &str) -> bool {
    drop(write!(std::io::stderr().lock(), "{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer).is_ok();
    read && matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_of_what_is_printed() {
        for (text, expect) in [
            ("plain, \ttabs\nand lines, é中", "plain, \ttabs\nand lines, é中"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", "\\u001b[2J\\u001b]0;title\\u0007"),
            ("10 %\r99 %", "10 %\\u000d99 %"),
            ("\u{9b}31m\u{7f}", "\\u009b31m\\u007f"),
            ("a\u{202e}b\u{2066}c", "a\\u202eb\\u2066c"),
        ] {
            assert_eq!(visible(text), expect);
        }
        let value = serde_json::json!({ "a": "\u{9b}31m\u{202e}" });
        let read: serde_json::Value = serde_json::from_str(&visible(&value.to_string())).unwrap();
        assert_eq!(read, value, "programs read what they would have read");
    }
}
