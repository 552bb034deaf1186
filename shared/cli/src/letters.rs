//! Dead letters: their queues, their origins, the destinations that they are redriven to, and the redrive itself.

pub(crate) mod destination;
pub(crate) mod groups;
pub(crate) mod identity;
pub(crate) mod pass;
pub(crate) mod queues;
pub mod redrive;
pub(crate) mod rerun;
pub(crate) mod selection;
