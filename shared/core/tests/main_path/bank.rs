//! A bank for the main path to work in: deposits come in, balances change.

use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use throughline_core::{
    Record, Verdict,
    observer::Unobserved,
    ports::Ports,
    prelude::*,
    process::{Delivery, Settings, process},
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deposited {
    pub(crate) account: String,
    pub(crate) amount: u64,
    #[serde(default)]
    pub(crate) behaviour: Behaviour,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Behaviour {
    #[default]
    Works,
    Panics,
    FailsOnce,
    AlwaysFails,
    Rejects,
    TakesAnHour,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BalanceChanged {
    pub(crate) account: String,
    pub(crate) balance: u64,
}

events! { pub(crate) enum DepositEvent of "deposit" { "account.deposited" v1 => Deposited(Deposited.account) } }
events! { pub(crate) enum AccountEvent of "account" { "account.balance-changed" v1 => BalanceChanged(BalanceChanged.account) } }

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) balance: u64,
}

impl Entity for Account {
    const KIND: &'static str = "account";
    fn id(&self) -> String {
        self.id.clone()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(crate) runs: Arc<AtomicU32>,
}

impl Handler for Book {
    const NAME: &'static str = "book";
    type Message = Deposited;
    type Emits = AccountEvent;

    async fn handle(
        &self,
        deposit: Envelope<Deposited>,
        context: &Context<'_>,
    ) -> Result<Effects<AccountEvent>, Failure> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let Deposited { account, amount, behaviour } = deposit.data;
        let found = context.load::<Account>(&account).await?;
        tokio::task::yield_now().await; // lets the records of a batch run into each other
        match behaviour {
            Behaviour::Works => {}
            Behaviour::Panics => panic!("the vault is open"),
            Behaviour::FailsOnce if context.attempt() > 1 => {}
            Behaviour::FailsOnce | Behaviour::AlwaysFails => return Err("the line is down".into()),
            Behaviour::Rejects => return Err(Failure::reject("the account is frozen")),
            Behaviour::TakesAnHour => tokio::time::sleep(Duration::from_hours(1)).await,
        }
        let found = found.unwrap_or_else(|| Versioned::new(Account { id: account.clone(), balance: 0 }));
        let account = found.map(|old| Account { balance: old.balance + amount, ..old });
        Ok(Effects::none()
            .emit(BalanceChanged { account: account.value.id.clone(), balance: account.value.balance })
            .save(account))
    }
}

pub(crate) fn deposit(account: &str, amount: u64, behaviour: Behaviour) -> Deposited {
    Deposited { account: account.into(), amount, behaviour }
}

pub(crate) fn body(id: &str, deposit: Deposited) -> String {
    serde_json::to_string(&Envelope::of(id, "bank", deposit).encode().unwrap()).unwrap()
}

pub(crate) struct World {
    pub(crate) ledger: MemoryLedger,
    pub(crate) dead_letters: MemoryDeadLetters,
    pub(crate) time: TestTime,
    pub(crate) random: SeededRandom,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            ledger: MemoryLedger::default(),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(7),
        }
    }

    pub(crate) fn ports(&self) -> Ports<'_> {
        Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        }
    }

    pub(crate) async fn deliver<H: Handler>(
        &self,
        handler: &H,
        deadline: Option<Timestamp>,
        bodies: &[String],
    ) -> Vec<Verdict> {
        let ids: Vec<String> = (0..bodies.len()).map(|position| format!("record-{position}")).collect();
        let records: Vec<Record<'_>> = bodies
            .iter()
            .zip(&ids)
            .map(|(body, message_id)| Record {
                message_id,
                source: "queue",
                body,
                attempt: 1,
                is_last_attempt: false,
                group: None,
                delivery: Delivery::default(),
            })
            .collect();
        process(handler, self.ports(), &Settings::new("bank"), deadline, &records).await
    }

    pub(crate) fn balance(&self, account: &str) -> u64 {
        self.ledger.entity::<Account>(account).map_or(0, |account| account.balance)
    }
}
