//! What is wrong with `http`.

use serde_json::Value;
use sluice_mapping::is_expression;

use super::{Check, ProblemKind};
use crate::{Http, RateLimit};

impl Check {
    pub(super) fn http(&mut self, http: &Http) {
        let base = &http.base_url;
        let literal = !is_expression(base);
        if literal && !(base.starts_with("https://") || base.starts_with("http://")) {
            let text = "`base_url` is neither a URL nor an expression";
            self.add(
                "/http/base_url",
                ProblemKind::Value,
                text,
                "write https://..., or for example `= vars.url`",
            );
        }
        self.text("/http/base_url", base);
        self.headers("/http/headers", &http.headers);
        self.mapping("/http/query", &Value::Object(http.query.clone()));
        for (index, rule) in http.errors.iter().enumerate() {
            let at = format!("/http/errors/{index}");
            self.expression(&format!("{at}/when"), rule.when.as_deref());
            if let Some(message) = &rule.message {
                self.text(&format!("{at}/message"), message);
            }
            if rule.status.is_empty() && rule.when.is_none() {
                let text = "the rule fits every answer";
                self.add(at, ProblemKind::Missing, text, "give it `status`, `when`, or both");
            }
        }
        if let Some(limit) = &http.rate_limit {
            self.rate_limit("/http/rate_limit", limit);
        }
    }

    fn rate_limit(&mut self, at: &str, limit: &RateLimit) {
        let RateLimit { requests, per_seconds, concurrency, learn } = limit;
        if requests.is_some() != per_seconds.is_some() {
            let text = "`requests` and `per_seconds` belong together";
            self.add(at, ProblemKind::Missing, text, "for example `requests: 100` and `per_seconds: 60`");
        } else if requests.is_none() && concurrency.is_none() && *learn {
            let text = "the limit says nothing";
            let help = "give it `requests` and `per_seconds`, or `concurrency`";
            self.add(at, ProblemKind::Missing, text, help);
        }
        let ranges = [
            ("requests", requests, 10_000),
            ("per_seconds", per_seconds, 3600),
            ("concurrency", concurrency, 1000),
        ];
        for (name, number, most) in ranges {
            if number.is_some_and(|number| !(1..=most).contains(&number)) {
                let text = format!("`{name}` is not between 1 and {most}");
                self.add(format!("{at}/{name}"), ProblemKind::Value, text, "choose another number");
            }
        }
    }
}
