//! The metrics of the relay's invocation.

use super::{
    BATCH_SIZE, COLD_START, DEAD_LETTERED, ENTRY_AGE, HANDLER, Lines, NOT_PUBLISHED, PUBLISHED, RELAY,
    milliseconds,
};
use crate::emf::Figure;
use std::sync::{Mutex, PoisonError};
use throughline_core::observer::{EntryFate, Observer, RelayedEntry};

/// The figures of one invocation of the relay: watches it, and makes lines of what it saw.
#[derive(Debug, Default)]
pub struct RelayFigures(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    published: usize,
    not_published: usize,
    dead_lettered: usize,
    ages: Vec<f64>,
}

impl Observer for RelayFigures {
    fn relayed(&self, entry: RelayedEntry) {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *match entry.fate {
            EntryFate::Published => &mut figures.published,
            EntryFate::NotPublished => &mut figures.not_published,
            EntryFate::DeadLettered => &mut figures.dead_lettered,
        } += 1;
        figures.ages.extend(entry.age.map(milliseconds));
    }
}

impl RelayFigures {
    /// Adds the line.
    pub fn push(&self, lines: &mut Lines<'_>, batch_size: usize) {
        let figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_cold = usize::from(lines.is_cold);
        lines.push(
            &[(HANDLER, RELAY)],
            &[
                (PUBLISHED, Figure::Count(figures.published)),
                (NOT_PUBLISHED, Figure::Count(figures.not_published)),
                (DEAD_LETTERED, Figure::Count(figures.dead_lettered)),
                (ENTRY_AGE, Figure::Each(&figures.ages)),
                (BATCH_SIZE, Figure::Count(batch_size)),
                (COLD_START, Figure::Count(is_cold)),
            ],
        );
    }
}
