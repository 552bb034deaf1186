//! `throughline new`: a function with a handler, a test and all its resources, to go on from.

mod message_types;
mod sources;
mod template_text;

use crate::{
    cloud::stack::{camel_case, kebab_case},
    project::{Project, template::Template},
    terminal::Terminal,
};
use clap::Args;
use message_types::{Catalogue, EventType};
use serde::Serialize;
use sources::Sources;
use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use template_text::NewFunction;
use throughline_aws::settings;

const EXAMPLES: &str = "Examples:
  throughline new count-orders --on order.confirmed,order.cancelled";

/// Makes a function that handles events from a queue of its own: its crate with a handler and a test, its line in
/// functions/handlers.lock, and in infra/template.yaml its queues, rule, role, logs, alarms and outputs.
///
/// It does nothing yet, and everything around it works. Nothing that exists is overwritten.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Its name, such as count-orders: what it does, in lower case, with hyphens
    pub name: String,
    /// The types of the events it handles, all of one enum
    #[arg(long, value_name = "TYPE", required = true, value_delimiter = ',')]
    pub on: Vec<String>,
}

/// Why no function was made. Nothing was changed, unless a file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The name is none that everything can bear.
    #[error(
        "`{0}` is no name for a function: take lower-case words with hyphens between them, such as count-orders"
    )]
    BadName(String),
    /// There is one already.
    #[error("{what} exists already: choose another name, or remove it")]
    Exists {
        /// The path that exists.
        what: String,
    },
    /// Nobody declares such an event.
    #[error(
        "no `events!` in shared/ declares `{message_type}`; they declare {known}. Declare it first, or take one of these"
    )]
    UnknownType {
        /// The requested types.
        message_type: String,
        /// Those there are.
        known: String,
    },
    /// A handler takes events of one enum.
    #[error("{types} are not all of one enum, and a handler takes one: make a function for each")]
    SeveralEnums {
        /// The requested types.
        types: String,
    },
    /// There is nothing for its test to begin with.
    #[error("events/{sample} is missing: write a sample of the event there, for the function's test")]
    NoSample {
        /// The file's name.
        sample: String,
    },
    /// The template is of another form.
    #[error("infra/template.yaml has no line `Outputs:`: a function's outputs go below it; add it")]
    NoOutputs,
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// Cargo does not take the new crate.
    #[error(
        "the function is written, but Cargo.lock was not renewed: {reason}; run `cargo update --workspace`"
    )]
    NotLocked {
        /// The reason that cargo gave.
        reason: String,
    },
}

impl NewError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}

/// The report of the new function.
#[derive(Debug, Serialize)]
struct Made {
    function: String,
    on: Vec<String>,
    created: Vec<String>,
    changed: Vec<String>,
    next: Vec<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} handles {}.", self.function, self.on.join(", "))?;
        for path in &self.created {
            writeln!(f, "  created  {path}")?;
        }
        for path in &self.changed {
            writeln!(f, "  changed  {path}")?;
        }
        f.write_str("Next:")?;
        self.next.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

/// Runs the command.
///
/// # Errors
/// [`NewError`], or if this is no project.
#[expect(clippy::unused_async, reason = "every command is run alike")]
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let template = Template::of(&project)?;
    let source = template.document()["Globals"]["Function"]["Environment"]["Variables"][settings::SOURCE]
        .as_str()
        .unwrap_or("shop");
    let plan = Plan::of(&project, arguments, source)?;
    plan.write()?;
    renew_lock(&project)?;
    terminal.show(&plan.made(&project))?;
    Ok(())
}

/// Every file that is to be, thought out before any is written.
#[derive(Debug)]
struct Plan<'a> {
    arguments: &'a Arguments,
    created: Vec<(PathBuf, String)>,
    changed: Vec<(PathBuf, String)>,
}

impl<'a> Plan<'a> {
    fn of(project: &Project, arguments: &'a Arguments, source: &str) -> Result<Self, NewError> {
        let Arguments { name, on } = arguments;
        if !is_name(name) {
            return Err(NewError::BadName(name.clone()));
        }
        let (camel_name, root) = (camel_case(name), project.root());
        let folder = root.join("functions").join(name);
        if folder.exists() {
            return Err(NewError::Exists { what: format!("functions/{name}") });
        }
        let catalogue = Catalogue::of_all(project, on)?;
        let events: Vec<EventType> =
            on.iter().filter_map(|message_type| catalogue.event(message_type).cloned()).collect();
        let sample = sample(root, &events)?;
        let sources = Sources {
            name,
            camel_name: &camel_name,
            catalogue: &catalogue,
            events: &events,
            sample: &sample,
        };
        let created = [
            ("Cargo.toml", sources.manifest()),
            ("src/main.rs", sources.main()),
            ("src/handler.rs", sources.handler()),
        ];
        let template = root.join("infra/template.yaml");
        let text = read(&template)?;
        if text.contains(&format!("\n  {camel_name}Function:")) {
            return Err(NewError::Exists { what: format!("{camel_name}Function in infra/template.yaml") });
        }
        let text = NewFunction { name, camel_name: &camel_name, types: on, source }.put_into(&text)?;
        let lock = root.join("functions/handlers.lock");
        let names = with_name(&read(&lock)?, name)?;
        Ok(Self {
            arguments,
            created: created.into_iter().map(|(path, text)| (folder.join(path), text)).collect(),
            changed: vec![(lock, names), (template, text)],
        })
    }

    fn write(&self) -> Result<(), NewError> {
        for (path, text) in self.created.iter().chain(&self.changed) {
            let folder = path.parent().unwrap_or(path);
            fs::create_dir_all(folder).map_err(|source| NewError::file(folder, source))?;
            // Nobody ever sees half a file.
            let part = path.with_extension("part");
            fs::write(&part, text)
                .and_then(|()| fs::rename(&part, path))
                .map_err(|source| NewError::file(path, source))?;
        }
        Ok(())
    }

    fn made(&self, project: &Project) -> Made {
        let shown = |(path, _): &(PathBuf, String)| {
            path.strip_prefix(project.root()).unwrap_or(path).display().to_string()
        };
        let Arguments { name, on } = self.arguments;
        Made {
            function: name.clone(),
            on: on.clone(),
            created: self.created.iter().map(shown).collect(),
            changed: self.changed.iter().map(shown).chain(["Cargo.lock".to_owned()]).collect(),
            next: vec![
                format!("write what it does, and its test, in functions/{name}/src/handler.rs"),
                format!("cargo test -p {name}"),
                "scripts/check-template".to_owned(),
                "throughline deploy".to_owned(),
            ],
        }
    }
}

fn read(path: &Path) -> Result<String, NewError> {
    fs::read_to_string(path).map_err(|source| NewError::file(path, source))
}

/// Lower-case words with hyphens between them. A function's name on AWS has at most 64 letters, the stack's included.
fn is_name(name: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    name.len() <= 40 && name.split('-').all(is_word) && kebab_case(&camel_case(name)) == name
}

/// The file in events/ with a sample of the first event.
fn sample(root: &Path, events: &[EventType]) -> Result<String, NewError> {
    let Some(EventType { message_type, version, .. }) = events.first() else {
        return Err(NewError::NoSample { sample: "an event".into() });
    };
    let sample = format!("{message_type}.{version}.json");
    if root.join("events").join(&sample).is_file() { Ok(sample) } else { Err(NewError::NoSample { sample }) }
}

/// The list of locked names with one more: in its place, if the list is sorted.
fn with_name(names: &str, name: &str) -> Result<String, NewError> {
    let mut lines: Vec<&str> = names.lines().collect();
    let is_name = |line: &&str| !line.starts_with('#') && !line.trim().is_empty();
    // After a name stands what a replay means for its handler.
    if lines.iter().any(|line| line.split_whitespace().next() == Some(name)) {
        return Err(NewError::Exists { what: format!("`{name}` in functions/handlers.lock") });
    }
    let place = lines.iter().position(|line| is_name(line) && *line > name).unwrap_or(lines.len());
    lines.insert(place, name);
    Ok(lines.join("\n") + "\n")
}

/// Cargo.lock knows the new crate afterwards: everything is built with --locked. What was built here can be resolved
/// without the registry; where nothing was, cargo asks it.
fn renew_lock(project: &Project) -> Result<(), NewError> {
    let offline = cargo_update(project, &["--offline"]);
    offline.or_else(|_| cargo_update(project, &[])).map_err(|reason| NewError::NotLocked { reason })
}

fn cargo_update(project: &Project, options: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["update", "--workspace", "--quiet"]).args(options).current_dir(project.root());
    let output = cargo.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_that_the_template_can_bear() {
        for name in ["count-orders", "a", "send-2-letters-x"] {
            assert_eq!(is_name(name), name != "send-2-letters-x", "{name}");
        }
        for name in ["", "Count", "count_orders", "-count", "count-", "count--orders", "2nd", &"a".repeat(41)]
        {
            assert!(!is_name(name), "{name}");
        }
        assert_eq!(camel_case("count-orders"), "CountOrders");
    }

    #[test]
    fn a_name_is_locked_in_its_place_and_not_twice() {
        let names = "# Names.\naccept\nreserve\n";
        assert_eq!(with_name(names, "count").unwrap(), "# Names.\naccept\ncount\nreserve\n");
        assert!(with_name("count reprocess\n", "count").is_err());
        assert_eq!(with_name(names, "zoom").unwrap(), "# Names.\naccept\nreserve\nzoom\n");
        assert!(
            with_name(names, "reserve")
                .unwrap_err()
                .to_string()
                .contains("`reserve` in functions/handlers.lock")
        );
    }
}
