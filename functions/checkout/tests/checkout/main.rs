//! The checkout, with everything going wrong that can.

use approve_order::ApproveOrder;
use throughline_shop::{
    Order, OrderStatus, Reservation, Stock, checkout,
    testing::{
        orders::{IN_STOCK, ORDERED, TestShop, checkout_of},
        providers::{Carrier, PaymentProvider},
    },
};
use throughline_testing::{
    assert_name_is_locked,
    saga::{End, SagaRun},
};

/// Either the order is confirmed, paid and on its way, or nothing is left of it; or somebody is told.
fn nothing_is_half_done(run: &SagaRun<TestShop>) {
    let order = run.entity::<Order>("o-1").expect("it was placed");
    let stock = run.entity::<Stock>("mug-blue").expect("there is some").available;
    let is_held = run.entity::<Reservation>("o-1").is_some_and(|reservation| reservation.is_held);
    let announced = |message_type| run.events(message_type).len();
    let told = (announced("order.confirmed"), announced("order.cancelled"));
    let (paid, charges) = (run.services().payments.paid(), run.services().payments.charges());
    let shipped = run.services().shipping.under_way();
    assert!(charges <= 1, "the card was charged {charges} times");
    match run.end {
        End::Completed => {
            assert_eq!((order.status, told), (OrderStatus::Confirmed, (1, 0)), "the order");
            assert_eq!((stock, is_held), (IN_STOCK - ORDERED, true), "the stock");
            assert_eq!((paid, shipped), (order.total.cents, 1), "what was paid and shipped");
        }
        End::Compensated => {
            assert_eq!((order.status, told), (OrderStatus::Cancelled, (0, 1)), "the order");
            assert_eq!((stock, is_held), (IN_STOCK, false), "the stock");
            assert_eq!((paid, shipped), (0, 0), "what was paid and shipped");
        }
        End::Stuck => {} // the state machine fails, which is an alarm and an event
    }
}

#[test]
fn an_order_is_reserved_charged_shipped_and_confirmed() {
    let run = checkout_of(2500, ApproveOrder).run();
    assert_eq!(run.end, End::Completed);
    nothing_is_half_done(&run);
}

#[test]
fn an_expensive_order_waits_for_approval() {
    let run = checkout_of(200_000, ApproveOrder).run();
    assert_eq!(run.end, End::Completed);
    nothing_is_half_done(&run);
}

/// The faults of reserve, charge, ship and confirm.
const OF_STEPS: usize = 4 * 16;
/// The faults of a callback: three more than a step has.
const OF_APPROVAL: usize = 16 + 3;
/// The faults of each way to reach an undo: the step is done and unknown, or, if it calls outside, may be done.
const OF_UNDOS: usize = 11 * (1 + 2 + 2);
const OF_THE_ENDING: usize = 11;
const ALL: usize = OF_STEPS + OF_UNDOS + OF_THE_ENDING;

#[test]
fn every_fault_leaves_nothing_half_done() {
    assert_eq!(checkout_of(2500, ApproveOrder).every_fault(nothing_is_half_done), ALL);
    assert_eq!(checkout_of(200_000, ApproveOrder).every_fault(nothing_is_half_done), ALL + OF_APPROVAL);
}

/// Of the pairs, as many as run in some ten seconds; `scripts/test --all` runs every one.
const SOME_PAIRS: usize = 1500;
const SEED: u64 = 4;

#[test]
fn pairs_of_faults_leave_nothing_half_done() {
    let runs = checkout_of(200_000, ApproveOrder).pairs_of_faults(SEED, SOME_PAIRS, nothing_is_half_done);
    let faults = ALL + OF_APPROVAL;
    let all = faults * (faults - 1) / 2;
    assert!([SOME_PAIRS, all].contains(&runs), "{runs} of {all}");
}

#[test]
fn no_undo_could_be_left_out() {
    assert_eq!(checkout_of(200_000, ApproveOrder).idle_undos_not_missed(nothing_is_half_done), [""; 0]);
}

#[test]
fn its_name_is_locked() {
    assert_name_is_locked(checkout::<PaymentProvider, Carrier>().name());
}
