//! `throughline describe`: who emits and consumes what, from the code and from the template, and where they differ.

mod compare;
mod report;
#[cfg(test)]
mod tests;

pub use compare::{Finding, Findings, Sides, compare};
pub use report::Report;

use crate::{
    project::{
        Project,
        build::{built, cargo_build},
        catalogue::{Catalogue, CatalogueError},
        template::{Template, TemplateError},
        wiring::Wiring,
    },
    terminal::Terminal,
};
use clap::Args;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs, io,
    path::PathBuf,
    process::{Command, Stdio},
};
use throughline_core::describe::{DESCRIBE, FunctionDescription, TypeDescription};

const EXAMPLES: &str = "Examples:
  throughline describe
  throughline describe --no-build --json";

/// Shows who emits and consumes what, and fails where code and template differ.
///
/// Every function is built and says of itself what its handlers take and emit. infra/template.yaml says which rules,
/// queues and state machines feed it. No cloud is needed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The cargo profile the functions are built with
    #[arg(long, default_value = "local")]
    pub profile: String,
    /// Ask the functions that were built last, without building them anew
    #[arg(long)]
    pub no_build: bool,
}

/// Why a project cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// Something of the project cannot be read.
    #[error("{0}")]
    Project(String),
    /// The functions cannot be built.
    #[error("the functions cannot be built: cargo says why above")]
    NotBuilt,
    /// A program cannot be run.
    #[error("{path}: {source}; without --no-build it is built")]
    NotRun {
        /// The program.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A function says nothing of itself.
    #[error(
        "{path} does not say what it takes ({reason}): does its main call throughline::run, and is it built with this \
         version of Throughline?"
    )]
    NotDescribed {
        /// The function.
        path: String,
        /// The answer that came instead.
        reason: String,
    },
    /// The catalogue cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Code and template differ.
    #[error("{} between the code and infra/template.yaml", if *.0 == 1 { "1 difference".into() } else { format!("{} differences", .0) })]
    Different(usize),
}

/// The functions' descriptions, by their crates' names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// The functions.
    pub functions: BTreeMap<String, FunctionDescription>,
}

impl Described {
    /// Everything that emits: a handler or saga, and its events.
    pub fn emitters(&self) -> impl Iterator<Item = (&str, &[TypeDescription])> {
        self.functions.values().flat_map(|function| {
            let handlers =
                function.handlers.iter().map(|handler| (handler.name.as_str(), handler.emits.as_slice()));
            handlers.chain(function.sagas.iter().map(|saga| (saga.name.as_str(), saga.emits.as_slice())))
        })
    }
}

/// Runs the command.
///
/// # Errors
/// If a side cannot be read, or code and template differ.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let packages = project.functions().map_err(DescribeError::Project)?;
    let catalogue = Catalogue::of(&project)?;
    let template = Wiring::of(&Template::of(&project)?);
    let locked = locked_lines(&project)?;
    if !arguments.no_build {
        build(&project, &arguments.profile)?;
    }
    let code = ask_all(&project, &arguments.profile, &packages)?;
    let report =
        Report::of(Sides { code: &code, template: &template, catalogue: &catalogue, locked: &locked });
    terminal.show(&report)?;
    match report.differences.len() {
        0 => Ok(()),
        count => Err(DescribeError::Different(count).into()),
    }
}

fn locked_lines(project: &Project) -> Result<BTreeSet<String>, DescribeError> {
    let path = project.root().join("functions/handlers.lock");
    let text = fs::read_to_string(&path)
        .map_err(|error| DescribeError::Project(format!("{}: {error}", path.display())))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(ToOwned::to_owned).collect())
}

/// Builds the functions as they are deployed, so that nothing is built twice.
fn build(project: &Project, profile: &str) -> Result<(), DescribeError> {
    let mut cargo = cargo_build(project, profile);
    cargo.arg("--bins");
    let status =
        cargo.status().map_err(|source| DescribeError::NotRun { path: "cargo".to_owned(), source })?;
    if status.success() { Ok(()) } else { Err(DescribeError::NotBuilt) }
}

fn ask_all(project: &Project, profile: &str, packages: &[String]) -> Result<Described, DescribeError> {
    let folder = built(project, profile);
    let asked = packages.iter().map(|package| Ok((package.clone(), ask(&folder.join(package))?)));
    Ok(Described { functions: asked.collect::<Result<_, DescribeError>>()? })
}

fn ask(program: &PathBuf) -> Result<FunctionDescription, DescribeError> {
    let path = || program.display().to_string();
    let output = Command::new(program)
        .env(DESCRIBE, "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| DescribeError::NotRun { path: path(), source })?;
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().map_or_else(|| error.to_string(), ToOwned::to_owned);
        DescribeError::NotDescribed { path: path(), reason: last }
    })
}
