//! Both ways to decode a body say the same of whatever comes: the one that takes a single pass where it can, and the one
//! that takes one step after the other.
//!
//! `THROUGHLINE_FUZZ_BODIES` says how many bodies are tried, `THROUGHLINE_FUZZ_SEED` with which seed the first is made;
//! each that follows has the next. Ten million: `THROUGHLINE_FUZZ_BODIES=10000000 cargo test --release -p
//! throughline-core --test decode_fuzz`.

mod bodies;

use bodies::{SECRET, body};
use serde::{Deserialize, Serialize};
use std::{
    env,
    num::NonZero,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};
use throughline_core::{
    Attributes, DataError, EncodedEnvelope, EnvelopeError, WireForm,
    internal::decode::{self, DecodeError, Decoded, Origin, Undecodable},
    ledger::PayloadHash,
    prelude::*,
};

/// About a minute of one processor, unoptimised; `scripts/test --all` tries a million.
const BODIES: u64 = 300_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    id: String,
    #[serde(default)]
    lines: Vec<u32>,
    #[serde(default)]
    price: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Moved {
    to: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "placed" v1 => Placed(Placed.id),
        "moved" v2 => Moved(Moved.to),
    }
}

const ORIGIN: Origin<'static> = Origin { message_id: "m-1", source: "queue" };

/// An envelope with its data and the text of that; or what it says, if that much can be read, and why not more.
type Answer = Result<(Attributes, OrderEvent, String), (Option<Box<Attributes>>, DecodeError)>;

fn in_one_pass_if_it_can(body: &str) -> (Answer, bool) {
    match decode::decode::<OrderEvent>(body, ORIGIN) {
        Ok(Decoded { envelope, data_json }) => {
            // Whoever takes a step after the other has to copy it.
            let is_one_pass = matches!(data_json, std::borrow::Cow::Borrowed(_));
            (Ok((envelope.attributes, envelope.data, data_json.into_owned())), is_one_pass)
        }
        Err(Undecodable { attributes, error }) => (Err((attributes, error)), false),
    }
}

fn step_by_step(body: &str) -> Answer {
    let opened = decode::open(body, WireForm::CloudEvent, ORIGIN).map_err(|error| (None, error))?;
    let EncodedEnvelope { attributes, data } = opened;
    match OrderEvent::decode(&attributes.message_type, attributes.schema_version, &data) {
        Ok(message) => Ok((attributes, message, data.get().to_owned())),
        Err(error) => Err((Some(Box::new(attributes)), error.into())),
    }
}

#[derive(Default)]
struct Tally {
    in_one_pass: AtomicU64,
    step_by_step: AtomicU64,
    refused: AtomicU64,
}

fn try_body(body: &str, tally: &Tally) {
    let (one, is_one_pass) = in_one_pass_if_it_can(body);
    let other = step_by_step(body);
    let counted = match (&one, &other) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            let hash = |text: &str| PayloadHash::of(&one.0.message_type, text).ok();
            assert_eq!(hash(&one.2), hash(&other.2));
            hands_on(&one.0, &one.2);
            if is_one_pass { &tally.in_one_pass } else { &tally.step_by_step }
        }
        (Err((attributes, error)), Err((other_attributes, other))) => {
            assert_eq!(attributes, other_attributes);
            let said = error.to_string();
            assert_eq!((error.error_type(), &said), (other.error_type(), &other.to_string()));
            assert!(is_named_on_purpose(error) || !said.contains(SECRET), "values may be personal: {said}");
            let is_place = error.error_type() == "MalformedEnvelope" && said.contains(" column ");
            assert!(!is_place, "a place is no reason: {said}");
            &tally.refused
        }
        (Ok(_), Err((_, error))) => panic!("one pass reads it, step by step: {error}"),
        (Err((_, error)), Ok(_)) => panic!("step by step reads it, decode says: {error}"),
    };
    counted.fetch_add(1, Ordering::Relaxed);
}

/// Versions, content types and types of messages are nobody's secret.
fn is_named_on_purpose(error: &DecodeError) -> bool {
    matches!(
        error,
        DecodeError::NotCloudEvent(EnvelopeError::ContentType { .. } | EnvelopeError::AnotherVersion { .. })
            | DecodeError::Data(
                DataError::UnknownType { .. }
                    | DataError::NewerVersion { .. }
                    | DataError::OlderVersion { .. }
            )
    )
}

/// Checks that an envelope is written so that it is read the same.
fn hands_on(attributes: &Attributes, data: &str) {
    let data = serde_json::from_str(data).unwrap();
    let written = serde_json::to_string(&EncodedEnvelope { attributes: attributes.clone(), data }).unwrap();
    let again = EncodedEnvelope::from_json(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(&again.attributes, attributes, "{written}");
}

fn setting(name: &str) -> Option<u64> {
    env::var(name)
        .ok()
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is `{number}`, no number")))
}

#[test]
fn both_ways_to_decode_say_the_same_of_whatever_comes() {
    let bodies = setting("THROUGHLINE_FUZZ_BODIES").unwrap_or(BODIES);
    let first_seed = setting("THROUGHLINE_FUZZ_SEED").unwrap_or(0);
    let tally = Tally::default();
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= bodies {
                break;
            }
            let seed = first_seed.wrapping_add(number);
            let body = body(seed);
            let again = Again { seed, body: &body };
            try_body(&body, &tally);
            drop(again);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let counts = [&tally.in_one_pass, &tally.step_by_step, &tally.refused].map(count);
    println!(
        "{bodies} bodies from seed {first_seed}: {} read in one pass, {} step by step, {} refused",
        counts[0], counts[1], counts[2]
    );
    assert_eq!(counts.iter().sum::<u64>(), bodies);
    if bodies >= 10_000 {
        assert!(
            counts.iter().all(|count| count * 10 > bodies),
            "each kind is there often enough to say something"
        );
    }
}

/// Says how a failure is seen again.
struct Again<'a> {
    seed: u64,
    body: &'a str,
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "THROUGHLINE_FUZZ_SEED={} THROUGHLINE_FUZZ_BODIES=1 makes this body:\n{}",
                self.seed, self.body
            );
        }
    }
}
