//! The start of ministack.

use crate::{
    local::{
        error::{CloudError, system},
        start::Start,
    },
    project::without_real_credentials,
};
use std::{fs, process::Command};

pub(super) fn command(start: &Start<'_>) -> Result<Command, CloudError> {
    let program = start.project.tool("ministack").map_err(CloudError::NotSetUp)?;
    fs::create_dir_all(start.temporary)
        .map_err(system(format!("{} cannot be made", start.temporary.display())))?;
    let mut command = Command::new(program);
    without_real_credentials(&mut command)
        .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &start.port.to_string())])
        // Functions inherit the cloud's environment, in which they find its address.
        .env("AWS_ENDPOINT_URL", start.functions_endpoint)
        // ministack unpacks the functions into this folder; `down` removes it.
        .env("TMPDIR", start.temporary)
        // These servers are not needed.
        .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
    Ok(command)
}
