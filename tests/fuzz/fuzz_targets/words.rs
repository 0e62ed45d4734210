//! Words with one parser each: names, ids, images, durations, schedules, step addresses, traces, callbacks, URLs. What is
//! read and printed is read as the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use sluice_domain::oauth::Callback;
use sluice_domain::topology::LaneName;
use sluice_domain::{
    Alias, Cpus, Delay, FlowId, FlowName, ImageDigest, ImageRef, InstanceName, Memory, Schedule, StepAddress,
    StepId, TemplateName, TemplateRef, TenantName,
};
use sluice_protocol::{ComponentName, ExecutionId, FunctionName, MessageId, StepKey, TraceContext};
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same::<Alias>(text);
    same::<FlowName>(text);
    same::<InstanceName>(text);
    same::<TemplateName>(text);
    same::<TenantName>(text);
    same::<StepId>(text);
    same::<ComponentName>(text);
    same::<FunctionName>(text);
    same::<FlowId>(text);
    same::<ExecutionId>(text);
    same::<MessageId>(text);
    same::<TraceContext>(text);
    same::<Delay>(text);
    same::<ImageDigest>(text);
    same::<LaneName>(text);
    same::<TemplateRef>(text);
    if let Ok(image) = text.parse::<ImageRef>() {
        let shown = image.to_string();
        assert_eq!(shown, text, "an image is what was said");
        let sound = |letter: char| letter.is_ascii_graphic() && !"\\\"'`$;&|<>(){}*?!#~^".contains(letter);
        assert!(shown.chars().all(sound) && !shown.starts_with('-') && !shown.contains(".."), "{shown}");
    }
    for parsed in
        [text.parse::<Memory>().is_ok(), text.parse::<f64>().is_ok_and(|cpus| Cpus::try_from(cpus).is_ok())]
    {
        std::hint::black_box(parsed);
    }
    if let Ok(key) = text.parse::<StepKey>()
        && let Ok(address) = StepAddress::try_from(&key)
    {
        assert_eq!(address.to_key(), key);
    }
    schedule(text);
    if let Ok(callback) = Callback::parse(text) {
        let other = format!("{}x", callback.state());
        assert!(callback.code(&other, None).is_err(), "another state was believed");
    }
    if let Ok(url) = text.parse::<Url>() {
        std::hint::black_box(sluice_addresses::literal(&url));
    }
});

fn same<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let shown = value.to_string();
    assert_eq!(shown.parse::<T>().expect("what was printed is read"), value, "{text}");
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

/// A text is a schedule's JSON, or its cron line.
fn schedule(text: &str) {
    let line = serde_json::json!({ "cron": text });
    for value in [serde_json::from_str(text).unwrap_or(line.clone()), line] {
        let Ok(schedule) = serde_json::from_value::<Schedule>(value) else { continue };
        if schedule.check().is_err() {
            continue;
        }
        let mut at = DateTime::from_timestamp(1_750_000_000, 0).expect("a time");
        for _ in 0..3 {
            let Ok(next) = schedule.next(at, 7) else { break };
            assert!(next > at, "a tick is not after the one before: {text}");
            at = next;
        }
    }
}
