//! The payloads of the invocations to answer. The runtime would read each into a value of its own, and the trigger would
//! read that again: they are kept from the runtime, which finds a `null` in their place.

use bytes::Bytes;
use lambda_runtime::LambdaInvocation;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Payloads, by the ids of their requests: several invocations may be on their way at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payloads(Arc<Mutex<Vec<(String, Bytes)>>>);

impl Payloads {
    /// Takes an invocation's payload out of it.
    pub(crate) fn keep(&self, mut invocation: LambdaInvocation) -> LambdaInvocation {
        let payload = mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        self.kept().push((invocation.context.request_id.clone(), payload));
        invocation
    }

    /// The payload of the request of this id. Nothing if it is not kept, which the trigger then finds to be no payload.
    pub(crate) fn take(&self, request_id: &str) -> Bytes {
        let mut kept = self.kept();
        let found = kept.iter().position(|(id, _)| id == request_id);
        found.map(|at| kept.swap_remove(at).1).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(String, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
