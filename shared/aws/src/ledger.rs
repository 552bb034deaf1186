//! The ledger on DynamoDB: claims, entities and the log of emitted messages.
//!
//! [`layout`] says where everything is in the table. The table's expiry attribute is
//! [`layout::EXPIRES_AT`]; since DynamoDB removes expired items late, every condition compares it itself.
//! The table needs the indexes [`layout::CORRELATION_INDEX`] and
//! [`layout::TIME_INDEX`] for what operators read of it alone: lines, and the log by time.

mod attributes;
mod commit;
mod conditions;
pub(crate) mod items;
pub mod layout;
mod leases;
mod load;
mod reasons;
mod statements;

pub use items::{outgoing_from_item, outgoing_from_stream_image};

use crate::settings::{OWN_TABLE, setting_name};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use futures_util::future::BoxFuture;
use layout::Address;
use std::collections::{BTreeMap, HashMap};
use throughline_core::{
    EntityKey, EntityTable,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
};

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The [`Ledger`] on DynamoDB.
///
/// ```
/// # fn example(client: aws_sdk_dynamodb::Client) {
/// use throughline_aws::DynamoLedger;
/// let own_tables = [("stock".to_owned(), "prod-stock-table".to_owned())].into();
/// let ledger = DynamoLedger::new(client, "prod-ledger", own_tables);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: Client,
    table: String,
    own_tables: BTreeMap<String, String>,
}

impl DynamoLedger {
    /// A ledger in `table`. `own_tables` holds the real name of each table that an
    /// [`EntityTable::Own`] names.
    pub fn new(client: Client, table: impl Into<String>, own_tables: BTreeMap<String, String>) -> Self {
        Self { client, table: table.into(), own_tables }
    }

    /// The client that it asks DynamoDB with.
    #[doc(hidden)]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The name of its table.
    #[doc(hidden)]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns the address of an entity.
    fn address(&self, key: &EntityKey) -> Result<Address, LedgerError> {
        match key.table {
            EntityTable::Ledger => {
                Ok(Address::in_ledger(&self.table, layout::entity_partition(key), layout::STATE))
            }
            EntityTable::Own { name, partition_key, sort_key } => {
                let table = by_logical_name(&self.own_tables, name).ok_or_else(|| {
                    let setting = setting_name(OWN_TABLE, name);
                    LedgerError(format!(
                        "{key} is kept in the table `{name}`, whose real name is not known: set {setting}"
                    ))
                })?;
                Ok(Address {
                    table: table.clone(),
                    partition: (partition_key.to_owned(), key.id.clone()),
                    sort: sort_key.map(|(attribute, value)| (attribute.to_owned(), value.to_owned())),
                })
            }
        }
    }
}

/// Returns the value of a logical name. Names with the same setting are the same name: a map that was read from
/// settings says `order-lines` where the code says `order_lines`.
pub(crate) fn by_logical_name<'a>(names: &'a BTreeMap<String, String>, name: &str) -> Option<&'a String> {
    let setting = setting_name("", name);
    names
        .get(name)
        .or_else(|| names.iter().find(|(key, _)| setting_name("", key) == setting).map(|(_, value)| value))
}

impl Ledger for DynamoLedger {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        Box::pin(self.claim_all(claims))
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        Box::pin(self.inspect_all(claims))
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        Box::pin(self.load_all(keys))
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async { self.commit_all(commits).await.0 })
    }

    fn commit_counted<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, (Vec<CommitOutcome>, usize)> {
        Box::pin(self.commit_all(commits))
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(self.release_all(claims))
    }
}

#[cfg(test)]
mod tests;
