//! The steps of the checkout, and how each is undone.

use super::{
    Charge, Charged, Checkout, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError,
};
use crate::{
    CancelReason, Order, OrderEvent, Reservation, Shortage, Stock, StockEvent,
    approval::{ApprovalEvent, ApprovalRequested},
    stock,
};
use serde::{Deserialize, Serialize};
use throughline_core::{prelude::*, saga::error_type};

/// The providers that the checkout asks.
#[derive(Debug, Clone)]
pub struct Shop<P, S> {
    /// Takes the money.
    pub payments: P,
    /// Brings the goods.
    pub shipping: S,
}

/// Everything the order asks for is set aside for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// How many lines.
    pub lines: usize,
}

/// Somebody takes the risk of an expensive order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who.
    pub by: String,
}

/// The order is paid and on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The carrier's id of the shipment.
    pub shipment_id: String,
}

/// Why stock cannot be reserved.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
struct OutOfStock(Vec<Shortage>);

pub(super) async fn reserve<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    checkout: Checkout,
    step: &StepContext<'_>,
) -> Result<Outcome<Reserved, StockEvent>, Failure> {
    let Checkout { order_id, lines, .. } = checkout;
    let stocks = Stock::of_each(&lines, step).await?;
    let (event, left) = stock::reserve(&order_id, lines.iter().cloned().zip(stocks));
    if let StockEvent::Depleted(depleted) = event {
        return Err(Failure::reject(OutOfStock(depleted.shortages)));
    }
    let reserved = Reserved { lines: lines.len() };
    let reservation = Versioned::new(Reservation::of(&event, lines));
    let effects = left.into_iter().fold(Effects::none(), Effects::save);
    Ok(effects.save(reservation).emit(event).returning(reserved))
}

pub(super) async fn release<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    _: Option<Reserved>,
    checkout: Checkout,
    step: &StepContext<'_>,
) -> Result<Effects<StockEvent>, Failure> {
    let Some(reservation) = step.load::<Reservation>(&checkout.order_id).await? else {
        return Ok(Effects::none());
    };
    let stocks = Stock::of_each(&reservation.value.lines, step).await?;
    let Some((event, back)) = reservation.value.release(&stocks) else { return Ok(Effects::none()) };
    let effects = back.into_iter().fold(Effects::none(), Effects::save);
    Ok(effects.save(reservation.map(Reservation::released)).emit(event))
}

pub(super) async fn charge<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    checkout: Checkout,
    step: &StepContext<'_>,
) -> Result<Outcome<Charged>, Failure> {
    let Checkout { order_id, card, total: amount, .. } = checkout;
    match shop.payments.charge(&Charge { order_id, card, amount }, step.idempotency_key()).await {
        Ok(charged) => Ok(Outcome::of(charged)),
        Err(declined @ PaymentError::Declined(_)) => Err(Failure::reject(declined)),
        Err(unavailable @ PaymentError::Unavailable(_)) => Err(Failure::retry(unavailable)),
    }
}

pub(super) async fn refund<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    charged: Option<Charged>,
    step: &StepContext<'_>,
) -> Result<(), Failure> {
    match charged {
        Some(Charged { charge_id }) => shop.payments.refund(&charge_id, step.idempotency_key()).await?,
        None => shop.payments.void(step.undone_key()).await?,
    }
    Ok(())
}

pub(super) async fn ask_for_approval<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    callback: CallbackId<Approved>,
    checkout: Checkout,
    _: &StepContext<'_>,
) -> Result<Effects<ApprovalEvent>, Failure> {
    let Checkout { order_id, customer, total, .. } = checkout;
    Ok(Effects::none().emit(ApprovalRequested { order_id, customer, total, callback }))
}

pub(super) async fn ship<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    checkout: Checkout,
    step: &StepContext<'_>,
) -> Result<Outcome<Shipment>, Failure> {
    let Checkout { order_id, address, lines, .. } = checkout;
    match shop.shipping.create(&ShipmentRequest { order_id, address, lines }, step.idempotency_key()).await {
        Ok(shipment) => Ok(Outcome::of(shipment)),
        Err(undeliverable @ ShippingError::Undeliverable(_)) => Err(Failure::reject(undeliverable)),
        Err(unavailable @ ShippingError::Unavailable(_)) => Err(Failure::retry(unavailable)),
    }
}

pub(super) async fn cancel_shipment<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    shipment: Option<Shipment>,
    step: &StepContext<'_>,
) -> Result<(), Failure> {
    match shipment {
        Some(Shipment { shipment_id }) => shop.shipping.cancel(&shipment_id, step.idempotency_key()).await?,
        None => shop.shipping.void(step.undone_key()).await?,
    }
    Ok(())
}

pub(super) async fn confirm<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    checkout: Checkout,
    shipment: Shipment,
    step: &StepContext<'_>,
) -> Result<Outcome<Confirmed, OrderEvent>, Failure> {
    let order = step.load::<Order>(&checkout.order_id).await?.or_retry("order not seen yet")?;
    let event = order.value.confirm_delivery().or_reject("the order was settled by somebody else")?;
    let confirmed = Confirmed { shipment_id: shipment.shipment_id };
    Ok(Effects::none().save(order.map(|order| order.after(&event))).emit(event).returning(confirmed))
}

pub(super) async fn cancel<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    unwound: Unwound,
    checkout: Checkout,
    step: &StepContext<'_>,
) -> Result<Effects<OrderEvent>, Failure> {
    let order = step.load::<Order>(&checkout.order_id).await?.or_retry("order not seen yet")?;
    let Some(event) = order.value.cancel(cancel_reason(unwound)) else { return Ok(Effects::none()) };
    Ok(Effects::none().save(order.map(|order| order.after(&event))).emit(event))
}

fn cancel_reason(Unwound { step, error_type, reason }: Unwound) -> CancelReason {
    match (&*step, &*error_type) {
        ("charge", error_type::REJECTED) => CancelReason::Declined { reason },
        ("approve", _) => CancelReason::NotApproved { reason },
        ("ship", error_type::REJECTED) => CancelReason::NotShipped { reason },
        _ => CancelReason::Failed { reason },
    }
}
