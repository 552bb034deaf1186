//! The plan of a run: the delivery of the task that each fault befalls.

use super::fault::{Fault, Injection, Place};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The faults of a run. Where there are several at one place, those that happen once come first, one a
/// delivery.
#[derive(Debug)]
pub(super) struct Plan {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    to_come: BTreeMap<Place, Vec<Fault>>,
    is_delivered: BTreeSet<(Place, Fault)>,
    happened: BTreeSet<(Place, Fault)>,
    held: BTreeMap<&'static str, watch::Sender<bool>>,
    /// Nothing is held up any more.
    is_over: bool,
}

impl Plan {
    pub(super) fn of(injections: &[Injection]) -> Self {
        let reasons = injections.iter().filter_map(|injection| injection.because);
        let faults = injections.iter().map(|injection| (injection.place, injection.fault));
        let mut to_come: BTreeMap<Place, Vec<Fault>> = BTreeMap::new();
        for (place, fault) in faults.chain(reasons) {
            let at_place = to_come.entry(place).or_default();
            if !at_place.contains(&fault) {
                at_place.push(fault);
            }
        }
        for at_place in to_come.values_mut() {
            at_place.sort_by_key(|fault| !fault.is_once());
        }
        Self { state: Mutex::new(State { to_come, ..State::default() }) }
    }

    /// Returns the fault of the next delivery at a place.
    pub(super) fn next(&self, place: Place) -> Option<Fault> {
        let mut state = self.lock();
        let at_place = state.to_come.get_mut(&place)?;
        let fault = *at_place.iter().find(|fault| !fault.is_of_the_machine())?;
        if fault.is_once() {
            at_place.retain(|other| *other != fault);
        }
        Some(fault)
    }

    /// Returns whether a fault is still to come at a place.
    pub(super) fn is_to_come(&self, place: Place, fault: Fault) -> bool {
        self.lock().to_come.get(&place).is_some_and(|faults| faults.contains(&fault))
    }

    /// Returns whether a place has a fault that no single delivery has.
    pub(super) fn has(&self, place: Place, fault: Fault) -> bool {
        let has = self.is_to_come(place, fault);
        if has {
            self.happened(place, fault);
        }
        has
    }

    /// Returns whether this is the first delivery that a fault befalls.
    pub(super) fn is_first(&self, place: Place, fault: Fault) -> bool {
        self.lock().is_delivered.insert((place, fault))
    }

    pub(super) fn happened(&self, place: Place, fault: Fault) {
        self.lock().happened.insert((place, fault));
    }

    /// Returns whether an injected fault took effect in full.
    pub(super) fn has_happened(&self, injection: &Injection) -> bool {
        self.lock().happened.contains(&(injection.place, injection.fault))
    }

    /// Turns true when a step that is held up may go on.
    pub(super) fn released(&self, step: &'static str) -> watch::Receiver<bool> {
        let mut state = self.lock();
        let is_over = state.is_over;
        state.held.entry(step).or_insert_with(|| watch::Sender::new(is_over)).subscribe()
    }

    /// Lets go of a step that is held up.
    pub(super) fn release(&self, step: &str) {
        if let Some(held) = self.lock().held.get(step) {
            held.send_replace(true);
        }
    }

    pub(super) fn release_all(&self) {
        let mut state = self.lock();
        state.is_over = true;
        for held in state.held.values() {
            held.send_replace(true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// Returns whether the fault befalls the state machine, not a delivery.
    fn is_of_the_machine(self) -> bool {
        matches!(self, Self::DeadlinePassed | Self::NobodyAnswers | Self::AnswerIsLost)
    }
}
