//! The life of a program: it says where it answers, and waits until it is told to end.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

/// Prints an address (`http://127.0.0.1:1234`), and writes it to a file: the file is there with all of its content,
/// or it is not.
///
/// # Errors
/// If either cannot be written.
pub fn announce(address: &str, file: Option<&Path>) -> io::Result<()> {
    if let Some(file) = file {
        let unfinished = file.with_added_extension("part");
        fs::write(&unfinished, address)?;
        fs::rename(unfinished, file)?;
    }
    writeln!(io::stdout(), "{address}")
}

/// Somebody's wish that the program end: an interrupt or a request to terminate. Make it before anybody is told that
/// the program is there.
#[derive(Debug)]
pub struct Ended {
    interrupt: Signal,
    terminate: Signal,
}

impl Ended {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for it.
    pub async fn wait(mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
