//! Programs that go on running after the command has ended: found again, and stopped, by their pid.

use crate::local::error::{CloudError, system};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a program may take to start or to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it has.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A program in the background, and the file that holds its pid.
#[derive(Debug, Clone)]
pub(crate) struct BackgroundProgram {
    /// Its name, in words.
    pub(crate) name: &'static str,
    /// What its command must contain: a pid may have been given to another program meanwhile.
    pub(crate) command_holds: &'static str,
    /// Where its pid is written.
    pub(crate) pid_file: PathBuf,
    /// Where what it says is written.
    pub(crate) log: PathBuf,
}

impl BackgroundProgram {
    /// Its pid, if it is alive.
    pub(crate) fn pid(&self) -> Result<Option<u32>, CloudError> {
        let Some(pid) = fs::read_to_string(&self.pid_file).ok().and_then(|text| text.trim().parse().ok())
        else {
            return Ok(None);
        };
        Ok(command_of(pid)?.filter(|command| command.contains(self.command_holds)).map(|_| pid))
    }

    /// Starts it in a group of its own: Ctrl-C for us is not meant for it, and stopping it ends what it started.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Child, CloudError> {
        use std::os::unix::process::CommandExt as _;
        let log = fs::File::create(&self.log).map_err(system("the log cannot be written"))?;
        let errors = log.try_clone().map_err(system("the log cannot be written"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(system(format!("{} cannot be started", self.name)))?;
        fs::write(&self.pid_file, child.id().to_string()).map_err(system("the pid cannot be written"))?;
        Ok(child)
    }

    /// Waits until it is ready. If it stops instead, or never is, it is ended and the end of its log told.
    pub(crate) fn wait_until(&self, mut child: Child, is_ready: impl Fn() -> bool) -> Result<(), CloudError> {
        let started = Instant::now();
        let not_started = |what: String| CloudError::NotStarted {
            name: self.name,
            what,
            log: self.log.display().to_string(),
            tail: self.log_tail(),
        };
        while !is_ready() {
            if let Ok(Some(status)) = child.try_wait() {
                _ = fs::remove_file(&self.pid_file);
                return Err(not_started(format!("it stopped: {status}")));
            }
            if started.elapsed() > PATIENCE {
                self.stop()?;
                return Err(not_started(format!("no answer in {} seconds", PATIENCE.as_secs())));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Stops it and what it started. Whether it ran.
    pub(crate) fn stop(&self) -> Result<bool, CloudError> {
        let Some(pid) = self.pid()? else { return Ok(false) };
        signal("TERM", pid)?;
        let started = Instant::now();
        while command_of(pid)?.is_some() {
            match started.elapsed() {
                waited if waited > PATIENCE => return Err(CloudError::NotStopped { name: self.name, pid }),
                waited if waited > PATIENCE / 3 => signal("KILL", pid)?,
                _ => {}
            }
            thread::sleep(LOOK_AGAIN);
        }
        // What it started and outlives it has nobody to answer to.
        _ = signal("KILL", pid);
        _ = fs::remove_file(&self.pid_file);
        Ok(true)
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
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
