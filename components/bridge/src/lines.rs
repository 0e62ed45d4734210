//! What a process writes, as lines of our log.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

/// Most bytes of a line; the rest of a longer one is left out.
const LINE_BYTES: u64 = 16 * 1024;
/// How many of the last lines are told when the process ends.
const LAST: usize = 3;
/// Most characters of these together.
const LAST_CHARS: usize = 600;

/// What must not stand in a log: old libraries write out the config that they got.
#[derive(Clone)]
pub(crate) struct Mask(Arc<[String]>);

impl Mask {
    /// Hides these texts, also as they stand in JSON. One of less than four characters would hide half of everything.
    pub(crate) fn new(texts: Vec<String>) -> Self {
        let fits = texts.into_iter().filter(|text| text.len() >= 4);
        let mut all: Vec<String> = fits
            .flat_map(|text| {
                let quoted = Value::from(text.as_str()).to_string();
                [quoted.trim_matches('"').to_owned(), text]
            })
            .collect();
        // The longest first: a text may stand in another one.
        all.sort_by_key(|text| std::cmp::Reverse(text.len()));
        all.dedup();
        Self(all.into())
    }

    pub(crate) fn hide(&self, line: &str) -> String {
        self.0.iter().fold(line.to_owned(), |line, text| {
            if line.contains(text.as_str()) { line.replace(text.as_str(), "***") } else { line }
        })
    }
}

/// Passes on the lines of both streams. Resolves at their end to the last lines that were errors or no log.
pub(crate) fn forward(
    step: &str,
    mask: &Mask,
    out: Option<impl AsyncRead + Send + 'static>,
    err: Option<impl AsyncRead + Send + 'static>,
) -> oneshot::Receiver<String> {
    let (done, last) = oneshot::channel();
    let (step, mask) = (step.to_owned(), mask.clone());
    tokio::spawn(async move {
        let (out, err) = tokio::join!(follow(&step, &mask, out), follow(&step, &mask, err));
        let all: Vec<String> = out.into_iter().chain(err).collect();
        let text = all[all.len().saturating_sub(LAST)..].join(" | ");
        let skip = text.chars().count().saturating_sub(LAST_CHARS);
        done.send(text.chars().skip(skip).collect()).ok();
    });
    last
}

async fn follow(step: &str, mask: &Mask, from: Option<impl AsyncRead>) -> VecDeque<String> {
    let mut last = VecDeque::new();
    let Some(from) = from else { return last };
    let from = pin!(from);
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut from).take(LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = mask.hide(text.trim_end());
        if !text.is_empty() && tell(step, &text) {
            if last.len() == LAST {
                last.pop_front();
            }
            last.push_back(said(&text));
        }
    }
}

/// The sentence of a line.
fn said(text: &str) -> String {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    match (told["msg"].as_str(), told["err"]["message"].as_str()) {
        (Some(said), Some(error)) if !said.contains(error) => format!("{said}: {error}"),
        (Some(said), _) => said.to_owned(),
        (None, _) => text.to_owned(),
    }
}

/// Logs a line. True when it says that something is wrong, or is no line of a log: then it may be the last word.
fn tell(step: &str, text: &str) -> bool {
    let Ok(Value::Object(line)) = serde_json::from_str::<Value>(text) else {
        info!(step.id = step, "{text}");
        return true;
    };
    let message = line.get("msg").and_then(Value::as_str).unwrap_or(text);
    // The levels of bunyan.
    match line.get("level").and_then(Value::as_u64).unwrap_or(30) {
        50.. => error!(step.id = step, "{message}"),
        40.. => warn!(step.id = step, "{message}"),
        30.. => info!(step.id = step, "{message}"),
        _ => debug!(step.id = step, "{message}"),
    }
    line.get("level").and_then(Value::as_u64) >= Some(50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_lines() {
        let mask = Mask::new(vec!["pass\"word".to_owned(), "abc".to_owned(), "word".to_owned()]);
        assert_eq!(mask.hide(r#"got {"p":"pass\"word"} abc"#), r#"got {"p":"***"} abc"#);
        assert_eq!(mask.hide("pass\"word and word"), "*** and ***");
    }
}
