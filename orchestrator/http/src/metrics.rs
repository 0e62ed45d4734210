//! The metrics, as Prometheus reads them. They have a listener of their own, which belongs on a private network.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use sluice_engine::{Engine, Metric, MetricKind};
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Answer;
use crate::{guard, request_id};

/// The router of the metrics listener.
pub fn router(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(axum::middleware::from_fn(guard::time))
        .layer(axum::middleware::from_fn(request_id::layer))
        .with_state(engine)
}

async fn metrics(State(engine): State<Arc<Engine>>) -> Answer<impl IntoResponse> {
    let text = render(&engine.metrics().await?);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        let name = metric.name;
        text += &format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escape(metric.help, false));
        for (labels, value) in &metric.samples {
            let labels: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value, true))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            text += &format!("{name}{labels} {value}\n");
        }
    }
    text
}

fn escape(text: &str, quoted: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quoted { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let samples = vec![(vec![("flow", "a\"\n\\".to_owned())], 2.0), (Vec::new(), 0.5)];
        let metric = Metric { name: "sluice_x_total", help: "Counts x.", kind: MetricKind::Counter, samples };
        let expect = "# HELP sluice_x_total Counts x.\n# TYPE sluice_x_total counter\n\
                      sluice_x_total{flow=\"a\\\"\\n\\\\\"} 2\nsluice_x_total 0.5\n";
        assert_eq!(render(&[metric]), expect);
    }
}
