//! Pagination, guessed where it is evident: from parameters with the usual names, and an answer that is a list.

use serde_json::Value;
use sluice_declarative::{Pagination, PaginationType};

use crate::answer::Answer;
use crate::document::Document;
use crate::input::step;
use crate::parameter::{Parameter, Place};

const NUMBERS: [&str; 6] = ["page", "page_number", "pagenumber", "page[number]", "pageno", "page_no"];
const OFFSETS: [&str; 3] = ["offset", "skip", "page[offset]"];
const SIZES: [&str; 10] = [
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "limit",
    "page[size]",
    "page[limit]",
    "count",
    "max_results",
    "size",
];
const TOKENS: [&str; 14] = [
    "cursor",
    "after",
    "page_token",
    "pagetoken",
    "starting_after",
    "next_token",
    "nexttoken",
    "page[after]",
    "page[cursor]",
    "next_page_token",
    "next_cursor",
    "start_cursor",
    "marker",
    "continuation_token",
];
const NEXT_TOKENS: [&str; 13] = [
    "next_cursor",
    "nextcursor",
    "next_page_token",
    "nextpagetoken",
    "next_token",
    "nexttoken",
    "next_marker",
    "continuation_token",
    "end_cursor",
    "endcursor",
    "after",
    "next",
    "cursor",
];
const NEXT_URLS: [&str; 7] =
    ["next_url", "nexturl", "next_page_url", "next_page_uri", "next_link", "nextlink", "@odata.nextlink"];
const LISTS: [&str; 10] =
    ["data", "items", "results", "values", "entries", "records", "objects", "elements", "list", "rows"];
/// Lists that are about an answer, not its content.
const ASIDE: [&str; 5] = ["errors", "warnings", "links", "included", "order"];

/// What was guessed.
#[derive(Debug)]
pub(crate) struct Guess<'d> {
    pub(crate) pagination: Pagination,
    /// What is taken of an answer.
    pub(crate) result: Option<String>,
    /// The schema of an item.
    pub(crate) items: &'d Value,
    /// What it was guessed from.
    pub(crate) why: String,
}

/// The list of an answer.
struct List<'d> {
    /// Where it is, as a JSONPath behind `$.response.body`; empty for the body itself.
    path: String,
    items: &'d Value,
}

/// The pagination of an operation, if it is evident.
pub(crate) fn guess<'d>(
    document: Document<'d>,
    parameters: &[Parameter<'d>],
    answer: Answer<'d>,
) -> Option<Guess<'d>> {
    let schema = answer.schema?;
    let list = find_list(document, schema)?;
    let query: Vec<&Parameter<'d>> = parameters.iter().filter(|one| one.place == Place::Query).collect();
    let find = |names: &[&str]| {
        names.iter().find_map(|name| {
            query
                .iter()
                .copied()
                .find(|one| one.name.to_ascii_lowercase() == **name || snake(one.name) == **name)
        })
    };
    let size = find(&SIZES);
    let (mut pagination, why) = if answer.has_link {
        (plan(PaginationType::Link), "the header `Link`".to_owned())
    } else if let Some((token, next)) =
        find(&TOKENS).and_then(|token| Some((token, next_token(document, schema, token.name)?)))
    {
        let why = format!("the parameter `{}` and `{next}`", token.name);
        (
            Pagination {
                param: Some(token.name.to_owned()),
                next: Some(next),
                ..plan(PaginationType::Cursor)
            },
            why,
        )
    } else if let Some(next) = next_url(document, schema) {
        let why = format!("`{next}`");
        (Pagination { next: Some(next), ..plan(PaginationType::NextUrl) }, why)
    } else if let (Some(page), Some(size)) = (find(&NUMBERS).filter(|page| is_number(document, page)), size) {
        let why = format!("the parameters `{}` and `{}`", page.name, size.name);
        let start = number(document, page, "default").or_else(|| number(document, page, "minimum"));
        let start = start.filter(|start| *start == 0);
        (Pagination { param: Some(page.name.to_owned()), start, ..plan(PaginationType::Page) }, why)
    } else if let (Some(offset), Some(size)) =
        (find(&OFFSETS).filter(|offset| is_number(document, offset)), size)
    {
        let why = format!("the parameters `{}` and `{}`", offset.name, size.name);
        (Pagination { param: Some(offset.name.to_owned()), ..plan(PaginationType::Offset) }, why)
    } else {
        return None;
    };
    // Asking for more than an API gives would make each page look like the last one.
    let most = size.and_then(|size| {
        let most = number(document, size, "maximum").or_else(|| number(document, size, "default"));
        Some((size, most.filter(|most| (1..=1000).contains(most))?))
    });
    if let Some((size, most)) = most {
        pagination.size_param = Some(size.name.to_owned());
        pagination.size = Some(most);
    }
    let result = (!list.path.is_empty()).then(|| format!("$.response.body{}", list.path));
    Some(Guess { pagination, result, items: list.items, why })
}

fn plan(kind: PaginationType) -> Pagination {
    Pagination {
        kind,
        param: None,
        start: None,
        size_param: None,
        size: None,
        next: None,
        stop: None,
        max_pages: 10_000,
        max_items: 1_000_000,
    }
}

fn snake(name: &str) -> String {
    crate::names::snake(name)
}

fn find_list<'d>(document: Document<'d>, schema: &'d Value) -> Option<List<'d>> {
    if let Some(items) = document.items(schema) {
        return Some(List { path: String::new(), items });
    }
    let lists: Vec<(&str, &Value)> = document
        .properties(schema, false)
        .into_iter()
        .filter(|(name, _)| {
            !ASIDE.iter().any(|aside| name.eq_ignore_ascii_case(aside))
                && name.chars().all(crate::input::is_quotable)
        })
        .filter_map(|(name, schema)| Some((name, document.items(schema)?)))
        .collect();
    let usual =
        || LISTS.iter().find_map(|usual| lists.iter().find(|(name, _)| name.eq_ignore_ascii_case(usual)));
    let (name, items) = match lists.as_slice() {
        [only] => only,
        _ => usual()?,
    };
    Some(List { path: step(name), items })
}

fn of_schema<'d>(document: Document<'d>, parameter: &Parameter<'d>) -> Option<&'d Value> {
    document.resolve(parameter.schema?).ok()
}

fn is_number(document: Document<'_>, parameter: &Parameter<'_>) -> bool {
    let types = parameter.schema.map(|schema| document.types(schema)).unwrap_or_default();
    types.is_empty() || types.contains("integer") || types.contains("number")
}

fn number(document: Document<'_>, parameter: &Parameter<'_>, key: &str) -> Option<u64> {
    of_schema(document, parameter)?.get(key)?.as_u64()
}

/// Where the next token is, as an expression.
fn next_token(document: Document<'_>, schema: &Value, param: &str) -> Option<String> {
    if snake(param) == "starting_after" {
        return after_the_last(document, schema);
    }
    let path = search(document, schema, &NEXT_TOKENS, 3)?;
    Some(format!("$.response.body{path}"))
}

/// The id of the last item, where `has_more` says that there are more.
fn after_the_last(document: Document<'_>, schema: &Value) -> Option<String> {
    let has_more = document.properties(schema, false).into_iter().any(|(name, _)| name == "has_more");
    let list = find_list(document, schema).filter(|list| has_more && list.path == ".data")?;
    let has_id = document.properties(list.items, true).into_iter().any(|(name, _)| name == "id");
    has_id.then(|| "= response.body.has_more ? response.body.data[-1].id".to_owned())
}

fn next_url(document: Document<'_>, schema: &Value) -> Option<String> {
    if let Some(path) = search(document, schema, &NEXT_URLS, 3) {
        return Some(format!("$.response.body{path}"));
    }
    let links = document
        .properties(schema, false)
        .into_iter()
        .find(|(name, _)| ["links", "_links"].contains(name))?;
    let path = search(document, links.1, &["next", "href"], 3).filter(|path| path.contains(".next"))?;
    Some(format!("$.response.body{}{path}", step(links.0)))
}

/// The shortest way to a text with one of these names, not through lists.
fn search(document: Document<'_>, schema: &Value, names: &[&str], levels: usize) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    let members = document.properties(schema, false);
    for wanted in names {
        for (name, schema) in members.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)) {
            let types = document.types(schema);
            if !types.contains("object") && !types.contains("array") && !types.contains("boolean") {
                return Some(step(name));
            }
        }
    }
    let inside = members.iter().filter(|(name, _)| name.chars().all(crate::input::is_quotable));
    let inside = inside.filter(|(_, schema)| document.types(schema).contains("object"));
    inside.into_iter().find_map(|(name, schema)| Some(step(name) + &search(document, schema, names, levels)?))
}

#[cfg(test)]
mod tests;
