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
    time::Duration,
};
use tracing::Span;

/// A record, opened: with its message, or with the reason why that could not be read.
pub(super) struct Opened<'r, M> {
    pub(super) position: usize,
    pub(super) record: Record<'r>,
    /// There if its envelope could be read, whatever became of its data.
    pub(super) attributes: Option<Arc<Attributes>>,
    pub(super) message: Result<ReadMessage<M>, Unread>,
    /// There once it was begun.
    pub(super) span: OnceLock<Span>,
    /// It was delivered before, and behind an unfinished record of its FIFO group each time.
    pub(super) has_waited: bool,
}

impl<M: Message> Opened<'_, M> {
    /// The type of its message, as metrics know it.
    pub(super) fn event_type(&self) -> &'static str {
        let known = M::CATALOGUE.iter().map(|known| known.name);
        self.attributes
            .as_ref()
            .map_or(metrics::OTHER, |attributes| metrics::bounded(&attributes.message_type, known))
    }
}

impl<M> Opened<'_, M> {
    /// Who its message is, if that is known: its data need not be readable.
    pub(super) fn identity(&self) -> Option<&Identity> {
        match &self.message {
            Ok(message) => Some(&message.identity),
            Err(unread) => unread.identity.as_ref(),
        }
    }

    /// Who its message was, once it is settled.
    pub(super) fn into_identity(self) -> Option<Identity> {
        match self.message {
            Ok(message) => Some(message.identity),
            Err(unread) => unread.identity,
        }
    }

    /// How long the handler ran for it; nothing if it never did.
    pub(super) fn handler_ran(&self) -> Option<Duration> {
        self.message.as_ref().ok().and_then(|message| message.handler_ran.elapsed())
    }
}

/// A message that was read, and how long its handler has run for it.
pub(super) struct ReadMessage<M> {
    pub(super) identity: Identity,
    pub(super) data: M,
    pub(super) handler_ran: Stopwatch,
}

/// A record whose message could not be read.
pub(super) struct Unread {
    pub(super) failure: Failure,
    /// There if its envelope says who it is.
    pub(super) identity: Option<Identity>,
}

/// Who a message is, and under which key it is handled.
pub(super) struct Identity {
    pub(super) attributes: Arc<Attributes>,
    pub(super) key: ClaimKey,
    pub(super) hash: PayloadHash,
    /// The handler looks at it again because of a replay.
    pub(super) is_reprocessed: bool,
}

impl<H: Handler> MainPath<'_, H> {
    /// Opens a record. A message's own decoding and a handler's key are other people's code: a panic there
    /// is this record's failure, too.
    pub(super) fn open<'r>(&self, position: usize, record: Record<'r>) -> Opened<'r, H::Message> {
        let mut attributes = None;
        let message = catch_unwind(AssertUnwindSafe(|| self.read(&record, &mut attributes)));
        let message = message.unwrap_or_else(|panic| Err(panicked(&*panic)));
        let message = message.map_err(|failure| self.unread(&record, &mut attributes, failure));
        Opened { position, record, attributes, message, span: OnceLock::new(), has_waited: false }
    }

    fn read(
        &self,
        record: &Record<'_>,
        kept: &mut Option<Arc<Attributes>>,
    ) -> Result<ReadMessage<H::Message>, Failure> {
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
        let business_key = self.handler.key(&data);
        let identity = self.identify(attributes, &data_json, business_key.as_deref())?;
        Ok(ReadMessage { identity, data, handler_ran: Stopwatch::default() })
    }

    /// What is known of a record whose message could not be read. Its envelope may say who it is, and that is
    /// enough to ask whether it is done. A business key is made of the data: work that was claimed under one
    /// cannot be asked for.
    fn unread(&self, record: &Record<'_>, kept: &mut Option<Arc<Attributes>>, failure: Failure) -> Unread {
        let envelope = decode::open_record(record, H::Message::WIRE_FORM).ok();
        let identity = envelope.and_then(|Envelope { attributes, data }| {
            let attributes = Arc::clone(kept.get_or_insert_with(|| Arc::new(attributes)));
            self.identify(attributes, data.get(), None).ok()
        });
        Unread { failure, identity }
    }

    fn identify(
        &self,
        attributes: Arc<Attributes>,
        data_json: &str,
        business_key: Option<&str>,
    ) -> Result<Identity, Failure> {
        let hash = PayloadHash::of(&attributes.message_type, data_json)
            .map_err(DecodeError::NotJson)
            .map_err(undecodable)?;
        let Attributes { source, id, .. } = &*attributes;
        let key = match business_key {
            Some(key) => ClaimKey::for_business_key(self.handler.name(), key),
            None => ClaimKey::for_event(self.handler.name(), source, id),
        };
        let replay = attributes.replay_name.as_deref().filter(|_| self.is_reprocessing());
        let key = match replay {
            Some(name) => key.under_replay(self.handler.name(), name),
            None => key,
        };
        let is_reprocessed = replay.is_some();
        Ok(Identity { attributes, key, hash, is_reprocessed })
    }

    fn is_reprocessing(&self) -> bool {
        self.handler.replay_policy() == ReplayPolicy::Reprocess
    }
}

fn undecodable(error: DecodeError) -> Failure {
    let name = error.error_type();
    if error.is_transient() { Failure::retry(error).named(name) } else { Failure::reject(error).named(name) }
}
