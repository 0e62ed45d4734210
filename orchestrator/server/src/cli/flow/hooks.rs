//! `sluice flow hooks`.

use clap::Args;
use sluice_domain::Delay;
use sluice_http::dto;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{Out, Table, age};

/// Which webhooks, and what to do with them.
#[derive(Debug, Args)]
pub(crate) struct Hooks {
    /// The flow's name or id.
    flow: String,
    /// Give the webhook of this step a new URL. The old one goes on working for a while.
    #[arg(long, value_name = "STEP", conflicts_with = "revoke")]
    rotate: Option<String>,
    /// How long the old URL goes on working; at most 30d.
    #[arg(long, value_name = "TIME", default_value = "24h", requires = "rotate")]
    grace: Delay,
    /// End all URLs of the webhook of this step at once.
    #[arg(long, value_name = "STEP")]
    revoke: Option<String>,
}

impl Hooks {
    pub(crate) async fn run(self, out: &Out, client: &Client) -> Result<(), Failure> {
        let flow = self.flow.as_str();
        if let Some(step) = &self.revoke {
            client.delete(&["api", "v1", "flows", flow, "hooks", step], &[]).await?;
            out.done(&format!("The URLs of {step} work no more."));
            return Ok(());
        }
        let hooks: Vec<dto::Hook> = match &self.rotate {
            Some(step) => {
                let body = dto::RotateHook { grace: Some(self.grace.to_string()) };
                vec![client.post(&["api", "v1", "flows", flow, "hooks", step, "rotate"], &[], &body).await?]
            }
            None => client.get(&["api", "v1", "flows", flow, "hooks"], &[]).await?,
        };
        show(out, client, &hooks)
    }
}

fn show(out: &Out, client: &Client, hooks: &[dto::Hook]) -> Result<(), Failure> {
    let whole = |url: &dto::HookUrl| {
        // Without a public URL the server's own is the best guess.
        let base = client.url().as_str().trim_end_matches('/');
        url.url.clone().unwrap_or_else(|| format!("{base}{}", url.path))
    };
    out.show(
        hooks,
        || hooks.iter().flat_map(|hook| hook.urls.iter().map(whole)).collect(),
        || {
            let mut table = Table::new(&["step", "url", "made", "works until", "sender"]);
            for hook in hooks {
                if hook.urls.is_empty() {
                    table.row([
                        hook.step.clone(),
                        "revoked".to_owned(),
                        String::new(),
                        String::new(),
                        String::new(),
                    ]);
                }
                for url in &hook.urls {
                    let until = url.retires_at.map(|at| at.to_rfc3339()).unwrap_or_default();
                    table.row([
                        hook.step.clone(),
                        whole(url),
                        age(url.created_at),
                        until,
                        sender(hook).to_owned(),
                    ]);
                }
            }
            table.text("The flow has no webhook.")
        },
    )
}

/// Whether the sender knows where to send.
fn sender(hook: &dto::Hook) -> &str {
    match (hook.subscribed, &hook.trouble) {
        (None, _) => "",
        (Some(true), None) => "was told",
        (Some(false), None) => "is being told",
        (Some(_), Some(trouble)) => trouble,
    }
}
