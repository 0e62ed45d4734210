//! `sluice dead edit`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use sluice_http::dto;

use super::show;
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::files;
use crate::output::{self, Out};

/// Another input for a dead letter.
#[derive(Debug, Args)]
pub(crate) struct Edit {
    /// Its id.
    id: String,
    /// The file that holds the input; `-` for standard input. Without it, $EDITOR opens on a terminal.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
}

impl Edit {
    pub(super) async fn run(self, out: &Out, client: &Client) -> Result<(), Failure> {
        let path = ["api", "v1", "dead-letters", self.id.as_str()];
        let body = match &self.body {
            Some(file) => files::value(file)?,
            None if output::is_interactive() => {
                let letter: dto::DeadLetter = client.get(&path, &[]).await?;
                match in_editor(&letter)? {
                    Some(body) => body,
                    None => return Err(Failure::new(Code::Cancelled, "the input was not changed")),
                }
            }
            None => {
                return Err(
                    Failure::new(Code::Usage, "there is no terminal for an editor").help("use --body FILE")
                );
            }
        };
        let letter: dto::DeadLetter = client.patch(&path, &dto::EditDeadLetter { body }).await?;
        show::get(out, &letter)
    }
}

/// The input as somebody changed it; none when it is as before.
fn in_editor(letter: &dto::DeadLetter) -> Result<Option<Value>, Failure> {
    let before = match &letter.body.value {
        Some(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        None => letter.body.beginning.clone().unwrap_or_default(),
    };
    let path = std::env::temp_dir().join(format!("sluice-{}-{}.json", letter.id, std::process::id()));
    let edited = edit(&path, &before);
    // It holds somebody's data; what was read is enough.
    drop(std::fs::remove_file(&path));
    let after = edited?;
    if after.trim() == before.trim() { Ok(None) } else { files::parse(&after, "the input").map(Some) }
}

fn edit(path: &Path, text: &str) -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Code::Unreadable, format!("{}: {error}", path.display()));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    let editor =
        std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR")).unwrap_or_else(|_| "vi".to_owned());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program).args(words).arg(path).status();
    match status {
        Ok(status) if status.success() => std::fs::read_to_string(path).map_err(failed),
        Ok(_) => Err(Failure::new(Code::Cancelled, format!("`{editor}` ended with a failure"))),
        Err(error) => {
            Err(Failure::new(Code::Unreadable, format!("cannot start `{editor}`: {error}"))
                .help("set EDITOR"))
        }
    }
}
