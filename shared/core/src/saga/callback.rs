//! Callbacks: answers from outside that steps wait for.

use super::{
    record::{StepOutcome, StepRecord, shown},
    task::{TaskAnswer, error_type},
};
use crate::{
    Context, Destination, Effects, Failure, OptionExt as _, Versioned, effects::CommandSend,
    envelope::Attributes,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, marker::PhantomData};

/// The address under which an answer of type `T` is awaited. It may leave the system, in an event or a link: it stays
/// the same however often the question is asked, and it is no secret that could answer any other question.
pub struct CallbackId<T> {
    id: String,
    answer: PhantomData<fn() -> T>,
}

impl<T> CallbackId<T> {
    pub(crate) fn new(id: String) -> Self {
        Self { id, answer: PhantomData }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.id
    }
}

impl<T: Serialize> CallbackId<T> {
    /// Finds the step that waits for the answer.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline_core::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Approved { by: String }
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct Decide { order_id: String, callback: CallbackId<Approved>, by: Option<String> }
    /// # async fn example(decide: Decide, context: &Context<'_>) -> Result<Effects, Failure> {
    /// let waiting = decide.callback.find(context).await?;
    /// Ok(match decide.by {
    ///     Some(by) => waiting.answer(&Approved { by }),
    ///     None => waiting.refuse("NotApproved", "nobody took the risk"),
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// A rejection if no step waits under this id, if it was answered already, or if it is too late. With `?` a ledger
    /// that does not answer means *retry*.
    pub async fn find(&self, context: &Context<'_>) -> Result<Waiting<T>, Failure> {
        let record = context.load::<StepRecord>(&self.id).await?;
        let record = record.or_reject(&format!("no step waits for an answer under `{}`", self.id))?;
        match &record.value.outcome {
            StepOutcome::Waiting { token } => {
                let token = token.clone();
                Ok(Waiting { record, token, answer: PhantomData })
            }
            StepOutcome::Done { .. } | StepOutcome::Rejected { .. } | StepOutcome::Doubtful { .. } => {
                Err(Failure::reject(format!("`{}` was answered already", self.id)).named("AnsweredAlready"))
            }
            StepOutcome::Voided => {
                Err(Failure::reject(format!("`{}` is answered too late", self.id)).named("TooLate"))
            }
        }
    }
}

/// A step that waits for an answer of type `T`.
#[must_use = "an answer does nothing until the handler returns it"]
pub struct Waiting<T> {
    record: Versioned<StepRecord>,
    token: String,
    answer: PhantomData<fn(T)>,
}

impl<T: Serialize> Waiting<T> {
    /// Returns effects that answer the question. The first answer stands, also if two are given at the same time.
    pub fn answer<E>(self, answer: &T) -> Effects<E> {
        match crate::item::checked_json(answer) {
            Ok(output) => self.settle(StepOutcome::Done { output }),
            // The error is reported when the effects are sealed, like that of every other value without a JSON form.
            Err(error) => Effects {
                commands: vec![CommandSend {
                    destination: Destination::Task { token: self.token },
                    attributes: Attributes::new("", "", ANSWER_TYPE),
                    data: Err(error.to_string()),
                }],
                ..Effects::none()
            },
        }
    }

    /// Returns effects that refuse: the step is rejected, and the steps before it are undone.
    pub fn refuse<E>(self, error_type: impl Into<String>, reason: impl Into<String>) -> Effects<E> {
        self.settle(StepOutcome::Rejected { error_type: error_type.into(), reason: reason.into() })
    }

    fn settle<E>(self, outcome: StepOutcome) -> Effects<E> {
        let effects = answer_task(self.token, &outcome);
        effects.save(self.record.map(|record| StepRecord { outcome, ..record }))
    }
}

/// The type of the message that carries an answer to a task.
pub(crate) const ANSWER_TYPE: &str = "saga.answer";

/// Returns effects that make the relay answer a task with the outcome of its step.
pub(crate) fn answer_task<E>(token: String, outcome: &StepOutcome) -> Effects<E> {
    let answer = match outcome {
        StepOutcome::Done { output } => TaskAnswer::Success { output: shown(output) },
        StepOutcome::Rejected { reason, .. } => {
            TaskAnswer::Failure { error: error_type::REJECTED.to_owned(), cause: reason.clone() }
        }
        StepOutcome::Doubtful { reason, .. } => {
            TaskAnswer::Failure { error: error_type::FAILED.to_owned(), cause: reason.clone() }
        }
        StepOutcome::Voided | StepOutcome::Waiting { .. } => return Effects::none(),
    };
    let send = CommandSend {
        destination: Destination::Task { token },
        attributes: Attributes::new("", "", ANSWER_TYPE),
        data: serde_json::to_string(&answer).map_err(|error| error.to_string()),
    };
    Effects { commands: vec![send], ..Effects::none() }
}

impl<T> Clone for CallbackId<T> {
    fn clone(&self) -> Self {
        Self::new(self.id.clone())
    }
}

impl<T> PartialEq for CallbackId<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<T> fmt::Debug for CallbackId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallbackId").field(&self.id).finish()
    }
}

impl<T> fmt::Display for CallbackId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl<T> Serialize for CallbackId<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.id)
    }
}

impl<'de, T> Deserialize<'de> for CallbackId<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// The schema is a string: the type of the answer is not part of the wire format.
#[cfg(feature = "schema")]
impl<T> schemars::JsonSchema for CallbackId<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CallbackId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

/// Prints the record's id without the token.
impl<T> fmt::Debug for Waiting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting").field(&self.record.value.step).finish()
    }
}
