//! Which stack a command is about, and on which cloud.

use crate::{
    local_cloud::LocalCloud,
    place::Place,
    project::{DEFAULT_PORT, Project, endpoint},
    stack::Stack,
    terminal::Terminal,
};
use clap::Args;
use std::{error::Error, path::PathBuf};

/// Which local cloud is meant.
#[derive(Debug, Clone, Args)]
pub struct Cloud {
    /// The local cloud's port
    #[arg(long, env = "THROUGHLINE_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
}

impl Cloud {
    /// The local cloud of the project around the present folder.
    ///
    /// # Errors
    /// If this is no project.
    pub fn open(&self) -> Result<LocalCloud, Box<dyn Error>> {
        Ok(LocalCloud::new(Project::find()?, self.port))
    }
}

/// Where a cloud is that need not have been started by `throughline up`.
#[derive(Debug, Clone, Args)]
pub struct Endpoint {
    /// The cloud's address; by default that of the local cloud on --port
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL", conflicts_with = "aws")]
    endpoint: Option<String>,
    /// Talk to AWS itself, with the environment's profile and region
    #[arg(long)]
    aws: bool,
}

impl Endpoint {
    /// Where that is.
    pub fn place(&self, cloud: &Cloud) -> Place {
        if self.aws {
            return Place::Aws;
        }
        Place::Local { endpoint: self.endpoint.clone().unwrap_or_else(|| endpoint(cloud.port)) }
    }
}

/// Which stack is meant, and where it is.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The local cloud.
    #[command(flatten)]
    pub cloud: Cloud,
    /// Another place.
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// The stack's name
    #[arg(long, env = "THROUGHLINE_STACK", default_value = "shop")]
    pub stack: String,
    /// The outputs of the stack; by default where `throughline deploy` wrote them, or as AWS tells them
    #[arg(long, env = "THROUGHLINE_OUTPUTS", value_name = "FILE")]
    pub outputs: Option<PathBuf>,
}

impl Target {
    /// Where the stack is.
    pub fn place(&self) -> Place {
        self.endpoint.place(&self.cloud)
    }

    /// Finds the stack, and says which one it is, and where.
    ///
    /// # Errors
    /// If there is none, or its cloud does not answer.
    pub async fn open(&self, terminal: &Terminal) -> Result<Stack, Box<dyn Error>> {
        let place = self.place();
        terminal.note(format_args!("stack `{}` on {place}", self.stack));
        Ok(match (&self.outputs, &place) {
            (Some(outputs), _) => Stack::of_file(outputs, place).await?,
            (None, Place::Local { .. }) => {
                Stack::of_file(&Project::find()?.outputs(self.cloud.port), place).await?
            }
            (None, Place::Aws) => Stack::of_aws(&Project::find()?, &self.stack).await?,
        })
    }
}
