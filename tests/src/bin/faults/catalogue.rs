//! All faults, in the order of their numbers.

use futures_util::future::BoxFuture;

use crate::row::Row;
use crate::stage::Cx;
use crate::{broker, engine, flows, left_out, network, payloads, processes, store};

/// Runs a fault.
pub(crate) type Runner = for<'a> fn(&'a mut Cx) -> BoxFuture<'a, anyhow::Result<Row>>;

/// A fault.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// As in the table.
    pub(crate) number: &'static str,
    pub(crate) name: &'static str,
    /// How it is made.
    pub(crate) inject: &'static str,
    /// How it ends.
    pub(crate) undo: &'static str,
    /// What has to be so, besides what every run has to keep.
    pub(crate) expected: &'static str,
    pub(crate) how: How,
}

/// What shows how a fault ends.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// A run of this program.
    Runs(Runner),
    /// Something else that runs with the tests.
    Shown(&'static str),
    /// Nothing here, and why.
    LeftOut(&'static str),
}

/// All faults.
pub(crate) fn all() -> Vec<Fault> {
    let groups = [
        processes::FAULTS,
        broker::FAULTS,
        network::FAULTS,
        engine::FAULTS,
        store::FAULTS,
        payloads::FAULTS,
        flows::FAULTS,
        left_out::FAULTS,
    ];
    let mut all: Vec<Fault> = groups.into_iter().flatten().copied().collect();
    all.sort_by_key(|fault| order(fault.number));
    all
}

/// `F14a` comes after `F9`.
fn order(number: &str) -> (u32, String) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u32::MAX), number.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_fault_of_the_matrix_is_there_once() {
        let all = super::all();
        let numbers: BTreeSet<&str> = all.iter().map(|fault| fault.number).collect();
        assert_eq!(numbers.len(), all.len(), "a number is there twice");
        for number in 1..=50 {
            let number = format!("F{number}");
            let there = |known: &&str| known.trim_end_matches(char::is_alphabetic) == number;
            assert!(numbers.iter().any(there), "{number} is missing");
        }
    }
}
