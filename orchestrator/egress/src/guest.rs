//! Places for connections: so many in all, and so many for each address that they come from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Places(Arc<Inner>);

struct Inner {
    taken: Mutex<HashMap<IpAddr, usize>>,
    in_all: usize,
    from_address: usize,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    pub(crate) fn new(in_all: usize, from_address: usize) -> Self {
        Self(Arc::new(Inner { taken: Mutex::default(), in_all, from_address }))
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from this address; nothing when all are taken.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let sum: usize = taken.values().sum();
        let of_it = taken.get(&address).copied().unwrap_or_default();
        if sum >= self.0.in_all || of_it >= self.0.from_address {
            return None;
        }
        taken.insert(address, of_it + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let (one, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let places = Places::new(3, 2);
        let (first, second) = (places.take(one).unwrap(), places.take(one).unwrap());
        assert!(places.take(one).is_none());
        let third = places.take(other).unwrap();
        assert!(places.take(other).is_none(), "all are taken");
        drop((first, third));
        assert!(places.take(one).is_some());
        drop(second);
        assert!(places.taken().is_empty());
    }
}
