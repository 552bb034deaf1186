//! The local clouds on this machine: ministack, or LocalStack. `throughline up`, `down` and `status` start them, stop
//! them and report on them.

use crate::{
    local::{
        Kind, Wanted, docker,
        error::{CloudError, system},
        health,
        localstack::{self, Database},
        ministack,
        program::{BackgroundProgram, LOOK_AGAIN, PATIENCE},
        providers::Providers,
        start::Start,
    },
    project::{OUTPUTS, Project, endpoint},
};
use serde::Serialize;
use std::{
    fmt, fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// The local cloud on one port, with the stand-in for the external services that the functions call.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    project: Project,
    port: u16,
    providers: Providers,
    database: Database,
}

/// The options for the start of a local cloud.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The local cloud to start.
    pub on: Wanted,
    /// Whether LocalStack runs as a program even if a Docker engine runs.
    pub without_docker: bool,
    /// The cloud's address for the functions, if it differs from that of other clients: a recorder may stand in
    /// between.
    pub functions_endpoint: Option<&'a str>,
}

/// The status of the local cloud on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The cloud's address, whether or not it runs.
    pub endpoint: String,
    /// The kind of cloud that was started there and has not ended.
    pub cloud: Option<Kind>,
    /// The cloud's process id, if it is a process of this machine.
    pub pid: Option<u32>,
    /// Whether the cloud answers.
    pub is_ready: bool,
    /// The path of the cloud's log.
    pub log: Option<PathBuf>,
    /// The address at which the payment provider and the carrier answer.
    pub providers: Option<String>,
    /// The stacks that were deployed to it from this project.
    pub stacks: Vec<String>,
}

impl LocalCloud {
    /// Returns the local cloud of a project on a port, without starting it.
    pub fn new(project: Project, port: u16) -> Self {
        let (providers, database) = (Providers::of(&project, port), Database::of(&project, port));
        Self { project, port, providers, database }
    }

    /// Returns the local cloud of a project at an address, whether or not it runs, or `None` if it is not the address
    /// of a local cloud.
    pub fn at(project: Project, address: &str) -> Option<Self> {
        let port = address.rsplit_once(':')?.1.parse().ok()?;
        (endpoint(port) == address).then(|| Self::new(project, port))
    }

    /// Returns the cloud's address.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Starts the cloud unless it already runs, and waits until it answers.
    ///
    /// # Errors
    /// [`CloudError`]; also if another kind of cloud runs there.
    pub fn up(&self, options: &Options<'_>) -> Result<Status, CloudError> {
        match self.running()? {
            Some((running, _)) if running.is(options.on) => {}
            Some((running, _)) => return Err(CloudError::AnotherRuns { running, port: self.port }),
            None if self.is_listening() => return Err(CloudError::PortTaken { port: self.port }),
            None => self.start(options)?,
        }
        self.providers.up()?;
        self.status()
    }

    fn start(&self, options: &Options<'_>) -> Result<(), CloudError> {
        self.forget();
        let here = self.endpoint();
        let temporary = self.temporary();
        let start = Start {
            project: &self.project,
            port: self.port,
            functions_endpoint: options.functions_endpoint.unwrap_or(&here),
            temporary: &temporary,
        };
        let kind = match options.on {
            Wanted::Ministack => Kind::Ministack,
            Wanted::Localstack if !options.without_docker && docker::answers() => Kind::LocalstackInDocker,
            Wanted::Localstack => Kind::Localstack,
        };
        self.write_down(kind)?;
        let mut command = match kind {
            Kind::Ministack => ministack::command(&start)?,
            Kind::Localstack => localstack::command(&start, &self.database)?,
            Kind::LocalstackInDocker if options.functions_endpoint.is_some() => {
                return Err(CloudError::NoFunctionsEndpoint);
            }
            Kind::LocalstackInDocker => return docker::up(&start),
        };
        let program = self.program(kind);
        let child = program.start(&mut command)?;
        let is_ready = || health::is_ok(&here, kind.health());
        program.wait_until(child, is_ready).inspect_err(|_| _ = self.database.down())
    }

    /// Stops the cloud and every function that it runs. Returns the kind of cloud that ran, or `None`.
    ///
    /// # Errors
    /// [`CloudError`].
    pub fn down(&self) -> Result<Option<Kind>, CloudError> {
        self.providers.down()?;
        let running = self.running()?;
        match running {
            Some((Kind::LocalstackInDocker, _)) => {
                let (here, temporary) = (self.endpoint(), self.temporary());
                docker::down(&Start {
                    project: &self.project,
                    port: self.port,
                    functions_endpoint: &here,
                    temporary: &temporary,
                })?;
            }
            Some((kind, _)) => {
                self.program(kind).stop()?;
                self.wait_until_free();
            }
            None => {}
        }
        // The database outlives a LocalStack that ended by itself.
        self.database.down()?;
        if running.is_some() {
            self.forget();
            _ = fs::remove_file(self.kind_file());
        }
        _ = fs::remove_dir_all(self.temporary());
        Ok(running.map(|(kind, _)| kind))
    }

    /// Removes the files of deployed stacks, because the stacks are lost with their cloud.
    fn forget(&self) {
        _ = fs::remove_dir_all(self.project.stacks(self.port));
    }

    /// Returns the status of the cloud.
    ///
    /// # Errors
    /// If the status cannot be determined.
    pub fn status(&self) -> Result<Status, CloudError> {
        let running = self.running()?;
        let endpoint = self.endpoint();
        Ok(Status {
            cloud: running.map(|(kind, _)| kind),
            pid: running.and_then(|(_, pid)| pid),
            is_ready: running.is_some_and(|(kind, _)| health::is_ok(&endpoint, kind.health())),
            log: running.filter(|(_, pid)| pid.is_some()).map(|(kind, _)| self.program(kind).log),
            providers: self.providers.address()?,
            stacks: if running.is_some() { self.stacks() } else { Vec::new() },
            endpoint,
        })
    }

    fn stacks(&self) -> Vec<String> {
        let kept = fs::read_dir(self.project.stacks(self.port)).into_iter().flatten().flatten();
        let deployed = kept.filter(|stack| stack.path().join(OUTPUTS).is_file());
        let mut stacks: Vec<String> =
            deployed.filter_map(|stack| stack.file_name().into_string().ok()).collect();
        stacks.sort();
        stacks
    }

    /// Returns the kind of cloud that was started and has not ended, with its process id if it is a process of this
    /// machine.
    fn running(&self) -> Result<Option<(Kind, Option<u32>)>, CloudError> {
        let recorded = fs::read_to_string(self.kind_file()).ok();
        let Some(kind) = recorded.as_deref().and_then(Kind::named) else { return Ok(None) };
        if kind == Kind::LocalstackInDocker {
            return Ok(health::is_ok(&self.endpoint(), kind.health()).then_some((kind, None)));
        }
        Ok(self.program(kind).pid()?.map(|pid| (kind, Some(pid))))
    }

    fn program(&self, kind: Kind) -> BackgroundProgram {
        let state = self.project.state(self.port);
        BackgroundProgram {
            name: if kind == Kind::Ministack { "ministack" } else { "LocalStack" },
            command_holds: if kind == Kind::Ministack { "ministack" } else { localstack::MODULE },
            pid_file: state.join("pid"),
            log: state.join("cloud.log"),
        }
    }

    fn write_down(&self, kind: Kind) -> Result<(), CloudError> {
        let state = self.project.state(self.port);
        fs::create_dir_all(&state).map_err(system(format!("{} cannot be made", state.display())))?;
        let path = self.kind_file();
        fs::write(&path, kind.name()).map_err(system(format!("{} cannot be written", path.display())))
    }

    fn kind_file(&self) -> PathBuf {
        self.project.state(self.port).join("kind")
    }

    /// Returns the folder for files that the cloud unpacks and keeps; `down` removes it.
    fn temporary(&self) -> PathBuf {
        self.project.state(self.port).join("tmp")
    }

    /// Waits until the port is free. A killed process counts as ended while the last of its threads still hold the
    /// port.
    fn wait_until_free(&self) {
        let started = Instant::now();
        while self.is_listening() && started.elapsed() < PATIENCE {
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn is_listening(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
    }
}

/// Returns advice for an address where no cloud answers: one of the project's clouds may run on another port.
pub(crate) fn advice(project: &Project) -> String {
    let mut running: Vec<u16> = project
        .local_ports()
        .filter(|port| {
            let cloud = LocalCloud::new(project.clone(), *port);
            cloud.running().is_ok_and(|running| running.is_some())
        })
        .collect();
    running.sort_unstable();
    advice_among(&running)
}

fn advice_among(running: &[u16]) -> String {
    match running {
        [] => "start one with `throughline up`, and deploy with `throughline deploy`".to_owned(),
        [port] => {
            format!("one runs on port {port}: say --port {port}, or start another with `throughline up`")
        }
        [first, ..] => {
            let ports: Vec<String> = running.iter().map(ToString::to_string).collect();
            format!("some run on the ports {}: say which, such as --port {first}", ports.join(", "))
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, cloud, pid, is_ready, log, providers, stacks } = self;
        let port = endpoint.rsplit(':').next().unwrap_or_default();
        let Some(cloud) = cloud else {
            writeln!(f, "No local cloud runs on port {port}: start one with `throughline up`.")?;
            return Ok(());
        };
        let process = pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
        if *is_ready {
            write!(f, "The local cloud runs at {endpoint} ({cloud}{process}")?;
            match log {
                Some(log) => writeln!(f, ", log at {}).", log.display())?,
                None => writeln!(f, ").")?,
            }
        } else {
            writeln!(f, "The local cloud ({cloud}{process}) does not answer at {endpoint}.")?;
        }
        if let Some(providers) = providers {
            writeln!(f, "The payment provider and the carrier answer at {providers}.")?;
        }
        if stacks.is_empty() {
            writeln!(f, "Nothing is deployed there yet: deploy with `throughline deploy`.")?;
        } else {
            writeln!(f, "Deployed there: {}.", stacks.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_where_no_cloud_answers_is_told_where_one_does() {
        assert!(advice_among(&[]).contains("`throughline up`"));
        assert!(advice_among(&[4567]).contains("say --port 4567"));
        assert!(advice_among(&[4567, 4568]).contains("ports 4567, 4568"));
    }
}
