//! Passes through a queue whose clock advances only during requests and while the caller works.

use super::*;
use futures_util::FutureExt as _;
use std::{cell::RefCell, rc::Rc};
use throughline_operations::FoundLetter;

const HELD: Duration = Duration::from_secs(30);

/// A queue that gives out visible letters from the front, roughly as SQS does.
#[derive(Clone)]
struct Queue(Rc<RefCell<State>>);

struct State {
    started: Instant,
    elapsed: Duration,
    /// The letters' ids, each with the time until which it is hidden.
    letters: BTreeMap<String, Duration>,
    /// The number of letters that are counted and never come.
    blocked: u64,
    /// Whether deleted letters are still counted for some time, as SQS may do it.
    counts_lag: bool,
    deleted: u64,
    /// Whether all letters are of one message group: ten are given out, and no more while one of them is hidden.
    is_fifo: bool,
    /// The time that a receive takes.
    takes: Duration,
}

impl Queue {
    fn new(letters: usize) -> Self {
        let letters = (0..letters).map(|number| (format!("{number:05}"), Duration::ZERO)).collect();
        let (started, takes) = (Instant::now(), Duration::from_millis(20));
        let (blocked, counts_lag, deleted) = (0, false, 0);
        let state = State {
            started,
            elapsed: Duration::ZERO,
            letters,
            blocked,
            counts_lag,
            deleted,
            is_fifo: false,
            takes,
        };
        Self(Rc::new(RefCell::new(state)))
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.0.borrow_mut());
        self
    }

    fn passes(&self, time: Duration) {
        self.0.borrow_mut().elapsed += time;
    }

    fn elapsed(&self) -> Duration {
        self.0.borrow().elapsed
    }

    fn delete(&self, id: &str) {
        let mut state = self.0.borrow_mut();
        state.letters.remove(id);
        state.deleted += 1;
    }

    fn hidden(&self) -> usize {
        let state = self.0.borrow();
        state.letters.values().filter(|until| **until > state.elapsed).count()
    }
}

impl Letters for Queue {
    async fn depth(&self) -> Result<QueueDepth, StackError> {
        let in_flight = self.hidden() as u64;
        let state = self.0.borrow();
        let stale = if state.counts_lag { state.deleted } else { 0 };
        let waiting = state.letters.len() as u64 - in_flight + state.blocked + stale;
        Ok(QueueDepth { waiting, in_flight, delayed: 0 })
    }

    async fn receive(&self, hidden: Duration, wait: Duration) -> Result<Vec<ReceivedLetter>, StackError> {
        let mut state = self.0.borrow_mut();
        let takes = state.takes;
        state.elapsed += takes;
        if state.letters.values().all(|until| *until > state.elapsed) {
            state.elapsed += wait;
        }
        let now = state.elapsed;
        if state.is_fifo && state.letters.values().any(|until| *until > now) {
            state.elapsed += wait;
            return Ok(Vec::new());
        }
        let group = state.is_fifo.then(|| "g-1".to_owned());
        let seen = state.letters.iter_mut().filter(|(_, until)| **until <= now).take(10);
        let received = seen.map(|(id, until)| {
            *until = now + hidden;
            let letter =
                FoundLetter { message_id: id.clone(), group: group.clone(), ..FoundLetter::default() };
            ReceivedLetter::new(letter, id.as_str())
        });
        Ok(received.collect())
    }

    async fn put_back(&self, receipt_handles: Vec<String>) -> Result<(), StackError> {
        let mut state = self.0.borrow_mut();
        let now = state.elapsed;
        for id in receipt_handles {
            if let Some(until) = state.letters.get_mut(&id) {
                *until = now;
            }
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        let state = self.0.borrow();
        state.started + state.elapsed
    }

    fn keeps_order(&self) -> bool {
        self.0.borrow().is_fifo
    }
}

/// The result of a pass that takes the letters from number `wanted_from` on.
struct Ended {
    taken: usize,
    in_others_hands: u64,
    not_reached: u64,
    blocked_groups: Vec<String>,
    still_hidden: usize,
}

/// Runs a pass that takes every wanted letter and works on each for `over_each`.
fn pass(queue: &Queue, wanted_from: usize, over_each: Duration) -> Ended {
    let wanted_from = format!("{wanted_from:05}");
    let passing = async {
        let mut pass = Pass::through(queue.clone(), HELD, true).await.unwrap();
        let mut taken = 0;
        while let Some(received) = pass.next().await.unwrap() {
            for received in received {
                if received.letter.message_id < wanted_from {
                    pass.set_aside(received);
                } else {
                    queue.passes(over_each);
                    queue.delete(&received.letter.message_id);
                    taken += 1;
                }
            }
        }
        let (in_others_hands, not_reached) = (pass.in_others_hands(), pass.not_reached());
        let blocked_groups = pass.blocked_groups();
        pass.end().await.unwrap();
        Ended { taken, in_others_hands, not_reached, blocked_groups, still_hidden: queue.hidden() }
    };
    passing.now_or_never().expect("it waits for nobody")
}

#[test]
fn every_letter_that_is_wanted_comes_by_however_long_the_pass_takes() {
    for over_each in [0, 1, 6, 36, 120].map(Duration::from_secs) {
        let queue = Queue::new(60);
        let Ended { taken, in_others_hands, not_reached, still_hidden, .. } = pass(&queue, 40, over_each);
        assert_eq!((taken, in_others_hands, not_reached, still_hidden), (20, 0, 0, 0), "{over_each:?}");
    }
}

#[test]
fn a_queue_so_slow_that_what_was_set_aside_keeps_coming_round_is_gone_through_all_the_same() {
    let queue = Queue::new(500).with(|state| state.takes = Duration::from_secs(1));
    let ended = pass(&queue, 450, Duration::ZERO);
    assert_eq!((ended.taken, ended.not_reached, ended.still_hidden), (50, 0, 0));
}

#[test]
fn what_somebody_else_has_in_hand_is_waited_for_as_long_as_we_would_hold_it() {
    let until = |time: u64| {
        move |state: &mut State| {
            for id in ["00003", "00004"] {
                state.letters.insert(id.to_owned(), Duration::from_secs(time));
            }
        }
    };
    let queue = Queue::new(5).with(until(25));
    assert_eq!((pass(&queue, 0, Duration::ZERO).taken, queue.hidden()), (5, 0));
    let queue = Queue::new(5).with(until(3600));
    let ended = pass(&queue, 0, Duration::ZERO);
    assert_eq!((ended.taken, ended.in_others_hands, ended.not_reached), (3, 2, 0));
    assert!(queue.elapsed() < HELD * 2, "{:?}", queue.elapsed());
}

#[test]
fn what_waits_and_never_comes_is_told_of() {
    for aside in [0, 15] {
        let queue = Queue::new(20).with(|state| state.blocked = 7);
        let ended = pass(&queue, aside, Duration::ZERO);
        assert_eq!((ended.taken, ended.not_reached, ended.still_hidden), (20 - aside, 7, 0));
        assert!((COUNTS_SETTLE..Duration::from_mins(10)).contains(&queue.elapsed()), "{:?}", queue.elapsed());
    }
}

#[test]
fn a_queue_whose_few_letters_have_all_come_is_not_waited_for() {
    for (letters, wanted_from) in [(1, 0), (6, 5), (0, 0)] {
        let queue = Queue::new(letters);
        let ended = pass(&queue, wanted_from, Duration::ZERO);
        assert_eq!((ended.taken, ended.not_reached), (letters - wanted_from, 0));
        assert!(queue.elapsed() < WAIT * 2, "{letters} letters: {:?}", queue.elapsed());
    }
}

#[test]
fn counts_that_lag_behind_do_not_hold_up_who_has_seen_every_letter() {
    let queue = Queue::new(1).with(|state| state.counts_lag = true);
    let ended = pass(&queue, 0, Duration::ZERO);
    assert_eq!((ended.taken, ended.not_reached, ended.in_others_hands), (1, 0, 0));
    assert!(queue.elapsed() < WAIT * 2, "{:?}", queue.elapsed());
}

#[test]
fn what_stands_behind_letters_that_are_kept_is_told_of_with_its_group_and_not_waited_for() {
    let queue = Queue::new(26).with(|state| state.is_fifo = true);
    let ended = pass(&queue, 8, Duration::ZERO);
    assert_eq!((ended.taken, ended.not_reached, ended.still_hidden), (2, 16, 0));
    assert_eq!(ended.blocked_groups, ["g-1"]);
    assert!(queue.elapsed() < Duration::from_secs(10), "{:?}", queue.elapsed());
}

#[test]
fn a_message_group_that_is_taken_whole_comes_to_its_end() {
    let queue = Queue::new(26).with(|state| state.is_fifo = true);
    let ended = pass(&queue, 0, Duration::ZERO);
    assert_eq!((ended.taken, ended.not_reached, ended.blocked_groups), (26, 0, Vec::new()));
}
