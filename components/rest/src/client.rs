//! What all runs share: HTTP clients with their connections, the threads for expressions and scripts, and the
//! tokens and budgets of instances.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Client;
use sluice_addresses::{Guard, kind};
use sluice_sdk::{Egress, Error, chain};

use crate::answer::Rooms;
use crate::bench::Bench;
use crate::budget::Budgets;
use crate::desk::Desk;
use crate::hosts::Reach;
use crate::tickets::Tickets;

/// Made when first used.
#[derive(Default)]
pub(crate) struct Shared {
    bench: OnceLock<Bench>,
    desk: Desk,
    tickets: Tickets,
    budgets: Budgets,
    rooms: Rooms,
    egress: OnceLock<Egress>,
    internal: OnceLock<Client>,
    public: OnceLock<Client>,
}

impl Shared {
    pub(crate) fn bench(&self) -> Result<&Bench, Error> {
        if let Some(bench) = self.bench.get() {
            return Ok(bench);
        }
        let bench = Bench::start().map_err(|error| Error::retryable("threads", chain(&error)))?;
        Ok(self.bench.get_or_init(|| bench))
    }

    /// The way out, which is the same for all runs. Call it before anything is sent.
    pub(crate) fn go_out_by(&self, egress: &Egress) {
        self.egress.get_or_init(|| egress.clone());
    }

    /// The way out.
    pub(crate) fn egress(&self) -> Egress {
        self.egress.get().cloned().unwrap_or_default()
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    pub(crate) fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub(crate) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The client whose connections lead no further than `reach`. Each keeps its own, so that one that was opened to an
    /// internal address serves no request that may not go there.
    pub(crate) fn client(&self, reach: Reach) -> Result<&Client, Error> {
        let slot = match reach {
            Reach::Internal => &self.internal,
            Reach::Public => &self.public,
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let egress = match reach {
            Reach::Internal => self.egress(),
            Reach::Public => self.egress().public_only(),
        };
        let mut client = egress.http_client();
        if egress.is_direct() {
            // Where there is a proxy, that looks names up and judges their addresses.
            client = client.dns_resolver(Guard::new(move |address| reach.covers(kind(address))));
        }
        let client = client
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("sluice-rest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::retryable("client", chain(&error)))?;
        Ok(slot.get_or_init(|| client))
    }
}
