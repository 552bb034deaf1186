//! The redrive of one queue.

mod moved;

use super::{
    Asked, Manner,
    begin::Opened,
    canary::{Canary, Verdict},
    io::{InHand, RedriveError, StackIo},
    protocol::{BatchResult, Entry, JournalState, LetterRef, LetterState, count, redrive_batch},
    report::Redriven,
};
use crate::{
    cloud::stack::Stack,
    letters::{
        destination::{Destination, destination},
        identity::{Identity, message_name},
        pass::{LettersOf, Pass},
        queues::NamedQueue,
        rerun::{claim_state, may_run_again},
        selection::handler_of,
    },
    progress::{Activity, Progress},
    project::catalogue::Catalogue,
};
use std::{collections::BTreeMap, env, mem, time::Duration};
use throughline_core::{Timestamp, internal::delivery::REDRIVEN_MESSAGE_ID};
use throughline_operations::{ReceivedLetter, line::ClaimState};
use tokio::time::Instant;

/// The difference that there may be between the local clock and SQS's.
const CLOCKS_DIFFER: Duration = Duration::from_mins(1);

/// The redrive of one queue.
pub(crate) struct Run<'a> {
    stack: &'a Stack,
    queue: &'a NamedQueue,
    progress: &'a dyn Progress,
    manner: Manner,
    asked: &'a Asked,
    io: StackIo<'a>,
    state: JournalState,
    redriven: Redriven,
    catalogue: Option<&'a Catalogue>,
}

/// The decision about a letter that was received.
enum Choice {
    /// The letter is redriven, or only deleted.
    Take(Box<InHand>),
    /// The letter stays in its queue.
    Leave(Box<ReceivedLetter>),
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        stack: &'a Stack,
        progress: &'a dyn Progress,
        manner: Manner,
        asked: &'a Asked,
        opened: Opened<'a>,
    ) -> Self {
        let Opened { queue, journal, state } = opened;
        let is_resumed = state.sent() + state.count_at(LetterState::InDoubt) > 0;
        let redriven = Redriven { queue: queue.name.clone(), is_resumed, ..Redriven::default() };
        let (in_hand, new_ids) = (BTreeMap::new(), BTreeMap::new());
        let io = StackIo { stack, queue: &queue.queue, journal, in_hand, new_ids };
        Self { stack, queue, progress, manner, asked, io, state, redriven, catalogue: None }
    }

    /// Checks edited letters against the catalogue.
    pub(crate) fn checking(self, catalogue: &'a Catalogue) -> Self {
        Self { catalogue: Some(catalogue), ..self }
    }

    /// Redrives every selected letter.
    ///
    /// # Errors
    /// [`RedriveError`]: nothing is lost, and the journal holds the point to resume from.
    pub(crate) async fn all(mut self) -> Result<Redriven, RedriveError> {
        if self.redriven.is_resumed {
            let (sent, in_doubt) = (self.state.sent(), self.state.count_at(LetterState::InDoubt));
            self.progress.note(&format!(
                "{}: going on with an interrupted redrive: {sent} were sent, of {in_doubt} it is not known",
                self.queue.name
            ));
        }
        let sets_aside = !self.asked.selection.is_whole_queues();
        let pass = Pass::begin(self.stack, self.queue, self.manner.hold, sets_aside).await?;
        let mut pass = pass.going_on(self.redriven.is_resumed);
        let activity = self.progress.begin(&format!("redriving {}", self.queue.name), Some(pass.total()));
        let ended = self.pass_by(&mut pass, &*activity).await;
        activity.finish();
        self.redriven.in_others_hands = pass.in_others_hands();
        self.redriven.not_reached = pass.not_reached();
        self.redriven.blocked_groups = pass.blocked_groups();
        // Letters in hand reappear by themselves if this fails: it is worth a note, and no reason to stop.
        if let Err(error) = pass.end().await {
            self.progress.note(&error.to_string());
        }
        ended?;
        self.finish()
    }

    async fn pass_by(
        &mut self,
        pass: &mut Pass<LettersOf<'_>>,
        activity: &dyn Activity,
    ) -> Result<(), RedriveError> {
        let mut next_at = Instant::now();
        let mut passed_by: u64 = 0;
        let mut is_moving_tried = false;
        loop {
            if !is_moving_tried && self.is_for_sqs_to_move() {
                is_moving_tried = true;
                if self.moved_by_sqs(activity).await? {
                    return Ok(());
                }
            }
            // Nothing is in hand here: at a slow rate, received letters that have to wait would become visible again.
            tokio::time::sleep_until(next_at).await;
            let Some(received) = pass.next().await? else { return Ok(()) };
            let mut taken = Vec::new();
            for received in received {
                passed_by += 1;
                match self.choose(received).await? {
                    Choice::Take(in_hand) => taken.push(*in_hand),
                    Choice::Leave(received) => pass.set_aside(*received),
                }
            }
            if let Some(patience) = self.manner.canary_wait
                && !self.state.is_canary_handled()
            {
                taken = self.canary_first(pass, taken, patience).await?;
                if self.redriven.is_stopped() {
                    return Ok(());
                }
            }
            let rest = taken.split_off(taken.len().min(self.manner.rate.fits(self.manner.hold)));
            if !rest.is_empty() {
                passed_by -= count(rest.len());
                pass.put_back(rest.into_iter().map(|it| it.received).collect()).await?;
            }
            for batch in batches(taken, self.manner.rate.batch()) {
                tokio::time::sleep_until(next_at).await;
                let count = batch.len();
                self.take(batch, pass).await?;
                next_at = next_at.max(Instant::now()) + self.manner.rate.time_for(count);
                if self.redriven.is_stopped() {
                    return Ok(());
                }
            }
            activity.set(passed_by);
        }
    }

    /// Returns the decision about a letter. A letter that the journal knows is carried on, no matter what was asked
    /// for.
    async fn choose(&mut self, received: ReceivedLetter) -> Result<Choice, RedriveError> {
        let letter = &received.letter;
        let letter_state = self.state.letter_state(&letter.message_id);
        if letter_state.is_none() {
            if !self.asked.selection.has(&self.queue.name, letter) {
                return Ok(Choice::Leave(Box::new(received)));
            }
            if self.has_come_back(&received) {
                self.redriven.came_back += 1;
                return Ok(Choice::Leave(Box::new(received)));
            }
            let claim_lifetime = self.stack.claim_lifetime()?;
            if !self.asked.accept_rerun && may_run_again(letter, claim_lifetime, Timestamp::now()).is_some() {
                self.redriven.too_old += 1;
                return Ok(Choice::Leave(Box::new(received)));
            }
        }
        if let Some(LetterState::Sent | LetterState::Deleted) = letter_state {
            let destination = Destination::Nowhere { why: "it was sent before".into() };
            let (body, notes) = (String::new(), Vec::new());
            return Ok(Choice::Take(Box::new(InHand { received, destination, body, notes })));
        }
        self.prepared(received).await
    }

    /// Returns whether a letter was sent by this redrive and dead-lettered again.
    fn has_come_back(&self, received: &ReceivedLetter) -> bool {
        let begun_at = self.state.unfinished().map(|(begun_at, _)| *begun_at);
        let since = begun_at.and_then(|begun_at| begun_at.checked_sub(CLOCKS_DIFFER).ok());
        self.state.has_sent_as_another(&named(received)) && received.letter.sent_at >= since
    }

    async fn prepared(&mut self, received: ReceivedLetter) -> Result<Choice, RedriveError> {
        let letter = &received.letter;
        let destination = destination(self.stack, &self.queue.name, letter).await?;
        if let Destination::Nowhere { why } = destination {
            *self.redriven.cannot.entry(why).or_default() += 1;
            return Ok(Choice::Leave(Box::new(received)));
        }
        let times = self.state.times_sent(&message_name(letter)) + 1;
        let now = Timestamp::now();
        let mut notes = vec![
            ("RedrivenAt", now.to_string()),
            ("RedrivenFrom", self.queue.name.clone()),
            ("RedriveCount", times.to_string()),
        ];
        if let Some(id) = letter.first_message_id() {
            notes.push((REDRIVEN_MESSAGE_ID, id));
        }
        let mut body = letter.delivered().into_owned();
        if !self.asked.edits.is_none() {
            let note = format!("{} at {now}: {}", who(), self.asked.edits.summary());
            match self.asked.edits.apply(&body, &note, self.catalogue) {
                Ok(edited) => body = edited,
                Err(error) => {
                    *self.redriven.cannot.entry(error.to_string()).or_default() += 1;
                    return Ok(Choice::Leave(Box::new(received)));
                }
            }
            notes.push(("RedriveNote", note));
        }
        Ok(Choice::Take(Box::new(InHand { received, destination, body, notes })))
    }

    /// Sends a batch, deletes it and records the results.
    async fn take(
        &mut self,
        batch: Vec<InHand>,
        pass: &mut Pass<LettersOf<'_>>,
    ) -> Result<BatchResult, RedriveError> {
        let named: Vec<LetterRef> = batch.iter().map(|it| named(&it.received)).collect();
        self.io.in_hand = batch.into_iter().map(|it| (it.received.letter.message_id.clone(), it)).collect();
        let passed = redrive_batch(&mut self.state, &mut self.io, &named).await?;
        self.redriven.sent = self.state.sent();
        self.redriven.sent_before += passed.sent_before;
        for (id, reason) in &passed.refused {
            *self.redriven.refused.entry(reason.clone()).or_default() += 1;
            if let Some(in_hand) = self.io.in_hand.remove(id) {
                pass.set_aside(in_hand.received);
            }
        }
        Ok(passed)
    }

    /// Sends one letter alone and waits for its handler. Returns the other letters if they may follow at once.
    async fn canary_first(
        &mut self,
        pass: &mut Pass<LettersOf<'_>>,
        mut taken: Vec<InHand>,
        patience: Duration,
    ) -> Result<Vec<InHand>, RedriveError> {
        let is_new = |it: &InHand| self.state.letter_state(&it.received.letter.message_id).is_none();
        let mut canary = None;
        for (at, in_hand) in taken.iter().enumerate() {
            if is_new(in_hand) && !self.is_handled(in_hand).await? {
                canary = Some(at);
                break;
            }
        }
        // Letters that were already handled or sent prove nothing: they go with the others.
        let Some(at) = canary else { return Ok(taken) };
        let in_hand = taken.remove(at);
        let letter = &in_hand.received.letter;
        let (letter_id, message) = (letter.message_id.clone(), message_name(letter));
        let handler = handler_of(&self.queue.name, letter).to_owned();
        let (identity, destination) = (Identity::of(letter), in_hand.destination.clone());
        pass.put_back(taken.into_iter().map(|it| it.received).collect()).await?;
        let sent_at = Timestamp::now();
        let passed = self.take(vec![in_hand], pass).await?;
        if passed.sent == 0 {
            return Ok(Vec::new()); // it was refused, which is told
        }
        let verdict = if matches!(destination, Destination::Bus { .. }) {
            Verdict::Accepted
        } else {
            let new_id = self.io.new_ids.get(&letter_id).cloned().unwrap_or_default();
            let identity = identity.unwrap_or_else(|| Identity::of_sqs_message(&new_id));
            let since = sent_at.checked_sub(CLOCKS_DIFFER).unwrap_or(sent_at);
            let canary =
                Canary { stack: self.stack, queue: self.queue, letter_id, message, since, handler, identity };
            self.progress
                .note(&format!("{}: one letter is sent, and its handler waited for", self.queue.name));
            canary.verdict(patience).await?
        };
        if verdict.is_good() {
            self.io.journal.write(&Entry::CanaryHandled)?;
            self.state.apply(&Entry::CanaryHandled);
        }
        self.redriven.canary = Some(verdict);
        Ok(Vec::new())
    }

    async fn is_handled(&self, in_hand: &InHand) -> Result<bool, RedriveError> {
        let letter = &in_hand.received.letter;
        let Some(identity) = Identity::of(letter) else { return Ok(false) };
        let state = claim_state(self.stack, handler_of(&self.queue.name, letter), &identity).await?;
        Ok(matches!(state, Some((ClaimState::Done, _))))
    }

    fn finish(mut self) -> Result<Redriven, RedriveError> {
        let in_doubt = self.state.count_at(LetterState::InDoubt);
        self.redriven.surplus_possible = self.state.surplus();
        self.redriven.sent = self.state.sent();
        self.redriven.not_deleted = 0;
        // Letters that others hold or that did not come may be those in doubt: the redrive is not over then.
        let is_elsewhere = self.redriven.in_others_hands + self.redriven.not_reached > 0;
        let is_open = is_elsewhere && in_doubt + self.state.count_at(LetterState::Sent) > 0;
        if is_open {
            self.redriven.not_deleted = self.state.count_at(LetterState::Sent);
        } else {
            self.redriven.in_doubt = in_doubt;
            self.io.journal.finish(&mut self.state)?;
        }
        Ok(mem::take(&mut self.redriven))
    }
}

/// Returns a letter as the journal refers to it.
fn named(received: &ReceivedLetter) -> LetterRef {
    LetterRef { id: received.letter.message_id.clone(), message: message_name(&received.letter) }
}

/// Returns letters in batches of at most `size`.
fn batches(letters: Vec<InHand>, size: usize) -> Vec<Vec<InHand>> {
    let mut batches: Vec<Vec<InHand>> = Vec::new();
    for letter in letters {
        match batches.last_mut() {
            Some(batch) if batch.len() < size => batch.push(letter),
            _ => batches.push(vec![letter]),
        }
    }
    batches
}

/// Returns the name of the user who runs the command, as far as the environment tells.
fn who() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok()).unwrap_or_else(|| "somebody".to_owned())
}
