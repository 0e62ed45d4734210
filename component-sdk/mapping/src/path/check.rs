//! What is refused before a JSONPath may run: costs that no budget could bound, and calls that the
//! RFC's type rules forbid but the parser lets through.

use jsonpath_rust::parser::model::{
    Comparable, Filter, FilterAtom, FnArg, JpQuery, Literal, Segment, Selector, Test, TestFunction,
};
use regex::RegexBuilder;

use super::{NESTED_CALLS, NESTED_GROUPS, Patterns};
use crate::error::{MappingError, MappingErrorKind};

/// Longest pattern, in bytes.
const PATTERN_BYTES: usize = 256;
/// Largest compiled pattern, in bytes: matching takes at most this times the text.
const PATTERN_PROGRAM: usize = 64 * 1024;

/// Refuses deep nesting before the recursive, backtracking parser sees it.
pub(super) fn nesting(source: &str) -> Result<(), MappingError> {
    let mut open: Vec<bool> = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    let mut previous = ' ';
    let mut word = ' ';
    for (at, c) in source.char_indices() {
        // The parser takes `$.a b` for a member named "a b"; no two words of a JSONPath ever stand
        // side by side.
        if quote.is_none() && previous.is_whitespace() && is_word(c) && is_word(word) {
            let reason = "not a JSONPath: expected an operator or a segment";
            let mut error = MappingError::new(MappingErrorKind::JsonPathSyntax, source, reason);
            error.offset = Some(at);
            return Err(error);
        }
        if !c.is_whitespace() {
            word = if quote.is_none() { c } else { ' ' };
        }
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '(' | '[' => open.push(c == '(' && previous.is_ascii_alphabetic()),
                ')' | ']' => {
                    open.pop();
                }
                _ => {}
            },
        }
        previous = c;
        if open.len() > NESTED_GROUPS || open.iter().filter(|call| **call).count() > NESTED_CALLS {
            return Err(complex(source, "the JSONPath nests too deeply"));
        }
    }
    Ok(())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

/// Checks every filter of a query and compiles its patterns.
pub(super) fn query(source: &str, query: &JpQuery) -> Result<Patterns, MappingError> {
    let mut check = Check { source, patterns: Patterns::new() };
    check.segments(&query.segments)?;
    Ok(check.patterns)
}

struct Check<'s> {
    source: &'s str,
    patterns: Patterns,
}

impl Check<'_> {
    fn segments(&mut self, segments: &[Segment]) -> Result<(), MappingError> {
        segments.iter().try_for_each(|segment| match segment {
            Segment::Descendant(inner) => self.segments(std::slice::from_ref(&**inner)),
            Segment::Selector(selector) => self.selector(selector),
            Segment::Selectors(selectors) => {
                selectors.iter().try_for_each(|selector| self.selector(selector))
            }
        })
    }

    fn selector(&mut self, selector: &Selector) -> Result<(), MappingError> {
        match selector {
            Selector::Filter(filter) => self.filter(filter),
            Selector::Name(_) | Selector::Wildcard | Selector::Index(_) | Selector::Slice(..) => Ok(()),
        }
    }

    fn filter(&mut self, filter: &Filter) -> Result<(), MappingError> {
        match filter {
            Filter::Or(parts) | Filter::And(parts) => parts.iter().try_for_each(|part| self.filter(part)),
            Filter::Atom(FilterAtom::Filter { expr, .. }) => self.filter(expr),
            Filter::Atom(FilterAtom::Test { expr, .. }) => match &**expr {
                Test::Function(function) if !function_is_logical(function) => {
                    Err(self.refuse("length, count and value give a value, which needs a comparison"))
                }
                test => self.test(test),
            },
            Filter::Atom(FilterAtom::Comparison(comparison)) => {
                let (left, right) = comparison.vals();
                self.comparable(left)?;
                self.comparable(right)
            }
        }
    }

    fn comparable(&mut self, comparable: &Comparable) -> Result<(), MappingError> {
        match comparable {
            Comparable::Function(function) => self.function(function),
            Comparable::Literal(_) | Comparable::SingularQuery(_) => Ok(()),
        }
    }

    fn test(&mut self, test: &Test) -> Result<(), MappingError> {
        match test {
            Test::RelQuery(segments) => self.segments(segments),
            Test::AbsQuery(query) => self.segments(&query.segments),
            Test::Function(function) => self.function(function),
        }
    }

    fn function(&mut self, function: &TestFunction) -> Result<(), MappingError> {
        match function {
            TestFunction::Custom(name, _) => {
                Err(self.refuse(&format!("`{name}` is not a function of RFC 9535")))
            }
            TestFunction::Length(argument) => self.value_argument(argument),
            TestFunction::Value(argument) | TestFunction::Count(argument) => match argument {
                FnArg::Test(test) if !matches!(**test, Test::Function(_)) => self.test(test),
                _ => Err(self.refuse("count and value take a query")),
            },
            TestFunction::Search(text, pattern) => self.pattern(text, pattern, false),
            TestFunction::Match(text, pattern) => self.pattern(text, pattern, true),
        }
    }

    fn value_argument(&mut self, argument: &FnArg) -> Result<(), MappingError> {
        match argument {
            FnArg::Literal(_) => Ok(()),
            FnArg::Test(test) => match &**test {
                Test::RelQuery(segments) if singular(segments) => Ok(()),
                Test::AbsQuery(query) if singular(&query.segments) => Ok(()),
                Test::Function(function) if !function_is_logical(function) => self.function(function),
                _ => Err(self.refuse("the argument must be one value")),
            },
            FnArg::Filter(_) => Err(self.refuse("the argument must be one value")),
        }
    }

    fn pattern(&mut self, text: &FnArg, pattern: &FnArg, whole: bool) -> Result<(), MappingError> {
        self.value_argument(text)?;
        let FnArg::Literal(Literal::String(pattern)) = pattern else {
            return Err(complex(self.source, "the pattern of match and search must be a string"));
        };
        if pattern.len() > PATTERN_BYTES {
            let reason = format!("a pattern is longer than {PATTERN_BYTES} bytes");
            return Err(complex(self.source, &reason));
        }
        let compiled = RegexBuilder::new(&translate(pattern, whole))
            .size_limit(PATTERN_PROGRAM)
            .build()
            .map_err(|_| complex(self.source, "a pattern is malformed or too large"))?;
        self.patterns.insert((pattern.clone(), whole), compiled);
        Ok(())
    }

    fn refuse(&self, reason: &str) -> MappingError {
        MappingError::new(MappingErrorKind::JsonPathSyntax, self.source, reason)
    }
}

pub(super) fn singular(segments: &[Segment]) -> bool {
    segments.iter().all(|segment| super::segment(segment).is_some())
}

fn function_is_logical(function: &TestFunction) -> bool {
    match function {
        TestFunction::Search(..) | TestFunction::Match(..) | TestFunction::Custom(..) => true,
        TestFunction::Length(_) | TestFunction::Value(_) | TestFunction::Count(_) => false,
    }
}

/// From I-Regexp (RFC 9485) to the engine's syntax: a `.` outside a class matches no line end.
fn translate(pattern: &str, whole: bool) -> String {
    let mut translated = String::with_capacity(pattern.len() + 8);
    let mut class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                translated.push(c);
                translated.extend(chars.next());
                continue;
            }
            '[' => class = true,
            ']' => class = false,
            '.' if !class => {
                translated.push_str(r"[^\n\r]");
                continue;
            }
            _ => {}
        }
        translated.push(c);
    }
    if whole { format!("^(?:{translated})$") } else { translated }
}

fn complex(source: &str, reason: &str) -> MappingError {
    MappingError::new(MappingErrorKind::JsonPathTooComplex, source, reason)
}
