//! What an import could not take over as it was. Each kind of finding has a stable code.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that the flow needs is left out; a person has to add it.
    Error,
    /// It is taken over, and works in another way, or on a guess.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its code.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// Where in the document: a JSON Pointer.
    pub place: String,
    /// One sentence.
    pub message: String,
    /// What to do about it; may be empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub help: &'static str,
}

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $title:literal $help:literal)*) => {
        /// The kinds of findings. The codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FindingCode {
            $(#[doc = $title] $variant,)*
        }

        impl FindingCode {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, for example `M0203`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
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
    NotKnown "M0101" Error "a part of the document is no flow, template or component" "export it again, or leave it out"
    Facts "M0102" Note "facts about the record itself are not taken over" ""
    UnknownField "M0103" Warning "a field is not known" "see what it did there, and add what the flow needs of it"
    WrongForm "M0104" Error "a field has another form than expected" "compare it with an export of the platform"
    NodeUnreadable "M0201" Error "a node cannot be read" "a node needs an id and a function of a component"
    SameNode "M0202" Error "two nodes have the same id" "give one of them another id, and import again"
    EdgeUnreadable "M0203" Error "an edge leads from or to nothing" "add `after` to the step if it is to be connected"
    NeverRuns "M0204" Error "a node is not reached from the entry" "give it a flow of its own, or an edge; there it never ran either"
    Circle "M0205" Error "edges form a circle" "a flow has no loops here: let the second part be a flow of its own"
    OneInput "M0206" Error "edges to one node shape its input in different ways" "write the step twice, once behind each of the others"
    Renamed "M0207" Note "a name is written in another way" ""
    TooManySteps "M0208" Error "the flow has too many nodes" "split the flow"
    NoEntry "M0209" Error "the flow has no node to begin with" "a flow needs a node that no edge leads to"
    GuessedSchedule "M0301" Warning "the flow does not say when it runs" "set `schedule` to what the platform's settings say"
    NothingStarts "M0302" Error "nothing starts the flow" "give the first step a `schedule` if it polls, or put a webhook in front of it, see docs/webhooks.md"
    WrongCron "M0303" Error "the schedule cannot be read" "write the `schedule` of the first step by hand"
    Webhook "M0304" Warning "the webhook has another URL" "give the sender the URL that `sluice flow hooks FLOW` shows, and sign requests, see docs/webhooks.md"
    TimerBefore "M0305" Note "a timer starts the first step, which is an action" ""
    OpenWebhook "M0306" Error "a webhook had credentials" "write how requests are signed as the connector's `signature`, see docs/webhooks.md#signatures"
    ById "M0401" Warning "a component is known by its id only" "name it with --connector ID=NAME, or import its record too with --component FILE"
    Version "M0402" Note "the version of a component is not taken over" ""
    NoFunction "M0403" Error "the component has no such function" "compare the function with the component's own component.json"
    NoImage "M0404" Warning "the image of a component is not known" "`sluice component adopt IMAGE --name NAME` makes the connector, as soon as you know the image"
    NotAdoptable "M0405" Error "a component cannot be adopted" "docs/other-platforms.md says what can be run"
    Component "M0406" Note "something of a component is not taken over" ""
    Bind "M0501" Warning "credentials have to be bound" "fill in the settings, export the variables that the file names, and apply it"
    SecretLeftOut "M0502" Error "a secret is not copied" "put it into the instance as a secret; the component finds it under the same name if its credentials have such a field"
    OAuth "M0503" Error "an OAuth client is not taken over" "bind an instance of a connector of yours that has one, see docs/declarative-connectors.md"
    NotRead "M0601" Error "an expression cannot be read" "write the field of `input` by hand; `sluice map` tries expressions"
    NotHere "M0602" Error "an expression uses what is not there" "rewrite it with the functions of JSONata; `sluice map` tries expressions"
    Handlebars "M0603" Warning "a Handlebars mapping became JSONata" "compare the results: numbers become texts, and nothing is escaped for HTML any more"
    NoHelpers "M0604" Error "a Handlebars block or helper has no equal" "write the field of `input` by hand as JSONata"
    NeverEvaluated "M0605" Warning "the platform never evaluated this" "remove it from the step, if the flow is to do what it did"
    UnknownStep "M0606" Error "an expression reads a step that is not in the flow" "name a step that comes before"
    LookupTable "M0607" Error "a lookup table has no equal" "write it as an object into the expression, or ask a connector"
    TwoMappings "M0608" Error "two mappings follow each other" "join them in the `input` of the step"
    Transform "M0609" Warning "a transformation that fails is a failure here" "there the message went on unchanged; let the expression cover every message"
    WholeStep "M0610" Warning "an expression reads the whole output of a step" "name the fields that it needs: the output is { body, headers } here"
    DottedKey "M0611" Warning "a key of a mapping has a dot in it" "nest objects, if the platform made nested objects of it"
    ErrorHandler "M0701" Warning "the error handler gets another body" "its body is { error: { code, message, step, attempts }, input }"
    Router "M0702" Note "a router became conditions" ""
    Passthrough "M0703" Warning "a component reads earlier steps by itself" "`_passthrough: true` makes messages carry them; fields of the next step's `input` are the better way"
    Variables "M0704" Error "a component reads flow variables by itself" "give it what it needs in `input`: components get no flow variables"
    OnTheFly "M0705" Error "a component answers or routes on its own" "answer with `sluice/respond`, route with `when`; see docs/webhooks.md#answers"
    LogicGateway "M0706" Error "a logic gateway has no equal" "write its rule as `when` of the steps behind it"
    DataHub "M0707" Error "the data hub and linking of ids have no equal" "keep ids in a system of yours, and look them up with a connector"
    Governance "M0708" Error "policies and provenance have no equal" "check messages with `when`; executions keep what happened"
    Setting "M0709" Note "a setting has no equal" ""
    RawRecords "M0710" Warning "raw records are not kept" "executions keep inputs and outputs; see history in docs/operating.md"
    Network "M0711" Error "an agent in another network has no equal" "let the container's network or the egress proxy reach that network, see docs/egress.md"
    CarriedOff "M0712" Warning "a step no longer carries along what came before" "mappings here read every earlier step; that can only see more"
}

impl Finding {
    /// A finding of a kind at a place, with one sentence about this very case.
    pub(crate) fn new(code: FindingCode, place: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            place: place.to_owned(),
            message: message.into(),
            help: code.help(),
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one.
    pub(crate) fn add(&mut self, code: FindingCode, place: &str, message: impl Into<String>) {
        self.0.push(Finding::new(code, place, message));
    }

    /// All, the worst first, each once.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.0.sort_by_key(|found| found.severity);
        let mut all: Vec<Finding> = Vec::with_capacity(self.0.len());
        let mut seen = std::collections::BTreeSet::new();
        for found in self.0 {
            if seen.insert((found.code, found.place.clone(), found.message.clone())) {
                all.push(found);
            }
        }
        all
    }
}

impl Serialize for FindingCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_its_own_and_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/import-findings.md");
        let text = std::fs::read_to_string(page).unwrap();
        for code in FindingCode::ALL {
            let row = format!("| `{code}` | {} |", code.severity());
            assert!(text.contains(&row), "{code:?} is not in {page}: {row}");
            let same = FindingCode::ALL.iter().filter(|other| other.as_str() == code.as_str());
            assert_eq!(same.count(), 1, "{code:?}");
        }
        assert_eq!(text.matches("\n| `M").count(), FindingCode::ALL.len());
    }
}
