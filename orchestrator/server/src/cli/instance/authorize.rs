//! `sluice instance authorize` and `sluice instance revoke`.

use clap::Args;
use sluice_http::dto;

use crate::cli::wait::{Patience, Wait};
use crate::client::Client;
use crate::failure::{Code, Failure};
use crate::output::Out;

/// Which instance.
#[derive(Debug, Args)]
pub(crate) struct Authorize {
    /// The instance.
    name: String,
    #[command(flatten)]
    wait: Wait,
}

impl Authorize {
    pub(crate) async fn run(self, client: &Client, out: &Out) -> Result<(), Failure> {
        let path = ["api", "v1", "instances", &self.name];
        let before = authorized(&client.get(&path, &[]).await?);
        let todo: dto::Authorization = client.post(&[&path[..], &["authorize"]].concat(), &[], &()).await?;
        out.show(&todo, || todo.url.iter().chain(&todo.user_code).cloned().collect(), || say(&todo))?;
        let Some(patience) = Patience::begin(&self.wait, out) else { return Ok(()) };
        loop {
            let now: dto::Instance = client.get(&path, &[]).await?;
            let usable =
                now.authorization.as_ref().is_some_and(|one| matches!(one.state.as_str(), "ok" | "expiring"));
            if usable && authorized(&now) != before {
                out.done(&format!("Instance {} is authorised.", self.name));
                return Ok(());
            }
            if let Some(why) = now.authorization.and_then(|one| one.failure) {
                let text = format!("instance {} is not authorised: {why}", self.name);
                return Err(Failure::new(Code::NotAuthorized, text));
            }
            if !patience.rest("nobody has authorised it yet").await {
                let text = format!("nobody authorised instance {} in time", self.name);
                return Err(Failure::new(Code::WaitedTooLong, text));
            }
        }
    }
}

/// Ends an authorisation.
pub(super) async fn revoke(client: &Client, out: &Out, name: &str) -> Result<(), Failure> {
    let revoked: dto::Revoked = client.post(&["api", "v1", "instances", name, "revoke"], &[], &()).await?;
    match revoked.not_told {
        None => out.done(&format!("The authorisation of instance {name} is revoked.")),
        Some(why) => out.done(&format!(
            "The tokens of instance {name} are forgotten, but the provider was not told: {why}."
        )),
    }
    Ok(())
}

/// When it was authorised last. A refresh of its token is no news here.
fn authorized(instance: &dto::Instance) -> Option<chrono::DateTime<chrono::Utc>> {
    instance.authorization.as_ref().and_then(|one| one.authorized_at)
}

fn say(todo: &dto::Authorization) -> String {
    match (&todo.url, &todo.user_code, &todo.verification_uri) {
        (Some(url), _, _) => {
            let known = todo.redirect_uri.as_deref().unwrap_or_default();
            format!(
                "Open this in a browser; it works once:\n\n  {url}\n\nThe provider has to know the redirect URI {known}"
            )
        }
        (None, Some(code), Some(place)) => format!("Open {place} on any device and type in\n\n  {code}"),
        (None, _, _) => "Done: the client acts for itself.".to_owned(),
    }
}
