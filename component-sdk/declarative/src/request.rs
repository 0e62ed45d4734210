//! Requests, answers and how lists are walked through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The method, `GET` when absent.
    #[serde(default = "get")]
    pub method: String,
    /// What is appended to `base_url`: a text in which `{name}` stands for a member of `path_params`, or else of the
    /// input or config, percent-encoded (RFC 3986, section 2.1); or an expression.
    pub path: String,
    /// The values of names in the path.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub path_params: Map<String, Value>,
    /// Parameters of the query. A list repeats the parameter; nothing leaves it out.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Headers. Nothing leaves one out.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Body")]
    pub body: Option<Body>,
}

fn get() -> String {
    "GET".to_owned()
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// How the value becomes bytes.
    #[serde(default)]
    pub format: BodyFormat,
    /// The value. For `multipart` an object: for each part a text, or `{ value, base64, content_type, filename }`, or
    /// `{ from, content_type, filename }` for a file that is fetched from a URL while it is sent. An object with other
    /// members is sent as JSON. For `xml` an object with one member, the root. For `bytes` a text in Base64.
    pub value: Value,
    /// The content type, where it is not the usual one of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// How a value becomes bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// RFC 8259.
    #[default]
    Json,
    /// XML 1.0.
    Xml,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// RFC 7578.
    Multipart,
    /// A text as it is.
    Text,
    /// Bytes, given in Base64.
    Bytes,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// How the body is read: `json`, `xml`, `csv`, `ndjson`, `form`, `text` or `bytes`. By its content type when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ResponseFormat")]
    pub format: Option<ResponseFormat>,
    /// What is taken of it: an expression that sees `response`. Its body when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// How the body of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseFormat {
    /// RFC 8259.
    Json,
    /// XML 1.0.
    Xml,
    /// RFC 4180, with a header row.
    Csv,
    /// One JSON value a line.
    Ndjson,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// A text.
    Text,
    /// Bytes, as Base64.
    Bytes,
}

/// How further pages are asked for. The result of the response is the list of one page's items.
///
/// It ends at an empty page, where there is no next one, where `stop` is true, and at the limits; a page that is the very
/// page before it is an error, since it would never end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pagination {
    /// The way.
    #[serde(rename = "type")]
    pub kind: PaginationType,
    /// The parameter of the query that gets the number, offset or token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The number or offset of the first page: 1 for `page` and 0 for `offset` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// The parameter of the query that gets the size of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_param: Option<String>,
    /// How many items a page has at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub size: Option<u64>,
    /// For `cursor` the next token, for `next_url` the next URL: an expression that sees `response`. Nothing, `null`,
    /// `false` or an empty text ends it. For `custom` what is laid over the last request: an object with any of `query`,
    /// `headers`, `body` and `path` or `url`. There it also sees `page` (`number` from 1, `items`, how many), `items` and
    /// `request` (`method`, `url`, `path`, `query`, `headers`, `body`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// An expression that sees `response` and `page` (`number` from 1, `items`): true after the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Most pages of one run.
    #[serde(default = "default_pages")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_pages: u64,
    /// Most items of one run.
    #[serde(default = "default_items")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_items: u64,
}

fn default_pages() -> u64 {
    10_000
}

fn default_items() -> u64 {
    1_000_000
}

/// The ways to ask for the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaginationType {
    /// By number. A page with fewer items than `size` is the last.
    Page,
    /// By the number of items before it. A page with fewer items than `size` is the last.
    Offset,
    /// By a token of the answer before.
    Cursor,
    /// By the `Link` header with the relation `next` (RFC 8288).
    Link,
    /// By a URL in the answer before.
    NextUrl,
    /// By whatever an expression changes in the request before. An empty page is not the last.
    Custom,
}

/// How only what is new is asked for: `cursor` is the largest value of any item so far, less the overlap. Items that
/// were emitted already are left out, by their key and value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// What grows from item to item, such as the time of the last change: an expression that sees `item`.
    pub value: String,
    /// What kind of value that is.
    #[serde(default)]
    pub format: TimeFormat,
    /// Where the first poll begins.
    #[serde(default)]
    pub initial: Initial,
    /// How many seconds before the last value are asked for again, since clocks and commits are not exact. For times only.
    #[serde(default)]
    #[schemars(range(max = 604_800))]
    pub overlap_seconds: u32,
}

/// What kind of value tells old from new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// A time as RFC 3339 writes it.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// A number.
    Number,
    /// A text, ordered by its bytes.
    Text,
}

/// Where the first poll begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// With everything there is: `cursor` is `null`.
    #[default]
    Beginning,
    /// With what comes after the first poll. For times only.
    Now,
}
