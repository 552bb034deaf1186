//! The only access to AWS's command line, for operations that none of our clients covers.
//!
//! It is a Python program that takes most of a second to start, so frequent requests go through [`throughline_aws`].

use crate::{cloud::place::Place, project::Project};
use serde_json::Value;
use std::{
    ffi::OsStr,
    io,
    process::{Child, Output, Stdio},
};

/// The error of a call of AWS's command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}{}", advice(.reason).map(|advice| format!("; {advice}")).unwrap_or_default())]
pub struct CommandLineError {
    /// The call, such as `cloudformation describe-stacks`.
    pub what: String,
    /// The error message that it printed, or the reason that it could not be run.
    pub reason: String,
}

/// AWS's command line, directed at one cloud.
#[derive(Debug, Clone, Copy)]
pub struct AwsCommandLine<'a> {
    /// The project in which it is installed.
    pub project: &'a Project,
    /// The cloud.
    pub place: &'a Place,
}

impl AwsCommandLine<'_> {
    /// Starts a call, such as `["sts", "get-caller-identity"]`, and returns while it runs.
    ///
    /// # Errors
    /// [`CommandLineError`], if it is not installed or cannot be run.
    pub fn start<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Running, CommandLineError> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let words = arguments.iter().take(2).map(|word| word.as_ref().to_string_lossy());
        let what = words.collect::<Vec<_>>().join(" ");
        let failed = |reason: String| CommandLineError { what: what.clone(), reason };
        let mut command = self.place.aws_command_line(self.project).map_err(failed)?;
        command.args(&arguments).args(["--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| failed(not_run(&error)))?;
        Ok(Running { what, child })
    }

    /// Runs a call and returns what it prints.
    ///
    /// # Errors
    /// [`CommandLineError`], with the error message that it printed.
    pub fn text<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, CommandLineError> {
        self.start(arguments)?.text()
    }

    /// Runs a call and returns its answer as JSON, or `null` if it prints nothing.
    ///
    /// # Errors
    /// [`CommandLineError`], with the error message that it printed, or if its answer is not JSON.
    pub fn json<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Value, CommandLineError> {
        self.start(arguments)?.json()
    }
}

/// A running call of AWS's command line.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
}

impl Running {
    /// Waits for the end of the call and returns its output.
    ///
    /// # Errors
    /// [`CommandLineError`], with the error message that it printed.
    pub fn text(self) -> Result<String, CommandLineError> {
        let Self { what, child } = self;
        let printed =
            child.wait_with_output().map_err(|error| not_run(&error)).and_then(|output| printed(&output));
        printed.map_err(|reason| CommandLineError { what, reason })
    }

    /// Waits for the end of the call and returns its answer as JSON, or `null` if it printed nothing.
    ///
    /// # Errors
    /// [`CommandLineError`], with the error message that it printed, or if its answer is not JSON.
    pub fn json(self) -> Result<Value, CommandLineError> {
        let what = self.what.clone();
        let text = self.text()?;
        answer(&text).map_err(|reason| CommandLineError { what, reason })
    }
}

fn not_run(error: &io::Error) -> String {
    format!("AWS's command line cannot be run: {error}")
}

/// Returns the output of a call, or the error message that it printed.
fn printed(output: &Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    match said.concat().trim() {
        "" => Err(format!("it ended with {} and said nothing", output.status)),
        said => Err(said.to_owned()),
    }
}

fn answer(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error} in {text}"))
}

/// Returns advice on an error of AWS's command line, or `None` if its own message suffices.
fn advice(reason: &str) -> Option<&'static str> {
    let says = |phrases: [&str; 2]| phrases.iter().any(|phrase| reason.contains(phrase));
    if says(["ExpiredToken", "Token has expired"]) {
        return Some("log in again, with `aws sso login` or as your credentials are made");
    }
    if says(["Could not connect to the endpoint URL", "Connect timeout on endpoint URL"]) {
        return Some("see that the cloud can be reached: `throughline status` tells of a local one");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

    /// A project whose command line is a script.
    struct Scripted(PathBuf);

    impl Scripted {
        fn new(name: &str, script: &str) -> Self {
            let root =
                env::temp_dir().join(format!("throughline-command-line-{name}-{}", std::process::id()));
            let program = root.join(".throughline/cloud/bin/aws");
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
            Self(root)
        }

        fn asked(&self, arguments: &[&str]) -> Result<Value, CommandLineError> {
            let place = Place::Local { endpoint: "http://127.0.0.1:1".into() };
            AwsCommandLine { project: &Project::at(&self.0), place: &place }.json(arguments)
        }
    }

    impl Drop for Scripted {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_call_is_told_the_cloud_and_answers_json() {
        let script = r#"printf '{"asked":"%s","endpoint":"%s"}' "$*" "$AWS_ENDPOINT_URL""#;
        let answer = Scripted::new("asked", script).asked(&["sts", "get-caller-identity"]).unwrap();
        assert_eq!(answer["asked"], "sts get-caller-identity --output json");
        assert_eq!(answer["endpoint"], "http://127.0.0.1:1");
    }

    #[test]
    fn a_call_that_prints_nothing_answers_null() {
        assert_eq!(Scripted::new("nothing", "true").asked(&["s3api", "head-bucket"]), Ok(Value::Null));
    }

    #[test]
    fn what_fails_says_what_was_asked_and_what_came() {
        let script = "echo 'An error occurred (AccessDenied)' >&2; exit 254";
        let error = Scripted::new("fails", script).asked(&["logs", "tail", "--follow"]).unwrap_err();
        assert_eq!(error.to_string(), "logs tail: An error occurred (AccessDenied)");
        let error = Scripted::new("silent", "exit 3").asked(&["logs", "tail"]).unwrap_err();
        assert_eq!(error.to_string(), "logs tail: it ended with exit status: 3 and said nothing");
    }

    #[test]
    fn an_answer_that_is_no_json_is_an_error_that_shows_it() {
        let error =
            Scripted::new("html", "echo '<html>'").asked(&["sts", "get-caller-identity"]).unwrap_err();
        assert!(error.to_string().starts_with("sts get-caller-identity: the answer is no JSON"), "{error}");
        assert!(error.reason.contains("<html>"), "{error}");
    }

    #[test]
    fn what_can_be_done_about_it_is_said() {
        let script =
            "echo 'Error when retrieving token from sso: Token has expired and refresh failed' >&2; exit 255";
        let error = Scripted::new("expired", script).asked(&["sts", "get-caller-identity"]).unwrap_err();
        assert!(
            error.to_string().ends_with("log in again, with `aws sso login` or as your credentials are made")
        );
        let nowhere = Project::at(&env::temp_dir().join("throughline-nowhere"));
        let error = AwsCommandLine { project: &nowhere, place: &Place::Aws }.json(["sts"]).unwrap_err();
        assert!(error.to_string().contains("run scripts/setup"), "{error}");
    }
}
