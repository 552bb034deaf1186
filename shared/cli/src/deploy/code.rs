//! New code for single functions, past CloudFormation: their configuration stays as it is.

use super::{
    build::{Build, Builder, Code, cargo_lambda},
    error::{DeployError, file},
    record::{OUTPUTS, Record, folder},
};
use crate::{aws_command_line::AwsCommandLine, place::Place, project::Project};
use serde::Serialize;
use serde_json::Value;
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
    /// The local cloud's port.
    pub port: u16,
    /// The stack's name.
    pub stack: &'a str,
}

/// Builds functions, by their names in `functions/`, and gives them the new code; what runs this code already is left
/// alone and not in the answer. The next whole deployment knows of it.
///
/// On AWS, and where cargo-lambda builds, `cargo lambda deploy` does it; else Lambda's `UpdateFunctionCode`.
///
/// ```no_run
/// use throughline_cli::{deploy::{Build, Builder, DeployedStack, update_code}, place::Place, project::Project};
/// let (project, place) = (Project::find()?, Place::Local { endpoint: "http://127.0.0.1:4566".into() });
/// let stack = DeployedStack { project: &project, place: &place, port: 4566, stack: "shop" };
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
    let folder = folder(stack.project, stack.place, stack.port, stack.stack);
    // A local cloud that stops takes its outputs along: what the record says is of another life.
    if !folder.join(OUTPUTS).is_file() {
        let advice = format!(
            "stack `{}` was not deployed from this folder: run `throughline deploy` first",
            stack.stack
        );
        return Err(DeployError::NotSetUp(advice));
    }
    let code = build.run(stack.project, functions)?;
    let mut updated = Vec::new();
    for name in functions {
        let mut record = Record::read(&folder, stack.stack);
        // On AWS somebody else may have given it other code since.
        if stack.place.is_local() && record.functions.get(name) == Some(&code[name].digest) {
            continue;
        }
        updated.push(stack.put(name, &code[name], build.builder)?);
        record.override_code(name, &code[name]);
        record.write(&folder, stack.stack)?;
    }
    Ok(updated)
}

impl DeployedStack<'_> {
    pub(super) fn put(
        &self,
        function: &str,
        code: &Code,
        builder: Builder,
    ) -> Result<UpdatedFunction, DeployError> {
        let deployed_name = format!("{}-{function}", self.stack);
        let answer = match builder {
            Builder::CargoLambda => self.with_cargo_lambda(&deployed_name, &code.zip)?,
            Builder::Cargo => self.with_lambda(&deployed_name, &code.zip)?,
        };
        let code_sha256 = answer["CodeSha256"].as_str().unwrap_or_default().to_owned();
        Ok(UpdatedFunction { function: function.to_owned(), deployed_name, code_sha256 })
    }

    fn aws(&self) -> AwsCommandLine<'_> {
        AwsCommandLine { project: self.project, place: self.place }
    }

    fn with_lambda(&self, name: &str, zip: &Path) -> Result<Value, DeployError> {
        let zip = format!("fileb://{}", zip.display());
        Ok(self.aws().json([
            "lambda",
            "update-function-code",
            "--function-name",
            name,
            "--zip-file",
            &zip,
        ])?)
    }

    fn with_cargo_lambda(&self, name: &str, zip: &Path) -> Result<Value, DeployError> {
        let mut cargo = cargo_lambda(self.project)?;
        cargo.args(["deploy", "--binary-path"]).arg(zip).arg("--manifest-path");
        cargo.arg(self.project.root().join("Cargo.toml"));
        if let Place::Local { endpoint } = self.place {
            crate::project::without_real_credentials(&mut cargo).args(["--endpoint-url", endpoint]);
        }
        let status = cargo.arg(name).stdout(std::io::stderr()).status().map_err(file(zip))?;
        if !status.success() {
            return Err(DeployError::NotBuilt { program: "cargo lambda deploy" });
        }
        Ok(self.aws().json(["lambda", "get-function-configuration", "--function-name", name])?)
    }
}
