//! The stack and the cloud that a command uses.

use crate::{
    cloud::{place::Place, stack::Stack},
    local::cloud::LocalCloud,
    project::{DEFAULT_PORT, Project, endpoint},
    terminal::Terminal,
};
use clap::Args;
use std::{env, error::Error, path::PathBuf};

/// The name of the stack that commands use by default.
pub(crate) const DEFAULT_STACK: &str = "shop";

/// The local cloud that a command uses.
#[derive(Debug, Clone, Args)]
pub struct Cloud {
    /// The local cloud's port
    #[arg(long, env = "THROUGHLINE_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,
}

impl Cloud {
    /// Returns the local cloud of the project around the current folder.
    ///
    /// # Errors
    /// If the current folder is not in a project.
    pub fn open(&self) -> Result<LocalCloud, Box<dyn Error>> {
        Ok(LocalCloud::new(Project::find()?, self.port))
    }
}

/// The address of a cloud that `throughline up` need not have started.
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
    /// Returns the place of the cloud.
    pub fn place(&self, cloud: &Cloud) -> Place {
        if self.aws {
            return Place::Aws;
        }
        Place::Local { endpoint: self.endpoint.clone().unwrap_or_else(|| endpoint(cloud.port)) }
    }
}

/// The stack that a command uses, and its place.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The local cloud.
    #[command(flatten)]
    pub cloud: Cloud,
    /// Another place than the local cloud on --port.
    #[command(flatten)]
    pub endpoint: Endpoint,
    /// The stack's name
    #[arg(long, env = "THROUGHLINE_STACK", default_value = DEFAULT_STACK, value_parser = stack_name)]
    pub stack: String,
    /// The outputs of the stack; by default those that `throughline deploy` wrote for it, or what CloudFormation tells
    #[arg(long, env = "THROUGHLINE_OUTPUTS", value_name = "FILE")]
    pub outputs: Option<PathBuf>,
}

impl Target {
    /// Returns the place of the stack.
    pub fn place(&self) -> Place {
        self.endpoint.place(&self.cloud)
    }

    /// Returns the port of the stack's local cloud: the port of its address if that is on this machine, or else that of
    /// --port.
    pub fn port(&self) -> u16 {
        self.place().port().unwrap_or(self.cloud.port)
    }

    /// Returns the options with which another command means the same stack, each after a space. The text is empty if
    /// the defaults suffice.
    pub fn said_again(&self) -> String {
        self.differing_from(|name| env::var(name).ok())
    }

    fn differing_from(&self, environment: impl Fn(&str) -> Option<String>) -> String {
        let is_so_by_itself = |variable: &str, otherwise: &str, value: &str| {
            environment(variable).as_deref().unwrap_or(otherwise) == value
        };
        let mut said = String::new();
        match &self.endpoint {
            Endpoint { aws: true, .. } => said += " --aws",
            Endpoint { endpoint: Some(url), .. } => {
                if !is_so_by_itself("AWS_ENDPOINT_URL", "", url) {
                    said.extend([" --endpoint ", url]);
                }
            }
            Endpoint { .. } => {
                let port = self.cloud.port.to_string();
                if !is_so_by_itself("THROUGHLINE_PORT", &DEFAULT_PORT.to_string(), &port) {
                    said.extend([" --port ", &port]);
                }
            }
        }
        if !is_so_by_itself("THROUGHLINE_STACK", DEFAULT_STACK, &self.stack) {
            said.extend([" --stack ", &self.stack]);
        }
        said
    }

    /// Opens the stack, and prints its name and place.
    ///
    /// # Errors
    /// If the stack does not exist, or its cloud does not answer.
    pub async fn open(&self, terminal: &Terminal) -> Result<Stack, Box<dyn Error>> {
        let place = self.place();
        terminal.note(format_args!("stack `{}` on {place}", self.stack));
        if let Some(outputs) = &self.outputs {
            return Ok(Stack::of_file(outputs, place).await?.must_be(&self.stack, outputs)?);
        }
        let project = Project::find()?;
        let outputs = project.outputs(&place, &self.stack);
        // On AWS, CloudFormation itself is asked, because another machine may have deployed since.
        if place.is_local() && outputs.is_file() {
            return Ok(Stack::of_file(&outputs, place).await?.must_be(&self.stack, &outputs)?);
        }
        Ok(Stack::of_cloud(&project, place, &self.stack).await?)
    }
}

/// Returns the text if CloudFormation permits it as the name of a stack.
///
/// # Errors
/// A sentence with the rules of names, if CloudFormation does not permit it.
pub(crate) fn stack_name(text: &str) -> Result<String, String> {
    let is_permitted = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let begins_well = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if begins_well && text.chars().all(is_permitted) && text.len() <= 128 {
        return Ok(text.to_owned());
    }
    Err("a stack's name begins with a letter and holds letters, digits and hyphens, at most 128".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_s_name_is_one_that_cloudformation_takes() {
        for name in ["shop", "Shop-2", &"a".repeat(128)] {
            assert_eq!(stack_name(name).as_deref(), Ok(name));
        }
        for name in ["", "2nd", "-shop", "shop_dev", "../shop", "shop/dev", "shöp", &"a".repeat(129)] {
            stack_name(name).unwrap_err();
        }
    }

    #[test]
    fn another_command_is_told_what_differs_from_how_it_would_be_by_itself() {
        let target = |stack: &str, port: u16, endpoint: Option<&str>, aws: bool| Target {
            cloud: Cloud { port },
            endpoint: Endpoint { endpoint: endpoint.map(ToOwned::to_owned), aws },
            stack: stack.to_owned(),
            outputs: None,
        };
        let said = |target: Target| target.differing_from(|_| None);
        assert_eq!(said(target("shop", DEFAULT_PORT, None, false)), "");
        assert_eq!(said(target("shop-dev", 4567, None, false)), " --port 4567 --stack shop-dev");
        assert_eq!(said(target("shop", 4567, Some("http://c:1"), false)), " --endpoint http://c:1");
        assert_eq!(said(target("shop", 4567, None, true)), " --aws");
        let port = |name: &str| (name == "THROUGHLINE_PORT").then(|| "4567".to_owned());
        assert_eq!(target("shop", 4567, None, false).differing_from(port), "");
        assert_eq!(target("shop", DEFAULT_PORT, None, false).differing_from(port), " --port 4566");
    }
}
