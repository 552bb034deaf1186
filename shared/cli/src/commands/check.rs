//! `throughline check`: whether the template, or what is deployed of it, holds together.
//!
//! The rules are in `infra/checks`, in Python, because SAM's transform is.

use crate::{
    cloud::target::Target,
    project::Project,
    terminal::{Table, Terminal},
};
use clap::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    error::Error,
    fmt, io,
    path::Path,
    process::{Command, Stdio},
};

const EXAMPLES: &str = "Examples:
  throughline check                # the template, as it would be deployed to AWS and to the local cloud
  throughline check --deployed     # the stack: the same rules on the figures that the cloud tells
  throughline check --rights       # what each role allows, and the code that needs it";

/// Checks what must hold between the template's resources.
///
/// Among the rules: a queue hides a message for six times the function's time-out, mappings report single failures, what
/// feeds a function has a dead-letter queue, a claim outlives every way for a message to come again, whatever an alarm or
/// a widget is on is emitted and the other way round, an alarm says what to do, a role allows one call on one resource
/// and infra/rights.json says why. Exits with 1 if any is broken.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Check the deployed stack instead: what its queues, functions, mappings, archive and alarms really are
    #[arg(long)]
    pub deployed: bool,
    /// List each right of each role, why it is there, and the code that needs it
    #[arg(long, conflicts_with = "deployed")]
    pub rights: bool,
    /// The stack, with --deployed.
    #[command(flatten)]
    pub target: Target,
}

/// Why nothing could be said, or nothing good.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The tools are missing.
    #[error(
        "what checks the template is not installed at {path}: run `scripts/setup checks` (about a minute)"
    )]
    NotSetUp {
        /// The path where it should be.
        path: String,
    },
    /// Python could not be started.
    #[error("{path} cannot be run: {source}")]
    NotRun {
        /// The program.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// The checks themselves failed.
    #[error("the checks could not be made:\n{0}")]
    Failed(String),
    /// Something is wrong. What, was shown.
    #[error("{0} of the template's rules are broken: see above what to do")]
    Broken(usize),
}

/// The findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The number of resources that were looked at.
    pub resources: usize,
    /// The number of rules that they were checked by.
    pub rules: usize,
    /// Each thing that is wrong.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The rule that is broken.
    pub rule: String,
    /// The resource, by its name in the template.
    pub resource: String,
    /// The problem.
    pub problem: String,
    /// The action to take.
    pub action: String,
    /// The clouds where it is wrong: AWS or the local cloud. Empty means wherever it is deployed.
    #[serde(rename = "where")]
    pub places: Vec<String>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.problems.is_empty() {
            return write!(f, "{} resources keep {} rules.", self.resources, self.rules);
        }
        let mut table = Table::new(["resource", "problem", "what to do", "rule"]);
        for Problem { rule, resource, problem, action, places } in &self.problems {
            let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
            table.row([resource, &format!("{problem}{places}"), action, rule]);
        }
        write!(f, "{table}")
    }
}

/// The rights of the roles, and their reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(Vec<Right>);

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Right {
    /// The function, or the role of what is none.
    pub function: String,
    /// The action that it may do.
    pub action: String,
    /// With what, as the template names it.
    pub resource: String,
    /// The reason for it.
    pub why: String,
    /// The function of the code that makes the call. Empty where AWS makes it.
    pub code: String,
    /// The place where the call was seen, or the component that makes it unseen.
    pub proof: String,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["function", "action", "on", "code", "why", "proof"]);
        for Right { function, action, resource, why, code, proof } in &self.0 {
            table.row([function, action, &short(resource), code, why, proof]);
        }
        write!(f, "{table}")
    }
}

/// An ARN without what is the same for every resource of the stack.
fn short(resource: &str) -> String {
    resource.replace("arn:${AWS::Partition}:", "").replace("${AWS::Region}:${AWS::AccountId}:", "")
}

/// Runs the command.
///
/// # Errors
/// [`CheckError`].
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let checks = Checks::of(Project::find()?)?;
    if arguments.rights {
        return Ok(terminal.show(&checks.rights()?)?);
    }
    let checked = if arguments.deployed {
        // Says which stack it is, and whether there is one.
        let stack = arguments.target.open(terminal).await?;
        checks.of_deployed(&arguments.target.stack, |command| stack.place().direct(command))?
    } else {
        checks.of_template()?
    };
    terminal.show(&checked)?;
    match checked.problems.len() {
        0 => Ok(()),
        broken => Err(CheckError::Broken(broken).into()),
    }
}

/// The checks of a project, ready to run.
struct Checks {
    project: Project,
}

impl Checks {
    fn of(project: Project) -> Result<Self, CheckError> {
        let checks = Self { project };
        if checks.python().is_file() {
            return Ok(checks);
        }
        Err(CheckError::NotSetUp { path: checks.python().display().to_string() })
    }

    fn python(&self) -> std::path::PathBuf {
        self.project.root().join(".throughline/checks/bin/python")
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.python());
        command.current_dir(self.project.root()).arg(Path::new("infra/checks").join(script)).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn of_template(&self) -> Result<Checked, CheckError> {
        self.answer(&mut self.command("template.py", &["--json", TEMPLATE, FOLDER]))
    }

    fn rights(&self) -> Result<Rights, CheckError> {
        self.answer(&mut self.command("template.py", &["--rights", TEMPLATE, FOLDER]))
    }

    fn of_deployed(
        &self,
        stack: &str,
        direct: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Checked, CheckError> {
        self.answer(direct(&mut self.command("deployed.py", &[stack, TEMPLATE])))
    }

    /// Returns a script's answer: JSON, with exit status 1 if it found something. Anything else is its failure.
    fn answer<T: DeserializeOwned>(&self, command: &mut Command) -> Result<T, CheckError> {
        let path = self.python().display().to_string();
        let output = command.output().map_err(|source| CheckError::NotRun { path, source })?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim();
            CheckError::Failed(if said.is_empty() { error.to_string() } else { said.to_owned() })
        })
    }
}

const TEMPLATE: &str = "infra/template.yaml";
/// The folder where the transformed template is kept for inspection.
const FOLDER: &str = ".throughline/template";

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(places: &[&str]) -> Problem {
        Problem {
            rule: "a queue hides a message while it is handled".into(),
            resource: "PlaceOrderQueue".into(),
            problem: "VisibilityTimeout is 20 s".into(),
            action: "raise it".into(),
            places: places.iter().map(|&place| place.into()).collect(),
        }
    }

    #[test]
    fn a_problem_is_shown_with_what_to_do_and_where() {
        let problems = vec![problem(&[]), problem(&["on AWS"])];
        let shown = Checked { resources: 113, rules: 66, problems }.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("resource"), "{shown}");
        assert!(lines[1].contains("VisibilityTimeout is 20 s  "), "{shown}");
        assert!(
            lines[2].contains("VisibilityTimeout is 20 s (on AWS)") && lines[2].contains("raise it"),
            "{shown}"
        );
    }

    #[test]
    fn where_nothing_is_wrong_it_says_what_was_looked_at() {
        let checked = Checked { resources: 113, rules: 66, problems: vec![] };
        assert_eq!(checked.to_string(), "113 resources keep 66 rules.");
    }

    #[test]
    fn what_the_scripts_print_is_read() {
        let text = r#"{"resources": 1, "rules": 2, "problems": [{"rule": "r", "resource": "Q", "problem": "p", "action": "a", "where": []}]}"#;
        let checked: Checked = serde_json::from_str(text).unwrap();
        assert_eq!(checked.problems[0].resource, "Q");
    }

    #[test]
    fn the_resource_of_a_right_is_shown_without_its_account() {
        let log = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/x:*";
        assert_eq!(short(log), "logs:log-group:/aws/lambda/x:*");
    }
}
