//! What a JSONPath reads: its own first segments, and the root queries inside its filters.

use jsonpath_rust::parser::model::{
    Comparable, Filter, FilterAtom, FnArg, JpQuery, Segment, Selector, SingularQuery, SingularQuerySegment,
    Test, TestFunction,
};

use super::{Reads, StepRead};

/// The reads of a parsed query.
pub(crate) fn reads(query: &JpQuery) -> Reads {
    let mut reads = Reads::default();
    absolute(query, &mut reads);
    reads
}

fn absolute(query: &JpQuery, reads: &mut Reads) {
    let names: Vec<Option<&str>> = query.segments.iter().map(name).collect();
    path(&names, reads);
    filters(&query.segments, reads);
}

/// Marks the path of names, each `None` where the segment is not one name.
fn path(names: &[Option<&str>], reads: &mut Reads) {
    match names {
        [Some("steps"), Some(id), Some(member), ..] => reads.add_step_member(id, member),
        [Some("steps"), Some(id), ..] => reads.add_step(id, StepRead::WHOLE),
        [Some(name), ..] => reads.add_name(name),
        _ => *reads = Reads::everything(),
    }
}

fn name(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Selector(Selector::Name(name)) => Some(name),
        _ => None,
    }
}

fn filters(segments: &[Segment], reads: &mut Reads) {
    for segment in segments {
        match segment {
            Segment::Descendant(inner) => filters(std::slice::from_ref(&**inner), reads),
            Segment::Selector(selector) => in_selector(selector, reads),
            Segment::Selectors(selectors) => {
                selectors.iter().for_each(|selector| in_selector(selector, reads));
            }
        }
    }
}

fn in_selector(selector: &Selector, reads: &mut Reads) {
    if let Selector::Filter(filter) = selector {
        in_filter(filter, reads);
    }
}

fn in_filter(filter: &Filter, reads: &mut Reads) {
    match filter {
        Filter::Or(parts) | Filter::And(parts) => {
            parts.iter().for_each(|part| in_filter(part, reads));
        }
        Filter::Atom(FilterAtom::Filter { expr, .. }) => in_filter(expr, reads),
        Filter::Atom(FilterAtom::Test { expr, .. }) => in_test(expr, reads),
        Filter::Atom(FilterAtom::Comparison(comparison)) => {
            let (left, right) = comparison.vals();
            in_comparable(left, reads);
            in_comparable(right, reads);
        }
    }
}

fn in_test(test: &Test, reads: &mut Reads) {
    match test {
        Test::RelQuery(segments) => filters(segments, reads),
        Test::AbsQuery(query) => absolute(query, reads),
        Test::Function(function) => in_function(function, reads),
    }
}

fn in_comparable(comparable: &Comparable, reads: &mut Reads) {
    match comparable {
        Comparable::Literal(_) | Comparable::SingularQuery(SingularQuery::Current(_)) => {}
        Comparable::Function(function) => in_function(function, reads),
        Comparable::SingularQuery(SingularQuery::Root(segments)) => {
            let names: Vec<Option<&str>> = segments
                .iter()
                .map(|segment| match segment {
                    SingularQuerySegment::Name(name) => Some(name.as_str()),
                    SingularQuerySegment::Index(_) => None,
                })
                .collect();
            path(&names, reads);
        }
    }
}

fn in_function(function: &TestFunction, reads: &mut Reads) {
    let mut argument = |argument: &FnArg| match argument {
        FnArg::Literal(_) => {}
        FnArg::Test(test) => in_test(test, reads),
        FnArg::Filter(filter) => in_filter(filter, reads),
    };
    match function {
        TestFunction::Custom(_, arguments) => arguments.iter().for_each(argument),
        TestFunction::Length(only) => argument(only),
        TestFunction::Value(only) | TestFunction::Count(only) => argument(only),
        TestFunction::Search(text, pattern) | TestFunction::Match(text, pattern) => {
            argument(text);
            argument(pattern);
        }
    }
}
