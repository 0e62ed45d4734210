//! A request as it came.

use bytes::Bytes;

/// A request as it came: nothing is decoded, so that signatures can be checked.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method, in upper case.
    pub method: String,
    /// The query without its `?`; empty when there is none.
    pub query: String,
    /// The headers in their order. A name may stand more than once; its case does not matter (RFC 9110, section 5.1).
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Bytes,
}

/// A header or parameter that is not there exactly once.
pub(crate) enum Lack {
    /// It is not there.
    Missing,
    /// It is there twice. Whoever sits in between might take the other one.
    Twice,
    /// It is no text.
    NoText,
}

impl Request {
    /// The value of a header that stands once and is visible ASCII, white space around it cut off.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.one_header(name).ok()
    }

    pub(crate) fn one_header(&self, name: &str) -> Result<&str, Lack> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next().ok_or(Lack::Missing)?;
        if values.next().is_some() {
            return Err(Lack::Twice);
        }
        let text = std::str::from_utf8(value).map_err(|_| Lack::NoText)?.trim_matches([' ', '\t']);
        if text.is_ascii() { Ok(text) } else { Err(Lack::NoText) }
    }

    pub(crate) fn one_parameter(&self, name: &str) -> Result<String, Lack> {
        let mut values = self.parameters().filter(|(known, _)| known == name);
        let (_, value) = values.next().ok_or(Lack::Missing)?;
        if values.next().is_some() { Err(Lack::Twice) } else { Ok(value) }
    }

    /// The parameters of the query (WHATWG URL, section 5.1), in their order.
    pub fn parameters(&self) -> impl Iterator<Item = (String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned()
    }
}
