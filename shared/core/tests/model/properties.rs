//! Properties that must never be violated.

use crate::{
    ledger::Index,
    scenarios::{Handler, Scenario},
    state::State,
    steps::Model,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Property {
    /// An event has no effects, and nobody will ever bring them about: it is acknowledged, nobody is at work
    /// on it, and it is not in the dead-letter queue.
    LostEvent,
    /// An event was saved, emitted or charged twice.
    DoubledEffect,
    /// An event's save can be seen without its message, or its message without its save.
    HalfDone,
    /// An event's change was overwritten by a worker that had not seen it.
    LostUpdate,
    /// Two events each did what the other's effect forbids.
    WriteSkew,
    /// In a FIFO group an event has its effects before an earlier one has, or is rejected.
    OutOfOrder,
    /// Somebody finished or gave back a claim that somebody else holds.
    ZombieWrite,
    /// Two calls about one event were going on outside at the same time.
    OverlappingCalls,
    /// An event is in the dead-letter queue that nothing was wrong with.
    GivenUp,
    /// A message cannot be finished, not even by a worker that nothing disturbs after all others are gone.
    Stuck,
    /// An attempt was told to wait for its own lease, or for its own batch's.
    WaitedForItself,
    /// An attempt was told to wait for an invocation that had ended.
    WaitedForNobody,
    /// An attempt called its own work a duplicate.
    DisownedWork,
    /// A redelivered event whose work was finished before ran its handler again.
    RanForNothing,
}

/// Every property that does not hold in a state.
pub(crate) fn broken(model: &Model, state: &State) -> impl Iterator<Item = Property> {
    let scenario = &model.scenario;
    let any = |is_so: fn(&Scenario, &State, Index) -> bool| {
        (0..scenario.events.len()).any(|event| is_so(scenario, state, event))
    };
    let checks = [
        (any(is_lost), Property::LostEvent),
        (any(is_doubled), Property::DoubledEffect),
        (any(is_half_done), Property::HalfDone),
        (any(is_overwritten), Property::LostUpdate),
        (is_nobody_on_call(scenario, state), Property::WriteSkew),
        (scenario.is_fifo && any(is_too_early), Property::OutOfOrder),
        (any(is_called_twice_at_once), Property::OverlappingCalls),
        (state.letters.iter().any(|(_, cause)| !cause.is_the_messages_fault()), Property::GivenUp),
        (is_stuck(model, state), Property::Stuck),
    ];
    let seen = checks.into_iter().filter_map(|(is_broken, property)| is_broken.then_some(property));
    seen.chain(state.breach)
}

fn is_lost(_: &Scenario, state: &State, event: Index) -> bool {
    let is_waiting = state.records.iter().any(|record| record.event == event && !record.is_acknowledged);
    let is_in_work = state.tasks().any(|(_, task)| task.event == event);
    let is_in_letters = state.letters.iter().any(|(letter, _)| *letter == event);
    !is_waiting && !is_in_work && !is_in_letters && !state.has_effects(event)
}

fn is_doubled(_: &Scenario, state: &State, event: Index) -> bool {
    let effects = state.ledger.effects[event];
    effects.saved.max(effects.emitted).max(effects.charged) > 1
}

fn is_half_done(_: &Scenario, state: &State, event: Index) -> bool {
    let effects = state.ledger.effects[event];
    effects.saved != effects.emitted
}

fn is_overwritten(scenario: &Scenario, state: &State, event: Index) -> bool {
    let entity = state.ledger.entities[scenario.events[event].entity];
    state.ledger.effects[event].saved > 0 && !entity.has_change_of(event)
}

fn is_too_early(_: &Scenario, state: &State, event: Index) -> bool {
    let is_open = |earlier: Index| {
        !state.has_effects(earlier) && state.letters.iter().all(|(letter, _)| *letter != earlier)
    };
    state.has_effects(event) && (0..event).any(is_open)
}

/// Only where invocations end in time: what a zombie has started nobody can stop.
fn is_called_twice_at_once(scenario: &Scenario, state: &State, event: Index) -> bool {
    !scenario.has_zombies && state.calls(event) > 1
}

fn is_nobody_on_call(scenario: &Scenario, state: &State) -> bool {
    scenario.handler == Handler::GoesOffCall
        && state.ledger.entities.iter().all(|doctor| doctor.changed_by != 0)
}

/// A worker can always crash, so whatever can be reached can be reached without workers, too: it is enough
/// to look there.
fn is_stuck(model: &Model, state: &State) -> bool {
    let is_left = |record: Index| {
        let end = model.undisturbed(state, record);
        !state.records[record].is_acknowledged && end.is_some_and(|end| !end.records[record].is_acknowledged)
    };
    state.workers.is_empty() && (0..state.records.len()).any(is_left)
}
