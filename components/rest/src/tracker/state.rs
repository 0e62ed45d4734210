//! The state of a trigger as it is kept between polls: `{ "cursor": .., "seen": [..] }`.
//!
//! `cursor` is the largest value so far, as the item has it; the overlap is taken off when it is used. `seen` holds 64
//! bits for each item, where there is an overlap with the seconds by which its value is before the cursor.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sluice_declarative::{Incremental, TimeFormat};

use crate::moment::{Moment, Order};

const NANOS: i128 = 1_000_000_000;

/// The state, as it is written.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(default)]
    cursor: Value,
    #[serde(default)]
    seen: Vec<String>,
}

impl Kept {
    /// The cursor and the items of a state. One that cannot be read is none.
    pub(super) fn read(
        state: Option<Value>,
        format: Option<TimeFormat>,
    ) -> (Option<Moment>, HashMap<u64, Option<Order>>) {
        let kept: Self = state.and_then(|state| serde_json::from_value(state).ok()).unwrap_or_default();
        let cursor = format.and_then(|format| Moment::read(&kept.cursor, format));
        let seen = kept.seen.iter().filter_map(|text| entry(text, cursor.as_ref())).collect();
        (cursor, seen)
    }

    pub(super) fn write(
        incremental: Option<&Incremental>,
        cursor: Option<&Moment>,
        seen: impl Iterator<Item = (u64, Option<Order>)>,
    ) -> Value {
        let base = match (incremental, cursor.map(|cursor| &cursor.order)) {
            (Some(it), Some(Order::Number(base))) if it.overlap_seconds > 0 => Some(*base),
            _ => None,
        };
        let seen: Vec<String> = seen
            .map(|(hash, order)| {
                let hash = URL_SAFE_NO_PAD.encode(hash.to_be_bytes());
                match (base, order) {
                    // Rounded towards later, which keeps it a little longer.
                    (Some(base), Some(Order::Number(order))) => {
                        format!("{hash}@{}", (base - order).div_euclid(NANOS))
                    }
                    _ => hash,
                }
            })
            .collect();
        json!({ "cursor": cursor.map_or(Value::Null, |cursor| cursor.value.clone()), "seen": seen })
    }
}

fn entry(text: &str, cursor: Option<&Moment>) -> Option<(u64, Option<Order>)> {
    let (hash, seconds) = text.split_once('@').map_or((text, None), |(hash, rest)| (hash, Some(rest)));
    let hash = u64::from_be_bytes(URL_SAFE_NO_PAD.decode(hash).ok()?.try_into().ok()?);
    let order = match (seconds.and_then(|text| text.parse::<i128>().ok()), cursor.map(|cursor| &cursor.order))
    {
        (Some(seconds), Some(Order::Number(base))) => Some(Order::Number(base - seconds * NANOS)),
        _ => None,
    };
    Some((hash, order))
}
