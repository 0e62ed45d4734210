//! What a third party was asked in a suite, and what it said: a file for each case, fit to be read and kept.
//!
//! Exchanges come from the trace of a run, which masks the secrets of the instance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What stands for a secret.
pub(crate) const MASK: &str = "***";
/// Most bytes of a file.
const BYTES: u64 = 64 << 20;

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The request as it was sent.
    pub request: Asked,
    /// What came back.
    pub response: Answered,
}

/// A request as it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The headers, names in lower case.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body as text; nothing when it was empty or is no text.
    #[serde(default)]
    pub body: Option<String>,
    /// How many bytes the body had.
    #[serde(default)]
    pub bytes: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body as text; nothing when it was empty or is no text.
    #[serde(default)]
    pub body: Option<String>,
    /// How many bytes the body had.
    #[serde(default)]
    pub bytes: u64,
}

/// The exchanges of all cases, in a folder.
#[derive(Debug, Default)]
pub struct Recording {
    folder: PathBuf,
    /// The exchanges of each scope, in order.
    pub(crate) scopes: BTreeMap<String, Vec<Exchange>>,
}

/// Why a recording cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The folder or a file in it cannot be read or written.
    #[error("{path} cannot be used")]
    File {
        /// The folder or file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is none of a recording.
    #[error("{path} is no file of a recording")]
    Form {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The folder has no file of a recording.
    #[error("{0} holds no recording; make one with --record")]
    Empty(String),
}

impl Recording {
    /// A recording that is to be written to a folder, which is made if need be.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create(folder: &Path) -> Result<Self, RecordingError> {
        std::fs::create_dir_all(folder).map_err(|source| unusable(folder, source))?;
        Ok(Self { folder: folder.to_owned(), scopes: BTreeMap::new() })
    }

    /// Reads the recording of a folder.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        let mut scopes = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|source| unusable(folder, source))? {
            let path = entry.map_err(|source| unusable(folder, source))?.path();
            let name =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
            let Some(scope) = name else { continue };
            let size = std::fs::metadata(&path).map_err(|source| unusable(&path, source))?.len();
            if size > BYTES {
                let source = std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is too large");
                return Err(unusable(&path, source));
            }
            let text = std::fs::read_to_string(&path).map_err(|source| unusable(&path, source))?;
            let exchanges = serde_json::from_str(&text)
                .map_err(|source| RecordingError::Form { path: path.display().to_string(), source })?;
            scopes.insert(scope.to_owned(), exchanges);
        }
        if scopes.is_empty() {
            return Err(RecordingError::Empty(folder.display().to_string()));
        }
        Ok(Self { folder: folder.to_owned(), scopes })
    }

    /// Keeps the exchanges of a scope, in place of what was kept of it before. Says what of them cannot be replayed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn keep(
        &mut self,
        scope: &str,
        exchanges: Vec<Exchange>,
    ) -> Result<Vec<String>, RecordingError> {
        let lost = exchanges.iter().filter_map(Exchange::lost).collect();
        let path = self.folder.join(format!("{scope}.json"));
        let text = serde_json::to_string_pretty(&exchanges).expect("exchanges are plain JSON") + "\n";
        std::fs::write(&path, text).map_err(|source| unusable(&path, source))?;
        self.scopes.insert(scope.to_owned(), exchanges);
        Ok(lost)
    }
}

impl Exchange {
    /// Why it cannot be replayed, if it cannot: a trace tells texts of up to 64 KiB.
    fn lost(&self) -> Option<String> {
        let Answered { body, bytes, .. } = &self.response;
        let told = body.as_ref().map_or(0, String::len) as u64;
        // A mask may be shorter or longer than what it stands for.
        let whole =
            *bytes == told || body.as_ref().is_some_and(|body| body.contains(MASK) && !body.ends_with('…'));
        (!whole).then(|| {
            let Asked { method, url, .. } = &self.request;
            format!("the answer to {method} {url} ({bytes} bytes) is no text of up to 64 KiB")
        })
    }
}

fn unusable(path: &Path, source: std::io::Error) -> RecordingError {
    RecordingError::File { path: path.display().to_string(), source }
}

/// The name of a scope, fit for the name of a file.
pub(crate) fn scope(parts: &[&str]) -> String {
    let clean = |part: &&str| -> String {
        let letters = part.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
        letters.take(60).collect::<String>().to_ascii_lowercase()
    };
    parts.iter().map(clean).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn exchange(body: Option<&str>, bytes: u64) -> Exchange {
        let value = json!({
            "request": { "method": "GET", "url": "http://x/a" },
            "response": { "status": 200, "body": body, "bytes": bytes },
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Recording::open(folder.path()), Err(RecordingError::Empty(_))));
        let mut recording = Recording::create(folder.path()).unwrap();
        assert!(recording.keep("case.a", vec![exchange(Some("abc"), 3)]).unwrap().is_empty());
        assert_eq!(Recording::open(folder.path()).unwrap().scopes, recording.scopes);
    }

    #[test]
    fn what_a_trace_leaves_out_is_told() {
        for (body, bytes, lost) in [
            (Some("abc"), 3, false),
            (None, 0, false),
            (None, 9, true),
            (Some("ab…"), 90_000, true),
            (Some("a***"), 9, false),
        ] {
            assert_eq!(exchange(body, bytes).lost().is_some(), lost, "{body:?}");
        }
    }

    #[test]
    fn a_scope_is_the_name_of_a_file() {
        assert_eq!(scope(&["case", "all_queues", "A/../b c"]), "case.all-queues.a----b-c");
    }
}
