//! `throughline up`, `down` and `status`: the local cloud on this machine.

use crate::project::{Project, endpoint, without_real_credentials};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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
    /// It stopped while it started, or did not answer.
    #[error("the local cloud did not start ({what}); the end of its log, {log}:\n{tail}")]
    NotStarted {
        /// What happened.
        what: String,
        /// Where its log is.
        log: String,
        /// The log's last lines.
        tail: String,
    },
    /// It goes on though it was told to stop.
    #[error("the local cloud (pid {pid}) does not stop: end it with `kill -KILL {pid}`")]
    NotStopped {
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

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> CloudError {
    move |source| CloudError::System { what: what.into(), source }
}

/// The local cloud on one port.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    project: Project,
    port: u16,
}

impl LocalCloud {
    /// The local cloud of a project on a port. Nothing is started yet.
    pub fn new(project: Project, port: u16) -> Self {
        Self { project, port }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Starts it, unless it runs already, and waits until it answers. `functions_endpoint` is where the
    /// functions reach it, if not where everybody does: a recorder may stand in between.
    ///
    /// # Errors
    /// [`CloudError`].
    pub fn up(&self, functions_endpoint: Option<&str>) -> Result<(), CloudError> {
        if let Some(pid) = self.pid()? {
            println!("The local cloud runs at {} (pid {pid}).", self.endpoint());
            return Ok(());
        }
        if self.is_listening() {
            return Err(CloudError::PortTaken { port: self.port });
        }
        let program = self.project.tool("ministack").map_err(CloudError::NotSetUp)?;
        let state = self.project.state(self.port);
        let temporary = state.join("tmp");
        fs::create_dir_all(&temporary).map_err(system(format!("{} cannot be made", temporary.display())))?;
        self.forget();
        let log = File::create(self.log()).map_err(system("the log cannot be written"))?;
        let errors = log.try_clone().map_err(system("the log cannot be written"))?;
        let here = self.endpoint();
        let child = without_real_credentials(&mut Command::new(program))
            .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &self.port.to_string())])
            // Functions inherit the cloud's environment: this is how they find it.
            .env("AWS_ENDPOINT_URL", functions_endpoint.unwrap_or(&here))
            // It unpacks the functions there; `down` removes them.
            .env("TMPDIR", &temporary)
            // Servers nobody asked for.
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // A group of its own: Ctrl-C for us is not meant for it, and `down` ends its functions, too.
            .process_group(0)
            .spawn()
            .map_err(system("ministack cannot be started"))?;
        fs::write(self.pid_file(), child.id().to_string()).map_err(system("the pid cannot be written"))?;
        self.wait_until_ready(child)?;
        println!("The local cloud runs at {here} (ministack, log at {}).", self.log().display());
        Ok(())
    }

    /// Stops it and every function it runs. Says so if it does not run.
    ///
    /// # Errors
    /// [`CloudError`].
    pub fn down(&self) -> Result<(), CloudError> {
        let Some(pid) = self.pid()? else {
            println!("No local cloud runs on port {}.", self.port);
            return Ok(());
        };
        signal("TERM", pid)?;
        let started = Instant::now();
        while command_of(pid)?.is_some() {
            match started.elapsed() {
                waited if waited > PATIENCE => return Err(CloudError::NotStopped { pid }),
                waited if waited > PATIENCE / 3 => signal("KILL", pid)?,
                _ => {}
            }
            thread::sleep(LOOK_AGAIN);
        }
        // Functions that outlive their cloud have nobody to answer to.
        _ = signal("KILL", pid);
        _ = fs::remove_file(self.pid_file());
        self.forget();
        _ = fs::remove_dir_all(self.project.state(self.port).join("tmp"));
        println!("The local cloud on port {} is stopped.", self.port);
        Ok(())
    }

    /// What was deployed to a cloud is gone with it.
    fn forget(&self) {
        _ = fs::remove_file(self.project.outputs(self.port));
    }

    /// Says whether it runs.
    ///
    /// # Errors
    /// If that cannot be known.
    pub fn status(&self) -> Result<(), CloudError> {
        match self.pid()? {
            Some(pid) if self.is_ready() => {
                println!("The local cloud runs at {} (pid {pid}).", self.endpoint());
            }
            Some(pid) => println!("The local cloud (pid {pid}) does not answer at {}.", self.endpoint()),
            None => println!("No local cloud runs on port {}: start one with `throughline up`.", self.port),
        }
        Ok(())
    }

    fn wait_until_ready(&self, mut child: Child) -> Result<(), CloudError> {
        let started = Instant::now();
        let not_started = |what: String| CloudError::NotStarted {
            what,
            log: self.log().display().to_string(),
            tail: self.log_tail(),
        };
        while !self.is_ready() {
            if let Ok(Some(status)) = child.try_wait() {
                _ = fs::remove_file(self.pid_file());
                return Err(not_started(format!("it stopped: {status}")));
            }
            if started.elapsed() > PATIENCE {
                self.down()?;
                return Err(not_started(format!("no answer in {} seconds", PATIENCE.as_secs())));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn is_listening(&self) -> bool {
        TcpStream::connect_timeout(&self.address(), Duration::from_secs(1)).is_ok()
    }

    /// Whether a cloud answers at its address.
    pub fn is_ready(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            write!(
                stream,
                "GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.ends_with(b" 200"))
        };
        ask().unwrap_or(false)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The pid of our cloud, if it is alive. A pid may have been given to another program meanwhile.
    fn pid(&self) -> Result<Option<u32>, CloudError> {
        let Some(pid) = fs::read_to_string(self.pid_file()).ok().and_then(|text| text.trim().parse().ok())
        else {
            return Ok(None);
        };
        Ok(command_of(pid)?.filter(|command| command.contains("ministack")).map(|_| pid))
    }

    fn pid_file(&self) -> PathBuf {
        self.project.state(self.port).join("pid")
    }

    fn log(&self) -> PathBuf {
        self.project.state(self.port).join("cloud.log")
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// Signals a process group. `kill` is a word of every shell; a program of that name need not be there.
fn signal(name: &str, group: u32) -> Result<(), CloudError> {
    Command::new("sh")
        .args(["-c", &format!("kill -s {name} -- -{group}")])
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(system("`sh` cannot be run"))
}

/// The command of a process that lives; one that ended and was not waited for does not.
fn command_of(pid: u32) -> Result<Option<String>, CloudError> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state follows the name, which is in brackets and may hold anything.
        let state = stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next();
        if matches!(state, None | Some('Z' | 'X')) {
            return Ok(None);
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        return Ok(Some(String::from_utf8_lossy(&command).replace('\0', " ")));
    }
    let output = Command::new("ps")
        .args(["-ww", "-o", "state=,command=", "-p", &pid.to_string()])
        .output()
        .map_err(system("`ps` cannot be run, so it is not known whether the local cloud runs"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Some(text).filter(|text| !text.is_empty() && !text.starts_with('Z')))
}
