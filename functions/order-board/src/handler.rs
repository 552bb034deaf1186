//! Folds all events of orders into a board of them.

use serde::{Deserialize, Serialize};
use throughline::prelude::*;
use throughline_shop::{Money, OrderEvent, OrderPlaced, OrderStatus};

/// One order on the board: a read model, in a table of its own, for whoever asks how orders stand. Not the
/// [`Order`](throughline_shop::Order), which decides: this one is late by a moment, and can be thrown away and
/// filled again by a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoardEntry {
    /// The order's id.
    pub order_id: String,
    /// The order's status.
    pub status: OrderStatus,
    /// The total price.
    pub total: Money,
    /// When it was placed, if its event said.
    pub placed_at: Option<Timestamp>,
    /// When it last changed, if its event said.
    pub changed_at: Option<Timestamp>,
}

impl Entity for BoardEntry {
    const KIND: &'static str = "board-entry";
    const TABLE: EntityTable =
        EntityTable::Own { name: "order-board", partition_key: "order_id", sort_key: None };

    fn id(&self) -> String {
        self.order_id.clone()
    }
}

/// Keeps the board.
#[derive(Debug, Clone)]
pub struct OrderBoard;

impl Projector for OrderBoard {
    const NAME: &'static str = "order-board";
    type Message = OrderEvent;
    type View = BoardEntry;

    fn project(&self, entry: Option<BoardEntry>, event: &Envelope<OrderEvent>) -> Option<BoardEntry> {
        let at = event.attributes.time;
        let becomes = |status| entry.map(|entry| BoardEntry { status, changed_at: at, ..entry });
        match &event.data {
            OrderEvent::Placed(OrderPlaced { order_id, total, .. }) => Some(BoardEntry {
                order_id: order_id.clone(),
                status: OrderStatus::Placed,
                total: *total,
                placed_at: at,
                changed_at: at,
            }),
            OrderEvent::Confirmed(_) => becomes(OrderStatus::Confirmed),
            OrderEvent::Paid(_) => becomes(OrderStatus::Paid),
            OrderEvent::Cancelled(_) => becomes(OrderStatus::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline::projection;
    use throughline_shop::{Currency, OrderConfirmed, OrderPaid};
    use throughline_testing::{assert_handler_is_locked, scenario};

    const TOTAL: Money = Money { cents: 2500, currency: Currency::Eur };

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The so-manieth thing that happens to the order, as many seconds after 1970.
    fn event(sequence: u32) -> Envelope<OrderEvent> {
        let order_id = || "o-1".to_owned();
        let data: OrderEvent = match sequence {
            1 => OrderPlaced {
                order_id: order_id(),
                customer: "Ada".into(),
                lines: vec![],
                total: TOTAL,
                delivery: None,
            }
            .into(),
            2 => OrderConfirmed { order_id: order_id(), customer: "Ada".into(), total: TOTAL }.into(),
            _ => OrderPaid { order_id: order_id() }.into(),
        };
        let mut envelope = Envelope::of(format!("e-{sequence}"), "shop", data);
        envelope.attributes.sequence = Some(sequence.into());
        envelope.attributes.time = Some(time(sequence.into()));
        envelope
    }

    fn entry(status: OrderStatus, changed_at: i64) -> BoardEntry {
        let (placed_at, changed_at) = (Some(time(1)), Some(time(changed_at)));
        BoardEntry { order_id: "o-1".into(), status, total: TOTAL, placed_at, changed_at }
    }

    /// The board after events, given as one after another.
    fn board(events: impl IntoIterator<Item = Envelope<OrderEvent>>) -> Option<BoardEntry> {
        events.into_iter().fold(None, |entry, event| OrderBoard.project(entry, &event))
    }

    #[test]
    fn an_order_stands_as_its_last_event_left_it() {
        assert_eq!(board([event(1)]), Some(entry(OrderStatus::Placed, 1)));
        assert_eq!(board([event(1), event(2)]), Some(entry(OrderStatus::Confirmed, 2)));
        assert_eq!(board([event(1), event(2), event(3)]), Some(entry(OrderStatus::Paid, 3)));
    }

    #[test]
    fn nothing_is_shown_of_an_order_that_nobody_placed() {
        assert_eq!(board([event(2)]), None);
    }

    #[tokio::test]
    async fn it_is_kept_in_a_table_of_its_own_and_emits_nothing() {
        scenario(projection(OrderBoard)).when_envelope(event(1)).await.then_emits_nothing();
        assert_eq!(<throughline::Projection<OrderBoard> as Handler>::TABLES, ["order-board"]);
    }

    #[test]
    fn the_name_and_what_a_replay_means_are_locked() {
        assert_handler_is_locked(&projection(OrderBoard).on_replay(Reprocess));
    }
}
