//! Lists by the page. A cursor holds the key of the last item of the page before; to a client it is opaque.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::dto::Page;
use crate::problem::{Answer, ErrorCode, Refusal};

const DEFAULT: u32 = 50;
const MOST: u32 = 1000;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    pub(crate) limit: Option<u32>,
    pub(crate) cursor: Option<String>,
}

/// How many items were asked for.
pub(crate) fn limit(asked: Option<u32>) -> Answer<u32> {
    match asked.unwrap_or(DEFAULT) {
        limit @ 1..=MOST => Ok(limit),
        other => Err(Refusal::new(ErrorCode::BadQuery, format!("limit: {other} is not from 1 to {MOST}"))),
    }
}

/// The key that a cursor holds.
pub(crate) fn after<K: DeserializeOwned>(cursor: Option<&str>) -> Answer<Option<K>> {
    let read = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let bad = || Refusal::new(ErrorCode::BadQuery, "cursor: take the `next` of the page before, unchanged");
    cursor.map(|text| read(text).ok_or_else(bad)).transpose()
}

/// The page that a store cut already: it was asked for `limit` items, and a full page may have another after it.
pub(crate) fn of_cut<T, K: Serialize>(items: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> Page<T> {
    let full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let next = items.last().filter(|_| full).map(|last| cursor(&key(last)));
    Page { items, next }
}

/// The page of a whole list that is sorted by `key`.
pub(crate) fn of_all<T>(items: Vec<T>, query: &PageQuery, key: impl Fn(&T) -> String) -> Answer<Page<T>> {
    let limit = limit(query.limit)?;
    let after: Option<String> = after(query.cursor.as_deref())?;
    let mut rest = items.into_iter().peekable();
    if let Some(after) = after {
        while rest.next_if(|item| key(item) <= after).is_some() {}
    }
    let items: Vec<T> = rest.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    let next = items.last().filter(|_| rest.peek().is_some()).map(|last| cursor(&key(last)));
    Ok(Page { items, next })
}

fn cursor(key: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gaps() {
        let all = || ('a'..='g').map(String::from).collect::<Vec<_>>();
        let mut query = PageQuery { limit: Some(3), cursor: None };
        let mut seen = Vec::new();
        loop {
            let page = of_all(all(), &query, String::clone).unwrap();
            seen.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, all());
    }

    #[test]
    fn a_forged_cursor_and_a_senseless_limit_are_refused() {
        for cursor in ["", "x", "e30", "../.."] {
            assert!(after::<String>(Some(cursor)).is_err(), "{cursor}");
        }
        for asked in [0, 1001, u32::MAX] {
            assert!(limit(Some(asked)).is_err(), "{asked}");
        }
    }
}
