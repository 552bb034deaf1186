//! Claims by the batch: one `BatchExecuteStatement` whose statements are settled one by one. It costs half of
//! what a transaction does, and a claim that is in the way refuses itself and no other.

use super::{
    DynamoLedger,
    commit::{ALL_OLD, refused},
    items, layout, reasons,
};
use aws_sdk_dynamodb::types::{BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest};
use throughline_core::{
    internal::settling::{Answer, ItemAnswer},
    ledger::{Claim, CommitOutcome, LedgerError},
};

/// The most statements one request may hold.
pub(super) const MOST_STATEMENTS: usize = 25;

impl DynamoLedger {
    /// Finishes claims that have no other effects.
    pub(super) async fn finish_by_statements(&self, claims: &[&Claim], finished_at: &str) -> Answer {
        let mut insert = Insert::default();
        let statements = claims.iter().map(|claim| match claim.leased_until {
            Some(_) => self.finish_held(claim, finished_at),
            None => insert.of(&self.table, claim, Some(finished_at)),
        });
        let statements = statements.collect();
        self.execute(claims, statements).await
    }

    /// Takes claims of which there are none yet.
    pub(super) async fn hold_by_statements(&self, claims: &[&Claim]) -> Answer {
        let mut insert = Insert::default();
        let statements = claims.iter().map(|claim| insert.of(&self.table, claim, None)).collect();
        self.execute(claims, statements).await
    }

    async fn execute(
        &self,
        claims: &[&Claim],
        statements: Result<Vec<BatchStatementRequest>, LedgerError>,
    ) -> Answer {
        let statements = match statements {
            Ok(statements) => statements,
            Err(error) => return Answer::Refused(CommitOutcome::Failed(error)),
        };
        let executed = self.client.batch_execute_statement().set_statements(Some(statements)).send().await;
        match executed {
            Ok(output) => {
                let responses = output.responses.unwrap_or_default().into_iter();
                let answers = claims.iter().zip(responses).map(|(claim, response)| match response.error {
                    None => ItemAnswer::Fine,
                    Some(error) => refused_statement(claim, &error),
                });
                Answer::Items(answers.collect())
            }
            Err(error) => refused(&error),
        }
    }

    /// The statement's form of [`conditions::is_held_by_us`](super::conditions::is_held_by_us).
    fn finish_held(&self, claim: &Claim, finished_at: &str) -> Result<BatchStatementRequest, LedgerError> {
        let statement = format!(
            "UPDATE \"{}\" SET \"{}\"=? SET \"{}\"=? REMOVE \"{}\" WHERE \"{}\"=? AND \"{}\"=? AND \"{}\"=? AND \"{}\"=?",
            self.table,
            layout::CLAIM_STATE,
            layout::FINISHED_AT,
            layout::LEASED_UNTIL,
            layout::PARTITION_KEY,
            layout::SORT_KEY,
            layout::OWNER,
            layout::CLAIM_STATE,
        );
        let values = [
            layout::DONE,
            finished_at,
            claim.key.as_str(),
            layout::CLAIM,
            claim.owner.as_str(),
            layout::LEASED,
        ];
        BatchStatementRequest::builder()
            .statement(statement)
            .set_parameters(Some(values.into_iter().map(items::text).collect()))
            .return_values_on_condition_check_failure(ALL_OLD)
            .build()
            .map_err(|error| LedgerError(error.to_string()))
    }
}

/// The text of an `INSERT`. Claims of one batch mostly have the same attributes, and so the same text.
#[derive(Default)]
struct Insert {
    names: Vec<&'static str>,
    text: String,
}

impl Insert {
    fn of(
        &mut self,
        table: &str,
        claim: &Claim,
        finished_at: Option<&str>,
    ) -> Result<BatchStatementRequest, LedgerError> {
        let (names, values): (Vec<_>, Vec<_>) =
            items::claim_attributes(claim, finished_at).into_iter().unzip();
        if names != self.names {
            let members: Vec<String> = names.iter().map(|name| format!("'{name}':?")).collect();
            self.text = format!("INSERT INTO \"{table}\" VALUE {{{}}}", members.join(","));
            self.names = names;
        }
        BatchStatementRequest::builder()
            .statement(&self.text)
            .set_parameters(Some(values))
            .build()
            .map_err(|error| LedgerError(error.to_string()))
    }
}

fn refused_statement(claim: &Claim, error: &BatchStatementError) -> ItemAnswer {
    match error.code() {
        // Whose claim it is, and whether it has expired, this does not say.
        Some(BatchStatementErrorCodeEnum::DuplicateItem) => ItemAnswer::ClaimExists,
        Some(BatchStatementErrorCodeEnum::ConditionalCheckFailed) => {
            ItemAnswer::Claim(reasons::standing(claim, error.item()))
        }
        code => {
            let code = code.map_or("no code", BatchStatementErrorCodeEnum::as_str);
            ItemAnswer::Failed(reasons::by_code(code, error.message().unwrap_or_default()))
        }
    }
}
