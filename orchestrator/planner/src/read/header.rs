//! The first two fields of every document: the format version and the kind.

use super::fields::{Reader, describe};
use crate::Code;
use crate::document::{Kind, Node};
use crate::near::{nearest, quote};

/// The kinds of documents that can be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DocumentKind {
    /// A template.
    Template,
    /// An instance.
    Instance,
    /// A flow.
    Flow,
    /// A declarative connector.
    Connector,
}

/// The kind of a document, if it is one that can be read.
pub(crate) fn read(reader: &mut Reader<'_>, root: &Node) -> Option<DocumentKind> {
    reader.mapping(root, "a document")?;
    version(reader, root)?;
    let Some(node) = root.get("kind") else {
        reader.fault(Code::Kind, root.mark, "the document does not say its kind");
        return None;
    };
    let text = reader.text(node, "`kind`")?;
    match text {
        "template" => Some(DocumentKind::Template),
        "instance" => Some(DocumentKind::Instance),
        "flow" => Some(DocumentKind::Flow),
        "connector" => Some(DocumentKind::Connector),
        other => {
            let message = format!("there is no kind {}", quote(other));
            match nearest(other, ["template", "instance", "flow", "connector"]) {
                Some(name) => {
                    reader.fault_with_help(Code::Kind, node.mark, message, format!("did you mean `{name}`?"));
                }
                None => reader.fault(Code::Kind, node.mark, message),
            }
            None
        }
    }
}

fn version(reader: &mut Reader<'_>, root: &Node) -> Option<()> {
    let Some(node) = root.get("sluice") else {
        reader.fault(Code::FormatVersion, root.mark, "the document does not name its format version");
        return None;
    };
    let message = match &node.kind {
        Kind::Number(number) if number.as_u64() == Some(1) => return Some(()),
        Kind::Number(number) => format!("this version of Sluice reads format 1, not {number}"),
        Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) | Kind::Broken => {
            format!("the format version must be the number 1, not {}", describe(node))
        }
    };
    reader.fault(Code::FormatVersion, node.mark, message);
    None
}
