//! What a request is made of, compiled: that of an action or trigger, and that of a login.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sluice_declarative::{BodyFormat, Http, Request, ResponseFormat};
use sluice_mapping::{Limits, Mapping, MappingError, is_expression};

use crate::expression::Expr;

/// A request, ready to be filled in.
pub(crate) struct Form {
    pub(crate) base_url: Mapping,
    /// Of every request, then of this one, whose members win.
    pub(crate) headers: [Mapping; 2],
    pub(crate) query: [Mapping; 2],
    pub(crate) method: String,
    pub(crate) path: Path,
    pub(crate) body: Option<Body>,
    /// How the answer will be read.
    pub(crate) format: Option<ResponseFormat>,
    /// Most bytes of a body.
    pub(crate) max_upload_bytes: u64,
    /// Whether the value of the body is needed again, after it was written.
    pub(crate) keeps_value: bool,
}

/// The path of a request.
pub(crate) enum Path {
    /// A text with names in braces, and what some of them stand for.
    Template(String, Mapping),
    Expression(Mapping),
    /// No path, but the whole URL.
    Url(Mapping),
}

pub(crate) struct Body {
    pub(crate) format: BodyFormat,
    pub(crate) value: Mapping,
    pub(crate) content_type: Option<String>,
}

impl Form {
    pub(crate) fn compile(
        http: &Http,
        request: Request,
        format: Option<ResponseFormat>,
    ) -> Result<Self, String> {
        let Request { method, path, path_params, query, headers, body } = request;
        Ok(Self {
            base_url: mapping("base_url", Value::String(http.base_url.clone()))?,
            headers: [object("http.headers", http.headers.clone())?, object("headers", headers)?],
            query: [object("http.query", http.query.clone())?, object("query", query)?],
            method,
            path: if is_expression(&path) {
                Path::Expression(mapping("path", Value::String(path))?)
            } else {
                Path::Template(path, object("path_params", path_params)?)
            },
            body: body
                .map(|body| {
                    let value = mapping("body", body.value)?;
                    Ok::<_, String>(Body { format: body.format, value, content_type: body.content_type })
                })
                .transpose()?,
            format,
            max_upload_bytes: http.max_upload_bytes,
            keeps_value: false,
        })
    }
}

fn object(place: &str, members: Map<String, Value>) -> Result<Mapping, String> {
    mapping(place, Value::Object(members))
}

pub(crate) fn mapping(place: &str, value: Value) -> Result<Mapping, String> {
    Mapping::parse(&value, &Limits::default()).map_err(|errors| {
        // All of them, once each: a text may be used twice.
        let lines: BTreeMap<String, ()> =
            errors.iter().map(|error| (format!("{place}: {error}"), ())).collect();
        lines.into_keys().collect::<Vec<_>>().join("; ")
    })
}

pub(crate) fn expression(place: &str, text: &str) -> Result<Expr, String> {
    Expr::parse(text).map_err(|error: MappingError| format!("{place}: {error}"))
}

pub(crate) fn optional(place: &str, text: Option<&str>) -> Result<Option<Expr>, String> {
    text.map(|text| expression(place, text)).transpose()
}
