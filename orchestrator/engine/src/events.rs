//! Telling of events: to whoever listens at the moment, and to the program that the operator named.
//!
//! Invariant: the store notes an event with the change it tells of, so none is lost; and it is known up to which event the
//! program was told, so each is sent until it was taken. It may be sent twice, with the same id.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::json;
use sluice_domain::Event;
use sluice_ports::{Notice, Notifier, PortError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::core::Core;

/// Who was told, as the store knows it.
const WHOM: &str = "webhook";
/// Events that are read at a time.
const PAGE: u32 = 100;
/// Events that are kept.
const KEPT: u64 = 10_000;
/// How often old events are forgotten, and how late an event is found whose news got lost.
const LOOK: Duration = Duration::from_secs(60);
/// The first and the longest pause before a notice is sent again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// After this time a notice that nobody takes is given up.
pub(crate) fn patience() -> TimeDelta {
    TimeDelta::days(3)
}

/// The news that there may be events.
#[derive(Debug)]
pub(crate) struct News(watch::Sender<()>);

impl Default for News {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl News {
    /// Says that something may have happened.
    pub(crate) fn spread(&self) {
        self.0.send_replace(());
    }

    /// Hears of what happens from now on.
    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// Waits until something may have happened, for a minute at most.
pub(crate) async fn wait(news: &mut watch::Receiver<()>) {
    // The sender lives as long as the engine.
    tokio::time::timeout(LOOK, news.changed()).await.ok();
}

/// Sends what happens to the program that the operator named, and forgets what is old.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let mut news = core.news.listen();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            told = tell(&core) => if let Err(error) = told {
                warn!(error = crate::chain(&error), "cannot tell of events; trying again");
            }
        }
        if let Err(error) = core.ports.store.prune_events(KEPT).await {
            warn!(error = crate::chain(&error), "cannot forget old events");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = wait(&mut news) => {}
        }
    }
}

/// Sends everything that the program was not told yet.
async fn tell(core: &Core) -> Result<(), PortError> {
    let Some(notifier) = &core.ports.notifier else { return Ok(()) };
    let store = &core.ports.store;
    let mut told = match store.told(WHOM).await? {
        Some(told) => told,
        // Whoever is named for the first time hears of what happens from then on.
        None => {
            let newest = store.last_event().await?;
            store.put_told(WHOM, newest).await?;
            newest
        }
    };
    loop {
        let events = store.events(told, PAGE).await?;
        if events.is_empty() {
            return Ok(());
        }
        for event in events {
            send(core, &**notifier, &event).await;
            told = event.id;
            store.put_told(WHOM, told).await?;
        }
    }
}

/// Sends an event until it is taken or too old.
async fn send(core: &Core, notifier: &dyn Notifier, event: &Event) {
    let notice = notice(&core.settings.installation, event);
    let mut pause = PAUSES.0;
    while let Err(error) = notifier.send(&notice).await {
        if is_stale(event.at, core.ports.clock.now()) {
            warn!(notice.id, "nobody takes this notice; given up");
            return;
        }
        info!(notice.id, error = crate::chain(&error), "a notice was not taken; sending it again later");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn is_stale(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - at > patience()
}

/// The notice of an event: `type`, `timestamp` and `data`, as Standard Webhooks recommends.
fn notice(installation: &str, event: &Event) -> Notice {
    let what = serde_json::to_value(&event.what).unwrap_or_default();
    let body = json!({
        "type": what["type"],
        "timestamp": event.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "data": what["data"],
    });
    Notice { id: format!("evt_{installation}_{}", event.id), body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_domain::Happened;

    #[test]
    fn a_notice_is_the_same_for_each_attempt() {
        let what = Happened::ConnectorVersion {
            connector: "crm".parse().unwrap(),
            before: None,
            version: "1.0.0".parse().unwrap(),
        };
        let event = Event { id: 7, at: DateTime::UNIX_EPOCH, what };
        let first = notice("sluice", &event);
        assert_eq!(first, notice("sluice", &event));
        assert_eq!(first.id, "evt_sluice_7");
        assert_eq!(
            first.body,
            r#"{"type":"connector.version_changed","timestamp":"1970-01-01T00:00:00.000Z","data":{"connector":"crm","version":"1.0.0"}}"#
        );
    }

    #[test]
    fn a_notice_that_nobody_takes_is_given_up_after_days() {
        let at = DateTime::UNIX_EPOCH;
        assert!(!is_stale(at, at + patience()));
        assert!(is_stale(at, at + patience() + TimeDelta::seconds(1)));
    }
}
