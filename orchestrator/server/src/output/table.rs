//! Tables for people.

use chrono::{DateTime, Utc};
use comfy_table::presets::NOTHING;

/// A table without lines.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING).set_header(titles.iter().map(|title| title.to_uppercase()));
        Self(table)
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells);
    }

    /// The table, or a sentence when it has no rows.
    pub(crate) fn text(self, none: &str) -> String {
        if self.0.is_empty() {
            return none.to_owned();
        }
        let text = self.0.to_string();
        text.lines().map(|line| line.trim().to_owned() + "\n").collect()
    }
}

/// Names and values, a line each.
pub(crate) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown = pairs.iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// How long ago something was.
pub(crate) fn age(at: DateTime<Utc>) -> String {
    let seconds = (Utc::now() - at).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}
