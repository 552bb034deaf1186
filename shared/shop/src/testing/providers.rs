//! Providers that keep their promise: a request happens once for its key, and never once the key is voided.

use crate::{Charge, Charged, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The fate of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// It happened, to this amount.
    Happened(u64),
    /// It happened, and was undone.
    Undone,
    /// It must not happen any more.
    Voided,
}

#[derive(Debug, Default)]
struct Book(Mutex<BTreeMap<String, Entry>>);

impl Book {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the request takes effect, or took effect before.
    fn happens(&self, key: &str, amount: u64) -> bool {
        *self.entries().entry(key.to_owned()).or_insert(Entry::Happened(amount)) != Entry::Voided
    }

    fn undo(&self, key: &str) -> bool {
        self.entries().get_mut(key).map(|entry| *entry = Entry::Undone).is_some()
    }

    fn void(&self, key: &str) {
        let mut entries = self.entries();
        let entry = entries.entry(key.to_owned()).or_insert(Entry::Voided);
        if let Entry::Happened(_) = entry {
            *entry = Entry::Undone;
        }
    }

    fn left(&self) -> Vec<u64> {
        self.entries()
            .values()
            .filter_map(|entry| match entry {
                Entry::Happened(amount) => Some(*amount),
                Entry::Undone | Entry::Voided => None,
            })
            .collect()
    }
}

/// Takes and gives back money. A charge's id is its key.
#[derive(Debug, Default)]
pub struct PaymentProvider(Book);

impl PaymentProvider {
    /// Returns the cents that the provider has in the end.
    pub fn paid(&self) -> u64 {
        self.0.left().into_iter().sum()
    }

    /// Returns the number of charges, refunded ones included.
    pub fn charges(&self) -> usize {
        self.0.entries().values().filter(|entry| **entry != Entry::Voided).count()
    }
}

impl Payments for PaymentProvider {
    async fn charge(&self, charge: &Charge, key: &str) -> Result<Charged, PaymentError> {
        if self.0.happens(key, charge.amount.cents) {
            Ok(Charged { charge_id: key.to_owned() })
        } else {
            Err(PaymentError::Unavailable("the key was voided".into()))
        }
    }

    async fn refund(&self, charge_id: &str, _: &str) -> Result<(), PaymentError> {
        if self.0.undo(charge_id) { Ok(()) } else { Err(PaymentError::Declined("no such charge".into())) }
    }

    async fn void(&self, charge_key: &str) -> Result<(), PaymentError> {
        self.0.void(charge_key);
        Ok(())
    }
}

/// Ships and takes back. A shipment's id is its key.
#[derive(Debug, Default)]
pub struct Carrier(Book);

impl Carrier {
    /// Returns the number of shipments that are on their way.
    pub fn under_way(&self) -> usize {
        self.0.left().len()
    }
}

impl Shipping for Carrier {
    async fn create(&self, _: &ShipmentRequest, key: &str) -> Result<Shipment, ShippingError> {
        if self.0.happens(key, 1) {
            Ok(Shipment { shipment_id: key.to_owned() })
        } else {
            Err(ShippingError::Unavailable("the key was voided".into()))
        }
    }

    async fn cancel(&self, shipment_id: &str, _: &str) -> Result<(), ShippingError> {
        if self.0.undo(shipment_id) {
            Ok(())
        } else {
            Err(ShippingError::Undeliverable("no such shipment".into()))
        }
    }

    async fn void(&self, shipment_key: &str) -> Result<(), ShippingError> {
        self.0.void(shipment_key);
        Ok(())
    }
}
