//! Tests of lines and their drawings.

use super::*;
use crate::{
    line::execution::{Attempt, End, Visit},
    project::catalogue::Catalogue,
};
use serde_json::json;
use std::collections::BTreeMap;
use throughline_core::{Attributes, Envelope, ledger::Outgoing};
use throughline_operations::{
    executions::{Ending, Failure, StateKind},
    line::RecordedClaim,
};

fn at(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(1_767_225_600_000 + milliseconds).ok()
}

fn claim(handler: &str, message_id: &str, message_type: &str, started: i64) -> RecordedClaim {
    RecordedClaim {
        handler: handler.into(),
        message_id: message_id.into(),
        source: "shop".into(),
        message_type: message_type.into(),
        subject: Some("o-1".into()),
        causation_id: None,
        attempt: 1,
        state: ClaimState::Done,
        started_at: at(started),
        finished_at: at(started + 7),
    }
}

fn message(handler: &str, cause: &str, id: &str, message_type: &str, occurred: i64) -> LoggedMessage {
    let data = serde_json::value::to_raw_value(&()).unwrap();
    let mut attributes = Attributes::new(id, "shop", message_type).about("order", "o-1");
    attributes.causation_id = Some(cause.into());
    LoggedMessage {
        handler: handler.into(),
        occurred_at: at(occurred),
        outgoing: Outgoing { destination: Destination::Bus, envelope: Envelope { attributes, data } },
    }
}

fn refused(id: &str) -> (String, FoundLetter) {
    let attributes = [
        ("EventId", id),
        ("EventType", "order.placed"),
        ("Handler", "reserve-stock"),
        ("ErrorType", "MalformedData"),
        ("ErrorMessage", "no quantity"),
    ];
    let attributes: BTreeMap<_, _> = attributes.map(|(name, value)| (name.into(), value.into())).into();
    let letter = FoundLetter {
        message_id: "m".into(),
        body: "{".into(),
        attributes,
        sent_at: at(90),
        ..FoundLetter::default()
    };
    ("ReserveStockDeadLetterQueue".into(), letter)
}

fn tried(
    handler: &str,
    message_id: &str,
    attempt: u64,
    verdict: AttemptVerdict,
    ended: i64,
) -> LoggedAttempt {
    LoggedAttempt {
        handler: handler.into(),
        message_id: message_id.into(),
        message_type: "order.place".into(),
        attempt,
        ended_at: at(ended),
        verdict,
        reason: (verdict == AttemptVerdict::Retry).then(|| "Missing: order not seen yet".into()),
        again_after: (verdict == AttemptVerdict::Retry).then(|| "1.5s".into()),
    }
}

#[test]
fn attempts_that_failed_stand_under_their_handler_with_their_reason() {
    let done = RecordedClaim { attempt: 2, ..claim("place-order", "c-1", "order.place", 1600) };
    let line = WholeLine {
        recorded: Line { claims: vec![done], messages: Vec::new() },
        attempts: vec![
            tried("place-order", "c-1", 1, AttemptVerdict::Retry, 1601),
            tried("place-order", "c-1", 2, AttemptVerdict::Done, 1607),
            tried("place-order", "c-1", 3, AttemptVerdict::Duplicate, 1609),
            tried("count-orders", "c-1", 1, AttemptVerdict::Retry, 1605),
        ],
        ..WholeLine::default()
    };
    let expected = [
        "  order.place o-1                                          +0 ms",
        "  ├─ place-order                                           +0 ms  done in 7 ms, attempt 2, delivered once more",
        "  │  └─ attempt 1                                          +1 ms  failed, again in 1.5s",
        "  │     Missing: order not seen yet",
        "  └─ count-orders                                          +5 ms  to be delivered again",
        "     └─ attempt 1                                          +5 ms  failed, again in 1.5s",
        "        Missing: order not seen yet",
    ];
    assert_eq!(line.to_string(), expected.join("\n"));
}

#[test]
fn a_message_that_nobody_has_finished_yet_is_known_by_its_attempts() {
    let line = WholeLine {
        attempts: vec![tried("place-order", "c-1", 1, AttemptVerdict::Retry, 1)],
        ..WholeLine::default()
    };
    assert!(!line.is_empty());
    assert!(line.to_string().starts_with("  order.place "), "{line}");
}

#[test]
fn data_is_shown_only_if_it_is_asked_for_and_then_masked() {
    let mut sent = message("place-order", "c-1", "e-1", "order.placed", 5);
    sent.outgoing.envelope.data =
        serde_json::value::to_raw_value(&json!({ "order_id": "o-1", "customer": "Ada" })).unwrap();
    let line =
        WholeLine { recorded: Line { claims: Vec::new(), messages: vec![sent] }, ..WholeLine::default() };
    let catalogue = Catalogue::of(&crate::project::Project::find().unwrap()).unwrap();
    assert!(!line.to_string().contains("customer"));
    let masked = line.drawn(Some(&Shown::masked(catalogue)));
    assert!(masked.contains(r#""customer":"***""#) && masked.contains(r#""order_id":"o-1""#), "{masked}");
    assert!(line.drawn(Some(&Shown::revealed())).contains("Ada"));
}

#[test]
fn a_line_is_drawn_from_its_first_message_to_its_last() {
    let line = WholeLine {
        recorded: Line {
            claims: vec![
                claim("place-order", "c-1", "order.place", 0),
                claim("count-orders", "e-1", "order.placed", 50),
            ],
            messages: vec![message("place-order", "c-1", "e-1", "order.placed", 5)],
        },
        dead_letters: vec![refused("e-1")],
        ..WholeLine::default()
    };
    let expected = [
        "  order.place o-1                                          +0 ms",
        "  └─ place-order                                           +0 ms  done in 7 ms",
        "     └─ order.placed o-1                                   +5 ms",
        "        ├─ count-orders                                   +50 ms  done in 7 ms",
        "        └─ reserve-stock                                  +90 ms  rejected",
        "           MalformedData: no quantity",
        "           it lies in ReserveStockDeadLetterQueue",
    ];
    assert_eq!(line.to_string(), expected.join("\n"));
    assert!(line.is_done_by("place-order") && !line.is_done_by("reserve-stock"));
}

#[test]
fn a_message_that_was_refused_at_once_is_a_line_of_its_own() {
    let line = WholeLine { dead_letters: vec![refused("c-9")], ..WholeLine::default() };
    assert!(line.to_string().starts_with("  order.placed\n  └─ reserve-stock"), "{line}");
    assert!(WholeLine::default().is_empty());
}

/// A line in which `charge` timed out twice and is undone, while `approve` is answered in another line.
fn checkout(steps: &[(&str, &str, i64)]) -> Line {
    let mut line = Line {
        claims: vec![claim("place-order", "c-1", "order.place", 0)],
        messages: vec![message("place-order", "c-1", "3f2a91c0-1", "checkout.start", 5)],
    };
    line.messages[0].outgoing.destination = Destination::StateMachine("checkout".into());
    for (id, message_type, started) in steps {
        let mut step = claim("checkout", &format!("3f2a91c0-1/{id}"), message_type, *started);
        step.causation_id = Some("3f2a91c0-1".into());
        line.claims.push(step);
    }
    line
}

fn visit(state: &str, entered: i64, attempts: Vec<Attempt>) -> Visit {
    let exited_at = attempts.last().and_then(|attempt| attempt.ended_at);
    Visit {
        state: state.into(),
        kind: StateKind::Task,
        entered_at: at(entered).unwrap(),
        exited_at,
        attempts,
    }
}

fn attempt(started: i64, ended: i64, outcome: Result<serde_json::Value, (&str, &str)>) -> Attempt {
    let failure = |(error, cause): (&str, &str)| Failure { error: error.into(), cause: cause.into() };
    Attempt {
        started_at: at(started).unwrap(),
        ended_at: at(ended),
        awaits_answer: false,
        outcome: Some(outcome.map_err(failure)),
    }
}

fn ended_in(state: &str, kind: StateKind, ending: Ending, when: i64) -> (Visit, Option<End>) {
    let last = Visit { kind, ..visit(state, when, Vec::new()) };
    (last, Some(End { ending, at: at(when).unwrap(), failure: Failure::default() }))
}

fn with_execution(recorded: Line, execution: Result<Execution, String>) -> WholeLine {
    let executions = BTreeMap::from([("3f2a91c0-1".to_owned(), execution)]);
    WholeLine { recorded, executions, ..WholeLine::default() }
}

#[test]
fn a_saga_is_drawn_with_its_attempts_its_undos_and_its_end() {
    let mut recorded = checkout(&[
        ("reserve", "checkout.reserve", 20),
        ("charge/void", "checkout.charge.void", 11_220),
        ("charge/undo", "checkout.charge.undo", 11_230),
        ("reserve/undo", "checkout.reserve.undo", 11_300),
        ("cancel", "checkout.cancel", 11_400),
    ]);
    recorded.messages.push(message("checkout", "3f2a91c0-1/reserve", "e-1", "stock.reserved", 25));
    recorded.messages.push(message("checkout", "3f2a91c0-1/cancel", "e-2", "order.cancelled", 11_405));
    recorded.claims.push(claim("notify-customer", "e-2", "order.cancelled", 11_450));
    let timed_out = || Err(("Saga.TimedOut", "it was not done within 5 s"));
    let busy = || Err(("Saga.Busy", "another invocation is working on it, or died working on it"));
    let (compensated, end) = ended_in("Compensated", StateKind::Succeed, Ending::Succeeded, 11_500);
    let unknown = || Ok(json!({ "undone": "charge", "outcome_was_known": false }));
    let visits = vec![
        visit("reserve", 15, vec![attempt(16, 28, Ok(json!({ "output": 1 })))]),
        visit(
            "charge",
            30,
            vec![
                attempt(30, 5030, timed_out()),
                attempt(6030, 6040, busy()),
                attempt(7030, 7040, busy()),
                attempt(8030, 8040, busy()),
                attempt(9030, 9040, busy()),
                attempt(10_050, 11_200, timed_out()),
            ],
        ),
        visit("undo_charge", 11_210, vec![attempt(11_210, 11_240, unknown())]),
        visit("undo_reserve", 11_290, vec![attempt(11_290, 11_310, Ok(json!({ "undone": "reserve" })))]),
        visit("cancel", 11_390, vec![attempt(11_390, 11_410, Ok(json!({ "ended": "cancel" })))]),
        compensated,
    ];
    let line = with_execution(recorded, Ok(Execution { visits, end }));
    let expected = [
        "  order.place o-1                                          +0 ms",
        "  └─ place-order                                           +0 ms  done in 7 ms",
        "     └─ starts checkout 3f2a91c0                           +5 ms",
        "        ├─ reserve                                        +15 ms  done in 13 ms",
        "        │  └─ stock.reserved o-1                          +25 ms",
        "        ├─ charge                                         +30 ms  given up after 11.1 s, attempt 6",
        "        │  ├─ attempt 1                                   +30 ms  Saga.TimedOut after 5000 ms, then waits 1000 ms",
        "        │  │  it was not done within 5 s",
        "        │  ├─ attempts 2 to 5                           +6030 ms  Saga.Busy after 3010 ms, then waits 1010 ms",
        "        │  │  another invocation is working on it, or died working on it",
        "        │  └─ attempt 6                                  +10.0 s  Saga.TimedOut after 1150 ms",
        "        │     it was not done within 5 s",
        "        ├─ undo charge                                   +11.2 s  done in 30 ms",
        "        │  whether `charge` had taken effect was not known",
        "        ├─ undo reserve                                  +11.2 s  done in 20 ms",
        "        ├─ cancel                                        +11.3 s  done in 20 ms",
        "        │  └─ order.cancelled o-1                        +11.4 s",
        "        │     └─ notify-customer                         +11.4 s  done in 7 ms",
        "        └─ Compensated                                   +11.5 s",
    ];
    assert_eq!(line.to_string(), expected.join("\n"));
}

#[test]
fn an_answer_is_drawn_below_the_question_and_says_who_waited() {
    let mut recorded =
        checkout(&[("approve/waits/77", "checkout.approve.waits", 20), ("approve", "checkout.approve", 30)]);
    recorded.messages.push(message("checkout", "3f2a91c0-1/approve", "e-1", "approval.requested", 35));
    let mut decided = claim("approve-order", "d-1", "order.decide", 900);
    decided.causation_id = Some("e-1".into());
    recorded.claims.push(decided);
    let mut answer = message("approve-order", "d-1", "a-1", "saga.answer", 905);
    answer.outgoing.destination = Destination::Task { token: "secret".into() };
    recorded.messages.push(answer);
    let answered = Attempt { awaits_answer: true, ..attempt(16, 950, Ok(json!({ "by": "Ada" }))) };
    let execution = Execution { visits: vec![visit("approve", 16, vec![answered])], end: None };
    let line = with_execution(recorded, Ok(execution));
    let expected = [
        "  order.place o-1                                            +0 ms",
        "  └─ place-order                                             +0 ms  done in 7 ms",
        "     └─ starts checkout 3f2a91c0                             +5 ms",
        "        └─ approve                                          +16 ms  answered after 934 ms",
        "           └─ approval.requested o-1                        +35 ms",
        "              └─ order.decide o-1                          +900 ms",
        "                 └─ approve-order                          +900 ms  done in 7 ms",
        "                    └─ answers checkout/3f2a91c0/approve   +905 ms",
    ];
    assert_eq!(line.to_string(), expected.join("\n"));
}

#[test]
fn a_saga_is_drawn_from_the_ledger_if_step_functions_does_not_tell() {
    let mut recorded =
        checkout(&[("charge", "checkout.charge", 20), ("charge/undo", "checkout.charge.undo", 50)]);
    recorded.claims[1].state = ClaimState::Leased { until: None };
    recorded.claims[2].attempt = 3;
    let line = with_execution(recorded, Err("AccessDenied: not you".into()));
    let expected = [
        "  order.place o-1                                          +0 ms",
        "  └─ place-order                                           +0 ms  done in 7 ms",
        "     └─ starts checkout 3f2a91c0                           +5 ms",
        "        │  from the ledger alone, because Step Functions does not tell: AccessDenied: not you",
        "        ├─ charge                                         +20 ms  not finished",
        "        └─ undo charge                                    +50 ms  done in 7 ms, attempt 3",
    ];
    assert_eq!(line.to_string(), expected.join("\n"));
}

#[test]
fn a_step_that_is_rejected_and_an_execution_that_is_stuck_say_why() {
    let refused = || Err(("Saga.Rejected", "the card was declined: no money"));
    let (stuck, end) = ended_in("Stuck", StateKind::Fail, Ending::Failed, 90);
    let failure = Failure { error: "Saga.Stuck".into(), cause: "look at it ".repeat(12) };
    let visits = vec![visit("charge", 16, vec![attempt(16, 40, refused())]), stuck];
    let execution = Execution { visits, end: end.map(|end| End { failure, ..end }) };
    let line = with_execution(checkout(&[]), Ok(execution)).to_string();
    let rows: Vec<&str> = line.lines().skip(3).collect();
    assert_eq!(
        rows[0],
        "        ├─ charge                                         +16 ms  rejected after 24 ms"
    );
    assert_eq!(rows[1], "        │  Saga.Rejected: the card was declined: no money");
    assert_eq!(rows[2], "        └─ Stuck                                          +90 ms");
    assert!(rows[3].starts_with("           Saga.Stuck: look at it") && rows.len() == 5, "{line}");
    assert!(line.lines().all(|row| row.chars().count() <= 120), "{line}");
}

#[test]
fn what_is_sent_later_says_when() {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let sentence = |destination| {
        let outgoing = Outgoing { destination, ..message("h", "c", "i", "order.expire", 0).outgoing };
        sentence_of(&outgoing, Some(now))
    };
    let scheduled =
        |at: &str| Destination::Scheduled { queue: "await-payment".into(), at: at.parse().unwrap() };
    assert_eq!(sentence(scheduled("2026-01-02T12:00:00.5Z")), "sends order.expire o-1 at 12:00:00");
    assert_eq!(sentence(scheduled("2026-01-03T12:00:00Z")), "sends order.expire o-1 at 2026-01-03 12:00:00");
    let taken_back = Destination::Unscheduled { queue: "await-payment".into() };
    assert_eq!(sentence(taken_back), "takes order.expire o-1 back");
    assert_eq!(sentence(Destination::Queue("q".into())), "sends order.expire o-1 to q");
}
