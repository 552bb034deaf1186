//! A day with the shop: every command of `docs/session.md` is run, and says what the page says it does.
//!
//! `scripts/test session` runs it, in a copy of the project that it may break. `THROUGHLINE_WRITE=1` writes what the
//! commands say into the page.

mod likeness;
mod page;
mod workshop;

use likeness::likeness;
use page::{Page, Step};
use std::{env, fmt::Write as _, fs, path::Path};
use workshop::Workshop;

/// What the page must show for the session to be one.
const COMMANDS: [&str; 10] =
    ["up", "deploy", "publish", "tail", "trace", "metrics", "dlq list", "dlq redrive", "replay", "down"];

#[test]
fn a_day_with_the_shop_goes_as_its_page_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/session.md");
    let mut page = Page::read(&fs::read_to_string(&file).expect("the page is there"));
    for command in COMMANDS {
        let is_shown = page.steps().any(|step| step.command.contains(&format!("throughline {command}")));
        assert!(is_shown, "the page does not show `throughline {command}`");
    }
    let workshop = Workshop::open();
    let mut differences = String::new();
    for step in page.steps_mut() {
        eprintln!("$ {}", step.command);
        let said = workshop.run(&step.command);
        eprintln!("{said}");
        if likeness(&step.output) != likeness(&said) {
            _ = writeln!(differences, "{}", difference(step, &said));
            if env::var_os("THROUGHLINE_WRITE").is_none() {
                break; // What comes after it rests on it.
            }
        }
        step.output = said;
    }
    if env::var_os("THROUGHLINE_WRITE").is_some() {
        fs::write(&file, page.text()).expect("the page can be written");
    } else {
        assert!(
            differences.is_empty(),
            "{differences}\nIf that is right: THROUGHLINE_WRITE=1 scripts/test session"
        );
    }
}

fn difference(step: &Step, said: &str) -> String {
    let (expected, found) = (likeness(&step.output), likeness(said));
    let first = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
    let line = first.unwrap_or(expected.lines().count().min(found.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(nothing more)").to_owned();
    format!(
        "$ {}\nsays in line {}:\n  {}\nand the page:\n  {}\nAll of it:\n{said}",
        step.command,
        line + 1,
        at(&found),
        at(&expected)
    )
}
