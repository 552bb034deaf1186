//! AWS's command line, for what no SDK client of ours does.

use crate::{cloud::place::Place, project::Project};
use serde_json::Value;
use std::{ffi::OsStr, process::Stdio};

/// Why AWS's command line did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct CommandLineError {
    /// The call, such as `cloudformation describe-stacks`.
    pub what: String,
    /// What it said.
    pub reason: String,
}

/// AWS's command line, told which cloud to talk to.
#[derive(Debug, Clone, Copy)]
pub struct AwsCommandLine<'a> {
    /// Where it is installed.
    pub project: &'a Project,
    /// The cloud.
    pub place: &'a Place,
}

impl AwsCommandLine<'_> {
    /// Runs a call, such as `["sts", "get-caller-identity"]`, and returns what it prints.
    ///
    /// # Errors
    /// [`CommandLineError`], with what it said.
    pub fn text<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, CommandLineError> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let what = arguments.iter().take(2).map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>();
        let failed = |reason: String| CommandLineError { what: what.join(" "), reason };
        let mut command = self.place.aws_command_line(self.project).map_err(failed)?;
        command.args(&arguments).args(["--output", "json"]).stdin(Stdio::null());
        let output = command.output().map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
        Err(failed(said.concat().trim().to_owned()))
    }

    /// Runs a call and returns its answer; `null`, if it prints nothing.
    ///
    /// # Errors
    /// [`CommandLineError`], with what it said.
    pub fn json<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Value, CommandLineError> {
        let text = self.text(arguments)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| CommandLineError {
            what: "the answer of AWS's command line".into(),
            reason: format!("{error} in {text}"),
        })
    }
}
