//! The router: takes outcomes, evaluates conditions, splits and mappings, and sends each message to its step's lane.
//!
//! [`route`](mod@route) is pure: an outcome in, sends and effects out. [`shard`] is one loop per router queue, which
//! acknowledges a delivery only after every send of it is confirmed and every effect is stored. Workers do the computing,
//! because JSONata evaluators belong to one thread.

pub(crate) mod effects;
mod emitted;
mod failure;
mod lanes;
pub(crate) mod notes;
mod pass;
pub(crate) mod record;
pub(crate) mod returns;
pub(crate) mod route;
pub(crate) mod shard;
pub(crate) mod trace;
mod window;
pub(crate) mod worker;

#[cfg(test)]
mod tests;
