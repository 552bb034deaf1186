//! The guide's page "A day with the shop": every command is run, and says what the page says it does.

use super::{
    GUIDE,
    likeness::likeness,
    page::{Page, Step},
    workshop::Workshop,
};
use std::{env, fmt::Write as _, fs, path::Path};

/// The commands that the page must show to be a day's work.
const COMMANDS: [&str; 11] = [
    "up",
    "deploy",
    "publish",
    "tail",
    "trace",
    "metrics --alarms",
    "deploy --function",
    "dlq list",
    "dlq redrive",
    "replay",
    "down",
];

#[test]
fn a_day_with_the_shop_goes_as_its_page_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE).join("a-day.md");
    let mut page = Page::read(&fs::read_to_string(&file).expect("the page is there"));
    for command in COMMANDS {
        let is_shown = page.steps().any(|step| step.command.contains(&format!("throughline {command}")));
        assert!(is_shown, "the page does not show `throughline {command}`");
    }
    let is_written = env::var_os("THROUGHLINE_WRITE").is_some();
    let workshop = Workshop::open("session");
    let mut differences = String::new();
    for step in page.steps_mut() {
        println!("$ {}", step.command);
        let said = workshop.said(&step.command);
        println!("{said}");
        if likeness(&step.output) != likeness(&said) {
            _ = writeln!(differences, "{}", difference(step, &said));
            if !is_written {
                break; // What comes after it rests on it.
            }
        }
        step.output = said;
    }
    if is_written {
        fs::write(&file, page.text()).expect("the page can be written");
    } else {
        assert!(
            differences.is_empty(),
            "{differences}\nIf that is right: THROUGHLINE_WRITE=1 scripts/test documents"
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
