//! Whose documents can be imported.

use std::fmt;

use sluice_families::FamilyName;

/// Whose document it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// elastic.io.
    Elasticio,
    /// The Open Integration Hub.
    Oih,
}

impl Platform {
    /// What it is called on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Elasticio => "elasticio",
            Self::Oih => "oih",
        }
    }

    /// The family of its components.
    pub(crate) fn family(self) -> FamilyName {
        match self {
            Self::Elasticio => FamilyName::Sailor,
            Self::Oih => FamilyName::Ferryman,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elasticio => "elastic.io",
            Self::Oih => "the Open Integration Hub",
        })
    }
}
