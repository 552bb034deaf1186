//! The output of the scenarios on one cloud, as the test harness prints it.

use std::{collections::BTreeMap, fs, path::Path};

/// A scenario that ran.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    /// The seconds that it took, if the log has them.
    pub(crate) seconds: Option<f32>,
}

/// The outcome of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Held,
    /// With all that it said.
    Failed(String),
    Ignored,
}

/// A run on one cloud.
#[derive(Debug)]
pub(crate) enum Run {
    /// Each scenario.
    Ended(BTreeMap<String, Ran>),
    /// It did not come to its end.
    Broken(String),
    /// It was not made, for this reason.
    Unmade(String),
}

impl Run {
    pub(crate) fn read(folder: &Path, cloud: &str) -> Self {
        if let Ok(reason) = fs::read_to_string(folder.join(format!("{cloud}.not-run"))) {
            return Self::Unmade(reason.trim().to_owned());
        }
        let path = folder.join(format!("{cloud}.log"));
        match fs::read_to_string(&path) {
            Ok(log) => Self::of_log(&log),
            Err(error) => Self::Broken(format!("{}: {error}", path.display())),
        }
    }

    /// Returns the seconds of all scenarios whose log has them.
    pub(crate) fn seconds(&self) -> f32 {
        match self {
            Self::Ended(ran) => ran.values().filter_map(|ran| ran.seconds).sum(),
            Self::Broken(_) | Self::Unmade(_) => 0.0,
        }
    }

    /// The log of one or several test programs.
    pub(crate) fn of_log(log: &str) -> Self {
        let begun = log.lines().filter(|line| is_count(line)).count();
        let ended = log.lines().filter(|line| line.starts_with("test result: ")).count();
        if ended == 0 || ended < begun {
            return Self::Broken("the tests did not come to their end: see the log".to_owned());
        }
        let verdicts = log.lines().filter_map(|line| line.strip_prefix("test ")?.rsplit_once(" ... "));
        let outcomes = verdicts.filter_map(|(name, verdict)| {
            let (word, took) = verdict.split_once([',', ' ']).unwrap_or((verdict, ""));
            let outcome = match word {
                "ok" => Outcome::Held,
                "FAILED" => Outcome::Failed(said_by(log, name)),
                "ignored" => Outcome::Ignored,
                _ => return None,
            };
            // `infra/checks/stopwatch.py` writes it there.
            let seconds = took.strip_suffix(" s").and_then(|seconds| seconds.parse().ok());
            Some((name.to_owned(), Ran { outcome, seconds }))
        });
        Self::Ended(outcomes.collect())
    }

    pub(crate) fn scenarios(&self) -> impl Iterator<Item = &str> {
        let outcomes = match self {
            Self::Ended(outcomes) => Some(outcomes),
            Self::Broken(_) | Self::Unmade(_) => None,
        };
        outcomes.into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }
}

/// `running 36 tests`: a test program begins.
fn is_count(line: &str) -> bool {
    line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test"))
}

/// Returns the output of a failed scenario.
fn said_by(log: &str, scenario: &str) -> String {
    let heading = format!("---- {scenario} stdout ----");
    let after = log.split_once(&heading).map_or("", |(_, after)| after);
    let end = after.find("\n---- ").or_else(|| after.find("\nfailures:\n")).unwrap_or(after.len());
    after[..end].to_owned()
}
