//! The operator API, as any program would call it.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A client of the operator API.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
    tenant: Option<String>,
}

impl Api {
    /// A client for `base` (no slash at its end) with a token.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(base: &str, token: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        Ok(Self { http, base: base.to_owned(), token: token.to_owned(), tenant: None })
    }

    /// A client that speaks for a tenant.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self.clone() }
    }

    /// The base URL.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Calls and gives the status and the body, whatever they are.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn raw(&self, method: &str, path: &str, body: Option<String>) -> Result<(u16, Value)> {
        let mut request =
            self.http.request(method.parse()?, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(tenant) = &self.tenant {
            request = request.header("sluice-tenant", tenant);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Calls and gives the body of a success.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.raw(method, path, body.map(|body| body.to_string())).await?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {answer}");
        }
        Ok(answer)
    }

    /// Gets something.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None).await
    }

    /// Applies one file, with the secrets of its instances as `{instance: {field: secret}}`.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn apply(&self, text: &str, secrets: Value) -> Result<Value> {
        let body = json!({ "files": [{ "name": "test.yaml", "text": text }], "secrets": secrets });
        self.call("POST", "/api/v1/apply", Some(body)).await.context("apply")
    }

    /// The counters of a step of a flow.
    ///
    /// # Errors
    /// When there is no such flow or step.
    pub async fn counters(&self, flow: &str, step: &str) -> Result<Value> {
        let flow = self.get(&format!("/api/v1/flows/{flow}")).await?;
        let steps = flow["steps"].as_array().context("no steps")?;
        let found =
            steps.iter().find(|known| known["id"] == step).with_context(|| format!("no step {step}"))?;
        Ok(found["counters"].clone())
    }
}
