//! The AWS command line on the local cloud: what an operator would type.

use serde_json::Value;
use std::{env, process::Command};

/// A setting that `scripts/test` makes.
pub(crate) fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with scripts/test"))
}

/// Runs a command and returns what it answers.
///
/// # Panics
/// If it fails.
pub(crate) fn aws(arguments: &[&str]) -> Value {
    try_aws(arguments).unwrap_or_else(|said| panic!("{arguments:?}: {said}"))
}

/// Runs a command and returns what it answers, or what it says if it fails.
pub(crate) fn try_aws(arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(setting("THROUGHLINE_AWS"))
        .args(arguments)
        .args(["--endpoint-url", &setting("AWS_ENDPOINT_URL"), "--output", "json"])
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ])
        .output()
        .expect("the AWS command line is installed by scripts/setup");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}
