//! The redrive protocol, killed before, during and after each of its steps.

use super::*;
use futures_util::FutureExt as _;
use std::{collections::VecDeque, convert::Infallible, future::pending};

impl JournalState {
    fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        entries.into_iter().fold(Self::default(), |mut state, entry| {
            state.apply(entry);
            state
        })
    }
}

const LETTERS: usize = 5;
const BATCH: usize = 2;

/// The two queues and the journal, and the moment at which the process dies.
#[derive(Debug, Clone)]
struct World {
    dead: VecDeque<String>,
    copies: BTreeMap<String, u64>,
    journal: Vec<Entry>,
    /// The number of moments that this process lives; `None` is for ever.
    lives: Option<usize>,
    moments: usize,
    /// The letters that the destination queue refuses the first time.
    refuses: BTreeSet<String>,
    /// Letters that the journal's state reported as having come back. The tests expect none.
    left: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let dead = (0..LETTERS).map(|number| format!("m-{number}")).collect();
        let (copies, journal) = (BTreeMap::new(), Vec::new());
        let (refuses, left) = (BTreeSet::new(), BTreeSet::new());
        Self { dead, copies, journal, lives: None, moments: 0, refuses, left }
    }

    fn refusing(ids: [&str; 2]) -> Self {
        Self { refuses: ids.map(ToOwned::to_owned).into(), ..Self::new() }
    }

    /// A moment at which the process may die: nothing of it runs after that.
    async fn moment(&mut self) {
        self.moments += 1;
        if self.lives.is_some_and(|lives| self.moments > lives) {
            pending::<()>().await;
        }
    }

    fn total_copies(&self) -> u64 {
        self.copies.values().sum()
    }
}

impl RedriveIo for World {
    type Error = Infallible;

    async fn record(&mut self, entry: &Entry) -> Result<(), Infallible> {
        self.moment().await;
        self.journal.push(entry.clone());
        self.moment().await;
        Ok(())
    }

    async fn send(&mut self, letters: &[LetterRef]) -> Result<Vec<Result<(), String>>, Infallible> {
        let mut answers = Vec::new();
        for letter in letters {
            self.moment().await;
            if self.refuses.remove(&letter.id) {
                answers.push(Err("too large".to_owned()));
                continue;
            }
            *self.copies.entry(letter.id.clone()).or_default() += 1;
            answers.push(Ok(()));
        }
        self.moment().await;
        Ok(answers)
    }

    async fn delete(&mut self, ids: &[String]) -> Result<Vec<Result<(), String>>, Infallible> {
        for id in ids {
            self.moment().await;
            self.dead.retain(|dead| dead != id);
        }
        self.moment().await;
        Ok(vec![Ok(()); ids.len()])
    }
}

fn named(id: &str) -> LetterRef {
    LetterRef { id: id.to_owned(), message: format!("event of {id}") }
}

/// A way to redrive a batch: the real one, or a wrong one.
trait Way {
    async fn take(&self, state: &mut JournalState, world: &mut World, letters: &[LetterRef]);
}

struct Ours;

impl Way for Ours {
    async fn take(&self, state: &mut JournalState, world: &mut World, letters: &[LetterRef]) {
        let Ok(_) = redrive_batch(state, world, letters).await;
    }
}

/// Runs one process, which reads the journal and works until nothing is left or it dies. Returns whether it reached the
/// end.
fn run(world: &mut World, way: &impl Way, lives: Option<usize>) -> bool {
    (world.lives, world.moments) = (lives, 0);
    let work = async {
        let mut state = JournalState::of(&world.journal);
        while !world.dead.is_empty() {
            let has_come_back = |id: &&String| {
                state.letter_state(id.as_str()).is_none() && state.has_sent_as_another(&named(id.as_str()))
            };
            let left: Vec<String> = world.dead.iter().filter(has_come_back).cloned().collect();
            world.dead.retain(|id| !left.contains(id));
            world.left.extend(left);
            let batch: Vec<LetterRef> = world.dead.iter().take(BATCH).map(|id| named(id)).collect();
            way.take(&mut state, world, &batch).await;
        }
    };
    let has_ended = work.now_or_never().is_some();
    // Letters that a dead process held are hidden for a while, so the others come first.
    world.dead.rotate_left(BATCH.min(world.dead.len()));
    has_ended
}

/// Runs until all is done, killed after the given numbers of moments. Returns the problem that was found, if any.
fn outcome(mut world: World, way: &impl Way, kills: &[usize]) -> Result<World, String> {
    let mut killed = 0;
    for lives in kills {
        if run(&mut world, way, Some(*lives)) {
            break;
        }
        killed += 1;
    }
    if !run(&mut world, way, None) {
        return Err("it does not end".into());
    }
    if !world.left.is_empty() {
        return Err(format!("{:?} are said to have come back", world.left));
    }
    let lost: Vec<_> = (0..LETTERS).map(|number| format!("m-{number}")).collect();
    let lost: Vec<_> = lost.into_iter().filter(|id| !world.copies.contains_key(id)).collect();
    if !lost.is_empty() {
        return Err(format!("{lost:?} are lost"));
    }
    let (surplus, told) = (world.total_copies() - count(LETTERS), JournalState::of(&world.journal).surplus());
    if surplus > count(killed * BATCH) {
        return Err(format!("{surplus} surplus copies after {killed} kills"));
    }
    if surplus > told {
        return Err(format!("{surplus} surplus copies, of which {told} were told"));
    }
    if told > count(killed * BATCH) {
        return Err(format!("{told} surplus copies were told of after {killed} kills"));
    }
    Ok(world)
}

fn moments_of_a_whole_run(way: &impl Way) -> usize {
    let mut world = World::new();
    assert!(run(&mut world, way, None));
    world.moments
}

/// Returns the first combination of up to `kills` kills that leads to a problem, and the number of combinations tried.
fn first_wrong(way: &impl Way, kills: usize) -> (usize, Option<(Vec<usize>, String)>) {
    first_wrong_in(&World::new(), way, kills)
}

fn first_wrong_in(world: &World, way: &impl Way, kills: usize) -> (usize, Option<(Vec<usize>, String)>) {
    let moments = moments_of_a_whole_run(way);
    let mut tried = 0;
    let mut combinations: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..kills {
        let longer = combinations.iter().flat_map(|kills| {
            (0..moments).map(move |lives| kills.iter().copied().chain([lives]).collect::<Vec<_>>())
        });
        combinations = longer.collect();
        for kills in &combinations {
            tried += 1;
            if let Err(why) = outcome(world.clone(), way, kills) {
                return (tried, Some((kills.clone(), why)));
            }
        }
    }
    (tried, None)
}

#[test]
fn killed_at_any_moment_three_times_it_loses_nothing_and_tells_of_every_surplus_copy() {
    let (tried, wrong) = first_wrong(&Ours, 3);
    assert_eq!(wrong, None);
    println!("{tried} ways to be killed at up to three of {} moments", moments_of_a_whole_run(&Ours));
    assert!(tried > 10_000);
}

#[test]
fn refused_and_killed_at_any_moment_twice_nothing_is_said_to_have_come_back() {
    for refused in [["m-0", "m-1"], ["m-1", "m-4"]] {
        let (tried, wrong) = first_wrong_in(&World::refusing(refused), &Ours, 2);
        assert_eq!(wrong, None);
        assert!(tried > 500);
    }
}

#[test]
fn not_killed_it_sends_each_letter_once_and_tells_of_no_surplus() {
    let world = outcome(World::new(), &Ours, &[]).unwrap();
    assert_eq!((world.total_copies(), JournalState::of(&world.journal).surplus()), (count(LETTERS), 0));
}

#[test]
fn a_refused_letter_stays_and_is_no_doubt() {
    let mut world = World::new();
    world.refuses.insert("m-0".into());
    let mut state = JournalState::default();
    let batch = [named("m-0"), named("m-1")];
    let passed = redrive_batch(&mut state, &mut world, &batch).now_or_never().unwrap().unwrap();
    assert_eq!((passed.sent, passed.refused), (1, vec![("m-0".to_owned(), "too large".to_owned())]));
    assert_eq!((state.letter_state("m-0"), state.letter_state("m-1")), (None, Some(LetterState::Deleted)));
    assert!(world.dead.contains(&"m-0".to_owned()) && !world.dead.contains(&"m-1".to_owned()));
    let world = outcome(world, &Ours, &[]).unwrap();
    assert_eq!(world.total_copies(), count(LETTERS));
    assert_eq!(JournalState::of(&world.journal).surplus(), 0);
}

#[test]
fn a_refused_letter_was_not_sent_and_another_of_its_message_has_not_come_back() {
    let twin = LetterRef { id: "m-9".into(), ..named("m-0") };
    let sending = Entry::Sending { letters: vec![named("m-0")] };
    let refused = Entry::Refused { ids: vec!["m-0".into()] };
    let state = JournalState::of([&sending]);
    assert!(state.has_sent_as_another(&twin) && !state.has_sent_as_another(&named("m-0")));
    let state = JournalState::of([&sending, &refused]);
    assert!(!state.has_sent_as_another(&twin));
    assert_eq!(state.times_sent("event of m-0"), 0);
    // It was about to be sent twice and refused once: it may have been sent the first time.
    let state = JournalState::of([&sending, &sending, &refused]);
    assert!(state.has_sent_as_another(&twin));
    assert_eq!(state.times_sent("event of m-0"), 1);
}

#[test]
fn what_was_sent_before_is_counted_over_all_redrives() {
    let sending = Entry::Sending { letters: vec![named("m-0")] };
    let begun = Entry::Begun { at: Timestamp::UNIX_EPOCH, asked: "all".into() };
    let state = JournalState::of(&[begun.clone(), sending.clone(), Entry::Finished, begun, sending]);
    assert_eq!((state.times_sent("event of m-0"), state.times_sent("another")), (2, 0));
    assert_eq!(state.letter_state("m-0"), Some(LetterState::InDoubt));
    assert!(state.unfinished().is_some() && JournalState::default().unfinished().is_none());
    let finished = JournalState::of(&[state.summary()]);
    assert_eq!(finished.times_sent("event of m-0"), 2);
    assert!(finished.unfinished().is_none() && finished.is_untouched() && !state.is_untouched());
}

/// Interrupted redrives of earlier versions are gone on with.
#[test]
fn journals_keep_their_form_whatever_things_are_called_here() {
    for line in [
        r#"{"step":"sending","letters":[{"id":"m-1","message":"event shop e-1"}]}"#,
        r#"{"step":"canary-handled"}"#,
        r#"{"step":"kept","begun_at":"2026-11-21T12:00:00Z","times_sent":{"event shop e-1":2}}"#,
    ] {
        let entry: Entry = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
    }
}

/// Variants of the protocol that each differ in one step. The tests detect that each is wrong.
mod wrong {
    use super::*;

    struct DeletesFirst;

    impl Way for DeletesFirst {
        async fn take(&self, _: &mut JournalState, world: &mut World, letters: &[LetterRef]) {
            let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
            let Ok(_) = world.delete(&ids).await;
            let Ok(_) = world.send(letters).await;
        }
    }

    #[test]
    fn whoever_deletes_first_loses_letters() {
        let (_, wrong) = first_wrong(&DeletesFirst, 1);
        assert!(wrong.is_some_and(|(_, why)| why.contains("are lost")));
    }

    struct WritesNothingBefore;

    impl Way for WritesNothingBefore {
        async fn take(&self, state: &mut JournalState, world: &mut World, letters: &[LetterRef]) {
            let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
            let Ok(_) = world.send(letters).await;
            let Ok(()) = write(state, world, Entry::Sent { ids: ids.clone() }).await;
            let Ok(_) = world.delete(&ids).await;
        }
    }

    #[test]
    fn whoever_does_not_write_before_sending_cannot_tell_of_surplus_copies() {
        let (_, wrong) = first_wrong(&WritesNothingBefore, 1);
        assert!(wrong.is_some_and(|(_, why)| why.contains("of which 0 were told")));
    }

    struct ForgetsWhatWasSent;

    impl Way for ForgetsWhatWasSent {
        async fn take(&self, state: &mut JournalState, world: &mut World, letters: &[LetterRef]) {
            *state = JournalState::default();
            let ids: Vec<String> = letters.iter().map(|letter| letter.id.clone()).collect();
            let Ok(_) = redrive_batch(state, world, letters).await;
            // These were sent and not deleted, as a crash leaves them, and only the journal records it.
            world.dead.extend(ids.into_iter().filter(|id| world.copies[id] < 2));
        }
    }

    #[test]
    fn whoever_does_not_remember_what_was_sent_sends_it_again() {
        let wrong = outcome(World::new(), &ForgetsWhatWasSent, &[]);
        assert!(wrong.is_err_and(|why| why.contains("surplus copies after 0 kills")));
    }
}
