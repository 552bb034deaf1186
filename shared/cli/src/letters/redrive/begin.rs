//! A redrive of several queues begins in all of them before it does anything in one, so that whoever goes on after it
//! was killed knows of each of them.

#[cfg(test)]
mod tests;

use super::{
    journal::{Journal, JournalError},
    protocol::JournalState,
};
use crate::{letters::queues::NamedQueue, letters::redrive::Asked};
use std::{error::Error, path::PathBuf};
use throughline_core::Timestamp;

/// A queue, its journal and what that says.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) queue: &'a NamedQueue,
    pub(crate) journal: Journal,
    pub(crate) state: JournalState,
}

/// Opens the journals of all queues that are meant: nobody else redrives one of them meanwhile.
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

/// Begins in each queue, or goes on: what is to be done there, if anything.
///
/// # Errors
/// If a redrive was interrupted that was asked for something else, and if a journal cannot be written.
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

/// Nothing is left to do in queues where nothing was done, once a redrive was stopped.
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

/// What is to be done in a queue.
#[derive(Debug, Clone, PartialEq)]
enum Start {
    /// It is begun there.
    Begin { at: Timestamp, asked: Asked },
    /// What was interrupted there goes on.
    GoOn { asked: Asked },
    /// Nothing was interrupted there.
    Nothing,
}

/// In one queue another redrive was interrupted.
#[derive(Debug, PartialEq)]
struct Other {
    /// Which queue.
    at: usize,
    begun_at: Timestamp,
    /// What it was asked for, in words.
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

/// Where a redrive begins, or goes on because the same was interrupted.
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

/// Where interrupted redrives go on; and where they begin, since they were interrupted before they came to that.
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
