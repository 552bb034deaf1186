//! The `throughline` command itself, as somebody would type it.

use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
};

/// A command's output, and whether it succeeded.
pub(crate) struct Said {
    pub(crate) is_success: bool,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Said {
    /// The one document of JSON that it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.output)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.output, self.errors))
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end; nobody can be asked anything.
pub(crate) fn throughline(arguments: &[&str]) -> Said {
    let output = command(arguments).output().expect("the command runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { is_success: output.status.success(), output: text(output.stdout), errors: text(output.stderr) }
}

/// A command that goes on running. It is ended when the test is over.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).spawn().expect("the command runs");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, output, errors }
    }

    /// Waits until it notes something on standard error, and returns that line.
    pub(crate) fn noted(&mut self, text: &str) -> String {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let read = self.errors.read_line(&mut line).expect("it can be read");
            assert!(read > 0, "it ended before it said {text}: {said}");
            if line.contains(text) {
                return line;
            }
            said += &line;
        }
    }

    /// The next line that it prints, as JSON.
    pub(crate) fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it can be read");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Sends it a signal, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {pid}")]).status();
        assert!(sent.expect("there is a shell").success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Said {
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).expect("it can be read");
        self.errors.read_to_string(&mut errors).expect("it can be read");
        Said { is_success: self.child.wait().expect("it ends").success(), output, errors }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
