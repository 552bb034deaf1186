//! Why nothing was deployed.

use crate::{
    cloud::aws_command_line::CommandLineError, local::error::CloudError, project::template::TemplateError,
    terminal::NotConfirmed,
};
use std::{io, path::Path};

/// Why nothing was deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Something it needs is not there.
    #[error("{0}")]
    NotSetUp(String),
    /// Nothing listens where the cloud should be.
    #[error("no cloud answers at {endpoint}: {advice}")]
    NoCloud {
        /// The endpoint where it should answer.
        endpoint: String,
        /// The action to take.
        advice: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// The problem with it.
        reason: String,
    },
    /// The template's parameters are not all given, or others are.
    #[error("{0}")]
    Parameters(String),
    /// There is no such function.
    #[error("there is no function `{name}` in functions/; there are {known}")]
    NoFunction {
        /// The requested name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The stack has no such function.
    #[error(
        "stack `{stack}` has no function `{logical_id}`: `{name}` is in functions/ and was never deployed; deploy it all, \
         with `throughline deploy`"
    )]
    NotInStack {
        /// The function's name in functions/.
        name: String,
        /// The logical id.
        logical_id: String,
        /// The stack.
        stack: String,
    },
    /// A function has new code and does not run it.
    #[error("function `{function}` was given new code and does not run it: {reason}")]
    NotLive {
        /// Its name on the cloud.
        function: String,
        /// The reason that Lambda gave.
        reason: String,
    },
    /// The functions could not be built.
    #[error("the functions were not built: {program} says why above")]
    NotBuilt {
        /// The program that builds them.
        program: &'static str,
    },
    /// A call to AWS failed.
    #[error(transparent)]
    Aws(#[from] CommandLineError),
    /// The stack is in a state in which nothing can be changed.
    #[error("stack `{stack}` is {status}: {advice}")]
    NotNow {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// The action to take.
        advice: String,
    },
    /// CloudFormation does not take the template.
    #[error("CloudFormation refuses the change: {reason}")]
    Refused {
        /// The reason that it gave.
        reason: String,
    },
    /// Carrying out the change failed.
    #[error("stack `{stack}` is {status}; what failed first:\n{failures}")]
    Failed {
        /// The stack.
        stack: String,
        /// Its status.
        status: String,
        /// The resources, and why.
        failures: String,
    },
    /// Somebody said no.
    #[error(transparent)]
    NotConfirmed(#[from] NotConfirmed),
    /// The state of the providers is unknown.
    #[error(transparent)]
    Providers(#[from] CloudError),
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Nothing can be shown.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
}

pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> DeployError {
    let path = path.display().to_string();
    move |source| DeployError::File { path, source }
}

pub(super) fn malformed(path: &Path, reason: String) -> DeployError {
    DeployError::Malformed { path: path.display().to_string(), reason }
}
