//! The protocol's requests to SQS, EventBridge and Lambda.

use super::{
    journal::{Journal, JournalError},
    protocol::{Entry, LetterRef, RedriveIo},
};
use crate::{
    cloud::stack::{Stack, StackError},
    letters::destination::Destination,
};
use futures_util::future::join_all;
use std::{borrow::Cow, collections::BTreeMap};
use throughline_core::internal::delivery::{REDRIVEN_MESSAGE_ID, redriven_payload};
use throughline_operations::{
    Answers, DeadLetterQueue, Functions, OperateError, ReceivedLetter, Resent, put_letters, send_letters,
};

/// The reason that a redrive stopped. No letter is lost by it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedriveError {
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// AWS refused a request, or the outcome of a request is unknown.
    #[error("{0}; run the same command again to go on, nothing is lost")]
    Operate(#[from] OperateError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A letter that is taken the whole way.
#[derive(Debug)]
pub(crate) struct InHand {
    /// As it was received.
    pub(crate) received: ReceivedLetter,
    /// The destination.
    pub(crate) destination: Destination,
    /// The body that is sent.
    pub(crate) body: String,
    /// The attributes that record its redrive.
    pub(crate) notes: Vec<(&'static str, String)>,
}

/// The clients and the clock of the protocol.
#[derive(Debug)]
pub(crate) struct StackIo<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) queue: &'a DeadLetterQueue,
    pub(crate) journal: Journal,
    /// The letters that are being redriven, by their ids.
    pub(crate) in_hand: BTreeMap<String, InHand>,
    /// The ids that SQS gave to the sent messages, by the letters' ids.
    pub(crate) new_ids: BTreeMap<String, String>,
}

impl StackIo<'_> {
    async fn send_to(
        &self,
        destination: &Destination,
        letters: &[Resent<'_>],
    ) -> Result<Answers, RedriveError> {
        let clients = &self.stack.clients;
        Ok(match destination {
            Destination::Queue { url } => send_letters(clients.sqs().await, url, letters).await?,
            Destination::Bus { name } => put_letters(clients.eventbridge().await, name, letters).await?,
            Destination::Function { name } => {
                let functions = Functions::new(clients.config().await);
                let payloads: Vec<Cow<'_, str>> = letters.iter().map(payload).collect();
                let invoked = payloads.iter().map(|payload| functions.invoke_later(name, payload));
                join_all(invoked).await.into_iter().collect::<Result<_, _>>()?
            }
            Destination::Nowhere { why } => vec![Err(why.clone()); letters.len()],
        })
    }
}

/// Returns the payload of a function's invocation. An invocation has no attributes, so a message without an id of its
/// own is wrapped with its first id.
fn payload<'a>(letter: &Resent<'a>) -> Cow<'a, str> {
    let first_id = letter.notes.iter().find(|(name, _)| *name == REDRIVEN_MESSAGE_ID);
    match first_id {
        Some((_, id)) => redriven_payload(letter.body, id).map_or(Cow::Borrowed(letter.body), Cow::Owned),
        None => Cow::Borrowed(letter.body),
    }
}

impl RedriveIo for StackIo<'_> {
    type Error = RedriveError;

    async fn record(&mut self, entry: &Entry) -> Result<(), RedriveError> {
        Ok(self.journal.write(entry)?)
    }

    async fn send(&mut self, letters: &[LetterRef]) -> Result<Vec<Result<(), String>>, RedriveError> {
        let mut answers = vec![Err("it was not in hand".to_owned()); letters.len()];
        let mut by_destination: BTreeMap<&Destination, Vec<(usize, &InHand)>> = BTreeMap::new();
        for (at, letter) in letters.iter().enumerate() {
            if let Some(in_hand) = self.in_hand.get(&letter.id) {
                by_destination.entry(&in_hand.destination).or_default().push((at, in_hand));
            }
        }
        let mut new_ids = Vec::new();
        for (destination, group) in by_destination {
            let resent: Vec<Resent<'_>> = group
                .iter()
                .map(|(_, InHand { received, body, notes, .. })| Resent {
                    letter: received,
                    body,
                    notes: notes.clone(),
                })
                .collect();
            for ((at, _), answer) in group.iter().zip(self.send_to(destination, &resent).await?) {
                new_ids.extend(answer.iter().map(|new| (letters[*at].id.clone(), new.clone())));
                answers[*at] = answer.map(drop);
            }
        }
        self.new_ids.extend(new_ids);
        Ok(answers)
    }

    async fn delete(&mut self, ids: &[String]) -> Result<Vec<Result<(), String>>, RedriveError> {
        let handle = |id: &String| self.in_hand.get(id).map_or("", |it| it.received.receipt_handle.as_str());
        let handles: Vec<&str> = ids.iter().map(handle).collect();
        Ok(self.queue.delete(&handles).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_core::internal::delivery::read_redriven_payload;
    use throughline_operations::FoundLetter;

    #[test]
    fn a_function_is_told_the_first_id_of_what_nothing_else_names() {
        let letter = ReceivedLetter::new(FoundLetter::default(), "");
        let resent = |notes| Resent { letter: &letter, body: r#"{"id":"nightly"}"#, notes };
        assert_eq!(payload(&resent(vec![("RedriveCount", "1".into())])), r#"{"id":"nightly"}"#);
        let told = payload(&resent(vec![(REDRIVEN_MESSAGE_ID, "request-1".into())]));
        assert_eq!(read_redriven_payload(&told), Some(("request-1".into(), r#"{"id":"nightly"}"#)));
    }
}
