//! Real functions, killed at every request they make, before and after the service has done what it was
//! asked; then delivered again, as SQS would.
//!
//! Nothing here says which requests a function makes, or how many: a run without a death tells.

mod notify_customer;
mod reserve_stock;
mod trial;

use futures_util::{StreamExt as _, stream};
use throughline_laboratory::{Moment, Trouble};
use trial::{Death, Trial, Workload};

/// The number of trials that run at the same time. Most of them wait for a lease to end.
const TRIALS_AT_A_TIME: usize = 8;

/// The number of times that a trial is begun in which the function makes fewer requests than in others.
const MOST_TRIES: usize = 5;

#[tokio::test]
async fn a_function_that_is_killed_at_any_of_its_requests_has_its_effects_once() {
    let optimistic = matrix(&reserve_stock::ReserveStock).await;
    let notify_customer = notify_customer::NotifyCustomer::default();
    let leased = matrix(&notify_customer).await;
    let (waited, sent_again) = (notify_customer.waited.into_inner(), notify_customer.sent_again.into_inner());
    println!("notify-customer: {waited} waited for a lease's end, {sent_again} sent again with the same key");
    assert!(waited > 0 && sent_again > 0, "deaths between call and commit were among them");
    let (requests, kills) = (optimistic.requests + leased.requests, optimistic.kills + leased.kills);
    println!("crash matrix: 2 handlers, {requests} requests, {kills} kills, all finished");
    assert_eq!(kills, 2 * requests);
}

/// The trials of a function.
struct Tried {
    requests: usize,
    kills: usize,
}

/// Kills the function at each of its requests, before and after.
async fn matrix<W: Workload>(workload: &W) -> Tried {
    let requests = requests_of(workload).await;
    let deaths = (1..=requests)
        .flat_map(|request| [Moment::Before, Moment::After].map(|moment| Death { request, moment }));
    let trials = stream::iter(deaths.map(|death| kill(workload, death)));
    let kills = trials.buffer_unordered(TRIALS_AT_A_TIME).count().await;
    println!("{}: {requests} requests, {kills} kills", W::FUNCTION);
    Tried { requests, kills }
}

/// Returns the number of requests that the function makes for its batch if it lives. Concurrent work may be put into
/// requests in more ways than one: the fewest of some runs.
async fn requests_of<W: Workload>(workload: &W) -> usize {
    let mut counts = Vec::new();
    for _ in 0..3 {
        let trial = Trial::open::<W>(workload).await.expect("a laboratory");
        let failed = trial.deliver(&trial.everything(), 1, W::REMAINING).await.expect("an answer");
        assert!(failed.is_empty(), "{}: a run without a death finishes everything: {failed:?}", W::FUNCTION);
        workload.has_had_its_effects(&trial).await.expect("the effects are there");
        counts.push(trial.laboratory.recorder.calls().len());
    }
    counts.into_iter().min().expect("a run")
}

/// One trial: its function dies this death.
async fn kill<W: Workload>(workload: &W, death: Death) {
    for _ in 0..MOST_TRIES {
        match try_to_kill(workload, death).await {
            Ok(true) => return,
            Ok(false) => {}
            Err(trouble) => panic!("{}, killed {death}: {trouble}", W::FUNCTION),
        }
    }
    panic!("{} never made the request to be killed {death}", W::FUNCTION);
}

/// Returns whether the function died, after checking the state that it left.
async fn try_to_kill<W: Workload>(workload: &W, death: Death) -> Result<bool, Trouble> {
    let trial = Trial::open::<W>(workload).await?;
    if !trial.dies::<W>(death).await? {
        return Ok(false);
    }
    workload.is_finished_after(&trial).await?;
    workload.has_had_its_effects(&trial).await?;
    let before = trial.laboratory.database.items(trial.laboratory.database.ledger_table()).await?;
    let failed = trial.deliver(&trial.everything(), 9, W::REMAINING).await?;
    assert!(failed.is_empty(), "once more, everything is done already: {failed:?}");
    let after = trial.laboratory.database.items(trial.laboratory.database.ledger_table()).await?;
    assert_eq!(before.len(), after.len(), "delivered once more, nothing happens");
    workload.has_had_its_effects(&trial).await?;
    Ok(true)
}
