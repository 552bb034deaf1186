//! The local cloud, and the worker that plays the scripts there.

use crate::{
    cases::Plot,
    script::{Ended, Expected, Script},
};
use hyper::{Request, body::Bytes};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use throughline_aws::Clients;
use throughline_core::saga::{Task, TaskAnswer};
use throughline_laboratory::{
    Trouble,
    http::{Reply, Server, reply},
};
use tokio::{sync::Notify, time::timeout};

/// The time that an execution may take: one tries 437 times.
const PATIENCE: Duration = Duration::from_mins(5);
/// The pauses before an execution is looked at again: one that has asked everything, and one that has not.
const LOOK_AGAIN: Duration = Duration::from_millis(40);
const LOOK_MEANWHILE: Duration = Duration::from_secs(2);
/// The local cloud asks for one, and for no rights.
const ROLE: &str = "arn:aws:iam::000000000000:role/differential";

/// The local cloud with a scripted worker. Its state machines are run by an interpreter that is not ours.
pub(crate) struct Cloud {
    stage: Arc<Stage>,
    worker: String,
    numbers: AtomicUsize,
    /// Tells the worker what to do, as long as it is there.
    _prompter: Server,
}

/// The state machines and the worker that play the scripts.
struct Stage {
    clients: Clients,
    playing: Mutex<HashMap<String, Played>>,
}

struct Played {
    script: Script,
    used_up: Arc<Notify>,
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with scripts/test differential"))
}

impl Cloud {
    pub(crate) async fn open() -> Result<Self, Trouble> {
        let endpoint = setting("AWS_ENDPOINT_URL");
        let clients = Clients::local(&endpoint).await;
        let stage = Arc::new(Stage { clients, playing: Mutex::default() });
        let listening = Arc::clone(&stage);
        let prompter = Server::start(move |request| prompt(Arc::clone(&listening), request)).await?;
        let worker = deploy(&endpoint, &prompter.address().to_string())?;
        Ok(Self { stage, worker, numbers: AtomicUsize::new(0), _prompter: prompter })
    }

    /// Deploys a state machine, and returns its ARN.
    pub(crate) async fn machine(&self, states_language: &str) -> Result<String, Trouble> {
        let name = self.number();
        let definition = states_language.replace("${WorkerArn}", &self.worker);
        let create = self.stage.clients.sfn().await.create_state_machine();
        let created = create.name(name).definition(definition).role_arn(ROLE).send().await?;
        Ok(created.state_machine_arn().to_owned())
    }

    /// Runs a state machine with the in-process executor's answers, and returns how many tasks it asked for.
    ///
    /// # Errors
    /// What it did differently.
    pub(crate) async fn play(
        &self,
        machine: &str,
        plot: &Plot,
        expected: &Expected,
    ) -> Result<usize, String> {
        let execution = self.number();
        let used_up = Arc::new(Notify::new());
        let script = Script::new(plot, &execution, expected);
        let played = Played { script, used_up: Arc::clone(&used_up) };
        self.stage.playing().insert(execution.clone(), played);
        let ended = self.run(machine, &execution, &plot.input, &used_up).await;
        let played = self.stage.playing().remove(&execution).expect("nobody else takes it away");
        let ended = ended.map_err(|trouble| {
            format!("{}, when {} tasks had been asked: {trouble}", expected.name, played.script.asked())
        })?;
        played.script.difference(&ended)
    }

    async fn run(
        &self,
        machine: &str,
        name: &str,
        input: &Value,
        used_up: &Notify,
    ) -> Result<Ended, Trouble> {
        let start = json!({
            "specversion": "1.0", "id": name, "source": "test", "type": "saga.start", "correlationid": "c-1",
            "data": input,
        });
        let sfn = self.stage.clients.sfn().await;
        let started = sfn.start_execution().state_machine_arn(machine).name(name).input(start.to_string());
        let execution = started.send().await?.execution_arn().to_owned();
        let since = Instant::now();
        loop {
            // Most end right after the last task. One that asks for less than it should ends before that.
            if timeout(LOOK_MEANWHILE, used_up.notified()).await.is_ok() {
                used_up.notify_one();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            let described = sfn.describe_execution().execution_arn(&execution).send().await?;
            let status = described.status().as_str().to_owned();
            if status != "RUNNING" {
                return self.ended(&execution, status, described.error().map(Into::into)).await;
            }
            if since.elapsed() > PATIENCE {
                return Err("it did not end".into());
            }
        }
    }

    async fn ended(&self, execution: &str, status: String, error: Option<String>) -> Result<Ended, Trouble> {
        let history = self.stage.clients.sfn().await.get_execution_history().execution_arn(execution);
        let events = history.into_paginator().items().send().try_collect().await?;
        let entered = events.iter().filter_map(|event| {
            let details = event.state_entered_event_details()?;
            Some((event.r#type().as_str(), details))
        });
        let entered: Vec<_> = entered.collect();
        let (_, last) = entered.last().ok_or("no state was entered")?;
        let waits = entered.iter().filter(|(event, _)| *event == "WaitStateEntered");
        Ok(Ended {
            status,
            error,
            last_state: last.name().to_owned(),
            waits: waits.map(|(_, state)| state.name().to_owned()).collect(),
            document: serde_json::from_str(last.input().unwrap_or("null"))?,
        })
    }

    fn number(&self) -> String {
        let worker = self.worker.rsplit(':').next().unwrap_or_default();
        format!("{worker}-{}", self.numbers.fetch_add(1, Ordering::SeqCst))
    }
}

impl Stage {
    fn playing(&self) -> MutexGuard<'_, HashMap<String, Played>> {
        self.playing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, task: &Task) -> TaskAnswer {
        let mut playing = self.playing();
        let failure = |error: String| TaskAnswer::Failure { error, cause: "as the script says".to_owned() };
        let Some(played) = playing.get_mut(&task.execution) else { return failure("NoScript".to_owned()) };
        let answer = played.script.answer(task);
        if played.script.is_used_up() {
            played.used_up.notify_one();
        }
        answer.map_or_else(failure, |()| TaskAnswer::Success { output: Value::Null })
    }

    /// Answers a task that waits for it. In the cloud's interpreter even a worker's own error has to come so:
    /// it heeds none of a function that it waits for.
    async fn answer_token(&self, token: &str, answer: TaskAnswer) -> Result<(), Trouble> {
        let sfn = self.clients.sfn().await;
        match answer {
            TaskAnswer::Success { output } => {
                sfn.send_task_success().task_token(token).output(output.to_string()).send().await?;
            }
            TaskAnswer::Failure { error, cause } => {
                sfn.send_task_failure().task_token(token).error(error).cause(cause).send().await?;
            }
        }
        Ok(())
    }
}

/// Tells the worker how its task ends.
async fn prompt(stage: Arc<Stage>, request: Request<Bytes>) -> Reply {
    let answer = match serde_json::from_slice::<Task>(request.body()) {
        Ok(task) => {
            let answer = stage.answer(&task);
            match &task.task_token {
                Some(token) => match stage.answer_token(token, answer).await {
                    Ok(()) => TaskAnswer::Success { output: Value::Null },
                    Err(trouble) => failure(trouble.to_string()),
                },
                None => answer,
            }
        }
        Err(error) => failure(format!("this is no task: {error}")),
    };
    reply(200, "application/json", serde_json::to_vec(&answer)?)
}

fn failure(cause: String) -> TaskAnswer {
    TaskAnswer::Failure { error: "NotUnderstood".to_owned(), cause }
}

/// Deploys the scripted worker, and returns its ARN.
fn deploy(endpoint: &str, prompter: &str) -> Result<String, Trouble> {
    static WORKERS: AtomicUsize = AtomicUsize::new(0);
    let aws = PathBuf::from(setting("THROUGHLINE_AWS"));
    let name = format!("scripted-worker-{}-{}", std::process::id(), WORKERS.fetch_add(1, Ordering::SeqCst));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    fs::create_dir_all(&folder)?;
    let (bootstrap, zip) = (folder.join("bootstrap"), folder.join("worker.zip"));
    fs::write(&bootstrap, format!("#!/bin/sh\nexec '{}'\n", env!("CARGO_BIN_EXE_scripted-worker")))?;
    run(Command::new(aws.with_file_name("python")).args(["-m", "zipfile", "-c"]).args([&zip, &bootstrap]))?;
    let created = run(Command::new(&aws)
        .env("AWS_ENDPOINT_URL", endpoint)
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ])
        .args(["lambda", "create-function", "--output", "json", "--function-name", &name])
        .args(["--runtime", "provided.al2023", "--handler", "bootstrap", "--timeout", "60", "--role", ROLE])
        .args(["--environment", &format!("Variables={{THROUGHLINE_PROMPTER={prompter}}}")])
        .args(["--zip-file", &format!("fileb://{}", zip.display())]));
    fs::remove_dir_all(&folder)?;
    let created: Value = serde_json::from_str(&created?)?;
    Ok(created["FunctionArn"].as_str().ok_or("the function has no ARN")?.to_owned())
}

fn run(command: &mut Command) -> Result<String, Trouble> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
