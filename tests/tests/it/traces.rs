//! Traces: the spans of an execution, as a collector gets them.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_tests::{HttpSink, World, eventually};

const PATIENCE: Duration = Duration::from_secs(120);

fn template(url: &str) -> String {
    format!(
        "sluice: 1\nkind: template\nname: chain\nversion: 1.0.0\nsteps:\n\
         \x20 - {{ id: tick, use: timer/tick, schedule: {{ every: 1h }} }}\n\
         \x20 - {{ id: post, use: http/request, config: {{ method: POST, url: \"{url}/sent\" }}, input: {{ word: canary }}, \
         retry: {{ attempts: 2, initial: 1s, backoff: fixed }} }}\n\
         \x20 - {{ id: note, use: log/write }}\n"
    )
}

/// A span, as much of it as is looked at.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: Option<String>,
    name: String,
    kind: u64,
    nanos: i64,
    error: Option<String>,
    all: Value,
}

/// The spans that a collector got.
fn spans(collector: &HttpSink) -> Vec<Span> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let time = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let received = collector.received();
    let of = |received: &sluice_tests::Received| {
        received.body["resourceSpans"][0]["scopeSpans"][0]["spans"].clone()
    };
    let lists = received.iter().filter(|received| received.path == "/v1/traces").map(of);
    let all = lists.flat_map(|list| list.as_array().cloned().unwrap_or_default());
    let read = |span: Value| {
        Some(Span {
            trace: text(&span["traceId"])?,
            id: text(&span["spanId"])?,
            parent: text(&span["parentSpanId"]),
            name: text(&span["name"])?,
            kind: span["kind"].as_u64()?,
            nanos: time(&span["endTimeUnixNano"]) - time(&span["startTimeUnixNano"]),
            error: text(&span["status"]["message"]),
            all: span,
        })
    };
    all.filter_map(read).collect()
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let attributes = span.all["attributes"].as_array()?;
    let value = &attributes.iter().find(|one| one["key"] == key)?["value"];
    let value = value.get("stringValue").or_else(|| value.get("intValue"))?;
    value.as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_of_three_steps_is_one_trace() -> Result<()> {
    let (collector, sink) = (HttpSink::start().await?, HttpSink::start().await?);
    let endpoint = collector.url("127.0.0.1");
    let settings = [
        ("SLUICE__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()),
        ("SLUICE__TELEMETRY__OTLP_HEADERS", "authorization=Bearer hunter2"),
        ("SLUICE__TELEMETRY__SAMPLE_RATIO", "1"),
    ];
    let world = World::start_with("traces", &["timer", "http", "log"], &settings).await?;
    // The first attempt fails, the second is taken.
    let tried = std::sync::atomic::AtomicU32::new(0);
    sink.answer(move |_| match tried.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => (503, json!("come again")),
        _ => (200, json!("taken")),
    });
    world.api.apply(&template(&sink.url(&world.host)), json!({})).await?;
    world.running("chain").await?;
    // The first tick comes at once.
    let found = eventually("the last run's span", PATIENCE, || async {
        let found = spans(&collector);
        Ok(found.iter().any(|span| span.name == "note").then_some(found))
    })
    .await?;

    let one = |name: &str| {
        found.iter().find(|span| span.name == name).with_context(|| format!("{name} in {found:#?}"))
    };
    let (tick, sending, note) = (one("tick")?, one("send post")?, one("note")?);
    assert!(found.iter().all(|span| span.trace == tick.trace), "one trace: {found:#?}");
    assert_eq!((&tick.parent, tick.kind), (&None, 1));
    assert_eq!((sending.parent.as_ref(), sending.kind), (Some(&tick.id), 4));
    let posts: Vec<&Span> = found.iter().filter(|span| span.name == "post").collect();
    assert_eq!(posts.len(), 2, "a span for each attempt: {found:#?}");
    assert!(posts.iter().all(|span| span.parent.as_ref() == Some(&sending.id) && span.kind == 5));
    let failed = posts.iter().find(|span| span.error.is_some()).context("the first attempt failed")?;
    let done = posts.iter().find(|span| span.error.is_none()).context("the second attempt was taken")?;
    let numbers = [failed, done].map(|span| attribute(span, "attempt").unwrap_or_default());
    assert_eq!(numbers, ["1", "2"]);
    assert!(failed.id != done.id && done.nanos > 0, "{posts:#?}");
    let onward = one("send note")?;
    assert_eq!((onward.parent.as_ref(), note.parent.as_ref()), (Some(&done.id), Some(&onward.id)));

    // The trace has the bits of the execution's id, and the request to the outside is below the run that made it.
    let execution = attribute(note, "execution.id").context("an execution")?;
    assert!(found.iter().all(|span| attribute(span, "execution.id").as_ref() == Some(&execution)));
    let sent = sink.received();
    let traceparents: Vec<_> = sent.iter().filter_map(|request| request.headers.get("traceparent")).collect();
    let expect = [failed, done].map(|span| format!("00-{}-{}-01", span.trace, span.id));
    assert_eq!(traceparents, expect.iter().collect::<Vec<_>>());
    let got = collector.received();
    assert!(
        got.iter().all(|request| request
            .headers
            .get("authorization")
            .is_some_and(|value| value == "Bearer hunter2"))
    );
    assert!(got.iter().all(|request| !request.body.to_string().contains("canary")), "no bodies go out");
    let resource = &got[0].body["resourceSpans"][0]["resource"];
    assert!(resource.to_string().contains("service.name"), "{resource}");

    // The component's log has the same id.
    eventually("a log line with the trace", PATIENCE, || async {
        let lines = sluice_tests::docker(&["logs", &world.container("log").await?]).await?;
        Ok(lines.contains(&tick.trace).then_some(()))
    })
    .await?;
    world.stop().await
}
