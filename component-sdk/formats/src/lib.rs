//! Formats: the message bodies of foreign HTTP APIs as [`serde_json::Value`], and back.
//!
//! [`Format::of_content_type`] says what a body is, [`decode()`] reads it, [`encode_xml`], [`encode_form`]
//! and [`multipart::encode()`] write what serde_json does not.
//!
//! Invariants: no input, however hostile, panics, overflows the stack or takes much more memory than
//! its [`Limits`] allow; an error names its place and repeats at most 100 characters of the input.
//!
//! Deliberately not here: any I/O, schemas, XML namespaces as more than the text of a name, and the
//! several dialects of nested form keys (`a[b]=c`).
//!
//! # The XML rule
//!
//! A document is an object with exactly one key, the name of the root element. An element is:
//!
//! - without attributes and child elements, a string: its text, so `<a/>` and `<a></a>` are `""`;
//! - otherwise an object: an attribute `n` is the key `@n` with a string, a child element `n` is the
//!   key `n` with that element, and children of the same name are an array in their order;
//! - text beside attributes or children is the key `#text`, all pieces joined. It is kept exactly,
//!   but beside children it is dropped if it is nothing but white space, which is indentation.
//!
//! Names are kept as written, prefixes included (`soap:Envelope`), and `xmlns` declarations are
//! attributes like others (`@xmlns`, `@xmlns:soap`). CDATA is text. Comments, processing instructions
//! and the order between text and children and between children of different names are not kept.
//!
//! ```text
//! <order id="7"><item>pen</item><item>ink</item><note lang="en">soon</note></order>
//! {"order": {"@id": "7", "item": ["pen", "ink"], "note": {"@lang": "en", "#text": "soon"}}}
//! ```
//!
//! Each value that decoding gives is encoded to a document that decodes to the same value. Encoding
//! takes more: numbers and booleans are their JSON text, a null element is empty, a null `#text` or
//! attribute is left out, an array of no or one item is no or one element, `{}` is empty.
#![deny(missing_docs)]

mod csv;
mod decode;
mod error;
mod form;
mod format;
mod json;
mod limits;
mod media_type;
pub mod multipart;
mod text;
mod xml;

pub use csv::decode_csv;
pub use decode::decode;
pub use error::{FormatError, FormatErrorCode, Place};
pub use form::encode_form;
pub use format::Format;
pub use limits::Limits;
pub use xml::encode_xml;
