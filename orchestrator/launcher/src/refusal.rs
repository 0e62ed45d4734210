//! What the launcher refuses by itself, each with a code that has a page under `docs/errors/`.

use hyper::StatusCode;
use sluice_ports::Fault;

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $fault:ident $title:literal)*) => {
        /// Why the launcher refused something without asking the container engine.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code as it is written, for example `L0001`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it stands for, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            pub(crate) const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }
        }
    };
}

codes! {
    Peer "L0001" FORBIDDEN Permanent "this user may not ask the launcher"
    Malformed "L0002" BAD_REQUEST Permanent "the launcher does not understand the request"
    TooLarge "L0003" PAYLOAD_TOO_LARGE Permanent "the request to the launcher is too large"
    Foreign "L0004" FORBIDDEN Permanent "that does not belong to the launcher's installation"
    AboveLimits "L0005" UNPROCESSABLE_ENTITY Permanent "the container asks for more than the launcher allows"
    TooMany "L0006" TOO_MANY_REQUESTS Transient "there are as many containers as the launcher allows"
    Busy "L0007" SERVICE_UNAVAILABLE Transient "the launcher is busy"
    TimedOut "L0008" GATEWAY_TIMEOUT Transient "the launcher gave up waiting"
    Internal "L0009" INTERNAL_SERVER_ERROR Transient "the launcher failed"
}

/// A refusal: a code, and a sentence about this case. Never holds anything of a request that may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_its_own_and_has_a_page() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} is there twice", code.as_str());
            let page = format!("{}/../../docs/errors/{}.md", env!("CARGO_MANIFEST_DIR"), code.as_str());
            let text = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
            let title = format!("# {}: {}\n", code.as_str(), code.title());
            assert!(text.starts_with(&title), "{page} does not begin with {title}");
            assert!(text.contains("## What to do"), "{page}");
        }
    }
}
