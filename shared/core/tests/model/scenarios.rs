//! Small worlds, each made for some of the rules.

use crate::ledger::{Index, Time};
use std::ops::RangeInclusive;

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) handler: Handler,
    pub(crate) events: Vec<Event>,
    /// The event of each record in the source: a source may hold copies.
    pub(crate) records: Vec<Index>,
    /// The most deliveries of a record.
    pub(crate) deliveries: u8,
    /// The most records that a worker gets: one or two.
    pub(crate) batch: usize,
    /// Whether the records are one FIFO group, in which they are delivered and run in order.
    pub(crate) is_fifo: bool,
    /// Whether a worker may outlive its invocation's deadline.
    pub(crate) has_zombies: bool,
    /// The last moment.
    pub(crate) end: Time,
    /// The lifetime of a claim, if the rule about it holds.
    pub(crate) claim_lifetime: Time,
    /// Whether there is a reason to reject each of the events, in some run.
    pub(crate) may_reject: bool,
}

/// A handler. All save the event's entity and emit one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    /// Optimistic: saves whatever it finds, as a deposit does.
    Adds,
    /// Optimistic: refuses what is settled, as a second settlement of an invoice is.
    Settles,
    /// Optimistic: a doctor goes off call only while the other is on call.
    GoesOffCall,
    /// Leased: charges somebody through the world outside.
    Charges,
}

#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The identity of which its claim's key is made.
    pub(crate) identity: Index,
    pub(crate) payload: u8,
    pub(crate) entity: Index,
    /// Whether the handler refuses the event until a fix is deployed.
    pub(crate) is_poisoned: bool,
    /// Whether a later version of the code cannot read the event.
    pub(crate) is_outgrown: bool,
    /// While it may be delivered.
    pub(crate) delivered: RangeInclusive<Time>,
}

const EVENT: Event =
    Event { identity: 0, payload: 0, entity: 0, is_poisoned: false, is_outgrown: false, delivered: 0..=0 };
const SECOND: Event = Event { identity: 1, ..EVENT };

/// One moment, one handler that adds, one record at a time, each delivered twice at most.
fn small(name: &'static str, events: &[Event], records: &[Index]) -> Scenario {
    Scenario {
        name,
        handler: Handler::Adds,
        events: events.to_vec(),
        records: records.to_vec(),
        deliveries: 2,
        batch: 1,
        is_fifo: false,
        has_zombies: false,
        end: 0,
        claim_lifetime: 3,
        may_reject: false,
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    vec![
        one_event(),
        one_event_and_its_copy(),
        two_events_change_one_entity(),
        two_doctors_go_off_call(),
        work_that_cannot_be_done_twice(),
        work_whose_type_changes(),
        two_payloads_under_one_identity(),
        a_poisoned_event_is_fixed_and_redriven(),
        an_event_that_is_run_again_after_its_claim_expired(),
        a_batch_of_two_events(),
        a_batch_about_one_entity(),
        a_batch_with_a_twin(),
        a_batch_of_a_fifo_group(),
        leased_work(),
        leased_work_and_zombies(),
        leased_twins_in_a_batch(),
        a_leased_batch_and_zombies(),
        leased_work_and_another_payload(),
        leased_work_that_is_rejected(),
    ]
}

pub(crate) fn one_event() -> Scenario {
    Scenario { deliveries: 3, ..small("one event", &[EVENT], &[0]) }
}

pub(crate) fn one_event_and_its_copy() -> Scenario {
    small("one event and its copy", &[EVENT], &[0, 0])
}

pub(crate) fn two_events_change_one_entity() -> Scenario {
    small("two events change one entity", &[EVENT, SECOND], &[0, 1])
}

pub(crate) fn two_doctors_go_off_call() -> Scenario {
    let doctors = [EVENT, Event { entity: 1, ..SECOND }];
    Scenario {
        handler: Handler::GoesOffCall,
        may_reject: true,
        ..small("two doctors go off call", &doctors, &[0, 1])
    }
}

pub(crate) fn work_that_cannot_be_done_twice() -> Scenario {
    Scenario { handler: Handler::Settles, ..small("work that cannot be done twice", &[EVENT], &[0, 0]) }
}

pub(crate) fn work_whose_type_changes() -> Scenario {
    let outgrown = Event { is_outgrown: true, ..EVENT };
    Scenario { may_reject: true, ..small("work whose type changes", &[outgrown], &[0]) }
}

pub(crate) fn two_payloads_under_one_identity() -> Scenario {
    let pretender = Event { payload: 1, entity: 1, ..EVENT };
    Scenario { may_reject: true, ..small("two payloads under one identity", &[EVENT, pretender], &[0, 1]) }
}

pub(crate) fn a_poisoned_event_is_fixed_and_redriven() -> Scenario {
    let poisoned = Event { is_poisoned: true, ..EVENT };
    Scenario { may_reject: true, ..small("a poisoned event is fixed and redriven", &[poisoned], &[0]) }
}

/// An operator may accept that an old event runs again: its claim has expired, swept or not.
pub(crate) fn an_event_that_is_run_again_after_its_claim_expired() -> Scenario {
    let first = Event { delivered: 0..=1, ..EVENT };
    let again = Event { entity: 1, delivered: 4..=4, ..EVENT };
    Scenario { end: 4, ..small("an event is run again after its claim expired", &[first, again], &[0, 1]) }
}

pub(crate) fn a_batch_of_two_events() -> Scenario {
    let other = Event { entity: 1, ..SECOND };
    Scenario { batch: 2, ..small("a batch of two events", &[EVENT, other], &[0, 1]) }
}

pub(crate) fn a_batch_about_one_entity() -> Scenario {
    Scenario { batch: 2, ..small("a batch about one entity", &[EVENT, SECOND], &[0, 1]) }
}

pub(crate) fn a_batch_with_a_twin() -> Scenario {
    let other = Event { entity: 1, ..SECOND };
    Scenario { batch: 2, deliveries: 1, ..small("a batch with a twin", &[EVENT, other], &[0, 0, 1]) }
}

pub(crate) fn a_batch_of_a_fifo_group() -> Scenario {
    Scenario { batch: 2, is_fifo: true, ..small("a batch of a FIFO group", &[EVENT, SECOND], &[0, 1]) }
}

pub(crate) fn leased_work() -> Scenario {
    let event = Event { delivered: 0..=2, ..EVENT };
    Scenario { handler: Handler::Charges, deliveries: 3, end: 2, ..small("leased work", &[event], &[0]) }
}

pub(crate) fn leased_work_and_zombies() -> Scenario {
    let event = Event { delivered: 0..=1, ..EVENT };
    Scenario {
        handler: Handler::Charges,
        has_zombies: true,
        end: 1,
        ..small("leased work, its copy and zombies", &[event], &[0, 0])
    }
}

pub(crate) fn leased_twins_in_a_batch() -> Scenario {
    let event = Event { delivered: 0..=1, ..EVENT };
    Scenario {
        handler: Handler::Charges,
        batch: 2,
        end: 1,
        ..small("leased twins in a batch", &[event], &[0, 0])
    }
}

pub(crate) fn a_leased_batch_and_zombies() -> Scenario {
    let event = Event { delivered: 0..=1, ..EVENT };
    let other = Event { entity: 1, ..SECOND };
    Scenario {
        handler: Handler::Charges,
        deliveries: 1,
        batch: 2,
        has_zombies: true,
        end: 1,
        ..small("a leased batch, a copy and zombies", &[event, other], &[0, 0, 1])
    }
}

pub(crate) fn leased_work_and_another_payload() -> Scenario {
    let pretender = Event { payload: 1, entity: 1, ..EVENT };
    Scenario {
        handler: Handler::Charges,
        may_reject: true,
        ..small("leased work, another payload", &[EVENT, pretender], &[0, 1])
    }
}

pub(crate) fn leased_work_that_is_rejected() -> Scenario {
    let poisoned = Event { is_poisoned: true, ..EVENT };
    Scenario {
        handler: Handler::Charges,
        may_reject: true,
        ..small("leased work that is rejected", &[poisoned], &[0])
    }
}
