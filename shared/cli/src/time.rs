//! Moments and lengths of time, as people write them.

pub mod duration;
pub mod moment;
