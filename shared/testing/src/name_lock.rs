//! Keeps handlers' names from changing by accident.

use std::{env, fs, path::Path};
use throughline_core::{Handler, ReplayPolicy};

/// Asserts that a handler's name is in the checked-in file `handlers.lock`, in the crate's folder or one
/// above it. A handler's name is part of the key of everything it has done: renamed, it does all of it
/// again.
///
/// # Panics
/// If there is no such file, or the name is not in it.
#[track_caller]
pub fn assert_name_is_locked(name: &str) {
    assert_is_locked(name, ReplayPolicy::ClaimsDecide);
}

/// Asserts the same, and that what a replay means to the handler is behind its name: nothing, or `reprocess`. A plan
/// of a replay says so.
///
/// # Panics
/// If there is no such file, or the name is not in it, or something else is behind it.
#[track_caller]
pub fn assert_handler_is_locked(handler: &impl Handler) {
    assert_is_locked(handler.name(), handler.replay_policy());
}

#[track_caller]
fn assert_is_locked(name: &str, policy: ReplayPolicy) {
    let start = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for tests");
    let Some(path) =
        Path::new(&start).ancestors().map(|folder| folder.join("handlers.lock")).find(|path| path.is_file())
    else {
        panic!(
            "no handlers.lock in {} or above: create one, with a handler's name on each line",
            Path::new(&start).display()
        );
    };
    let locked = fs::read_to_string(&path).expect("handlers.lock is a text file");
    let wanted = match policy {
        ReplayPolicy::ClaimsDecide => name.to_owned(),
        ReplayPolicy::Reprocess => format!("{name} {}", policy.name()),
    };
    assert!(
        locked.lines().map(str::trim).any(|line| line == wanted),
        "handler `{name}` is not in {}.\nIf it is new, add a line `{wanted}`. If it was renamed, change \
         NAME back: under another name it would handle every message that is delivered again a second time.",
        path.display(),
    );
}
