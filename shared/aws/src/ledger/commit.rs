//! Taking and giving back claims, and committing.

use super::{
    DynamoLedger, Item, items,
    layout::{self, Address},
    reasons,
};
use crate::describe;
use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, transact_write_items::TransactWriteItemsError,
    },
    types::{AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use std::collections::HashMap;
use throughline_core::{
    Timestamp, Version,
    entity::VERSION_ATTRIBUTE,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, LedgerError},
};

/// A refusal returns the claim that is in the way: it settles what became of ours.
const ALL_OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;
const NOTHING: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::None;

/// A condition and what its placeholders stand for.
#[derive(Debug, Default)]
struct Condition {
    expression: String,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Condition {
    fn new(expression: &str) -> Self {
        Self { expression: expression.to_owned(), ..Self::default() }
    }

    fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// DynamoDB refuses an empty map of values.
    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// Nobody has the claim: there is none, or it has expired, or its lease has ended. DynamoDB removes what
/// has expired late, so the condition compares times itself.
fn is_free(claim: &Claim) -> Condition {
    Condition::new(
        "attribute_not_exists(#pk) OR #expires_at <= :now_seconds \
         OR (#state = :leased AND #leased_until <= :now_millis)",
    )
    .name("#pk", layout::PARTITION_KEY)
    .name("#expires_at", layout::EXPIRES_AT)
    .name("#state", layout::CLAIM_STATE)
    .name("#leased_until", layout::LEASED_UNTIL)
    .value(":leased", items::text(layout::LEASED))
    .value(":now_seconds", items::number(claim.now.as_second()))
    .value(":now_millis", items::number(claim.now.as_millisecond()))
}

/// We hold the claim: by the token, never by an attempt's number, so that a process believed dead cannot
/// pass for its successor.
fn is_held_by_us(claim: &Claim) -> Condition {
    Condition::new("#state = :leased AND #owner = :owner")
        .name("#state", layout::CLAIM_STATE)
        .name("#owner", layout::OWNER)
        .value(":leased", items::text(layout::LEASED))
        .value(":owner", items::text(claim.owner.as_str()))
}

/// The entity is what it was.
fn is_at(address: &Address, version: Version) -> Condition {
    match version {
        Version::Absent => Condition::new("attribute_not_exists(#pk)").name("#pk", &address.partition.0),
        Version::Unversioned => Condition::new("attribute_exists(#pk) AND attribute_not_exists(#version)")
            .name("#pk", &address.partition.0)
            .name("#version", VERSION_ATTRIBUTE),
        Version::At { version, .. } => Condition::new("#version = :version")
            .name("#version", VERSION_ATTRIBUTE)
            .value(":version", items::number(version)),
    }
}

pub(super) fn key_of(address: &Address) -> Item {
    let keys = std::iter::once(&address.partition).chain(&address.sort);
    keys.map(|(name, value)| (name.clone(), items::text(value))).collect()
}

impl DynamoLedger {
    pub(super) async fn take(&self, claim: &Claim) -> ClaimOutcome {
        let put = self.put_claim(items::claim_item(claim, None), is_free(claim)).await;
        match put {
            Ok(()) => ClaimOutcome::Held,
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    reasons::refused_claim(claim, failed.item())
                }
                _ => ClaimOutcome::Failed(LedgerError(describe(&error))),
            },
        }
    }

    pub(super) async fn give_back(&self, claim: &Claim) -> Result<(), LedgerError> {
        let address = Address::in_ledger(&self.table, claim.key.as_str().to_owned(), layout::CLAIM);
        let condition = is_held_by_us(claim);
        let deleted = self
            .client
            .delete_item()
            .table_name(&address.table)
            .set_key(Some(key_of(&address)))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .send()
            .await;
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

    pub(super) async fn commit_one(&self, commit: &Commit) -> CommitOutcome {
        let claim = &commit.claim;
        let condition = if claim.leased_until.is_some() { is_held_by_us(claim) } else { is_free(claim) };
        let item = items::claim_item(claim, Some(Timestamp::now()));
        if commit.reads.is_empty() && commit.saves.is_empty() && commit.outgoing.is_empty() {
            // Nothing else to write: a transaction would cost twice as much.
            return match self.put_claim(item, condition).await {
                Ok(()) => CommitOutcome::Committed,
                Err(error) => match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                        reasons::refused_commit(claim, failed.item())
                    }
                    _ => failed(&error),
                },
            };
        }
        let writes = match self.writes(commit, put(&self.table, item, Some(condition), ALL_OLD)) {
            Ok(writes) => writes,
            Err(outcome) => return outcome,
        };
        // The SDK draws the ClientRequestToken at random for each call here, before its first attempt, and
        // keeps it for its retries (a test holds it to that): a retry whose first attempt happened is
        // answered as that one was.
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        match sent {
            Ok(_) => CommitOutcome::Committed,
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    reasons::cancelled(commit, cancelled.cancellation_reasons())
                }
                _ => failed(&error),
            },
        }
    }

    /// The claim, the reads, the saves and the messages: the order in which the reasons are read.
    fn writes(
        &self,
        commit: &Commit,
        claim: Result<TransactWriteItem, CommitOutcome>,
    ) -> Result<Vec<TransactWriteItem>, CommitOutcome> {
        let mut writes = vec![claim?];
        for read in &commit.reads {
            let address = self.address(&read.key).map_err(CommitOutcome::Failed)?;
            writes.push(check(&address, &is_at(&address, read.version))?);
        }
        for save in &commit.saves {
            let address = self.address(&save.key).map_err(CommitOutcome::Failed)?;
            let item = items::entity_item(&address, save).map_err(|why| unwritable(&save.key, &why))?;
            writes.push(put(&address.table, item, Some(is_at(&address, save.expected)), NOTHING)?);
        }
        for (ordinal, outgoing) in commit.outgoing.iter().enumerate() {
            let item = items::message_item(&commit.claim, ordinal, outgoing)
                .map_err(|why| unwritable(&outgoing.envelope.attributes.message_type, &why))?;
            // An event store is only ever added to. At the claim's own key the owner token is enough.
            let condition = layout::aggregate_of(outgoing)
                .map(|_| Condition::new("attribute_not_exists(#pk)").name("#pk", layout::PARTITION_KEY));
            writes.push(put(&self.table, item, condition, NOTHING)?);
        }
        Ok(writes)
    }

    async fn put_claim(&self, item: Item, condition: Condition) -> Result<(), SdkError<PutItemError>> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ALL_OLD)
            .send()
            .await
            .map(|_| ())
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
        put = put
            .condition_expression(&condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values());
    }
    let put = put.build().map_err(|error| CommitOutcome::Failed(LedgerError(error.to_string())))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

fn check(address: &Address, condition: &Condition) -> Result<TransactWriteItem, CommitOutcome> {
    let check = ConditionCheck::builder()
        .table_name(&address.table)
        .set_key(Some(key_of(address)))
        .condition_expression(&condition.expression)
        .set_expression_attribute_names(condition.names())
        .set_expression_attribute_values(condition.values())
        .build()
        .map_err(|error| CommitOutcome::Failed(LedgerError(error.to_string())))?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

fn unwritable(what: &dyn std::fmt::Display, why: &str) -> CommitOutcome {
    CommitOutcome::Invalid(LedgerError(format!("{what} cannot be stored: {why}")))
}

fn failed<E, R>(error: &SdkError<E, R>) -> CommitOutcome
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match error.as_service_error().and_then(|service| service.code().map(|code| (code, service.message()))) {
        Some((code, message)) => reasons::by_code(code, message.unwrap_or_default()),
        None => CommitOutcome::Failed(LedgerError(describe(error))),
    }
}
