//! `sluice map`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::Value;
use sluice_engine::{EvaluateRequest, evaluate};

use crate::failure::Failure;
use crate::files;
use crate::output::Out;

/// Try a mapping or an expression, without a server, with the code that runs live.
///
/// A mapping reads the root { body, headers, item, steps, params, flow, execution, attempt }; with --body the input is only
/// its body. An expression reads the input itself. What gives nothing prints nothing.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct Map {
    /// A file with a mapping (JSON or YAML).
    #[arg(short = 'f', long = "file", group = "what", value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// A JSONata expression.
    #[arg(long, group = "what", value_name = "EXPR")]
    jsonata: Option<String>,
    /// A JSONPath.
    #[arg(long, group = "what", value_name = "PATH")]
    jsonpath: Option<String>,
    /// A file with the input (JSON or YAML); `-` for standard input.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The input is the body of a message.
    #[arg(long)]
    body: bool,
}

impl Map {
    pub(crate) fn run(self, out: Out) -> Result<(), Failure> {
        let input = self.input.as_deref().map(files::value).transpose()?.unwrap_or(Value::Null);
        let input = if self.body { serde_json::json!({ "body": input }) } else { input };
        let request = match (self.mapping, self.jsonata, self.jsonpath) {
            (Some(path), _, _) => EvaluateRequest::Mapping { mapping: files::value(&path)?, input },
            (None, Some(expression), _) => EvaluateRequest::Jsonata { expression, input },
            (None, None, path) => EvaluateRequest::JsonPath { path: path.unwrap_or_default(), input },
        };
        let Some(value) = evaluate(request)? else { return Ok(()) };
        let text = || serde_json::to_string_pretty(&value).unwrap_or_default();
        out.show(&value, || vec![value.to_string()], text)
    }
}
