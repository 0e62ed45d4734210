//! What a metric is, in the model of Prometheus.

use crate::meters::{BOUNDS, Tally, Timer};

/// One metric with its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: MetricKind,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What follows the metric's name: nothing, or `_bucket`, `_sum` or `_count` of a histogram.
    pub suffix: &'static str,
    /// What tells it from the other values.
    pub labels: Labels,
    /// The value.
    pub value: f64,
}

/// Names and values of labels.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often something took how long.
    Histogram,
}

impl Metric {
    /// Most samples of one metric.
    pub const MOST: usize = 5_000;

    /// Leaves out what is too much. Returns how many samples went.
    pub(super) fn cut(&mut self) -> usize {
        let more = self.samples.len().saturating_sub(Self::MOST);
        self.samples.truncate(Self::MOST);
        more
    }
}

/// A metric with one value.
pub(super) fn plain(name: &'static str, help: &'static str, kind: MetricKind, value: f64) -> Metric {
    labelled(name, help, kind, [(Vec::new(), value)])
}

/// A metric with a value for each combination of labels.
pub(super) fn labelled(
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    values: impl IntoIterator<Item = (Labels, f64)>,
) -> Metric {
    let samples = values.into_iter().map(|(labels, value)| Sample { suffix: "", labels, value }).collect();
    Metric { name, help, kind, samples }
}

/// A counter for each combination of labels that was counted.
pub(super) fn tally<const N: usize>(
    name: &'static str,
    help: &'static str,
    tally: &Tally<N>,
    labels: [&'static str; N],
) -> Metric {
    let values = tally.read();
    let values =
        values.into_iter().map(|(values, count)| (labels.into_iter().zip(values).collect(), float(count)));
    labelled(name, help, MetricKind::Counter, values)
}

/// How often something took how long.
pub(super) fn histogram(name: &'static str, help: &'static str, timer: &Timer) -> Metric {
    let (so_far, count, micros) = timer.read();
    let bucket =
        |le: String, count| Sample { suffix: "_bucket", labels: vec![("le", le)], value: float(count) };
    let bounds = BOUNDS.iter().map(|bound| (float(*bound) / 1e6).to_string());
    let mut samples: Vec<Sample> = bounds.zip(so_far).map(|(bound, count)| bucket(bound, count)).collect();
    samples.push(bucket("+Inf".to_owned(), count));
    samples.push(Sample { suffix: "_sum", labels: Vec::new(), value: float(micros) / 1e6 });
    samples.push(Sample { suffix: "_count", labels: Vec::new(), value: float(count) });
    Metric { name, help, kind: MetricKind::Histogram, samples }
}

#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 are shown rounded")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_histogram_ends_with_all_of_it() {
        let timer = Timer::default();
        timer.observe(Duration::from_millis(3));
        let metric = histogram("x_seconds", "How long x took.", &timer);
        let value = |suffix, le: Option<&str>| {
            let of = |sample: &&Sample| {
                sample.suffix == suffix && sample.labels.first().map(|(_, le)| le.as_str()) == le
            };
            metric.samples.iter().find(of).map(|sample| sample.value)
        };
        assert_eq!(value("_bucket", Some("0.0025")), Some(0.0));
        assert_eq!(value("_bucket", Some("0.005")), Some(1.0));
        assert_eq!(value("_bucket", Some("+Inf")), Some(1.0));
        assert_eq!((value("_sum", None), value("_count", None)), (Some(0.003), Some(1.0)));
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let many = (0..Metric::MOST + 3).map(|number| (vec![("n", number.to_string())], 1.0));
        let mut metric = labelled("x", "x", MetricKind::Gauge, many);
        assert_eq!((metric.cut(), metric.samples.len(), metric.cut()), (3, Metric::MOST, 0));
    }
}
