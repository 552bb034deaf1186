//! Dead letters in an operator's hands: shown, mended, redriven, thrown away; and a redrive that is killed.

use super::{
    aws::{aws, try_aws},
    cloud::{Shop, until},
    messages::{order_confirmed, place_order, stock_reserved, unique, with},
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use throughline_aws::SqsDeadLetters;
use throughline_core::{
    Timestamp,
    ports::{DeadLetter, DeadLetters as _},
};
use throughline_operations::{self as operate, depth};

const LETTERS: usize = 500;
const KILLS: usize = 3;
/// The longest time after its first letter at which a redrive is killed: some thirty batches.
const LATEST_KILL: Duration = Duration::from_millis(1500);

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).args(["--json", "--yes"]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    out + &err
}

/// Runs the command and returns the JSON that it shows.
fn throughline(arguments: &[&str]) -> Value {
    let output = command(arguments).output().expect("the command is built");
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
}

/// Runs the command, which fails, and returns what it says.
fn failing(arguments: &[&str]) -> String {
    let output = command(arguments).output().expect("the command is built");
    assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

#[tokio::test]
async fn a_bad_order_is_shown_mended_and_redriven() {
    let shop = Shop::open().await;
    let (sku, order) = (shop.stock(10).await, unique("mended"));
    shop.send(&place_order(&order, &sku, &json!(-1))).await;
    let (_, letter) = shop.dead_letter(&order).await;

    let listed = throughline(&["dlq", "list", "--id", &order]);
    let group = &listed["groups"][0];
    assert_eq!(
        (&group["handler"], &group["error"], &group["count"]),
        (&json!("place-order"), &json!("BadOrder"), &json!(1))
    );
    let shown = throughline(&["dlq", "show", &letter.message_id]);
    let opened = &shown["letters"][0];
    assert_eq!((&opened["event"]["id"], &opened["on_redrive"]["verdict"]), (&json!(order), &json!("runs")));
    assert!(!shown.to_string().contains("Ada"), "a customer's name is nobody's business: {shown}");
    assert!(throughline(&["dlq", "show", &order, "--reveal"]).to_string().contains("Ada"));

    // Not mended, the first letter comes back, and that is the end of it.
    let refused = failing(&["dlq", "redrive", "--id", &order]);
    assert!(refused.contains("came back: BadOrder"), "{refused}");
    shop.dead_letter(&order).await;

    let refused = failing(&["dlq", "redrive", "--id", &order, "--set", "id="]);
    assert!(refused.contains("not valid") || refused.contains("nothing"), "{refused}");
    let redriven = throughline(&["dlq", "redrive", "--id", &order, "--set", "data.lines.0.quantity=2"]);
    let queue = &redriven["queues"][0];
    assert_eq!((&queue["sent"], &queue["canary"]["verdict"]), (&json!(1), &json!("handled")), "{redriven}");
    let line = shop.line_when_over(&order).await;
    assert!(line.dead_letters.is_empty(), "{line}");
    assert_eq!(shop.stock_left(&sku).await, 8);
    assert_eq!(throughline(&["dlq", "redrive", "--id", &order])["queues"], json!([]));
}

/// Only the function is given it again: nobody else hears an event twice.
#[tokio::test]
async fn what_a_rule_delivers_goes_back_to_its_function_alone() {
    let shop = Shop::open().await;
    let (sku, order, id) = (shop.stock(10).await, unique("alone"), unique("alone-again"));
    shop.send(&place_order(&order, &sku, &json!(1))).await;
    shop.line_when_over(&order).await;
    shop.publish(&with(stock_reserved(&id, &order), "data", json!({ "order": order }))).await;
    shop.dead_letter(&id).await;
    let edit = format!("data.order_id={order}");
    let redriven = throughline(&["dlq", "redrive", "--queue", "confirm-order", "--id", &id, "--set", &edit]);
    assert_eq!(redriven["queues"][0]["canary"]["verdict"], "handled", "{redriven}");
    let (_, times) = &shop.carried(&id).await[&id];
    assert_eq!(*times, 1, "it was on the bus once");
}

#[tokio::test]
async fn what_is_thrown_away_is_in_a_file() {
    let shop = Shop::open().await;
    let noise = unique("thrown-away");
    shop.send_to("PlaceOrder", &noise).await;
    let (_, letter) = shop.dead_letter(&noise).await;
    let refused = failing(&["dlq", "purge"]);
    assert!(refused.contains("say which letters"), "{refused}");
    let purged = throughline(&["dlq", "purge", "--id", &letter.message_id, "--reveal"]);
    assert_eq!((&purged["letters"], &purged["not_deleted"]), (&json!(1), &json!(0)));
    let file = purged["file"].as_str().unwrap();
    assert!(fs::read_to_string(file).unwrap().contains(&noise), "{file}");
    fs::remove_file(file).unwrap();
    let left = shop.stack.dead_letters().await.unwrap();
    assert!(left.iter().all(|(_, left)| left.message_id != letter.message_id));
}

/// The function's mapping is off meanwhile, so that its queue shows every copy that was sent.
#[tokio::test]
async fn a_redrive_killed_three_times_loses_no_letter_and_tells_of_every_surplus_copy() {
    let shop = Shop::open().await;
    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(throughline_testing::chaos::seed());
    let run = unique("five-hundred");
    let mapping = Mapping::of(shop.output("NotifyCustomer", "Function"));
    mapping.switch("--no-enabled").await;
    fill(&shop, &run).await;
    let before = waiting(&shop).await;

    let arguments = [
        "dlq",
        "redrive",
        "--queue",
        "notify-customer",
        "--error",
        &run,
        "--no-canary",
        "--rate",
        "200/s",
        "--hold",
        "5s",
    ];
    for kill in 0..KILLS {
        let sent = waiting(&shop).await;
        let mut redrive = command(&arguments).spawn().expect("the command is built");
        until("the redrive sends", async || (waiting(&shop).await > sent).then_some(())).await;
        tokio::time::sleep(LATEST_KILL.mul_f32(random.f32())).await;
        assert!(is_running(&mut redrive), "kill {kill} came too late: the redrive had ended");
        redrive.kill().expect("it is ours");
        redrive.wait().expect("it is ours");
    }
    let redriven = throughline(&arguments);
    let queue = &redriven["queues"][0];
    let told = queue["surplus_possible"].as_u64().unwrap();
    let copies = waiting(&shop).await - before;
    let surplus = copies - LETTERS as u64;
    println!(
        "{LETTERS} dead letters, the redrive killed {KILLS} times: {copies} copies sent, {surplus} of them surplus, {told} told of; {} had been sent and were only deleted; {:.1} s",
        queue["sent_before"],
        started.elapsed().as_secs_f32()
    );
    assert!(surplus <= told && told <= (KILLS * operate::MOST_MESSAGES) as u64, "{redriven}");
    let left = shop.stack.dead_letters().await.unwrap();
    assert!(left.iter().all(|(_, letter)| letter.attribute("ErrorType") != Some(&run)), "all are gone");

    mapping.switch("--enabled").await;
    shop.quiet().await;
    each_happened_once(&shop, &run).await;
    println!(
        "each of the {LETTERS} was handled once, and its customer told once; {:.1} s in all",
        started.elapsed().as_secs_f32()
    );
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().expect("it is ours").is_none()
}

async fn waiting(shop: &Shop) -> u64 {
    depth(shop.stack.clients.sqs().await, shop.output("NotifyCustomer", "QueueUrl")).await.unwrap().waiting
}

/// Letters as `notify-customer` leaves them when it gives an event up that a rule delivered.
async fn fill(shop: &Shop, run: &str) {
    let url = shop.output("NotifyCustomer", "DeadLetterQueueUrl");
    let letters = SqsDeadLetters::new(shop.stack.clients.sqs().await.clone(), url);
    let numbers: Vec<usize> = (0..LETTERS).collect();
    for some in numbers.chunks(50) {
        let sent = some.iter().map(async |number| {
            let id = format!("{run}-{number}");
            let event = order_confirmed(&id, &id);
            let body = json!({
                "version": "0", "id": id, "source": "shop", "detail-type": "order.confirmed", "detail": event,
            });
            let letter = DeadLetter {
                message_attributes: None,
                body: body.to_string(),
                message_id: id,
                group: None,
                error_type: run.to_owned(),
                error_message: "the topic is gone".into(),
                handler: "notify-customer".into(),
                attempts: 5,
                failed_at: Timestamp::now(),
                attributes: None,
            };
            letters.send(&letter).await.expect("the queue takes it");
        });
        join_all(sent).await;
    }
}

async fn each_happened_once(shop: &Shop, run: &str) {
    let table = shop.stack.output("LedgerTable").unwrap();
    let items = operate::scan(shop.stack.clients.dynamodb().await, table).await.unwrap();
    let of_run = |item: &&serde_json::Map<String, Value>| {
        item["sk"] == "claim"
            && item.get("eventid").and_then(Value::as_str).is_some_and(|id| id.starts_with(run))
    };
    let claims: Vec<_> = items.iter().filter(of_run).collect();
    assert_eq!(claims.len(), LETTERS);
    assert!(claims.iter().all(|claim| claim["state"] == "done"));
    let told = shop.notifications(run).await;
    let keys: BTreeSet<_> = told.iter().map(|sent| sent.attribute("deduplicationid")).collect();
    assert_eq!((told.len(), keys.len()), (LETTERS, LETTERS));
}

/// The event source mapping of a function.
struct Mapping {
    id: String,
}

impl Mapping {
    fn of(function: &str) -> Self {
        let found = aws(&["lambda", "list-event-source-mappings", "--function-name", function]);
        let id = found["EventSourceMappings"][0]["UUID"].as_str();
        Self { id: id.unwrap_or_else(|| panic!("{function} has no mapping: {found}")).to_owned() }
    }

    async fn switch(&self, how: &str) {
        aws(&["lambda", "update-event-source-mapping", "--uuid", &self.id, how]);
        let wanted = if how == "--enabled" { "Enabled" } else { "Disabled" };
        until(&format!("the mapping is {wanted}"), async || {
            let mapping = aws(&["lambda", "get-event-source-mapping", "--uuid", &self.id]);
            (mapping["State"] == wanted).then_some(())
        })
        .await;
    }
}

impl Drop for Mapping {
    /// Whatever goes wrong, the other tests need it.
    fn drop(&mut self) {
        _ = try_aws(&["lambda", "update-event-source-mapping", "--uuid", &self.id, "--enabled"]);
    }
}
