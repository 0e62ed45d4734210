//! How a component learns where its gateway is: one line of JSON on standard input.
//!
//! For local use the environment may say it instead: `SLUICE_GATEWAY`, and `SLUICE_TOKEN_FILE` for the token, so that
//! the token itself is in no environment.

use std::io::BufRead;

use sluice_protocol::gateway::Boot;

/// Longest boot line that is read.
const LINE_BYTES: u64 = 64 * 1024;

/// Why a component does not know its gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error("standard input cannot be read")]
    Input(#[source] std::io::Error),
    #[error(
        "standard input ended without a line: the orchestrator writes one; for local use set SLUICE_GATEWAY and \
         SLUICE_TOKEN_FILE"
    )]
    Nothing,
    // The parser's message could quote the token, so it is left out.
    #[error("the first line of standard input is no boot line")]
    Line,
    #[error("SLUICE_GATEWAY is set, but SLUICE_TOKEN_FILE is not")]
    NoTokenFile,
    #[error("the token file {path} cannot be read")]
    TokenFile {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

/// Reads the environment, or else standard input.
pub(crate) fn read() -> Result<Boot, BootError> {
    match std::env::var("SLUICE_GATEWAY") {
        Ok(gateway) => {
            let path = std::env::var("SLUICE_TOKEN_FILE").map_err(|_| BootError::NoTokenFile)?;
            let token =
                std::fs::read_to_string(&path).map_err(|source| BootError::TokenFile { path, source })?;
            Ok(Boot { gateway, token: token.trim().to_owned() })
        }
        Err(_) => from_line(std::io::stdin().lock()),
    }
}

fn from_line(input: impl BufRead) -> Result<Boot, BootError> {
    let mut line = String::new();
    input.take(LINE_BYTES).read_line(&mut line).map_err(BootError::Input)?;
    if line.trim().is_empty() {
        return Err(BootError::Nothing);
    }
    serde_json::from_str(&line).map_err(|_| BootError::Line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_where_the_gateway_is() {
        let boot = from_line(&b"{\"gateway\":\"http://g\",\"token\":\"t\"}\nmore"[..]).unwrap();
        assert_eq!((boot.gateway.as_str(), boot.token.as_str()), ("http://g", "t"));
    }

    #[test]
    fn a_bad_line_is_refused_without_repeating_it() {
        let refusal = from_line(&b"{\"token\":\"hunter2\"}"[..]).unwrap_err();
        assert!(!crate::error::chain(&refusal).contains("hunter2"));
        assert!(matches!(from_line(&b""[..]), Err(BootError::Nothing)));
    }
}
