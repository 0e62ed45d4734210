//! The operator's API on an engine whose world is in memory.
#![expect(clippy::unwrap_used, reason = "the whole crate is a test")]

#[path = "api/answers.rs"]
mod answers;
#[path = "api/attachments.rs"]
mod attachments;
#[path = "api/attacks.rs"]
mod attacks;
#[path = "api/document.rs"]
mod document;
#[path = "api/embed.rs"]
mod embed;
#[path = "api/events.rs"]
mod events;
#[path = "api/harness.rs"]
mod harness;
#[path = "api/hooks.rs"]
mod hooks;
#[path = "api/keys.rs"]
mod keys;
#[path = "api/losses.rs"]
mod losses;
#[path = "api/metrics.rs"]
mod metrics;
#[path = "api/resources.rs"]
mod resources;
#[path = "api/states.rs"]
mod states;
#[path = "api/tenants.rs"]
mod tenants;
#[path = "api/ticks.rs"]
mod ticks;
#[path = "api/upgrades.rs"]
mod upgrades;
