//! Everything that can go wrong, one fault after another, and each two of them together.

use super::{Injection, SagaRun, SagaTest};
use std::{
    any::Any,
    collections::BTreeSet,
    env,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// The environment variable that names the one run of a loop that is wanted.
const WANTED: &str = "THROUGHLINE_FAULTS";
/// The environment variable that asks for every pair of faults where a test would run some.
const ALL_PAIRS: &str = "THROUGHLINE_ALL_PAIRS";
/// The text between the names of two faults.
const AND: &str = "; and ";

/// The result of a loop over faults.
#[derive(Debug, Default)]
struct Figures {
    runs: AtomicUsize,
    /// The first run that the invariant did not hold for.
    wrong: Mutex<Option<String>>,
}

impl<P: Send + Sync + 'static> SagaTest<P> {
    /// Runs it with every fault there is, and asks each time whether the invariant holds: a function that
    /// panics if not. Returns how many runs there were, for the test to hold against what the definition says.
    ///
    /// # Panics
    /// If the invariant does not hold, naming the fault and how to run it alone; or if a fault did not come
    /// about.
    pub fn every_fault(&self, invariant: impl Fn(&SagaRun<P>) + Sync) -> usize {
        let runs: Vec<_> = self.faults().into_iter().map(|fault| vec![fault]).collect();
        self.run_all(&runs, &|run: &SagaRun<P>| {
            assert_eq!(run.happened, run.injections, "the fault did not come about");
            invariant(run);
        })
    }

    /// The same with each two faults. Of two, one may keep the other from coming about.
    ///
    /// # Panics
    /// If the invariant does not hold.
    pub fn every_pair_of_faults(&self, invariant: impl Fn(&SagaRun<P>) + Sync) -> usize {
        self.run_all(&self.pairs(), &invariant)
    }

    /// The same with so many pairs of faults, chosen by a seed: the pairs of a long saga are tens of thousands, which
    /// take minutes. Prints the seed and of how many it chose. If the environment variable `THROUGHLINE_ALL_PAIRS` is
    /// set, every pair is run. Returns how many runs there were.
    ///
    /// # Panics
    /// If the invariant does not hold.
    pub fn pairs_of_faults(&self, seed: u64, count: usize, invariant: impl Fn(&SagaRun<P>) + Sync) -> usize {
        // A run that is named must be found.
        if env::var_os(ALL_PAIRS).is_some() || env::var_os(WANTED).is_some() {
            return self.every_pair_of_faults(invariant);
        }
        let pairs = self.pairs();
        let all = pairs.len();
        let chosen = fastrand::Rng::with_seed(seed).choose_multiple(pairs, count);
        println!("{} of {all} pairs of faults, chosen by seed {seed}; {ALL_PAIRS}=1 runs all", chosen.len());
        self.run_all(&chosen, &invariant)
    }

    fn pairs(&self) -> Vec<Vec<Injection>> {
        let faults = self.faults();
        let with_later = |(at, first): (usize, &Injection)| -> Vec<_> {
            faults[at + 1..].iter().map(|second| vec![*first, *second]).collect()
        };
        faults.iter().enumerate().flat_map(with_later).collect()
    }

    /// Replaces each undo in turn by one that does nothing, and returns those for which the loop over every
    /// fault nevertheless passes: the invariant misses nothing without them.
    pub fn idle_undos_not_missed(&self, invariant: impl Fn(&SagaRun<P>) + Sync) -> Vec<&'static str> {
        let view = self.view();
        let faults = self.faults();
        let reached: BTreeSet<_> = faults.iter().map(|fault| fault.place.step).collect();
        let undone = view.steps().filter(|step| step.has_undo && reached.contains(step.name));
        let is_missed = |step: &str| {
            let idle = self.with_idle_undo(step);
            faults.iter().any(|fault| idle.wrong(&[*fault], &invariant).is_some())
        };
        undone.map(|step| step.name).filter(|step| !is_missed(step)).collect()
    }

    fn with_idle_undo(&self, step: &str) -> SagaTestOf<'_, P> {
        SagaTestOf { test: self, saga: self.saga.with_idle_undo(step) }
    }

    /// On every processor there is; the first thing that is wrong fails the test.
    fn run_all(&self, runs: &[Vec<Injection>], invariant: &(impl Fn(&SagaRun<P>) + Sync)) -> usize {
        let wanted = env::var(WANTED).ok();
        let is_wanted = |run: &[Injection]| wanted.as_ref().is_none_or(|wanted| *wanted == names(run));
        let figures = Figures::default();
        let original = SagaTestOf { test: self, saga: self.saga.clone() };
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| {
                    while let Some(run) = runs.get(next.fetch_add(1, Ordering::SeqCst)) {
                        let wrong = is_wanted(run).then(|| original.wrong(run, invariant)).flatten();
                        figures.runs.fetch_add(1, Ordering::SeqCst);
                        if let Some(wrong) = wrong {
                            figures.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wrong);
                            next.store(runs.len(), Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        let wrong = figures.wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = wrong {
            panic!("{wrong}");
        }
        figures.runs.into_inner()
    }
}

/// A saga under test, or one with a change.
struct SagaTestOf<'a, P> {
    test: &'a SagaTest<P>,
    saga: throughline_core::Saga<P>,
}

impl<P: Send + Sync + 'static> SagaTestOf<'_, P> {
    /// Returns the complaint about a run, if there is one.
    fn wrong(&self, injections: &[Injection], invariant: &impl Fn(&SagaRun<P>)) -> Option<String> {
        let worker = throughline_core::saga::Worker::new(self.saga.clone(), (self.test.services)());
        let run = self.test.run_worker(worker, injections);
        let asked = catch_unwind(AssertUnwindSafe(|| {
            assert_eq!(run.complaints, Vec::<String>::new());
            invariant(&run);
        }));
        let why = text(&*asked.err()?);
        let names = names(injections);
        Some(format!("with this fault: {names}\n{why}\n{run}\nto run it alone: {WANTED}='{names}'"))
    }
}

fn names(injections: &[Injection]) -> String {
    injections.iter().map(ToString::to_string).collect::<Vec<_>>().join(AND)
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
