//! The report of a redrive, for people and programs.

use super::canary::Verdict;
use crate::letters::groups;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// The report of a redrive.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) queues: Vec<Redriven>,
}

/// The report of a redrive in one queue.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Redriven {
    pub(crate) queue: String,
    /// Whether an interrupted redrive was resumed.
    pub(crate) is_resumed: bool,
    /// Letters that were sent, including those of the interrupted redrive.
    pub(crate) sent: u64,
    /// Letters that the interrupted redrive had already sent: they were only deleted.
    pub(crate) sent_before: usize,
    /// The number of possible surplus copies: letters whose sending was interrupted were sent again.
    pub(crate) surplus_possible: u64,
    /// Letters that SQS itself moved.
    pub(crate) moved_by_sqs: u64,
    /// The outcome of the first letter.
    pub(crate) canary: Option<Verdict>,
    /// Letters that were sent and dead-lettered again meanwhile.
    pub(crate) came_back: u64,
    /// Letters so old that their handler may run again.
    pub(crate) too_old: u64,
    /// The number of letters that cannot be redriven, by reason.
    pub(crate) cannot: BTreeMap<String, u64>,
    /// The number of letters that their destination refused, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Letters that were sent and not deleted: the next redrive deletes them.
    pub(crate) not_deleted: u64,
    /// Letters that another consumer held.
    pub(crate) in_others_hands: u64,
    /// Letters, selected or not, that are waiting and were never received: SQS's counts are approximate.
    pub(crate) not_reached: u64,
    /// The message groups in which these stand behind letters that are kept.
    pub(crate) blocked_groups: Vec<String>,
    /// Letters whose sending was interrupted and that are no longer in the queue.
    pub(crate) in_doubt: u64,
}

impl Redriven {
    /// Returns whether the redrive stopped before the end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.canary.as_ref().is_some_and(|verdict| !verdict.is_good()) || self.is_refusing()
    }

    /// Returns whether the destination accepts nothing.
    fn is_refusing(&self) -> bool {
        self.sent == 0 && !self.refused.is_empty()
    }

    /// Returns whether there is anything to report.
    pub(crate) fn is_anything(&self) -> bool {
        self.is_resumed
            || self.canary.is_some()
            || self.sent + self.moved_by_sqs + self.too_old + self.in_doubt > 0
            || self.in_others_hands + self.not_reached > 0
            || !(self.cannot.is_empty() && self.refused.is_empty())
    }
}

impl Report {
    /// Returns the problem and the command that solves it, or `None` if all went well.
    pub(crate) fn problem(&self) -> Option<String> {
        self.queues.iter().find_map(|queue| {
            let name = &queue.queue;
            match &queue.canary {
                Some(verdict) if !verdict.is_good() => Some(format!(
                    "stopped after the first letter of {name}, which {verdict}; all others are where they were"
                )),
                _ if queue.sent == 0 && !queue.cannot.is_empty() => {
                    let reasons: Vec<&str> = queue.cannot.keys().map(String::as_str).collect();
                    Some(format!("no letter of {name} could be redriven: {}", reasons.join("; ")))
                }
                _ if queue.is_refusing() => {
                    Some(format!("the letters of {name} are refused where they go to; they are where they were"))
                }
                _ if !queue.blocked_groups.is_empty() => Some(format!(
                    "not every letter of {name} that may be meant is redriven: {}",
                    groups::out_of_reach(name, queue.not_reached, &queue.blocked_groups)
                )),
                _ if queue.not_reached > 0 => Some(format!(
                    "about {} of {name} are waiting and did not come, so those that are meant among them are not redriven: run the same command again",
                    letters(queue.not_reached)
                )),
                _ => None,
            }
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.queues.is_empty() {
            return writeln!(f, "There was nothing to redrive.");
        }
        self.queues.iter().try_for_each(|queue| write!(f, "{queue}"))
    }
}

fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

impl fmt::Display for Redriven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.queue;
        let resumed = if self.is_resumed { ", an interrupted redrive and this one together" } else { "" };
        writeln!(f, "{name}: {} redriven{resumed}", letters(self.sent))?;
        if let Some(verdict) = &self.canary {
            writeln!(f, "  the first one: {verdict}")?;
        }
        if self.is_resumed {
            writeln!(
                f,
                "  {} had been sent already and only had to be deleted",
                letters(self.sent_before as u64)
            )?;
            writeln!(f, "  surplus copies: at most {}", self.surplus_possible)?;
        }
        let mut say = |count: u64, what: &str| {
            if count > 0 { writeln!(f, "  {} {what}", letters(count)) } else { Ok(()) }
        };
        say(self.moved_by_sqs, "moved by SQS itself, which neither marks nor counts them exactly")?;
        say(self.came_back, "came back meanwhile: `throughline dlq list` says why")?;
        say(
            self.too_old,
            "left: so old that the ledger may have forgotten that they were handled (--accept-rerun)",
        )?;
        say(
            self.not_deleted,
            "sent and not deleted yet: run the same command again, which only deletes them",
        )?;
        say(self.in_others_hands, "hidden by another reader: run the same command again in a minute")?;
        if self.blocked_groups.is_empty() {
            say(self.not_reached, "are waiting and did not come: run the same command again")?;
        } else {
            let blocked = groups::named(&self.blocked_groups);
            say(
                self.not_reached,
                &format!("out of reach behind letters that are kept, in the message groups {blocked}"),
            )?;
        }
        say(
            self.in_doubt,
            "whose sending was interrupted are no more in the queue: expired, or deleted by others",
        )?;
        for (reason, count) in &self.cannot {
            say(*count, &format!("left: {reason}"))?;
        }
        for (reason, count) in &self.refused {
            say(*count, &format!("refused where they go to: {reason}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redriven(canary: Option<Verdict>) -> Redriven {
        Redriven { queue: "place-order".into(), sent: 1, canary, ..Redriven::default() }
    }

    #[test]
    fn a_first_letter_that_came_back_is_a_problem_that_is_named() {
        let came_back = Verdict::CameBack { reason: "BadOrder: -1".into() };
        let report = Report { queues: vec![redriven(Some(came_back))] };
        let problem = report.problem().unwrap();
        assert!(problem.contains("place-order") && problem.contains("BadOrder: -1"), "{problem}");
        assert!(report.queues[0].is_stopped());
        let report = Report { queues: vec![redriven(Some(Verdict::Handled))] };
        assert!(report.problem().is_none() && !report.queues[0].is_stopped());
    }

    #[test]
    fn letters_that_never_came_are_a_problem_that_is_named() {
        let report = Report { queues: vec![Redriven { not_reached: 7, ..redriven(None) }] };
        let problem = report.problem().unwrap();
        assert!(problem.contains("7 letters of place-order") && problem.contains("again"), "{problem}");
        assert!(report.to_string().contains("7 letters are waiting and did not come"), "{report}");
        assert!(!report.queues[0].is_stopped() && report.queues[0].is_anything());
    }

    #[test]
    fn letters_out_of_reach_are_a_problem_that_running_it_again_does_not_solve() {
        let blocked_groups = vec!["o-1".to_owned()];
        let report = Report { queues: vec![Redriven { not_reached: 16, blocked_groups, ..redriven(None) }] };
        let problem = report.problem().unwrap();
        assert!(
            problem.contains("`o-1`") && problem.contains("dlq redrive --queue place-order --all"),
            "{problem}"
        );
        assert!(!problem.contains("again") && !report.to_string().contains("again"), "{problem} {report}");
    }

    #[test]
    fn surplus_copies_are_told_of_whenever_a_redrive_went_on() {
        let resumed = Redriven { is_resumed: true, sent: 500, surplus_possible: 20, ..redriven(None) };
        let text = Report { queues: vec![resumed] }.to_string();
        assert!(
            text.contains("500 letters redriven") && text.contains("surplus copies: at most 20"),
            "{text}"
        );
        assert_eq!(Report::default().to_string(), "There was nothing to redrive.\n");
    }
}
