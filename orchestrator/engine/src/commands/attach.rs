//! Attachments: processes of authors in the place of a component's containers.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sluice_domain::{AttachmentId, ContainerStart, ContainerStartId, DeploymentId};
use sluice_protocol::Descriptor;
use sluice_protocol::gateway::Boot;
use tracing::info;

use super::deployments::users;
use crate::attachments::{self, Attachment, LEASE};
use crate::views::{AttachedDeployment, AttachmentView, DeploymentStatus};
use crate::{CommandError, Engine};

/// Differences that a refusal names.
const NAMED: usize = 5;

impl Engine {
    /// Lets processes of an author take the place of the containers of a component, in the version of it that is in use,
    /// until it ends or is not renewed for half a minute. `descriptor` is what those processes implement.
    ///
    /// # Errors
    /// When the settings do not allow it, the component is not installed or declarative, its descriptor is another one, or
    /// it is attached already.
    pub async fn attach(&self, descriptor: &Value) -> Result<AttachmentView, CommandError> {
        if !self.core.settings.attach {
            let text = "this server lets no process outside of the container engine take the place of containers; for a \
                        server of developers set `attach = true` in the section [development] of its configuration, or \
                        SLUICE__DEVELOPMENT__ATTACH=true, and start it again";
            return Err(CommandError::conflict("attach_off", text));
        }
        let given = Descriptor::from_json(&descriptor.to_string()).map_err(|error| {
            CommandError::bad("descriptor_invalid", format!("the descriptor: {}", crate::chain(&error)))
        })?;
        let name = &given.name;
        let catalogue = self.core.catalogue().await?;
        let installed = catalogue.versions(name.as_str()).next().is_some();
        let connector = catalogue.choose(name.as_str(), None).filter(|_| installed);
        let connector = connector.ok_or_else(|| CommandError::not_found("connector", name))?;
        let Some(pinned) = connector.image() else {
            let text = format!("connector {name} has no image of its own: the component `rest` executes it");
            return Err(CommandError::bad("not_a_component", text));
        };
        let different = differences(&connector.descriptor, &given);
        if !different.is_empty() {
            let text = format!(
                "the descriptor differs from that of {name} {}, which is in use, at {}; flows are checked against that one, \
                 so build the image, install it and put it to use first",
                connector.version(),
                different.join(", ")
            );
            return Err(CommandError::conflict("descriptor_differs", text));
        }
        let id = AttachmentId::from_bits(self.core.ports.entropy.bits());
        let attachment = Attachment::new(connector, pinned, self.core.ports.clock.now());
        if !self.core.attachments.open(id, attachment.clone()) {
            let text = format!(
                "{name} is attached already, or has just been; `GET /api/v1/attachments` shows by which, and it ends within {} \
                 seconds of the end of its command",
                LEASE.as_secs()
            );
            return Err(CommandError::conflict("attached_already", text));
        }
        info!(attachment.id = %id, connector.name = %name, version = %connector.version(), "attached; containers make room");
        self.core.wake.notify_one();
        Ok(self.view_attachment(id, &attachment))
    }

    /// The attachments that last.
    #[must_use]
    pub fn attachments(&self) -> Vec<AttachmentView> {
        let all = self.core.attachments.list();
        all.iter().map(|(id, attachment)| self.view_attachment(*id, attachment)).collect()
    }

    /// Lets an attachment go on for another half minute. `processes` are the deployments that processes run for: the tokens
    /// of others work no more.
    ///
    /// # Errors
    /// When it is over.
    pub async fn renew_attachment(
        &self,
        id: AttachmentId,
        processes: &BTreeSet<DeploymentId>,
    ) -> Result<AttachmentView, CommandError> {
        let gone = self.core.attachments.renew(id, processes).ok_or_else(|| over(id))?;
        for start in &gone {
            attachments::revoke(&self.core, *start).await;
        }
        if !gone.is_empty() {
            self.core.wake.notify_one();
        }
        let attachment = self.core.attachments.get(id).ok_or_else(|| over(id))?;
        Ok(self.view_attachment(id, &attachment))
    }

    /// Lets a process speak for a deployment: what it has to know on its start. The process before it is shut out.
    ///
    /// # Errors
    /// When the attachment is over, does not take that deployment over, or its container has not ended yet.
    pub async fn start_attached(
        &self,
        id: AttachmentId,
        deployment: DeploymentId,
    ) -> Result<Boot, CommandError> {
        let attachment = self.core.attachments.get(id).ok_or_else(|| over(id))?;
        let view = self.view_attachment(id, &attachment);
        let found = view.deployments.iter().find(|one| one.id == deployment);
        let found = found.ok_or_else(|| CommandError::not_found("deployment", deployment))?;
        if !found.free {
            let text = format!("the container of {deployment} finishes what it began; ask again");
            return Err(CommandError::conflict("container_ends", text));
        }
        let entropy = &self.core.ports.entropy;
        let token = SecretString::from(format!("sluice_run_{}", URL_SAFE_NO_PAD.encode(entropy.secret())));
        let start = ContainerStart {
            id: ContainerStartId::from_bits(entropy.bits()),
            deployment,
            token_hash: Sha256::digest(token.expose_secret().as_bytes()).into(),
            started_at: self.core.ports.clock.now(),
        };
        let before = self.core.attachments.admit(id, start).ok_or_else(|| over(id))?;
        if let Some(before) = before {
            attachments::revoke(&self.core, before).await;
        }
        info!(attachment.id = %id, deployment.id = %deployment, "an attached process begins");
        Ok(Boot { gateway: self.core.settings.gateway_url.clone(), token: token.expose_secret().to_owned() })
    }

    /// Ends an attachment. Its tokens work no more; containers come back.
    ///
    /// # Errors
    /// When it is over already.
    pub async fn detach(&self, id: AttachmentId) -> Result<(), CommandError> {
        if !self.core.attachments.end(id) {
            return Err(over(id));
        }
        self.core.wake.notify_one();
        Ok(())
    }

    fn view_attachment(&self, id: AttachmentId, attachment: &Attachment) -> AttachmentView {
        let snapshot = self.core.snapshot();
        let states = self.core.deployments();
        let covered = states.values().filter(|state| attachment.covers(&state.spec));
        // Others are not wanted any more, or the reconciler has not taken in that they are attached.
        let taken = |status| matches!(status, DeploymentStatus::Attaching | DeploymentStatus::Attached);
        let deployments = covered.filter(|state| taken(state.status)).map(|state| AttachedDeployment {
            id: state.spec.id,
            scope: state.spec.scope.clone(),
            // No container runs, and the reconciler starts none: it has taken in that this is attached.
            free: state.container.is_none(),
            served: state.status == DeploymentStatus::Attached,
            flows: users(&snapshot, state),
        });
        AttachmentView {
            id,
            component: attachment.component.clone(),
            version: attachment.version.clone(),
            attached_at: attachment.attached_at,
            deployments: deployments.collect(),
        }
    }
}

fn over(id: AttachmentId) -> CommandError {
    CommandError::not_found("attachment", id)
}

/// Where two descriptors differ, as JSON Pointers; some of them.
fn differences(installed: &Descriptor, given: &Descriptor) -> Vec<String> {
    let value = |descriptor| serde_json::to_value(descriptor).unwrap_or_default();
    let mut found = Vec::new();
    compare("", &value(installed), &value(given), &mut found);
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("{more} more places"));
    }
    found
}

fn compare(place: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
                let null = Value::Null;
                compare(&place, one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null), found);
            }
        }
        _ if one == other => {}
        _ => found.push(if place.is_empty() { "/".to_owned() } else { place.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_places() {
        let one = json!({ "name": "a", "version": "1.0.0", "title": "A", "actions": { "do": { "title": "Do", "input": { "x/y": 1 } } } });
        let read = |value: &Value| Descriptor::from_json(&value.to_string()).unwrap();
        let mut other = one.clone();
        assert!(differences(&read(&one), &read(&other)).is_empty());
        other["version"] = json!("1.0.1");
        other["actions"]["do"]["input"] = json!({ "x/y": 2, "z": 3 });
        let expect = ["/actions/do/input/x~1y", "/actions/do/input/z", "/version"];
        assert_eq!(differences(&read(&one), &read(&other)), expect);
    }
}
