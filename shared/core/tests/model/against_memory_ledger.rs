//! Holds the model's ledger to the real one: random traces of the port's calls, with leases and claims that
//! run out, attempts that come too late and versions that have passed, must have the same outcomes in both.

use crate::{
    ledger::{Answer, Attempt, Commit, Effects, Entity, Index, Ledger, Obstacle, Parts, Reason, Seen},
    rules::{Rule, Rules},
};
use serde_json::json;
use std::collections::BTreeSet;
use throughline_core::{
    EntityKey, Version,
    ledger::{self as port, Ledger as _, OwnerToken},
};
use throughline_testing::{
    MemoryLedger, chaos,
    conformance::fixtures::{self, account, after, at, bare, event, hash, read, save},
};

const TRACES: usize = 500;
const CALLS: usize = 60;

const EVERY_OUTCOME: [&str; 14] = [
    "commit: Busy",
    "commit: Committed",
    "commit: Conflict",
    "commit: Duplicate",
    "commit: LeaseLost",
    "commit: Mismatch",
    "inspect: None",
    "inspect: Some(Busy",
    "inspect: Some(Duplicate)",
    "inspect: Some(Mismatch)",
    "take: Busy",
    "take: Duplicate",
    "take: Held",
    "take: Mismatch",
];

/// The rules that a ledger keeps. The others are kept by whoever calls it.
const OF_A_LEDGER: [Rule; 15] = [
    Rule::ClaimIsConditional,
    Rule::SavesCheckVersions,
    Rule::ReadsCheckVersions,
    Rule::OnlyFinishedIsDuplicate,
    Rule::PayloadsAreCompared,
    Rule::MismatchOnlyWhenFinished,
    Rule::ConditionsCompareExpiry,
    Rule::OwnCommitIsRecognised,
    Rule::EndedLeaseBindsNobody,
    Rule::TakeOverAfterLease,
    Rule::OwnClaimIsRecognised,
    Rule::OwnerIsRandom,
    Rule::CommitIsByOwner,
    Rule::ReleaseIsByOwner,
    Rule::ReleaseSparesFinished,
];

#[tokio::test]
async fn the_models_ledger_answers_as_the_memory_ledger_does() {
    let mut seen = BTreeSet::new();
    compare(Rules::ALL, chaos::seed(), &mut seen).await.expect("both give the same answers");
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, EVERY_OUTCOME, "every outcome was compared");
}

#[tokio::test]
async fn a_ledger_without_one_of_its_rules_answers_differently() {
    let seed = chaos::seed();
    for rule in OF_A_LEDGER {
        let compared = compare(Rules::without(rule), seed, &mut BTreeSet::new()).await;
        assert!(compared.is_err(), "without {rule:?} no answer was different");
    }
}

/// Runs random traces of calls, until one has different outcomes: says so then. Collects what was compared.
async fn compare(rules: Rules, seed: u64, seen: &mut BTreeSet<String>) -> Result<(), String> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..TRACES {
        let mut pair = Pair::new(rules, &mut random);
        for _ in 0..CALLS {
            if let Some(Outcomes { call, memory, model }) = pair.call().await {
                if memory != model {
                    return Err(format!("{call}: the memory ledger says {memory}, the model {model}"));
                }
                let name = memory.split([' ', '{']).next().unwrap_or_default();
                let name = name.split_once("Conflict(").map_or(name, |_| "Conflict");
                seen.insert(format!("{call}: {name}"));
            }
            pair.compare_what_is_stored().await?;
        }
    }
    Ok(())
}

/// The outcomes of both ledgers.
struct Outcomes {
    call: &'static str,
    memory: String,
    model: String,
}

/// Both ledgers, and the attempts that call them.
struct Pair<'a> {
    rules: Rules,
    random: &'a mut fastrand::Rng,
    model: Ledger,
    memory: MemoryLedger,
    now: u8,
    attempts: Vec<Attempt>,
    /// Entities as they were at some time.
    loaded: Vec<Seen>,
}

impl<'a> Pair<'a> {
    fn new(rules: Rules, random: &'a mut fastrand::Rng) -> Self {
        let model = Ledger {
            claims: vec![None; 2],
            entities: vec![Entity::default(); 2],
            effects: vec![Effects::default(); 2],
        };
        let loaded = vec![model.load(0), model.load(1)];
        Self { rules, random, model, memory: MemoryLedger::default(), now: 0, attempts: vec![], loaded }
    }

    /// Makes any call for any attempt, however long ago it began.
    async fn call(&mut self) -> Option<Outcomes> {
        if self.random.u8(..4) == 0 {
            self.now += 1;
        }
        if self.attempts.is_empty() || self.random.u8(..3) == 0 {
            self.begin();
        }
        let attempt = self.attempts[self.random.usize(..self.attempts.len())].clone();
        match self.random.u8(..8) {
            0 => Some(self.inspect(&attempt).await),
            1 => {
                fixtures::release(&self.memory, &claim(&attempt)).await;
                self.model.release(&attempt, self.rules);
                None
            }
            2..5 if attempt.leased_until.is_some() => Some(self.take(&attempt).await),
            _ => Some(self.commit(attempt).await),
        }
    }

    fn begin(&mut self) {
        let attempt = Attempt {
            identity: self.random.usize(..2),
            payload: u8::from(self.random.u8(..4) == 0),
            serial: u8::try_from(self.attempts.len()).expect("few attempts"),
            number: 1,
            now: self.now,
            leased_until: self.random.bool().then(|| self.now + self.random.u8(1..3)),
            expires_at: self.now + self.random.u8(2..9),
        };
        self.attempts.push(attempt);
    }

    async fn inspect(&mut self, attempt: &Attempt) -> Outcomes {
        let memory = inspect(&self.memory, &claim(attempt)).await;
        let model = self.model.inspect(attempt, self.rules).map(obstacle);
        Outcomes { call: "inspect", memory: format!("{memory:?}"), model: format!("{model:?}") }
    }

    async fn take(&mut self, attempt: &Attempt) -> Outcomes {
        let memory = fixtures::take(&self.memory, &claim(attempt)).await;
        let model = match self.model.take(attempt, self.rules).map_err(obstacle) {
            Ok(()) => port::ClaimOutcome::Held,
            Err(port::Obstacle::Duplicate) => port::ClaimOutcome::Duplicate,
            Err(port::Obstacle::Mismatch) => port::ClaimOutcome::Mismatch,
            Err(port::Obstacle::Busy { until }) => port::ClaimOutcome::Busy { until },
        };
        Outcomes { call: "take", memory: format!("{memory:?}"), model: format!("{model:?}") }
    }

    /// Saves one entity as it is now or was at some time, and sometimes checks the other.
    async fn commit(&mut self, attempt: Attempt) -> Outcomes {
        let saved = self.random.usize(..2);
        let save = self.load(saved);
        let reads = if self.random.bool() { vec![self.load(1 - saved)] } else { vec![] };
        let commit = Commit { event: attempt.identity, attempt, save, reads };
        let memory = match fixtures::commit(&self.memory, &port_commit(&commit)).await {
            // The model does not say which.
            port::CommitOutcome::Conflict(_) => port::CommitOutcome::Conflict(key(0)),
            outcome => outcome,
        };
        let answer = self.model.transact(&[commit], Parts::plan(self.rules)[0], self.rules);
        let model = outcome(answer);
        Outcomes { call: "commit", memory: format!("{memory:?}"), model: format!("{model:?}") }
    }

    fn load(&mut self, entity: Index) -> Seen {
        if self.random.bool() {
            self.loaded[entity] = self.model.load(entity);
        }
        self.loaded[entity]
    }

    async fn compare_what_is_stored(&self) -> Result<(), String> {
        for (entity, expected) in self.model.entities.iter().enumerate() {
            let stored = fixtures::load(&self.memory, &key(entity)).await;
            let found = stored.as_ref().map_or(Version::Absent, |stored| stored.version);
            let changed_by =
                stored.and_then(|stored| stored.data["changed_by"].read::<u64>().ok()).unwrap_or_default();
            if (found, changed_by) != (version(expected.version), expected.changed_by.into()) {
                return Err(format!("entity {entity} is not what it should be: {found:?}, {changed_by}"));
            }
        }
        let emitted: usize = self.model.effects.iter().map(|effects| usize::from(effects.emitted)).sum();
        let logged = self.memory.log().len();
        if logged == emitted { Ok(()) } else { Err(format!("{logged} messages instead of {emitted}")) }
    }
}

async fn inspect(memory: &MemoryLedger, claim: &port::Claim) -> Option<port::Obstacle> {
    memory.inspect(std::slice::from_ref(claim)).await.remove(0).expect("the ledger answers")
}

fn claim(attempt: &Attempt) -> port::Claim {
    port::Claim {
        hash: hash(&format!("payload {}", attempt.payload)),
        owner: OwnerToken::from_random(attempt.serial.into()),
        attempt: attempt.number.into(),
        now: after(attempt.now.into()),
        leased_until: attempt.leased_until.map(|until| after(until.into())),
        expires_at: after(attempt.expires_at.into()),
        ..fixtures::claim(&format!("event {}", attempt.identity))
    }
}

fn port_commit(commit: &Commit) -> port::Commit {
    let claim = claim(&commit.attempt);
    let Seen { entity, was } = commit.save;
    let changed = json!({"changed_by": was.changed_by | (1 << commit.event)});
    port::Commit {
        reads: commit.reads.iter().map(|seen| read(key(seen.entity), version(seen.was.version))).collect(),
        saves: vec![save(key(entity), version(was.version), &changed)],
        outgoing: vec![event(&claim, "account.changed", &format!("{entity}"), None)],
        ..bare(claim)
    }
}

fn key(entity: Index) -> EntityKey {
    account(&entity.to_string())
}

fn version(version: u8) -> Version {
    if version == 0 { Version::Absent } else { at(version.into()) }
}

fn obstacle(obstacle: Obstacle) -> port::Obstacle {
    match obstacle {
        Obstacle::Duplicate => port::Obstacle::Duplicate,
        Obstacle::Mismatch => port::Obstacle::Mismatch,
        Obstacle::Busy { until } => port::Obstacle::Busy { until: after(until.into()) },
    }
}

fn outcome(answer: Answer) -> port::CommitOutcome {
    let reason = match answer {
        Answer::Committed => return port::CommitOutcome::Committed,
        Answer::Cancelled(reasons) => reasons[0],
        Answer::Invalid => panic!("no item is in it twice"),
    };
    match reason.expect("the only commit has a reason") {
        Reason::Happened => port::CommitOutcome::Committed,
        Reason::LeaseLost => port::CommitOutcome::LeaseLost,
        Reason::Conflict => port::CommitOutcome::Conflict(key(0)),
        Reason::Obstacle(found) => match obstacle(found) {
            port::Obstacle::Duplicate => port::CommitOutcome::Duplicate,
            port::Obstacle::Mismatch => port::CommitOutcome::Mismatch,
            port::Obstacle::Busy { until } => port::CommitOutcome::Busy { until },
        },
    }
}
