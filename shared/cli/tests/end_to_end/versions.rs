//! A saga that changes while an execution waits: what has begun ends as it began.

use super::{
    aws::{aws, setting},
    cloud::Shop,
    orders::{CHEAP_CENTS, DEAR_CENTS, DeliveredOrder, GOOD_ADDRESS, GOOD_CARD, states},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};
use throughline_cli::line::WholeLine;

/// The time within which new code must be live.
const UPDATE_TIME_LIMIT: Duration = Duration::from_mins(1);
/// The pause between two looks at the new code's state.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The worker comes before the state machine: it has to know the definitions that executions still run with, and the
/// one that they are about to run with.
#[tokio::test]
async fn an_execution_survives_a_new_definition_and_a_new_execution_runs_it() {
    let shop = Shop::open().await;
    let waiting = DeliveredOrder::place(&shop, "old-definition", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = waiting.callback().await;

    let deployed = Deployed::find(&shop);
    deployed.update_worker(&next_worker());
    deployed.update_machine(&next_machine(&deployed.function_arn));
    let new = DeliveredOrder::place(&shop, "new-definition", GOOD_CARD, GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = new.over().await;
    new.is_confirmed(&line).await;
    assert_eq!(
        states(&line),
        ["reserve", "charge", "approve-wanted", "ship", "confirm", "pack", "Completed"]
    );
    new.is_told_by(&["order.placed", "stock.reserved", "order.confirmed", "order.packed"]).await;

    waiting.decide(&callback, None).await;
    let line = waiting.over().await;
    waiting.is_confirmed(&line).await;
    let expected = ["reserve", "charge", "approve-wanted", "approve", "ship", "confirm", "Completed"];
    assert_eq!(states(&line), expected, "it ends with the definition that it began with");

    // Somebody takes the worker back but not the state machine. It is asked again after half a minute: nothing of
    // the local cloud's time is scaled down.
    deployed.update_worker(&deployed.first_worker);
    let puzzling = DeliveredOrder::place(&shop, "not-understood", GOOD_CARD, GOOD_ADDRESS, CHEAP_CENTS).await;
    let is_puzzled = |line: &WholeLine| errors(line).contains(&"Saga.NotUnderstood");
    puzzling.line_where("is not understood", |line, _| is_puzzled(line)).await;
    deployed.update_worker(&next_worker());
    let line = puzzling.over().await;
    puzzling.is_confirmed(&line).await;
    assert!(states(&line).contains(&"pack"), "{line}");
    let known: Vec<&str> = errors(&line).into_iter().filter(|error| *error != "Saga.NotUnderstood").collect();
    assert_eq!(known, [""; 0], "it waited, and nothing was undone");
}

/// The errors of a line's checkout, in their order.
fn errors(line: &WholeLine) -> Vec<&str> {
    let visits = line.execution("checkout").into_iter().flat_map(|saga| &saga.visits);
    let attempts = visits.flat_map(|visit| &visit.attempts);
    attempts.filter_map(|attempt| Some(attempt.outcome.as_ref()?.as_ref().err()?.error.as_str())).collect()
}

/// The worker and the state machine that are deployed. They are deployed again when the test is over.
struct Deployed {
    function: String,
    function_arn: String,
    machine: String,
    first_worker: PathBuf,
    first_machine: String,
}

impl Deployed {
    fn find(shop: &Shop) -> Self {
        let function = shop.output("Checkout", "Function").to_owned();
        let configuration = aws(&["lambda", "get-function-configuration", "--function-name", &function]);
        let machine = shop.stack.state_machine("checkout").unwrap().to_owned();
        let described = aws(&["stepfunctions", "describe-state-machine", "--state-machine-arn", &machine]);
        Self {
            function,
            function_arn: configuration["FunctionArn"].as_str().expect("a function has an ARN").to_owned(),
            machine,
            first_worker: project().join("target/lambda/checkout/bootstrap"),
            first_machine: described["definition"].as_str().expect("a definition").to_owned(),
        }
    }

    /// Deploys a program as the worker.
    fn update_worker(&self, program: &Path) {
        let folder = scratch();
        let (bootstrap, zip) = (folder.join("bootstrap"), folder.join("worker.zip"));
        fs::copy(program, &bootstrap).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let python = Path::new(&setting("THROUGHLINE_AWS")).with_file_name("python");
        let zipped = Command::new(python)
            .args(["-m", "zipfile", "-c"])
            .args([&zip, &bootstrap])
            .status()
            .expect("Python is installed by scripts/setup");
        assert!(zipped.success());
        let file = format!("fileb://{}", zip.display());
        let update =
            ["lambda", "update-function-code", "--function-name", &self.function, "--zip-file", &file];
        let expected = aws(&update)["CodeSha256"].clone();
        // Until the new code is live, the program before it goes on answering.
        let until = Instant::now() + UPDATE_TIME_LIMIT;
        loop {
            let now = aws(&["lambda", "get-function-configuration", "--function-name", &self.function]);
            let is_done = now["LastUpdateStatus"].as_str().is_none_or(|status| status == "Successful");
            let is_active = now["State"].as_str().is_none_or(|state| state == "Active");
            if is_done && is_active && now["CodeSha256"] == expected {
                return;
            }
            assert!(Instant::now() < until, "the new code of {} does not become live: {now}", self.function);
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Deploys a definition as the state machine's.
    fn update_machine(&self, definition: &str) {
        let path = scratch().join("machine.json");
        fs::write(&path, definition).expect("it can be written");
        let file = format!("file://{}", path.display());
        let update = ["stepfunctions", "update-state-machine", "--state-machine-arn", &self.machine];
        aws(&[&update[..], &["--definition", &file]].concat());
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        self.update_machine(&self.first_machine);
        self.update_worker(&self.first_worker);
        _ = fs::remove_dir_all(scratch());
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Of the tests on one local cloud alone.
fn scratch() -> PathBuf {
    let name = format!("versions-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

/// The program that a later deployment might bring: cargo builds it with the tests.
fn next_worker() -> PathBuf {
    let test = env::current_exe().expect("it runs");
    let built = test.ancestors().nth(2).expect("it lies in a target folder").join("examples/next-checkout");
    assert!(built.is_file(), "{} is not built: run these tests with scripts/test", built.display());
    built
}

/// Returns the state machine that the saga compiles to.
fn next_machine(function_arn: &str) -> String {
    let output = Command::new(next_worker()).arg("--states-language").output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    assert!(output.status.success() && text.contains("${WorkerArn}"), "{text}");
    text.replace("${WorkerArn}", function_arn)
}
