//! Committing: what [`Settling`] asks for, in DynamoDB's terms.

use super::{
    DynamoLedger, Item, attributes, conditions,
    conditions::Condition,
    items,
    layout::{self, Address},
    reasons,
};
use crate::describe;
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{put_item::PutItemError, transact_write_items::TransactWriteItemsError},
    types::{ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use futures_util::future::join_all;
use std::fmt::Write as _;
use throughline_core::{
    Timestamp,
    internal::{
        entity::{SEQUENCE_ATTRIBUTE, VERSION_ATTRIBUTE},
        settling::{self, Answer, ItemAnswer, Request, Settling, Transaction},
    },
    ledger::{Changes, Claim, Commit, CommitOutcome, LedgerError, Outgoing, Save},
};

/// A refusal returns the claim that is in the way: it settles what became of ours.
pub(super) const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;
const NOTHING: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::None;

impl DynamoLedger {
    /// Commits, and returns the outcome of each and the number of requests that this took.
    pub(super) async fn commit_all(&self, commits: &[Commit]) -> (Vec<CommitOutcome>, usize) {
        let mut settling = Settling::new(commits);
        let mut sent = 0;
        let finished_at = Timestamp::now().to_string();
        loop {
            let requests = settling.requests();
            if requests.is_empty() {
                return (settling.outcomes(), sent);
            }
            sent += requests.len();
            let answers =
                join_all(requests.iter().map(|request| self.ask(request, commits, &finished_at))).await;
            for (request, answer) in requests.iter().zip(answers) {
                settling.answer(request, answer);
            }
        }
    }

    async fn ask(&self, request: &Request, commits: &[Commit], finished_at: &str) -> Answer {
        match request {
            Request::Transaction(transaction) => self.transact(transaction, commits, finished_at).await,
            Request::Statements(positions) => {
                let claims: Vec<&Claim> =
                    positions.iter().map(|&position| &commits[position].claim).collect();
                self.finish_by_statements(&claims, finished_at).await
            }
            Request::Claim(position) => {
                let claim = &commits[*position].claim;
                let item = items::claim_item(claim, Some(finished_at));
                match self.put_claim(item, conditions::may_finish(claim)).await {
                    Ok(()) => Answer::Done,
                    Err(error) => refused_put(claim, &error),
                }
            }
            Request::Read(positions) => {
                let claims: Vec<&Claim> =
                    positions.iter().map(|&position| &commits[position].claim).collect();
                match self.standings(&claims).await {
                    Ok(standings) => Answer::Standings(standings),
                    Err(error) => Answer::Unknown(error),
                }
            }
        }
    }

    async fn transact(&self, transaction: &Transaction, commits: &[Commit], finished_at: &str) -> Answer {
        let writes = transaction.items.iter().map(|item| self.write(item, commits, finished_at));
        let writes = match writes.collect::<Result<Vec<_>, CommitOutcome>>() {
            Ok(writes) => writes,
            Err(outcome) => return self.unwritable(transaction, commits, finished_at, outcome),
        };
        // The SDK draws the ClientRequestToken at random for each call here, before its first attempt, and
        // keeps it for its retries (a test holds it to that): a retry whose first attempt happened is
        // answered as that one was.
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = sent else { return Answer::Done };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons =
                    cancelled.cancellation_reasons().iter().map(Some).chain(std::iter::repeat(None));
                let items = transaction.items.iter().zip(reasons);
                Answer::Items(items.map(|(item, reason)| reasons::of_item(item, reason, commits)).collect())
            }
            _ => match refused(&error) {
                Answer::Refused(outcome) => {
                    Answer::Refused(reasons::named(outcome, || reasons::all_of(&transaction.items, commits)))
                }
                other => other,
            },
        }
    }

    /// Says for which of the items the transaction could not be written down: no other commit's fault.
    fn unwritable(
        &self,
        transaction: &Transaction,
        commits: &[Commit],
        finished_at: &str,
        whole: CommitOutcome,
    ) -> Answer {
        let answers = transaction.items.iter().map(|item| match self.write(item, commits, finished_at) {
            Ok(_) => ItemAnswer::Fine,
            Err(outcome) => ItemAnswer::Failed(outcome),
        });
        let answers: Vec<_> = answers.collect();
        if answers.iter().all(|answer| *answer == ItemAnswer::Fine) {
            return Answer::Refused(whole);
        }
        Answer::Items(answers)
    }

    fn write(
        &self,
        item: &settling::Item,
        commits: &[Commit],
        finished_at: &str,
    ) -> Result<TransactWriteItem, CommitOutcome> {
        match *item {
            settling::Item::Claim { commit, finished } => {
                let claim = commits[commit].finished_at(finished).0;
                let item = items::claim_item(claim, Some(finished_at));
                put(&self.table, item, Some(conditions::may_finish(claim)), ALL_OLD)
            }
            settling::Item::Check { commits: ref readers, read } => {
                let read = &commits[readers[0]].reads[read];
                let address = self.address(&read.key).map_err(CommitOutcome::Failed)?;
                check(&address, conditions::is_at(&address, read.version))
            }
            settling::Item::Save { commit, save } => {
                let save = &commits[commit].saves[save];
                let address = self.address(&save.key).map_err(CommitOutcome::Failed)?;
                items::check_sort_key(&address, save).map_err(|why| cannot_be_stored(&save.key, &why))?;
                let condition = conditions::is_at(&address, save.expected);
                match save.changes() {
                    Some(changes) => update(&address, save, &changes, condition),
                    None => put(&address.table, items::entity_item(&address, save), Some(condition), NOTHING),
                }
            }
            settling::Item::Message { commit, finished, message } => {
                let (claim, outgoing) = commits[commit].finished_at(finished);
                self.write_message(claim, message, &outgoing[message])
            }
        }
    }

    fn write_message(
        &self,
        claim: &Claim,
        ordinal: usize,
        outgoing: &Outgoing,
    ) -> Result<TransactWriteItem, CommitOutcome> {
        let item = items::message_item(claim, ordinal, outgoing)
            .map_err(|why| cannot_be_stored(&outgoing.envelope.attributes.message_type, &why))?;
        // At the claim's own key the owner token is enough.
        let condition = layout::aggregate_of(outgoing).map(|_| conditions::is_new());
        put(&self.table, item, condition, NOTHING)
    }

    pub(super) async fn put_claim(
        &self,
        item: Item,
        condition: Condition,
    ) -> Result<(), SdkError<PutItemError>> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression(condition.expression);
        let (names, values) = condition.placeholders();
        put.set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ALL_OLD)
            .send()
            .await
            .map(|_| ())
    }
}

pub(super) fn refused_put(claim: &Claim, error: &SdkError<PutItemError>) -> Answer {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => {
            Answer::Items(vec![ItemAnswer::Claim(reasons::standing(claim, failed.item()))])
        }
        _ => refused(error),
    }
}

/// Returns the meaning of an error of the whole request. A request that may have arrived may have taken effect.
pub(super) fn refused<E, R>(error: &SdkError<E, R>) -> Answer
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let service = error.as_service_error();
    match service.and_then(|service| service.code().map(|code| (code, service.message()))) {
        Some((code, message)) => match reasons::by_code(code, message.unwrap_or_default()) {
            // A server's own failure says nothing about what became of the request.
            CommitOutcome::Failed(why) if code.starts_with("InternalServer") => Answer::Unknown(why),
            outcome => Answer::Refused(outcome),
        },
        None => match error {
            SdkError::ConstructionFailure(_) => {
                Answer::Refused(CommitOutcome::Failed(LedgerError(describe(error))))
            }
            _ => Answer::Unknown(LedgerError(describe(error))),
        },
    }
}

fn put(
    table: &str,
    item: Item,
    condition: Option<Condition>,
    on_failure: ReturnValuesOnConditionCheckFailure,
) -> Result<TransactWriteItem, CommitOutcome> {
    let mut put = Put::builder()
        .table_name(table)
        .set_item(Some(item))
        .return_values_on_condition_check_failure(on_failure);
    if let Some(condition) = condition {
        put = put.condition_expression(condition.expression);
        let (names, values) = condition.placeholders();
        put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
    }
    let put = put.build().map_err(|error| CommitOutcome::Failed(LedgerError(error.to_string())))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Changes some attributes of an item, and leaves what another program wrote or is writing.
fn update(
    address: &Address,
    save: &Save,
    changes: &Changes<'_>,
    condition: Condition,
) -> Result<TransactWriteItem, CommitOutcome> {
    let version = (VERSION_ATTRIBUTE, items::number(save.expected.next()));
    let sequence = (SEQUENCE_ATTRIBUTE, items::number(save.sequence));
    let set = changes.set.iter().map(|(name, attribute)| (*name, attributes::to_sdk(attribute)));
    let mut update = Update::builder()
        .table_name(&address.table)
        .set_key(Some(items::key_of(address)))
        .condition_expression(condition.expression)
        .return_values_on_condition_check_failure(NOTHING);
    let (names, values) = condition.placeholders();
    update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
    let mut expression = String::from("SET ");
    for (at, (name, value)) in [version, sequence].into_iter().chain(set).enumerate() {
        let separator = if at == 0 { "" } else { "," };
        _ = write!(expression, "{separator}#s{at}=:s{at}");
        update = update.expression_attribute_names(format!("#s{at}"), name);
        update = update.expression_attribute_values(format!(":s{at}"), value);
    }
    // A key may be missing from the data, as from what is put: nobody can take it from an item.
    let is_key =
        |name: &str| std::iter::once(&address.partition).chain(&address.sort).any(|(key, _)| key == name);
    for (at, name) in changes.removed.iter().filter(|name| !is_key(name)).enumerate() {
        let separator = if at == 0 { " REMOVE " } else { "," };
        _ = write!(expression, "{separator}#r{at}");
        update = update.expression_attribute_names(format!("#r{at}"), *name);
    }
    let update = update.update_expression(expression).build();
    let update = update.map_err(|error| CommitOutcome::Failed(LedgerError(error.to_string())))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn check(address: &Address, condition: Condition) -> Result<TransactWriteItem, CommitOutcome> {
    let check = ConditionCheck::builder()
        .table_name(&address.table)
        .set_key(Some(items::key_of(address)))
        .condition_expression(condition.expression);
    let (names, values) = condition.placeholders();
    let check = check
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values)
        .return_values_on_condition_check_failure(NOTHING)
        .build()
        .map_err(|error| CommitOutcome::Failed(LedgerError(error.to_string())))?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

fn cannot_be_stored(what: &impl std::fmt::Display, why: &str) -> CommitOutcome {
    CommitOutcome::Invalid(LedgerError(format!("{what} cannot be stored: {why}")))
}
