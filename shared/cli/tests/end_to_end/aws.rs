//! The AWS command line on the local cloud: what an operator would type.

use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

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
    static CALLS: Mutex<Option<Calls>> = Mutex::new(None);
    let endpoint = setting("AWS_ENDPOINT_URL");
    let arguments = [arguments, &["--endpoint-url", &endpoint, "--output", "json"]].concat();
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = calls.get_or_insert_with(Calls::start).call(&arguments);
    if answer["status"] != 0 {
        return Err(answer["errors"].as_str().unwrap_or_default().to_owned());
    }
    Ok(serde_json::from_str(answer["said"].as_str().unwrap_or_default()).unwrap_or(Value::Null))
}

/// The command line, which goes on running from one call to the next. It ends with this program, whose end closes what it
/// reads from.
struct Calls {
    _process: Child,
    asked: ChildStdin,
    answered: BufReader<ChildStdout>,
}

impl Calls {
    fn start() -> Self {
        let python = Path::new(&setting("THROUGHLINE_AWS")).with_file_name("python");
        let mut child = Command::new(python)
            .args(["-c", include_str!("aws_calls.py")])
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_DEFAULT_REGION", "us-east-1"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the AWS command line is installed by scripts/setup");
        let (asked, answered) = (child.stdin.take(), child.stdout.take());
        Self {
            _process: child,
            asked: asked.expect("it is piped"),
            answered: BufReader::new(answered.expect("it is piped")),
        }
    }

    fn call(&mut self, arguments: &[&str]) -> Value {
        writeln!(self.asked, "{}", json!(arguments)).expect("the command line runs");
        let mut answer = String::new();
        self.answered.read_line(&mut answer).expect("the command line answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"))
    }
}
