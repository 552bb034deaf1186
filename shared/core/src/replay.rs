//! The policies of handlers for messages that a replay sends again.
//!
//! A replay keeps a message's id and names itself in the extension `replayname`. A handler's finished work is
//! remembered under the message's id, so by default a replay changes nothing that was done before, and does what was
//! not. [`Reprocess`] is for projections: they look at each message once more for every replay.

use crate::{Context, Effects, Envelope, Failure, Handler, Never};

/// A handler's policy for messages that a replay sends again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplayPolicy {
    /// Its claims decide: what is done is a duplicate, what is not is done.
    #[default]
    ClaimsDecide,
    /// It runs once for each replay. See [`Reprocess`].
    Reprocess,
}

impl ReplayPolicy {
    /// Its name in files and tables: `claims-decide` or `reprocess`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaimsDecide => "claims-decide",
            Self::Reprocess => "reprocess",
        }
    }
}

/// Under a replay the handler runs although its work is done: once for each replay. For
/// [`Handler::on_replay`] of projections, so that a replay fills a view that was emptied.
///
/// Its claims then name the replay. They are kept as long as the replay's own messages may be delivered again
/// ([`Settings::replay_claim_lifetime`](crate::process::Settings::replay_claim_lifetime)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reprocess;

/// A handler that may run again although its work is done: it emits and sends nothing, and what it saves is the same
/// however often it runs. [`projection`](crate::projection()) makes one.
///
/// Implementing it for a handler of your own is a promise of that: whatever else it does, a replay does again.
#[diagnostic::on_unimplemented(
    message = "a replay must not run `{Self}` again: it may emit, or do twice what is done",
    label = "this does not implement `Reprocessable`",
    note = "without `on_replay` its claims decide: finished work is not done again",
    note = "only a projection is reprocessed: projection(MyProjector).on_replay(Reprocess)"
)]
pub trait Reprocessable: Handler<Emits = Never> {}

/// The handler that [`Handler::on_replay`] returns.
#[derive(Debug, Clone)]
pub struct Reprocessed<H>(pub(crate) H);

impl<H: Reprocessable> Handler for Reprocessed<H> {
    const NAME: &'static str = H::NAME;
    const TABLES: &'static [&'static str] = H::TABLES;
    type Message = H::Message;
    type Emits = Never;

    fn handle(
        &self,
        message: Envelope<H::Message>,
        context: &Context<'_>,
    ) -> impl Future<Output = Result<Effects<Never>, Failure>> + Send {
        self.0.handle(message, context)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn key(&self, message: &H::Message) -> Option<String> {
        self.0.key(message)
    }

    fn holds_claim_while_running(&self) -> bool {
        self.0.holds_claim_while_running()
    }

    fn replay_policy(&self) -> ReplayPolicy {
        ReplayPolicy::Reprocess
    }
}
