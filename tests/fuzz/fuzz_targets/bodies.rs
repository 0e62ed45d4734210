//! Bodies of answers and requests: JSON, XML, forms, CSV, NDJSON, text, multipart. Bounded, and never a panic.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sluice_formats::{Format, Limits, decode};

const FORMATS: [Format; 7] =
    [Format::Json, Format::Xml, Format::Form, Format::Csv, Format::Ndjson, Format::Text, Format::Bytes];

// The first line is the content type, the rest is the body.
fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (kind, body) = data.split_at(at);
    let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
    let kind = String::from_utf8_lossy(kind).into_owned();
    let limits = Limits::default();
    std::hint::black_box(Format::of_content_type(&kind));
    for format in FORMATS {
        match decode(format, &body, Some(&kind), &limits) {
            // What is read is a value that can be written.
            Ok(value) => assert!(!value.to_string().is_empty()),
            Err(error) => assert!(error.to_string().len() < 1000, "an error repeats what it read"),
        }
    }
    std::hint::black_box(sluice_webhook::body::read(Some(&kind), &body, &limits).is_ok());
});
