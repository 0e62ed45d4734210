//! Files that commands read: flow files, folders of them, JSON values, and standard input as `-`.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sluice_planner::SourceFile;

use crate::failure::{Code, Failure};

/// Most bytes of one file.
const MOST: u64 = 8 << 20;

/// Reads flow files. A folder stands for its files that end in `.yaml`, `.yml` or `.json`, by name.
pub(crate) fn sources(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let found = inside(path)?;
            if found.is_empty() {
                let message = format!("the folder {} has no .yaml, .yml or .json file", path.display());
                return Err(Failure::new(Code::Unreadable, message));
            }
            for path in found {
                files.push(source(&path)?);
            }
        } else {
            files.push(source(path)?);
        }
    }
    Ok(files)
}

fn inside(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known))
        })
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Ok(found)
}

fn source(path: &Path) -> Result<SourceFile, Failure> {
    let name = if is_stdin(path) { "<stdin>".to_owned() } else { path.display().to_string() };
    Ok(SourceFile { name, text: text(path)? })
}

/// Reads a text, from standard input for `-`.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    text_of(path, MOST)
}

/// Reads a text of at most so many bytes, from standard input for `-`.
pub(crate) fn text_of(path: &Path, most: u64) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if is_stdin(path) {
        std::io::stdin().lock().take(most + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text))
    };
    let bytes = read.map_err(|error| unreadable(path, &error))?;
    if bytes as u64 > most {
        let message = format!("{} is larger than {} MiB", path.display(), most >> 20);
        return Err(Failure::new(Code::Unreadable, message));
    }
    Ok(text)
}

/// Reads a value, as JSON or YAML.
pub(crate) fn value(path: &Path) -> Result<Value, Failure> {
    parse(&text(path)?, &path.display().to_string())
}

/// Reads a value. JSON first, because YAML would change some of its numbers.
pub(crate) fn parse(text: &str, name: &str) -> Result<Value, Failure> {
    parse_with(text, name, serde_saphyr::Options::default())
}

/// Reads a value that may have as many parts as its text has room for.
pub(crate) fn large(text: &str, name: &str) -> Result<Value, Failure> {
    let budget = serde_saphyr::budget! {
        max_depth: 200,
        max_events: 16_000_000,
        max_nodes: 8_000_000,
        max_total_scalar_bytes: 256 << 20,
        max_total_comment_bytes: 64 << 20,
    };
    parse_with(text, name, serde_saphyr::options! { budget: budget })
}

fn parse_with(text: &str, name: &str, options: serde_saphyr::Options) -> Result<Value, Failure> {
    let json = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if text.trim_start().starts_with(['{', '[', '"']) {
        return Err(Failure::new(Code::Unreadable, format!("{name} is no JSON: {json}")));
    }
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Failure::new(Code::Unreadable, format!("{name} is neither JSON nor YAML: {error}")))
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Unreadable, format!("{} cannot be read: {error}", path.display()))
}
