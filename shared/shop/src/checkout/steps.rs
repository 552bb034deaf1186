//! The steps of the checkout, and how each is undone.

use super::{
    Charge, Charged, Checkout, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError,
};
use crate::{
    CancelReason, Order, OrderEvent, Reservation, Shortage, Stock, StockEvent,
    approval::{ApprovalEvent, ApprovalRequested, Approved},
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
    /// The number of lines.
    pub lines: usize,
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
) -> Result<Output<Reserved, StockEvent>, Failure> {
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
) -> Result<Output<Charged>, Failure> {
    let Checkout { order_id, card, total: amount, .. } = checkout;
    let charge = Charge { order_id, card, amount };
    let charged = shop.payments.charge(&charge, step.idempotency_key()).await.map_err(not_paid)?;
    Ok(Output::of(charged))
}

pub(super) async fn refund<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    charged: Option<Charged>,
    step: &StepContext<'_>,
) -> Result<(), Failure> {
    match charged {
        Some(Charged { charge_id }) => shop.payments.refund(&charge_id, step.idempotency_key()).await,
        None => shop.payments.void(step.undone_key()).await,
    }
    .map_err(not_paid)
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
) -> Result<Output<Shipment>, Failure> {
    let Checkout { order_id, address, lines, .. } = checkout;
    let request = ShipmentRequest { order_id, address, lines };
    let shipment = shop.shipping.create(&request, step.idempotency_key()).await.map_err(not_shipped)?;
    Ok(Output::of(shipment))
}

pub(super) async fn cancel_shipment<P: Payments, S: Shipping>(
    shop: &Shop<P, S>,
    shipment: Option<Shipment>,
    step: &StepContext<'_>,
) -> Result<(), Failure> {
    match shipment {
        Some(Shipment { shipment_id }) => shop.shipping.cancel(&shipment_id, step.idempotency_key()).await,
        None => shop.shipping.void(step.undone_key()).await,
    }
    .map_err(not_shipped)
}

pub(super) async fn confirm<P: Payments, S: Shipping>(
    _: &Shop<P, S>,
    checkout: Checkout,
    shipment: Shipment,
    step: &StepContext<'_>,
) -> Result<Output<Confirmed, OrderEvent>, Failure> {
    let order = step.load::<Order>(&checkout.order_id).await?.or_retry("order not seen yet")?;
    let event = order.value.confirm_delivery().or_reject("the order was settled before")?;
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

/// A provider's no is final; that it does not answer may pass.
fn not_paid(error: PaymentError) -> Failure {
    match error {
        PaymentError::Declined(_) => Failure::reject(error),
        PaymentError::Unavailable(_) => Failure::retry(error),
    }
}

fn not_shipped(error: ShippingError) -> Failure {
    match error {
        ShippingError::Undeliverable(_) => Failure::reject(error),
        ShippingError::Unavailable(_) => Failure::retry(error),
    }
}

/// Returns the reason that the customer is given. A refusal after an attempt that got no answer comes as a failure.
fn cancel_reason(Unwound { step, error_type, reason }: Unwound) -> CancelReason {
    match (&*step, &*error_type) {
        ("reserve", error_type::REJECTED) => CancelReason::NotReserved { reason },
        ("charge", error_type::REJECTED | error_type::FAILED) => CancelReason::Declined { reason },
        ("ship", error_type::REJECTED | error_type::FAILED) => CancelReason::NotShipped { reason },
        ("approve", error_type::REJECTED) => CancelReason::NotApproved { reason },
        ("approve", "States.Timeout") => {
            CancelReason::NotApproved { reason: "no decision came in time".into() }
        }
        _ => CancelReason::Failed { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_told_what_went_wrong() {
        for (step, error_type, told) in [
            ("reserve", "Saga.Rejected", "why"),
            ("charge", "Saga.Rejected", "declined: why"),
            ("charge", "Saga.Failed", "declined: why"),
            ("ship", "Saga.Rejected", "shipped: why"),
            ("approve", "Saga.Rejected", "approved: why"),
            ("approve", "States.Timeout", "no decision came in time"),
            ("approve", "Saga.Transient", "went wrong"),
            ("confirm", "Saga.DeadlinePassed", "went wrong"),
        ] {
            let unwound = Unwound { step: step.into(), error_type: error_type.into(), reason: "why".into() };
            let text = cancel_reason(unwound).to_string();
            assert!(text.contains(told), "{step} {error_type}: {text}");
        }
    }
}
