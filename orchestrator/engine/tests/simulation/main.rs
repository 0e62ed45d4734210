//! The engine under a seeded simulation: the real shards, returns, reconciler, scheduler and recorder on a broker, a
//! store and a container engine in memory, in one thread, on a clock that jumps.
//!
//! A seed decides everything: the template, the messages, what the component does with them, what goes wrong and when,
//! and how late each confirm is. Then the trouble ends, everything must drain, and the verdict says what was lost,
//! invented, changed, acknowledged too early, or tried too often. `docs/reliability.md` says how to run one seed again.

mod containers;
mod deeds;
mod dice;
mod observer;
mod plan;
mod process;
mod reference;
mod schedules;
mod shape;
mod simulate;
mod source;
mod troubles;
mod verdict;
mod world;
