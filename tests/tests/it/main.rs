//! End-to-end tests: a whole Sluice on real containers and a real broker. And the broker's contract on a real one.

mod adoption;
mod answers;
mod attaching;
mod attacks;
mod authoring;
mod browser;
mod calls;
mod canaries;
mod containers;
mod contracts;
mod crud;
mod declarative;
mod devices;
mod formats;
mod invocations;
mod lifecycle;
mod oauth;
mod orders;
mod poison;
mod polling;
mod sharing;
mod subscriptions;
mod surfaces;
mod tenants;
mod watching;
mod webhooks;
