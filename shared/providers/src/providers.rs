//! The providers without HTTP: what they have done, and what they answer.

use crate::{
    book::{Asked, Book, Undo},
    conduct::Conduct,
    totals::Totals,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request to charge a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The order's id.
    pub order_id: String,
    /// The card.
    pub card: String,
    /// The amount.
    pub amount: Amount,
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// The amount in cents.
    pub cents: u64,
    /// The currency.
    pub currency: String,
}

/// A request to bring something somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    /// The order's id.
    pub order_id: String,
    /// The address to deliver to.
    pub address: String,
    /// The lines to ship; the carrier does not read them.
    pub lines: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// The outcome, in a word or two.
    pub outcome: &'static str,
    /// The body.
    pub body: Value,
}

/// An answer, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The treatment of the request.
    pub conduct: Conduct,
}

/// One request, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// `charge`, `refund`, `void charge`, `ship`, `cancel shipment` or `void shipment`.
    pub call: &'static str,
    /// Its key, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The order or the id it is about, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The outcome: [`Answer::outcome`].
    pub outcome: &'static str,
    /// HTTP's status.
    pub status: u16,
    /// Whether the request was answered; otherwise, the connection was closed.
    pub is_answered: bool,
}

/// Both providers.
#[derive(Debug)]
pub struct Providers {
    pub(crate) charges: Book<Charge>,
    pub(crate) shipments: Book<ShipmentRequest>,
    attempts: BTreeMap<String, u32>,
    calls: Vec<Call>,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            charges: Book::new("charge"),
            shipments: Book::new("shipment"),
            attempts: BTreeMap::new(),
            calls: Vec::new(),
        }
    }
}

impl Providers {
    /// A request to charge a card arrives.
    pub fn charge(&mut self, key: &str, charge: &Charge) -> Reply {
        let attempt = self.attempt("charge", key);
        let conduct = Conduct::of("declined", &charge.card, attempt);
        let answer = match conduct {
            Conduct::Refused => refused(402, "declined", "the card has no funds"),
            Conduct::Unavailable => refused(503, "unavailable", "try again later"),
            Conduct::Late => refused(503, "late", "this takes effect later"),
            Conduct::Prompt | Conduct::Slow | Conduct::AnswerLost => self.take_charge(key, charge),
        };
        self.note("charge", Some(key), Some(&charge.order_id), &answer, conduct.is_answered());
        Reply { answer, conduct }
    }

    /// A charge that was [late](Conduct::Late) takes effect.
    pub fn charge_late(&mut self, key: &str, charge: &Charge) {
        let answer = self.take_charge(key, charge);
        self.note("charge", Some(key), Some(&charge.order_id), &answer, false);
    }

    /// Gives a charge back, once.
    pub fn refund(&mut self, charge_id: &str, key: Option<&str>) -> Answer {
        let answer = undone(self.charges.undo(charge_id), "refunded");
        self.note("refund", key, Some(charge_id), &answer, true);
        answer
    }

    /// Gives back what was charged under a key, and refuses what comes under it from now on.
    pub fn void_charge(&mut self, key: &str) -> Answer {
        let answer = voided(self.charges.void(key), "refunded");
        self.note("void charge", Some(key), None, &answer, true);
        answer
    }

    /// A request to bring something somewhere arrives.
    pub fn ship(&mut self, key: &str, request: &ShipmentRequest) -> Reply {
        let attempt = self.attempt("ship", key);
        let conduct = Conduct::of("undeliverable", &request.address, attempt);
        let answer = match conduct {
            Conduct::Refused => refused(422, "undeliverable", "there is no such address"),
            Conduct::Unavailable => refused(503, "unavailable", "try again later"),
            Conduct::Late => refused(503, "late", "this takes effect later"),
            Conduct::Prompt | Conduct::Slow | Conduct::AnswerLost => self.take_shipment(key, request),
        };
        self.note("ship", Some(key), Some(&request.order_id), &answer, conduct.is_answered());
        Reply { answer, conduct }
    }

    /// A shipment that was [late](Conduct::Late) is made.
    pub fn ship_late(&mut self, key: &str, request: &ShipmentRequest) {
        let answer = self.take_shipment(key, request);
        self.note("ship", Some(key), Some(&request.order_id), &answer, false);
    }

    /// Cancels a shipment, once.
    pub fn cancel_shipment(&mut self, shipment_id: &str, key: Option<&str>) -> Answer {
        let answer = undone(self.shipments.undo(shipment_id), "cancelled");
        self.note("cancel shipment", key, Some(shipment_id), &answer, true);
        answer
    }

    /// Cancels the shipment made under a key, and refuses what comes under it from now on.
    pub fn void_shipment(&mut self, key: &str) -> Answer {
        let answer = voided(self.shipments.void(key), "cancelled");
        self.note("void shipment", Some(key), None, &answer, true);
        answer
    }

    /// Every request so far, in order. One that takes effect later is there twice.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Returns the totals of all requests so far.
    pub fn totals(&self) -> Totals {
        Totals::of(self)
    }

    fn take_charge(&mut self, key: &str, charge: &Charge) -> Answer {
        asked(self.charges.ask(key, charge.clone()), "charge_id", "charged")
    }

    fn take_shipment(&mut self, key: &str, request: &ShipmentRequest) -> Answer {
        asked(self.shipments.ask(key, request.clone()), "shipment_id", "shipped")
    }

    fn attempt(&mut self, call: &str, key: &str) -> u32 {
        let attempts = self.attempts.entry(format!("{call} {key}")).or_default();
        *attempts += 1;
        *attempts
    }

    fn note(
        &mut self,
        call: &'static str,
        key: Option<&str>,
        about: Option<&str>,
        answer: &Answer,
        is_answered: bool,
    ) {
        let Answer { status, outcome, .. } = *answer;
        let (key, about) = (key.map(Into::into), about.map(Into::into));
        self.calls.push(Call { call, key, about, outcome, status, is_answered });
    }
}

fn asked(asked: Asked, id_field: &str, outcome: &'static str) -> Answer {
    match asked {
        Asked::Happens(id) => Answer { status: 201, outcome, body: json!({ id_field: id }) },
        Asked::Happened(id) => Answer { status: 201, outcome: "repeated", body: json!({ id_field: id }) },
        Asked::OtherRequest => refused(409, "key reused", "something else was asked for under this key"),
        Asked::Voided => refused(410, "voided", "this key was voided"),
    }
}

fn undone(undo: Undo, outcome: &'static str) -> Answer {
    match undo {
        Undo::Undone => Answer { status: 200, outcome, body: json!({ "outcome": outcome }) },
        Undo::AlreadyUndone => {
            Answer { status: 200, outcome: "repeated", body: json!({ "outcome": outcome }) }
        }
        Undo::NeverHappened => refused(404, "unknown", "there is nothing of this id"),
    }
}

fn voided(undo: Undo, outcome: &'static str) -> Answer {
    match undo {
        Undo::NeverHappened => {
            Answer { status: 200, outcome: "voided", body: json!({ "outcome": "voided" }) }
        }
        undo => undone(undo, outcome),
    }
}

fn refused(status: u16, outcome: &'static str, reason: &str) -> Answer {
    Answer { status, outcome, body: json!({ "error": outcome, "reason": reason }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(card: &str) -> Charge {
        let amount = Amount { cents: 3390, currency: "EUR".into() };
        Charge { order_id: "o-1".into(), card: card.into(), amount }
    }

    fn shipment(address: &str) -> ShipmentRequest {
        ShipmentRequest { order_id: "o-1".into(), address: address.into(), lines: json!([]) }
    }

    fn net(providers: &Providers) -> i64 {
        providers.totals().net_cents.get("EUR").copied().unwrap_or_default()
    }

    #[test]
    fn a_charge_happens_once_however_often_it_is_asked_for() {
        let mut providers = Providers::default();
        let first = providers.charge("k-1", &charge("card-ada")).answer;
        let second = providers.charge("k-1", &charge("card-ada")).answer;
        assert_eq!((first.status, &first.body), (second.status, &second.body));
        assert_eq!(net(&providers), 3390);
        assert_eq!(providers.charge("k-1", &charge("card-bob")).answer.status, 409);
        let outcomes: Vec<_> = providers.calls().iter().map(|call| call.outcome).collect();
        assert_eq!(outcomes, ["charged", "repeated", "key reused"]);
    }

    #[test]
    fn a_charge_is_given_back_once_by_its_id_or_its_key() {
        let mut providers = Providers::default();
        providers.charge("k-1", &charge("card-ada"));
        for _ in 0..2 {
            assert_eq!(providers.refund("charge-1", None).status, 200);
            assert_eq!(providers.void_charge("k-1").status, 200);
        }
        assert_eq!(net(&providers), 0);
        assert_eq!(providers.totals().orders["o-1"].refunds, 1);
        assert_eq!(providers.refund("charge-9", None).status, 404);
    }

    #[test]
    fn what_is_refused_or_unavailable_has_no_effect() {
        let mut providers = Providers::default();
        assert_eq!(providers.charge("k-1", &charge("declined")).answer.status, 402);
        assert_eq!(providers.ship("k-2", &shipment("undeliverable")).answer.status, 422);
        assert_eq!(providers.charge("k-3", &charge("unavailable-once")).answer.status, 503);
        assert_eq!(providers.ship("k-3", &shipment("unavailable-once")).answer.status, 503);
        assert_eq!(providers.totals(), Totals::default());
        assert_eq!(providers.charge("k-3", &charge("unavailable-once")).answer.status, 201);
        assert_eq!(providers.ship("k-3", &shipment("unavailable-once")).answer.status, 201);
    }

    #[test]
    fn an_answer_that_is_lost_has_had_its_effect() {
        let mut providers = Providers::default();
        for _ in 0..2 {
            let reply = providers.charge("k-1", &charge("answer-lost"));
            assert_eq!((reply.answer.status, reply.conduct.is_answered()), (201, false));
        }
        assert_eq!(net(&providers), 3390);
        providers.void_charge("k-1");
        assert_eq!(net(&providers), 0);
        let once = |providers: &mut Providers| providers.ship("k-2", &shipment("answer-lost-once")).conduct;
        assert!(!once(&mut providers).is_answered());
        assert!(once(&mut providers).is_answered());
        assert_eq!(providers.totals().shipments, 1);
    }

    #[test]
    fn what_comes_late_is_refused_if_it_was_voided_before() {
        let mut providers = Providers::default();
        for key in ["k-1", "k-2"] {
            assert_eq!(providers.charge(key, &charge("late")).conduct, Conduct::Late);
            assert_eq!(providers.ship(key, &shipment("late")).conduct, Conduct::Late);
        }
        assert_eq!(providers.totals(), Totals::default());
        assert_eq!(providers.void_charge("k-1").outcome, "voided");
        assert_eq!(providers.void_shipment("k-1").outcome, "voided");
        for key in ["k-1", "k-2"] {
            providers.charge_late(key, &charge("late"));
            providers.ship_late(key, &shipment("late"));
        }
        assert_eq!(net(&providers), 3390, "the one that was not voided");
        assert_eq!(providers.totals().orders["o-1"].live_shipments, 1);
        assert_eq!(providers.void_charge("k-2").outcome, "refunded");
        assert_eq!(providers.void_shipment("k-2").outcome, "cancelled");
        assert_eq!((net(&providers), providers.totals().orders["o-1"].live_shipments), (0, 0));
    }
}
