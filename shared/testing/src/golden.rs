//! Files that are made of code, and kept in step with it by tests.

use std::{env, fs, path::Path};

/// Set to anything, it has these checks write their files anew.
pub(crate) const WRITE: &str = "THROUGHLINE_WRITE";

/// The result of a check.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
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

#[track_caller]
pub(crate) fn settle(path: &str, judge: impl FnOnce(Option<&str>) -> Settled) {
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
            let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
            folder.and_then(|()| fs::write(file, anew)).map_err(|error| format!("cannot be written: {error}"))
        }
        Settled::Differs { why, .. } => {
            let missing = if written.is_none() { "\nThere is no such file." } else { "" };
            let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
            Err(format!("{why}{missing}\nTo write it anew: {WRITE}=1 cargo test -p {package}"))
        }
    }
}

/// Returns the first difference of two texts, with the lines around it.
pub(crate) fn first_difference(written: &str, current: &str) -> Option<String> {
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
        ": line {} differs (- in the file, + by the code){}{}{}",
        at + 1,
        before.collect::<String>(),
        line('-', &old),
        line('+', &new)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_line_that_differs_is_shown_with_those_before_it() {
        let difference = first_difference("1\n2\n3\n4\nold\n6\n", "1\n2\n3\n4\nnew\n6\n").unwrap();
        assert_eq!(
            difference,
            ": line 5 differs (- in the file, + by the code)\n    2\n    3\n    4\n  - old\n  + new"
        );
    }

    #[test]
    fn a_text_that_ends_early_differs_where_it_ends() {
        let difference = first_difference("a\n", "a\nb\n").unwrap();
        assert!(difference.ends_with("\n    a\n  - (it ends here)\n  + b"), "{difference}");
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
