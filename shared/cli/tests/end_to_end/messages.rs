//! The messages of the shop, as the tests send them.

use serde_json::{Value, json};
use throughline_core::Timestamp;

/// The command that places an order, as its customer's side would send it. Its id is the order's.
pub(crate) fn place_order(order: &str, sku: &str, quantity: &Value) -> Value {
    let data = json!({
        "order_id": order,
        "customer": "Ada Lovelace",
        "currency": "EUR",
        "lines": [{ "sku": sku, "quantity": quantity, "unit_price_cents": 500 }],
    });
    message("shop.web", order, "order.place", order, &data)
}

/// Returns the event that `place-order` emits for it.
pub(crate) fn order_placed(id: &str, order: &str, sku: &str) -> Value {
    let data = json!({
        "order_id": order,
        "customer": "Ada Lovelace",
        "lines": [{ "sku": sku, "quantity": 3, "unit_price_cents": 500 }],
        "total": { "cents": 1500, "currency": "EUR" },
    });
    message("shop", id, "order.placed", order, &data)
}

/// Returns the event that `reserve-stock` emits for that.
pub(crate) fn stock_reserved(id: &str, order: &str) -> Value {
    message("shop", id, "stock.reserved", order, &json!({ "order_id": order }))
}

/// Returns the event that `confirm-order` emits for that.
pub(crate) fn order_confirmed(id: &str, order: &str) -> Value {
    let total = json!({ "cents": 1500, "currency": "EUR" });
    let data = json!({ "order_id": order, "customer": "Ada Lovelace", "total": total });
    message("shop", id, "order.confirmed", order, &data)
}

/// Returns an event of a system beside the shop, which no function of the shop takes.
pub(crate) fn stock_counted(id: &str) -> Value {
    message("warehouse", id, "stock.counted", "shelf-7", &json!({ "shelf": "shelf-7" }))
}

/// A message that nothing caused: its id is its line's.
fn message(source: &str, id: &str, message_type: &str, subject: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": message_type,
        "subject": subject,
        "correlationid": id,
        "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": data,
    })
}

/// The same with another member.
pub(crate) fn with(mut message: Value, member: &str, value: Value) -> Value {
    message[member] = value;
    message
}

/// An id that no other message, no other order and no other run of the tests has.
pub(crate) fn unique(name: &str) -> String {
    let now = Timestamp::now().as_microsecond();
    format!("{name}-{now}")
}

/// The same order, to be delivered.
pub(crate) fn delivered(mut command: Value, card: &str, address: &str) -> Value {
    command["data"]["delivery"] = json!({ "card": card, "address": address });
    command
}

/// The same order at another price of each piece.
pub(crate) fn priced(mut command: Value, piece_cents: u32) -> Value {
    command["data"]["lines"][0]["unit_price_cents"] = json!(piece_cents);
    command
}

/// The same order, to be paid by a time when it is picked up.
pub(crate) fn to_be_paid_by(mut command: Value, time: Timestamp) -> Value {
    command["data"]["pay_by"] = json!(time.to_string());
    command
}

/// The command that says whether an order is approved of.
pub(crate) fn decide_order(order: &str, callback: &str, refused_because: Option<&str>) -> Value {
    let data = json!({
        "order_id": order, "callback": callback, "by": "Grace Hopper", "refused_because": refused_because,
    });
    of_line(message("shop.back-office", &unique("decide"), "order.decide", order, &data), order)
}

/// The command that an order which is picked up was paid for.
pub(crate) fn pay_order(order: &str) -> Value {
    let data = json!({ "order_id": order });
    of_line(message("shop.counter", &unique("pay"), "order.pay", order, &data), order)
}

/// The command that an order's time to pay is over, as it comes from a schedule.
pub(crate) fn expire_order(order: &str) -> Value {
    let data = json!({ "order_id": order });
    of_line(message("shop", &unique("expire"), "order.expire", order, &data), order)
}

/// The same message in another line.
fn of_line(message: Value, line: &str) -> Value {
    with(message, "correlationid", json!(line))
}
