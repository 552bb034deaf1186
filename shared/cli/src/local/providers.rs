//! The stand-in on this machine for the external services that functions call: the program `shop-providers`.

use crate::{
    local::{
        error::{CloudError, system},
        program::BackgroundProgram,
    },
    project::Project,
};
use std::{env, fs, path::PathBuf, process::Command};

/// The name of the program. It is built like the functions, into the folder of this command.
const PROGRAM: &str = "shop-providers";
/// The duration of a slow answer, in milliseconds: longer than any step waits for a provider.
const SLOW_MILLISECONDS: &str = "8000";
/// The template's parameters for its address.
const PARAMETERS: [&str; 2] = ["PaymentUrl", "ShippingUrl"];

/// The stand-in beside the local cloud on one port, which starts and stops with that cloud.
#[derive(Debug, Clone)]
pub struct Providers {
    program: BackgroundProgram,
    address_file: PathBuf,
}

impl Providers {
    /// Returns the stand-in beside a project's local cloud on a port, without starting it.
    pub fn of(project: &Project, port: u16) -> Self {
        let state = project.state(port);
        let program = BackgroundProgram {
            name: PROGRAM,
            command_holds: PROGRAM,
            pid_file: state.join("providers.pid"),
            log: state.join("providers.log"),
        };
        Self { program, address_file: state.join("providers.address") }
    }

    /// Starts the stand-in on a free port unless it already runs. Does nothing if the program was not built.
    ///
    /// # Errors
    /// [`CloudError`].
    pub(crate) fn up(&self) -> Result<(), CloudError> {
        if self.program.pid()?.is_some() {
            return Ok(());
        }
        let built = env::current_exe().ok().map(|command| command.with_file_name(PROGRAM));
        let Some(built) = built.filter(|built| built.is_file()) else { return Ok(()) };
        if fs::exists(&self.address_file).unwrap_or(false) {
            eprintln!(
                "The providers had stopped and get another address: deploy again, with `throughline deploy`."
            );
        }
        self.forget();
        let mut command = Command::new(built);
        command.args(["--port", "0", "--slow-milliseconds", SLOW_MILLISECONDS, "--address-file"]);
        let child = self.program.start(command.arg(&self.address_file))?;
        self.program.wait_until(child, || self.address_file.is_file())
    }

    /// Stops the stand-in if it runs.
    ///
    /// # Errors
    /// [`CloudError`].
    pub(crate) fn down(&self) -> Result<(), CloudError> {
        self.program.stop()?;
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        _ = fs::remove_file(&self.address_file);
    }

    /// Returns the stand-in's address if it runs.
    ///
    /// # Errors
    /// If that cannot be determined.
    pub fn address(&self) -> Result<Option<String>, CloudError> {
        if self.program.pid()?.is_none() {
            return Ok(None);
        }
        let read = fs::read_to_string(&self.address_file);
        read.map(|address| Some(address.trim().to_owned()))
            .map_err(system(format!("{} cannot be read", self.address_file.display())))
    }

    /// Returns the template's parameters with the stand-in's address, or none if it does not run.
    ///
    /// # Errors
    /// If it cannot be determined whether it runs.
    pub fn parameters(&self) -> Result<Vec<(&'static str, String)>, CloudError> {
        let address = self.address()?;
        Ok(address.iter().flat_map(|address| PARAMETERS.map(|name| (name, address.clone()))).collect())
    }
}
