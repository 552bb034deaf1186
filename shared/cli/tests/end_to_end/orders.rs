//! Orders that are delivered, and what there is to see of them.

use super::{
    aws::setting,
    cloud::{Shop, until},
    messages::{decide_order, delivered, place_order, priced, unique},
};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use throughline_cli::line::{WholeLine, execution::Execution};

/// The stock of the article that an order asks for.
pub(crate) const IN_STOCK: u32 = 10;
/// The number of pieces that an order asks for.
pub(crate) const PIECES: u32 = 3;
/// The price of a piece in an order without approval.
pub(crate) const CHEAP_CENTS: u32 = 500;
/// The price of a piece in an order with approval.
pub(crate) const DEAR_CENTS: u32 = 50_000;
/// A card that pays.
pub(crate) const GOOD_CARD: &str = "card-ada";
/// An address that is found.
pub(crate) const GOOD_ADDRESS: &str = "12 Analytical Row";

/// An order for three pieces of an article that no other order asks for.
pub(crate) struct DeliveredOrder<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) id: String,
    pub(crate) sku: String,
    cents: u32,
}

/// Returns the totals of the providers.
pub(crate) async fn totals() -> Value {
    providers_say("totals").await
}

async fn providers_say(what: &str) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let address = format!("{}/{what}", setting("THROUGHLINE_PROVIDERS"));
    let answer = client.get(address.parse().expect("an address")).await.expect("the providers answer");
    let body = answer.into_body().collect().await.expect("the providers' answer has an end");
    serde_json::from_slice(&body.to_bytes()).expect("the providers answer with JSON")
}

impl<'a> DeliveredOrder<'a> {
    /// Has an order placed; `change` says what is special about it.
    pub(crate) async fn place(
        shop: &'a Shop,
        name: &str,
        card: &str,
        address: &str,
        piece_cents: u32,
    ) -> DeliveredOrder<'a> {
        let order = Self::unplaced(shop, name, piece_cents).await;
        shop.send(&order.command(card, address)).await;
        order
    }

    /// An order that nobody has placed yet.
    pub(crate) async fn unplaced(shop: &'a Shop, name: &str, piece_cents: u32) -> DeliveredOrder<'a> {
        Self { shop, id: unique(name), sku: shop.stock(IN_STOCK).await, cents: piece_cents }
    }

    /// The command that places it.
    pub(crate) fn command(&self, card: &str, address: &str) -> Value {
        let command = place_order(&self.id, &self.sku, &json!(PIECES));
        delivered(priced(command, self.cents), card, address)
    }

    /// Returns the total price, in cents.
    pub(crate) fn total(&self) -> u32 {
        PIECES * self.cents
    }

    /// Waits until its saga has ended and its customer was told.
    pub(crate) async fn over(&self) -> WholeLine {
        self.line_where("is over", |line, saga| saga.end.is_some() && line.is_done_by("notify-customer"))
            .await
    }

    /// Waits until its saga has ended.
    pub(crate) async fn ended(&self) -> WholeLine {
        self.line_where("has ended", |_, saga| saga.end.is_some()).await
    }

    /// Waits until its saga fulfils a condition.
    pub(crate) async fn line_where(
        &self,
        what: &str,
        is_so: impl Fn(&WholeLine, &Execution) -> bool,
    ) -> WholeLine {
        let is_so = |line: &WholeLine| line.execution("checkout").is_some_and(|saga| is_so(line, saga));
        self.shop.line_where(&self.id, what, is_so).await
    }

    /// Waits until somebody is asked to approve of it. Returns where the answer is awaited, as the event says.
    pub(crate) async fn callback(&self) -> String {
        until(&format!("{} is to be approved", self.id), async || {
            let carried = self.shop.carried(&self.id).await;
            let asked = carried.values().find(|(event, _)| event["type"] == "approval.requested");
            asked.map(|(event, _)| event["data"]["callback"].as_str().expect("a callback").to_owned())
        })
        .await
    }

    /// Sends somebody's decision. Returns the command's id.
    pub(crate) async fn decide(&self, callback: &str, refused_because: Option<&str>) -> String {
        let command = decide_order(&self.id, callback, refused_because);
        self.shop.send_to("ApproveOrder", &command.to_string()).await;
        command["id"].as_str().expect("an id").to_owned()
    }

    /// Its state in the ledger, such as `placed`.
    pub(crate) async fn status(&self) -> String {
        let order = self.shop.entity("order", &self.id).await.expect("the order was saved");
        order["status"].as_str().expect("an order has a status").to_owned()
    }

    /// Returns the providers' work for the order: charges, refunds, the cents that remain paid, the shipments that
    /// remain on their way.
    pub(crate) async fn at_the_providers(&self) -> [i64; 4] {
        let order = totals().await["orders"][&self.id].clone();
        ["charges", "refunds", "net_cents", "live_shipments"]
            .map(|figure| order[figure].as_i64().unwrap_or_default())
    }

    /// Returns the outcome of every call to charge the card, in their order.
    pub(crate) async fn charge_calls(&self) -> Vec<String> {
        let calls = providers_say("calls").await;
        let calls = calls.as_array().cloned().unwrap_or_default().into_iter();
        let charges = calls.filter(|call| call["call"] == "charge" && call["about"] == self.id);
        charges.map(|call| call["outcome"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Checks that it is paid for, on its way and confirmed.
    pub(crate) async fn is_confirmed(&self, line: &WholeLine) {
        assert_eq!(ended_in(line), "Completed", "{line}");
        assert_eq!(self.status().await, "confirmed", "{line}");
        assert_eq!(self.shop.stock_left(&self.sku).await, u64::from(IN_STOCK - PIECES), "{line}");
        assert_eq!(self.at_the_providers().await, [1, 0, i64::from(self.total()), 1], "{line}");
    }

    /// Checks that it is cancelled and everything undone that was done for it: so often it was charged, and as
    /// often refunded.
    pub(crate) async fn is_undone(&self, line: &WholeLine, charges: i64) {
        assert_eq!(ended_in(line), "Compensated", "{line}");
        assert_eq!(self.status().await, "cancelled", "{line}");
        assert_eq!(self.shop.stock_left(&self.sku).await, u64::from(IN_STOCK), "{line}");
        assert_eq!(self.at_the_providers().await, [charges, charges, 0, 0], "{line}");
    }

    /// Checks that the bus carried exactly these events about it, each once.
    pub(crate) async fn is_told_by(&self, expected: &[&str]) {
        let carried = self.shop.carried(&self.id).await;
        let mut types: Vec<&str> =
            carried.values().map(|(event, _)| event["type"].as_str().unwrap_or_default()).collect();
        let mut expected = expected.to_vec();
        types.sort_unstable();
        expected.sort_unstable();
        assert_eq!(types, expected, "{}", self.id);
        assert!(carried.values().all(|(_, times)| *times == 1), "each once: {carried:?}");
    }
}

/// The state that a line's checkout ended in.
pub(crate) fn ended_in(line: &WholeLine) -> &str {
    line.execution("checkout").and_then(Execution::ended_in).unwrap_or("(nowhere)")
}

/// The states that a line's checkout went through.
pub(crate) fn states(line: &WholeLine) -> Vec<&str> {
    let visits = line.execution("checkout").into_iter().flat_map(|saga| &saga.visits);
    visits.map(|visit| visit.state.as_str()).collect()
}

/// The name of a line's execution.
pub(crate) fn execution_name(line: &WholeLine) -> &str {
    let (_, start) = line.sagas().next().expect("the line started a saga");
    &start.outgoing.envelope.attributes.id
}
