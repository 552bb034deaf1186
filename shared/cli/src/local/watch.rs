//! `throughline up --watch`: builds and deploys a function again when its source changes.

mod changes;
mod sources;

use crate::{
    project::Project,
    terminal::{Terminal, interrupt::Interrupt},
};
use changes::Changes;
use sources::Sources;
use std::{
    collections::BTreeSet,
    fmt::Display,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// The time between two looks at the sources. A change is built after the sources have stayed the same for this long,
/// because an editor saves several files, and a checkout changes many.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// The reason that watching could not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The functions that files belong to could not be determined.
    #[error("{0}")]
    Sources(String),
    /// Ctrl-C could not be reserved for the end of watching.
    #[error("{0}")]
    Interrupt(String),
}

/// Watches the sources of a project's functions until Ctrl-C. `deploy` builds and deploys the given functions, and
/// returns lines for the terminal. An error is printed, and the next change tries again.
///
/// # Errors
/// [`WatchError`], before anything is watched.
pub fn run<E: Display>(
    project: &Project,
    terminal: Terminal,
    deploy: impl FnMut(&[String]) -> Result<Vec<String>, E>,
) -> Result<(), WatchError> {
    let sources = Sources::find(project).map_err(WatchError::Sources)?;
    let interrupt = Interrupt::watch().map_err(WatchError::Interrupt)?;
    let watched = sources.watched();
    let mut changes = Changes::from_now(&watched);
    terminal.note(format_args!(
        "Watching the sources of {} packages. Ctrl-C ends this; the cloud goes on.",
        sources.packages()
    ));
    let next = || loop {
        if interrupt.came() {
            return None;
        }
        thread::sleep(LOOK_AGAIN);
        if let Some(changed) = changes.settled(&watched) {
            return Some(changed);
        }
    };
    follow(next, &sources, terminal, deploy);
    Ok(())
}

/// Reads changes until `next` returns `None`, and deploys the functions that they affect.
fn follow<E: Display>(
    mut next: impl FnMut() -> Option<Vec<PathBuf>>,
    sources: &Sources,
    terminal: Terminal,
    mut deploy: impl FnMut(&[String]) -> Result<Vec<String>, E>,
) {
    // Functions that could not be deployed are tried again with the next change to any function.
    let mut open = BTreeSet::new();
    while let Some(changed) = next() {
        let functions = sources.functions_of(changed.iter().map(PathBuf::as_path));
        if functions.is_empty() {
            continue;
        }
        open.extend(functions);
        let functions: Vec<String> = open.iter().cloned().collect();
        terminal.note(format_args!("Changed: {}. Building …", functions.join(", ")));
        let started = Instant::now();
        match deploy(&functions) {
            Ok(told) => {
                open.clear();
                for line in told {
                    terminal.note(line);
                }
                terminal.note(format_args!("Done in {:.1} s.", started.elapsed().as_secs_f32()));
            }
            Err(error) => {
                terminal.note(format_args!(
                    "{error}\nNothing is deployed; it is tried again with the next change."
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_function_that_could_not_be_deployed_is_tried_again_with_the_next_change() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let sources = Sources::find(&Project::at(root)).unwrap();
        let source = |function: &str| vec![root.join("functions").join(function).join("src/main.rs")];
        let mut coming =
            [source("place-order"), vec![root.join("README.md")], source("relay-outbox")].into_iter();
        let mut asked = Vec::new();
        let deploy = |functions: &[String]| {
            asked.push(functions.to_vec());
            if asked.len() == 1 { Err("it does not compile") } else { Ok(vec![]) }
        };
        follow(|| coming.next(), &sources, Terminal::default(), deploy);
        assert_eq!(asked, [vec!["place-order"], vec!["place-order", "relay-outbox"]]);
    }
}
