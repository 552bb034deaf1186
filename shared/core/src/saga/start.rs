//! The input of a saga and the message that starts it.

use serde::{Serialize, de::DeserializeOwned};

/// The input that a saga is started with.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Checkout { order_id: String }
///
/// impl SagaInput for Checkout {
///     const SAGA: &'static str = "checkout";
///     fn subject(&self) -> Option<String> { Some(self.order_id.clone()) }
/// }
/// ```
pub trait SagaInput: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The saga's name.
    const SAGA: &'static str;
    /// Returns the id of the entity that the saga is about: the CloudEvents attribute `subject` of the message that
    /// starts it.
    fn subject(&self) -> Option<String> {
        None
    }
}

/// Returns the type of the message that starts a saga.
pub(crate) fn start_type(saga: &str) -> String {
    format!("{saga}.start")
}
