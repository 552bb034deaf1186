//! Background programs that outlive the command, and are found and stopped by their pids.

use crate::local::error::{CloudError, system};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The longest time that a program may take to start or to stop.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two checks whether it has.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A program in the background, with the file that contains its pid.
#[derive(Debug, Clone)]
pub(crate) struct BackgroundProgram {
    /// The program's name, in words.
    pub(crate) name: &'static str,
    /// A text that the program's command must contain, because its pid may have been reused by another program.
    pub(crate) command_holds: &'static str,
    /// The path of the file with its pid.
    pub(crate) pid_file: PathBuf,
    /// The path of its log.
    pub(crate) log: PathBuf,
}

impl BackgroundProgram {
    /// Returns the program's pid if it is alive.
    pub(crate) fn pid(&self) -> Result<Option<u32>, CloudError> {
        let Some(pid) = fs::read_to_string(&self.pid_file).ok().and_then(|text| text.trim().parse().ok())
        else {
            return Ok(None);
        };
        Ok(command_of(pid)?.filter(|command| command.contains(self.command_holds)).map(|_| pid))
    }

    /// Starts the program in a process group of its own: Ctrl-C for this command does not reach it, and stopping it
    /// also ends its child processes.
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

    /// Waits until the program is ready. If it stops instead, or is not ready in time, it is ended and the error
    /// contains the end of its log.
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

    /// Stops the program and its child processes. Returns whether it ran.
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
        // Child processes that outlive the program are ended, too.
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

/// Sends a signal to a process group. `kill` is built into every shell, and may not exist as a program.
fn signal(name: &str, group: u32) -> Result<(), CloudError> {
    Command::new("sh")
        .args(["-c", &format!("kill -s {name} -- -{group}")])
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(system("`sh` cannot be run"))
}

/// Returns the command of a living process. A process that has ended and was not waited for counts as dead.
fn command_of(pid: u32) -> Result<Option<String>, CloudError> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The state follows the name, which stands in brackets and may contain any character.
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
