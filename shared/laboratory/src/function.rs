//! A function: one process of one binary, and the Runtime API it asks for work.

use crate::{
    Trouble,
    process::{Life, Process},
    runtime_api::{Answered, RuntimeApi},
};
use hyper::body::Bytes;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

/// A function to run: its binary and its whole environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSettings {
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// The binary: a `bootstrap` for Lambda's `provided` runtimes.
    pub binary: PathBuf,
    /// Its environment, but for what [`Function::start`] adds.
    pub variables: BTreeMap<String, String>,
}

impl FunctionSettings {
    /// A function whose cloud is at `endpoint`.
    pub fn new(name: &str, binary: impl Into<PathBuf>, endpoint: &str) -> Self {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_NAME", name),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "laboratory"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "laboratory"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { name: name.to_owned(), binary: binary.into(), variables }
    }

    /// Returns the function with a variable added or replaced.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }
}

/// A running function. Its process is killed when the value is dropped.
#[derive(Debug)]
pub struct Function {
    runtime_api: RuntimeApi,
    process: Process,
}

/// A function's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The payload of the answer.
    pub payload: Value,
    /// When it said it.
    pub at: Instant,
}

/// An invocation that a function did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unanswered {
    /// It reported an error.
    #[error("the invocation failed: {0}")]
    Failed(String),
    /// It died, or ended.
    #[error("the process ended ({status}); its last lines:\n{lines}")]
    Died {
        /// The exit status of the process.
        status: String,
        /// The last of what it printed.
        lines: String,
    },
    /// The answer is not JSON.
    #[error("the answer is not JSON: {0}")]
    NotJson(String),
}

impl Function {
    /// Starts a process with exactly these variables, and `AWS_LAMBDA_RUNTIME_API`.
    pub async fn start(settings: &FunctionSettings) -> Result<Self, Trouble> {
        let runtime_api = RuntimeApi::start(&settings.name).await?;
        let mut variables = settings.variables.clone();
        variables.insert("AWS_LAMBDA_RUNTIME_API".into(), runtime_api.address().to_string());
        let process = Process::start(&settings.binary, &variables)?;
        Ok(Self { runtime_api, process })
    }

    /// When its process was started.
    pub fn started_at(&self) -> Instant {
        self.process.started_at()
    }

    /// Waits until it asks for its first invocation: from its start, so long.
    pub async fn ready(&self) -> Result<Duration, Unanswered> {
        tokio::select! {
            Some(asked) = self.runtime_api.first_asked() => Ok(asked - self.started_at()),
            died = self.died() => Err(died),
        }
    }

    /// Gives it an invocation that Lambda would end after `remaining`, and waits for the answer or the
    /// process's death. It is not ended here when the time is over: a test decides that.
    pub async fn invoke(&self, payload: impl Into<Bytes>, remaining: Duration) -> Result<Answer, Unanswered> {
        let answer = self.runtime_api.invoke(payload.into(), remaining);
        let answered = tokio::select! {
            biased;
            Ok(answered) = answer => answered,
            died = self.died() => return Err(died),
        };
        let Answered { is_error, body, at } = answered;
        if is_error {
            return Err(Unanswered::Failed(String::from_utf8_lossy(&body).into_owned()));
        }
        let payload =
            serde_json::from_slice(&body).map_err(|error| Unanswered::NotJson(error.to_string()))?;
        Ok(Answer { payload, at })
    }

    /// Kills it with SIGKILL, and waits until it is dead.
    pub async fn kill(&self) {
        self.life().kill().await;
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The processor time it has used so far, in its living threads.
    pub fn cpu_time(&self) -> Result<Duration, Trouble> {
        self.process.cpu_time()
    }

    /// The most memory it has had resident at a time, in bytes.
    pub fn peak_memory(&self) -> Result<u64, Trouble> {
        self.process.peak_memory()
    }

    /// The last lines it printed.
    pub fn lines(&self) -> Vec<String> {
        self.process.lines()
    }

    pub(crate) fn life(&self) -> &Life {
        self.process.life()
    }

    async fn died(&self) -> Unanswered {
        let status = self.life().ended().await;
        let status = status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
        Unanswered::Died { status, lines: self.lines().join("\n") }
    }
}
