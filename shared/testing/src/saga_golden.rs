//! Keeps what is deployed of a saga in step with its definition: the state machine, and the definitions that
//! executions may still be running with.

use crate::golden::{Settled, first_difference, settle};
use throughline_core::saga::{Saga, Worker};

/// Asserts that the state machine in a file is the one that a saga's definition gives. The path is relative
/// to the package's folder.
///
/// ```no_run
/// # fn example(checkout: throughline_core::Saga<()>) {
/// throughline_testing::assert_states_language_is_current(&checkout, "../../infra/checkout.asl.json");
/// # }
/// ```
///
/// # Panics
/// If they differ, with the first difference and how to write the file anew, or if the saga does not fit
/// together.
#[track_caller]
pub fn assert_states_language_is_current<P: Send + Sync + 'static>(saga: &Saga<P>, path: &str) {
    let current = saga.states_language().unwrap_or_else(|error| panic!("{error}"));
    settle(path, |written| match first_difference(written.unwrap_or_default(), &current) {
        None => Settled::Holds,
        Some(difference) => Settled::Differs {
            why: format!("is not the state machine of saga `{}`{difference}", saga.name()),
            anew: current,
        },
    });
}

/// Asserts that a worker knows every definition that a file lists: those that were deployed, and that
/// executions may still be running with. The current one must be listed. The path is relative to the
/// package's folder.
///
/// ```no_run
/// # fn example(worker: throughline_core::saga::Worker<()>) {
/// throughline_testing::assert_definitions_are_known(&worker, "../../infra/checkout.definitions");
/// # }
/// ```
///
/// # Panics
/// If a definition is not known or the current one is not listed, with what to do about it.
#[track_caller]
pub fn assert_definitions_are_known<P: Send + Sync + 'static>(worker: &Worker<P>, path: &str) {
    let known: Vec<_> = worker.definitions().map(Saga::fingerprint).collect();
    settle(path, |listed| judge_definitions(worker.saga().name(), &known, listed));
}

/// `known` has the current definition first.
fn judge_definitions(saga: &str, known: &[String], listed: Option<&str>) -> Settled {
    let text = listed.map_or_else(|| heading(saga), str::to_owned);
    let fingerprints: Vec<_> = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    if let Some(forgotten) = fingerprints.iter().find(|listed| !known.iter().any(|known| known == *listed)) {
        return Settled::Wrong {
            why: format!(
                "lists the definition {forgotten} of saga `{saga}`, which the worker does not know: its \
                 executions would wait for a worker that does.\nGive it to the worker with `Worker::still`, or \
                 take the line out once no execution runs with it any more."
            ),
        };
    }
    match known.first() {
        Some(current) if !fingerprints.contains(&current.as_str()) => Settled::Differs {
            why: format!(
                "does not list {current}, the current definition of saga `{saga}`.\nIf an earlier definition is \
                 deployed, keep it in the code and give it to the worker with `Worker::still`."
            ),
            anew: format!("{}{current}\n", with_line_end(&text)),
        },
        _ => Settled::Holds,
    }
}

fn heading(saga: &str) -> String {
    format!(
        "# The definitions of saga `{saga}` that were deployed, and that executions may still be running with.\n\
         # Take a line out when none does any more.\n"
    )
}

fn with_line_end(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(fingerprints: &[&str]) -> Vec<String> {
        fingerprints.iter().map(|&fingerprint| fingerprint.to_owned()).collect()
    }

    fn differs(settled: Settled) -> (String, String) {
        match settled {
            Settled::Differs { why, anew } => (why, anew),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn known_definitions_hold_with_comments_and_blank_lines() {
        let listed = "# heading\n\naaaa  # the first\nbbbb\n";
        assert_eq!(judge_definitions("trip", &known(&["bbbb", "aaaa"]), Some(listed)), Settled::Holds);
    }

    #[test]
    fn a_definition_that_the_worker_forgot_is_named_and_never_written_away() {
        let Settled::Wrong { why } = judge_definitions("trip", &known(&["bbbb"]), Some("aaaa\nbbbb\n"))
        else {
            panic!("a forgotten definition passed");
        };
        assert!(why.contains("aaaa") && why.contains("Worker::still"), "{why}");
    }

    #[test]
    fn a_current_definition_that_is_not_listed_is_appended() {
        let (why, anew) =
            differs(judge_definitions("trip", &known(&["bbbb", "aaaa"]), Some("# heading\naaaa")));
        assert!(why.contains("bbbb"), "{why}");
        assert_eq!(anew, "# heading\naaaa\nbbbb\n");
    }

    #[test]
    fn the_first_definition_starts_the_list() {
        let (_, anew) = differs(judge_definitions("trip", &known(&["aaaa"]), None));
        assert!(anew.starts_with("# The definitions of saga `trip`") && anew.ends_with("\naaaa\n"), "{anew}");
    }
}
