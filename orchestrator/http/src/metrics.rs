//! The metrics, as Prometheus reads them. They have a listener of their own, which belongs on a private network.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sluice_engine::{Engine, Metric, MetricKind, RequestNote};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem::Answer;
use crate::{guard, request_id};

/// What the process tells of itself besides what the engine knows.
pub type MoreMetrics = Arc<dyn Fn() -> Vec<Metric> + Send + Sync>;

#[derive(Clone)]
struct Sources {
    engine: Arc<Engine>,
    more: MoreMetrics,
}

/// The router of the metrics listener. `more` is asked each time.
pub fn router(engine: Arc<Engine>, more: MoreMetrics) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(axum::middleware::from_fn(guard::time))
        .layer(axum::middleware::from_fn(request_id::layer))
        .with_state(Sources { engine, more })
}

async fn metrics(State(sources): State<Sources>) -> Answer<impl IntoResponse> {
    let mut metrics = sources.engine.metrics().await?;
    metrics.extend((sources.more)());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(&metrics)))
}

/// Counts the requests of a listener by the template of their route: there are as many as there are routes.
#[derive(Clone)]
pub(crate) struct Counted {
    pub(crate) engine: Arc<Engine>,
    pub(crate) listener: &'static str,
}

pub(crate) async fn count(State(counted): State<Counted>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    // A client may make methods up; what no route knows is one method here.
    let method = request.method().clone();
    let response = next.run(request).await;
    let (method, route) = match &route {
        Some(route) => (method.as_str(), route.as_str()),
        None => ("any", "none"),
    };
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let method = if status == 405 { "any" } else { method };
    counted.engine.note_request(&RequestNote { listener: counted.listener, method, route, status, took });
    response
}

fn render(metrics: &[Metric]) -> String {
    let mut text = String::new();
    for metric in metrics {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let name = metric.name;
        text += &format!("# HELP {name} {}\n# TYPE {name} {kind}\n", escape(metric.help, false));
        for sample in &metric.samples {
            let labels: Vec<String> = sample
                .labels
                .iter()
                .map(|(key, value)| format!("{key}=\"{}\"", escape(value, true)))
                .collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            text += &format!("{name}{}{labels} {}\n", sample.suffix, sample.value);
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
    use sluice_engine::Sample;

    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_quotes() {
        let sample = |labels, value| Sample { suffix: "", labels, value };
        let samples = vec![sample(vec![("flow", "a\"\n\\".to_owned())], 2.0), sample(Vec::new(), 0.5)];
        let metric = Metric { name: "sluice_x_total", help: "Counts x.", kind: MetricKind::Counter, samples };
        let expect = "# HELP sluice_x_total Counts x.\n# TYPE sluice_x_total counter\n\
                      sluice_x_total{flow=\"a\\\"\\n\\\\\"} 2\nsluice_x_total 0.5\n";
        assert_eq!(render(&[metric]), expect);
    }
}
