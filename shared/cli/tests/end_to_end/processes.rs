//! The functions' processes on this machine: who made a call, and how one dies.

use super::aws::setting;
use std::{
    fs,
    net::SocketAddr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// The process of a function that holds the connection from `caller` to `recorder`.
pub(crate) fn who_called(function: &str, caller: SocketAddr, recorder: SocketAddr) -> Option<u32> {
    let socket = format!("socket:[{}]", inode(&fs::read_to_string("/proc/net/tcp").ok()?, caller, recorder)?);
    of_function(function).into_iter().find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| link.as_os_str() == socket.as_str())
    })
}

/// The inode of a connection's socket, from the system's table of connections: its second column is the
/// local address, its third the remote one, its tenth the inode.
fn inode(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<&str> {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_it = columns.get(1)?.ends_with(&port(local)) && columns.get(2)?.ends_with(&port(remote));
        if is_it { columns.get(9).copied() } else { None }
    })
}

/// The processes of a function, on the local cloud that these tests are about: another cloud's beside it has functions
/// of the same names, which ask another recorder.
pub(crate) fn of_function(function: &str) -> Vec<u32> {
    let recorder = setting("THROUGHLINE_RECORDER_PORT");
    let wanted = [
        format!("AWS_LAMBDA_FUNCTION_NAME={function}"),
        format!("AWS_ENDPOINT_URL=http://127.0.0.1:{recorder}"),
    ];
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let has =
                |wanted: &String| environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes());
            let is_function = wanted.iter().all(has);
            is_function
                && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
                    exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bootstrap"))
                })
        })
        .collect()
}

/// Kills a process and waits until it is dead: it does nothing any more after this.
pub(crate) fn kill(pid: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -s KILL {pid}")]).status();
    let is_killed = status.is_ok_and(|status| status.success());
    assert!(is_killed || !is_alive(pid), "process {pid} could not be killed");
    let started = Instant::now();
    while is_alive(pid) {
        assert!(started.elapsed() < Duration::from_secs(5), "process {pid} does not die");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns whether a process lives. One that has ended stays in the table, as `Z`, until its parent looks.
fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}
