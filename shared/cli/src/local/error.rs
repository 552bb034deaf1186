//! Why the local cloud did not do as it was told.

use crate::local::Kind;
use std::io;

/// Why the local cloud did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// It is not set up.
    #[error("{0}")]
    NotSetUp(String),
    /// Another program listens on its port.
    #[error("port {port} is taken by another program: stop that, or choose another port with --port")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// Another kind of cloud runs there.
    #[error(
        "{running} runs on port {port}: stop it with `throughline down --port {port}`, or choose another port with --port"
    )]
    AnotherRuns {
        /// Which one.
        running: Kind,
        /// The port.
        port: u16,
    },
    /// Docker did not do what it was asked.
    #[error("`docker compose {what}` failed: it says why above; `--without-docker` does without")]
    Docker {
        /// What it was asked.
        what: String,
    },
    /// Functions in containers find the cloud by themselves.
    #[error("--functions-endpoint has no effect on functions in Docker: say --without-docker, too")]
    NoFunctionsEndpoint,
    /// It stopped while it started, or did not answer.
    #[error("{name} did not start ({what}); the end of its log, {log}:\n{tail}")]
    NotStarted {
        /// The program.
        name: &'static str,
        /// What happened.
        what: String,
        /// Where its log is.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It goes on though it was told to stop.
    #[error("{name} (pid {pid}) does not stop: end it with `kill -KILL {pid}`")]
    NotStopped {
        /// The program.
        name: &'static str,
        /// Its process.
        pid: u32,
    },
    /// The system did not do what it was asked.
    #[error("{what}: {source}")]
    System {
        /// What was asked.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> CloudError {
    move |source| CloudError::System { what: what.into(), source }
}
