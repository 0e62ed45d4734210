//! `sluice plan`, `sluice apply` and `sluice diff`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};
use sluice_http::dto;

use super::Done;
use super::wait::{Patience, Wait};
use crate::client::Client;
use crate::failure::{Code, Exit, Failure, Shown};
use crate::output::{self, Format, Out};
use crate::{files, secrets};

/// Files and what to fill in.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// Files, folders, or `-` for standard input.
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR|-")]
    files: Vec<PathBuf>,
    /// A parameter of the flow that a lone template becomes; the value is JSON, or else a text.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A file with parameters (JSON or YAML).
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Which instance stands for an alias in that flow.
    #[arg(long = "instance", value_name = "ALIAS=NAME")]
    instances: Vec<String>,
    /// The name of that flow, if it is not to be the template's.
    #[arg(long)]
    name: Option<String>,
    /// Delete flows that are not in the files.
    #[arg(long)]
    prune: bool,
}

/// Make true what files say: publish templates, set up instances, deploy flows.
///
/// Applying the same files again changes nothing. A changed flow is changed in place: messages under way finish on the
/// version that they started on.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    wait: Wait,
}

impl Files {
    pub(crate) async fn plan(self, out: Out) -> Result<(), Failure> {
        let applied = self.send(&Client::find()?, true).await?;
        show(&out, &applied)
    }

    pub(crate) async fn diff(self, out: Out) -> Done {
        let applied = self.send(&Client::find()?, true).await?;
        show(&out, &applied)?;
        let same = applied.items.iter().all(|item| item.action == "keep");
        Ok((!same).then_some(Exit::Conflict))
    }

    async fn send(&self, client: &Client, dry_run: bool) -> Result<dto::Applied, Failure> {
        let sources = files::sources(&self.files)?;
        let apply = dto::Apply {
            secrets: secrets::resolve(&sources)?,
            files: sources.into_iter().map(|file| dto::File { name: file.name, text: file.text }).collect(),
            params: self.parameters()?,
            instances: self.bindings()?,
            name: self.name.clone(),
            prune: self.prune,
            dry_run,
        };
        client.post(&["api", "v1", "apply"], &[], &apply).await
    }

    fn parameters(&self) -> Result<Map<String, Value>, Failure> {
        let mut params = match self.params.as_deref().map(files::value).transpose()? {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(Failure::new(Code::Usage, "the file of --params must hold an object")),
        };
        for text in &self.set {
            let (key, value) = split("--set", text)?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            params.insert(key.to_owned(), value);
        }
        Ok(params)
    }

    fn bindings(&self) -> Result<BTreeMap<String, String>, Failure> {
        let pairs = self.instances.iter().map(|text| split("--instance", text));
        pairs.map(|pair| pair.map(|(alias, name)| (alias.to_owned(), name.to_owned()))).collect()
    }
}

impl Apply {
    pub(crate) async fn run(self, out: Out) -> Result<(), Failure> {
        let client = Client::find()?;
        let applied = self.files.send(&client, false).await?;
        show(&out, &applied)?;
        let Some(patience) = Patience::begin(&self.wait, &out) else { return Ok(()) };
        for item in applied.items.iter().filter(|item| item.kind == "flow") {
            match item.action.as_str() {
                "remove" => patience.gone(&client, &item.name).await?,
                _ => patience.settled(&client, &item.name).await?,
            }
        }
        Ok(())
    }
}

fn split<'a>(option: &str, text: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| Failure::new(Code::Usage, format!("{option}: `{text}` is not of the form name=value")))
}

fn show(out: &Out, applied: &dto::Applied) -> Result<(), Failure> {
    if out.format == Format::Table {
        applied.diagnostics.iter().for_each(|found| output::note(&format!("{}\n", Shown(found))));
    }
    let names = || applied.items.iter().map(|item| format!("{}/{}", item.kind, item.name)).collect();
    out.show(applied, names, || text(applied))
}

fn text(applied: &dto::Applied) -> String {
    if applied.items.iter().all(|item| item.action == "keep") {
        return "Nothing to do: everything is as the files say.".to_owned();
    }
    let mut lines = Vec::new();
    for item in &applied.items {
        let mark = match item.action.as_str() {
            "add" => "+",
            "change" => "~",
            "remove" => "-",
            _ => "=",
        };
        lines.push(format!("{mark} {} {}: {}", item.kind, item.name, item.reason));
        lines.extend(item.details.iter().map(|detail| format!("    {detail}")));
    }
    lines.push(if applied.done { "Applied.".to_owned() } else { "Planned; nothing was changed.".to_owned() });
    lines.join("\n")
}
