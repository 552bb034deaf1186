//! The functions that a saga is made of: `async fn`s whose arguments declare what they read.

use super::{Output, StepContext};
use crate::{Effects, Event, Failure, IntoEffects, MessageType, message::EncodedEvent};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{any::TypeId, future::Future, sync::Arc};

/// A function that runs a step: an `async fn` that takes the services, the values that it reads (the saga's input,
/// outputs of earlier steps, each by its type), and a [`StepContext`].
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Checkout { order_id: String }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] struct Charged { charge_id: String }
/// # struct Shop;
/// # impl Shop { async fn charge(&self, _: &str, _: &str) -> Result<String, std::io::Error> { Ok("c-1".into()) } }
/// async fn charge(shop: &Shop, checkout: Checkout, step: &StepContext<'_>) -> Result<Output<Charged>, Failure> {
///     let charge_id = shop.charge(&checkout.order_id, step.idempotency_key()).await?;
///     Ok(Output::of(Charged { charge_id }))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a step of a saga",
    label = "its arguments or what it returns do not fit",
    note = "a step is an `async fn(&Services, Input, EarlierOutput, .., &StepContext<'_>) -> Result<Output<Output>, Failure>`,\nwith up to six values to read, each `Deserialize` and owned"
)]
pub trait StepFunction<'a, P, R, O, E>: Send + Sync + 'static {
    /// Calls the function and returns its future.
    fn call(
        &self,
        services: &'a P,
        reads: R,
        step: &'a StepContext<'a>,
    ) -> BoxFuture<'a, Result<Output<O, E>, Failure>>;
}

/// A function that is given one value besides those that it reads: an undo the outcome of its step, a callback's
/// question the id to answer under, an ending the reason for the compensation.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] struct Charged { charge_id: String }
/// # struct Shop;
/// # impl Shop {
/// #     async fn refund(&self, _: &str) -> Result<(), std::io::Error> { Ok(()) }
/// #     async fn void(&self, _: &str) -> Result<(), std::io::Error> { Ok(()) }
/// # }
/// async fn refund(shop: &Shop, charged: Option<Charged>, step: &StepContext<'_>) -> Result<(), Failure> {
///     match charged {
///         Some(charged) => shop.refund(&charged.charge_id).await?,
///         None => shop.void(step.undone_key()).await?, // it may have taken effect, or may yet do so
///     }
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit here",
    label = "its arguments or what it returns do not fit",
    note = "an undo is an `async fn(&Services, Option<Output>, Input, .., &StepContext<'_>) -> Result<(), Failure>`",
    note = "a callback's question takes a `CallbackId<Answer>` there, and the ending of a compensated saga an `Unwound`",
    note = "all of them may return `Effects` instead of `()`"
)]
pub trait GivenFunction<'a, P, G, R, E>: Send + Sync + 'static {
    /// Calls the function and returns its future.
    fn call(
        &self,
        services: &'a P,
        given: G,
        reads: R,
        step: &'a StepContext<'a>,
    ) -> BoxFuture<'a, Result<Effects<E>, Failure>>;
}

/// The values that a function reads: a tuple of types.
pub trait Reads: Sized + Send + 'static {
    /// Returns the types, in the order of the arguments.
    fn wanted() -> Vec<DataType>;
    /// Reads the values, given in the same order.
    ///
    /// # Errors
    /// The position of a value that cannot be read as its type, and the reason.
    fn read(values: Vec<Value>) -> Result<Self, (usize, serde_json::Error)>;
}

/// A Rust type whose values are passed between steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataType {
    pub(crate) id: TypeId,
    /// The type's name, without the modules.
    pub name: &'static str,
}

impl DataType {
    pub(crate) fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: short_name(std::any::type_name::<T>()) }
    }
}

/// Returns a type's name without its modules: `shop::checkout::Charged` becomes `Charged`; of a generic type only the
/// outermost modules are left out.
fn short_name(name: &'static str) -> &'static str {
    let generic = name.find('<').unwrap_or(name.len());
    &name[name[..generic].rfind("::").map_or(0, |at| at + 2)..]
}

/// Returns the value at a position as the type of the argument there.
fn read_at<T: DeserializeOwned>(values: &[Value], at: usize) -> Result<T, (usize, serde_json::Error)> {
    let value = values.get(at).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| (at, error))
}

macro_rules! functions_that_read {
    ($($read:ident $value:ident $at:literal),*) => {
        impl<$($read: DeserializeOwned + Send + 'static),*> Reads for ($($read,)*) {
            fn wanted() -> Vec<DataType> {
                vec![$(DataType::of::<$read>()),*]
            }

            fn read(values: Vec<Value>) -> Result<Self, (usize, serde_json::Error)> {
                let _: &[Value] = &values;
                Ok(($(read_at::<$read>(&values, $at)?,)*))
            }
        }

        impl<'a, F, Fut, P, O, E $(, $read)*> StepFunction<'a, P, ($($read,)*), O, E> for F
        where
            P: 'a,
            F: Fn(&'a P, $($read,)* &'a StepContext<'a>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<Output<O, E>, Failure>> + Send + 'a,
        {
            fn call(
                &self,
                services: &'a P,
                ($($value,)*): ($($read,)*),
                step: &'a StepContext<'a>,
            ) -> BoxFuture<'a, Result<Output<O, E>, Failure>> {
                Box::pin(self(services, $($value,)* step))
            }
        }

        impl<'a, F, Fut, P, G, T $(, $read)*> GivenFunction<'a, P, G, ($($read,)*), T::Emits> for F
        where
            P: 'a,
            T: IntoEffects,
            F: Fn(&'a P, G, $($read,)* &'a StepContext<'a>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<T, Failure>> + Send + 'a,
        {
            fn call(
                &self,
                services: &'a P,
                given: G,
                ($($value,)*): ($($read,)*),
                step: &'a StepContext<'a>,
            ) -> BoxFuture<'a, Result<Effects<T::Emits>, Failure>> {
                let running = self(services, given, $($value,)* step);
                Box::pin(async move { Ok(running.await?.into_effects()) })
            }
        }
    };
}

functions_that_read!();
functions_that_read!(A a 0);
functions_that_read!(A a 0, B b 1);
functions_that_read!(A a 0, B b 1, C c 2);
functions_that_read!(A a 0, B b 1, C c 2, D d 3);
functions_that_read!(A a 0, B b 1, C c 2, D d 3, H h 4);
functions_that_read!(A a 0, B b 1, C c 2, D d 3, H h 4, I i 5);

/// The result of running a function.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The output of a step; `null` for other functions.
    pub(crate) output: Value,
    pub(crate) effects: Effects<EncodedEvent>,
}

/// The reason why a function was not run: a value that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The position of the value among those that are read; `None` if it is the one that the function is given.
    pub(crate) position: Option<usize>,
    pub(crate) error: serde_json::Error,
}

/// The arguments of a function: the value that it is given, as JSON, and the values that it reads.
pub(crate) struct Arguments {
    pub(crate) given: Option<Value>,
    pub(crate) reads: Vec<Value>,
}

type Running<'a> = BoxFuture<'a, Result<Ran, Failure>>;
type Call<P> =
    dyn for<'a> Fn(&'a P, Arguments, &'a StepContext<'a>) -> Result<Running<'a>, Unreadable> + Send + Sync;

/// A function behind one common type, without its type parameters.
pub(crate) struct Function<P> {
    pub(crate) reads: Vec<DataType>,
    pub(crate) emits: &'static [MessageType],
    call: Arc<Call<P>>,
}

impl<P> Clone for Function<P> {
    fn clone(&self) -> Self {
        Self { reads: self.reads.clone(), emits: self.emits, call: Arc::clone(&self.call) }
    }
}

impl<P: Send + Sync + 'static> Function<P> {
    pub(crate) fn of_step<F, R, O, E>(function: F) -> Self
    where
        F: for<'a> StepFunction<'a, P, R, O, E>,
        R: Reads,
        O: Serialize + Send + 'static,
        E: Event,
    {
        Self {
            reads: R::wanted(),
            emits: E::CATALOGUE,
            call: Arc::new(move |services, Arguments { reads, .. }, step| {
                let reads = R::read(reads)
                    .map_err(|(position, error)| Unreadable { position: Some(position), error })?;
                let running = function.call(services, reads, step);
                Ok(Box::pin(async move {
                    let Output { output, effects } = running.await?;
                    // The step has run, so this must not be a rejection.
                    let output = crate::item::checked_json(&output).map_err(|error| {
                        Failure::retry(format!("its output has no JSON form: {error}")).named("Unwritable")
                    })?;
                    Ok(Ran { output, effects: effects.encoded() })
                }))
            }),
        }
    }

    pub(crate) fn of_undo<F, O, R, E>(function: F) -> Self
    where
        F: for<'a> GivenFunction<'a, P, Option<O>, R, E>,
        O: DeserializeOwned + Send + 'static,
        R: Reads,
        E: Event,
    {
        Self::given(function, |output| output.map(serde_json::from_value).transpose())
    }

    pub(crate) fn of_given<F, G, R, E>(function: F) -> Self
    where
        F: for<'a> GivenFunction<'a, P, G, R, E>,
        G: DeserializeOwned + Send + 'static,
        R: Reads,
        E: Event,
    {
        Self::given(function, |given| serde_json::from_value(given.unwrap_or_default()))
    }

    fn given<F, G, R, E>(function: F, read: fn(Option<Value>) -> Result<G, serde_json::Error>) -> Self
    where
        F: for<'a> GivenFunction<'a, P, G, R, E>,
        G: Send + 'static,
        R: Reads,
        E: Event,
    {
        Self {
            reads: R::wanted(),
            emits: E::CATALOGUE,
            call: Arc::new(move |services, Arguments { given, reads }, step| {
                let given = read(given).map_err(|error| Unreadable { position: None, error })?;
                let reads = R::read(reads)
                    .map_err(|(position, error)| Unreadable { position: Some(position), error })?;
                let running = function.call(services, given, reads, step);
                Ok(Box::pin(
                    async move { Ok(Ran { output: Value::Null, effects: running.await?.encoded() }) },
                ))
            }),
        }
    }

    /// Returns a function that reads these types and does nothing.
    pub(crate) fn idle(reads: Vec<DataType>) -> Self {
        let ran = || Ran { output: Value::Null, effects: Effects::none() };
        Self { reads, emits: &[], call: Arc::new(move |_, _, _| Ok(Box::pin(std::future::ready(Ok(ran()))))) }
    }

    /// Calls the function with these arguments and returns its future.
    pub(crate) fn call<'a>(
        &self,
        services: &'a P,
        arguments: Arguments,
        step: &'a StepContext<'a>,
    ) -> Result<Running<'a>, Unreadable> {
        (self.call)(services, arguments, step)
    }
}
