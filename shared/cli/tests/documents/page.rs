//! A page of Markdown whose `console` blocks hold commands and what they say.

use std::mem;

/// A page: prose, and commands in between.
pub(crate) struct Page(Vec<Part>);

enum Part {
    /// Lines that are kept as they are.
    Prose(String),
    Step(Step),
}

/// A command, and what it says.
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) output: String,
}

const BLOCK: &str = "```console";
const END: &str = "```";
const PROMPT: &str = "$ ";
const GOES_ON: &str = "> ";

impl Page {
    pub(crate) fn read(text: &str) -> Self {
        let (mut parts, mut prose, mut step, mut is_in_block) = (Vec::new(), String::new(), None, false);
        for line in text.lines() {
            let begins = line.strip_prefix(PROMPT).filter(|_| is_in_block);
            if begins.is_some() || line == END {
                parts.extend(step.take().map(Part::Step));
            }
            if let Some(command) = begins {
                parts.push(Part::Prose(mem::take(&mut prose)));
                step = Some(Step { command: command.to_owned(), output: String::new() });
                continue;
            }
            is_in_block = if is_in_block { line != END } else { line == BLOCK };
            match &mut step {
                Some(Step { command, output }) => {
                    match line.strip_prefix(GOES_ON).filter(|_| output.is_empty()) {
                        Some(more) => *command = format!("{command}\n{more}"),
                        None => output.extend([line, "\n"]),
                    }
                }
                None => prose.extend([line, "\n"]),
            }
        }
        parts.push(Part::Prose(prose));
        Self(parts)
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().filter_map(|part| if let Part::Step(step) = part { Some(step) } else { None })
    }

    pub(crate) fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.0.iter_mut().filter_map(|part| if let Part::Step(step) = part { Some(step) } else { None })
    }

    pub(crate) fn text(&self) -> String {
        let text = |part: &Part| match part {
            Part::Prose(text) => text.clone(),
            Part::Step(Step { command, output }) => {
                format!("{PROMPT}{}\n{output}", command.replace('\n', &format!("\n{GOES_ON}")))
            }
        };
        self.0.iter().map(text).collect()
    }
}

#[test]
fn a_page_is_written_as_it_was_read() {
    let text = "# Title\n\n$ not a command\n```console\n$ one \\\n> --more\nsaid\n  more\n$ two\n$ three\nsaid\n```\n\nEnd.\n";
    let page = Page::read(text);
    assert_eq!(page.text(), text);
    let commands: Vec<_> = page.steps().map(|step| (step.command.as_str(), step.output.as_str())).collect();
    assert_eq!(commands, [("one \\\n--more", "said\n  more\n"), ("two", ""), ("three", "said\n")]);
}
