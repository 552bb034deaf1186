//! A provider outside: it remembers what it did under which idempotency key.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use throughline_core::Failure;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Booking {
    Stands {
        id: String,
    },
    TakenBack,
    /// Nothing came under this key, and nothing may any more.
    Void,
}

/// Books by idempotency key, takes back by id, and voids by key.
#[derive(Debug, Default)]
pub(crate) struct Provider(Mutex<BTreeMap<String, Booking>>);

impl Provider {
    /// Books, once for each key.
    pub(crate) fn book(&self, what: &str, key: &str) -> Result<String, Failure> {
        let mut books = self.books();
        let id = format!("{what}-{}", books.len() + 1);
        match books.entry(key.to_owned()).or_insert(Booking::Stands { id }) {
            Booking::Stands { id } => Ok(id.clone()),
            Booking::TakenBack | Booking::Void => Err(Failure::reject("this key is void").named("KeyIsVoid")),
        }
    }

    /// Takes back what has this id.
    pub(crate) fn take_back(&self, id: &str) {
        for booking in self.books().values_mut() {
            if matches!(booking, Booking::Stands { id: stands } if stands == id) {
                *booking = Booking::TakenBack;
            }
        }
    }

    /// Takes back what came under a key, and refuses what will.
    pub(crate) fn void(&self, key: &str) {
        let mut books = self.books();
        let booking = books.entry(key.to_owned()).or_insert(Booking::Void);
        if matches!(booking, Booking::Stands { .. }) {
            *booking = Booking::TakenBack;
        }
    }

    /// How many bookings stand.
    pub(crate) fn standing(&self) -> usize {
        self.books().values().filter(|booking| matches!(booking, Booking::Stands { .. })).count()
    }

    /// How many keys it has seen.
    pub(crate) fn keys(&self) -> usize {
        self.books().len()
    }

    fn books(&self) -> MutexGuard<'_, BTreeMap<String, Booking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
