//! Why a command was not done: a code with a page under `docs/errors/`, a sentence, help, and the exit code.

use std::fmt;

use sluice_engine::CommandError;
use sluice_http::dto;

/// Why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) diagnostics: Vec<dto::Diagnostic>,
}

/// The exit codes. Scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was not done.
    Failed = 1,
    /// It was called in a wrong way.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// The state of things forbids it; also: there are differences.
    Conflict = 4,
    /// The token is missing or may not do it.
    Unauthorized = 5,
    /// The configuration is bad.
    Config = 64,
    /// It took too long.
    TimedOut = 124,
}

macro_rules! codes {
    ($($variant:ident $code:literal $exit:ident $title:literal)*) => {
        /// Faults that the command finds by itself. Those of the API have codes of their own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            fn exit(self) -> Exit {
                match self {
                    $(Self::$variant => Exit::$exit,)*
                }
            }
        }
    };
}

codes! {
    Unreachable "A0101" Failed "the server does not answer"
    Unreadable "A0102" Failed "a file cannot be read"
    SecretMissing "A0103" Failed "a secret cannot be read"
    WaitedTooLong "A0104" TimedOut "it did not happen in time"
    Config "A0105" Config "the configuration is bad"
    Usage "A0106" Usage "the command was called in a wrong way"
    Foreign "A0107" Failed "the answer is not one of Sluice's API"
    Offline "A0108" Failed "a command failed"
    Cancelled "A0109" Failed "you said no"
    InvalidFiles "A0110" Failed "the files have errors"
    Expression "A0111" Failed "a mapping or expression failed"
    Import "A0112" Failed "a document cannot be imported"
    RunFailed "A0113" Failed "a function failed"
    NotAuthorized "A0114" Failed "the authorisation came to nothing"
    Acceptance "A0115" Failed "an acceptance file or a recording is wrong"
    Lab "A0116" Failed "a component cannot be tried out"
    Build "A0117" Failed "an image cannot be built"
    Project "A0118" Failed "a project cannot be made"
    Run "A0119" Failed "a component cannot be run here"
    Adoption "A0120" Failed "an image cannot be adopted"
    ForeignFlow "A0121" Failed "a flow of another platform cannot be imported"
    OutFolder "A0122" Failed "imported files cannot be written"
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            exit: code.exit(),
            code: code.as_str().to_owned(),
            message: message.into(),
            help: None,
            diagnostics: Vec::new(),
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn with(mut self, diagnostics: Vec<dto::Diagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// The refusal of the API.
    pub(crate) fn refused(problem: dto::Problem) -> Self {
        let exit = match problem.status {
            401 | 403 => Exit::Unauthorized,
            404 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            408 => Exit::TimedOut,
            400 if matches!(problem.code.as_str(), "A0007" | "A0008") => Exit::Usage,
            _ => Exit::Failed,
        };
        let help = match problem.status {
            401 => Some("log in with `sluice login URL`, or set SLUICE_TOKEN".to_owned()),
            403 if problem.reason.as_deref() == Some("tenant") => {
                Some("speak for nobody else (--tenant, SLUICE_TENANT), or ask an operator".to_owned())
            }
            403 => Some("use a token that may; `sluice token create` makes one".to_owned()),
            503 => Some("`sluice doctor` shows what is away".to_owned()),
            500 => Some(format!("the server's log has the cause under request {}", problem.request_id)),
            _ => None,
        };
        Self { exit, code: problem.code, message: problem.detail, help, diagnostics: problem.diagnostics }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match &error {
            CommandError::BadRequest { message, .. } => Self::new(Code::Expression, message.clone()),
            CommandError::Invalid(report) => {
                Self::new(Code::InvalidFiles, error.to_string()).with(report.iter().map(Into::into).collect())
            }
            CommandError::NotFound { .. }
            | CommandError::Conflict { .. }
            | CommandError::TimedOut(_)
            | CommandError::Unavailable(_)
            | CommandError::Internal(_) => Self::new(Code::Offline, sluice_engine::chain(&error)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.diagnostics {
            writeln!(f, "{}\n", Shown(found))?;
        }
        write!(f, "error[{}]: {}", self.code, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// A diagnostic as people read it.
pub(crate) struct Shown<'a>(pub(crate) &'a dto::Diagnostic);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.0;
        writeln!(f, "{}[{}]: {}", found.severity, found.code, found.message)?;
        write!(f, "  --> {}:{}:{}", found.file, found.line, found.column)?;
        if found.help.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", found.help) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page() {
        for code in Code::ALL {
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.as_str());
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
            assert!(text.starts_with(&format!("# {}", code.as_str())), "{page}");
        }
    }
}
