//! The main path allocates nothing for traces where no trace is recorded.

use allocation_counter::measure;
use futures_util::FutureExt as _;
use throughline_core::{
    Attributes,
    observer::{BegunRecord, Observer, Unobserved},
    process::Delivery,
};
use tracing::{Instrument as _, debug_span};

/// Does what the main path and the relay do for a record on behalf of traces alone.
async fn watched_by(observer: &dyn Observer, message: &Attributes) -> Option<String> {
    let span = debug_span!("record");
    observer.record_began(&span, BegunRecord { source: Some("queue"), message: Some(message) });
    observer.publishing(&span, &[]);
    let load = debug_span!("load", kind = "order");
    async {}.instrument(load.clone()).await;
    observer.failed(&load, "LoadFailed");
    observer.trace_parent(&span)
}

#[test]
fn whatever_could_be_watched_allocates_nothing_where_nobody_watches() {
    let message = Attributes::new("e-1", "shop", "order.placed");
    let watch = || watched_by(&Unobserved, &message).now_or_never().expect("it never waits");
    // The first time, `tracing` remembers its callsites.
    assert_eq!(watch(), None);
    assert_eq!(measure(|| drop(watch())).count_total, 0);
}

#[test]
fn a_message_without_attributes_pays_nothing_for_those_of_others() {
    let delivery = Delivery { message_attributes: Some("{}"), sent_timestamp: Some("1"), trace_header: None };
    let ask =
        || (delivery.attribute("traceparent"), delivery.first_message_id(), delivery.attributes().len());
    assert_eq!(ask(), (None, None, 0));
    assert_eq!(measure(|| drop(ask())).count_total, 0);
}
