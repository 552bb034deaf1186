//! LocalStack's image, for machines with a Docker engine: `infra/compose.yaml`, which contains none of our programs.
//!
//! It could not be run where Throughline is developed. The shop's providers listen only on this machine, where a
//! container does not reach them: deliveries of orders wait for them.

use crate::local::{
    error::{CloudError, system},
    start::Start,
};
use std::process::{Command, Stdio};

/// Returns whether a Docker engine answers.
pub(super) fn answers() -> bool {
    let asked = Command::new("docker")
        .args(["info", "--format", "{{.ServerVersion}}"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

pub(super) fn up(start: &Start<'_>) -> Result<(), CloudError> {
    compose(start, &["up", "--detach", "--wait"])
}

pub(super) fn down(start: &Start<'_>) -> Result<(), CloudError> {
    compose(start, &["down", "--volumes"])
}

fn compose(start: &Start<'_>, what: &[&str]) -> Result<(), CloudError> {
    let status = Command::new("docker")
        .args(["compose", "--project-name", &format!("throughline-{}", start.port), "--file"])
        .arg(start.project.root().join("infra/compose.yaml"))
        .args(what)
        .env("THROUGHLINE_PORT", start.port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(system("`docker` cannot be run"))?;
    if status.success() { Ok(()) } else { Err(CloudError::Docker { what: what.join(" ") }) }
}
