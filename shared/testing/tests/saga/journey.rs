//! A saga with everything in it: a seat in the ledger, a payment, a room and a car outside, a time to think, an
//! approval, a confirmation.

use crate::provider::Provider;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use throughline_core::{Attributes, prelude::*};
use throughline_testing::{
    SagaTest,
    saga::{End, SagaRun},
    saga_test,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journey {
    pub journey_id: String,
    pub is_dear: bool,
}

impl SagaInput for Journey {
    const SAGA: &'static str = "journey";
    fn subject(&self) -> Option<String> {
        Some(self.journey_id.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Train {
    pub id: String,
    pub free_seats: u32,
}

impl Entity for Train {
    const KIND: &'static str = "train";
    fn id(&self) -> String {
        self.id.clone()
    }
}

macro_rules! data {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* })*) => {$(
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $name { $(pub $field: $type),* }
    )*};
}

data! {
    Seat { train: String }
    Paid { payment_id: String }
    Room { room_id: String }
    Car { car_id: String }
    Approved { by: String }
    Confirmed {}
    SeatTaken { train: String }
    SeatFreed { train: String }
    ApprovalWanted { journey_id: String, callback: CallbackId<Approved> }
    JourneyConfirmed { journey_id: String, approved_by: Option<String> }
    JourneyCancelled { journey_id: String, because: String }
    Decide { journey_id: String, callback: CallbackId<Approved>, by: Option<String> }
}

events! {
    /// Journeys.
    pub(crate) enum JourneyEvent of "journey" {
        "seat.taken" v1 => Taken(SeatTaken.train),
        "seat.freed" v1 => Freed(SeatFreed.train),
        "approval.wanted" v1 => Wanted(ApprovalWanted.journey_id),
        "journey.confirmed" v1 => Confirmed(JourneyConfirmed.journey_id),
        "journey.cancelled" v1 => Cancelled(JourneyCancelled.journey_id),
    }
}

commands! {
    /// Approvals.
    pub(crate) enum ApprovalCommand to "approvals" {
        "approval.decide" v1 => Decide(Decide.journey_id),
    }
}

/// What is outside.
#[derive(Debug, Default)]
pub(crate) struct Travel {
    pub payments: Provider,
    pub rooms: Provider,
    pub cars: Provider,
    /// Which undos ran, and whether they were given what their steps returned.
    undone: Mutex<Vec<(&'static str, bool)>>,
    /// The attributes of the tasks that asked for it.
    tasks: Mutex<Vec<Attributes>>,
}

impl Travel {
    fn undo(&self, step: &'static str, is_known: bool) {
        self.undone.lock().unwrap_or_else(PoisonError::into_inner).push((step, is_known));
    }

    fn task(&self, step: &StepContext<'_>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(step.attributes().clone());
    }

    pub(crate) fn tasks(&self) -> Vec<Attributes> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn undone(&self) -> Vec<(&'static str, bool)> {
        self.undone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take_seat(
    travel: &Travel,
    _: Journey,
    step: &StepContext<'_>,
) -> Result<Output<Seat, JourneyEvent>, Failure> {
    travel.task(step);
    let train = step.load::<Train>("t-1").await?.or_reject("no such train")?;
    let free_seats = train.value.free_seats.checked_sub(1).or_reject("the train is full")?;
    let taken = SeatTaken { train: train.value.id.clone() };
    let effects = Effects::none().emit(taken).save(train.map(|train| Train { free_seats, ..train }));
    Ok(effects.returning(Seat { train: "t-1".into() }))
}

async fn free_seat(
    travel: &Travel,
    seat: Option<Seat>,
    step: &StepContext<'_>,
) -> Result<Effects<JourneyEvent>, Failure> {
    travel.task(step);
    travel.undo("seat", seat.is_some());
    let seat = seat.or_reject("without a seat nothing was committed, and there is nothing to undo")?;
    let train = step.load::<Train>(&seat.train).await?.or_reject("no such train")?;
    let free_seats = train.value.free_seats + 1;
    let freed = SeatFreed { train: seat.train };
    Ok(Effects::none().emit(freed).save(train.map(|train| Train { free_seats, ..train })))
}

async fn pay(travel: &Travel, _: Seat, step: &StepContext<'_>) -> Result<Output<Paid>, Failure> {
    let payment_id = travel.payments.book("payment", step.idempotency_key())?;
    Ok(Output::of(Paid { payment_id }))
}

async fn pay_back(travel: &Travel, paid: Option<Paid>, step: &StepContext<'_>) -> Result<(), Failure> {
    travel.undo("pay", paid.is_some());
    match paid {
        Some(paid) => travel.payments.take_back(&paid.payment_id),
        None => travel.payments.void(step.undone_key()),
    }
    Ok(())
}

async fn book_room(travel: &Travel, _: Paid, step: &StepContext<'_>) -> Result<Output<Room>, Failure> {
    Ok(Output::of(Room { room_id: travel.rooms.book("room", step.idempotency_key())? }))
}

async fn free_room(travel: &Travel, room: Option<Room>, step: &StepContext<'_>) -> Result<(), Failure> {
    travel.undo("room", room.is_some());
    match room {
        Some(room) => travel.rooms.take_back(&room.room_id),
        None => travel.rooms.void(step.undone_key()),
    }
    Ok(())
}

async fn book_car(travel: &Travel, _: Paid, step: &StepContext<'_>) -> Result<Output<Car>, Failure> {
    Ok(Output::of(Car { car_id: travel.cars.book("car", step.idempotency_key())? }))
}

async fn free_car(travel: &Travel, car: Option<Car>, step: &StepContext<'_>) -> Result<(), Failure> {
    travel.undo("car", car.is_some());
    match car {
        Some(car) => travel.cars.take_back(&car.car_id),
        None => travel.cars.void(step.undone_key()),
    }
    Ok(())
}

async fn ask(
    travel: &Travel,
    callback: CallbackId<Approved>,
    journey: Journey,
    step: &StepContext<'_>,
) -> Result<Effects<JourneyEvent>, Failure> {
    travel.task(step);
    Ok(Effects::none().emit(ApprovalWanted { journey_id: journey.journey_id, callback }))
}

async fn confirm(
    _: &Travel,
    journey: Journey,
    approved: Option<Approved>,
    _: &StepContext<'_>,
) -> Result<Output<Confirmed, JourneyEvent>, Failure> {
    let approved_by = approved.map(|approved| approved.by);
    let confirmed = JourneyConfirmed { journey_id: journey.journey_id, approved_by };
    Ok(Effects::none().emit(confirmed).returning(Confirmed {}))
}

async fn cancel(
    _: &Travel,
    unwound: Unwound,
    journey: Journey,
    _: &StepContext<'_>,
) -> Result<Effects<JourneyEvent>, Failure> {
    let because = format!("{} {}", unwound.step, unwound.error_type);
    Ok(Effects::none().emit(JourneyCancelled { journey_id: journey.journey_id, because }))
}

pub(crate) const TIME_TO_THINK: Duration = Duration::from_mins(30);
pub(crate) const TIME_TO_APPROVE: Duration = Duration::from_hours(2);
pub(crate) const DEADLINE: Duration = Duration::from_hours(4);

pub(crate) fn journey() -> Saga<Travel> {
    Saga::of::<Journey>()
        .deadline(DEADLINE)
        .step("seat", take_seat)
        .effects_only()
        .undo(free_seat)
        .step("pay", pay)
        .undo(pay_back)
        .parallel("book", |book| {
            book.step("room", book_room).undo(free_room).step("car", book_car).undo(free_car)
        })
        .wait("think", TIME_TO_THINK)
        .callback("approve", ask, TIME_TO_APPROVE)
        .only_if("is_dear")
        .no_undo()
        .step("confirm", confirm)
        .effects_only()
        .no_undo()
        .when_compensated("cancel", cancel)
}

async fn withdraw(travel: &Travel, answer: Option<Approved>, _: &StepContext<'_>) -> Result<(), Failure> {
    travel.undo("approve", answer.is_some());
    Ok(())
}

/// A journey of nothing but a question, which can be taken back.
pub(crate) fn with_withdrawal() -> Saga<Travel> {
    Saga::of::<Journey>().callback("approve", ask, Duration::from_mins(5)).effects_only().undo(withdraw)
}

/// Answers for whoever approves.
#[derive(Debug, Clone)]
pub(crate) struct Approval;

impl Handler for Approval {
    const NAME: &'static str = "approval";
    type Message = Decide;
    type Emits = Never;

    async fn handle(&self, decide: Envelope<Decide>, context: &Context<'_>) -> Result<Effects, Failure> {
        let waiting = decide.data.callback.find(context).await?;
        Ok(match decide.data.by {
            Some(by) => waiting.answer(&Approved { by }),
            None => waiting.refuse("NotApproved", "nobody took the risk"),
        })
    }
}

/// The decision about what an event asks for.
pub(crate) fn decision(event: &throughline_core::ledger::Outgoing, by: Option<&str>) -> Option<Decide> {
    if event.envelope.attributes.message_type != "approval.wanted" {
        return None;
    }
    let wanted: ApprovalWanted =
        serde_json::from_str(event.envelope.data.get()).expect("it asks for approval");
    Some(Decide { journey_id: wanted.journey_id, callback: wanted.callback, by: by.map(Into::into) })
}

/// A journey, before anybody decides.
pub(crate) fn undecided(is_dear: bool) -> SagaTest<Travel> {
    let input = Journey { journey_id: "j-1".into(), is_dear };
    saga_test(journey(), input, Travel::default).given(Train { id: "t-1".into(), free_seats: 10 })
}

/// A dear journey that somebody approves, after an hour.
pub(crate) fn approved() -> SagaTest<Travel> {
    undecided(true).reacting(Approval, Duration::from_hours(1), |event| decision(event, Some("ann")))
}

/// All of it, or nothing; or stuck, and loud.
pub(crate) fn all_or_nothing(run: &SagaRun<Travel>) {
    let free_seats = run.entity::<Train>("t-1").expect("the train is there").free_seats;
    let travel = run.services();
    let standing = [&travel.payments, &travel.rooms, &travel.cars].map(Provider::standing);
    let told = [run.events("journey.confirmed").len(), run.events("journey.cancelled").len()];
    match run.end {
        End::Completed => assert_eq!((free_seats, standing, told), (9, [1, 1, 1], [1, 0])),
        End::Compensated => assert_eq!((free_seats, standing, told), (10, [0, 0, 0], [0, 1])),
        End::Stuck => assert!(run.stuck.is_some(), "it is stuck, and does not say with what"),
    }
}
