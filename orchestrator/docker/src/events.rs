//! The engine's events, as hints to look again.

use std::future::ready;

use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sluice_ports::PortError;

use crate::fault::port_error;
use crate::{Docker, labels};

impl Docker {
    pub(crate) async fn container_events(&self) -> Result<BoxStream<'static, ()>, PortError> {
        let client = self.client().await?;
        // The stream itself is lazy, and would hide that the engine is away.
        client.ping().await.map_err(|error| port_error("follow the container engine's events", error))?;
        let mut filters = labels::filter(&self.config.installation);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), vec!["start".to_owned(), "die".to_owned()]);
        let options = EventsOptions { filters: Some(filters), ..EventsOptions::default() };
        let events = client.events(Some(options));
        Ok(events.take_while(|event| ready(event.is_ok())).map(|_| ()).boxed())
    }
}
