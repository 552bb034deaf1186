//! The metrics of a handler's invocation.

use super::{
    BATCH_SIZE, COLD_START, COMMIT_REQUESTS, DUPLICATES, EVENT_AGE, EVENT_TYPE, HANDLER, HANDLER_DURATION,
    Lines, PROCESSED, REJECTED, RETRIES, milliseconds,
};
use crate::emf::Figure;
use std::sync::{Mutex, MutexGuard, PoisonError};
use throughline_core::{
    Verdict,
    observer::{Observer, SettledRecord},
};

/// The figures of one invocation of a handler: watches the main path, and makes lines of what it saw.
#[derive(Debug, Default)]
pub struct HandlerFigures(Mutex<Figures>);

#[derive(Debug, Default)]
struct Figures {
    by_event_type: Vec<(&'static str, OfRecords)>,
    commit_requests: usize,
}

/// The figures of the records of one event type.
#[derive(Debug, Default)]
struct OfRecords {
    processed: usize,
    duplicates: usize,
    retries: usize,
    rejected: usize,
    durations: Vec<f64>,
    ages: Vec<f64>,
}

impl Observer for HandlerFigures {
    fn settled(&self, record: SettledRecord<'_>) {
        let mut figures = self.figures();
        let of_records = figures.of(record.event_type);
        *match record.verdict {
            Verdict::Done => &mut of_records.processed,
            Verdict::Duplicate => &mut of_records.duplicates,
            Verdict::Retry { .. } => &mut of_records.retries,
            Verdict::Rejected { .. } => &mut of_records.rejected,
            // A verdict that has no metric yet.
            _ => return,
        } += 1;
        of_records.durations.extend(record.handler_ran.map(milliseconds));
        of_records.ages.extend(record.age.map(milliseconds));
    }

    fn committed(&self, requests: usize) {
        self.figures().commit_requests += requests;
    }
}

impl HandlerFigures {
    /// Adds the lines: one for each event type that was there, the first with what is true of the whole
    /// invocation.
    pub fn push(&self, lines: &mut Lines<'_>, handler: &str, batch_size: usize) {
        let figures = self.figures();
        let of_all = [
            (BATCH_SIZE, Figure::Count(batch_size)),
            (COMMIT_REQUESTS, Figure::Count(figures.commit_requests)),
            (COLD_START, Figure::Count(usize::from(lines.is_cold))),
        ];
        if figures.by_event_type.is_empty() {
            lines.push(&[(HANDLER, handler)], &of_all);
        }
        let mut of_all = &of_all[..];
        for (event_type, of_records) in &figures.by_event_type {
            let OfRecords { processed, duplicates, retries, rejected, durations, ages } = of_records;
            let mut of_type = vec![
                (PROCESSED, Figure::Count(*processed)),
                (DUPLICATES, Figure::Count(*duplicates)),
                (RETRIES, Figure::Count(*retries)),
                (REJECTED, Figure::Count(*rejected)),
                (HANDLER_DURATION, Figure::Each(durations)),
                (EVENT_AGE, Figure::Each(ages)),
            ];
            of_type.extend_from_slice(of_all);
            of_all = &[];
            lines.push(&[(HANDLER, handler), (EVENT_TYPE, event_type)], &of_type);
        }
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn of(&mut self, event_type: &'static str) -> &mut OfRecords {
        let known = self.by_event_type.iter().position(|(known, _)| *known == event_type);
        let at = known.unwrap_or_else(|| {
            self.by_event_type.push((event_type, OfRecords::default()));
            self.by_event_type.len() - 1
        });
        &mut self.by_event_type[at].1
    }
}
