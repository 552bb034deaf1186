//! The files of a project and its local cloud.

pub(crate) mod build;
pub mod catalogue;
pub mod event_pattern;
pub mod sample;
pub mod template;
pub mod wiring;

use std::{
    env, fs,
    net::{TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The folder with what is kept of each stack.
pub(crate) const STACKS: &str = "stacks";
/// The file in it with the stack's outputs.
pub(crate) const OUTPUTS: &str = "outputs.json";

/// The port of the local cloud unless told otherwise: LocalStack's, too.
pub const DEFAULT_PORT: u16 = 4566;

/// A project: a folder with `Cargo.toml` and `infra/template.yaml`.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project around the present folder.
    ///
    /// # Errors
    /// A sentence, if there is none.
    pub fn find() -> Result<Self, String> {
        let start =
            env::current_dir().map_err(|error| format!("the present folder cannot be read: {error}"))?;
        let is_root = |folder: &&Path| {
            folder.join("Cargo.toml").is_file() && folder.join("infra/template.yaml").is_file()
        };
        match start.ancestors().find(is_root) {
            Some(root) => Ok(Self { root: root.to_owned() }),
            None => Err(format!(
                "neither {} nor a folder above it holds Cargo.toml and infra/template.yaml: run this inside a project",
                start.display()
            )),
        }
    }

    /// The project in a folder, whatever that holds.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program that `scripts/setup` installed.
    ///
    /// # Errors
    /// A sentence, if it is not installed.
    pub fn tool(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.root.join(".throughline/cloud/bin").join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("`{name}` is not installed at {}: run scripts/setup", path.display()))
    }

    /// Returns the folder of the local cloud on a port: its pid, its log, and the deployed stacks.
    pub fn state(&self, port: u16) -> PathBuf {
        self.root.join(".throughline/local").join(port.to_string())
    }

    /// The ports for which anything of a local cloud is kept, whether or not it runs.
    pub(crate) fn local_ports(&self) -> impl Iterator<Item = u16> {
        let kept = fs::read_dir(self.root.join(".throughline/local")).into_iter().flatten().flatten();
        kept.filter_map(|folder| folder.file_name().to_str()?.parse().ok())
    }

    /// Returns the folder of the stacks on the local cloud on a port; it goes with the cloud.
    pub(crate) fn stacks(&self, port: u16) -> PathBuf {
        self.state(port).join(STACKS)
    }

    /// The functions, by their crates' names.
    ///
    /// # Errors
    /// A sentence, if `functions/` cannot be read.
    pub fn functions(&self) -> Result<Vec<String>, String> {
        let folder = self.root.join("functions");
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut names: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("Cargo.toml").is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        Ok(names)
    }
}

/// The address of the local cloud on a port. Only this machine can reach it.
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Gives a program the credentials of a local cloud, which mean nothing, instead of any real ones.
pub fn without_real_credentials(command: &mut Command) -> &mut Command {
    for name in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"] {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ])
}

/// Returns whether anything listens at an address such as `http://127.0.0.1:4566`.
pub fn answers(endpoint: &str) -> bool {
    let address = endpoint.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    let addresses = address.to_socket_addrs().into_iter().flatten();
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok())
}
