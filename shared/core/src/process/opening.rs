//! Opening a record: decodes the message and derives its identity and the key of its claim.

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
    /// The envelope's attributes: `Some` if the envelope could be read, even if its data could not.
    pub(super) attributes: Option<Arc<Attributes>>,
    pub(super) message: Result<ReadMessage<M>, Unread>,
    /// The record's span: set once the record was begun.
    pub(super) span: OnceLock<Span>,
    /// Whether the record was delivered before and waited behind an unfinished record of its FIFO group each time.
    pub(super) has_waited: bool,
}

impl<M: Message> Opened<'_, M> {
    /// Returns the type of the message as metrics name it.
    pub(super) fn event_type(&self) -> &'static str {
        let known = M::CATALOGUE.iter().map(|known| known.name);
        self.attributes
            .as_ref()
            .map_or(metrics::OTHER, |attributes| metrics::bounded(&attributes.message_type, known))
    }
}

impl<M> Opened<'_, M> {
    /// Returns the message's identity, if it is known: the data need not be readable for that.
    pub(super) fn identity(&self) -> Option<&Identity> {
        match &self.message {
            Ok(message) => Some(&message.identity),
            Err(unread) => unread.identity.as_ref(),
        }
    }

    /// Returns the message's identity, once the record is settled.
    pub(super) fn into_identity(self) -> Option<Identity> {
        match self.message {
            Ok(message) => Some(message.identity),
            Err(unread) => unread.identity,
        }
    }

    /// Returns the time for which the handler ran for this record; `None` if it never did.
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
    /// The message's identity: `Some` if the envelope contains it.
    pub(super) identity: Option<Identity>,
}

/// A message's identity, and the key under which it is claimed.
pub(super) struct Identity {
    pub(super) attributes: Arc<Attributes>,
    pub(super) key: ClaimKey,
    pub(super) hash: PayloadHash,
    /// Whether the handler reprocesses the message because of a replay.
    pub(super) is_reprocessed: bool,
}

impl<H: Handler> MainPath<'_, H> {
    /// Opens a record. A message's decoding and a handler's key are the application's code: a panic in either is a
    /// failure of this record alone.
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

    /// Returns what is known about a record whose message could not be read. Its envelope may contain its identity, and
    /// that is enough to ask whether it was handled. A business key is derived from the data: for work that was claimed
    /// under one, the ledger cannot be asked.
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
