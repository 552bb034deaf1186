//! Opening a record: from what was delivered to a message, who it is, and under which key it is handled.

use super::{MainPath, Record, panicked, stopwatch::Stopwatch};
use crate::{
    Attributes, Envelope, Failure, Handler, Message,
    decode::{self, DecodeError, Decoded},
    identity::{ClaimKey, PayloadHash},
    metrics,
    replay::ReplayPolicy,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};
use tracing::Span;

/// A record that was opened.
pub(super) struct Prepared<'r, M> {
    pub(super) position: usize,
    pub(super) record: Record<'r>,
    /// There if its envelope could be read, whatever became of its data.
    pub(super) attributes: Option<Arc<Attributes>>,
    pub(super) opened: Result<Opened<M>, Failure>,
    /// There once it was begun.
    pub(super) span: OnceLock<Span>,
}

impl<M: Message> Prepared<'_, M> {
    /// The type of its message, as metrics know it.
    pub(super) fn event_type(&self) -> &'static str {
        let known = M::CATALOGUE.iter().map(|known| known.name);
        self.attributes
            .as_ref()
            .map_or(metrics::OTHER, |attributes| metrics::bounded(&attributes.message_type, known))
    }
}

pub(super) struct Opened<M> {
    pub(super) attributes: Arc<Attributes>,
    pub(super) data: M,
    pub(super) key: ClaimKey,
    pub(super) hash: PayloadHash,
    /// The handler looks at it again because of a replay.
    pub(super) is_reprocessed: bool,
    pub(super) handler_ran: Stopwatch,
}

impl<H: Handler> MainPath<'_, H> {
    /// Opens a record. A message's own decoding and a handler's key are other people's code: a panic there
    /// is this record's failure, too.
    pub(super) fn open<'r>(&self, position: usize, record: Record<'r>) -> Prepared<'r, H::Message> {
        let mut attributes = None;
        let opened = catch_unwind(AssertUnwindSafe(|| self.read(&record, &mut attributes)));
        let opened = opened.unwrap_or_else(|panic| {
            let of_envelope = || decode::attributes_of(&record, H::Message::WIRE_FORM).map(Arc::new);
            attributes = attributes.take().or_else(of_envelope);
            Err(panicked(&*panic))
        });
        Prepared { position, record, attributes, opened, span: OnceLock::new() }
    }

    fn read(
        &self,
        record: &Record<'_>,
        kept: &mut Option<Arc<Attributes>>,
    ) -> Result<Opened<H::Message>, Failure> {
        let Decoded { envelope, data_json } =
            decode::decode_record::<H::Message>(record).map_err(|undecoded| {
                *kept = undecoded.attributes.map(|attributes| Arc::new(*attributes));
                undecodable(undecoded.error)
            })?;
        let Envelope { mut attributes, data } = envelope;
        if attributes.trace_parent.is_none() {
            attributes.continue_trace(record.delivery.trace_context().as_ref());
        }
        if let Some(before) = data.continues() {
            attributes.go_on_from(before);
        }
        let attributes = Arc::new(attributes);
        *kept = Some(Arc::clone(&attributes));
        let hash = PayloadHash::of(&attributes.message_type, &data_json)
            .map_err(DecodeError::NotJson)
            .map_err(undecodable)?;
        let Attributes { source, id, .. } = &*attributes;
        let key = match self.handler.key(&data) {
            Some(key) => ClaimKey::for_business_key(self.handler.name(), &key),
            None => ClaimKey::for_event(self.handler.name(), source, id),
        };
        let replay = attributes.replay_name.as_deref().filter(|_| self.is_reprocessing());
        let key = replay.map_or_else(|| key.clone(), |name| key.under_replay(self.handler.name(), name));
        let is_reprocessed = replay.is_some();
        Ok(Opened { attributes, data, key, hash, is_reprocessed, handler_ran: Stopwatch::default() })
    }

    fn is_reprocessing(&self) -> bool {
        self.handler.replay_policy() == ReplayPolicy::Reprocess
    }
}

fn undecodable(error: DecodeError) -> Failure {
    let name = error.error_type();
    if error.is_transient() { Failure::retry(error).named(name) } else { Failure::reject(error).named(name) }
}
