//! Diffs as people read them.

use serde_json::json;

use crate::diff;
use crate::fixtures::{compile_text, template};

const OLD: &str = "steps:
  - { id: tick, use: timer/tick, schedule: { every: 5m } }
  - { id: a, use: log/write }
  - { id: b, use: log/write, on_error: { to: c } }
  - { id: c, use: log/write, after: [] }
";

#[track_caller]
fn check(new: &str, expect: &str) {
    let compile = |text: &str| {
        let (flow, report) = compile_text(&template(text), json!({}), &[]);
        flow.unwrap_or_else(|| panic!("{report}"))
    };
    let got = diff(Some(&compile(OLD)), &compile(new)).to_string();
    let expect = expect.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert_eq!(got, expect, "\n{got}");
}

#[test]
fn an_equal_version_changes_nothing() {
    check(OLD, "no changes");
}

#[test]
fn what_changes_is_listed_with_its_reason() {
    let new = "steps:
  - { id: tick, use: timer/tick, schedule: { every: 1m } }
  - { id: b, use: log/write, limits: { memory: 64MiB }, retry: { attempts: 1 } }
  - { id: d, use: http/request, config: { url: x } }
";
    check(
        new,
        "~ step b: other limits, retry policy
         + step d: uses http/request
         ~ step tick: other schedule
         - step a: no longer in the template; messages on their way to it finish on their version
         - step c: no longer in the template; messages on their way to it finish on their version
         + edge b.out -> d: the step's `after`
         + edge tick.out -> b: the step's `after`
         - edge a.out -> b: no longer in the template
         - edge b on_error -> c: no longer in the template
         - edge tick.out -> a: no longer in the template
         + deployment http@1.0.0 (shared): a step needs it; it is shared if it runs already
         + deployment log@1.0.0 (shared): replaces one with other limits
         - deployment log@1.0.0 (shared): no step of the new version needs it; it goes when no flow does
         ~ lane b: the step moves to another deployment
         + lane d: the step is new
         - lane a: when it is empty; its step is gone
         - lane c: when it is empty; its step is gone",
    );
}
