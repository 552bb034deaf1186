//! Loading entities.

use super::{
    DynamoLedger, Item, items,
    layout::{self, Address},
    reasons,
};
use crate::describe;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;
use std::collections::{BTreeSet, HashMap};
use throughline_core::{
    EntityTable,
    backoff::Backoff,
    entity::EntityKey,
    ledger::{Claim, LedgerError, Obstacle, Stored},
};

/// The most keys one `BatchGetItem` may hold.
const MOST_KEYS: usize = 100;
/// How often keys that DynamoDB left out of its answer are asked for.
const MOST_ASKS: u32 = 8;

impl DynamoLedger {
    pub(super) async fn load_all(&self, keys: &[EntityKey]) -> Result<Vec<Option<Stored>>, LedgerError> {
        let addresses = keys.iter().map(|key| self.address(key)).collect::<Result<Vec<_>, _>>()?;
        let found = self.fetch(&addresses).await?;
        keys.iter()
            .zip(&addresses)
            .map(|(key, address)| {
                let Some(item) = found.get(address) else { return Ok(None) };
                items::stored(item.clone(), key.table == EntityTable::Ledger)
                    .map(Some)
                    .map_err(|why| LedgerError(format!("{key} cannot be read: {why}")))
            })
            .collect()
    }

    /// Reads claims and says what stands in the way of each.
    pub(super) async fn recall_all(&self, claims: &[Claim]) -> Result<Vec<Option<Obstacle>>, LedgerError> {
        let address =
            |claim: &Claim| Address::in_ledger(&self.table, claim.key.as_str().to_owned(), layout::CLAIM);
        let addresses: Vec<Address> = claims.iter().map(address).collect();
        let found = self.fetch(&addresses).await?;
        Ok(claims
            .iter()
            .zip(&addresses)
            .map(|(claim, address)| reasons::obstacle(claim, found.get(address)))
            .collect())
    }

    /// Reads the items at addresses, as many requests as it takes at the same time.
    async fn fetch<'a>(&self, addresses: &'a [Address]) -> Result<HashMap<&'a Address, Item>, LedgerError> {
        // A request may name an item once.
        let distinct: Vec<&Address> = addresses.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let found = try_join_all(distinct.chunks(MOST_KEYS).map(|chunk| self.get(chunk))).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn get<'a>(&self, addresses: &[&'a Address]) -> Result<Vec<(&'a Address, Item)>, LedgerError> {
        let mut wanted = request(addresses)?;
        let mut found = Vec::with_capacity(addresses.len());
        for ask in 1..=MOST_ASKS {
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(wanted))
                .send()
                .await
                .map_err(|error| LedgerError(describe(&error)))?;
            for (table, items) in answer.responses.unwrap_or_default() {
                for item in items {
                    let address =
                        addresses.iter().find(|address| address.table == table && is_at(address, &item));
                    found.extend(address.map(|address| (*address, item)));
                }
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            let wait = Backoff::REQUEST.ceiling(ask).mul_f64(fastrand::f64());
            tokio::time::sleep(wait).await;
        }
        Err(LedgerError(format!("DynamoDB left keys unprocessed {MOST_ASKS} times: the table is throttled")))
    }
}

fn is_at(address: &Address, item: &Item) -> bool {
    std::iter::once(&address.partition)
        .chain(&address.sort)
        .all(|(name, value)| items::text_of(item, name) == Some(value))
}

fn request(addresses: &[&Address]) -> Result<HashMap<String, KeysAndAttributes>, LedgerError> {
    let mut by_table: HashMap<String, Vec<Item>> = HashMap::new();
    for address in addresses {
        by_table.entry(address.table.clone()).or_default().push(super::commit::key_of(address));
    }
    by_table
        .into_iter()
        .map(|(table, keys)| {
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            Ok((table, keys.map_err(|error| LedgerError(error.to_string()))?))
        })
        .collect()
}
