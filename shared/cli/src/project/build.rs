//! The build of a project's functions: its packages, and the folder where cargo puts them.

use super::Project;
use std::{env, path::PathBuf, process::Command};

/// Returns cargo, told to build in a project with a profile; which programs is for the caller to add.
///
/// The selection of packages decides which features the dependencies get. This is the workspace's `default-members`, or
/// every package where it names none, even for one function: another selection would build the AWS SDK a second time.
pub(crate) fn cargo_build(project: &Project, profile: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(project.root()).args(["build", "--locked", "--profile", profile]);
    cargo
}

/// Returns the folder of the programs that were built with a profile.
pub(crate) fn built(project: &Project, profile: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.root().join("target"), PathBuf::from);
    target.join(if profile == "dev" { "debug" } else { profile })
}
