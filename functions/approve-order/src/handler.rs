//! Turns the command `order.decide` into an answer to the checkout that waits for it.

use throughline::prelude::*;
use throughline_shop::{Approved, DecideOrder};

/// `order.decide`: answers the checkout that asked. An answer that comes twice, or too late, is rejected with
/// that reason.
#[derive(Debug, Clone)]
pub struct ApproveOrder;

impl Handler for ApproveOrder {
    const NAME: &'static str = "approve-order";
    type Message = DecideOrder;
    type Emits = Never;

    async fn handle(
        &self,
        command: Envelope<DecideOrder>,
        context: &Context<'_>,
    ) -> Result<Effects, Failure> {
        let DecideOrder { callback, by, refused_because, .. } = command.data;
        let waiting = callback.find(context).await?;
        Ok(match refused_because {
            None => waiting.answer(&Approved { by }),
            Some(why) => waiting.refuse("NotApproved", format!("{by} refused: {why}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline::{
        ledger::Destination,
        saga::{StepOutcome, StepRecord},
    };
    use throughline_testing::{Ran, assert_name_is_locked, scenario};

    const STEP: &str = "checkout/e-1/approve";

    fn waiting() -> StepOutcome {
        StepOutcome::Waiting { token: "token-1".into() }
    }

    fn decision(refused_because: Option<&str>) -> DecideOrder {
        let command = serde_json::json!({
            "order_id": "o-1", "callback": STEP, "by": "Grace", "refused_because": refused_because,
        });
        serde_json::from_value(command).unwrap()
    }

    async fn decided(outcome: StepOutcome, refused_because: Option<&str>) -> Ran<ApproveOrder> {
        let record = StepRecord { step: STEP.into(), outcome };
        scenario(ApproveOrder).given(record).when(decision(refused_because)).await
    }

    fn answer(ran: &Ran<ApproveOrder>) -> String {
        let log = ran.ledger().log();
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].destination, Destination::Task { token: "token-1".into() });
        log[0].envelope.data.get().to_owned()
    }

    #[tokio::test]
    async fn who_approves_is_told_to_the_checkout_that_waits() {
        let output = serde_json::json!({ "by": "Grace" });
        let done = StepOutcome::Done { output };
        let ran = decided(waiting(), None).await;
        let ran = ran.then_saved(StepRecord { step: STEP.into(), outcome: done });
        assert_eq!(answer(&ran), r#"{"success":{"output":{"by":"Grace"}}}"#);
        ran.redelivered().await;
    }

    #[tokio::test]
    async fn a_refusal_rejects_the_step() {
        let ran = decided(waiting(), Some("too far away")).await.then_done();
        let answer = answer(&ran);
        assert!(
            answer.contains("Saga.Rejected") && answer.contains("Grace refused: too far away"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn what_is_answered_already_or_given_up_cannot_be_answered() {
        let done = StepOutcome::Done { output: serde_json::json!({ "by": "Ada" }) };
        decided(done, None).await.then_rejected("AnsweredAlready");
        decided(StepOutcome::Voided, None).await.then_rejected("TooLate");
        scenario(ApproveOrder).when(decision(None)).await.then_rejected("no step waits for an answer");
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(ApproveOrder::NAME);
    }
}
