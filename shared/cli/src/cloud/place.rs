//! Where a stack is: on a local cloud, or on AWS.

use crate::project::{OUTPUTS, Project, STACKS, without_real_credentials};
use std::{env, fmt, path::PathBuf, process::Command};
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

/// What a project keeps of the stacks at a place.
impl Project {
    /// What is kept of a stack.
    pub(crate) fn stack(&self, place: &Place, stack: &str) -> PathBuf {
        match place.folder_name() {
            Some(cloud) => self.root().join(".throughline/local").join(cloud).join(STACKS).join(stack),
            None => self.root().join(".throughline/aws").join(stack),
        }
    }

    /// Where `throughline deploy` writes the outputs of a stack.
    pub fn outputs(&self, place: &Place, stack: &str) -> PathBuf {
        self.stack(place, stack).join(OUTPUTS)
    }
}

impl Place {
    /// Whether it is a local cloud, where nothing is lost that matters.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// The port of a cloud on this machine.
    pub fn port(&self) -> Option<u16> {
        let Self::Local { endpoint } = self else { return None };
        let (host, port) = authority(endpoint).rsplit_once(':')?;
        ["127.0.0.1", "localhost", "[::1]"].contains(&host).then(|| port.parse().ok())?
    }

    /// A name for it that a folder can have: for a cloud on this machine its port, else its address.
    fn folder_name(&self) -> Option<String> {
        let Self::Local { endpoint } = self else { return None };
        let permitted = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
        let written = |letter| if permitted(letter) { letter } else { '_' };
        // With something before it, no address is the name of a folder above.
        let address = || format!("at-{}", authority(endpoint).chars().map(written).collect::<String>());
        Some(self.port().map_or_else(address, |port| port.to_string()))
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

/// The host and the port of an address such as `http://127.0.0.1:4566`.
fn authority(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(endpoint: &str) -> Place {
        Place::Local { endpoint: endpoint.into() }
    }

    #[test]
    fn a_cloud_on_this_machine_is_known_by_its_port_however_its_address_is_written() {
        for address in ["http://127.0.0.1:4567", "http://localhost:4567/", "https://[::1]:4567/x"] {
            assert_eq!(local(address).port(), Some(4567), "{address}");
            assert_eq!(local(address).folder_name().as_deref(), Some("4567"), "{address}");
        }
        assert_eq!(Place::Aws.port(), None);
    }

    #[test]
    fn another_machine_s_cloud_keeps_nothing_where_this_one_s_does() {
        for (address, folder) in [
            ("http://cloud.example:4566", "at-cloud.example_4566"),
            ("http://../..", "at-.."),
            ("http://a b/", "at-a_b"),
        ] {
            assert_eq!(local(address).port(), None, "{address}");
            assert_eq!(local(address).folder_name().as_deref(), Some(folder), "{address}");
        }
    }
}
