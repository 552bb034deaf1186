//! Keeps what is deployed of a saga in step with its definition: the state machine, and the definitions that
//! executions may still be running with.

use std::{env, fs, path::Path};
use throughline_core::saga::{Saga, Worker};

/// Set to anything, it has these checks write their files anew.
const WRITE: &str = "THROUGHLINE_WRITE";

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

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
enum Settled {
    Holds,
    /// Writing the file anew mends it.
    Differs {
        why: String,
        anew: String,
    },
    /// Writing the file anew would hide it.
    Wrong {
        why: String,
    },
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

#[track_caller]
fn settle(path: &str, judge: impl FnOnce(Option<&str>) -> Settled) {
    let folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for tests");
    let is_writing = env::var_os(WRITE).is_some();
    if let Err(why) = settle_file(&Path::new(&folder).join(path), is_writing, judge) {
        panic!("{path} {why}");
    }
}

fn settle_file(
    file: &Path,
    is_writing: bool,
    judge: impl FnOnce(Option<&str>) -> Settled,
) -> Result<(), String> {
    let written = fs::read_to_string(file).ok();
    match judge(written.as_deref()) {
        Settled::Holds => Ok(()),
        Settled::Wrong { why } => Err(why),
        Settled::Differs { anew, .. } if is_writing => {
            fs::write(file, anew).map_err(|error| format!("cannot be written: {error}"))
        }
        Settled::Differs { why, .. } => {
            let missing = if written.is_none() { "\nThere is no such file." } else { "" };
            let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
            Err(format!("{why}{missing}\nTo write it anew: {WRITE}=1 cargo test -p {package}"))
        }
    }
}

/// Where two texts differ first, with the lines around it.
fn first_difference(written: &str, current: &str) -> Option<String> {
    const LINES_BEFORE: usize = 3;
    if written == current {
        return None;
    }
    let (old, new): (Vec<_>, Vec<_>) = (written.lines().collect(), current.lines().collect());
    let at = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let before =
        new.iter().take(at).skip(at.saturating_sub(LINES_BEFORE)).map(|line| format!("\n    {line}"));
    let line = |sign: char, lines: &[&str]| match lines.get(at) {
        Some(line) => format!("\n  {sign} {line}"),
        None => format!("\n  {sign} (it ends here)"),
    };
    Some(format!(
        ": line {} differs (- in the file, + by the definition){}{}{}",
        at + 1,
        before.collect::<String>(),
        line('-', &old),
        line('+', &new)
    ))
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
    fn equal_texts_do_not_differ() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_line_that_differs_is_shown_with_those_before_it() {
        let difference = first_difference("1\n2\n3\n4\nold\n6\n", "1\n2\n3\n4\nnew\n6\n").unwrap();
        assert_eq!(
            difference,
            ": line 5 differs (- in the file, + by the definition)\n    2\n    3\n    4\n  - old\n  + new"
        );
    }

    #[test]
    fn a_text_that_ends_early_differs_where_it_ends() {
        let difference = first_difference("a\n", "a\nb\n").unwrap();
        assert!(difference.ends_with("\n    a\n  - (it ends here)\n  + b"), "{difference}");
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

    #[test]
    fn a_file_is_written_only_if_that_is_asked_for() {
        let file = env::temp_dir().join(format!("saga-golden-{}", std::process::id()));
        let judge = |written: Option<&str>| match written {
            Some("new") => Settled::Holds,
            _ => Settled::Differs { why: "differs".into(), anew: "new".into() },
        };
        let refused = settle_file(&file, false, judge).unwrap_err();
        assert!(refused.starts_with("differs\nThere is no such file.\nTo write it anew: "), "{refused}");
        settle_file(&file, true, judge).unwrap();
        settle_file(&file, false, judge).unwrap();
        fs::remove_file(&file).unwrap();
    }
}
