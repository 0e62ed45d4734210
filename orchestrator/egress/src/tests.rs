//! The proxy with real sockets: rules that are set by hand, hosts that are found by hand.

mod cutting;
mod requests;
mod rig;
mod tunnels;
