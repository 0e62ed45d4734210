//! Values in columns: ids and names as text, times as milliseconds, structures as JSON.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_domain::FlowId;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::failure::{Failure, Outcome};

/// A column that is there.
pub(crate) fn get<'r, T>(row: &'r SqliteRow, column: &'static str) -> Outcome<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    Ok(row.try_get(column)?)
}

/// An id or a name.
pub(crate) fn parsed<T>(row: &SqliteRow, column: &'static str) -> Outcome<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    parse(column, get::<&str>(row, column)?)
}

/// An id or a name that may be absent.
pub(crate) fn maybe_parsed<T>(row: &SqliteRow, column: &'static str) -> Outcome<Option<T>>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    get::<Option<&str>>(row, column)?.map(|text| parse(column, text)).transpose()
}

fn parse<T>(column: &'static str, text: &str) -> Outcome<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error: T::Err| Failure::Row { column, source: error.into() })
}

/// A structure.
pub(crate) fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Outcome<T> {
    read(column, get::<&str>(row, column)?)
}

/// A structure that may be absent.
pub(crate) fn maybe_json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Outcome<Option<T>> {
    get::<Option<&str>>(row, column)?.map(|text| read(column, text)).transpose()
}

fn read<T: DeserializeOwned>(column: &'static str, text: &str) -> Outcome<T> {
    serde_json::from_str(text).map_err(|error| Failure::Row { column, source: error.into() })
}

/// A state that is stored by the name that serde gives it.
pub(crate) fn named<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Outcome<T> {
    let name = serde_json::Value::from(get::<&str>(row, column)?);
    serde_json::from_value(name).map_err(|error| Failure::Row { column, source: error.into() })
}

/// A time.
pub(crate) fn time(row: &SqliteRow, column: &'static str) -> Outcome<DateTime<Utc>> {
    from_millis(column, get(row, column)?)
}

/// A time that may be absent.
pub(crate) fn maybe_time(row: &SqliteRow, column: &'static str) -> Outcome<Option<DateTime<Utc>>> {
    get::<Option<i64>>(row, column)?.map(|millis| from_millis(column, millis)).transpose()
}

fn from_millis(column: &'static str, millis: i64) -> Outcome<DateTime<Utc>> {
    let beyond = || Failure::Row { column, source: "a time beyond the calendar".into() };
    DateTime::from_timestamp_millis(millis).ok_or_else(beyond)
}

/// A count that is never negative.
pub(crate) fn count(row: &SqliteRow, column: &'static str) -> Outcome<u64> {
    Ok(u64::try_from(get::<i64>(row, column)?).unwrap_or(0))
}

/// A SHA-256.
pub(crate) fn hash(row: &SqliteRow, column: &'static str) -> Outcome<[u8; 32]> {
    let bytes: &[u8] = get(row, column)?;
    bytes
        .try_into()
        .map_err(|error: std::array::TryFromSliceError| Failure::Row { column, source: error.into() })
}

/// A structure as a column holds it.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Outcome<String> {
    Ok(serde_json::to_string(value)?)
}

/// A count as a column holds it.
pub(crate) fn to_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Limits a query to the rows of some flows.
pub(crate) fn of_flows(query: &mut QueryBuilder<Sqlite>, flows: Option<&[FlowId]>) -> Outcome<()> {
    match flows {
        None => {}
        // An index gives these in their order.
        Some([flow]) => {
            query.push(" AND flow = ").push_bind(flow.to_string());
        }
        Some(flows) => {
            let flows = to_json(&flows)?;
            query.push(" AND flow IN (SELECT value FROM json_each(").push_bind(flows).push("))");
        }
    }
    Ok(())
}
