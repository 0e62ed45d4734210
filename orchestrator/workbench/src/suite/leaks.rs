//! Secrets where they must not be: in what containers wrote, and in errors.

use secrecy::ExposeSecret;

use super::Suite;
use crate::{Check, CheckName};

/// A shorter one would be found in ordinary words.
const SHORTEST: usize = 6;

impl Suite<'_> {
    pub(super) async fn leaks(&mut self) {
        if !self.wants(CheckName::Secrets, None) {
            return;
        }
        let lines = match self.bench.witness.lines().await {
            Ok(lines) => lines,
            Err(error) => {
                let reason = format!("the logs cannot be read: {}", sluice_engine::chain(&error));
                return self.add(Check::of(CheckName::Secrets, Err(reason)));
            }
        };
        let tokens = self.bench.witness.tokens();
        let mut wanted: Vec<(String, &str)> =
            tokens.iter().map(|token| ("the token of the start".to_owned(), token.expose_secret())).collect();
        let fields = self.secrets.iter().chain(&self.bad_secrets);
        wanted
            .extend(fields.map(|(field, secret)| (format!("the secret `{field}`"), secret.expose_secret())));
        let count = wanted.len();
        wanted.retain(|(_, secret)| secret.len() >= SHORTEST);
        let short = count - wanted.len();
        let mut found: Vec<String> = Vec::new();
        for (what, secret) in &wanted {
            if lines.iter().any(|line| line.contains(secret)) {
                found.push(format!("{what} is in the log"));
            }
            if self.said.iter().any(|said| said.contains(secret)) {
                found.push(format!("{what} is in the message of an error"));
            }
        }
        found.dedup();
        let check = match (tokens.is_empty(), found.is_empty()) {
            (true, _) => Check::skipped(CheckName::Secrets, "no case started a container"),
            (false, false) => Check::of(CheckName::Secrets, Err(found.join("; "))),
            (false, true) => {
                let mut reason = format!("{} secrets and tokens, in {} lines", wanted.len(), lines.len());
                if short > 0 {
                    reason += &format!("; {short} shorter than {SHORTEST} characters were not looked for");
                }
                Check::of(CheckName::Secrets, Ok(reason))
            }
        };
        self.add(check);
    }
}
