//! Panics and their places.
//!
//! A panic that is caught tells its message and not where it happened. Only the process's panic hook is told, so
//! whoever owns the process has it remember: `throughline::run` does, and the test kit.

use std::{
    any::Any,
    borrow::Cow,
    cell::RefCell,
    panic::{self, PanicHookInfo},
    sync::Once,
};

/// A thread's last panic.
struct Remembered {
    text: String,
    place: String,
}

thread_local! {
    static LAST: RefCell<Option<Remembered>> = const { RefCell::new(None) };
}

/// Has the reason of every handler that panics from now on say the file and the line. It puts a panic hook before the
/// one that there is, once a process; a hook that is set later replaces both.
///
/// ```
/// throughline_core::internal::panics::tell_places();
/// ```
pub fn tell_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            remember(info);
            next(info);
        }));
    });
}

fn remember(info: &PanicHookInfo<'_>) {
    let Some(location) = info.location() else { return };
    let place = format!("{}:{}:{}", known_part(location.file()), location.line(), location.column());
    let text = text(info.payload()).into_owned();
    // A thread that is about to end remembers nothing any more.
    _ = LAST.try_with(|last| last.replace(Some(Remembered { text, place })));
}

/// Describes a caught panic: its message, and its place if that is known. The thread that caught it is the one it
/// happened on. A panic that was raised again elsewhere tells no place, and another's must not stand for it.
pub(crate) fn describe(panic: &(dyn Any + Send)) -> String {
    let text = text(panic);
    let last = LAST.try_with(RefCell::take).ok().flatten();
    match last.filter(|last| last.text == text) {
        Some(Remembered { place, .. }) => format!("the handler panicked at {place}: {text}"),
        None => format!("the handler panicked: {text}"),
    }
}

fn text(panic: &(dyn Any + Send)) -> Cow<'_, str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").into()
}

/// A file's path without what it says of the machine that compiled it: of a dependency, from its name and version on,
/// and of the standard library, from `library` on.
fn known_part(file: &str) -> &str {
    let after = |directory: &str| {
        let (_, rest) = file.split_once(directory)?;
        rest.split_once('/').map(|(_, rest)| rest)
    };
    after("/registry/src/").or_else(|| after("/rustc/")).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, resume_unwind};

    fn caught(panics: impl FnOnce() + panic::UnwindSafe) -> String {
        describe(&*catch_unwind(panics).unwrap_err())
    }

    #[test]
    fn a_panic_tells_its_place_and_no_other_ones() {
        tell_places();
        tell_places();
        let line = line!() + 1;
        let reason = caught(|| panic!("no {}", "idea"));
        assert!(reason.starts_with("the handler panicked at "), "{reason}");
        assert!(reason.contains(&format!("src/panics.rs:{line}:")), "{reason}");
        assert!(reason.ends_with(": no idea"), "{reason}");

        // Somebody else's panic, caught unseen, is not this one's.
        drop(catch_unwind(|| panic!("another")));
        assert_eq!(caught(|| resume_unwind(Box::new("raised again"))), "the handler panicked: raised again");
        assert_eq!(caught(|| resume_unwind(Box::new("another"))), "the handler panicked: another", "used up");
    }

    #[test]
    fn a_place_says_nothing_of_the_machine_that_compiled_it() {
        for (file, known) in [
            ("functions/place-order/src/handler.rs", "functions/place-order/src/handler.rs"),
            (
                "/home/user/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/jiff-0.2.1/src/lib.rs",
                "jiff-0.2.1/src/lib.rs",
            ),
            (
                "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/str/mod.rs",
                "library/core/src/str/mod.rs",
            ),
        ] {
            assert_eq!(known_part(file), known);
        }
    }
}
