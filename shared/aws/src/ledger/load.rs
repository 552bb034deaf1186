//! Reading entities and claims: as few `BatchGetItem` requests as it takes, strongly consistent.

use super::{
    DynamoLedger, Item, commit, items,
    layout::{self, Address},
    reasons,
};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::join_all;
use std::collections::{BTreeSet, HashMap};
use throughline_core::{
    EntityKey, EntityTable,
    internal::settling::Answer,
    ledger::{Claim, CommitOutcome, LedgerError, Obstacle, Standing, Stored},
    process::Backoff,
};

/// The most keys one `BatchGetItem` may hold.
const MOST_KEYS: usize = 100;
/// The number of times that keys are asked for which DynamoDB left out of its answer.
const MOST_ASKS: u32 = 8;

/// The items that were found, by address.
pub(super) type Found<'a> = HashMap<&'a Address, Result<Item, LedgerError>>;

/// Why a request for several keys failed.
enum Unfetched {
    /// One of the keys cannot be one, or one of several tables cannot be read; DynamoDB does not say which.
    OneOfThem(LedgerError),
    Failed(LedgerError),
}

impl DynamoLedger {
    pub(super) async fn load_all(&self, keys: &[EntityKey]) -> Vec<Result<Option<Stored>, LedgerError>> {
        let addresses: Vec<_> = keys.iter().map(|key| self.address(key)).collect();
        let found = self.fetch(addresses.iter().flatten()).await;
        keys.iter()
            .zip(&addresses)
            .map(|(key, address)| {
                let address = address.as_ref().map_err(Clone::clone)?;
                let Some(item) = found.get(address) else { return Ok(None) };
                let item = item.as_ref().map_err(Clone::clone)?;
                items::stored(item, key.table == EntityTable::Ledger)
                    .map(Some)
                    .map_err(|why| LedgerError(format!("{key} cannot be read: {why}")))
            })
            .collect()
    }

    /// Reads claims and says what stands in the way of each.
    pub(super) async fn inspect_all(&self, claims: &[Claim]) -> Vec<Result<Option<Obstacle>, LedgerError>> {
        let claims: Vec<&Claim> = claims.iter().collect();
        let standings = self.read_claims(&claims).await.into_iter();
        standings.map(|standing| standing.map(Standing::obstacle)).collect()
    }

    /// Reads claims and says how each stands.
    pub(super) async fn standings(&self, claims: &[&Claim]) -> Result<Vec<Standing>, LedgerError> {
        self.read_claims(claims).await.into_iter().collect()
    }

    async fn read_claims(&self, claims: &[&Claim]) -> Vec<Result<Standing, LedgerError>> {
        let address =
            |claim: &&Claim| Address::in_ledger(&self.table, claim.key.as_str().to_owned(), layout::CLAIM);
        let addresses: Vec<Address> = claims.iter().map(address).collect();
        let found = self.fetch(addresses.iter()).await;
        let standing = |(claim, address): (&&Claim, &Address)| match found.get(address) {
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(item)) => Ok(reasons::standing(claim, Some(item))),
            None => Ok(reasons::standing(claim, None)),
        };
        claims.iter().zip(&addresses).map(standing).collect()
    }

    /// Reads the items at addresses, as many requests as it takes at the same time.
    #[doc(hidden)]
    pub async fn fetch<'a>(&self, addresses: impl Iterator<Item = &'a Address>) -> Found<'a> {
        // A request may name an item once.
        let distinct: Vec<&Address> = addresses.collect::<BTreeSet<_>>().into_iter().collect();
        let found = join_all(distinct.chunks(MOST_KEYS).map(|chunk| self.fetch_some(chunk))).await;
        found.into_iter().flatten().collect()
    }

    async fn fetch_some<'a>(&self, addresses: &[&'a Address]) -> Found<'a> {
        let failed = |error: LedgerError| addresses.iter().map(|&at| (at, Err(error.clone()))).collect();
        match self.get(addresses).await {
            Ok(found) => found.into_iter().map(|(address, item)| (address, Ok(item))).collect(),
            Err(Unfetched::OneOfThem(_)) if addresses.len() > 1 => {
                let each = addresses.iter().map(|&address| async move {
                    match self.get(&[address]).await {
                        Ok(found) => found.into_iter().next().map(|(address, item)| (address, Ok(item))),
                        Err(Unfetched::OneOfThem(error) | Unfetched::Failed(error)) => {
                            Some((address, Err(error)))
                        }
                    }
                });
                join_all(each).await.into_iter().flatten().collect()
            }
            Err(Unfetched::OneOfThem(error) | Unfetched::Failed(error)) => failed(error),
        }
    }

    async fn get<'a>(&self, addresses: &[&'a Address]) -> Result<Vec<(&'a Address, Item)>, Unfetched> {
        let has_several_tables = addresses.windows(2).any(|pair| pair[0].table != pair[1].table);
        let mut wanted = request(addresses).map_err(Unfetched::Failed)?;
        let mut found = Vec::with_capacity(addresses.len());
        for ask in 1..=MOST_ASKS {
            let asked = self.client.batch_get_item().set_request_items(Some(wanted)).send().await;
            let answer = asked.map_err(|error| match commit::refused(&error) {
                Answer::Refused(CommitOutcome::Invalid(error)) => Unfetched::OneOfThem(error),
                Answer::Refused(CommitOutcome::Failed(error)) if has_several_tables => {
                    Unfetched::OneOfThem(error)
                }
                _ => Unfetched::Failed(LedgerError(crate::describe(&error))),
            })?;
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
        let why = format!("DynamoDB left keys unprocessed {MOST_ASKS} times: the table is throttled");
        Err(Unfetched::Failed(LedgerError(why)))
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
        by_table.entry(address.table.clone()).or_default().push(items::key_of(address));
    }
    by_table
        .into_iter()
        .map(|(table, keys)| {
            let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            Ok((table, keys.map_err(|error| LedgerError(error.to_string()))?))
        })
        .collect()
}
