//! The reason that an operation on a local cloud failed.

use crate::local::Kind;
use std::io;

/// The reason that an operation on a local cloud failed.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A program that it needs is not installed.
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
        /// The kind of cloud that runs.
        running: Kind,
        /// The port.
        port: u16,
    },
    /// A call of `docker compose` failed.
    #[error("`docker compose {what}` failed: it says why above; `--without-docker` does without")]
    Docker {
        /// The arguments of the call.
        what: String,
    },
    /// The option has no effect, because functions in containers find the cloud by themselves.
    #[error("--functions-endpoint has no effect on functions in Docker: say --without-docker, too")]
    NoFunctionsEndpoint,
    /// A program stopped during its start, or did not answer in time.
    #[error("{name} did not start ({what}); the end of its log, {log}:\n{tail}")]
    NotStarted {
        /// The program's name.
        name: &'static str,
        /// The reason, in words.
        what: String,
        /// The path of the program's log.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// A program still runs after it was told to stop.
    #[error("{name} (pid {pid}) does not stop: end it with `kill -KILL {pid}`")]
    NotStopped {
        /// The program's name.
        name: &'static str,
        /// The process id.
        pid: u32,
    },
    /// The operating system refused an operation.
    #[error("{what}: {source}")]
    System {
        /// The operation, in words.
        what: String,
        /// The operating system's error.
        source: io::Error,
    },
}

pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> CloudError {
    move |source| CloudError::System { what: what.into(), source }
}
