//! New code for single functions, past CloudFormation: their configuration stays as it is.

use super::{
    build::{Build, Builder, Code, cargo_lambda},
    error::{DeployError, file},
    live::wait_until_live,
    record::Record,
};
use crate::{
    cloud::{
        aws_command_line::AwsCommandLine,
        place::Place,
        stack::{self, Resources, camel_case},
    },
    project::Project,
};
use serde::Serialize;
use std::{fmt, path::Path};

/// A function that has new code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UpdatedFunction {
    /// Its name in `functions/`.
    pub function: String,
    /// Its name on the cloud.
    pub deployed_name: String,
    /// The SHA-256 of its code in base64, as Lambda says it.
    pub code_sha256: String,
}

impl fmt::Display for UpdatedFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} runs code {}", self.function, self.deployed_name, self.code_sha256)
    }
}

/// A deployed stack whose functions may be given new code.
#[derive(Debug, Clone, Copy)]
pub struct DeployedStack<'a> {
    /// The project.
    pub project: &'a Project,
    /// The cloud.
    pub place: &'a Place,
    /// The stack's name.
    pub stack: &'a str,
}

/// Builds functions, by their names in `functions/`, and gives them the new code; what runs this code already is left
/// alone and not in the answer. Who is in the answer runs the new code. The next whole deployment knows of it.
///
/// On AWS, and where cargo-lambda builds, `cargo lambda deploy` does it; else Lambda's `UpdateFunctionCode`.
///
/// ```no_run
/// use throughline_cli::cloud::place::Place;
/// use throughline_cli::commands::deploy::{Build, Builder, DeployedStack, update_code};
/// use throughline_cli::project::Project;
/// let (project, place) = (Project::find()?, Place::Local { endpoint: "http://127.0.0.1:4566".into() });
/// let stack = DeployedStack { project: &project, place: &place, stack: "shop" };
/// let build = Build { builder: Builder::Cargo, profile: "local".into() };
/// update_code(stack, &build, &["place-order".into()])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`DeployError`]. Functions before the one that failed have their new code.
pub fn update_code(
    stack: DeployedStack<'_>,
    build: &Build,
    functions: &[String],
) -> Result<Vec<UpdatedFunction>, DeployError> {
    let known = stack.project.functions().map_err(DeployError::NotSetUp)?;
    if let Some(name) = functions.iter().find(|name| !known.contains(name)) {
        return Err(DeployError::NoFunction { name: name.clone(), known: known.join(", ") });
    }
    let deployed = stack.functions()?;
    // Before minutes of building.
    for name in functions {
        deployed.name(name)?;
    }
    let code = build.run(stack.project, functions)?;
    let folder = stack.project.stack(stack.place, stack.stack);
    let mut given = Vec::new();
    for name in functions {
        let mut record = Record::read(&folder, stack.stack);
        // On AWS somebody else may have given it other code since.
        if stack.place.is_local() && record.functions.get(name) == Some(&code[name].digest) {
            continue;
        }
        let new = deployed.give(name, &code[name], build.builder)?;
        record.override_code(name);
        record.write(&folder, stack.stack)?;
        given.push((name, new));
    }
    let mut updated = Vec::new();
    for (name, given) in given {
        updated.push(deployed.wait(given)?);
        let mut record = Record::read(&folder, stack.stack);
        record.confirm_code(name, &code[name]);
        record.write(&folder, stack.stack)?;
    }
    Ok(updated)
}

impl<'a> DeployedStack<'a> {
    /// The functions that it has.
    pub(super) fn functions(self) -> Result<DeployedFunctions<'a>, DeployError> {
        let aws = AwsCommandLine { project: self.project, place: self.place };
        let resources = stack::resources(aws, self.stack)?.ok_or_else(|| {
            let advice = stack::advice_of(aws, self.stack);
            DeployError::NotSetUp(format!("stack `{}` is not on {}; {advice}", self.stack, self.place))
        })?;
        Ok(DeployedFunctions { stack: self, aws, resources })
    }
}

/// The functions of a deployed stack, by what CloudFormation says they are called.
#[derive(Debug)]
pub(super) struct DeployedFunctions<'a> {
    stack: DeployedStack<'a>,
    aws: AwsCommandLine<'a>,
    resources: Resources,
}

/// New code that a function was given, and may not run yet.
#[derive(Debug)]
pub(super) struct GivenCode {
    function: String,
    deployed_name: String,
    /// The SHA-256 that Lambda gave for the code, if the upload returned one.
    code_sha256: Option<String>,
}

impl DeployedFunctions<'_> {
    /// The name on the cloud of a function of functions/.
    fn name(&self, function: &str) -> Result<&str, DeployError> {
        let logical_id = camel_case(function) + "Function";
        match self.resources.get(&logical_id) {
            Some(resource) => Ok(&resource.id),
            None => Err(DeployError::NotInStack {
                name: function.to_owned(),
                logical_id,
                stack: self.stack.stack.to_owned(),
            }),
        }
    }

    /// Returns whether the stack has a function of functions/.
    pub(super) fn has(&self, function: &str) -> bool {
        self.name(function).is_ok()
    }

    /// Gives a function new code.
    fn give(&self, function: &str, code: &Code, builder: Builder) -> Result<GivenCode, DeployError> {
        let deployed_name = self.name(function)?.to_owned();
        let code_sha256 = match builder {
            Builder::CargoLambda => {
                self.with_cargo_lambda(&deployed_name, &code.zip)?;
                None
            }
            Builder::Cargo => self.with_lambda(&deployed_name, &code.zip)?,
        };
        Ok(GivenCode { function: function.to_owned(), deployed_name, code_sha256 })
    }

    /// Waits until a function runs what it was given.
    fn wait(&self, given: GivenCode) -> Result<UpdatedFunction, DeployError> {
        let GivenCode { function, deployed_name, code_sha256 } = given;
        let code_sha256 = wait_until_live(self.aws, &deployed_name, code_sha256.as_deref())?;
        Ok(UpdatedFunction { function, deployed_name, code_sha256 })
    }

    /// Gives a function new code, and waits until it runs it.
    pub(super) fn put(
        &self,
        function: &str,
        code: &Code,
        builder: Builder,
    ) -> Result<UpdatedFunction, DeployError> {
        self.wait(self.give(function, code, builder)?)
    }

    fn with_lambda(&self, name: &str, zip: &Path) -> Result<Option<String>, DeployError> {
        let zip = format!("fileb://{}", zip.display());
        let call = ["lambda", "update-function-code", "--function-name", name, "--zip-file", &zip];
        let answer = match self.aws.json(call) {
            // It is being made or changed: that comes to its end first.
            Err(error) if error.reason.contains("ResourceConflictException") => {
                wait_until_live(self.aws, name, None)?;
                self.aws.json(call)?
            }
            answer => answer?,
        };
        Ok(answer["CodeSha256"].as_str().map(ToOwned::to_owned))
    }

    fn with_cargo_lambda(&self, name: &str, zip: &Path) -> Result<(), DeployError> {
        let DeployedStack { project, place, .. } = self.stack;
        let mut cargo = cargo_lambda(project)?;
        cargo.args(["deploy", "--binary-path"]).arg(zip).arg("--manifest-path");
        cargo.arg(project.root().join("Cargo.toml"));
        if let Place::Local { endpoint } = place {
            crate::project::without_real_credentials(&mut cargo).args(["--endpoint-url", endpoint]);
        }
        let status = cargo.arg(name).stdout(std::io::stderr()).status().map_err(file(zip))?;
        if status.success() { Ok(()) } else { Err(DeployError::NotBuilt { program: "cargo lambda deploy" }) }
    }
}
