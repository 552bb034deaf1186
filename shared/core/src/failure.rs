//! Why a handler produced no effects: *retry*, or *permanent*.

use crate::context::LoadError;
use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// Any error, owned.
pub type BoxError = Box<dyn StdError + Send + Sync + 'static>;

/// The kind of a failure: whether running the handler again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Transient: the source delivers the message again.
    Retry,
    /// Permanent: the message goes to the dead-letter queue with its reason and is acknowledged.
    Reject,
}

/// Why a handler did not produce effects.
///
/// `?` on any error means *retry*. [`ResultExt::reject`] and [`OptionExt::or_reject`] mean *permanent*.
/// Nothing else decides, but for one error that no attempt can mend: [`LoadError::NoKey`].
///
/// ```
/// use throughline_core::prelude::*;
///
/// fn quantity(text: &str) -> Result<u32, Failure> {
///     let quantity = text.parse::<u32>().reject()?; // no later attempt will read it differently
///     Some(quantity).filter(|quantity| *quantity > 0).or_reject("an order line needs at least one piece")
/// }
/// assert!(quantity("two").is_err());
/// ```
#[derive(Debug)]
pub struct Failure {
    /// The kind of a failure: whether running the handler again may help.
    pub kind: FailureKind,
    /// The type of the error: the dead letter's `ErrorType`.
    pub error_type: Cow<'static, str>,
    /// The error.
    pub error: BoxError,
    /// When to try again, if the handler knows better than exponential back-off; see [`Failure::after`].
    pub after: Option<Duration>,
}

impl Failure {
    /// A transient failure; what `?` makes of nearly any error.
    pub fn retry<E: Into<BoxError>>(error: E) -> Self {
        Self::new::<E>(FailureKind::Retry, error)
    }

    /// A permanent failure.
    pub fn reject<E: Into<BoxError>>(error: E) -> Self {
        Self::new::<E>(FailureKind::Reject, error)
    }

    /// Asks for the next attempt after this long instead of the usual back-off.
    ///
    /// An SQS queue hides a message for twelve hours at most, counted from when it was received. What is asked for
    /// beyond eleven and a half hours is cut to that, with a warning in the log; what is to happen later than that is
    /// a command for later. A rule's direct invocations and sagas have waits of their own, and heed none of this.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use throughline_core::prelude::*;
    /// fn not_before_morning() -> Failure {
    ///     Failure::retry("the shop is closed").after(Duration::from_hours(9))
    /// }
    /// assert_eq!(not_before_morning().after, Some(Duration::from_hours(9)));
    /// ```
    pub fn after(self, delay: Duration) -> Self {
        Self { after: Some(delay), ..self }
    }

    /// Names the error type, where the Rust type's own name would say too little.
    pub fn named(self, error_type: impl Into<Cow<'static, str>>) -> Self {
        Self { error_type: error_type.into(), ..self }
    }

    /// The error and everything that caused it, on one line.
    pub fn message(&self) -> String {
        let mut message = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        message
    }

    fn new<E: Into<BoxError>>(kind: FailureKind, error: E) -> Self {
        Self { kind, error_type: short_type_name::<E>().into(), error: error.into(), after: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message())
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let failure = Self::retry(error);
        let kind = if is_of_no_key(&*failure.error) { FailureKind::Reject } else { FailureKind::Retry };
        Self { kind, ..failure }
    }
}

/// Returns whether an entity was asked for under an id that no key can hold: no later attempt finds it there.
fn is_of_no_key(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(LoadError::NoKey { .. }) = error.downcast_ref() {
            return true;
        }
        next = error.source();
    }
    false
}

/// `shop::order::BadOrder` is `BadOrder`; a bare text has no type worth naming.
fn short_type_name<E>() -> &'static str {
    let name = std::any::type_name::<E>();
    if name == "&str" || name.ends_with("::String") || name.contains("dyn ") {
        return "Failure";
    }
    let generic = name.find('<').unwrap_or(name.len());
    &name[name[..generic].rfind("::").map_or(0, |at| at + 2)..]
}

/// Turns an error into a permanent failure.
pub trait ResultExt<T> {
    /// This error will not go away: dead-letter the message with it.
    ///
    /// ```
    /// use throughline_core::prelude::*;
    /// fn age(text: &str) -> Result<u8, Failure> { text.parse::<u8>().reject() }
    /// ```
    ///
    /// # Errors
    /// The error, as a [`FailureKind::Reject`].
    fn reject(self) -> Result<T, Failure>;
}

impl<T, E: Into<BoxError>> ResultExt<T> for Result<T, E> {
    fn reject(self) -> Result<T, Failure> {
        self.map_err(Failure::reject)
    }
}

/// Turns absence into a failure.
pub trait OptionExt<T> {
    /// Not there *yet*: events may overtake each other, so try again later.
    ///
    /// # Errors
    /// `why`, as a [`FailureKind::Retry`].
    fn or_retry(self, why: &str) -> Result<T, Failure>;

    /// Not there, and never will be.
    ///
    /// # Errors
    /// `why`, as a [`FailureKind::Reject`].
    fn or_reject(self, why: &str) -> Result<T, Failure>;
}

impl<T> OptionExt<T> for Option<T> {
    fn or_retry(self, why: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::retry(why.to_owned()).named("Missing"))
    }

    fn or_reject(self, why: &str) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::reject(why.to_owned()).named("Missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the card was declined")]
    struct Declined(#[source] std::num::ParseIntError);

    #[test]
    fn a_failure_tells_its_type_and_every_cause() {
        let failure = Failure::reject(Declined("x".parse::<u8>().unwrap_err()));
        assert_eq!(failure.to_string(), "Declined: the card was declined: invalid digit found in string");
        assert_eq!(Failure::retry("down").error_type, "Failure");
        assert_eq!(Failure::retry(String::from("down")).error_type, "Failure");
    }

    #[test]
    fn the_question_mark_means_retry() {
        fn fails() -> Result<(), Failure> {
            Err("down")?;
            Ok(())
        }
        assert_eq!(fails().unwrap_err().kind, FailureKind::Retry);
    }
}
