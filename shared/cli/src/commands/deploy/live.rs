//! New code, until it is what a function runs: Lambda takes it at once, and puts it in place afterwards.

use super::error::DeployError;
use crate::cloud::aws_command_line::AwsCommandLine;
use serde_json::Value;
use std::{
    thread,
    time::{Duration, Instant},
};

/// The time to wait: as long as AWS's own tools do.
const PATIENCE: Duration = Duration::from_mins(5);
/// The pause before Lambda is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The stage of a function on its way to its new code.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// It runs it.
    Live,
    /// It does not yet. Why, as Lambda says it.
    OnTheWay(String),
    /// It never will. Why, as Lambda says it.
    Failed(String),
}

/// Returns the stage of a function with this configuration on its way to the code with this SHA-256. Fields that Lambda
/// leaves out do not count.
fn stage(configuration: &Value, code_sha256: Option<&str>) -> Stage {
    let text = |name: &str| configuration[name].as_str().unwrap_or_default();
    let told = |name: &str| {
        let [code, reason] = ["ReasonCode", "Reason"].map(|what| text(&format!("{name}{what}")).to_owned());
        let parts = [format!("{name} is {}", text(name)), code, reason];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    };
    let (state, update) = (text("State"), text("LastUpdateStatus"));
    if ["Failed", "Deleting", "DeletingFailed"].contains(&state) {
        return Stage::Failed(told("State"));
    }
    if update == "Failed" {
        return Stage::Failed(told("LastUpdateStatus"));
    }
    if !["Successful", ""].contains(&update) {
        return Stage::OnTheWay(told("LastUpdateStatus"));
    }
    // One that has not been called for weeks is inactive until it is.
    if !["Active", "Inactive", ""].contains(&state) {
        return Stage::OnTheWay(told("State"));
    }
    match code_sha256 {
        Some(expected) if text("CodeSha256") != expected => Stage::OnTheWay(format!(
            "it runs code {}, which another deployment may have given it meanwhile, and not {expected}",
            text("CodeSha256")
        )),
        _ => Stage::Live,
    }
}

/// Waits until a function runs the code with this SHA-256, or whatever it was given last, and returns the SHA-256 that
/// Lambda says.
pub(super) fn wait_until_live(
    aws: AwsCommandLine<'_>,
    name: &str,
    code_sha256: Option<&str>,
) -> Result<String, DeployError> {
    let ask = || aws.json(["lambda", "get-function-configuration", "--function-name", name]);
    wait(name, code_sha256, PATIENCE, || Ok(ask()?))
}

fn wait(
    name: &str,
    code_sha256: Option<&str>,
    patience: Duration,
    ask: impl Fn() -> Result<Value, DeployError>,
) -> Result<String, DeployError> {
    let started = Instant::now();
    let not_live = |reason| DeployError::NotLive { function: name.to_owned(), reason };
    loop {
        let configuration = ask()?;
        match stage(&configuration, code_sha256) {
            Stage::Live => return Ok(configuration["CodeSha256"].as_str().unwrap_or_default().to_owned()),
            Stage::Failed(reason) => return Err(not_live(reason)),
            Stage::OnTheWay(reason) if started.elapsed() >= patience => {
                return Err(not_live(format!("{reason}, after {} seconds", patience.as_secs())));
            }
            Stage::OnTheWay(_) => thread::sleep(LOOK_AGAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::Cell;

    fn configuration(state: &str, update: &str, code: &str) -> Value {
        json!({ "State": state, "LastUpdateStatus": update, "CodeSha256": code })
    }

    fn is_live(state: &str, update: &str, code: &str) -> bool {
        stage(&configuration(state, update, code), Some("new")) == Stage::Live
    }

    #[test]
    fn code_is_live_once_state_update_and_digest_say_so() {
        assert!(is_live("Active", "Successful", "new") && is_live("Inactive", "Successful", "new"));
        assert!(!is_live("Pending", "Successful", "new"), "it is being made");
        assert!(!is_live("Active", "InProgress", "new"), "it is being updated");
        assert!(!is_live("Active", "Successful", "old"), "it is not what was given");
        assert_eq!(
            stage(&json!({ "CodeSha256": "new" }), Some("new")),
            Stage::Live,
            "a cloud without states"
        );
        assert_eq!(stage(&configuration("Active", "Successful", "any"), None), Stage::Live);
    }

    #[test]
    fn it_is_waited_while_lambda_works_on_it() {
        let asked = Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            let update = if asked.get() < 3 { "InProgress" } else { "Successful" };
            Ok(configuration("Active", update, "new"))
        };
        assert_eq!(wait("f", Some("new"), PATIENCE, ask).unwrap(), "new");
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn what_fails_or_never_comes_is_an_error_with_lambda_s_reason() {
        let mut failed = configuration("Active", "Failed", "new");
        failed["LastUpdateStatusReasonCode"] = json!("InvalidZipFileException");
        failed["LastUpdateStatusReason"] = json!("no bootstrap in it");
        let error = wait("shop-f", Some("new"), PATIENCE, || Ok(failed.clone())).unwrap_err().to_string();
        assert!(error.contains("`shop-f`") && error.contains("InvalidZipFileException"), "{error}");
        assert!(error.contains("no bootstrap in it"), "{error}");

        let mut pending = configuration("Pending", "Successful", "new");
        pending["StateReason"] = json!("it is being made");
        let error = wait("shop-f", Some("new"), Duration::ZERO, || Ok(pending.clone())).unwrap_err();
        assert!(error.to_string().contains("State is Pending: it is being made, after 0 seconds"), "{error}");
    }
}
