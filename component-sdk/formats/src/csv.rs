//! Comma separated values (RFC 4180): a header row gives objects of strings.
//!
//! Nothing is guessed: `01` stays text, an empty field is `""`. Quotes may hold separators and line
//! breaks, empty lines are skipped, CRLF and LF are both line ends.

use ::csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use crate::error::{FormatError, FormatErrorCode, Place};
use crate::form::insert_repeated;
use crate::limits::{Limits, Meter};
use crate::media_type::MediaType;
use crate::text::decode_text;

/// How often the size limit the names, repeated for each row, may fill.
const NAMES: usize = 4;

/// Reads delimited text with a delimiter other than [`decode`](crate::decode()) would choose, such as `;`.
///
/// Each row is an object of the header's names; a row that is shorter lacks the last members, and a
/// name that the header repeats is an array. With `header=absent` in the content type (RFC 4180,
/// section 3) each row is an array instead. The content type's charset is obeyed, the default is
/// UTF-8, and a byte order mark is skipped.
///
/// # Errors
///
/// [`FormatErrorCode::Csv`] with the row that has more fields than the header, and the limits on
/// bytes, rows and values; names that are repeated for each row may come to four times the bytes.
pub fn decode_csv(
    bytes: &[u8],
    content_type: Option<&str>,
    delimiter: u8,
    limits: &Limits,
) -> Result<Value, FormatError> {
    limits.check_bytes(bytes.len())?;
    let absent = content_type.is_some_and(|text| {
        MediaType::parse(text).parameter("header").is_some_and(|value| value.eq_ignore_ascii_case("absent"))
    });
    let text = decode_text(bytes, content_type);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut rows = Rows { header: None, row: 0, names: 0, meter: Meter::new(limits), limits };
    let mut record = StringRecord::new();
    let mut found = Vec::new();
    while reader.read_record(&mut record).map_err(|error| rows.unreadable(&error))? {
        rows.row += 1;
        if rows.header.is_none() && !absent {
            rows.header = Some(record.iter().map(str::to_owned).collect());
            continue;
        }
        if found.len() == limits.rows {
            return Err(rows.error(FormatErrorCode::TooMany, limits.too_many_rows()));
        }
        found.push(rows.value(&record)?);
    }
    Ok(Value::Array(found))
}

/// What is known while the rows are read.
#[derive(Debug)]
struct Rows<'a> {
    header: Option<Vec<String>>,
    /// The record under work, from 1.
    row: usize,
    /// Bytes of names copied into rows so far.
    names: usize,
    meter: Meter,
    limits: &'a Limits,
}

impl Rows<'_> {
    fn value(&mut self, record: &StringRecord) -> Result<Value, FormatError> {
        if !record.iter().all(|_| self.meter.take()) {
            return Err(self.error(FormatErrorCode::TooMany, self.limits.too_many()));
        }
        let cells = record.iter().map(|cell| Value::String(cell.to_owned()));
        let Some(header) = &self.header else {
            return Ok(Value::Array(cells.collect()));
        };
        if record.len() > header.len() {
            let reason = format!("{} fields, but the header has {}", record.len(), header.len());
            return Err(self.error(FormatErrorCode::Csv, reason));
        }
        self.names += header.iter().take(record.len()).map(String::len).sum::<usize>();
        if self.names > self.limits.bytes.saturating_mul(NAMES) {
            let reason = "the names of the header, repeated for each row, are too large";
            return Err(self.error(FormatErrorCode::TooLarge, reason));
        }
        let mut object = Map::new();
        for (name, cell) in header.iter().zip(cells) {
            insert_repeated(&mut object, name.clone(), cell);
        }
        Ok(Value::Object(object))
    }

    fn error(&self, code: FormatErrorCode, reason: impl Into<String>) -> FormatError {
        FormatError::new(code, Place::Row(self.row), reason)
    }

    /// Text in memory that is valid UTF-8 with any number of fields always reads; this is for a
    /// library that changes its mind.
    fn unreadable(&self, error: &::csv::Error) -> FormatError {
        let reason = match error.kind() {
            ::csv::ErrorKind::Utf8 { .. } => "not text",
            _ => "not delimited text",
        };
        FormatError::new(FormatErrorCode::Csv, Place::Row(self.row + 1), reason)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &str, content_type: &str, delimiter: u8, expect: Value) {
        let rows = decode_csv(body.as_bytes(), Some(content_type), delimiter, &Limits::default());
        assert_eq!(rows, Ok(expect), "{body:?}");
    }

    #[test]
    fn a_header_gives_objects() {
        check("", "text/csv", b',', json!([]));
        check("a,b\r\n", "text/csv", b',', json!([]));
        check(
            "a,b\r\n01,\r\n\r\nx y,true",
            "text/csv",
            b',',
            json!([{ "a": "01", "b": "" }, { "a": "x y", "b": "true" }]),
        );
        check("\u{feff}a\n\"x,\"\"y\"\"\nz\"\n", "text/csv", b',', json!([{ "a": "x,\"y\"\nz" }]));
        check("a,b,c\n1,2\n", "text/csv", b',', json!([{ "a": "1", "b": "2" }]));
        check("a,b,a\n1,2,3\n", "text/csv", b',', json!([{ "a": ["1", "3"], "b": "2" }]));
        check("a;b\n1,5;2\n", "text/csv", b';', json!([{ "a": "1,5", "b": "2" }]));
    }

    #[test]
    fn without_a_header_rows_are_arrays() {
        check("1,2\n3\n", "text/csv; header=absent", b',', json!([["1", "2"], ["3"]]));
    }

    #[test]
    fn a_charset_is_obeyed() {
        let rows = decode_csv(b"n\n\xe4\n", Some("text/csv; charset=latin1"), b',', &Limits::default());
        assert_eq!(rows, Ok(json!([{ "n": "ä" }])));
    }

    #[test]
    fn bad_rows_and_limits_name_the_row() {
        let tight = Limits { rows: 2, nodes: 3, ..Limits::default() };
        for (body, limits, code, row) in [
            ("a,b\n1,2\n1,2,3\n", Limits::default(), FormatErrorCode::Csv, 3),
            ("a\n1\n2\n3\n", tight.clone(), FormatErrorCode::TooMany, 4),
            ("a,b\n1,2\n3,4\n", tight, FormatErrorCode::TooMany, 3),
            ("a\n\n,\n", Limits::default(), FormatErrorCode::Csv, 2),
        ] {
            let error = decode_csv(body.as_bytes(), None, b',', &limits).expect_err(body);
            assert_eq!((error.code, error.place), (code, Place::Row(row)), "{body}");
        }
    }

    #[test]
    fn names_are_not_copied_without_end() {
        let body = format!("{}\n{}", "n".repeat(1000), "1\n".repeat(1000));
        let limits = Limits { bytes: 3001, ..Limits::default() };
        let error = decode_csv(body.as_bytes(), None, b',', &limits).expect_err("13 names are too large");
        assert_eq!((error.code, error.place), (FormatErrorCode::TooLarge, Place::Row(14)));
    }
}
