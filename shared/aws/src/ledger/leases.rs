//! Taking claims before their handlers run, and giving them back.

use super::{
    DynamoLedger,
    commit::refused_put,
    conditions, items,
    layout::{self, Address},
    statements::MOST_STATEMENTS,
};
use crate::describe;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use futures_util::future::join_all;
use throughline_core::{
    internal::settling::{Answer, ItemAnswer},
    ledger::{Claim, ClaimOutcome, CommitOutcome, LedgerError, Standing},
};

impl DynamoLedger {
    /// One request for all of them. Those that are in somebody's way are read together; what turns out to have
    /// expired is then taken one by one.
    pub(super) async fn claim_all(&self, claims: &[Claim]) -> Vec<ClaimOutcome> {
        if let [claim] = claims {
            return vec![self.claim_one(claim).await];
        }
        let all: Vec<&Claim> = claims.iter().collect();
        let answers = join_all(all.chunks(MOST_STATEMENTS).map(|chunk| self.hold(chunk))).await.concat();
        let unsure = claims.iter().zip(&answers).filter(|(_, taken)| taken.is_none());
        let unsure: Vec<&Claim> = unsure.map(|(claim, _)| claim).collect();
        let mut found = match self.standings(&unsure).await {
            Ok(standings) => {
                let taking =
                    unsure.iter().zip(standings).map(|(claim, standing)| self.take_over(claim, standing));
                join_all(taking).await
            }
            Err(error) => vec![ClaimOutcome::Failed(error); unsure.len()],
        }
        .into_iter();
        let silent = || ClaimOutcome::Failed(LedgerError("the claim was not answered for".into()));
        answers.into_iter().map(|taken| taken.or_else(|| found.next()).unwrap_or_else(silent)).collect()
    }

    /// Takes claims of which there are none yet; nothing for one that must be read first.
    async fn hold(&self, claims: &[&Claim]) -> Vec<Option<ClaimOutcome>> {
        let answers = match self.hold_by_statements(claims).await {
            Answer::Items(answers) => answers,
            // They may have been taken: then they are ours.
            Answer::Unknown(_) => return vec![None; claims.len()],
            // One of them cannot be written, and DynamoDB does not say which.
            Answer::Refused(CommitOutcome::Invalid(_)) => {
                let taking = claims.iter().map(|claim| self.claim_one(claim));
                return join_all(taking).await.into_iter().map(Some).collect();
            }
            Answer::Refused(outcome) => return vec![Some(failed(outcome)); claims.len()],
            Answer::Done | Answer::Standings(_) => Vec::new(),
        };
        let outcomes = answers.into_iter().map(|answer| match answer {
            ItemAnswer::Fine => Some(ClaimOutcome::Held),
            ItemAnswer::ClaimExists | ItemAnswer::Claim(_) | ItemAnswer::Changed => None,
            ItemAnswer::Failed(outcome) => Some(failed(outcome)),
        });
        outcomes.chain(std::iter::repeat(None)).take(claims.len()).collect()
    }

    async fn take_over(&self, claim: &Claim, standing: Standing) -> ClaimOutcome {
        match standing.on_claim() {
            Some(outcome) => outcome,
            None => self.claim_one(claim).await,
        }
    }

    async fn claim_one(&self, claim: &Claim) -> ClaimOutcome {
        let Err(error) = self.put_claim(items::claim_item(claim, None), conditions::is_free(claim)).await
        else {
            return ClaimOutcome::Held;
        };
        match refused_put(claim, &error) {
            Answer::Items(answers) => match answers.first() {
                Some(ItemAnswer::Claim(standing)) => standing.on_refused_claim(),
                _ => ClaimOutcome::Failed(LedgerError(describe(&error))),
            },
            // It may have been taken: then it is ours.
            Answer::Unknown(error) => match self.standings(&[claim]).await.as_deref() {
                Ok([standing]) => standing.on_claim().unwrap_or(ClaimOutcome::Failed(error)),
                _ => ClaimOutcome::Failed(error),
            },
            Answer::Refused(outcome) => failed(outcome),
            Answer::Done | Answer::Standings(_) => ClaimOutcome::Failed(LedgerError(describe(&error))),
        }
    }

    pub(super) async fn release_all(&self, claims: &[Claim]) -> Result<(), LedgerError> {
        join_all(claims.iter().map(|claim| self.release_one(claim))).await.into_iter().collect()
    }

    async fn release_one(&self, claim: &Claim) -> Result<(), LedgerError> {
        let address = Address::in_ledger(&self.table, claim.key.as_str().to_owned(), layout::CLAIM);
        let condition = conditions::is_held_by_us(claim);
        let delete =
            self.client.delete_item().table_name(&address.table).set_key(Some(items::key_of(&address)));
        let delete = delete.condition_expression(condition.expression);
        let (names, values) = condition.placeholders();
        let deleted =
            delete.set_expression_attribute_names(names).set_expression_attribute_values(values).send().await;
        match deleted {
            Ok(_) => Ok(()),
            // Somebody else has it by now, or it is finished or gone: it is no longer ours to give back.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(LedgerError(describe(&error))),
        }
    }
}

fn failed(outcome: CommitOutcome) -> ClaimOutcome {
    ClaimOutcome::Failed(match outcome {
        CommitOutcome::Contended(error) | CommitOutcome::Invalid(error) | CommitOutcome::Failed(error) => {
            error
        }
        other => LedgerError(format!("the claim was refused in an unexpected way: {other:?}")),
    })
}
