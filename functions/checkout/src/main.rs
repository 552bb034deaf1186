//! The function `checkout`: does the steps of the saga of that name, as its state machine asks.

use ::checkout::Provider;
use throughline::saga_worker::SagaWorker;
use throughline_shop::{Shop, checkout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run_with(|environment| {
        let payments = environment.required("SHOP_PAYMENT_URL", "the URL of the payment provider's API");
        let shipping = environment.required("SHOP_SHIPPING_URL", "the URL of the carrier's API");
        let shop = Shop { payments: Provider::new(payments), shipping: Provider::new(shipping) };
        worker(shop)
    })
    .await
}

/// Earlier definitions that executions may still be running with are added here, with `still`.
fn worker(shop: Shop<Provider, Provider>) -> SagaWorker<Shop<Provider, Provider>> {
    throughline::saga_worker(checkout(), shop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline::Saga;
    use throughline_testing::{assert_definitions_are_known, assert_states_language_is_current};

    fn current() -> Saga<Shop<Provider, Provider>> {
        checkout()
    }

    #[test]
    fn the_state_machine_that_is_deployed_is_the_saga_s() {
        assert_states_language_is_current(&current(), "../../infra/checkout.asl.json");
    }

    #[test]
    fn every_definition_that_executions_may_run_with_is_known() {
        let unused = || Provider::new("http://127.0.0.1:9");
        let worker = worker(Shop { payments: unused(), shipping: unused() });
        assert_definitions_are_known(worker.worker(), "../../infra/checkout.definitions");
    }

    /// A checkout without approval has the start, four steps, the choice not to ask, and the end.
    #[test]
    fn a_completed_checkout_costs_seven_state_transitions() {
        assert_eq!(current().transitions_of_success(), 7);
    }
}
