//! A store that answers as DynamoDB does, and fails at random; all of it from a seed.

use serde_json::json;
use std::collections::{HashMap, HashSet};
use throughline_core::{
    EntityKey, Version,
    internal::settling::{Answer, Item, ItemAnswer, Request, Transaction},
    ledger::{Claim, ClaimKey, Commit, CommitOutcome, LedgerError, Recorded, Standing},
};
use throughline_testing::conformance::fixtures::{
    account, after, at, bare, claim, later, leased, now, read, save,
};

pub(crate) struct Store {
    seed: u64,
    random: fastrand::Rng,
    claims: HashMap<ClaimKey, (Claim, bool)>,
    entities: HashMap<EntityKey, u64>,
    /// The number of times that each commit of the run happened, by its position.
    happened: HashMap<usize, usize>,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            random: fastrand::Rng::with_seed(seed),
            claims: HashMap::new(),
            entities: HashMap::new(),
            happened: HashMap::new(),
        }
    }

    /// Some commits over few entities, and what is there before them.
    pub(crate) fn random_commits(&mut self) -> Vec<Commit> {
        for id in ["a", "b", "c", "d"] {
            if self.random.bool() {
                self.entities.insert(account(id), 1);
            }
        }
        (0..self.random.usize(1..8)).map(|number| self.random_commit(number)).collect()
    }

    fn random_commit(&mut self, number: usize) -> Commit {
        let message = format!("e-{number}");
        let claim = if self.random.u8(..4) == 0 { leased(&message) } else { claim(&message) };
        if claim.leased_until.is_some() {
            self.claims.insert(claim.key.clone(), (claim.clone(), false));
        }
        let finished = |claim: &Claim| (Claim { leased_until: None, ..later(claim, 0) }, true);
        let in_the_way = match self.random.u8(..12) {
            0 => Some(finished(&claim)),
            1 => Some((later(&leased(&message), 0), false)),
            2 => Some((Claim { expires_at: now(), ..finished(&claim).0 }, true)),
            _ => None,
        };
        self.claims.extend(in_the_way.map(|found| (claim.key.clone(), found)));
        let mut commit = bare(claim);
        for id in ["a", "b", "c", "d"] {
            // What it saw may have been so a moment ago.
            let seen = if self.random.u8(..6) == 0 { Version::Absent } else { self.version(&account(id)) };
            match self.random.u8(..6) {
                0 => commit.saves.push(save(account(id), seen, &json!({}))),
                1 => commit.reads.push(read(account(id), seen)),
                _ => {}
            }
        }
        commit
    }

    fn version(&self, key: &EntityKey) -> Version {
        self.entities.get(key).map_or(Version::Absent, |version| at(*version))
    }

    pub(crate) fn in_any_order(&mut self, mut requests: Vec<Request>) -> Vec<Request> {
        self.random.shuffle(&mut requests);
        requests
    }

    pub(crate) fn answer(&mut self, request: &Request, commits: &[Commit]) -> Answer {
        let error = || LedgerError("a fault on purpose".into());
        match self.random.u8(..20) {
            0 => return Answer::Unknown(error()),
            1 => return Answer::Refused(CommitOutcome::Contended(error())),
            2 => return Answer::Refused(CommitOutcome::Invalid(error())),
            3 => {
                self.perform(request, commits);
                return Answer::Unknown(error());
            }
            // Its first answer was lost, and the store was asked again under another token.
            4 => _ = self.perform(request, commits),
            _ => {}
        }
        self.perform(request, commits)
    }

    fn perform(&mut self, request: &Request, commits: &[Commit]) -> Answer {
        match request {
            Request::Transaction(transaction) => self.transact(transaction, commits),
            Request::Statements(positions) => {
                let answers = positions.iter().map(|&position| self.statement(position, &commits[position]));
                Answer::Items(answers.collect())
            }
            Request::Claim(position) => {
                let claim = &commits[*position].claim;
                match self.standing(claim).on_commit(claim) {
                    Some(_) => Answer::Items(vec![ItemAnswer::Claim(self.standing(claim))]),
                    None => {
                        self.finish(*position, claim);
                        Answer::Done
                    }
                }
            }
            Request::Read(positions) => Answer::Standings(
                positions.iter().map(|&position| self.standing(&commits[position].claim)).collect(),
            ),
        }
    }

    fn statement(&mut self, position: usize, commit: &Commit) -> ItemAnswer {
        assert!(commit.is_claim_only(), "seed {}: a statement writes one item", self.seed);
        let claim = &commit.claim;
        if claim.leased_until.is_some() {
            return match self.standing(claim) {
                Standing::Ours { .. } => {
                    self.finish(position, claim);
                    ItemAnswer::Fine
                }
                other => ItemAnswer::Claim(other),
            };
        }
        if self.claims.contains_key(&claim.key) {
            return ItemAnswer::ClaimExists;
        }
        self.finish(position, claim);
        ItemAnswer::Fine
    }

    fn transact(&mut self, transaction: &Transaction, commits: &[Commit]) -> Answer {
        self.assert_possible(transaction, commits);
        let mut answers = Vec::new();
        for item in &transaction.items {
            let answer = self.item(item, commits);
            // Somebody else's transaction may be in the way of any item.
            let is_contended = answer == ItemAnswer::Fine && self.random.u8(..60) == 0;
            let contended = || ItemAnswer::Failed(CommitOutcome::Contended(LedgerError("conflict".into())));
            answers.push(if is_contended { contended() } else { answer });
        }
        if answers.iter().any(|answer| *answer != ItemAnswer::Fine) {
            return Answer::Items(answers);
        }
        for item in &transaction.items {
            match item {
                Item::Claim { commit, .. } => self.finish(*commit, &commits[*commit].claim),
                Item::Save { commit, save } => {
                    let save = &commits[*commit].saves[*save];
                    self.entities.insert(save.key.clone(), save.expected.next());
                }
                _ => {}
            }
        }
        Answer::Done
    }

    /// DynamoDB refuses a transaction that names an item twice or holds too many.
    fn assert_possible(&self, transaction: &Transaction, commits: &[Commit]) {
        let mut names = HashSet::new();
        for item in &transaction.items {
            let name = match item {
                Item::Claim { commit, .. } => commits[*commit].claim.key.to_string(),
                Item::Check { commits: readers, read } => commits[readers[0]].reads[*read].key.to_string(),
                Item::Save { commit, save } => commits[*commit].saves[*save].key.to_string(),
                Item::Message { .. } => continue,
            };
            assert!(names.insert(name), "seed {}: an item twice in {transaction:?}", self.seed);
        }
        assert!(transaction.items.len() <= 100);
    }

    fn item(&self, item: &Item, commits: &[Commit]) -> ItemAnswer {
        let is_at = |key: &EntityKey, version: Version| {
            if self.version(key) == version { ItemAnswer::Fine } else { ItemAnswer::Changed }
        };
        match item {
            Item::Claim { commit, .. } => {
                let claim = &commits[*commit].claim;
                match self.standing(claim).on_commit(claim) {
                    Some(_) => ItemAnswer::Claim(self.standing(claim)),
                    None => ItemAnswer::Fine,
                }
            }
            Item::Check { commits: readers, read } => {
                let read = &commits[readers[0]].reads[*read];
                is_at(&read.key, read.version)
            }
            Item::Save { commit, save } => {
                let save = &commits[*commit].saves[*save];
                is_at(&save.key, save.expected)
            }
            Item::Message { .. } => ItemAnswer::Fine,
        }
    }

    fn standing(&self, claim: &Claim) -> Standing {
        let recorded = self.claims.get(&claim.key).map(|(found, is_finished)| Recorded {
            owner: found.owner.as_str(),
            hash: found.hash.as_str(),
            is_hash_by_value: found.hash.is_by_value(),
            leased_until: (!is_finished).then(|| found.leased_until.unwrap_or(after(60))),
            expires_at: found.expires_at,
        });
        Standing::of(claim, recorded)
    }

    fn finish(&mut self, position: usize, claim: &Claim) {
        self.claims.insert(claim.key.clone(), (claim.clone(), true));
        *self.happened.entry(position).or_default() += 1;
    }

    /// Checks that each commit was told the truth.
    pub(crate) fn check(&self, commits: &[Commit], outcomes: &[CommitOutcome]) {
        assert_eq!(commits.len(), outcomes.len());
        for (position, (commit, outcome)) in commits.iter().zip(outcomes).enumerate() {
            let times = self.happened.get(&position).copied().unwrap_or_default();
            let seed = self.seed;
            assert!(times <= 1, "seed {seed}: {} happened {times} times", commit.claim.key);
            match outcome {
                CommitOutcome::Committed => assert_eq!(times, 1, "seed {seed}: {position} {outcome:?}"),
                CommitOutcome::Failed(_) => {} // not known
                _ => assert_eq!(times, 0, "seed {seed}: {position} {outcome:?}"),
            }
        }
    }
}
