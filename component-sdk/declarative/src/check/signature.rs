//! Faults of the descriptions of signatures.

use super::{Check, ProblemKind, placeholders, short};
use crate::{Algorithm, Encoding, Place, Preset, SecretEncoding, Signature};

impl Check {
    pub(super) fn signature(&mut self, at: &str, signature: &Signature) {
        match signature.preset {
            Some(preset) => self.preset(at, preset, signature),
            None => self.hmac(at, signature),
        }
    }

    fn preset(&mut self, at: &str, preset: Preset, signature: &Signature) {
        let fields = [
            ("algorithm", signature.algorithm != Algorithm::default()),
            ("encoding", signature.encoding != Encoding::default()),
            ("prefix", signature.prefix.is_some()),
            ("member", signature.member.is_some()),
            ("version", signature.version.is_some()),
            ("signed", signature.signed.is_some()),
            ("timestamp", signature.timestamp.is_some()),
            ("id", signature.id.is_some()),
            ("secret", signature.secret != SecretEncoding::default()),
            ("header", signature.header.is_some() && preset != Preset::Token),
            ("query", signature.query.is_some() && preset != Preset::Token),
        ];
        for (field, _) in fields.iter().filter(|(_, there)| *there) {
            let text = format!("the preset says what `{field}` is");
            let help = "remove the field, or the preset to describe everything";
            self.add(format!("{at}/{field}"), ProblemKind::Value, text, help);
        }
        let timed = matches!(preset, Preset::Standard | Preset::Stripe | Preset::Slack);
        if signature.tolerance_seconds.is_some() && !timed {
            self.no_time(at);
        }
        if preset == Preset::Token {
            match (&signature.header, &signature.query) {
                (Some(name), None) => self.header_name(&format!("{at}/header"), name),
                (None, Some(_)) => {}
                (None, None) | (Some(_), Some(_)) => {
                    let text = "a token is either in a header or in a parameter of the query";
                    self.add(at, ProblemKind::Missing, text, "for example `header: X-Gitlab-Token`");
                }
            }
        }
    }

    fn hmac(&mut self, at: &str, signature: &Signature) {
        match &signature.header {
            Some(name) => self.header_name(&format!("{at}/header"), name),
            None => {
                let text = "a signature needs the `header` that it stands in, or a `preset`";
                self.add(at, ProblemKind::Missing, text, "for example `preset: github`");
            }
        }
        if signature.query.is_some() {
            let text = "only a token stands in the query";
            self.add(format!("{at}/query"), ProblemKind::Value, text, "remove it, or use `preset: token`");
        }
        let forms = [&signature.prefix, &signature.member, &signature.version];
        if forms.iter().filter(|form| form.is_some()).count() > 1 {
            let text = "`prefix`, `member` and `version` exclude each other";
            self.add(at, ProblemKind::Value, text, "keep the one that fits the header");
        }
        if signature.tolerance_seconds.is_some() && signature.timestamp.is_none() {
            self.no_time(at);
        }
        self.signed(at, signature);
        for (field, place) in [("timestamp", &signature.timestamp), ("id", &signature.id)] {
            match place {
                Some(Place::Header(name)) => self.header_name(&format!("{at}/{field}/header"), name),
                Some(Place::Member(_)) if signature.member.is_none() => {
                    let text = "the header of the signature is no list of members";
                    let help = "say with `member` which of them is the signature";
                    self.add(format!("{at}/{field}/member"), ProblemKind::Value, text, help);
                }
                Some(Place::Member(_)) | None => {}
            }
        }
    }

    fn signed(&mut self, at: &str, signature: &Signature) {
        let pointer = format!("{at}/signed");
        let text = signature.signed.as_deref().unwrap_or("{body}");
        let help = "write for example {timestamp}.{body}";
        let Ok(names) = placeholders(text) else {
            let text = "it has a `{` or `}` without its counterpart";
            return self.add(pointer, ProblemKind::Value, text, help);
        };
        for name in names.iter().filter(|name| !["body", "timestamp", "id"].contains(name)) {
            let text = format!("`{}` is not `body`, `timestamp` or `id`", short(name));
            self.add(pointer.clone(), ProblemKind::Unknown, text, help);
        }
        if !names.contains(&"body") {
            let text = "the body is not signed, so anybody could change it";
            self.add(pointer, ProblemKind::Missing, text, help);
        }
        for (name, place) in [("timestamp", &signature.timestamp), ("id", &signature.id)] {
            match (names.contains(&name), place.is_some()) {
                (true, false) => {
                    let text = format!("`{name}` is signed, but nothing says where it is");
                    let help = "for example `timestamp: { header: X-Timestamp }`";
                    self.add(at, ProblemKind::Missing, text, help);
                }
                (false, true) => {
                    let text = format!("`{name}` is not signed, so anybody could change it");
                    self.add(
                        format!("{at}/{name}"),
                        ProblemKind::Value,
                        text,
                        "add it to `signed`, or leave it out",
                    );
                }
                (true, true) | (false, false) => {}
            }
        }
    }

    fn no_time(&mut self, at: &str) {
        let text = "the signature has no time";
        self.add(format!("{at}/tolerance_seconds"), ProblemKind::Value, text, "remove it");
    }
}
