//! The cost of a saga that completes.

use super::{DemoError, orders::SAGA};
use crate::line::{WholeLine, execution::Execution};
use throughline_shop::{
    Charge, Charged, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError, checkout,
};

/// The price of a thousand state transitions of a Standard workflow in us-east-1, in dollars (AWS's price list).
const DOLLARS_FOR_A_THOUSAND: f64 = 0.025;

/// Counts the state transitions of the first checkout that completed, and that its definition has as many.
pub(super) fn check(lines: &[WholeLine]) -> Result<(), DemoError> {
    let completed = |execution: &&Execution| {
        execution.ended_in() == Some("Completed") && !execution.visits.iter().any(is_conditional)
    };
    let Some(execution) = lines.iter().filter_map(|line| line.execution(SAGA)).find(completed) else {
        return Ok(());
    };
    let defined = checkout::<Nobody, Nobody>().transitions_of_success();
    let counted = execution.transitions() - execution.retries();
    if counted != defined {
        return Err(DemoError::CostDiffers { counted, defined });
    }
    let transitions = u32::try_from(execution.transitions()).unwrap_or(u32::MAX);
    println!(
        "\nA checkout that completes takes {defined} state transitions, by its history and by its definition.\n\
         This one took {transitions}, {} of them retries. In us-east-1, with $0.025 for 1,000, that is ${:.6}.",
        execution.retries(),
        f64::from(transitions) * DOLLARS_FOR_A_THOUSAND / 1000.0,
    );
    Ok(())
}

/// Returns whether the step is one that not every checkout has.
fn is_conditional(visit: &crate::line::execution::Visit) -> bool {
    visit.state == "approve"
}

/// The providers of a definition that is only looked at.
enum Nobody {}

impl Payments for Nobody {
    async fn charge(&self, _: &Charge, _: &str) -> Result<Charged, PaymentError> {
        match *self {}
    }
    async fn refund(&self, _: &str, _: &str) -> Result<(), PaymentError> {
        match *self {}
    }
    async fn void(&self, _: &str) -> Result<(), PaymentError> {
        match *self {}
    }
}

impl Shipping for Nobody {
    async fn create(&self, _: &ShipmentRequest, _: &str) -> Result<Shipment, ShippingError> {
        match *self {}
    }
    async fn cancel(&self, _: &str, _: &str) -> Result<(), ShippingError> {
        match *self {}
    }
    async fn void(&self, _: &str) -> Result<(), ShippingError> {
        match *self {}
    }
}
