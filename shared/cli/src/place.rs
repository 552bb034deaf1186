//! Where a stack is: on a local cloud, or on AWS.

use crate::project::{Project, without_real_credentials};
use std::{env, fmt, process::Command};
use throughline_aws::Clients;

/// Where a stack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A cloud on this machine, or one that acts as AWS at an address.
    Local {
        /// Its address.
        endpoint: String,
    },
    /// AWS, as the environment and the profile say.
    Aws,
}

/// Says which cloud it is, for every command to begin with.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { endpoint } => write!(f, "the local cloud at {endpoint}"),
            Self::Aws => {
                let named = |names: [&str; 2]| names.into_iter().find_map(|name| env::var(name).ok());
                let region = named(["AWS_REGION", "AWS_DEFAULT_REGION"]);
                let profile = named(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);
                write!(f, "AWS, region {}", region.as_deref().unwrap_or("of the profile"))?;
                write!(f, ", profile {}", profile.as_deref().unwrap_or("default"))
            }
        }
    }
}

impl Place {
    /// Whether it is a local cloud, where nothing is lost that matters.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// The SDK's clients for it.
    pub async fn clients(&self) -> Clients {
        match self {
            Self::Local { endpoint } => Clients::local(endpoint).await,
            Self::Aws => Clients::new(),
        }
    }

    /// AWS's command line, told where to go. It is the one that `scripts/setup` installed.
    ///
    /// # Errors
    /// A sentence, if it is not installed.
    pub fn aws_command_line(&self, project: &Project) -> Result<Command, String> {
        let mut command = Command::new(project.tool("aws")?);
        self.direct(command.env("AWS_PAGER", ""));
        Ok(command)
    }

    /// Tells a program that speaks to AWS where to go. A local cloud never sees real credentials.
    pub fn direct<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        match self {
            Self::Local { endpoint } => without_real_credentials(program).env("AWS_ENDPOINT_URL", endpoint),
            Self::Aws => {
                // The SDKs read the one variable, this version of the command line the other: both mean one region.
                if let Some(region) = env::var_os("AWS_REGION").filter(|region| !region.is_empty()) {
                    program.env("AWS_DEFAULT_REGION", region);
                }
                program.env_remove("AWS_ENDPOINT_URL")
            }
        }
    }
}
