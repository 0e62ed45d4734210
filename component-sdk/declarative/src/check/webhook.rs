//! Faults of webhooks.

use super::{Check, ProblemKind, is_token, short};
use crate::{DeliveryId, Manifest, WebhookTrigger};

impl Check {
    pub(super) fn webhook(&mut self, at: &str, webhook: &WebhookTrigger, manifest: &Manifest) {
        self.hook(at, ("subscribe", webhook.subscribe.as_ref()), manifest);
        self.hook(at, ("unsubscribe", webhook.unsubscribe.as_ref()), manifest);
        if webhook.unsubscribe.is_some() && webhook.subscribe.is_none() {
            let text = "what was never subscribed cannot be unsubscribed";
            self.add(format!("{at}/unsubscribe"), ProblemKind::Missing, text, "name `subscribe` too");
        }
        self.signature(&format!("{at}/signature"), &webhook.signature);
        match &webhook.delivery_id {
            Some(DeliveryId::Header(name)) => self.header_name(&format!("{at}/delivery_id/header"), name),
            Some(DeliveryId::Value(text)) => self.expression(&format!("{at}/delivery_id/value"), Some(text)),
            None => {}
        }
        self.expression(&format!("{at}/filter"), webhook.filter.as_deref());
        if let Some(challenge) = &webhook.challenge {
            self.expression(&format!("{at}/challenge/when"), Some(&challenge.when));
            self.expression(&format!("{at}/challenge/body"), Some(&challenge.body));
            let kind = &challenge.content_type;
            let kind_fits =
                kind.split('/').count() == 2 && kind.bytes().all(|byte| (32..127).contains(&byte));
            if !kind_fits || kind.to_ascii_lowercase().contains("html") {
                let text = format!("`{}` is no content type that an echo may have", short(kind));
                let help = "write text/plain or application/json; what is echoed must never run in a browser";
                self.add(format!("{at}/challenge/content_type"), ProblemKind::Value, text, help);
            }
        }
        if let Some(body) = &webhook.body {
            self.mapping(&format!("{at}/body"), body);
        }
        for (index, name) in webhook.headers.iter().enumerate() {
            let pointer = format!("{at}/headers/{index}");
            if ["method", "query"].iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
                let text = format!("`{name}` is what the message says of the request already");
                self.add(pointer, ProblemKind::Value, text, "leave it out");
            } else {
                self.header_name(&pointer, name);
            }
        }
    }

    /// A name of a header (RFC 9110, section 5.1).
    pub(super) fn header_name(&mut self, at: &str, name: &str) {
        if !is_token(name) {
            let text = format!("`{}` is no name of a header", short(name));
            self.add(at, ProblemKind::Value, text, "use letters, digits and `-`");
        }
    }
}
