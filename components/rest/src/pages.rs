//! Walks from page to page: the URL of each, and when it is over. Nothing here talks to anybody.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use sluice_declarative::{Pagination, PaginationType};
use sluice_sdk::Error;
use url::Url;

use crate::expression::plain;
use crate::link;
use crate::request::set_param;

/// What a page says of the one after it.
pub(crate) struct Page<'p> {
    pub(crate) items: &'p [Value],
    pub(crate) next: Option<&'p str>,
    pub(crate) link: Option<&'p str>,
    pub(crate) stop: bool,
    /// Where it came from, after redirects.
    pub(crate) url: &'p Url,
    /// Where an expression gives the next request: what tells the one that was made from others.
    pub(crate) asked: u64,
    /// The next request, and what tells it from others.
    pub(crate) onward: Option<(Url, u64)>,
}

/// What comes after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Next(Url),
    End(End),
}

/// Why there is no further page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was the last.
    Last,
    /// `max_pages` or `max_items` was reached before the last.
    Limit,
}

/// Where a walk stands.
pub(crate) struct Pager {
    plan: Pagination,
    /// Whether `max_items` counts here; a trigger counts what is new.
    counts: bool,
    /// The URL of the first page.
    first: Url,
    /// Pages and items so far.
    pages: u64,
    items: u64,
    /// The content of the page before.
    before: Option<u64>,
    /// A token of an earlier page: the last whose number was a power of two. Whoever goes in circles meets it again.
    mark: Option<String>,
    /// The requests so far, where an expression gives them: at most `max_pages`.
    seen: HashSet<u64>,
}

impl Pager {
    pub(crate) fn new(plan: Pagination, url: &Url, counts: bool) -> Self {
        let mut first = url.clone();
        if let (Some(name), Some(size)) = (&plan.size_param, plan.size) {
            set_param(&mut first, name, &size.to_string());
        }
        let seen = HashSet::new();
        let mut pager = Self { plan, counts, first, pages: 0, items: 0, before: None, mark: None, seen };
        if matches!(pager.plan.kind, PaginationType::Page | PaginationType::Offset) {
            pager.first = pager.numbered();
        }
        pager
    }

    pub(crate) fn first(&self) -> Url {
        self.first.clone()
    }

    /// How many items may still come.
    pub(crate) fn room(&self) -> u64 {
        if self.counts { self.plan.max_items.saturating_sub(self.items) } else { u64::MAX }
    }

    /// Counts a page and says what comes after it.
    ///
    /// # Errors
    /// When the walk goes in circles, or the next URL is none.
    pub(crate) fn turn(&mut self, page: &Page<'_>) -> Result<Turn, Error> {
        if page.items.is_empty() {
            if self.plan.kind != PaginationType::Custom {
                return Ok(Turn::End(End::Last));
            }
        } else {
            let content = fingerprint(page.items);
            if self.before.replace(content) == Some(content) {
                return Err(in_circles(self.pages + 1));
            }
        }
        self.pages += 1;
        self.items += page.items.len() as u64;
        let short = self.plan.size.is_some_and(|size| (page.items.len() as u64) < size);
        let next = match self.plan.kind {
            _ if page.stop => None,
            PaginationType::Page | PaginationType::Offset => (!short).then(|| self.numbered()),
            PaginationType::Cursor => self.tokened(page.next)?,
            PaginationType::Link => self.linked(page, page.link.and_then(link::next).as_deref())?,
            PaginationType::NextUrl => self.linked(page, page.next)?,
            PaginationType::Custom => self.requested(page)?,
        };
        Ok(match next {
            None => Turn::End(End::Last),
            Some(_) if self.pages >= self.plan.max_pages || self.room() == 0 => Turn::End(End::Limit),
            Some(url) => Turn::Next(url),
        })
    }

    /// The first URL with the number or offset of the page that is due.
    fn numbered(&self) -> Url {
        let mut url = self.first.clone();
        let number = match self.plan.kind {
            PaginationType::Offset => self.plan.start.unwrap_or(0).saturating_add(self.items),
            _ => self.plan.start.unwrap_or(1).saturating_add(self.pages),
        };
        set_param(&mut url, self.plan.param.as_deref().unwrap_or("page"), &number.to_string());
        url
    }

    fn tokened(&mut self, token: Option<&str>) -> Result<Option<Url>, Error> {
        let Some(token) = token else { return Ok(None) };
        self.remember(token)?;
        let mut url = self.first.clone();
        set_param(&mut url, self.plan.param.as_deref().unwrap_or("cursor"), token);
        Ok(Some(url))
    }

    fn linked(&mut self, page: &Page<'_>, target: Option<&str>) -> Result<Option<Url>, Error> {
        let Some(target) = target else { return Ok(None) };
        let mut url = page
            .url
            .join(target.trim())
            .map_err(|_| Error::fatal("bad_next_url", "the URL of the next page is none"))?;
        url.set_fragment(None);
        self.remember(url.as_str())?;
        Ok(Some(url))
    }

    fn requested(&mut self, page: &Page<'_>) -> Result<Option<Url>, Error> {
        let Some((url, request)) = &page.onward else { return Ok(None) };
        self.seen.insert(page.asked);
        if self.seen.contains(request) {
            let text = format!(
                "the request for page {} was made before, so the list would never end",
                self.pages + 1
            );
            return Err(Error::fatal("pagination_loop", text));
        }
        Ok(Some(url.clone()))
    }

    fn remember(&mut self, token: &str) -> Result<(), Error> {
        if self.mark.as_deref() == Some(token) {
            return Err(in_circles(self.pages + 1));
        }
        if self.pages.is_power_of_two() {
            self.mark = Some(token.to_owned());
        }
        Ok(())
    }
}

fn in_circles(page: u64) -> Error {
    let text = format!("page {page} is one that was there before, so the list would never end");
    Error::fatal("pagination_loop", text)
}

fn fingerprint(items: &[Value]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for item in items {
        plain(item).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
