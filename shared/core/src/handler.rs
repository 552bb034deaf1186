//! Handlers: from a message to its effects.

use crate::{
    Context, Effects, Envelope, Event, Failure, IntoEffects, Message, Raw,
    replay::{ReplayPolicy, Reprocess, Reprocessable, Reprocessed},
};
use std::{fmt, future::Future, marker::PhantomData};

/// A function from a message to its effects.
///
/// A handler is a cloneable struct whose fields are what it depends on. It never publishes, writes or
/// reads a clock: it returns [`Effects`], and the main path makes them happen once.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct PaymentCaptured { pub order_id: String }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct OrderConfirmed { pub order_id: String }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" { "order.confirmed" v1 => Confirmed(OrderConfirmed.order_id) } }
/// # events! { /// Payments.
/// # pub enum PaymentEvent of "payment" { "payment.captured" v1 => Captured(PaymentCaptured.order_id) } }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Order { id: String, confirmed: bool }
/// # impl Order { fn confirmed(self) -> Self { Self { confirmed: true, ..self } } }
/// # impl Entity for Order { const KIND: &'static str = "order"; fn id(&self) -> String { self.id.clone() } }
///
/// #[derive(Clone)]
/// struct ConfirmOrder;
///
/// impl Handler for ConfirmOrder {
///     const NAME: &'static str = "confirm-order";
///     type Message = PaymentCaptured;
///     type Emits = OrderEvent;
///
///     async fn handle(
///         &self,
///         paid: Envelope<PaymentCaptured>,
///         context: &Context<'_>,
///     ) -> Result<Effects<OrderEvent>, Failure> {
///         let order = context.load::<Order>(&paid.data.order_id).await?.or_retry("order not seen yet")?;
///         Ok(Effects::none()
///             .emit(OrderConfirmed { order_id: order.value.id.clone() })
///             .save(order.map(Order::confirmed)))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "this does not implement `Handler`",
    note = "implement `Handler` for a struct that holds your dependencies,\nor wrap an `async fn(Envelope<M>) -> Result<Effects<E>, Failure>`: handler_fn(\"my-handler\", my_function)"
)]
pub trait Handler: Clone + Send + Sync + 'static {
    /// Its name: part of the key of everything it has done. A rename makes it do all of it again, so the
    /// name is locked in a checked-in file.
    const NAME: &'static str;
    /// The messages that it takes: an event, a command, a whole catalogue of either, or [`Raw`] JSON. A catalogue is
    /// matched variant by variant, without `_` or `let … else`: these would acknowledge the second version of an event
    /// as done.
    type Message: Message;
    /// The events that it may emit; [`Never`](crate::Never) if none.
    type Emits: Event;

    /// The tables of its own that it loads from or saves to, by logical name: their settings are checked when
    /// the function starts. A test of the test kit's fails if the handler uses one that is not among them.
    const TABLES: &'static [&'static str] = &[];

    /// Decides. `?` on any error means *retry*; see [`Failure`].
    fn handle(
        &self,
        message: Envelope<Self::Message>,
        context: &Context<'_>,
    ) -> impl Future<Output = Result<Effects<Self::Emits>, Failure>> + Send;

    /// [`NAME`](Self::NAME), or the name a wrapper was given.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// A business key that identifies the work better than the event's source and id: two messages with
    /// the same key are the same work. Their payloads must then be the same, too.
    ///
    /// It is made of the data. A message whose data can no longer be read, such as after a field was added to its
    /// type, is therefore not recognised as done where its handler has a key of its own.
    fn key(&self, message: &Self::Message) -> Option<String> {
        let _ = message;
        None
    }

    /// Returns whether the handler claims its message before it runs; see [`leased`].
    fn holds_claim_while_running(&self) -> bool {
        false
    }

    /// Returns the policy for messages that a replay sends again.
    fn replay_policy(&self) -> ReplayPolicy {
        ReplayPolicy::ClaimsDecide
    }

    /// Has a replay run it again although its work is done. Only a projection can be: see
    /// [`Reprocessable`].
    fn on_replay(self, policy: Reprocess) -> Reprocessed<Self>
    where
        Self: Reprocessable,
    {
        let Reprocess = policy;
        Reprocessed(self)
    }
}

/// A handler that touches the outside world: its claim is taken before it runs, with a lease no longer
/// than the invocation, so that no two deliveries run it at the same time.
///
/// Give the API you call [`Context::idempotency_key`]: after a crash between the call and the commit, the
/// handler runs again once the lease has ended, and only that key tells the API that it is the same call.
///
/// ```
/// # use serde::Deserialize;
/// # use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, Deserialize)] struct ChargeCard { cents: u64 }
/// # #[derive(Clone)] struct Provider;
/// # impl Provider { async fn charge(&self, _cents: u64, _key: &str) -> Result<(), std::io::Error> { Ok(()) } }
/// #[derive(Clone)]
/// struct Charge { provider: Provider }
///
/// impl Handler for Charge {
///     const NAME: &'static str = "charge";
///     type Message = Raw<ChargeCard>;
///     type Emits = Never;
///
///     async fn handle(&self, charge: Envelope<Raw<ChargeCard>>, context: &Context<'_>) -> Result<Effects, Failure> {
///         self.provider.charge(charge.data.0.cents, &context.idempotency_key()).await?;
///         Ok(Effects::none())
///     }
/// }
/// let handler = leased(Charge { provider: Provider });
/// ```
///
/// If the invocation is about to end while the handler runs, its claim is kept until the lease ends: what it
/// asked of the outside world may still be going on there.
pub fn leased<H: Handler>(handler: H) -> Leased<H> {
    Leased(handler)
}

/// The handler that [`leased`] returns.
#[derive(Debug, Clone)]
pub struct Leased<H>(H);

impl<H: Handler> Handler for Leased<H> {
    const NAME: &'static str = H::NAME;
    const TABLES: &'static [&'static str] = H::TABLES;
    type Message = H::Message;
    type Emits = H::Emits;

    fn handle(
        &self,
        message: Envelope<H::Message>,
        context: &Context<'_>,
    ) -> impl Future<Output = Result<Effects<H::Emits>, Failure>> + Send {
        self.0.handle(message, context)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn key(&self, message: &H::Message) -> Option<String> {
        self.0.key(message)
    }

    fn holds_claim_while_running(&self) -> bool {
        true
    }

    fn replay_policy(&self) -> ReplayPolicy {
        self.0.replay_policy()
    }
}

/// Makes a handler of an `async fn` that needs nothing but the message. One that loads entities, or gives an
/// API an idempotency key, is a struct that implements [`Handler`].
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct OrderPlaced { pub order_id: String }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" { "order.placed" v1 => Placed(OrderPlaced.order_id) } }
/// async fn greet(placed: Envelope<OrderPlaced>) -> Result<(), Failure> {
///     println!("thank you for order {}", placed.data.order_id);
///     Ok(())
/// }
/// let handler = handler_fn("greet-customer", greet);
/// assert_eq!(handler.name(), "greet-customer");
/// ```
pub fn handler_fn<F, Fut, M, R>(name: &'static str, function: F) -> HandlerFn<F, M>
where
    F: Fn(Envelope<M>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send,
    R: IntoEffects,
    M: Message,
{
    HandlerFn { name, function, message: PhantomData }
}

/// Makes a handler of an `async fn` over JSON that is no CloudEvent; see [`Raw`].
pub fn raw<T, F, Fut, R>(name: &'static str, function: F) -> HandlerFn<F, Raw<T>>
where
    F: Fn(Envelope<Raw<T>>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send,
    R: IntoEffects,
    Raw<T>: Message,
{
    handler_fn(name, function)
}

/// The handler that [`handler_fn`] returns.
pub struct HandlerFn<F, M> {
    name: &'static str,
    function: F,
    message: PhantomData<fn(M)>,
}

impl<F: Clone, M> Clone for HandlerFn<F, M> {
    fn clone(&self) -> Self {
        Self { name: self.name, function: self.function.clone(), message: PhantomData }
    }
}

impl<F, M> fmt::Debug for HandlerFn<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFn").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<F, Fut, M, R> Handler for HandlerFn<F, M>
where
    F: Fn(Envelope<M>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send,
    R: IntoEffects,
    M: Message,
{
    /// The name is a value, not a constant: ask [`Handler::name`].
    const NAME: &'static str = "handler_fn";
    type Message = M;
    type Emits = R::Emits;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(&self, message: Envelope<M>, _: &Context<'_>) -> Result<Effects<R::Emits>, Failure> {
        Ok((self.function)(message).await?.into_effects())
    }
}
