//! The check of a definition, and the source of each value that a function reads.

use super::{
    definition::{Kind, Saga, Stage, Step, Wait},
    function::DataType,
};
use std::{collections::BTreeSet, time::Duration};

/// The longest time that a Lambda function may run ("Lambda quotas").
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);
/// The longest time that a Standard execution may run ("Step Functions quotas").
const LONGEST_EXECUTION: Duration = Duration::from_hours(24 * 365);
/// The longest name of a step, wait, group or ending: the limit for a state's name ("Step Functions quotas": 80
/// characters), less room for the prefix that we add.
const LONGEST_NAME: usize = 64;

/// The error in a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DefinitionError {
    /// A function reads a value that nothing before it gives.
    #[error(
        "saga `{saga}`: `{reader}` reads `{missing}`, which neither the input nor an earlier step gives (there is {})",
        .available.join(", ")
    )]
    NothingGives {
        /// The saga's name.
        saga: &'static str,
        /// The step, undo or ending that reads the value.
        reader: String,
        /// The type that is read.
        missing: &'static str,
        /// The values that can be read there.
        available: Vec<String>,
    },
    /// Two steps, or the input and a step, give the same type, so that it is not known which one is meant.
    #[error(
        "saga `{saga}`: `{step}` gives `{data}`, and so does {other}: give one of them a type of its own"
    )]
    GivenTwice {
        /// The saga's name.
        saga: &'static str,
        /// The step's name.
        step: &'static str,
        /// The type that is given twice.
        data: &'static str,
        /// The other step, or the input, that gives it.
        other: String,
    },
    /// A name is used twice.
    #[error("saga `{saga}`: the name `{name}` is used twice")]
    NameUsedTwice {
        /// The saga's name.
        saga: &'static str,
        /// The name at fault.
        name: &'static str,
    },
    /// A name breaks the rules for names.
    #[error(
        "saga `{saga}`: `{name}` is no name: take lower-case letters, digits and `_`, a letter first, at most {LONGEST_NAME}"
    )]
    BadName {
        /// The saga's name.
        saga: &'static str,
        /// The name at fault.
        name: &'static str,
    },
    /// A condition or a wait names a field that the input does not have.
    #[error("saga `{saga}`: `{stage}` looks at the input's field `{field}`; it has {}", .fields.join(", "))]
    NoSuchField {
        /// The saga's name.
        saga: &'static str,
        /// The step or wait that names the field.
        stage: &'static str,
        /// The name of the missing field.
        field: &'static str,
        /// The fields that the input has.
        fields: Vec<&'static str>,
    },
    /// A stage in a parallel group is not a step.
    #[error("saga `{saga}`: `{name}` cannot be in the parallel group `{group}`: only steps can")]
    Misplaced {
        /// The saga's name.
        saga: &'static str,
        /// The group's name.
        group: &'static str,
        /// The name of the stage that cannot be in the group.
        name: &'static str,
    },
    /// A saga has no step, or a parallel group has fewer than two.
    #[error("saga `{saga}`: {what} has too few steps")]
    TooFewSteps {
        /// The saga's name.
        saga: &'static str,
        /// The saga, or the group, that has too few steps.
        what: String,
    },
    /// The rate at which waits between attempts grow is out of its range.
    #[error("saga `{saga}`: the rate at which the waits of `{step}` grow must be from 1 to 10")]
    BadRate {
        /// The saga's name.
        saga: &'static str,
        /// The step's name.
        step: &'static str,
    },
    /// A duration is out of its range.
    #[error("saga `{saga}`: {what} is {}", seconds(*.found))]
    BadDuration {
        /// The saga's name.
        saga: &'static str,
        /// The name of the duration, and the rule for it.
        what: String,
        /// The duration in the definition.
        found: Duration,
    },
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// The source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Input,
    /// The output of this step.
    Step(&'static str),
}

/// The values that can be read at some place of a saga.
struct Available {
    all: Vec<(DataType, Source)>,
}

impl Available {
    fn source(&self, wanted: DataType) -> Option<Source> {
        self.all.iter().find(|(data, _)| data.id == wanted.id).map(|(_, source)| *source)
    }

    fn list(&self) -> Vec<String> {
        let named = |(data, source): &(DataType, Source)| match source {
            Source::Input => format!("the input `{}`", data.name),
            Source::Step(step) => format!("`{}` of `{step}`", data.name),
        };
        self.all.iter().map(named).collect()
    }
}

impl<P> Saga<P> {
    /// Returns the values that a step, or its undo, may read.
    fn available_to(&self, name: &str) -> Available {
        let mut all = vec![(self.input, Source::Input)];
        for stage in &self.stages {
            let steps: &[Step<P>] = match stage {
                Stage::Step(step) => std::slice::from_ref(step),
                Stage::Parallel { steps, .. } => steps,
                Stage::Wait { .. } => &[],
            };
            if steps.iter().any(|step| step.name == name) {
                break;
            }
            all.extend(steps.iter().map(|step| {
                let data = if step.only_if.is_some() { step.optional_output } else { step.output };
                (data, Source::Step(step.name))
            }));
        }
        Available { all }
    }

    fn available_at_the_end(&self) -> Available {
        let outputs = self.steps().map(|step| (step.optional_output, Source::Step(step.name)));
        Available { all: std::iter::once((self.input, Source::Input)).chain(outputs).collect() }
    }

    /// Returns the sources of the values that a step or its undo reads; `None` for a type that nothing gives.
    pub(crate) fn sources(&self, step: &str, reads: &[DataType]) -> Vec<Option<Source>> {
        let available = self.available_to(step);
        reads.iter().map(|data| available.source(*data)).collect()
    }

    /// Returns the sources of the values that the ending reads; `None` for a type that nothing gives.
    pub(crate) fn sources_of_ending(&self, reads: &[DataType]) -> Vec<Option<Source>> {
        let available = self.available_at_the_end();
        reads.iter().map(|data| available.source(*data)).collect()
    }
}

impl<P: Send + Sync + 'static> Saga<P> {
    /// Checks the definition: names, the values that each step reads, limits.
    ///
    /// # Errors
    /// The first error that is found, with what the definition offers instead.
    pub fn check(&self) -> Result<(), DefinitionError> {
        check(self)
    }
}

fn check<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    check_names(saga)?;
    check_groups(saga)?;
    check_outputs(saga)?;
    check_reads(saga)?;
    check_fields(saga)?;
    check_durations(saga)
}

fn check_names<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let stages = saga.stages.iter().filter_map(|stage| match stage {
        Stage::Parallel { name, .. } | Stage::Wait { name, .. } => Some(*name),
        Stage::Step(_) => None,
    });
    let steps = saga.steps().map(|step| step.name);
    let ending = saga.ending.iter().map(|ending| ending.name);
    let mut used = BTreeSet::new();
    for name in steps.chain(stages).chain(ending) {
        let is_good = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
            && name.len() <= LONGEST_NAME
            && !name.starts_with("undo_");
        if !is_good {
            return Err(DefinitionError::BadName { saga: saga.name, name });
        }
        if !used.insert(name) {
            return Err(DefinitionError::NameUsedTwice { saga: saga.name, name });
        }
    }
    Ok(())
}

fn check_groups<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let too_few = |what| Err(DefinitionError::TooFewSteps { saga: saga.name, what });
    if saga.steps().next().is_none() {
        return too_few("it".to_owned());
    }
    for stage in &saga.stages {
        let Stage::Parallel { name: group, steps, misplaced } = stage else { continue };
        if let Some(name) = *misplaced {
            return Err(DefinitionError::Misplaced { saga: saga.name, group, name });
        }
        if steps.len() < 2 {
            return too_few(format!("the parallel group `{group}`"));
        }
    }
    Ok(())
}

fn check_outputs<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let nothing = DataType::of::<()>();
    let input = (vec![saga.input], "the input".to_owned());
    let mut given = vec![input];
    for step in saga.steps().filter(|step| step.output != nothing) {
        // A function that reads the output where it may be missing reads an `Option`.
        let either = vec![step.output, step.optional_output];
        let is_same = |data: &DataType| either.iter().any(|other| other.id == data.id);
        if let Some((_, other)) = given.iter().find(|(given, _)| given.iter().any(is_same)) {
            let (data, other) = (step.output.name, other.clone());
            return Err(DefinitionError::GivenTwice { saga: saga.name, step: step.name, data, other });
        }
        given.push((either, format!("`{}`", step.name)));
    }
    Ok(())
}

fn check_reads<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let missing_from = |available: Available, reads: &[DataType], reader: String| {
        let missing = reads.iter().find(|data| available.source(**data).is_none());
        missing.map_or(Ok(()), |missing| {
            let available = available.list();
            Err(DefinitionError::NothingGives { saga: saga.name, reader, missing: missing.name, available })
        })
    };
    for step in saga.steps() {
        missing_from(saga.available_to(step.name), &step.function.reads, step.name.to_owned())?;
        if let Some(undo) = &step.undo {
            let reader = format!("the undo of {}", step.name);
            missing_from(saga.available_to(step.name), &undo.reads, reader)?;
        }
    }
    match &saga.ending {
        Some(ending) => {
            missing_from(saga.available_at_the_end(), &ending.function.reads, ending.name.to_owned())
        }
        None => Ok(()),
    }
}

fn check_fields<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let conditions = saga.steps().filter_map(|step| Some((step.name, step.only_if?)));
    let waits = saga.stages.iter().filter_map(|stage| match stage {
        Stage::Wait { name, wait: Wait::Until(field) } => Some((*name, *field)),
        _ => None,
    });
    for (stage, field) in conditions.chain(waits) {
        if !saga.input_fields.contains(&field) {
            let fields = saga.input_fields.to_vec();
            return Err(DefinitionError::NoSuchField { saga: saga.name, stage, field, fields });
        }
    }
    Ok(())
}

fn check_durations<P>(saga: &Saga<P>) -> Result<(), DefinitionError> {
    let bad = |what: String, found| Err(DefinitionError::BadDuration { saga: saga.name, what, found });
    let worker = saga.worker_time_limit;
    if worker > LONGEST_INVOCATION {
        return bad("the worker's time limit, which Lambda limits to 15 minutes,".into(), worker);
    }
    for step in saga.steps() {
        if step.time_limit >= worker || step.time_limit.is_zero() {
            let what = format!(
                "the time limit of `{}`, which must end before the worker's {},",
                step.name,
                seconds(worker)
            );
            return bad(what, step.time_limit);
        }
    }
    if saga.deadline > LONGEST_EXECUTION || saga.deadline.is_zero() {
        return bad("the deadline, which must be under a year,".into(), saga.deadline);
    }
    let whole = |what: &str, name: &str, found: Duration| {
        if found.is_zero() || found.subsec_nanos() > 0 {
            return bad(format!("{what} of `{name}`, which must be whole seconds, at least one,"), found);
        }
        Ok(())
    };
    let mut waiting = Duration::ZERO;
    for stage in &saga.stages {
        if let Stage::Wait { name, wait: Wait::For(duration) } = stage {
            whole("the wait", name, *duration)?;
            waiting += *duration;
        }
    }
    for step in saga.steps() {
        if let Kind::Callback { time_out } = step.kind {
            whole("the time-out", step.name, time_out)?;
            waiting += time_out;
        }
        for retry in [step.retry, step.undo_retry] {
            if !(1.0..=10.0).contains(&retry.rate) {
                return Err(DefinitionError::BadRate { saga: saga.name, step: step.name });
            }
            whole("the first wait between attempts", step.name, retry.first)?;
            whole("the longest wait between attempts", step.name, retry.most)?;
        }
    }
    if waiting >= saga.deadline {
        let deadline = seconds(saga.deadline);
        return bad(format!("what it may wait, which must end before its deadline of {deadline},"), waiting);
    }
    Ok(())
}
