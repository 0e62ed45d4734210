//! The secrets of instances: files name where they are, the command reads them there and sends them along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sluice_http::dto;
use sluice_planner::{InstanceDoc, SecretSource, SourceFile};

use crate::failure::{Code, Failure};

/// Secrets by instance and field.
pub(crate) type Secrets = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the secrets that files name. All that are missing are reported together, each with its place.
pub(crate) fn resolve(files: &[SourceFile]) -> Result<Secrets, Failure> {
    let (documents, _) = sluice_planner::read(files);
    let mut secrets = Secrets::new();
    let mut missing = Vec::new();
    for doc in &documents.instances {
        for (field, source) in &doc.secrets {
            match read(doc, source) {
                Ok(secret) => {
                    secrets.entry(doc.name.to_string()).or_default().insert(field.clone(), secret);
                }
                Err((message, help)) => missing.push(diagnostic(doc, field, message, help)),
            }
        }
    }
    if missing.is_empty() {
        return Ok(secrets);
    }
    let message = match missing.len() {
        1 => "a secret cannot be read".to_owned(),
        count => format!("{count} secrets cannot be read"),
    };
    Err(Failure::new(Code::SecretMissing, message).with(missing))
}

fn read(doc: &InstanceDoc, source: &SecretSource) -> Result<String, (String, &'static str)> {
    match source {
        SecretSource::Env(name) => std::env::var(name).map_err(|_| {
            (
                format!("the environment variable `{name}` is not set, or no text"),
                "set it and repeat the command",
            )
        }),
        SecretSource::File(path) => {
            let path = beside(&doc.file, path);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                (
                    format!("`{}` cannot be read: {error}", path.display()),
                    "the path is relative to the file that names it",
                )
            })?;
            // An editor ends the last line; the line break is no part of the secret.
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
        }
    }
}

fn beside(file: &str, path: &str) -> PathBuf {
    let folder = Path::new(file).parent().filter(|_| !file.starts_with('<'));
    folder.map_or_else(|| PathBuf::from(path), |folder| folder.join(path))
}

fn diagnostic(doc: &InstanceDoc, field: &str, message: String, help: &str) -> dto::Diagnostic {
    let escaped = field.replace('~', "~0").replace('/', "~1");
    let mark = doc.places.at(&format!("/secrets/{escaped}"));
    dto::Diagnostic {
        code: "A0103".to_owned(),
        severity: "error".to_owned(),
        file: doc.file.clone(),
        line: mark.line,
        column: mark.column,
        message: format!("the secret `{field}` of instance `{}`: {message}", doc.name),
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_secrets_are_reported_together_with_their_places() {
        let text = "sluice: 1\nkind: instance\nname: shop\nconnector: rabbitmq\nsecrets:\n  \
                    a: { env: SLUICE_TEST_NOT_SET }\n  b: { file: ./none }\n";
        let file = SourceFile { name: "/nonexistent/x.yaml".to_owned(), text: text.to_owned() };
        let failure = resolve(&[file]).unwrap_err();
        let lines: Vec<u32> = failure.diagnostics.iter().map(|found| found.line).collect();
        assert_eq!(lines, [6, 7], "{failure}");
    }
}
