//! The start of LocalStack without Docker: as a Python program, with our plugin (`infra/localstack`) in place of the
//! parts that it would download.

use crate::{
    local::{
        error::{CloudError, system},
        program::BackgroundProgram,
        start::Start,
    },
    project::Project,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The Python module of LocalStack, which its command contains.
pub(super) const MODULE: &str = "localstack.runtime.main";
/// The program of its DynamoDB. `scripts/setup localstack` builds it into the folder of this command.
const DATABASE: &str = "local-dynamodb";

/// The interval at which an event source mapping polls, in seconds. LocalStack's own interval is one second, or ten
/// after an empty poll, and would make an order take half a minute.
const POLL_SECONDS: &str = "0.05";
const POLL_SECONDS_WHEN_EMPTY: &str = "0.3";

/// The DynamoDB beside LocalStack, which starts and stops with it.
#[derive(Debug, Clone)]
pub(super) struct Database {
    program: BackgroundProgram,
    address_file: PathBuf,
}

impl Database {
    pub(super) fn of(project: &Project, port: u16) -> Self {
        let state = project.state(port);
        let program = BackgroundProgram {
            name: DATABASE,
            command_holds: DATABASE,
            pid_file: state.join("dynamodb.pid"),
            log: state.join("dynamodb.log"),
        };
        Self { program, address_file: state.join("dynamodb.address") }
    }

    /// Starts the database, empty, and returns its port.
    fn up(&self) -> Result<String, CloudError> {
        let built = env::current_exe().ok().map(|command| command.with_file_name(DATABASE));
        let Some(built) = built.filter(|built| built.is_file()) else {
            return Err(CloudError::NotSetUp(format!(
                "LocalStack's DynamoDB, `{DATABASE}`, is not built: run `scripts/setup localstack`"
            )));
        };
        self.down()?;
        let mut command = Command::new(built);
        let child = self.program.start(command.arg("--address-file").arg(&self.address_file))?;
        self.program.wait_until(child, || self.address_file.is_file())?;
        let read = system(format!("{} cannot be read", self.address_file.display()));
        let address = fs::read_to_string(&self.address_file).map_err(read)?;
        Ok(address.trim().rsplit(':').next().unwrap_or_default().to_owned())
    }

    /// Stops the database if it runs.
    pub(super) fn down(&self) -> Result<(), CloudError> {
        self.program.stop()?;
        _ = fs::remove_file(&self.address_file);
        Ok(())
    }
}

/// Starts the DynamoDB, and returns the command of the LocalStack that uses it.
pub(super) fn command(start: &Start<'_>, database: &Database) -> Result<Command, CloudError> {
    let python = python(start.project.root())?;
    let database_port = database.up()?;
    let address = format!("127.0.0.1:{}", start.port);
    let mut command = Command::new(python);
    // LocalStack reads a hundred variables, so it inherits none from the user's environment.
    command.args(["-m", MODULE]).env_clear();
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("HOME", start.temporary)
        .env("FILESYSTEM_ROOT", start.temporary)
        .envs([("GATEWAY_LISTEN", address.as_str()), ("LOCALSTACK_HOST", &address)])
        .envs([("DNS_ADDRESS", "0"), ("USE_SSL", "0"), ("SKIP_SSL_CERT_DOWNLOAD", "1")])
        // LocalStack sends no usage events.
        .envs([("DISABLE_EVENTS", "1"), ("LS_LOG", "warning")])
        .env("SQS_ENDPOINT_STRATEGY", "path")
        .envs([("LAMBDA_RUNTIME_EXECUTOR", "process"), ("PROVIDER_OVERRIDE_DYNAMODB", "v2")])
        .env("LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC", POLL_SECONDS)
        .env("LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC", POLL_SECONDS_WHEN_EMPTY)
        // The template contains types that LocalStack does not know; its limits are documented beside the end-to-end
        // tests.
        .env("CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES", "1")
        // The settings of our plugin.
        .env("THROUGHLINE_DYNAMODB_PORT", database_port)
        .env("THROUGHLINE_FUNCTIONS_ENDPOINT", start.functions_endpoint);
    Ok(command)
}

fn python(root: &Path) -> Result<PathBuf, CloudError> {
    let python = root.join(".throughline/localstack/bin/python");
    if python.is_file() {
        return Ok(python);
    }
    Err(CloudError::NotSetUp(format!(
        "LocalStack is not installed at {}: run `scripts/setup localstack`, which needs Python 3.13 and says where it \
         looks for it",
        python.display()
    )))
}
