//! The metrics: a text that Prometheus reads, names by its conventions, and a documented row for each.

use std::collections::{BTreeMap, BTreeSet};

use prometheus_parse::{Scrape, Value};

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
