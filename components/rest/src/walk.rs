//! All pages of a call, one after the other.

use serde_json::Value;
use sluice_sdk::Error;

use crate::answer::Room;
use crate::digest::{Digest, Source};
use crate::exchange;
use crate::hosts::Hosts;
use crate::onward;
use crate::pages::{End, Page, Pager, Turn};
use crate::request::Draft;
use crate::session::Session;

/// The items of one page.
pub(crate) struct Items {
    pub(crate) source: Source,
    pub(crate) items: Vec<Value>,
    /// The place of a large page, until its items are on their way.
    pub(crate) room: Option<Room>,
}

/// A walk under way. At most one page is held here at a time.
pub(crate) struct Walk<'s> {
    session: &'s Session<'s>,
    hosts: Hosts,
    draft: Draft,
    /// How to go on; nothing when there is one page only.
    pager: Option<Pager>,
    number: u64,
    /// Where to go next, or why nowhere.
    turn: Turn,
}

impl<'s> Walk<'s> {
    pub(crate) async fn begin(session: &'s Session<'s>) -> Result<Self, Error> {
        let draft = session.draft().await?;
        let hosts = Hosts::new(draft.base.clone(), session.step.allowed_hosts.clone());
        let counts = session.step.watch.is_none();
        let pages = session.step.pages.as_ref();
        let pager = pages.map(|pages| Pager::new(pages.plan.clone(), &draft.url, counts));
        let first = pager.as_ref().map_or_else(|| draft.url.clone(), Pager::first);
        Ok(Self { session, hosts, draft, pager, number: 0, turn: Turn::Next(first) })
    }

    /// The next page; nothing after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Items>, Error> {
        let Turn::Next(url) = &self.turn else { return Ok(None) };
        let url = self.hosts.mend(url.clone());
        self.number += 1;
        let mut draft = self.draft.clone();
        exchange::leave(&mut draft, url);
        let (digest, url) = self.session.ask(draft.clone(), self.number).await?;
        let Digest { source, found, next, onward, link, stop, room: place } = digest;
        let mut items = found.into_items();
        let onward = match onward {
            Some(wanted) => self.session.onward(draft.clone(), url.clone(), wanted).await?,
            None => None,
        };
        self.turn = match &mut self.pager {
            None => Turn::End(End::Last),
            Some(pager) => {
                let room = usize::try_from(pager.room()).unwrap_or(usize::MAX);
                let turn = pager.turn(&Page {
                    items: &items,
                    next: next.as_deref(),
                    link: link.as_deref(),
                    stop,
                    url: &url,
                    asked: onward.as_ref().map_or(0, |_| onward::fingerprint(&draft)),
                    onward: onward.as_ref().map(|next| (next.url.clone(), onward::fingerprint(next))),
                })?;
                if items.len() > room {
                    items.truncate(room);
                    Turn::End(End::Limit)
                } else {
                    turn
                }
            }
        };
        if let Some(next) = onward {
            self.draft = next;
        }
        Ok(Some(Items { source, items, room: place }))
    }

    /// Why there was no further page.
    pub(crate) fn end(&self) -> Option<End> {
        match self.turn {
            Turn::Next(_) => None,
            Turn::End(end) => Some(end),
        }
    }
}
