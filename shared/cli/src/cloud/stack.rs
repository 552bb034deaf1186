//! A deployed stack, as the commands use it: its outputs, its place and its clients.

mod described;

use described::advice;
pub(crate) use described::{Described, Resources, advice_of, outputs_in, resources};

use crate::{
    cloud::place::Place,
    local,
    project::{Project, answers},
};
use std::{collections::BTreeMap, io, path::Path, time::Duration};
use throughline_aws::Clients;
use throughline_operations::{self as operate, FoundLetter, OperateError, line::LineError};

/// The reason that a stack could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// No cloud listens at the address.
    #[error("no cloud answers at {endpoint}: {advice}")]
    NoCloud {
        /// The place at which it was expected.
        endpoint: String,
        /// The command that helps.
        advice: String,
    },
    /// No stack was deployed from this folder yet.
    #[error("the stack's outputs are not at {path} ({source}): deploy first, with `throughline deploy`")]
    NotDeployed {
        /// The path of the outputs.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The outputs cannot be read.
    #[error(
        "the stack's outputs at {path} cannot be read ({reason}): deploy again, with `throughline deploy`"
    )]
    Malformed {
        /// The path of the outputs.
        path: String,
        /// The parse error.
        reason: String,
    },
    /// The cloud has no such stack.
    #[error("stack `{stack}` is not on {place}; {advice}")]
    NotThere {
        /// The stack's name.
        stack: String,
        /// The place at which it was expected.
        place: Place,
        /// The stacks that exist there, and the command that helps.
        advice: String,
    },
    /// The outputs belong to another stack.
    #[error(
        "the outputs at {path} are those of stack `{found}`, and stack `{stack}` was asked for: say --stack {found}, or \
         name {stack}'s outputs with --outputs"
    )]
    AnothersOutputs {
        /// The path of the outputs.
        path: String,
        /// The name of the stack that they belong to.
        found: String,
        /// The stack that was asked for.
        stack: String,
    },
    /// CloudFormation did not describe the stack.
    #[error("what belongs to stack `{stack}` on {place} is not known: {reason}")]
    NotTold {
        /// The stack's name.
        stack: String,
        /// The place at which it was expected.
        place: Place,
        /// The reason that CloudFormation gave.
        reason: String,
    },
    /// The template declares no such output.
    #[error("the stack has no output `{name}`: add it to the template's Outputs, and deploy again")]
    NoOutput {
        /// The output's name.
        name: String,
    },
    /// The stack has no such queue.
    #[error("the stack has no queue `{name}`; it has {known}")]
    NoQueue {
        /// The queue's logical name.
        name: String,
        /// The queues of the stack.
        known: String,
    },
    /// AWS did not carry out a request.
    #[error(transparent)]
    Operate(#[from] OperateError),
    /// A line could not be read.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// A deployed stack. A resource without an output is known by its logical id: `PlaceOrderFunction` is a function, and
/// `PlaceOrderQueue` a queue, as if there were an output `PlaceOrderQueueUrl`.
#[derive(Debug)]
pub struct Stack {
    /// The stack's name, if it is known.
    name: Option<String>,
    /// The outputs, and the names that resources without an output would have as outputs.
    outputs: BTreeMap<String, String>,
    place: Place,
    /// The clients of the stack's cloud.
    pub clients: Clients,
}

/// The suffix of the names of outputs that hold a dead-letter queue's URL.
const DEAD_LETTER_QUEUE: &str = "DeadLetterQueueUrl";
/// The suffix of the names of outputs that hold any queue's URL.
const QUEUE: &str = "QueueUrl";

/// The suffix of the names of outputs that hold a function's name.
const FUNCTION: &str = "Function";
/// The suffix of the names of outputs that hold a state machine's ARN.
const STATE_MACHINE: &str = "StateMachine";

/// Returns the kebab-case form of a template's name: `PlaceOrder` becomes `place-order`.
pub(crate) fn kebab_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Returns the template's form of a kebab-case name: `place-order` becomes `PlaceOrder`.
pub(crate) fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

impl Stack {
    /// Opens a stack whose outputs were written to a file, on the local cloud at `endpoint`, or on AWS if there is
    /// none.
    ///
    /// # Errors
    /// [`StackError::NotDeployed`] and [`StackError::Malformed`].
    pub async fn open(outputs: &Path, endpoint: Option<&str>) -> Result<Self, StackError> {
        let place = endpoint.map_or(Place::Aws, |endpoint| Place::Local { endpoint: endpoint.to_owned() });
        Self::of_file(outputs, place).await
    }

    /// Opens a stack whose outputs were written to a file, as `throughline deploy` does it.
    ///
    /// # Errors
    /// [`StackError::NoCloud`], [`StackError::NotDeployed`] and [`StackError::Malformed`].
    pub async fn of_file(outputs: &Path, place: Place) -> Result<Self, StackError> {
        if let Place::Local { endpoint } = &place
            && !answers(endpoint)
        {
            let advice = Project::find().map(|project| local::advice(&project)).unwrap_or_default();
            return Err(StackError::NoCloud { endpoint: endpoint.clone(), advice });
        }
        let path = outputs.display().to_string();
        let described = Described::read(outputs)
            .map_err(|source| StackError::NotDeployed { path: path.clone(), source })?
            .map_err(|error| StackError::Malformed { path, reason: error.to_string() })?;
        Ok(Self::of(described, place).await)
    }

    /// Opens a stack that CloudFormation describes, on a local cloud or on AWS.
    ///
    /// # Errors
    /// [`StackError::NoCloud`], [`StackError::NotThere`] with the stacks that there are, and [`StackError::NotTold`].
    pub async fn of_cloud(project: &Project, place: Place, stack: &str) -> Result<Self, StackError> {
        if let Place::Local { endpoint } = &place
            && !answers(endpoint)
        {
            let advice = local::advice(project);
            return Err(StackError::NoCloud { endpoint: endpoint.clone(), advice });
        }
        let clients = place.clients().await;
        match Described::of(&clients, stack).await {
            Ok(Some(described)) => Ok(Self::with(described, place, clients)),
            Ok(None) => {
                let advice = advice(&clients, &place, stack).await;
                Err(StackError::NotThere { stack: stack.to_owned(), place, advice })
            }
            Err(error) => {
                Err(StackError::NotTold { stack: stack.to_owned(), place, reason: error.to_string() })
            }
        }
    }

    async fn of(described: Described, place: Place) -> Self {
        let clients = place.clients().await;
        Self::with(described, place, clients)
    }

    fn with(described: Described, place: Place, clients: Clients) -> Self {
        let name = described.stack.clone();
        Self { name, outputs: described.names(), place, clients }
    }

    /// Returns the stack if it has this name, or if its name is unknown. `outputs` is the file it was read from, for
    /// the error.
    pub(crate) fn must_be(self, stack: &str, outputs: &Path) -> Result<Self, StackError> {
        match &self.name {
            Some(found) if found != stack => Err(StackError::AnothersOutputs {
                path: outputs.display().to_string(),
                found: found.clone(),
                stack: stack.to_owned(),
            }),
            _ => Ok(self),
        }
    }

    /// Returns the place of the stack.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns one of the stack's outputs, or the value that the output of a resource without one would have.
    ///
    /// # Errors
    /// [`StackError::NoOutput`].
    pub fn output(&self, name: &str) -> Result<&str, StackError> {
        self.outputs.get(name).map(String::as_str).ok_or_else(|| StackError::NoOutput { name: name.into() })
    }

    /// Returns the logical names of the queues, without dead-letter queues.
    pub fn queues(&self) -> Vec<String> {
        let names = self.outputs.keys().filter(|name| !name.ends_with(DEAD_LETTER_QUEUE));
        names.filter_map(|name| name.strip_suffix(QUEUE)).map(kebab_case).collect()
    }

    /// Returns the URL of the queue with a logical name: `place-order` is the output `PlaceOrderQueueUrl`.
    ///
    /// # Errors
    /// [`StackError::NoQueue`], with the queues of the stack.
    pub fn queue_url(&self, name: &str) -> Result<&str, StackError> {
        let is_it =
            |output: &&String| output.strip_suffix(QUEUE).is_some_and(|found| kebab_case(found) == name);
        match self.outputs.keys().find(is_it) {
            Some(output) => self.output(output),
            None => Err(StackError::NoQueue { name: name.into(), known: self.queues().join(", ") }),
        }
    }

    /// Returns the functions' names in `functions/`, each with its name on the cloud.
    pub fn logical_functions(&self) -> impl Iterator<Item = (String, &str)> {
        let outputs = self.outputs.iter();
        outputs.filter_map(|(name, value)| Some((kebab_case(name.strip_suffix("Function")?), value.as_str())))
    }

    /// Returns the names of the deployed functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().filter(|(name, _)| name.ends_with("Function")).map(|(_, name)| name.as_str())
    }

    /// Returns the names of the dead-letter queues with their URLs.
    pub fn dead_letter_queues(&self) -> impl Iterator<Item = (&str, &str)> {
        self.outputs
            .iter()
            .filter(|(name, _)| name.ends_with(DEAD_LETTER_QUEUE))
            .map(|(name, url)| (name.trim_end_matches("Url"), url.as_str()))
    }

    /// Returns the logical names of the dead-letter queues' owners with the queues' URLs: `place-order` is the output
    /// `PlaceOrderDeadLetterQueueUrl`.
    pub fn dead_letter_queues_by_name(&self) -> impl Iterator<Item = (String, &str)> {
        let named = |name: &str| name.strip_suffix(DEAD_LETTER_QUEUE).map(kebab_case);
        self.outputs.iter().filter_map(move |(name, url)| Some((named(name)?, url.as_str())))
    }

    /// Returns the URLs of all queues of the stack.
    pub fn queue_urls(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().filter(|(name, _)| name.ends_with(QUEUE)).map(|(_, url)| url.as_str())
    }

    /// Returns the name of a deployed function: `place-order` is the output `PlaceOrderFunction`.
    pub fn function_named(&self, name: &str) -> Option<&str> {
        let is_it =
            |output: &str| output.strip_suffix(FUNCTION).is_some_and(|found| kebab_case(found) == name);
        self.outputs.iter().find(|(output, _)| is_it(output)).map(|(_, function)| function.as_str())
    }

    /// Returns the time that the ledger remembers that an event was handled.
    ///
    /// # Errors
    /// [`StackError::NoOutput`].
    pub fn claim_lifetime(&self) -> Result<Duration, StackError> {
        let days = self.output("ClaimLifetimeDays")?;
        let days = days.parse::<u64>().map_err(|error| StackError::Malformed {
            path: "ClaimLifetimeDays".into(),
            reason: format!("`{days}` is no number of days: {error}"),
        })?;
        Ok(Duration::from_hours(24 * days))
    }

    /// Returns the URLs of the queues that feed functions, which are those with a dead-letter queue.
    pub fn work_queues(&self) -> impl Iterator<Item = &str> {
        let feeds = |name: &str| {
            let logical = name.strip_suffix(QUEUE)?;
            self.outputs.contains_key(&format!("{logical}{DEAD_LETTER_QUEUE}")).then_some(())
        };
        self.outputs.iter().filter(move |(name, _)| feeds(name).is_some()).map(|(_, url)| url.as_str())
    }

    /// Returns all letters in dead-letter queues, each with its queue's name.
    ///
    /// # Errors
    /// If a queue cannot be read.
    pub async fn dead_letters(&self) -> Result<Vec<(String, FoundLetter)>, StackError> {
        let sqs = self.clients.sqs().await;
        let mut found = Vec::new();
        for (name, url) in self.dead_letter_queues() {
            if operate::depth(sqs, url).await?.is_empty() {
                continue;
            }
            found.extend(
                operate::look_through(sqs, url).await?.into_iter().map(|letter| (name.to_owned(), letter)),
            );
        }
        Ok(found)
    }

    /// Returns the ARN of a saga's state machine: `checkout` is the output `CheckoutStateMachine`.
    ///
    /// # Errors
    /// [`StackError::NoOutput`].
    pub fn state_machine(&self, saga: &str) -> Result<&str, StackError> {
        let is_it = |output: &&String| {
            output.strip_suffix(STATE_MACHINE).is_some_and(|found| kebab_case(found) == saga)
        };
        match self.outputs.keys().find(is_it) {
            Some(output) => self.output(output),
            None => Err(StackError::NoOutput { name: format!("{saga}'s {STATE_MACHINE}") }),
        }
    }
}
