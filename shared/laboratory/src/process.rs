//! A process of a function's binary: started with a clean environment, watched until it ends, and read for
//! what it has used.

use crate::Trouble;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

/// The number of the process's last lines that are kept.
const KEPT_LINES: usize = 200;

/// A process. It is killed when the value is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    id: u32,
    started_at: Instant,
    life: Life,
    lines: Lines,
    watching: JoinHandle<()>,
}

/// A way to end a process, and to see that it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    kill: Arc<Notify>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<VecDeque<String>>>);

impl Process {
    pub(crate) fn start(binary: &Path, variables: &BTreeMap<String, String>) -> Result<Self, Trouble> {
        let mut command = Command::new(binary);
        command.env_clear().envs(variables).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started_at = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let id = child.id().ok_or("the process ended at once")?;
        let lines = Lines::default();
        let mut readers = JoinSet::new();
        readers.spawn(lines.clone().read(child.stdout.take()));
        readers.spawn(lines.clone().read(child.stderr.take()));
        let (ended, see_end) = watch::channel(None);
        let kill = Arc::new(Notify::new());
        let watching = tokio::spawn(watch_over(child, readers, Arc::clone(&kill), ended));
        Ok(Self { id, started_at, life: Life { kill, ended: see_end }, lines, watching })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn started_at(&self) -> Instant {
        self.started_at
    }

    pub(crate) fn life(&self) -> &Life {
        &self.life
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The time that its living threads have run.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Trouble> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id))? {
            let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += statistics.split_whitespace().next().ok_or("no schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory it has had resident at a time, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64, Trouble> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The task owns the child, which is killed on drop.
        self.watching.abort();
    }
}

impl Life {
    /// Sends SIGKILL and waits: the process does nothing any more after this.
    pub(crate) async fn kill(&self) -> Option<ExitStatus> {
        self.kill.notify_one();
        self.ended().await
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&self) -> Option<ExitStatus> {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status)
    }
}

async fn watch_over(
    mut child: Child,
    mut readers: JoinSet<()>,
    kill: Arc<Notify>,
    ended: watch::Sender<Option<ExitStatus>>,
) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.notified() => {
            // It may have ended by itself meanwhile.
            _ = child.start_kill();
            child.wait().await
        }
    };
    // Whoever sees the end finds every line.
    while readers.join_next().await.is_some() {}
    ended.send_replace(status.ok());
}

impl Lines {
    async fn read(self, output: Option<impl AsyncRead + Unpin>) {
        let Some(output) = output else { return };
        let mut lines = BufReader::with_capacity(64 * 1024, output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    }
}
