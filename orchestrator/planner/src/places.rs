//! Where things stand in a file.

use std::collections::{BTreeMap, BTreeSet};

/// A line and a column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl Default for Mark {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

/// The place of every value of a document, by JSON Pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    marks: BTreeMap<String, Mark>,
    broken: BTreeSet<String>,
}

impl Places {
    /// The place of a value, or of the nearest value around it that the file has.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Mark {
        let mut rest = pointer;
        loop {
            if let Some(mark) = self.marks.get(rest) {
                return *mark;
            }
            match rest.rfind('/') {
                Some(end) => rest = &rest[..end],
                None => return Mark::default(),
            }
        }
    }

    /// Whether the file has a value there.
    #[must_use]
    pub fn has(&self, pointer: &str) -> bool {
        self.marks.contains_key(pointer)
    }

    /// The names of the members that the file has there, whether they could be read or not.
    #[must_use]
    pub fn members(&self, pointer: &str) -> Vec<String> {
        let prefix = format!("{pointer}/");
        let inside = self.marks.range(prefix.clone()..).map(|(place, _)| place.as_str());
        let names = inside.map_while(|place| place.strip_prefix(prefix.as_str()));
        names
            .filter(|name| !name.contains('/'))
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect()
    }

    /// Whether the value there has a fault of its own that is reported already.
    pub(crate) fn is_broken(&self, pointer: &str) -> bool {
        self.broken.contains(pointer)
    }

    pub(crate) fn mark_broken(&mut self, pointer: String) {
        self.broken.insert(pointer);
    }

    pub(crate) fn insert(&mut self, pointer: String, mark: Mark) {
        self.marks.insert(pointer, mark);
    }
}

/// A member name as a token of a JSON Pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_stands_where_the_value_around_it_stands() {
        let mut places = Places::default();
        places.insert(String::new(), Mark { line: 2, column: 1 });
        places.insert("/steps/0".to_owned(), Mark { line: 5, column: 3 });
        assert_eq!(places.at("/steps/0/config/url").line, 5);
        assert_eq!(places.at("/name").line, 2);
    }
}
