//! Bodies to the byte, what is tolerated, what is refused, and the way there and back.

use memchr::memmem::Finder;
use proptest::prelude::*;

use super::encode::{encode_with, occurs};
use super::*;
use crate::error::{FormatError, FormatErrorCode, Place};
use crate::limits::Limits;

const TYPE: &str = "multipart/form-data; boundary=B";

fn field(name: &str, text: &str) -> Part {
    Part { name: name.to_owned(), filename: None, content_type: None, body: bytes(text) }
}

fn bytes(text: &str) -> PartBody {
    PartBody::Bytes(Bytes::copy_from_slice(text.as_bytes()))
}

fn file(name: &str, filename: &str, content_type: &str, body: PartBody) -> Part {
    let (filename, content_type) = (Some(filename.to_owned()), Some(content_type.to_owned()));
    Part { name: name.to_owned(), filename, content_type, body }
}

fn read(body: &str, content_type: &str) -> Result<Vec<Part>, FormatError> {
    decode(&Bytes::copy_from_slice(body.as_bytes()), content_type, &Limits::default())
}

#[test]
fn a_body_is_written_to_the_byte() {
    let parts = vec![
        Part { body: PartBody::Text("x".to_owned()), ..field("a \"b\"\r\nC: d", "") },
        file(
            "f",
            "ä\\\n.txt",
            "text/plain",
            PartBody::Chunks(vec![Bytes::from("1"), Bytes::new(), Bytes::from("2")]),
        ),
    ];
    let encoded = encode_with(parts, || "B".to_owned()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(encoded.content_type, TYPE);
    let expect = "--B\r\nContent-Disposition: form-data; name=\"a %22b%22%0D%0AC: d\"\r\n\r\nx\r\n\
        --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"ä\\%0A.txt\"\r\n\
        Content-Type: text/plain\r\n\r\n12\r\n--B--\r\n";
    assert_eq!(encoded.chunks.concat(), expect.as_bytes());
    assert_eq!(encoded.length, expect.len() as u64);
}

#[test]
fn a_large_file_is_not_copied() {
    let large = Bytes::from(vec![7; 20 * 1024 * 1024]);
    let part = file("f", "x", "application/octet-stream", PartBody::Bytes(large.clone()));
    let encoded = encode(vec![part]).expect("encodes");
    assert!(encoded.chunks.iter().any(|chunk| chunk.as_ptr() == large.as_ptr()));
    assert!(encoded.length > large.len() as u64);
}

#[test]
fn a_boundary_that_occurs_is_not_used() {
    let body = PartBody::Chunks(vec![Bytes::from("tak"), Bytes::from("e"), Bytes::from("n and more")]);
    let part = || vec![Part { body: body.clone(), ..field("a", "") }];
    let mut boundaries = ["taken", "name=", "free"].into_iter();
    let encoded = encode_with(part(), || boundaries.next().unwrap_or("none").to_owned());
    assert!(encoded.is_ok_and(|encoded| encoded.content_type.ends_with("boundary=free")));
    let error = encode_with(part(), || "taken".to_owned()).expect_err("no boundary is free");
    assert_eq!(error.code, FormatErrorCode::Multipart);
}

#[test]
fn a_content_type_that_would_break_the_headers_is_refused() {
    for content_type in ["", " ", "text/plain\r\nX: y", "a\u{0}b"] {
        let error =
            encode(vec![field("a", ""), file("f", "x", content_type, bytes(""))]).expect_err("refused");
        assert_eq!((error.code, error.place), (FormatErrorCode::MultipartHeader, Place::Part(2)));
    }
}

#[test]
fn bodies_are_read() {
    let disposition = "Content-Disposition: form-data; name=";
    let a = vec![field("a", "1")];
    for (body, expect) in [
        (format!("--B\r\n{disposition}\"a\"\r\n\r\n1\r\n--B--\r\n"), a.clone()),
        (format!("--B\r\n{disposition}a\r\n\r\n1\r\n--B--"), a.clone()),
        (
            format!(
                "preamble --B\r\n--Bx\r\n--B \t\r\n{disposition}\"a\"\r\n\r\n1\r\n--B-- epilogue\r\n--B\r\n"
            ),
            a.clone(),
        ),
        (format!("--B\n{disposition}\"a\"\n\n1\n--B--\n"), a.clone()),
        (
            "--B\r\nContent-Disposition: form-data;\r\n  name=\"a\"\r\nX-Y: z\r\njunk\r\n\r\n1\r\n--B--"
                .to_owned(),
            a,
        ),
        (format!("--B\r\n{disposition}\"a\"\r\n\r\n\r\n\r\n--B--"), vec![field("a", "\r\n")]),
        (format!("--B\r\n{disposition}\"a\"\r\n\r\n\r\n--B--"), vec![field("a", "")]),
        (format!("--B\r\n{disposition}\"a\"\r\n\r\n--B--"), vec![field("a", "")]),
        (
            format!("--B\r\n{disposition}\"a\"\r\n\r\nx --B\r\n--By\r\n--B--"),
            vec![field("a", "x --B\r\n--By")],
        ),
        ("--B\r\n\r\nx\r\n--B\r\n\r\n--B--".to_owned(), vec![field("", "x"), field("", "")]),
        ("--B--\r\n".to_owned(), vec![]),
        (
            format!(
                "--B\r\ncontent-type:  text/csv \r\n{disposition}\"a\"; FileName=\"C:\\x%22.csv\"\r\n\r\n1\r\n--B--"
            ),
            vec![file("a", "C:\\x\".csv", "text/csv", bytes("1"))],
        ),
        (
            format!(
                "--B\r\nContent-Type: x/y\r\n{disposition}\"a\"; filename=\"no\"; filename*=UTF-8''%c3%A4%2\r\n\r\n1\r\n--B--"
            ),
            vec![file("a", "ä%2", "x/y", bytes("1"))],
        ),
    ] {
        assert_eq!(read(&body, TYPE), Ok(expect), "{body}");
    }
    let body = "--a b\r\nContent-Transfer-Encoding: Binary\r\n\r\n1\r\n--a b--";
    assert_eq!(read(body, "Multipart/Mixed; x=y; Boundary=\"a b\""), Ok(vec![field("", "1")]));
}

#[test]
fn what_is_not_multipart_is_refused() {
    let long = format!("--B\r\nX: {}\r\n\r\n1\r\n--B--", "y".repeat(20_000));
    let endless = format!("--B\r\nX: {}\r\n--B--", "y".repeat(20_000));
    for (body, content_type, code, place) in [
        ("--B--", "text/plain; boundary=B", FormatErrorCode::Multipart, Place::Whole),
        ("--B--", "multipart/form-data", FormatErrorCode::Multipart, Place::Whole),
        ("--B--", "multipart/form-data; boundary=\"\"", FormatErrorCode::Multipart, Place::Whole),
        ("", TYPE, FormatErrorCode::Multipart, Place::Whole),
        ("--C--", TYPE, FormatErrorCode::Multipart, Place::Whole),
        ("--B\r\n\r\n1\r\n--B", TYPE, FormatErrorCode::Multipart, Place::Part(1)),
        ("--B\r\n\r\n1\r\n--B\r\n\r\n2", TYPE, FormatErrorCode::Multipart, Place::Part(2)),
        ("--B\r\nX: y\r\n--B--", TYPE, FormatErrorCode::Multipart, Place::Part(1)),
        ("--B\r\nX: y\r\nZ: a\r\n--B--", TYPE, FormatErrorCode::Multipart, Place::Part(1)),
        (&long, TYPE, FormatErrorCode::MultipartHeader, Place::Part(1)),
        (&endless, TYPE, FormatErrorCode::MultipartHeader, Place::Part(1)),
        (
            "--B\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n--B--",
            TYPE,
            FormatErrorCode::MultipartHeader,
            Place::Part(1),
        ),
    ] {
        let error = read(body, content_type).expect_err(body);
        assert_eq!((error.code, error.place), (code, place), "{body}");
    }
}

#[test]
fn bodies_are_bounded_in_parts_and_bytes() {
    let body = Bytes::from("--B\r\n\r\n1\r\n--B\r\n\r\n2\r\n--B--");
    let code =
        |limits: Limits| decode(&body, TYPE, &limits).map(|parts| parts.len()).map_err(|error| error.code);
    assert_eq!(code(Limits { parts: 2, ..Limits::default() }), Ok(2));
    assert_eq!(code(Limits { parts: 1, ..Limits::default() }), Err(FormatErrorCode::TooMany));
    assert_eq!(code(Limits { bytes: 10, ..Limits::default() }), Err(FormatErrorCode::TooLarge));
}

prop_compose! {
    fn any_part()(
        name in "[^%]{0,8}|[a\\\\\"; \\r\\n]{0,8}",
        filename in proptest::option::of("[^%]{0,8}|[a\\\\\"; \\r\\n]{0,8}"),
        content_type in proptest::option::of("[a-z]{1,5}/[a-z]{1,5}(; a=b)?"),
        body in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'-'), Just(b'\n'), Just(b'\r')], 0..60),
    ) -> Part {
        Part { name, filename, content_type, body: PartBody::Bytes(Bytes::from(body)) }
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(parts in proptest::collection::vec(any_part(), 0..5)) {
        let encoded = encode(parts.clone()).unwrap();
        let body = Bytes::from(encoded.chunks.concat());
        prop_assert_eq!(encoded.length, body.len() as u64);
        prop_assert_eq!(decode(&body, &encoded.content_type, &Limits::default()).unwrap(), parts);
    }

    #[test]
    fn a_boundary_is_found_across_pieces(needle in "[ab]{1,4}", pieces in proptest::collection::vec("[ab]{0,5}", 0..8)) {
        let chunks: Vec<Bytes> = pieces.iter().cloned().map(Bytes::from).collect();
        prop_assert_eq!(occurs(&Finder::new(&needle), &chunks), pieces.concat().contains(&needle));
    }

    #[test]
    fn garbage_never_panics(body in "(--B|\\r\\n|\\n|-|[a-c: ;=\"]|name=\"|Content-Disposition: form-data; ){0,30}") {
        read(&body, TYPE).ok();
    }
}
