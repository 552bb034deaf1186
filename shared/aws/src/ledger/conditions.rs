//! Conditions on an item, without which a write fails.

use super::{
    Item, items,
    layout::{self, Address},
};
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use throughline_core::{Version, internal::entity::VERSION_ATTRIBUTE, ledger::Claim};

/// A condition and what its placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Condition {
    pub(super) expression: &'static str,
    names: Names,
    values: Item,
}

type Names = HashMap<String, String>;

impl Condition {
    fn new(expression: &'static str) -> Self {
        Self { expression, ..Self::default() }
    }

    fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    /// Returns the names and values of the placeholders, or `None` for an empty map, which DynamoDB refuses.
    pub(super) fn placeholders(self) -> (Option<Names>, Option<Item>) {
        let Self { names, values, .. } = self;
        (Some(names).filter(|names| !names.is_empty()), Some(values).filter(|values| !values.is_empty()))
    }
}

/// Nobody has the claim: there is none, or it has expired, or its lease has ended. DynamoDB removes what
/// has expired late, so the condition compares times itself. A finished claim has no end of a lease.
pub(super) fn is_free(claim: &Claim) -> Condition {
    Condition::new(IS_FREE)
        .value(":seconds", items::number(claim.now.as_second()))
        .value(":millis", items::number(claim.now.as_millisecond()))
}

/// These names need no placeholders: DynamoDB reserves none of them.
const IS_FREE: &str = "attribute_not_exists(pk) OR expires_at <= :seconds OR leased_until_ms <= :millis";

/// We hold the claim: by the token, never by an attempt's number, so that a process believed dead cannot
/// pass for its successor.
pub(super) fn is_held_by_us(claim: &Claim) -> Condition {
    Condition::new("#state = :leased AND #owner = :owner")
        .name("#state", layout::CLAIM_STATE)
        .name("#owner", layout::OWNER)
        .value(":leased", items::text(layout::LEASED))
        .value(":owner", items::text(claim.owner.as_str()))
}

/// The entity is what it was.
pub(super) fn is_at(address: &Address, version: Version) -> Condition {
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

/// Returns a commit's condition on its claim: held by this owner if the handler claimed before it ran, otherwise free.
pub(super) fn may_finish(claim: &Claim) -> Condition {
    if claim.leased_until.is_some() { is_held_by_us(claim) } else { is_free(claim) }
}

/// Nothing is there. In an event store, which is only ever added to.
pub(super) fn is_new() -> Condition {
    Condition::new("attribute_not_exists(pk)")
}
