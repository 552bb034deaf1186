//! The output of a saga's step.

use crate::{Effects, Never};

/// The return value of a step: a value that later steps may read, and the effects that happen together with the step.
///
/// ```
/// use throughline_core::prelude::*;
/// let silent: Output<u32> = Output::of(7);
/// let telling: Output<u32> = Effects::none().returning(7);
/// assert_eq!(silent, telling);
/// ```
#[must_use = "a step's output and effects are nothing until the step returns them"]
#[derive(Debug, Clone, PartialEq)]
pub struct Output<O, E = Never> {
    /// The value that later steps may read.
    pub output: O,
    /// The effects that happen together with the step, or not at all.
    pub effects: Effects<E>,
}

impl<O, E> Output<O, E> {
    /// Returns an output without effects.
    pub fn of(output: O) -> Self {
        Self { output, effects: Effects::none() }
    }
}

impl<E> Effects<E> {
    /// Returns these effects as those of a saga's step with this output.
    pub fn returning<O>(self, output: O) -> Output<O, E> {
        Output { output, effects: self }
    }
}
