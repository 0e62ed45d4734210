//! What is wrong with something that is to be a component. Each finding has a stable code.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is no usable component.
    Error,
    /// It can be used, but something about it is not as it should be.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its code: one of [`FindingCode`], or that of a fault of a file.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where: a JSON Pointer of the descriptor, or a file with its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// One sentence.
    pub message: String,
    /// What to do about it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub help: String,
}

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $title:literal $help:literal)*) => {
        /// The kinds of findings. The codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FindingCode {
            $(#[doc = $title] $variant,)*
        }

        impl FindingCode {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, for example `C0104`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)*
                }
            }
        }
    };
}

codes! {
    EngineAway "C0101" Error "the container engine does not answer" "install Docker, start it, and let this user reach its socket; `sluice doctor` looks at it"
    ImageMissing "C0102" Error "the image is not on this machine" "build it (`sluice component build`) or pull it (`docker pull`)"
    OtherPlatform "C0103" Error "the image is for another platform" "build the image on, or for, the platform of the container engine"
    NoLabel "C0104" Error "the image carries no descriptor" "build it with --label \"io.sluice.component=$(cat component.json)\", as `sluice component build` does"
    Volume "C0105" Error "the image declares a volume" "leave VOLUME out of the Dockerfile: containers have 16 MiB of /tmp and nothing else to write to"
    NoCommand "C0106" Error "the image has no entry point" "give the Dockerfile an ENTRYPOINT: containers are started without arguments"
    RunsAsRoot "C0107" Warning "the image asks for root" "say USER 10001:10001 in the Dockerfile; Sluice runs every container as that user anyhow"
    ExposesPorts "C0108" Warning "the image exposes ports" "leave EXPOSE out: nothing ever connects to a component"
    HasShell "C0109" Warning "the image has a shell" "build it FROM scratch: what is not in the image cannot be exploited"
    DescriptorUnreadable "C0201" Error "the descriptor is no JSON" "a descriptor is one JSON object of at most 256 KiB"
    DescriptorField "C0202" Error "a field of the descriptor is wrong" "section 1 of docs/protocol.md has every field and rule"
    NoFunction "C0203" Error "the descriptor has no function" "add at least one trigger or action"
    UnknownTest "C0204" Error "the test is no action" "`test` names an action that takes an empty object"
    SameName "C0205" Error "a trigger and an action share a name" "rename one of them"
    WebhookTrigger "C0206" Error "a component cannot have a webhook" "only declarative connectors have triggers of the kind webhook"
    ReservedName "C0207" Error "the name is reserved" "choose another name"
    WrongSchema "C0208" Error "a schema is no JSON Schema" "mend the schema at that place"
    WrongEgress "C0209" Error "an entry of `egress` cannot be used" "docs/egress.md says what a component may name there"
    NoDescriptor "C0301" Error "the folder has no component.json" "`sluice component init` makes a project that has one"
    NoDockerfile "C0302" Error "the folder has no Dockerfile" "`sluice component init` makes a project that has one"
    NoManifest "C0303" Warning "the folder has sources in Rust and no Cargo.toml" "add a Cargo.toml"
    NoSdk "C0304" Warning "the package does not use the SDK" "add sluice-sdk to its dependencies, or speak the protocol of docs/protocol.md"
    NotStatic "C0305" Warning "the binary may not be linked statically" "put target-feature=+crt-static into .cargo/config.toml: an image FROM scratch has no libraries"
    DockerfileWrong "C0306" Error "the Dockerfile makes no usable image" "components/log/Dockerfile is a good one"
    OtherVersion "C0307" Warning "the package has another version than the descriptor" "keep the two versions equal"
    NotStarted "C0401" Error "the container cannot be started" "the entry point must be a program for this platform; a binary FROM scratch must be linked statically"
    EndedEarly "C0402" Error "the process ended before it asked for a session" "its exit code and last lines say why; docs/protocol.md, section 2, says what it gets"
    NoSession "C0403" Error "the process did not ask for a session" "read the boot line from standard input and call POST /gateway/v1/session with its token"
    OtherIdentity "C0404" Warning "the process names itself otherwise than its descriptor" "build the image with the descriptor of this very source"
    DoesNotEnd "C0405" Warning "the process goes on when it is refused" "401 means that the container belongs to nobody any more: wind up and exit"
    Started "C0406" Note "the process starts and asks for a session" ""
    NeitherFile "C0501" Error "the file is neither a connector nor an OpenAPI document" "a connector file has `kind: connector`, a document `openapi: 3.x`"
    LeftOut "C0502" Note "the import of the document left something out" ""
}

impl Finding {
    /// A finding of a kind, with one sentence about this very case.
    #[must_use]
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str().to_owned(),
            severity: code.severity(),
            place: None,
            message: message.into(),
            help: code.help().to_owned(),
        }
    }

    /// The same with its place.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The same with other help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Whether nothing that was found is an error.
#[must_use]
pub fn usable(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_its_own_and_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/component-workbench.md");
        let text = std::fs::read_to_string(page).unwrap();
        for code in FindingCode::ALL {
            assert!(text.contains(&format!("| `{}` |", code.as_str())), "{code:?} is not in {page}");
            let same = FindingCode::ALL.iter().filter(|other| other.as_str() == code.as_str());
            assert_eq!(same.count(), 1, "{code:?}");
        }
    }
}
