//! A real OpenID provider as a process, and a browser of a few lines that signs in there.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Response, Url};
use serde_json::Value;

use crate::node::Server;

/// How many pages a sign-in may take.
const PAGES: usize = 20;

/// The provider of `tests/oidc`. It ends with this value.
pub struct Oidc {
    _server: Server,
    http: Client,
    url: Url,
}

impl Oidc {
    /// Starts the provider on an address of this machine. Its client has the id `sluice`.
    ///
    /// # Errors
    /// When Node.js or the provider's packages cannot be had.
    pub async fn start(host: &str, secret: &str, token_seconds: u32) -> Result<Self> {
        let seconds = token_seconds.to_string();
        let settings = [
            ("HOST", host),
            ("CLIENT_SECRET", secret),
            ("REDIRECT_URIS", "http://127.0.0.1/oauth/callback"),
            ("ACCESS_TOKEN_SECONDS", seconds.as_str()),
        ];
        let server = Server::start("oidc", &settings).await?;
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { url: server.url().clone(), _server: server, http })
    }

    /// Its URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// What it was asked so far.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn counters(&self) -> Result<Value> {
        Ok(self.http.get(self.url.join("/admin/counters")?).send().await?.json().await?)
    }

    /// Calls one of its levers, for example `/admin/expire`.
    ///
    /// # Errors
    /// When it does not answer with success.
    pub async fn pull(&self, lever: &str) -> Result<()> {
        self.http.post(self.url.join(lever)?).send().await?.error_for_status()?;
        Ok(())
    }

    /// Opens a link in a new browser, signs in as `account` and agrees. Gives the last page.
    ///
    /// # Errors
    /// When the way does not lead to a page outside the provider.
    pub async fn sign_in(&self, link: &str, account: &str) -> Result<(u16, String)> {
        let mut browser = Browser { http: self.http.clone(), cookies: HashMap::new() };
        let last = browser.sign_in(&self.url, link.parse()?, account, usize::MAX).await?;
        Ok((last.status().as_u16(), last.text().await?))
    }

    /// As [`sign_in`](Self::sign_in), but stops at the way back: gives the URL that the browser is sent to, unopened.
    ///
    /// # Errors
    /// As there.
    pub async fn sign_in_up_to_callback(&self, link: &str, account: &str) -> Result<Url> {
        let mut browser = Browser { http: self.http.clone(), cookies: HashMap::new() };
        let last = browser.sign_in(&self.url, link.parse()?, account, 1).await?;
        target(&last)?.context("the browser is sent nowhere")
    }
}

/// What a person does with the code of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Types it in, signs in and agrees.
    Agree,
    /// Types it in and says that this is not their device.
    Refuse,
}

impl Oidc {
    /// A person types in the code of a device at the page that they were told. Gives the last page.
    ///
    /// # Errors
    /// When the provider does not know the code, or the way has no end.
    pub async fn type_in(&self, page: &str, code: &str, account: &str, answer: Answer) -> Result<String> {
        let mut browser = Browser { http: self.http.clone(), cookies: HashMap::new() };
        let page: Url = page.parse()?;
        ensure!(page.origin() == self.url.origin(), "{page} is not the provider's");
        let form = browser.send(self.http.get(page.clone()), &page).await?.text().await?;
        let fields = [("xsrf", hidden(&form, "xsrf")?), ("user_code", code)];
        let asked = browser.send(self.http.post(page.clone()).form(&fields), &page).await?.text().await?;
        ensure!(asked.contains(code) && asked.contains("Is this your device?"), "{asked}");
        let decision = if answer == Answer::Agree { "confirm" } else { "abort" };
        let fields = [("xsrf", hidden(&asked, "xsrf")?), ("user_code", code), (decision, "yes")];
        let answer = browser.send(self.http.post(page.clone()).form(&fields), &page).await?;
        Ok(browser.follow(&self.url, answer, account, usize::MAX).await?.text().await?)
    }
}

/// The value of a hidden field of a form.
fn hidden<'p>(page: &'p str, name: &str) -> Result<&'p str> {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&begin).with_context(|| format!("no field {name}: {page}"))?.1;
    rest.split('"').next().context("the field has no end")
}

/// A browser: cookies by host and port, redirects, forms.
struct Browser {
    http: Client,
    cookies: HashMap<String, HashMap<String, String>>,
}

impl Browser {
    /// Opens at most `outside` pages outside the provider, the link itself not counted.
    async fn sign_in(
        &mut self,
        provider: &Url,
        link: Url,
        account: &str,
        outside: usize,
    ) -> Result<Response> {
        let answer = self.send(self.http.get(link.clone()), &link).await?;
        self.follow(provider, answer, account, outside).await
    }

    /// Goes on from an answer: follows redirects, signs in and agrees.
    async fn follow(
        &mut self,
        provider: &Url,
        mut answer: Response,
        account: &str,
        mut outside: usize,
    ) -> Result<Response> {
        let mut signed_in = false;
        for _ in 0..PAGES {
            if let Some(next) = target(&answer)? {
                if next.origin() != provider.origin() {
                    outside -= 1;
                    if outside == 0 {
                        return Ok(answer);
                    }
                }
                answer = self.send(self.http.get(next.clone()), &next).await?;
                continue;
            }
            let place = answer.url().clone();
            if place.origin() != provider.origin() || place.path().starts_with("/device") {
                return Ok(answer);
            }
            ensure!(
                place.path().starts_with("/interaction/"),
                "unexpected page {place}: {}",
                answer.text().await?
            );
            let verb = if signed_in { "consent" } else { "login" };
            let form: Url = format!("{place}/{verb}").parse()?;
            let request = self.http.post(form.clone()).form(&[("account", account)]);
            answer = self.send(request, &form).await?;
            signed_in = true;
        }
        bail!("no end after {PAGES} pages")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder, url: &Url) -> Result<Response> {
        let site = url.origin().ascii_serialization();
        let known = self.cookies.entry(site).or_default();
        let cookies: Vec<String> = known.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header(COOKIE, cookies.join("; ")).send().await?;
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                known.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

fn target(answer: &Response) -> Result<Option<Url>> {
    if !answer.status().is_redirection() {
        return Ok(None);
    }
    let location = answer.headers().get(LOCATION).context("a redirect to nowhere")?.to_str()?;
    Ok(Some(answer.url().join(location)?))
}
