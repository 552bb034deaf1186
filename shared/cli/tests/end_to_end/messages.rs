//! The messages of the shop, as the tests send them.

use serde_json::{Value, json};

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

/// What `place-order` says to it.
pub(crate) fn order_placed(id: &str, order: &str, sku: &str) -> Value {
    let data = json!({
        "order_id": order,
        "customer": "Ada Lovelace",
        "lines": [{ "sku": sku, "quantity": 3, "unit_price_cents": 500 }],
        "total": { "cents": 1500, "currency": "EUR" },
    });
    message("shop", id, "order.placed", order, &data)
}

/// What `reserve-stock` says to that.
pub(crate) fn stock_reserved(id: &str, order: &str) -> Value {
    message("shop", id, "stock.reserved", order, &json!({ "order_id": order }))
}

/// What `confirm-order` says to that.
pub(crate) fn order_confirmed(id: &str, order: &str) -> Value {
    let total = json!({ "cents": 1500, "currency": "EUR" });
    let data = json!({ "order_id": order, "customer": "Ada Lovelace", "total": total });
    message("shop", id, "order.confirmed", order, &data)
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
    let now = throughline_core::Timestamp::now().as_microsecond();
    format!("{name}-{now}")
}
