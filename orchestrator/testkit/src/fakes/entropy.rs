//! Randomness that counts, so that tests can tell ids beforehand.

use std::sync::atomic::{AtomicU64, Ordering};

use sluice_ports::Entropy;

/// Gives 1, 2, 3 and so on.
#[derive(Debug, Default)]
pub struct CountingEntropy(AtomicU64);

impl CountingEntropy {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Entropy for CountingEntropy {
    fn bits(&self) -> u128 {
        u128::from(self.next())
    }

    fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        secret[24..].copy_from_slice(&self.next().to_be_bytes());
        secret
    }
}
