//! A payment provider and a carrier in one small program, to develop and test against. It behaves as such APIs
//! do: each request has a key and happens once for it, and answers get lost.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /charges` | `{order_id, card, amount: {cents, currency}}` | 201 `{charge_id}` |
//! | `POST /charges/{id}/refund` | | 200 |
//! | `POST /charges/void` | `{key}` | 200 |
//! | `POST /shipments` | `{order_id, address, lines}` | 201 `{shipment_id}` |
//! | `POST /shipments/{id}/cancel` | | 200 |
//! | `POST /shipments/void` | `{key}` | 200 |
//! | `GET /totals` | | [`Totals`](totals::Totals) |
//! | `GET /calls` | | every [`Call`](providers::Call), in order |
//!
//! A charge and a shipment need the header `Idempotency-Key`. The same key with the same body has the same
//! answer, and one effect; with another body it is refused (409). To void a key is to undo what happened under
//! it; what comes under it from then on is refused (410). Undoing twice is undoing once.
//!
//! What goes wrong is asked for by a word in the card (for a charge) or in the address (for a shipment):
//! see [`Conduct`](conduct::Conduct).

pub mod book;
pub mod conduct;
pub mod program;
pub mod providers;
pub mod server;
pub mod totals;
