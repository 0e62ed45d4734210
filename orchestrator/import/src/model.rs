//! What both platforms have: flows of nodes and edges.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A flow or a template of flows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    /// Where it stands.
    pub(crate) place: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// When it runs, as it says.
    pub(crate) cron: Option<String>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    /// The values that who deploys it gives, by name: title and description.
    pub(crate) variables: BTreeMap<String, (Option<String>, Option<String>)>,
}

/// A node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) place: String,
    pub(crate) id: String,
    pub(crate) component: Component,
    pub(crate) function: String,
    pub(crate) fields: Map<String, Value>,
    pub(crate) credentials: Option<Credentials>,
    /// How many messages it takes at a time.
    pub(crate) concurrency: Option<u64>,
    /// Whether it carries along what earlier steps emitted.
    pub(crate) carries: Carries,
    /// Whether it gets what failed elsewhere.
    pub(crate) is_error_handler: bool,
    /// A router of the platform, which runs no code of its own.
    pub(crate) is_router: bool,
    /// A mapper of the platform, with its mapping.
    pub(crate) mapper: Option<Mapper>,
    /// What shapes its input, as an expression on a message.
    pub(crate) before: Option<String>,
    /// What shapes its output, as an expression on a message.
    pub(crate) after: Option<String>,
}

/// Whether a node carries along what earlier steps emitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Carries {
    /// As the platform does when nothing is said.
    #[default]
    Default,
    /// It is told to.
    Yes,
    /// It is told not to.
    No,
}

/// Which component a node is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Component {
    /// Its id on the platform.
    pub(crate) id: Option<String>,
    /// Its name, without the team's.
    pub(crate) name: Option<String>,
}

/// Which credentials a node has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Credentials {
    /// Their id.
    pub(crate) id: String,
    /// Their name, where it is said.
    pub(crate) name: Option<String>,
}

/// An edge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    pub(crate) place: String,
    /// Nothing for the edge to a handler of all errors.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) mapper: Option<Mapper>,
    pub(crate) condition: Option<String>,
    /// Whether what failed goes this way.
    pub(crate) is_error: bool,
}

/// How an input is shaped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapper {
    pub(crate) place: String,
    pub(crate) value: Value,
    pub(crate) is_handlebars: bool,
}
