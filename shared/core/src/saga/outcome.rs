//! What a step did.

use crate::{Effects, Never};

/// What a step did: its output, which later steps may read, and its effects.
///
/// ```
/// use throughline_core::prelude::*;
/// let silent: Outcome<u32> = Outcome::of(7);
/// let telling: Outcome<u32> = Effects::none().returning(7);
/// assert_eq!(silent, telling);
/// ```
#[must_use = "a step's output and effects are nothing until the step returns them"]
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<O, E = Never> {
    /// What later steps may read.
    pub output: O,
    /// What happens together with the step, or not at all.
    pub effects: Effects<E>,
}

impl<O, E> Outcome<O, E> {
    /// An output without effects.
    pub fn of(output: O) -> Self {
        Self { output, effects: Effects::none() }
    }
}

impl<E> Effects<E> {
    /// These effects as those of a saga's step with this output.
    pub fn returning<O>(self, output: O) -> Outcome<O, E> {
        Outcome { output, effects: self }
    }
}
