//! The metrics: a text that Prometheus reads, names by its conventions, and a documented row for each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prometheus_parse::{Scrape, Value};
use sluice_domain::topology::LaneName;
use sluice_ports::broker::{Broker, BrokerWatch, Publish, Target};
use sluice_protocol::batch::{ENVELOPES, Encoding};
use sluice_testkit::eventually;

use crate::harness::Server;

/// Those that the process tells of itself; they have a test of their own.
fn is_of_the_process(name: &str) -> bool {
    name.starts_with("process_") || name == "sluice_build_info"
}

/// Name and kind of each metric, as its comments say.
fn declared(text: &str) -> BTreeMap<&str, &str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).collect()
}

#[tokio::test]
async fn a_real_parser_reads_the_metrics_and_they_keep_the_conventions() {
    let server = Server::start().await;
    server.deploy().await;
    server.call("GET", "/api/v1/flows/nowhere", None).await;
    let text = server.metrics().await;
    let parsed = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let kinds = declared(&text);
    let mut series = BTreeSet::new();
    for sample in &parsed.samples {
        let kind = kinds.get(sample.metric.as_str());
        let fits = match &sample.value {
            Value::Counter(_) => kind == Some(&"counter"),
            Value::Gauge(_) => kind == Some(&"gauge"),
            Value::Histogram(_) => kind == Some(&"histogram"),
            Value::Untyped(_) | Value::Summary(_) => {
                // The parser leaves the sum and the count of a histogram without a type.
                let of = sample.metric.trim_end_matches("_sum").trim_end_matches("_count");
                kinds.get(of) == Some(&"histogram")
            }
        };
        assert!(fits, "{} is not what it says: {:?}", sample.metric, sample.value);
        assert!(series.insert((&sample.metric, sample.labels.to_string())), "{} twice", sample.metric);
    }
    for (name, kind) in &kinds {
        assert!(name.starts_with("sluice_"), "{name}");
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name}");
        assert!(*kind != "histogram" || name.ends_with("_seconds"), "{name} has no unit");
        assert!(
            !["_ms", "_millis", "_micros", "_kb", "_mb"].iter().any(|unit| name.ends_with(unit)),
            "{name}"
        );
        let help = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(help.is_some_and(|help| help.ends_with('.') && help.len() > 10), "{name}: {help:?}");
    }
    assert!(kinds.len() > 40, "only {} metrics", kinds.len());
}

#[tokio::test]
async fn each_metric_has_a_row_in_the_documentation_and_each_row_a_metric() {
    let server = Server::start().await;
    let text = server.metrics().await;
    let there: BTreeSet<&str> = declared(&text).into_keys().collect();
    let docs = include_str!("../../../../docs/operating.md");
    let rows =
        docs.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name));
    let metric = |name: &&str| name.starts_with("sluice_") || name.starts_with("process_");
    let documented: Vec<&str> = rows.filter(metric).filter(|name| !is_of_the_process(name)).collect();
    let once: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(once.len(), documented.len(), "a metric is documented twice");
    assert_eq!(once, there);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let server = Server::start().await;
    for path in ["/api/v1/flows/a", "/api/v1/flows/b", "/nowhere/a", "/nowhere/b", "/hooks/secret-key"] {
        server.call("GET", path, None).await;
    }
    server.call("BREW", "/api/v1/flows/a", None).await;
    let text = server.metrics().await;
    let count = |labels: &str| {
        let start = format!("sluice_http_requests_total{{{labels}}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u32>().ok())
    };
    let route = r#"listener="api",method="GET",route="/api/v1/flows/{flow}",status="4xx""#;
    assert_eq!(count(route), Some(2), "{text}");
    assert_eq!(count(r#"listener="api",method="any",route="none",status="4xx""#), Some(2));
    assert!(!text.contains("BREW") && !text.contains("secret-key") && !text.contains("nowhere"));
    let hooks = r#"sluice_webhook_requests_total{result="unknown"} 1"#;
    assert!(text.contains(hooks), "{text}");
    assert!(text.contains("sluice_http_request_seconds_count 6"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_whose_deliveries_nothing_comes_is_stuck_until_something_does() {
    let server = Server::start().await;
    server.deploy().await;
    // A step that has to wait gets a lane of its own.
    server.call("POST", "/api/v1/flows/demo/pause", None).await;
    let lane: LaneName = eventually("the lane of the action", || async {
        let queues = BrokerWatch::queues(&*server.broker).await.unwrap();
        let mut lanes = queues.iter().filter_map(|queue| queue.name.parse().ok());
        lanes.find(|lane: &LaneName| !lane.is_common())
    })
    .await;
    let message = Publish {
        target: Target::Lane(lane.clone()),
        message_id: String::new(),
        kind: ENVELOPES,
        encoding: Encoding::Plain,
        payload: "{}".into(),
    };
    server.broker.publish(message).await.unwrap();
    let mut consumer = server.broker.consume(lane.as_str(), 1).await.unwrap();
    let delivery = consumer.next().await.unwrap();
    let says = |line: &'static str| {
        let server = &server;
        move || async move { server.metrics().await.contains(line).then_some(()) }
    };
    eventually("it to be seen", says("sluice_flow_unacknowledged_batches{flow=\"demo\"} 1\n")).await;
    let stuck = "sluice_step_stuck{flow=\"demo\",step=\"act\"} 1\n";
    assert!(!server.metrics().await.contains(stuck), "a run may take its time");
    server.clock.advance(Duration::from_secs(24 * 3600));
    eventually("the alarm", says(stuck)).await;
    let overview = server.call("GET", "/api/v1/overview", None).await.json();
    assert_eq!(overview["alarms"][0]["code"], "step_stuck", "{overview}");
    assert_eq!(overview["flows"][0]["unacknowledged"], 1, "{overview}");

    consumer.ack(delivery.tag).await.unwrap();
    eventually("the end of it", || async { (!server.metrics().await.contains(stuck)).then_some(()) }).await;
    let events = server.call("GET", "/api/v1/events", None).await.json();
    let kinds: Vec<&str> =
        events.as_array().unwrap().iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(kinds.ends_with(&["step.stuck", "step.unstuck"]), "{events}");
}

#[tokio::test]
async fn an_overview_is_for_operators() {
    let server = Server::start().await;
    server.deploy().await;
    let tenant = [("sluice-tenant", "acme")];
    assert_eq!(server.call_with("GET", "/api/v1/overview", None, &tenant).await.status, 403);
    let overview = server.call("GET", "/api/v1/overview", None).await.json();
    assert_eq!((&overview["flows"][0]["name"], &overview["broker"]["up"]), (&"demo".into(), &true.into()));
}
