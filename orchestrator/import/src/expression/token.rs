//! The words of a JSONata expression, each with its place in the text.

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name, or an operator that is written as one.
    Name,
    /// A name in backticks.
    Quoted,
    /// A text.
    Text,
    /// A number.
    Number,
    /// `$`, `$$` or `$name`.
    Variable,
    /// A regular expression.
    Pattern,
    /// Anything else.
    Sign,
}

/// A word and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    pub(crate) text: &'s str,
    pub(crate) start: usize,
    /// Whether an operand stands before it, so that it continues an expression.
    pub(crate) infix: bool,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(crate) fn is(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// The name that it stands for: of a name itself, or of a text that is used as one.
    pub(crate) fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Name => Some(self.text.to_owned()),
            Kind::Quoted => Some(self.text[1..self.text.len() - 1].to_owned()),
            Kind::Text => unquoted(self.text),
            Kind::Number | Kind::Variable | Kind::Pattern | Kind::Sign => None,
        }
    }
}

/// What a literal text says.
pub(crate) fn unquoted(text: &str) -> Option<String> {
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains('\\')).then(|| inner.to_owned())
}

/// Signs of two characters.
const DOUBLE: [&str; 9] = ["!=", "<=", ">=", "~>", ":=", "**", "..", "?:", "??"];

/// The words of an expression; nothing when it ends inside of one.
pub(crate) fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let bytes = source.as_bytes();
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let first = rest.chars().next()?;
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if rest.starts_with("/*") {
            at += rest.find("*/")? + 2;
            continue;
        }
        let infix = found.last().is_some_and(ends_operand);
        let (kind, length) = match first {
            '"' | '\'' => (Kind::Text, closed(rest, first)?),
            '`' => (Kind::Quoted, rest[1..].find('`')? + 2),
            '0'..='9' => (Kind::Number, number(rest)),
            '$' => (Kind::Variable, variable(rest)),
            '/' if !infix => (Kind::Pattern, pattern(rest)?),
            letter if is_letter(letter) => (Kind::Name, word(rest)),
            _ => {
                let double = DOUBLE.iter().find(|sign| rest.starts_with(**sign));
                (Kind::Sign, double.map_or_else(|| first.len_utf8(), |sign| sign.len()))
            }
        };
        found.push(Token { kind, text: &rest[..length], start: at, infix });
        at += length;
    }
    Some(found)
}

fn ends_operand(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Name => !(token.infix && matches!(token.text, "and" | "or" | "in")),
        Kind::Quoted | Kind::Text | Kind::Number | Kind::Variable | Kind::Pattern => true,
        Kind::Sign => match token.text {
            ")" | "]" | "}" => true,
            // A wildcard, the parent, and the place of a missing argument.
            "*" | "**" | "%" | "?" => !token.infix,
            _ => false,
        },
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_'
}

fn word(rest: &str) -> usize {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    rest.find(|letter| !inside(letter)).unwrap_or(rest.len())
}

fn variable(rest: &str) -> usize {
    if rest.starts_with("$$") { 2 } else { 1 + word(&rest[1..]) }
}

fn number(rest: &str) -> usize {
    let digits = |from: usize| {
        let rest = &rest[from..];
        from + rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len())
    };
    let mut end = digits(0);
    let bytes = rest.as_bytes();
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

/// The length of a text in quotes.
fn closed(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of a regular expression with its flags.
fn pattern(rest: &str) -> Option<usize> {
    let (mut escaped, mut depth) = (false, 0usize);
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                let flags = &rest[at + 1..];
                let flags = flags.find(|flag| !matches!(flag, 'i' | 'm')).unwrap_or(flags.len());
                return Some(at + 1 + flags);
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &[&str]) {
        let found: Vec<&str> = tokens(source).unwrap().iter().map(|token| token.text).collect();
        assert_eq!(found, expect, "{source}");
    }

    #[test]
    fn expressions_are_taken_apart() {
        check("a.b[0] /* c */ & 'd'", &["a", ".", "b", "[", "0", "]", "&", "'d'"]);
        check("$round(1.5e3)/2", &["$round", "(", "1.5e3", ")", "/", "2"]);
        check(
            "$contains(x, /[a\\/b]+/i) ? 1..3 : $$",
            &["$contains", "(", "x", ",", "/[a\\/b]+/i", ")", "?", "1", "..", "3", ":", "$$"],
        );
        check("`a b`.*.\"c\\\"\"", &["`a b`", ".", "*", ".", "\"c\\\"\""]);
        check("a*b and c", &["a", "*", "b", "and", "c"]);
        for open in ["'a", "\"a\\\"", "`a", "/* a", "a = /b"] {
            assert!(tokens(open).is_none(), "{open}");
        }
    }
}
