//! Attachments: processes of authors, outside of the container engine, in the place of a component's containers.
//!
//! An attachment is a lease. It takes over every deployment of one version and image of a component, those to come
//! included: the reconciler ends their containers first, lets no new ones begin, and brings them back when the attachment
//! is over. It is kept in memory only, so it ends with this process, and so do the tokens of its processes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use semver::Version;
use sluice_domain::{
    AttachmentId, Connector, ContainerStart, ContainerStartId, DeploymentId, DeploymentSpec, ImageDigest,
    PinnedImage,
};
use sluice_protocol::ComponentName;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::core::Core;

/// How long an attachment lasts after it was renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// The attachments that are there.
#[derive(Debug, Default)]
pub(crate) struct Attachments(Mutex<BTreeMap<AttachmentId, Attachment>>);

/// An attachment.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    pub(crate) component: ComponentName,
    pub(crate) version: Version,
    digest: ImageDigest,
    pub(crate) attached_at: DateTime<Utc>,
    renewed_at: Instant,
    /// Whether it was ended. It holds containers back until its starts are revoked.
    ended: bool,
    /// The processes that may speak to the gateway, by what they serve.
    starts: BTreeMap<DeploymentId, ContainerStart>,
}

impl Attachment {
    pub(crate) fn new(connector: &Connector, pinned: &PinnedImage, now: DateTime<Utc>) -> Self {
        Self {
            component: connector.name().clone(),
            version: connector.version().clone(),
            digest: pinned.digest.clone(),
            attached_at: now,
            renewed_at: Instant::now(),
            ended: false,
            starts: BTreeMap::new(),
        }
    }

    /// Whether it takes over a deployment.
    pub(crate) fn covers(&self, spec: &DeploymentSpec) -> bool {
        self.component == spec.component && self.version == spec.version && self.digest == spec.digest
    }

    fn is_live(&self) -> bool {
        !self.ended && self.renewed_at.elapsed() < LEASE
    }
}

impl Attachments {
    /// Begins an attachment. False when there is one of its component already.
    pub(crate) fn open(&self, id: AttachmentId, attachment: Attachment) -> bool {
        let mut all = self.all();
        if all.values().any(|known| known.component == attachment.component) {
            return false;
        }
        all.insert(id, attachment);
        true
    }

    /// The attachment of this id, while it lasts.
    pub(crate) fn get(&self, id: AttachmentId) -> Option<Attachment> {
        self.all().get(&id).filter(|known| known.is_live()).cloned()
    }

    /// All that last.
    pub(crate) fn list(&self) -> Vec<(AttachmentId, Attachment)> {
        let all = self.all();
        all.iter().filter(|(_, known)| known.is_live()).map(|(id, known)| (*id, known.clone())).collect()
    }

    /// Lets an attachment go on, with processes for these deployments. Gives the starts of the processes that are no more,
    /// and nothing when the attachment is over.
    pub(crate) fn renew(
        &self,
        id: AttachmentId,
        processes: &BTreeSet<DeploymentId>,
    ) -> Option<Vec<ContainerStartId>> {
        let mut all = self.all();
        let known = all.get_mut(&id).filter(|known| known.is_live())?;
        known.renewed_at = Instant::now();
        let gone = known.starts.extract_if(.., |deployment, _| !processes.contains(deployment));
        Some(gone.map(|(_, start)| start.id).collect())
    }

    /// Lets a process speak to the gateway. Gives the start of the one before it, if there was one, and nothing when the
    /// attachment is over.
    pub(crate) fn admit(&self, id: AttachmentId, start: ContainerStart) -> Option<Option<ContainerStartId>> {
        let mut all = self.all();
        let known = all.get_mut(&id).filter(|known| known.is_live())?;
        Some(known.starts.insert(start.deployment, start).map(|before| before.id))
    }

    /// Ends an attachment. False when it is over already. The reconciler does the rest.
    pub(crate) fn end(&self, id: AttachmentId) -> bool {
        let mut all = self.all();
        let Some(known) = all.get_mut(&id).filter(|known| known.is_live()) else { return false };
        known.ended = true;
        true
    }

    /// Whether an attachment takes over a deployment, and the start of its process, if there is one.
    pub(crate) fn over(&self, spec: &DeploymentSpec) -> Option<Option<ContainerStartId>> {
        let all = self.all();
        let known = all.values().find(|known| known.covers(spec))?;
        Some(known.starts.get(&spec.id).map(|start| start.id))
    }

    /// Whether a process may still speak for a deployment.
    pub(crate) fn holds(&self, deployment: DeploymentId) -> bool {
        self.all().values().any(|known| known.starts.contains_key(&deployment))
    }

    /// The start whose token has this hash.
    pub(crate) fn start_by_token(&self, hash: &[u8; 32]) -> Option<ContainerStart> {
        let all = self.all();
        let mut starts = all.values().filter(|known| known.is_live()).flat_map(|known| known.starts.values());
        starts.find(|start| start.token_hash == *hash).cloned()
    }

    /// The starts of all processes.
    pub(crate) fn starts(&self) -> Vec<ContainerStartId> {
        self.all().values().flat_map(|known| known.starts.values()).map(|start| start.id).collect()
    }

    /// Those that are over.
    fn passed(&self) -> Vec<(AttachmentId, Attachment)> {
        let mut all = self.all();
        let mut passed = Vec::new();
        for (id, known) in all.iter_mut().filter(|(_, known)| !known.is_live()) {
            let before = known.clone();
            // From here on nobody renews it.
            known.ended = true;
            passed.push((*id, before));
        }
        passed
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<AttachmentId, Attachment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the attachments that are over. Their processes lose the broker before containers may begin again.
pub(crate) async fn sweep(core: &Core) {
    for (id, attachment) in core.attachments.passed() {
        for start in attachment.starts.values() {
            revoke(core, start.id).await;
        }
        core.attachments.all().remove(&id);
        let why = if attachment.ended { "it was ended" } else { "nobody renewed it" };
        info!(attachment.id = %id, connector.name = %attachment.component, why, "an attachment is over; containers come back");
    }
}

/// Ends what a process may do on the broker. What cannot be done now is done when users are swept.
pub(crate) async fn revoke(core: &Core, start: ContainerStartId) {
    core.contacts().remove(&start);
    if let Some(users) = &core.ports.users
        && let Err(error) = users.revoke(start).await
    {
        warn!(start.id = %start, error = crate::chain(&error), "cannot delete the broker user of an attached process");
    }
}

#[cfg(test)]
mod tests {
    use sluice_domain::Scope;

    use super::*;
    use crate::fixtures;

    const ID: AttachmentId = AttachmentId::from_bits(1);

    fn open() -> (Attachments, DeploymentSpec) {
        let (connector, attachments) = (fixtures::demo(), Attachments::default());
        let attachment = Attachment::new(&connector, connector.image().unwrap(), DateTime::UNIX_EPOCH);
        assert!(attachments.open(ID, attachment.clone()));
        assert!(!attachments.open(AttachmentId::from_bits(2), attachment), "one of a component at a time");
        (attachments, fixtures::deployment(Scope::Shared))
    }

    fn start(number: u8, spec: &DeploymentSpec) -> ContainerStart {
        ContainerStart {
            id: ContainerStartId::from_bits(number.into()),
            deployment: spec.id,
            token_hash: [number; 32],
            started_at: DateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_attachment_lasts_as_long_as_it_is_renewed() {
        let (attachments, spec) = open();
        assert_eq!(attachments.admit(ID, start(1, &spec)), Some(None));
        let processes = BTreeSet::from([spec.id]);
        for _ in 0..3 {
            tokio::time::advance(LEASE * 2 / 3).await;
            assert_eq!(attachments.renew(ID, &processes), Some(Vec::new()));
            assert!(attachments.start_by_token(&[1; 32]).is_some());
        }
        tokio::time::advance(LEASE).await;
        assert_eq!(attachments.renew(ID, &processes), None);
        assert!(attachments.start_by_token(&[1; 32]).is_none(), "the token works no more");
        assert!(!attachments.end(ID) && attachments.get(ID).is_none());
        assert!(attachments.over(&spec).is_some(), "containers wait until its processes are shut out");
        assert_eq!(attachments.passed().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_no_more_loses_its_start() {
        let (attachments, spec) = open();
        assert_eq!(attachments.admit(ID, start(1, &spec)), Some(None));
        assert_eq!(attachments.admit(ID, start(2, &spec)), Some(Some(ContainerStartId::from_bits(1))));
        assert!(attachments.start_by_token(&[1; 32]).is_none());
        assert_eq!(attachments.over(&spec), Some(Some(ContainerStartId::from_bits(2))));
        assert!(attachments.holds(spec.id));
        let gone = attachments.renew(ID, &BTreeSet::new());
        assert_eq!(gone, Some(vec![ContainerStartId::from_bits(2)]));
        assert!(!attachments.holds(spec.id) && attachments.start_by_token(&[2; 32]).is_none());
        assert_eq!(attachments.over(&spec), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn only_deployments_of_the_very_image_are_taken_over() {
        let (attachments, spec) = open();
        let other = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
        assert!(attachments.over(&DeploymentSpec { digest: other, ..spec.clone() }).is_none());
        let version = "2.0.0".parse().unwrap();
        assert!(attachments.over(&DeploymentSpec { version, ..spec.clone() }).is_none());
        assert!(attachments.over(&spec).is_some());
    }
}
