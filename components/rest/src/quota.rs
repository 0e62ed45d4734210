//! What the headers of an answer say of the requests that are left: those of the IETF's drafts
//! (draft-ietf-httpapi-ratelimit-headers), and those with `X-` that no standard describes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::failure;
use crate::reset;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// How long to make no request.
    pub(crate) wait: Option<Duration>,
    /// How many requests are left for how long.
    pub(crate) left: Option<(u64, Duration)>,
}

/// Pairs of what is left and when that is reset.
const PAIRS: [(&str, &str); 3] = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

pub(crate) fn read(headers: &Map<String, Value>, status: u16, now: DateTime<Utc>) -> Said {
    let header = |name: &str| headers.get(name).and_then(Value::as_str);
    let wait = if matches!(status, 429 | 503) { failure::wait(headers, status, now) } else { None };
    let pair = || {
        PAIRS.into_iter().find_map(|(remaining, reset)| {
            let count = header(remaining)?.split([',', ';']).next()?.trim().parse().ok()?;
            Some((count, reset::until(header(reset)?, now)?))
        })
    };
    Said { wait, left: header("ratelimit").and_then(field).or_else(pair) }
}

/// The `RateLimit` field: `"name";r=50;t=30` for each policy, or, in drafts before the eighth, `remaining=50, reset=30`.
fn field(text: &str) -> Option<(u64, Duration)> {
    let mut policies = Vec::new();
    let (mut remaining, mut reset) = (None, None);
    for item in split(text, ',') {
        let (mut count, mut time) = (None, None);
        for (index, piece) in split(item, ';').into_iter().enumerate() {
            let Some((name, value)) = piece.split_once('=') else { continue };
            let number = value.trim().parse::<u64>().ok();
            match (index, name.trim()) {
                (0, "remaining") => remaining = number,
                (0, "reset") => reset = number,
                (0, _) => {}
                (_, "r") => count = number,
                (_, "t") => time = number,
                (_, _) => {}
            }
        }
        policies.extend(count.zip(time));
    }
    policies.extend(remaining.zip(reset));
    // The one with the least left; of several that are used up, the one that lasts longest.
    let least = policies.into_iter().min_by_key(|(count, time)| (*count, std::cmp::Reverse(*time)));
    least.map(|(count, time)| (count, Duration::from_secs(time)))
}

/// Divides a text at a character; one within quotes does not count.
fn split(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c: char| {
        quoted ^= c == '"';
        c == at && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_say_it_is_understood() {
        let now = "2026-11-06T08:49:07Z".parse().unwrap();
        for (headers, status, wait, left) in [
            (json!({ "ratelimit": "\"default\";r=50;t=30" }), 200, None, Some((50, 30))),
            (
                json!({ "ratelimit": "\"a, b\";r=9;t=1, \"day\";r=2;t=3600;pk=:x:" }),
                200,
                None,
                Some((2, 3600)),
            ),
            (json!({ "ratelimit": "\"s\";r=0;t=1,\"d\";r=0;t=60" }), 200, None, Some((0, 60))),
            (json!({ "ratelimit": "limit=100, remaining=5, reset=7" }), 200, None, Some((5, 7))),
            (json!({ "ratelimit": "\"default\";r=50" }), 200, None, None),
            (json!({ "ratelimit-remaining": "3", "ratelimit-reset": "12" }), 200, None, Some((3, 12))),
            (
                json!({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1793954977" }),
                403,
                None,
                Some((0, 30)),
            ),
            (json!({ "x-rate-limit-remaining": "1", "x-rate-limit-reset": "5" }), 200, None, Some((1, 5))),
            (json!({ "x-ratelimit-remaining": "0" }), 200, None, None),
            (json!({ "retry-after": "8" }), 429, Some(8), None),
            (json!({ "retry-after": "8" }), 503, Some(8), None),
            (json!({ "retry-after": "8" }), 202, None, None),
            (json!({ "x-ratelimit-reset": "9" }), 429, Some(9), None),
            (json!({ "ratelimit": "\";;,r=" }), 200, None, None),
        ] {
            let said = read(headers.as_object().unwrap(), status, now);
            let got = (said.wait.map(|it| it.as_secs()), said.left.map(|(count, it)| (count, it.as_secs())));
            assert_eq!(got, (wait, left), "{headers}");
        }
    }
}
