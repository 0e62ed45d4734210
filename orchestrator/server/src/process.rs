//! What the process uses, by the names that Prometheus gives to such things, and what was built.

use sluice_engine::{Metric, MetricKind, Sample};

/// The unit of the times of proc(5): 100 a second on every Linux of today.
const TICKS: f64 = 100.0;
/// The size of a page on x86-64.
const PAGE: f64 = 4096.0;

/// Keeps the system from giving the process pages of 2 MiB: a heap of many small things is spread over more of them than
/// it fills. Without it, three thousand quiet flows took 74 MiB of heap instead of 42. Systems that refuse go on as they
/// are.
pub(crate) fn use_small_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "pages of 2 MiB are still in use");
    }
}

/// What the process uses now. What the system does not say is left out.
pub(crate) fn metrics() -> Vec<Metric> {
    let (counter, gauge) = (MetricKind::Counter, MetricKind::Gauge);
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat = fields(&stat);
    let files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let system = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        metric(
            "process_cpu_seconds_total",
            "Processor time that the process used, of all its threads.",
            counter,
            // The fields utime and stime.
            sum(&stat, &[14, 15]).map(|ticks| ticks / TICKS),
        ),
        metric(
            "process_resident_memory_bytes",
            "Memory of the process that is in use.",
            gauge,
            sum(&stat, &[24]).map(|pages| pages * PAGE),
        ),
        metric("process_open_fds", "Files and connections that are open.", gauge, files.map(float)),
        metric(
            "process_max_fds",
            "Files and connections that may be open.",
            gauge,
            limit(&limits, "Max open files"),
        ),
        metric(
            "process_start_time_seconds",
            "When the process was started, in Unix time.",
            gauge,
            sum(&stat, &[22]).zip(booted(&system)).map(|(ticks, boot)| boot + ticks / TICKS),
        ),
        Metric {
            name: "sluice_build_info",
            help: "1, with the version.",
            kind: gauge,
            samples: vec![Sample { suffix: "", labels: version, value: 1.0 }],
        },
    ]
}

fn metric(name: &'static str, help: &'static str, kind: MetricKind, value: Option<f64>) -> Metric {
    let samples = value.map(|value| Sample { suffix: "", labels: Vec::new(), value });
    Metric { name, help, kind, samples: samples.into_iter().collect() }
}

/// The fields of `stat` from the third on. The second is the name of the program, in brackets, and may hold blanks.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

/// The sum of fields, by their numbers in proc(5).
fn sum(fields: &[&str], numbers: &[usize]) -> Option<f64> {
    numbers.iter().map(|number| fields.get(number - 3)?.parse::<f64>().ok()).sum()
}

/// The soft limit of this name.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the machine was started, in Unix time.
fn booted(system: &str) -> Option<f64> {
    system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a count of files, for showing")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let metrics = metrics();
        for metric in &metrics {
            assert!(metric.samples.len() == 1 && metric.samples[0].value >= 0.0, "{}", metric.name);
        }
        let value = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == name);
            metric.map(|metric| metric.samples[0].value).unwrap_or_default()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_start_time_seconds") > 1.6e9);
    }

    #[test]
    fn a_name_with_brackets_and_blanks_shifts_nothing() {
        let stat = fields("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 200 50 0");
        assert_eq!(sum(&stat, &[14, 15]), Some(250.0));
        assert_eq!(sum(&stat, &[24]), None);
    }

    #[test]
    fn the_documentation_has_each_of_them() {
        let docs = include_str!("../../../docs/operating.md");
        for metric in metrics() {
            assert!(docs.contains(&format!("| `{}` |", metric.name)), "{} has no row", metric.name);
        }
    }
}
