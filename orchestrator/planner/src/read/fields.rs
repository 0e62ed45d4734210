//! Reading a tree field by field, collecting every fault on the way.

use std::fmt::Display;
use std::str::FromStr;

use sluice_domain::Owned;

use crate::document::{Kind, Member, Node};
use crate::near::{nearest, quote};
use crate::{Code, Diagnostic, Mark, Report};

/// Collects the faults of a file's documents.
pub(crate) struct Reader<'r> {
    pub(crate) file: &'r str,
    pub(crate) report: &'r mut Report,
}

/// The members of a mapping whose field names are known.
pub(crate) struct Fields<'n> {
    /// What it is, with its article, for messages.
    pub(crate) what: &'static str,
    /// Where it begins.
    pub(crate) mark: Mark,
    members: &'n [Member],
}

impl<'n> Fields<'n> {
    /// The value of a field; an empty one counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        let member = self.members.iter().find(|member| member.key == key)?;
        (!matches!(member.value.kind, Kind::Null)).then_some(&member.value)
    }
}

impl Reader<'_> {
    pub(crate) fn fault(&mut self, code: Code, mark: Mark, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, self.file, mark, message));
    }

    pub(crate) fn fault_with_help(
        &mut self,
        code: Code,
        mark: Mark,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report.push(Diagnostic::new(code, self.file, mark, message).help(help));
    }

    /// Reports a value of the wrong type, unless its fault is known already.
    pub(crate) fn wrong_type(&mut self, node: &Node, what: &str, wanted: &str) {
        if matches!(node.kind, Kind::Broken) {
            return;
        }
        let message = format!("{what} must be {wanted}, not {}", describe(node));
        let help = match node.kind {
            Kind::Number(_) | Kind::Bool(_) if wanted.contains("text") => "put it in quotes",
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::List(_)
            | Kind::Map(_)
            | Kind::Broken => Code::WrongType.help(),
        };
        self.fault_with_help(Code::WrongType, node.mark, message, help);
    }

    /// The members of a mapping, whatever their names.
    pub(crate) fn mapping<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Member]> {
        if let Kind::Map(members) = &node.kind {
            return Some(members);
        }
        self.wrong_type(node, what, "a mapping");
        None
    }

    /// The fields of a mapping. Unknown ones are reported here.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let members = self.mapping(node, what)?;
        for member in members.iter().filter(|member| !known.contains(&member.key.as_str())) {
            let message = format!("{what} has no field {}", quote(&member.key));
            let help = match nearest(&member.key, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("fields: {}", known.join(", ")),
            };
            self.fault_with_help(Code::UnknownField, member.mark, message, help);
        }
        Some(Fields { what, mark: node.mark, members })
    }

    /// A field that must be there.
    pub(crate) fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<&'n Node> {
        let node = fields.get(key);
        if node.is_none() {
            let message = format!("{} needs a field `{key}`", fields.what);
            self.fault_with_help(Code::MissingField, fields.mark, message, format!("add `{key}:`"));
        }
        node
    }

    /// A text.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        if let Kind::Text(text) = &node.kind {
            return Some(text);
        }
        self.wrong_type(node, what, "a text");
        None
    }

    /// A text that is parsed into something else.
    pub(crate) fn parse<T>(&mut self, node: &Node, what: &str, code: Code) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(node, what)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(code, node.mark, clean(&format!("{error}")));
                None
            }
        }
    }

    /// A field that must be there and is parsed into something else.
    pub(crate) fn required_parse<T>(&mut self, fields: &Fields<'_>, key: &str, code: Code) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let node = self.required(fields, key)?;
        self.parse(node, &format!("`{key}`"), code)
    }

    /// A name of what a tenant may own. Files name no tenant: who applies them says whose they are.
    pub(crate) fn own_name<T: Owned>(&mut self, node: &Node, what: &str) -> Option<T> {
        let name: T = self.parse(node, what, Code::Name)?;
        self.is_bare(node, &name).then_some(name)
    }

    /// A field that must be there and names what a tenant may own.
    pub(crate) fn required_name<T: Owned>(&mut self, fields: &Fields<'_>, key: &str) -> Option<T> {
        let node = self.required(fields, key)?;
        self.own_name(node, &format!("`{key}`"))
    }

    /// Whether a name has no tenant; a fault otherwise.
    pub(crate) fn is_bare<T: Owned>(&mut self, node: &Node, name: &T) -> bool {
        if let Some(tenant) = name.tenant() {
            let message = format!("{} names a tenant, which files do not", quote(name.text()));
            let help = format!("leave `{tenant}.` out, and apply the file in the name of the tenant");
            self.fault_with_help(Code::Name, node.mark, message, help);
            return false;
        }
        true
    }

    /// A whole number in a range.
    pub(crate) fn whole(&mut self, node: &Node, what: &str, range: (u32, u32)) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.0, range.1);
        let Kind::Number(number) = &node.kind else {
            self.wrong_type(node, what, &wanted);
            return None;
        };
        let whole = number.as_u64().and_then(|number| u32::try_from(number).ok());
        let fits = whole.filter(|number| (range.0..=range.1).contains(number));
        if fits.is_none() {
            self.fault(Code::Value, node.mark, format!("{what} must be {wanted}, not {number}"));
        }
        fits
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let message = format!("{what} cannot be {}", quote(text));
        let help = crate::near::suggest(text, "choices", names);
        self.fault_with_help(Code::Value, node.mark, message, help);
        None
    }
}

/// What a value is, for messages.
pub(crate) fn describe(node: &Node) -> &'static str {
    match node.kind {
        Kind::Null => "empty",
        Kind::Bool(_) => "true or false",
        Kind::Number(_) => "a number",
        Kind::Text(_) => "a text",
        Kind::List(_) => "a list",
        Kind::Map(_) => "a mapping",
        Kind::Broken => "unreadable",
    }
}

/// A message of another crate, which may quote what the user wrote: on one line and of sane length.
pub(crate) fn clean(message: &str) -> String {
    const SHOWN: usize = 400;
    let mut cleaned: String = message
        .chars()
        .take(SHOWN)
        .map(|letter| if letter.is_control() || is_direction(letter) { ' ' } else { letter })
        .collect();
    if message.chars().nth(SHOWN).is_some() {
        cleaned.push('…');
    }
    cleaned
}

/// Marks that turn the direction of a line.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
