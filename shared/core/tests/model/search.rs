//! Every state that can be reached, breadth first: the first way to a broken property is a shortest one.

use crate::{
    actions::{Action, Step},
    ledger::Index,
    properties::{Property, broken},
    rules::Rules,
    scenarios::Scenario,
    state::State,
    steps::Model,
};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

/// A scenario must stay below: more would take too long.
const MOST_STATES: usize = 100_000;

/// The findings of a search.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) moves: usize,
    pub(crate) actions: BTreeSet<Action>,
    /// Events that had their effects and were acknowledged, in some state.
    pub(crate) finished: BTreeSet<Index>,
    /// Events that were in the dead-letter queue, in some state.
    pub(crate) rejected: BTreeSet<Index>,
    /// The shortest way to each property that is broken.
    pub(crate) broken: BTreeMap<Property, Vec<Step>>,
}

/// The origin of a state: the state before, and the step.
type Origin = Option<(Index, Step)>;

/// Explores all of a scenario, or until this property is broken.
pub(crate) fn explore(scenario: Scenario, rules: Rules, until: Option<Property>) -> Report {
    let model = Model { scenario, rules };
    let mut report = Report::default();
    let initial = State::initial(&model.scenario);
    let mut known = HashSet::from([initial.canonical()]);
    let mut origins: Vec<Origin> = vec![None];
    let mut waiting = VecDeque::from([(0, initial)]);
    while let Some((index, state)) = waiting.pop_front() {
        for (step, next) in model.moves(&state) {
            report.moves += 1;
            report.actions.insert(step.action);
            if !known.insert(next.canonical()) {
                continue;
            }
            origins.push(Some((index, step)));
            report.note(&model, &next, &origins);
            if until.is_some_and(|until| report.broken.contains_key(&until)) {
                return report;
            }
            waiting.push_back((origins.len() - 1, next));
        }
        assert!(known.len() < MOST_STATES, "`{}` has too many states", model.scenario.name);
    }
    report
}

impl Report {
    fn note(&mut self, model: &Model, state: &State, origins: &[Origin]) {
        self.states = origins.len();
        let acknowledged = state.records.iter().filter(|record| record.is_acknowledged);
        let finished = acknowledged.map(|record| record.event).filter(|event| state.has_effects(*event));
        self.finished.extend(finished);
        self.rejected.extend(state.letters.iter().map(|(event, _)| *event));
        for property in broken(model, state) {
            self.broken.entry(property).or_insert_with(|| way_to_last(origins));
        }
    }
}

fn way_to_last(origins: &[Origin]) -> Vec<Step> {
    let last = origins.last().copied().flatten();
    let mut steps: Vec<_> =
        std::iter::successors(last, |(before, _)| origins[*before]).map(|(_, step)| step).collect();
    steps.reverse();
    steps
}
