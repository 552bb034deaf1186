//! Dead letters: the queues that they lie in, what they are, where they came from, and how they go back there.

pub(crate) mod destination;
pub(crate) mod groups;
pub(crate) mod identity;
pub(crate) mod pass;
pub(crate) mod queues;
pub mod redrive;
pub(crate) mod rerun;
pub(crate) mod selection;
