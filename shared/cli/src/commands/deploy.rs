//! `throughline deploy`: builds the functions and deploys infra/template.yaml, to a local cloud or to AWS.

mod build;
mod change_set;
mod changes;
mod code;
mod error;
mod follow;
mod live;
mod outside_resources;
mod package;
mod parameters;
mod record;

pub use build::{Build, Builder};
pub use changes::{Change, Changes};
pub use code::{DeployedStack, UpdatedFunction, update_code};
pub use error::DeployError;
pub use parameters::Parameter;

use crate::{
    cloud::{
        aws_command_line::AwsCommandLine,
        place::Place,
        stack::{Described, Stack, resources},
        target::Target,
    },
    local,
    project::{Project, answers, template::Template},
    resend::archive,
    terminal::Terminal,
};
use build::Code;
use change_set::{ChangeSet, StackState, Wanted};
use clap::Args;
use error::file;
use package::Staged;
use record::Record;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
    time::Instant,
};

const EXAMPLES: &str = "Examples:
  throughline deploy                                  # to the local cloud
  throughline deploy --function place-order           # only new code for one function, in seconds
  throughline deploy --aws --stack shop --dry-run     # what would change on AWS
  throughline deploy --aws --parameter PaymentUrl=URL --parameter ShippingUrl=URL";

/// Builds the functions and deploys infra/template.yaml.
///
/// First it shows what would change. It asks before it changes AWS, and before it removes or replaces what holds data;
/// --yes answers. What has not changed is left alone, so it is safe, and quick, to run again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack, and its place.
    #[command(flatten)]
    pub target: Target,
    /// Only give this function new code, and leave all else as it is; may be repeated
    #[arg(long = "function", value_name = "NAME")]
    pub functions: Vec<String>,
    /// Show what would change, and leave the stack as it is. The code is uploaded all the same: CloudFormation reads it
    /// from its bucket
    #[arg(long, conflicts_with = "functions")]
    pub dry_run: bool,
    /// A value for a parameter of the template; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    pub parameters: Vec<Parameter>,
    /// A JSON file with values for the template's parameters; by default infra/local.parameters.json, or
    /// infra/aws.parameters.json if there is one
    #[arg(long = "parameters", value_name = "FILE")]
    pub parameters_file: Option<PathBuf>,
    /// The builder of the functions; by default cargo-lambda for AWS, else cargo
    #[arg(long, value_name = "BUILDER")]
    pub with: Option<Builder>,
    /// The cargo profile the functions are built with; by default `release` for AWS, else `local`
    #[arg(long)]
    pub profile: Option<String>,
    /// The bucket for the functions' code; by default one of the account's and region's own, made if it is missing
    #[arg(long)]
    pub bucket: Option<String>,
}

/// The outcome of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All was so already.
    Unchanged,
    /// Nothing was to be changed, only shown.
    DryRun,
    /// The stack was changed.
    Deployed,
    /// Functions were given new code.
    CodeUpdated,
}

/// The report of a deployment.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The stack.
    pub stack: String,
    /// The cloud, in words.
    pub place: String,
    /// The outcome.
    pub outcome: Outcome,
    /// The changes that the change set lists.
    pub changes: Changes,
    /// The functions that were given new code by themselves.
    pub code: Vec<UpdatedFunction>,
    /// The file with the stack's outputs.
    pub outputs: Option<PathBuf>,
    /// The next thing to do, with its command, if the stack is new.
    pub next: Option<String>,
}

/// Shows what follows the change set, which was shown before.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for code in &self.code {
            writeln!(f, "{code}")?;
        }
        match self.outcome {
            Outcome::Unchanged if !self.changes.0.is_empty() => f.write_str(
                "CloudFormation does not deploy this by itself: it comes with the next change of a resource.",
            ),
            Outcome::Unchanged => f.write_str("Nothing has changed: nothing was deployed."),
            Outcome::DryRun => f.write_str(
                "A dry run: the stack is as it was. CloudFormation reads from a bucket, so the code is there now.",
            ),
            Outcome::CodeUpdated if self.code.is_empty() => f.write_str("They run this code already."),
            Outcome::CodeUpdated => Ok(()),
            Outcome::Deployed => {
                let outputs = self.outputs.as_deref().unwrap_or(Path::new(""));
                write!(f, "Deployed; the stack's outputs are in {}.", outputs.display())?;
                self.next.iter().try_for_each(|next| write!(f, "\n{next}"))
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// [`DeployError`], or if this is no project.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let place = arguments.target.place();
    terminal.note(format_args!("stack `{}` on {place}", arguments.target.stack));
    let deployment = Deployment { project: &project, place: &place, arguments, terminal };
    let report = deployment.run()?;
    if place.is_local()
        && let Some(outputs) = &report.outputs
    {
        let stack = Stack::of_file(outputs, place.clone()).await?;
        // Not every stack has a bus.
        if stack.output("EventBus").is_ok() {
            archive::ensure(&stack, &arguments.target.stack).await?;
        }
    }
    terminal.show(&report)?;
    Ok(())
}

/// Builds functions with plain cargo and gives them the new code in a stack, past CloudFormation. Returns in words what
/// it did.
///
/// # Errors
/// [`DeployError`]. Functions before the one that failed have their new code.
pub fn new_code(
    project: &Project,
    place: &Place,
    stack: &str,
    functions: &[String],
) -> Result<Vec<String>, Box<dyn Error>> {
    let build = Build { builder: Builder::Cargo, profile: "local".into() };
    let updated = update_code(DeployedStack { project, place, stack }, &build, functions)?;
    Ok(updated.iter().map(ToString::to_string).collect())
}

/// The logical id of the shop's stock table.
const STOCK: &str = "StockTable";

struct Deployment<'a> {
    project: &'a Project,
    place: &'a Place,
    arguments: &'a Arguments,
    terminal: &'a Terminal,
}

impl Deployment<'_> {
    fn run(&self) -> Result<Report, DeployError> {
        if let Place::Local { endpoint } = self.place
            && !answers(endpoint)
        {
            let advice = local::advice(self.project);
            return Err(DeployError::NoCloud { endpoint: endpoint.clone(), advice });
        }
        if !self.arguments.functions.is_empty() {
            if !self.place.is_local() {
                let functions = self.arguments.functions.join(", ");
                let stack = &self.arguments.target.stack;
                self.terminal
                    .confirm(&format!("give {functions} new code, in stack `{stack}` on {}", self.place))?;
            }
            let code = update_code(self.deployed_stack(), &self.build(), &self.arguments.functions)?;
            return Ok(Report { code, ..self.report(Outcome::CodeUpdated) });
        }
        // What is wrong with the parameters is said before minutes of building.
        let parameters = self.parameters()?;
        let functions = self.project.functions().map_err(DeployError::NotSetUp)?;
        self.terminal.note(format_args!("building {} functions …", functions.len()));
        let code = self.build().run(self.project, &functions)?;
        self.deploy(&parameters, &code)
    }

    fn deploy(
        &self,
        parameters: &BTreeMap<String, String>,
        code: &BTreeMap<String, Code>,
    ) -> Result<Report, DeployError> {
        let (aws, stack, folder) = (self.aws(), &self.arguments.target.stack, self.folder());
        let staged = Staged::of(self.project, code)?;
        let inputs = record::inputs(&staged.texts(), parameters, code);
        let state = StackState::of(aws, stack)?;
        if let Some(hindrance) = state.as_ref().and_then(|state| state.hindrance(stack)) {
            return Err(hindrance);
        }
        let record = Record::read(&folder, stack);
        if let Some(state) =
            state.as_ref().filter(|state| state.is_complete() && record.is_of(state, &inputs))
        {
            let outputs = Some(self.write_outputs(&state.outputs, false)?);
            return Ok(Report { outputs, ..self.report(Outcome::Unchanged) });
        }
        let bucket = package::bucket(aws, self.arguments.bucket.as_deref(), *self.terminal)?;
        let template_url = self.step("uploading what is new", || staged.upload(aws, &folder, &bucket))?;
        let is_new = state.as_ref().is_none_or(StackState::is_empty);
        let wanted = Wanted { stack, is_new, template_url: &template_url, parameters, folder: &folder };
        let change_set = self.step("working out what changes", || ChangeSet::create(aws, &wanted))?;
        let mut changes = change_set.as_ref().map(|set| set.changes.clone()).unwrap_or_default();
        let resources = changes.0.len();
        if let Some(state) = state.as_ref().filter(|_| resources == 0) {
            changes.0 = self.outside_resources(state, parameters);
        }
        self.show(&changes)?;
        if self.arguments.dry_run {
            change_set.map_or(Ok(()), |set| set.discard(aws, &wanted))?;
            return Ok(Report { changes, ..self.report(Outcome::DryRun) });
        }
        let follow =
            || self.step("changing the stack", || follow::follow(aws, stack, resources, *self.terminal));
        let mut is_changed = true;
        let state = match &change_set {
            Some(set) => {
                if let Err(declined) = self.confirm(&changes) {
                    set.discard(aws, &wanted)?;
                    return Err(declined);
                }
                set.execute(aws, stack)?;
                follow()?
            }
            // A local cloud makes no change set of what is no resource, or comes by a condition, and changes it all the
            // same. AWS, if it makes none, does not.
            None if self.place.is_local() && change_set::update(aws, &wanted)? => follow()?,
            None => {
                is_changed = false;
                state.unwrap_or_default()
            }
        };
        let code_updates = self.put_right(&record, &changes, code)?;
        let functions = code.iter().map(|(name, code)| (name.clone(), code.digest.clone())).collect();
        let overridden = code_updates.iter().map(|update| update.function.clone()).collect();
        let is_changed = is_changed || !code_updates.is_empty();
        let outputs = Some(self.write_outputs(&state.outputs, is_changed)?);
        let StackState { id: stack_id, changed_at, .. } = state;
        Record { stack_id, changed_at, inputs, functions, overridden }.write(&folder, stack)?;
        let outcome = if is_changed { Outcome::Deployed } else { Outcome::Unchanged };
        let next = self.next(&changes);
        Ok(Report { changes, code: code_updates, outputs, next, ..self.report(outcome) })
    }

    /// Functions that were given code by themselves, and that CloudFormation leaves alone now, get what they should run.
    fn put_right(
        &self,
        record: &Record,
        changes: &Changes,
        code: &BTreeMap<String, Code>,
    ) -> Result<Vec<UpdatedFunction>, DeployError> {
        let functions = changes.0.iter().filter(|change| change.kind == "AWS::Lambda::Function");
        let changed: Vec<String> =
            functions.map(|change| crate::cloud::stack::kebab_case(&change.logical_id)).collect();
        let is_left_alone = |name: &String| !changed.contains(&format!("{name}-function"));
        let strayed: Vec<String> = record.strayed(code).into_iter().filter(is_left_alone).collect();
        if strayed.is_empty() {
            return Ok(Vec::new());
        }
        let deployed = self.deployed_stack().functions()?;
        // One that the template does not name any more is gone.
        let there = strayed.iter().filter(|name| deployed.has(name));
        there.map(|name| deployed.put(name, &code[name], self.build().builder)).collect()
    }

    /// A new shop sells nothing: every order ends cancelled.
    fn next(&self, changes: &Changes) -> Option<String> {
        let is_new_stock = |change: &Change| change.action == "Add" && change.logical_id == STOCK;
        changes.0.iter().any(is_new_stock).then(|| {
            let again = self.arguments.target.said_again();
            format!(
                "Nothing is in stock yet, so that every order would be cancelled: `throughline demo --stock-only{again}` \
                 puts some there."
            )
        })
    }

    /// Returns the changes besides resources, as far as CloudFormation gives the current values.
    fn outside_resources(&self, state: &StackState, parameters: &BTreeMap<String, String>) -> Vec<Change> {
        let stack = &self.arguments.target.stack;
        let now = self.aws().json(["cloudformation", "get-template", "--stack-name", stack]);
        let now = now.ok().and_then(|answer| outside_resources::template(&answer));
        let wanted = fs::read_to_string(self.folder().join(package::PACKAGED)).unwrap_or_default();
        match (now, serde_json::from_str(&wanted)) {
            (Some(now), Ok(wanted)) => {
                outside_resources::differences((&now, &state.parameters), (&wanted, parameters))
            }
            _ => Vec::new(),
        }
    }

    /// On AWS whatever changes is asked about; elsewhere, only what loses data.
    fn confirm(&self, changes: &Changes) -> Result<(), DeployError> {
        let losses = changes.losses();
        let what = match (losses.as_slice(), self.place) {
            ([], Place::Local { .. }) => return Ok(()),
            ([], Place::Aws) => format!("make these {} changes", changes.0.len()),
            (losses, _) => format!("lose what {} hold", losses.join(", ")),
        };
        Ok(self
            .terminal
            .confirm(&format!("{what}, in stack `{}` on {}", self.arguments.target.stack, self.place))?)
    }

    fn show(&self, changes: &Changes) -> Result<(), DeployError> {
        // A program gets one document, at the end.
        if self.terminal.json { Ok(()) } else { self.terminal.show(changes).map_err(DeployError::Output) }
    }

    fn report(&self, outcome: Outcome) -> Report {
        let (stack, place) = (self.arguments.target.stack.clone(), self.place.to_string());
        let (changes, code) = (Changes::default(), Vec::new());
        Report { stack, place, outcome, changes, code, outputs: None, next: None }
    }

    fn build(&self) -> Build {
        let (builder, profile) =
            if self.place.is_local() { (Builder::Cargo, "local") } else { (Builder::CargoLambda, "release") };
        let profile = self.arguments.profile.clone().unwrap_or_else(|| profile.to_owned());
        Build { builder: self.arguments.with.unwrap_or(builder), profile }
    }

    fn parameters(&self) -> Result<BTreeMap<String, String>, DeployError> {
        let Arguments { target, parameters_file, parameters, .. } = self.arguments;
        let from = parameters_file.as_ref();
        let values = parameters::gather(self.project, self.place, target.port(), from, parameters)?;
        parameters::check(&Template::of(self.project)?, &values)?;
        Ok(values)
    }

    /// Writes what the other commands go by. What the stack's resources are called is asked if it has changed, or is
    /// not known.
    fn write_outputs(
        &self,
        outputs: &BTreeMap<String, String>,
        is_changed: bool,
    ) -> Result<PathBuf, DeployError> {
        let stack = &self.arguments.target.stack;
        let path = match &self.arguments.target.outputs {
            Some(path) => path.clone(),
            None => self.project.outputs(self.place, stack),
        };
        let known = Described::read(&path).ok().and_then(Result::ok).filter(|known| {
            !is_changed && known.stack.as_ref() == Some(stack) && !known.resources.is_empty()
        });
        let resources = match known {
            Some(known) => known.resources,
            None => resources(self.aws(), stack)?.unwrap_or_default(),
        };
        let described = Described { stack: Some(stack.clone()), outputs: outputs.clone(), resources };
        described.write(&path).map_err(file(&path))?;
        Ok(path)
    }

    fn step<T>(&self, name: &str, run: impl FnOnce() -> Result<T, DeployError>) -> Result<T, DeployError> {
        self.terminal.note(format_args!("{name} …"));
        let started = Instant::now();
        let done = run()?;
        self.terminal.note(format_args!("{name}: {:.1} s", started.elapsed().as_secs_f32()));
        Ok(done)
    }

    fn folder(&self) -> PathBuf {
        self.project.stack(self.place, &self.arguments.target.stack)
    }

    fn aws(&self) -> AwsCommandLine<'_> {
        AwsCommandLine { project: self.project, place: self.place }
    }

    fn deployed_stack(&self) -> DeployedStack<'_> {
        let stack = &self.arguments.target.stack;
        DeployedStack { project: self.project, place: self.place, stack }
    }
}
