//! Tables of a handler's own: one that is used and not declared fails a test, as it would fail every message.

use crate::bank::{Behaviour, Deposited, World, body, deposit};
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use throughline_core::{prelude::*, process::Settings};
use throughline_testing::{
    chaos::ChaoticSource,
    saga::{End, SagaRun},
    saga_test, scenario,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stock {
    sku: String,
    pieces: u64,
}

impl Entity for Stock {
    const KIND: &'static str = "stock";
    const TABLE: EntityTable = EntityTable::Own { name: "stock", partition_key: "sku", sort_key: None };
    fn id(&self) -> String {
        self.sku.clone()
    }
}

#[derive(Debug, Clone, Copy)]
enum Use {
    Load,
    Peek,
    Save,
    Nothing,
}

impl Use {
    async fn carry_out(self, context: &Context<'_>) -> Result<Effects, Failure> {
        match self {
            Self::Load => drop(context.load::<Stock>("s-1").await?),
            // It looks at what came of it, and does not mind.
            Self::Peek => drop(context.peek::<Stock>("s-1").await),
            Self::Save => {
                let stock = Versioned::new(Stock { sku: "s-1".into(), pieces: 1 });
                return Ok(Effects::none().save(stock));
            }
            Self::Nothing => {}
        }
        Ok(Effects::none())
    }
}

macro_rules! handler {
    ($name:ident, $text:literal, $tables:expr) => {
        #[derive(Debug, Clone)]
        struct $name(Use);

        impl Handler for $name {
            const NAME: &'static str = $text;
            const TABLES: &'static [&'static str] = $tables;
            type Message = Deposited;
            type Emits = Never;

            async fn handle(
                &self,
                _: Envelope<Deposited>,
                context: &Context<'_>,
            ) -> Result<Effects, Failure> {
                self.0.carry_out(context).await
            }
        }
    };
}

handler!(Forgetful, "forgetful", &["prices"]);
handler!(Thorough, "thorough", &["prices", "stock"]);

/// Returns the message of a test that fails.
async fn failed(test: impl Future<Output = ()>) -> String {
    use futures_util::FutureExt as _;
    let panic = AssertUnwindSafe(test).catch_unwind().await.expect_err("the test was to fail");
    *panic.downcast::<String>().expect("a text")
}

const CURE: &str = r#"handler `forgetful` uses the table `stock`, where its entity `stock` is stored, and does not declare it: once it is deployed nothing tells it that table's real name, and every message fails. Declare it in its `impl Handler`: const TABLES: &'static [&'static str] = &["prices", "stock"];"#;

#[tokio::test(start_paused = true)]
async fn a_table_that_is_used_and_not_declared_fails_the_test_with_the_cure() {
    let given = || deposit("a", 1, Behaviour::Works);
    for used in [Use::Load, Use::Peek, Use::Save] {
        let reason = failed(async { drop(scenario(Forgetful(used)).when(given()).await) }).await;
        assert_eq!(reason, CURE, "{used:?}");
        let of_leased = failed(async { drop(scenario(leased(Forgetful(used))).when(given()).await) }).await;
        assert_eq!(of_leased, CURE, "{used:?}");
        scenario(Thorough(used)).when(given()).await.then_done().redelivered().await;
        scenario(leased(Thorough(used))).when(given()).await.then_done();
    }
    scenario(Forgetful(Use::Nothing)).when(given()).await.then_done();
}

#[tokio::test(start_paused = true)]
async fn a_chaotic_source_refuses_it_too() {
    let world = World::new();
    let bodies = [body("e-1", deposit("a", 1, Behaviour::Works))];
    let settings = Settings::new("bank");
    let mut source = ChaoticSource::new(1, 2);
    let delivering = async {
        source.deliver(&Forgetful(Use::Load), world.ports(), &settings, &bodies).await;
    };
    assert_eq!(failed(delivering).await, CURE);
    ChaoticSource::new(1, 2).deliver(&Thorough(Use::Load), world.ports(), &settings, &bodies).await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    sku: String,
}

impl SagaInput for Order {
    const SAGA: &'static str = "ordering";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reserved {
    sku: String,
}

async fn reserve((): &(), order: Order, step: &StepContext<'_>) -> Result<Output<Reserved>, Failure> {
    let stock = step.load::<Stock>(&order.sku).await?.or_reject("no such stock")?;
    let effects: Effects =
        Effects::none().save(stock.map(|stock| Stock { pieces: stock.pieces - 1, ..stock }));
    Ok(effects.returning(Reserved { sku: order.sku }))
}

fn run(saga: Saga<()>) -> SagaRun<()> {
    let stock = Stock { sku: "s-1".into(), pieces: 3 };
    saga_test(saga, Order { sku: "s-1".into() }, || ()).given(stock).run()
}

fn ordering() -> Saga<()> {
    Saga::of::<Order>().step("reserve", reserve).no_undo()
}

#[test]
fn a_sagas_table_that_is_not_declared_fails_its_test_with_the_cure() {
    let panic = std::panic::catch_unwind(|| run(ordering())).expect_err("the test was to fail");
    let reason = *panic.downcast::<String>().expect("a text");
    assert!(reason.starts_with("saga `ordering` uses the table `stock`"), "{reason}");
    assert!(reason.ends_with(r#"Declare it in the saga's definition: .tables(&["stock"])"#), "{reason}");
    assert_eq!(run(ordering().tables(&["stock"])).end, End::Completed);
}
