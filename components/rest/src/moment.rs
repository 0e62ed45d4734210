//! What tells old items from new ones: a time, a number or a text, in the item's own spelling.

use chrono::{DateTime, Duration, FixedOffset, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Number, Value};
use sluice_declarative::TimeFormat;

const NANOS: i128 = 1_000_000_000;
/// What numbers are multiplied with, so that they compare exactly as integers: six decimal places count.
const SCALE: i128 = 1_000_000;

/// A value that grows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moment {
    /// As the item has it.
    pub(crate) value: Value,
    pub(crate) order: Order,
}

/// How values compare. Times are nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Number(i128),
    Text(String),
}

impl Moment {
    /// Reads a value; nothing where it is none of its format.
    pub(crate) fn read(value: &Value, format: TimeFormat) -> Option<Self> {
        let order = match format {
            TimeFormat::Rfc3339 => Order::Number(nanos(&Spelling::read(value.as_str()?)?.time)),
            TimeFormat::Unix => Order::Number(scaled(value, NANOS)?),
            TimeFormat::UnixMs => Order::Number(scaled(value, SCALE)?),
            TimeFormat::Number => Order::Number(scaled(value, SCALE)?),
            TimeFormat::Text => Order::Text(value.as_str()?.to_owned()),
        };
        Some(Self { value: value.clone(), order })
    }

    /// A time; nothing for formats that have none.
    pub(crate) fn of(now: DateTime<Utc>, format: TimeFormat) -> Option<Self> {
        let value = match format {
            TimeFormat::Rfc3339 => now.to_rfc3339_opts(SecondsFormat::Secs, true).into(),
            TimeFormat::Unix => now.timestamp().into(),
            TimeFormat::UnixMs => now.timestamp_millis().into(),
            TimeFormat::Number | TimeFormat::Text => return None,
        };
        Self::read(&value, format)
    }

    /// The value some seconds before, in the same spelling.
    pub(crate) fn before(&self, seconds: u32, format: TimeFormat) -> Value {
        if seconds == 0 {
            return self.value.clone();
        }
        let less = i64::from(seconds);
        let earlier = match format {
            TimeFormat::Rfc3339 => {
                self.value.as_str().and_then(Spelling::read).map(|time| time.less(less).into())
            }
            TimeFormat::Unix => minus(&self.value, less),
            TimeFormat::UnixMs => minus(&self.value, less * 1000),
            TimeFormat::Number | TimeFormat::Text => None,
        };
        earlier.unwrap_or_else(|| self.value.clone())
    }
}

impl Order {
    /// The order some seconds before; only times have one.
    pub(crate) fn before(&self, seconds: u32) -> Self {
        match self {
            Self::Number(number) => Self::Number(number - i128::from(seconds) * NANOS),
            Self::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// A time as RFC 3339 writes it, and how it was written: separator, fraction, zone. A missing zone counts as UTC.
struct Spelling {
    time: DateTime<FixedOffset>,
    separator: char,
    decimals: Option<usize>,
    zone: String,
}

impl Spelling {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let separator = text.chars().nth(10).filter(|char| matches!(char, 'T' | 't' | ' '))?;
        let clock = text.get(11..)?;
        let end = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
        let (clock, zone) = clock.split_at(end);
        let decimals = clock.split_once('.').map(|(_, fraction)| fraction.len());
        let time =
            NaiveDateTime::parse_from_str(&format!("{}T{clock}", text.get(..10)?), "%Y-%m-%dT%H:%M:%S%.f")
                .ok()?;
        let offset = match zone {
            "" | "Z" | "z" => FixedOffset::east_opt(0)?,
            // `+0100` and `+01` are common, if not in the RFC.
            _ => DateTime::parse_from_str(&format!("1970-01-01 00:00:00 {zone}"), "%Y-%m-%d %H:%M:%S %#z")
                .ok()?
                .offset()
                .to_owned(),
        };
        let time = time.and_local_timezone(offset).single()?;
        Some(Self { time, separator, decimals, zone: zone.to_owned() })
    }

    fn less(&self, seconds: i64) -> String {
        let time = self.time.naive_local() - Duration::seconds(seconds);
        let mut text = format!("{}{}{}", time.format("%Y-%m-%d"), self.separator, time.format("%H:%M:%S"));
        if let Some(decimals) = self.decimals {
            let digits = format!("{:0<decimals$}", time.format("%9f").to_string());
            text.push('.');
            text.push_str(&digits[..decimals]);
        }
        text + &self.zone
    }
}

fn nanos(time: &DateTime<FixedOffset>) -> i128 {
    i128::from(time.timestamp()) * NANOS + i128::from(time.timestamp_subsec_nanos())
}

/// A number, or a text that is one, times `scale`.
fn scaled(value: &Value, scale: i128) -> Option<i128> {
    let number = match value {
        Value::Number(number) => number.clone(),
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole
        .map(|whole| whole * scale)
        .or_else(|| number.as_f64().map(|float| (float * scale as f64).round() as i128))
}

fn minus(value: &Value, less: i64) -> Option<Value> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(whole.saturating_sub(less).into()),
            None => Number::from_f64(number.as_f64()? - less as f64).map(Value::Number),
        },
        Value::String(text) => {
            let number = text.trim().parse().ok()?;
            minus(&Value::Number(number), less).map(|value| value.to_string().into())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_overlap_keeps_the_spelling() {
        for (format, value, expect) in [
            (TimeFormat::Rfc3339, json!("2026-11-06T00:00:05Z"), json!("2026-11-05T23:59:55Z")),
            (
                TimeFormat::Rfc3339,
                json!("2026-11-06T00:00:05.120+02:00"),
                json!("2026-11-05T23:59:55.120+02:00"),
            ),
            (TimeFormat::Rfc3339, json!("2026-11-06 00:00:05"), json!("2026-11-05 23:59:55")),
            (
                TimeFormat::Rfc3339,
                json!("2026-11-06T00:00:05.000000+0000"),
                json!("2026-11-05T23:59:55.000000+0000"),
            ),
            (TimeFormat::Unix, json!(100), json!(90)),
            (TimeFormat::Unix, json!("100"), json!("90")),
            (TimeFormat::Unix, json!(100.5), json!(90.5)),
            (TimeFormat::UnixMs, json!(100_000), json!(90_000)),
            (TimeFormat::Number, json!(7), json!(7)),
        ] {
            assert_eq!(Moment::read(&value, format).unwrap().before(10, format), expect, "{value}");
        }
    }

    #[test]
    fn values_compare_by_what_they_mean() {
        for (format, less, more) in [
            (TimeFormat::Rfc3339, json!("2026-11-06T02:00:00+02:00"), json!("2026-11-06T00:00:00.001Z")),
            (TimeFormat::Unix, json!("99"), json!(100)),
            (TimeFormat::Number, json!(9_223_372_036_854_775_806_i64), json!(9_223_372_036_854_775_807_i64)),
            (TimeFormat::Number, json!(1.5), json!(2)),
            (TimeFormat::Text, json!("a10"), json!("a9")),
        ] {
            let order = |value| Moment::read(value, format).unwrap().order;
            assert!(order(&less) < order(&more), "{less} {more}");
        }
        for (format, value) in [
            (TimeFormat::Rfc3339, json!("yesterday, at noon")),
            (TimeFormat::Rfc3339, json!(5)),
            (TimeFormat::Number, json!("x")),
            (TimeFormat::Unix, Value::Null),
        ] {
            assert_eq!(Moment::read(&value, format), None, "{value}");
        }
    }
}
