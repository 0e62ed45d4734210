//! Logs: one JSON object per line on standard error.
//!
//! The fields of the surrounding spans (`step.id`, `execution.id`, `message.id`, `trace.id`) stand beside those of the event. The
//! broker library is silenced: it prints whole messages when it prints at all.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, error};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

const DEFAULT: &str = "info,lapin=off,hyper=warn,reqwest=warn,rustls=warn";

/// Starts logging and makes a panic one log line. `SLUICE_LOG` sets other levels, as in `debug,my_crate=trace`.
pub(crate) fn init() {
    let wanted = std::env::var("SLUICE_LOG").unwrap_or_default();
    let filter: Targets = wanted.parse().ok().filter(|_| !wanted.is_empty()).unwrap_or_else(default_filter);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Line)
        .fmt_fields(JsonFields::new())
        .with_writer(std::io::stderr)
        // It would tell of a line that cannot be written by `eprintln!`, which panics for the same reason.
        .log_internal_errors(false);
    // A second component in one process, as in tests, keeps the first one's logging.
    drop(tracing_subscriber::registry().with(filter).with(lines).try_init());
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        // The message may quote a payload, so the log has the place only.
        error!(place, "a thread panicked");
    }));
}

fn default_filter() -> Targets {
    DEFAULT.parse().expect("the default filter is well-formed")
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        cx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), timestamp().into());
        line.insert("level".to_owned(), event.metadata().level().as_str().to_lowercase().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        for span in cx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<N>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields)
            {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }
}

/// Milliseconds since 1970 as a number: a calendar is the reader's business.
fn timestamp() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}
