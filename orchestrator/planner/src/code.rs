//! The code of every fault that files and flows can have. Codes are stable: a code that is no longer used is not given
//! to another fault.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Severity;

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $title:literal $help:literal)*) => {
        /// What kind of fault it is. Each has a page `docs/errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, as in `F0001`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)*
                }
            }

            /// What it means, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                }
            }

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// What helps when nothing better is known.
            pub(crate) fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)*
                }
            }
        }
    };
}

codes! {
    FileTooLarge "F0001" Error "a file is too large"
        "split the file; one file may have 4 MiB"
    Syntax "F0002" Error "the text is neither YAML nor JSON"
        "look at the place that is named, and at the line before it"
    TooDeep "F0003" Error "the values nest too deeply"
        "a document may nest 64 levels deep"
    TooManyNodes "F0004" Error "the document has too many values"
        "a file may have 300,000 values and 8 MiB of text, aliases written out"
    DuplicateKey "F0005" Error "a key stands twice in one mapping"
        "remove or rename one of them"
    Unsupported "F0006" Error "a YAML feature that Sluice does not read"
        "write the value out"
    Number "F0007" Error "a number that cannot be kept exactly"
        "put it in quotes to make it a text"
    FormatVersion "F0008" Error "the format version is missing or unknown"
        "begin the document with `sluice: 1`"
    Kind "F0009" Error "the kind is missing or unknown"
        "kind is one of `template`, `instance`, `flow`, `connector`"
    ConnectorField "F0010" Error "a value in the file of a connector breaks its rule"
        "the guide to declarative connectors lists the fields"
    UnknownField "F0011" Error "an unknown field"
        "remove it"
    MissingField "F0012" Error "a field is missing"
        "add it"
    WrongType "F0013" Error "a value has the wrong type"
        "write a value of the type that is named"
    Name "F0014" Error "a name breaks its rule"
        "choose a name that keeps the rule"
    Value "F0015" Error "a value is out of its range"
        "choose a value in the range"
    DuplicateDocument "F0016" Error "two documents have the same name"
        "rename or remove one of them"
    EmptyFile "F0017" Error "a file holds no document"
        "write a document that begins with `sluice: 1`"
    PlainSecret "F0018" Error "a secret stands in the file"
        "write `{ env: NAME }` or `{ file: PATH }`; the value is read when the file is applied"
    StepCount "F0019" Error "a template has too many steps, or none"
        "a template has 1 to 500 steps; split a larger one into several flows"
    DuplicateStep "F0020" Error "two steps have the same id"
        "rename one of them"
    UnknownConnector "F0021" Error "no alias and no installed connector has this name"
        "declare it under `instances`, or install the connector"
    UnknownFunction "F0022" Error "the connector has no such function"
        "`sluice connector get NAME` lists its functions"
    ConnectorVersion "F0023" Error "no installed version of the connector will do"
        "install a version that fits, or widen the range"
    UnusedAlias "F0024" Warning "an alias that no step uses"
        "remove it, or use it in a step"
    InstanceNeeded "F0025" Error "the connector needs an instance"
        "declare an alias under `instances` and use `<alias>/<function>`"
    UnknownStep "F0026" Error "a step that is not there"
        "name a step of this template"
    UnknownPort "F0027" Error "a port that the step does not have"
        "name one of its ports"
    Cycle "F0028" Error "steps form a cycle"
        "remove one of the edges; use `retry` to try a step again"
    SelfLoop "F0029" Error "a step follows itself"
        "name another step; use `retry` to try a step again"
    NoTrigger "F0030" Error "no step starts the flow"
        "let the first step use a trigger"
    TriggerAfter "F0031" Error "a trigger takes messages of another step"
        "move the trigger to the top, or give it `after: []`"
    Unreachable "F0032" Error "nothing leads to a step"
        "give the step an `after`, or make it the target of an `on_error`"
    TriggerGate "F0033" Error "a trigger with a condition, split or input"
        "move it to the step after the trigger"
    ScheduleMissing "F0034" Error "a polling trigger without a schedule"
        "add `schedule: { every: 5m }` or a cron line"
    ScheduleUnwanted "F0035" Error "a schedule on a step that does not poll"
        "remove the schedule"
    ErrorRoute "F0036" Error "an error route that leads nowhere useful"
        "name another step of this template, not a trigger"
    RetryDelays "F0037" Error "the first retry delay is longer than the longest"
        "make `initial` at most `max`"
    DuplicateEdge "F0038" Error "a step names the same step and port twice"
        "name it once"
    Config "F0039" Error "the config does not fit the function"
        "`sluice connector get NAME` shows the function's config schema"
    ConfigExpression "F0040" Error "an expression in a config cannot be evaluated"
        "a config may read `params` and `flow` only; what belongs to a message goes into `input`"
    ParameterSchema "F0041" Error "the parameters' JSON Schema is wrong"
        "write a JSON Schema (2020-12) of type object"
    Parameter "F0042" Error "the parameters do not fit the template"
        "give a value that fits the template's `parameters`"
    UnknownParameter "F0043" Error "a parameter that the template does not ask for"
        "remove it"
    UndeclaredParameter "F0044" Error "an expression reads a parameter that is not declared"
        "declare it under `parameters.properties`"
    Mapping "F0045" Error "an input mapping cannot be read"
        "try it with `sluice map`"
    Condition "F0046" Error "a `when` or `split` cannot be read"
        "try it with `sluice map --jsonata`"
    ReadsUnknownStep "F0047" Error "an expression reads a step that is not there"
        "name an earlier step of this template"
    ReadsLaterStep "F0048" Error "an expression reads a step that does not come before"
        "read a step on the way to this one, or put that step before it"
    ImpossiblePath "F0049" Warning "a path that the data probably does not have"
        "compare it with the output of the step before"
    UnboundInstance "F0050" Error "an alias has no instance"
        "bind one with `instances: { alias: name }` or `--instance alias=name`"
    UnknownInstance "F0051" Error "an instance that does not exist"
        "`sluice instance list` shows the instances"
    OtherConnector "F0052" Error "an instance belongs to another connector"
        "bind an instance of the connector that the template asks for"
    UnknownAlias "F0053" Error "an alias that the template does not ask for"
        "remove it"
    Settings "F0054" Error "the settings do not fit the connector"
        "`sluice connector get NAME` shows its settings"
    Secrets "F0055" Error "the secrets do not fit the connector"
        "`sluice connector get NAME` shows its secrets"
    ConnectorExpression "F0056" Error "an expression in the file of a connector cannot be read"
        "write a JSONPath that begins with `$`, or JSONata that begins with `=`"
    ConnectorSchema "F0057" Error "a schema in the file of a connector is wrong"
        "mend it; schemas are JSON Schema 2020-12"
    ConnectorRunner "F0058" Error "nothing here executes declarative connectors"
        "install the component `rest`"
    Respond "F0059" Error "a step that answers says nothing, or nobody asks"
        "put it behind a webhook, and say in `input` what to answer"
    Scopes "F0060" Error "an instance was granted too little"
        "authorise the instance again"
    Uses "F0061" Error "the instances that a connector calls are not bound as it wants"
        "bind an instance of the right connector to each alias of `uses`, under `instances`"
    UsesCircle "F0062" Error "instances call each other in a circle, or too deeply"
        "let calls go in one direction, at most 4 deep"
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
