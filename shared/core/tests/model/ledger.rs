//! The ledger: what may be claimed, committed and released, and when. `against_memory_ledger` holds it to
//! the real one.

use crate::rules::{Rule, Rules};

/// Counted in invocations: whatever is delivered at one moment must be done by the next.
pub(crate) type Time = u8;
/// The position of a thing in its list.
pub(crate) type Index = usize;

/// One attempt at one message. No two attempts have the same `serial`: it is the random owner token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Attempt {
    pub(crate) identity: Index,
    pub(crate) payload: u8,
    pub(crate) serial: u8,
    /// The number of this delivery of its message, from 1.
    pub(crate) number: u8,
    pub(crate) now: Time,
    pub(crate) leased_until: Option<Time>,
    pub(crate) expires_at: Time,
}

/// A claim as it is stored: held while there is a lease, finished when there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) payload: u8,
    pub(crate) serial: u8,
    pub(crate) number: u8,
    pub(crate) leased_until: Option<Time>,
    pub(crate) expires_at: Time,
}

/// An obstacle to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Duplicate,
    Mismatch,
    Busy { until: Time },
}

/// An entity: how often it was saved, and which events have changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Entity {
    pub(crate) version: u8,
    pub(crate) changed_by: u8,
}

impl Entity {
    pub(crate) fn has_change_of(self, event: Index) -> bool {
        self.changed_by & (1 << event) != 0
    }
}

/// An entity as it was when it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) entity: Index,
    pub(crate) was: Entity,
}

/// The number of times that an event had each of its effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Effects {
    pub(crate) saved: u8,
    pub(crate) emitted: u8,
    /// Charges of the provider outside.
    pub(crate) charged: u8,
}

/// Everything one attempt decided: save one entity, given what others were, and emit one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) attempt: Attempt,
    pub(crate) event: Index,
    pub(crate) save: Seen,
    pub(crate) reads: Vec<Seen>,
}

/// The parts of its commits that a transaction writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    claim: bool,
    saves: bool,
    events: bool,
}

impl Parts {
    /// The transactions a commit takes, one after another. The rules want exactly one.
    pub(crate) fn plan(rules: Rules) -> &'static [Self] {
        const ALL: Parts = Parts { claim: true, saves: true, events: true };
        const CLAIM: Parts = Parts { claim: true, saves: false, events: false };
        const EFFECTS: Parts = Parts { claim: false, saves: true, events: true };
        const CLAIM_AND_SAVES: Parts = Parts { claim: true, saves: true, events: false };
        const EVENTS: Parts = Parts { claim: false, saves: false, events: true };
        if !rules.hold(Rule::ClaimNotBeforeEffects) {
            &[CLAIM, EFFECTS]
        } else if !rules.hold(Rule::EffectsNotBeforeClaim) {
            &[EFFECTS, CLAIM]
        } else if !rules.hold(Rule::SavesGoWithEvents) {
            &[CLAIM_AND_SAVES, EVENTS]
        } else {
            &[ALL]
        }
    }
}

/// The outcome of a transaction. A cancelled one has a reason for each commit that was in its way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Committed,
    Cancelled(Vec<Option<Reason>>),
    /// An item appears twice in it.
    Invalid,
}

/// Why a commit cancels its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It has happened: the answer was lost.
    Happened,
    Obstacle(Obstacle),
    LeaseLost,
    Conflict,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// By identity.
    pub(crate) claims: Vec<Option<Claim>>,
    pub(crate) entities: Vec<Entity>,
    /// By event.
    pub(crate) effects: Vec<Effects>,
}

impl Ledger {
    pub(crate) fn load(&self, entity: Index) -> Seen {
        Seen { entity, was: self.entities[entity] }
    }

    /// Looks at a claim without taking it.
    pub(crate) fn inspect(&self, attempt: &Attempt, rules: Rules) -> Option<Obstacle> {
        let found = self.claims[attempt.identity].as_ref()?;
        if found.expires_at <= attempt.now && rules.hold(Rule::ConditionsCompareExpiry) {
            return None;
        }
        let is_same = found.payload == attempt.payload;
        match found.leased_until {
            Some(until) if until <= attempt.now && rules.hold(Rule::EndedLeaseBindsNobody) => None,
            Some(_) if !rules.hold(Rule::TakeOverAfterLease) => None,
            Some(_) if !rules.hold(Rule::OnlyFinishedIsDuplicate) => Some(Obstacle::Duplicate),
            Some(_) if !is_same && !rules.hold(Rule::MismatchOnlyWhenFinished) => Some(Obstacle::Mismatch),
            Some(until) => Some(Obstacle::Busy { until }),
            None if is_same || !rules.hold(Rule::PayloadsAreCompared) => Some(Obstacle::Duplicate),
            None => Some(Obstacle::Mismatch),
        }
    }

    /// Takes a claim before its handler runs.
    pub(crate) fn take(&mut self, attempt: &Attempt, rules: Rules) -> Result<(), Obstacle> {
        match self.inspect(attempt, rules) {
            Some(_) if rules.hold(Rule::OwnClaimIsRecognised) && self.is_held_by(attempt, rules) => Ok(()),
            Some(obstacle) => Err(obstacle),
            None => {
                self.claims[attempt.identity] = Some(Claim::by(attempt, attempt.leased_until));
                Ok(())
            }
        }
    }

    /// Gives a claim back that is still held.
    pub(crate) fn release(&mut self, attempt: &Attempt, rules: Rules) {
        let Some(found) = &self.claims[attempt.identity] else { return };
        let is_ours = is_same_owner(found, attempt, rules) || !rules.hold(Rule::ReleaseIsByOwner);
        let is_held = found.leased_until.is_some() || !rules.hold(Rule::ReleaseSparesFinished);
        if is_ours && is_held {
            self.claims[attempt.identity] = None;
        }
    }

    /// Writes these parts of all these commits, or nothing at all.
    pub(crate) fn transact(&mut self, commits: &[Commit], parts: Parts, rules: Rules) -> Answer {
        let items: Vec<_> = commits.iter().flat_map(Commit::items).collect();
        if items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
            return Answer::Invalid;
        }
        let reasons: Vec<_> = commits.iter().map(|commit| self.refuse(commit, parts, rules)).collect();
        if reasons.iter().any(Option::is_some) {
            return Answer::Cancelled(reasons);
        }
        for commit in commits {
            self.write(commit, parts);
        }
        Answer::Committed
    }

    /// Why a commit cannot happen. Its claim decides first: what was done before is a duplicate whatever
    /// has become of the entities since.
    fn refuse(&self, commit: &Commit, parts: Parts, rules: Rules) -> Option<Reason> {
        let claim = parts.claim.then(|| self.refuse_claim(&commit.attempt, rules)).flatten();
        claim.or_else(|| {
            let is_unchanged = |seen: &Seen| self.entities[seen.entity].version == seen.was.version;
            let saves = !parts.saves || !rules.hold(Rule::SavesCheckVersions) || is_unchanged(&commit.save);
            let reads = !rules.hold(Rule::ReadsCheckVersions) || commit.reads.iter().all(is_unchanged);
            (!saves || !reads).then_some(Reason::Conflict)
        })
    }

    fn refuse_claim(&self, attempt: &Attempt, rules: Rules) -> Option<Reason> {
        let found = self.claims[attempt.identity].as_ref();
        let is_finished = found.is_some_and(|found| found.leased_until.is_none());
        let is_ours = found.is_some_and(|found| is_same_owner(found, attempt, rules));
        if is_finished && is_ours && rules.hold(Rule::OwnCommitIsRecognised) {
            return Some(Reason::Happened);
        }
        if attempt.leased_until.is_none() {
            let obstacle = self.inspect(attempt, rules).map(Reason::Obstacle);
            return obstacle.filter(|_| rules.hold(Rule::ClaimIsConditional));
        }
        let is_held = found.is_some() && !is_finished;
        if is_held && (is_ours || !rules.hold(Rule::CommitIsByOwner)) {
            return None;
        }
        match self.inspect(attempt, rules) {
            Some(Obstacle::Busy { .. }) | None => Some(Reason::LeaseLost),
            Some(obstacle) => Some(Reason::Obstacle(obstacle)),
        }
    }

    fn write(&mut self, commit: &Commit, parts: Parts) {
        let effects = &mut self.effects[commit.event];
        if parts.claim {
            self.claims[commit.attempt.identity] = Some(Claim::by(&commit.attempt, None));
        }
        if parts.saves {
            let Seen { entity, was } = commit.save;
            self.entities[entity].changed_by = was.changed_by | (1 << commit.event);
            self.entities[entity].version += 1;
            effects.saved += 1;
        }
        if parts.events {
            effects.emitted += 1;
        }
    }

    /// A rejected message leaves no claim. This is what it must not do.
    pub(crate) fn leave_claim(&mut self, attempt: &Attempt) {
        self.claims[attempt.identity] = Some(Claim::by(attempt, None));
    }

    pub(crate) fn is_finished(&self, identity: Index) -> bool {
        self.claims[identity].as_ref().is_some_and(|claim| claim.leased_until.is_none())
    }

    pub(crate) fn is_finished_by(&self, attempt: &Attempt) -> bool {
        let found = self.claims[attempt.identity].as_ref();
        found.is_some_and(|found| found.leased_until.is_none() && found.serial == attempt.serial)
    }

    pub(crate) fn is_held_by_another(&self, attempt: &Attempt) -> bool {
        let found = self.claims[attempt.identity].as_ref();
        found.is_some_and(|found| found.leased_until.is_some() && found.serial != attempt.serial)
    }

    fn is_held_by(&self, attempt: &Attempt, rules: Rules) -> bool {
        let found = self.claims[attempt.identity].as_ref();
        found.is_some_and(|found| found.leased_until.is_some() && is_same_owner(found, attempt, rules))
    }
}

impl Claim {
    fn by(attempt: &Attempt, leased_until: Option<Time>) -> Self {
        let Attempt { payload, serial, number, expires_at, .. } = *attempt;
        Self { payload, serial, number, leased_until, expires_at }
    }
}

fn is_same_owner(claim: &Claim, attempt: &Attempt, rules: Rules) -> bool {
    if rules.hold(Rule::OwnerIsRandom) {
        claim.serial == attempt.serial
    } else {
        claim.number == attempt.number
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Claim(Index),
    Entity(Index),
}

impl Commit {
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> {
        let entities = self.reads.iter().map(|read| Item::Entity(read.entity));
        entities.chain([Item::Claim(self.attempt.identity), Item::Entity(self.save.entity)])
    }
}
