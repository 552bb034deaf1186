//! The benchmark's function on the framework. `BENCHMARK_HANDLER` picks what it does.

use serde::{Deserialize, Serialize};
use throughline::{events, prelude::*};

/// Adds the reading to its meter's total: loads one entity, saves it, emits one event.
#[derive(Debug, Clone)]
struct LoadSaveEmit;

/// Keeps the reading and announces it: saves one new entity, emits one event.
#[derive(Debug, Clone)]
struct SaveEmit;

/// Does nothing, once.
#[derive(Debug, Clone)]
struct NoEffects;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReadingTaken {
    meter_id: String,
    amount: u64,
    note: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TotalChanged {
    meter_id: String,
    total: u64,
}

events! {
    /// Events of a meter.
    enum MeterEvent of "meter" {
        "reading.taken" v1 => Taken(ReadingTaken.meter_id),
        "total.changed" v1 => Changed(TotalChanged.meter_id),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Meter {
    id: String,
    total: u64,
}

impl Entity for Meter {
    const KIND: &'static str = "meter";

    fn id(&self) -> String {
        self.id.clone()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    match std::env::var("BENCHMARK_HANDLER").as_deref() {
        Ok("load-save-emit") => throughline::run(throughline::sqs(LoadSaveEmit)).await,
        Ok("save-emit") => throughline::run(throughline::sqs(SaveEmit)).await,
        Ok("leased") => throughline::run(throughline::sqs(leased(NoEffects))).await,
        _ => throughline::run(throughline::sqs(NoEffects)).await,
    }
}

impl Handler for LoadSaveEmit {
    const NAME: &'static str = "load-save-emit";
    type Message = ReadingTaken;
    type Emits = MeterEvent;

    async fn handle(
        &self,
        taken: Envelope<ReadingTaken>,
        context: &Context<'_>,
    ) -> Result<Effects<MeterEvent>, Failure> {
        let ReadingTaken { meter_id, amount, .. } = taken.data;
        let meter = context.load::<Meter>(&meter_id).await?;
        let meter = meter.unwrap_or_else(|| Versioned::new(Meter { id: meter_id.clone(), total: 0 }));
        let meter = meter.map(|meter| Meter { total: meter.total + amount, ..meter });
        let changed = TotalChanged { meter_id, total: meter.value.total };
        Ok(Effects::none().emit(changed).save(meter))
    }
}

impl Handler for SaveEmit {
    const NAME: &'static str = "save-emit";
    type Message = ReadingTaken;
    type Emits = MeterEvent;

    async fn handle(
        &self,
        taken: Envelope<ReadingTaken>,
        _: &Context<'_>,
    ) -> Result<Effects<MeterEvent>, Failure> {
        let ReadingTaken { meter_id, amount, .. } = taken.data;
        let meter = Versioned::new(Meter { id: meter_id.clone(), total: amount });
        Ok(Effects::none().emit(TotalChanged { meter_id, total: amount }).save(meter))
    }
}

impl Handler for NoEffects {
    const NAME: &'static str = "no-effects";
    type Message = ReadingTaken;
    type Emits = Never;

    async fn handle(&self, _: Envelope<ReadingTaken>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}
