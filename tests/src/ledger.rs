//! The books of a run, kept outside of the system: what the source sent and got accepted, what the sink received. An
//! append-only file each.
//!
//! The verdict comes from these files alone, read again when the run is over. Only what is parked or dead has to be asked
//! of the system, and is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What was sent: an attempt, or that it was accepted.
#[derive(Debug, Serialize, Deserialize)]
struct Sending {
    at: u64,
    id: String,
    hash: String,
    accepted: bool,
}

/// What arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Receipt {
    /// When, in milliseconds since the run began.
    pub at: u64,
    /// What the source called it.
    pub id: String,
    /// The message id, which stays the same when it comes again.
    pub message: String,
    /// The hash of its data.
    pub hash: String,
}

/// The two files of a run, open for writing.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    source: Mutex<File>,
    sink: Mutex<File>,
    begun: Instant,
    progress: Mutex<Progress>,
}

/// What the files come to so far. For waiting only; the verdict reads the files.
#[derive(Debug, Default)]
struct Progress {
    accepted: BTreeSet<String>,
    received: BTreeSet<String>,
}

/// The hash of a message's data: 16 hexadecimal digits of SHA-256.
#[must_use]
pub fn hash(data: &str) -> String {
    Sha256::digest(data.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Ledger {
    /// Makes `source.ndjson` and `sink.ndjson` in a folder.
    ///
    /// # Errors
    /// When they cannot be made, or are there already.
    pub fn create(folder: &Path) -> Result<Self> {
        let file = |name: &str| File::options().create_new(true).append(true).open(folder.join(name));
        Ok(Self {
            folder: folder.to_owned(),
            source: Mutex::new(file("source.ndjson")?),
            sink: Mutex::new(file("sink.ndjson")?),
            begun: Instant::now(),
            progress: Mutex::default(),
        })
    }

    /// Milliseconds since the run began.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The source is about to send a message.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn attempts(&self, id: &str, data: &str) -> Result<()> {
        self.sending(id, data, false)
    }

    /// The source was told that a message is accepted.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn accepted(&self, id: &str, data: &str) -> Result<()> {
        self.sending(id, data, true)?;
        self.progress().accepted.insert(id.to_owned());
        Ok(())
    }

    fn sending(&self, id: &str, data: &str, accepted: bool) -> Result<()> {
        let line = Sending { at: self.now(), id: id.to_owned(), hash: hash(data), accepted };
        write(&self.source, &line)
    }

    /// The sink received a message.
    ///
    /// # Errors
    /// When it cannot be written; then the sink must not take it.
    pub fn received(&self, id: &str, message: &str, data: &str) -> Result<()> {
        let (id, message) = (id.to_owned(), message.to_owned());
        let line = Receipt { at: self.now(), id: id.clone(), message, hash: hash(data) };
        write(&self.sink, &line)?;
        self.progress().received.insert(id);
        Ok(())
    }

    /// How many different messages arrived so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.progress().received.len()
    }

    /// How many messages were accepted so far.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.progress().accepted.len()
    }

    /// What was accepted, did not arrive, and is not among `known`.
    #[must_use]
    pub fn missing(&self, known: &BTreeSet<String>) -> Vec<String> {
        let progress = self.progress();
        let missing = progress.accepted.iter().filter(|id| !progress.received.contains(*id));
        missing.filter(|id| !known.contains(*id)).cloned().collect()
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads both files.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn books(&self) -> Result<Books> {
        Books::read(&self.folder)
    }
}

/// One line, with one call of the system, so that a process that dies leaves whole lines.
fn write(file: &Mutex<File>, line: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    file.write_all(&text).context("cannot write the ledger")
}

/// What was sent under an id.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// The hash of its data.
    pub hash: String,
    /// How often it was sent.
    pub attempts: u64,
    /// Whether it was accepted.
    pub accepted: bool,
}

/// What the files of a run say.
#[derive(Debug, Default)]
pub struct Books {
    /// What was sent, by id.
    pub sent: BTreeMap<String, Sent>,
    /// What arrived, in its order.
    pub receipts: Vec<Receipt>,
}

/// What a run comes to. The names are those of Jepsen's checkers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Different messages that the source tried to send.
    pub attempted: usize,
    /// Those that were accepted.
    pub acknowledged: usize,
    /// Those that arrived, at least once.
    pub delivered_unique: usize,
    /// Accepted, and neither delivered, parked nor dead.
    pub lost: usize,
    /// Arrivals beyond the first of each.
    pub duplicated: usize,
    /// Those of them that came under another message id, or with other data: no duplicates at all.
    pub changed: usize,
    /// Arrived, though nobody was told that they are accepted.
    pub recovered: usize,
    /// Arrived, though nobody sent them, or not with this data.
    pub unexpected: usize,
    /// Waiting in lanes when the run was over.
    pub parked: usize,
    /// Accepted, not delivered, and a dead letter.
    pub dead: usize,
}

impl Books {
    /// Reads the files in a folder.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut books = Self::default();
        for line in std::fs::read_to_string(folder.join("source.ndjson"))?.lines() {
            let line: Sending = serde_json::from_str(line)?;
            let sent = books.sent.entry(line.id).or_default();
            sent.hash = line.hash;
            sent.accepted |= line.accepted;
            sent.attempts += u64::from(!line.accepted);
        }
        for line in std::fs::read_to_string(folder.join("sink.ndjson"))?.lines() {
            books.receipts.push(serde_json::from_str(line)?);
        }
        Ok(books)
    }

    /// The figures, when these messages are known to be dead or parked.
    #[must_use]
    pub fn figures(&self, dead: &BTreeSet<String>, parked: &BTreeSet<String>) -> Figures {
        let mut arrived: BTreeMap<&str, &Receipt> = BTreeMap::new();
        let mut figures = Figures { attempted: self.sent.len(), ..Figures::default() };
        for receipt in &self.receipts {
            match arrived.get(receipt.id.as_str()) {
                Some(first) => {
                    figures.duplicated += 1;
                    let same = first.message == receipt.message && first.hash == receipt.hash;
                    figures.changed += usize::from(!same);
                }
                None => {
                    arrived.insert(&receipt.id, receipt);
                    let sent = self.sent.get(&receipt.id);
                    figures.unexpected += usize::from(sent.is_none_or(|sent| sent.hash != receipt.hash));
                }
            }
        }
        for (id, sent) in &self.sent {
            let there = arrived.contains_key(id.as_str());
            figures.delivered_unique += usize::from(there);
            figures.acknowledged += usize::from(sent.accepted);
            figures.recovered += usize::from(there && !sent.accepted);
            if sent.accepted && !there {
                match (dead.contains(id), parked.contains(id)) {
                    (true, _) => figures.dead += 1,
                    (false, true) => figures.parked += 1,
                    (false, false) => figures.lost += 1,
                }
            }
        }
        figures
    }

    /// When the first message arrived after a moment that had not arrived before, in milliseconds since the run began.
    #[must_use]
    pub fn first_after(&self, moment: u64) -> Option<u64> {
        let mut seen = BTreeSet::new();
        self.receipts
            .iter()
            .find_map(|receipt| (seen.insert(&receipt.id) && receipt.at >= moment).then_some(receipt.at))
    }

    /// When the last message arrived for its first time.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        let mut seen = BTreeSet::new();
        self.receipts.iter().filter(|receipt| seen.insert(&receipt.id)).map(|receipt| receipt.at).max()
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Ledger};
    use std::collections::BTreeSet;

    #[test]
    fn the_figures_tell_lost_from_dead_and_duplicates_from_changes() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(folder.path()).unwrap();
        for id in ["a", "b", "c", "d", "e"] {
            ledger.attempts(id, id).unwrap();
        }
        for id in ["a", "b", "c", "d"] {
            ledger.accepted(id, id).unwrap();
        }
        for (id, message, data) in [
            ("a", "1", "a"),
            ("a", "1", "a"),
            ("b", "2", "b"),
            ("b", "3", "b"),
            ("e", "5", "e"),
            ("x", "6", "x"),
        ] {
            ledger.received(id, message, data).unwrap();
        }
        let dead = BTreeSet::from(["c".to_owned()]);
        assert_eq!(ledger.missing(&dead), ["d"]);
        let figures = ledger.books().unwrap().figures(&dead, &BTreeSet::new());
        let expected = Figures {
            attempted: 5,
            acknowledged: 4,
            delivered_unique: 3,
            lost: 1,
            duplicated: 2,
            changed: 1,
            recovered: 1,
            unexpected: 1,
            parked: 0,
            dead: 1,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn data_that_changed_on_its_way_is_unexpected() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(folder.path()).unwrap();
        ledger.attempts("a", "one").unwrap();
        ledger.accepted("a", "one").unwrap();
        ledger.received("a", "1", "two").unwrap();
        let figures = ledger.books().unwrap().figures(&BTreeSet::new(), &BTreeSet::new());
        assert_eq!((figures.unexpected, figures.lost), (1, 0));
    }
}
