//! The place of a stack: a local cloud, or AWS.

use crate::project::{OUTPUTS, Project, STACKS, without_real_credentials};
use std::{env, fmt, path::PathBuf, process::Command};
use throughline_aws::Clients;

/// The place of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A cloud on this machine, or one that acts as AWS at an address.
    Local {
        /// The cloud's address.
        endpoint: String,
    },
    /// AWS, with the region and the profile of the environment.
    Aws,
}

/// Names the cloud in the words that every command prints first.
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

/// The files that a project keeps of the stacks at a place.
impl Project {
    /// Returns the folder for the files of a stack.
    pub(crate) fn stack(&self, place: &Place, stack: &str) -> PathBuf {
        match place.folder_name() {
            Some(cloud) => self.root().join(".throughline/local").join(cloud).join(STACKS).join(stack),
            None => self.root().join(".throughline/aws").join(stack),
        }
    }

    /// Returns the file into which `throughline deploy` writes the outputs of a stack.
    pub fn outputs(&self, place: &Place, stack: &str) -> PathBuf {
        self.stack(place, stack).join(OUTPUTS)
    }
}

impl Place {
    /// Returns whether it is a local cloud, which holds no data of value.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// Returns the port of a cloud on this machine, or `None` for any other place.
    pub fn port(&self) -> Option<u16> {
        let Self::Local { endpoint } = self else { return None };
        let (host, port) = authority(endpoint).rsplit_once(':')?;
        ["127.0.0.1", "localhost", "[::1]"].contains(&host).then(|| port.parse().ok())?
    }

    /// Returns the place's folder name: the port of a cloud on this machine, or else its address. `None` for AWS.
    fn folder_name(&self) -> Option<String> {
        let Self::Local { endpoint } = self else { return None };
        let permitted = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
        let written = |letter| if permitted(letter) { letter } else { '_' };
        // The prefix prevents an address such as `..` from being the name of a folder above.
        let address = || format!("at-{}", authority(endpoint).chars().map(written).collect::<String>());
        Some(self.port().map_or_else(address, |port| port.to_string()))
    }

    /// Returns the SDK's clients for this place.
    pub async fn clients(&self) -> Clients {
        match self {
            Self::Local { endpoint } => Clients::local(endpoint).await,
            Self::Aws => Clients::new(),
        }
    }

    /// Returns AWS's command line, directed at this place. It is the one that `scripts/setup` installed.
    ///
    /// # Errors
    /// A sentence, if it is not installed.
    pub fn aws_command_line(&self, project: &Project) -> Result<Command, String> {
        let mut command = Command::new(project.tool("aws")?);
        self.direct(command.env("AWS_PAGER", ""));
        Ok(command)
    }

    /// Directs a program that uses AWS at this place. A local cloud never gets real credentials.
    pub fn direct<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        match self {
            Self::Local { endpoint } => without_real_credentials(program).env("AWS_ENDPOINT_URL", endpoint),
            Self::Aws => {
                // The SDKs read `AWS_REGION`, and this version of the command line reads `AWS_DEFAULT_REGION`: both get
                // one region.
                if let Some(region) = env::var_os("AWS_REGION").filter(|region| !region.is_empty()) {
                    program.env("AWS_DEFAULT_REGION", region);
                }
                program.env_remove("AWS_ENDPOINT_URL")
            }
        }
    }
}

/// Returns the host and the port of an address such as `http://127.0.0.1:4566`.
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
