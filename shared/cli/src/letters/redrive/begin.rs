//! A redrive of several queues records its beginning in all of them before it touches one, so that a resumed redrive
//! knows of each of them after a kill.

#[cfg(test)]
mod tests;

use super::{
    journal::{Journal, JournalError},
    protocol::JournalState,
};
use crate::{letters::queues::NamedQueue, letters::redrive::Asked};
use std::{error::Error, path::PathBuf};
use throughline_core::Timestamp;

/// A queue, its journal and the state read from it.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) queue: &'a NamedQueue,
    pub(crate) journal: Journal,
    pub(crate) state: JournalState,
}

/// Opens and locks the journals of the selected queues, so that no other redrive uses one meanwhile.
///
/// # Errors
/// [`JournalError`]: one is in use, or it cannot be read.
pub(crate) fn open(
    queues: &[NamedQueue],
    journal_path: impl Fn(&NamedQueue) -> PathBuf,
) -> Result<Vec<Opened<'_>>, JournalError> {
    let open = |queue| {
        let (journal, state) = Journal::open(&journal_path(queue))?;
        Ok(Opened { queue, journal, state })
    };
    queues.iter().map(open).collect()
}

/// Begins or resumes a redrive in each queue. Returns for each queue the request to carry out, or `None` if there is
/// nothing to do.
///
/// # Errors
/// If a redrive with another request was interrupted, or if a journal cannot be written.
pub(crate) fn begin(
    opened: &mut [Opened<'_>],
    asked: &Asked,
    resume: bool,
    now: Timestamp,
) -> Result<Vec<Option<Asked>>, Box<dyn Error>> {
    let states: Vec<(&str, &JournalState)> =
        opened.iter().map(|it| (it.queue.name.as_str(), &it.state)).collect();
    let starts = if resume { Ok(resumed(&states)?) } else { begun(&states, asked, now)? };
    let starts = match starts {
        Ok(starts) => starts,
        Err(Other { at, begun_at, asked }) => {
            let path = opened[at].journal.path();
            return Err(JournalError::OtherUnfinished { path, begun_at, asked }.into());
        }
    };
    let mut each = Vec::new();
    for (Opened { journal, state, .. }, start) in opened.iter_mut().zip(starts) {
        each.push(match start {
            Start::Begin { at, asked } => {
                journal.begin(state, serde_json::to_value(&asked)?, at)?;
                Some(asked)
            }
            Start::GoOn { asked } => Some(asked),
            Start::Nothing => None,
        });
    }
    Ok(each)
}

/// Finishes the journals of queues in which nothing was done, after a redrive was stopped.
///
/// # Errors
/// [`JournalError::File`].
pub(crate) fn finish_untouched<'a>(rest: impl Iterator<Item = Opened<'a>>) -> Result<(), JournalError> {
    for Opened { mut journal, mut state, .. } in rest {
        if state.unfinished().is_some() && state.is_untouched() {
            journal.finish(&mut state)?;
        }
    }
    Ok(())
}

/// The next step in a queue.
#[derive(Debug, Clone, PartialEq)]
enum Start {
    /// A redrive begins there.
    Begin { at: Timestamp, asked: Asked },
    /// An interrupted redrive is resumed there.
    GoOn { asked: Asked },
    /// Nothing was interrupted there, so there is nothing to do.
    Nothing,
}

/// Another redrive was interrupted in one of the queues.
#[derive(Debug, PartialEq)]
struct Other {
    /// The queue's index.
    at: usize,
    begun_at: Timestamp,
    /// The request of the interrupted redrive, in words.
    asked: String,
}

type Unfinished = Option<(Timestamp, Asked)>;

fn unfinished(states: &[(&str, &JournalState)]) -> serde_json::Result<Vec<Unfinished>> {
    let read = |(_, state): &(&str, &JournalState)| match state.unfinished() {
        Some((at, asked)) => Ok(Some((*at, serde_json::from_value(asked.clone())?))),
        None => Ok(None),
    };
    states.iter().map(read).collect()
}

/// Returns for each queue whether the redrive begins there, or resumes because the same one was interrupted.
fn begun(
    states: &[(&str, &JournalState)],
    asked: &Asked,
    now: Timestamp,
) -> serde_json::Result<Result<Vec<Start>, Other>> {
    let start = |(at, before): (usize, Unfinished)| match before {
        None => Ok(Start::Begin { at: now, asked: asked.clone() }),
        Some((_, before)) if before == *asked => Ok(Start::GoOn { asked: before }),
        Some((begun_at, before)) => Err(Other { at, begun_at, asked: before.to_string() }),
    };
    Ok(unfinished(states)?.into_iter().enumerate().map(start).collect())
}

/// Returns the interrupted redrives to resume, and the queues in which they begin because they were interrupted before
/// they reached them.
fn resumed(states: &[(&str, &JournalState)]) -> serde_json::Result<Vec<Start>> {
    let unfinished = unfinished(states)?;
    let start = |((name, state), own): (&(&str, &JournalState), &Unfinished)| {
        if let Some((_, asked)) = own {
            return Start::GoOn { asked: asked.clone() };
        }
        let is_missing = |(at, asked): &&(Timestamp, Asked)| {
            asked.selection.has_queue(name) && state.last_begun_at().is_none_or(|last| last < *at)
        };
        match unfinished.iter().flatten().filter(is_missing).max_by_key(|(at, _)| *at) {
            Some((at, asked)) => Start::Begin { at: *at, asked: asked.clone() },
            None => Start::Nothing,
        }
    };
    Ok(states.iter().zip(&unfinished).map(start).collect())
}
