//! A redrive of three queues that is killed before and after each of its writes, and then resumed.

use super::*;
use crate::letters::{
    redrive::{edit::Edits, protocol::Entry},
    selection::Selection,
};
use std::collections::BTreeMap;

const QUEUES: [&str; 3] = ["confirm-order", "notify-customer", "place-order"];
const LETTERS: usize = 2;

/// The contents of one of three queues.
#[derive(Debug, Clone, Default)]
struct Kept {
    letters: usize,
    journal: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct World {
    queues: BTreeMap<&'static str, Kept>,
    moments: usize,
    lives: Option<usize>,
}

/// The error of a killed process.
struct Killed;

impl World {
    fn new() -> Self {
        let kept = Kept { letters: LETTERS, ..Kept::default() };
        Self { queues: QUEUES.map(|name| (name, kept.clone())).into(), moments: 0, lives: None }
    }

    fn moment(&mut self) -> Result<(), Killed> {
        self.moments += 1;
        if self.lives.is_some_and(|lives| self.moments > lives) { Err(Killed) } else { Ok(()) }
    }

    fn write(&mut self, queue: &str, entry: Entry) -> Result<(), Killed> {
        self.moment()?;
        self.kept(queue).journal.push(entry);
        self.moment()
    }

    fn kept(&mut self, queue: &str) -> &mut Kept {
        self.queues.get_mut(queue).expect("it is one of the three")
    }

    fn states(&self) -> Vec<(&'static str, JournalState)> {
        let state = |kept: &Kept| {
            kept.journal.iter().fold(JournalState::default(), |mut state, entry| {
                state.apply(entry);
                state
            })
        };
        self.queues.iter().map(|(name, kept)| (*name, state(kept))).collect()
    }

    fn is_begun(&self) -> bool {
        self.queues.values().any(|kept| !kept.journal.is_empty())
    }

    /// Runs one process: a redrive of all letters, or the resumption of one.
    fn run(&mut self, asked: Option<&Asked>, second: i64, lives: Option<usize>) -> Result<(), Killed> {
        (self.moments, self.lives) = (0, lives);
        let states = self.states();
        let states: Vec<_> = states.iter().map(|(name, state)| (*name, state)).collect();
        let starts = match asked {
            Some(asked) => begun(&states, asked, at(second)).unwrap().expect("it is the same"),
            None => resumed(&states).unwrap(),
        };
        for (name, start) in QUEUES.into_iter().zip(&starts) {
            if let Start::Begin { at, asked } = start {
                let asked = serde_json::to_value(asked).unwrap();
                self.write(name, Entry::Begun { at: *at, asked })?;
            }
        }
        for (name, start) in QUEUES.into_iter().zip(starts) {
            if start != Start::Nothing {
                while self.queues[name].letters > 0 {
                    self.moment()?;
                    self.kept(name).letters -= 1;
                }
                self.write(name, Entry::Finished)?;
            }
        }
        Ok(())
    }

    fn left(&self) -> Vec<usize> {
        self.queues.values().map(|kept| kept.letters).collect()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn all() -> Asked {
    Asked { selection: Selection::default(), edits: Edits::default(), accept_rerun: false }
}

#[test]
fn killed_at_any_moment_twice_whoever_goes_on_does_so_in_every_queue() {
    let mut whole = World::new();
    assert!(whole.run(Some(&all()), 1, None).is_ok());
    for first in 0..whole.moments {
        for second in 0..=whole.moments {
            for asked in [None, Some(all())] {
                let mut world = World::new();
                assert!(world.run(Some(&all()), 1, Some(first)).is_err());
                if !world.is_begun() {
                    continue;
                }
                _ = world.run(asked.as_ref(), 2, Some(second));
                assert!(world.run(None, 3, None).is_ok());
                assert_eq!(world.left(), [0, 0, 0], "killed after {first} and {second} moments, {asked:?}");
                assert!(world.states().iter().all(|(_, state)| state.unfinished().is_none()));
            }
        }
    }
}

#[test]
fn what_came_into_a_queue_after_it_was_finished_is_not_gone_on_with() {
    let mut world = World::new();
    let begun_in_all = QUEUES.len() * 2;
    assert!(world.run(Some(&all()), 1, Some(begun_in_all + LETTERS + 2)).is_err());
    assert_eq!(world.left(), [0, 2, 2]);
    world.kept(QUEUES[0]).letters = 1;
    assert!(world.run(None, 2, None).is_ok());
    assert_eq!(world.left(), [1, 0, 0]);
    assert!(world.run(None, 3, None).is_ok(), "there is nothing to go on with");
    assert_eq!(world.left(), [1, 0, 0]);
}

#[test]
fn a_queue_that_was_not_meant_is_left_alone() {
    let mut world = World::new();
    let selection = Selection { queue: vec![QUEUES[1].into()], ..Selection::default() };
    let asked = serde_json::to_value(Asked { selection, ..all() }).unwrap();
    world.kept(QUEUES[1]).journal.push(Entry::Begun { at: at(1), asked });
    assert!(world.run(None, 2, None).is_ok());
    assert_eq!(world.left(), [2, 0, 2]);
}

#[test]
fn another_redrive_that_was_interrupted_is_named_without_what_it_puts_into_letters() {
    let mut world = World::new();
    let edits = Edits::read(None, &["data.customer=Ada".to_owned()]).unwrap();
    let asked = serde_json::to_value(Asked { edits, ..all() }).unwrap();
    world.kept(QUEUES[2]).journal.push(Entry::Begun { at: at(1), asked });
    let states = world.states();
    let states: Vec<_> = states.iter().map(|(name, state)| (*name, state)).collect();
    let other = begun(&states, &all(), at(2)).unwrap().unwrap_err();
    assert_eq!((other.at, other.begun_at), (2, at(1)));
    assert!(other.asked.contains("data.customer") && !other.asked.contains("Ada"), "{}", other.asked);
}
