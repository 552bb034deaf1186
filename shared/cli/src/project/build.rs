//! The build of a project's functions: its packages, and the folder where cargo puts them.

use super::Project;
use std::{env, path::PathBuf, process::Command};

/// The packages that no function needs; some give the AWS SDK features that would have it built twice.
const NO_FUNCTIONS: [&str; 3] = ["throughline-testing", "throughline-laboratory", "throughline-providers"];

/// Returns cargo, told to build in a project with a profile; which programs is for the caller to add.
///
/// The selection decides which features the dependencies get. This is the one that `scripts/setup` builds the command
/// with, even for one function: another would build the AWS SDK a second time.
pub(crate) fn cargo_build(project: &Project, profile: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(project.root()).args(["build", "--locked", "--profile", profile, "--workspace"]);
    cargo.args(NO_FUNCTIONS.iter().flat_map(|package| ["--exclude", package]));
    cargo
}

/// Returns the folder of the programs that were built with a profile.
pub(crate) fn built(project: &Project, profile: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.root().join("target"), PathBuf::from);
    target.join(if profile == "dev" { "debug" } else { profile })
}
