//! The names of what can happen.

use std::fmt;

/// Something that happened, and to which attempt (or, where there is none, to which thing).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) of: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Deliver,
    Inspect,
    Take(Fate),
    Load,
    LoadAndDecide,
    Call,
    CallSucceeds,
    CallFails,
    Commit(Fate),
    Judge,
    DeadLetter(Fate),
    Acknowledge,
    HandBack,
    Release,
    Crash,
    Deadline,
    Tick,
    Sweep,
    FixAndRedrive,
    ChangeType,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Answered,
    /// It did not happen, and its sender cannot know.
    RequestLost,
    /// It happened, and its sender cannot know.
    AnswerLost,
}

impl Fate {
    pub(crate) const ALL: [Self; 3] = [Self::Answered, Self::RequestLost, Self::AnswerLost];
}

impl Action {
    pub(crate) fn all() -> Vec<Self> {
        let requests: [fn(Fate) -> Self; 3] = [Self::Take, Self::Commit, Self::DeadLetter];
        let requests = requests.iter().flat_map(|request| Fate::ALL.map(request));
        let others = [
            Self::Deliver,
            Self::Inspect,
            Self::Load,
            Self::LoadAndDecide,
            Self::Call,
            Self::CallSucceeds,
            Self::CallFails,
            Self::Judge,
            Self::Acknowledge,
            Self::HandBack,
            Self::Release,
            Self::Crash,
            Self::Deadline,
            Self::Tick,
            Self::Sweep,
            Self::FixAndRedrive,
            Self::ChangeType,
        ];
        others.into_iter().chain(requests).collect()
    }

    /// Returns whether this is the result of a step that nothing disturbs.
    pub(crate) fn goes_well(self) -> bool {
        match self {
            Self::Take(fate) | Self::Commit(fate) | Self::DeadLetter(fate) => fate == Fate::Answered,
            Self::Inspect
            | Self::Load
            | Self::LoadAndDecide
            | Self::Call
            | Self::CallSucceeds
            | Self::Judge
            | Self::Acknowledge
            | Self::Release => true,
            Self::Deliver
            | Self::CallFails
            | Self::HandBack
            | Self::Crash
            | Self::Deadline
            | Self::Tick
            | Self::Sweep
            | Self::FixAndRedrive
            | Self::ChangeType => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, fate) = match self.action {
            Action::Deliver => ("deliver", Fate::Answered),
            Action::Inspect => ("inspect", Fate::Answered),
            Action::Take(fate) => ("take", fate),
            Action::Load => ("load", Fate::Answered),
            Action::LoadAndDecide => ("decide", Fate::Answered),
            Action::Call => ("call", Fate::Answered),
            Action::CallSucceeds => ("answer to", Fate::Answered),
            Action::CallFails => ("error to", Fate::Answered),
            Action::Commit(fate) => ("commit", fate),
            Action::Judge => ("judge", Fate::Answered),
            Action::DeadLetter(fate) => ("dead-letter", fate),
            Action::Acknowledge => ("acknowledge", Fate::Answered),
            Action::HandBack => ("hand back", Fate::Answered),
            Action::Release => ("release", Fate::Answered),
            Action::Crash => ("crash", Fate::Answered),
            Action::Deadline => ("deadline of", Fate::Answered),
            Action::Tick => ("tick", Fate::Answered),
            Action::Sweep => ("sweep claim", Fate::Answered),
            Action::FixAndRedrive => ("fix and redrive event", Fate::Answered),
            Action::ChangeType => ("change type", Fate::Answered),
        };
        let fate = match fate {
            Fate::Answered => "",
            Fate::RequestLost => " (request lost)",
            Fate::AnswerLost => " (answer lost)",
        };
        write!(f, "{words} {}{fate}", self.of)
    }
}
