//! `throughline check --deployed`: what somebody changed by hand is found.

use super::{aws::aws, cloud::Shop};
use serde_json::Value;
use std::process::Command;

/// Returns the findings about a resource of the deployed stack.
fn found(resource: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_throughline"))
        .args(["check", "--deployed", "--json"])
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let checked: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    let problems = checked["problems"].as_array().expect("a list of problems");
    assert_eq!(
        output.status.success(),
        problems.is_empty(),
        "the exit code says whether anything is wrong: {said}"
    );
    let of_it = problems.iter().filter(|problem| problem["resource"] == resource);
    of_it.map(|problem| problem["problem"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_queue_that_was_changed_by_hand_is_found_with_the_rule_it_breaks() {
    let shop = Shop::open().await;
    let queue = shop.output("AwaitPayment", "QueueUrl").to_owned();
    let set = |seconds: &str| {
        let visibility = format!("VisibilityTimeout={seconds}");
        aws(&["sqs", "set-queue-attributes", "--queue-url", &queue, "--attributes", &visibility]);
    };
    assert_eq!(found("AwaitPaymentQueue"), [""; 0]);
    let before = shop.output("VisibilityTimeout", "Seconds").to_owned();
    set("29");
    let changed = found("AwaitPaymentQueue");
    set(&before);
    assert_eq!(
        changed,
        [&format!("VisibilityTimeout is 29, and {before} in the template"), "VisibilityTimeout is 29 s"]
    );
    assert_eq!(found("AwaitPaymentQueue"), [""; 0]);
}
