//! `throughline dlq purge`: letters are thrown away, once they are written to a file.

use super::selection::SelectionArguments;
use crate::{
    cloud::{stack::Stack, target::Target},
    letters::{
        groups,
        identity::message_name,
        pass::{LettersOf, Pass},
        queues::{NamedQueue, selected},
        selection::{Selection, error_of, handler_of},
    },
    project::{Project, catalogue::Shown},
    terminal::Terminal,
    time::duration::duration,
};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    error::Error,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use throughline_core::Timestamp;
use throughline_operations::ReceivedLetter;

/// The arguments of `dlq purge`.
#[derive(Debug, Args)]
pub struct PurgeArguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The letters to throw away.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Every letter of the queues that are meant
    #[arg(long)]
    pub all: bool,
    /// Write whole bodies to the file, with what is marked as sensitive: only then can they be sent again
    #[arg(long)]
    pub reveal: bool,
    /// The time that letters in hand stay hidden from others, should this command be killed
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub hold: Duration,
}

/// The report of a purge.
#[derive(Debug, Default, Serialize)]
struct Purged {
    letters: u64,
    file: PathBuf,
    /// Letters that were written down and could not be deleted.
    not_deleted: u64,
    in_others_hands: u64,
    /// Letters that are waiting and never came.
    not_reached: u64,
    /// Why some of these cannot be reached.
    out_of_reach: Vec<String>,
}

/// Throws letters away.
pub(super) async fn run(arguments: &PurgeArguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let PurgeArguments { target, selection, all, reveal, hold } = arguments;
    let selection = &selection.selection();
    if selection.is_everything() && !all {
        return Err("say which letters: --id, --queue, --handler, --error, --type or --all; `throughline dlq list` shows what there is".into());
    }
    let project = Project::find()?;
    let stack = target.open(terminal).await?;
    let queues = selected(&stack, selection).await?;
    let file =
        project.root().join(".throughline/purged").join(format!("{}.jsonl", file_name(Timestamp::now())));
    terminal.confirm(&question(selection, *reveal, &file))?;
    let mut purge = Purge {
        stack: &stack,
        selection,
        shown: Shown::new(&project, *reveal, terminal)?,
        file: Written { path: file.clone(), file: None },
        purged: Purged { file, ..Purged::default() },
    };
    for queue in &queues {
        purge.queue(queue, *hold, terminal).await?;
    }
    terminal.show(&purge.purged)?;
    purge.purged.problem().map_or(Ok(()), |problem| Err(problem.into()))
}

fn question(selection: &Selection, reveal: bool, file: &Path) -> String {
    let which = selection.in_words();
    let kept = if reveal {
        "whole, with what is marked as sensitive"
    } else {
        "masked, so that they cannot be sent again (--reveal keeps them whole)"
    };
    format!("throw {which} away? They are written to {} first, {kept}. Go on", file.display())
}

/// A time that can be a file's name.
fn file_name(time: Timestamp) -> String {
    time.to_string().replace(':', "-")
}

struct Purge<'a> {
    stack: &'a Stack,
    selection: &'a Selection,
    shown: Shown,
    file: Written,
    purged: Purged,
}

impl Purge<'_> {
    async fn queue(
        &mut self,
        queue: &NamedQueue,
        hold: Duration,
        terminal: &Terminal,
    ) -> Result<(), Box<dyn Error>> {
        let sets_aside = !self.selection.is_whole_queues();
        let mut pass = Pass::begin(self.stack, queue, hold, sets_aside).await?;
        let progress = terminal.progress(&format!("purging {}", queue.name), Some(pass.total()));
        while let Some(received) = pass.next().await? {
            let (meant, others): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|it| self.selection.has(&queue.name, &it.letter));
            for other in others {
                pass.set_aside(other);
            }
            self.throw_away(queue, meant, &mut pass).await?;
            progress.set(self.purged.letters);
        }
        progress.finish();
        self.purged.in_others_hands += pass.in_others_hands();
        self.purged.not_reached += pass.not_reached();
        let blocked = pass.blocked_groups();
        if !blocked.is_empty() {
            let out_of_reach = groups::out_of_reach(&queue.name, pass.not_reached(), &blocked);
            self.purged.out_of_reach.push(format!("{}: {out_of_reach}", queue.name));
        }
        if let Err(error) = pass.end().await {
            terminal.note(error); // they come back by themselves, and what is thrown away is to be told
        }
        Ok(())
    }

    /// First on the disk, then gone.
    async fn throw_away(
        &mut self,
        queue: &NamedQueue,
        letters: Vec<ReceivedLetter>,
        pass: &mut Pass<LettersOf<'_>>,
    ) -> Result<(), Box<dyn Error>> {
        if letters.is_empty() {
            return Ok(());
        }
        self.file.write(letters.iter().map(|it| record(&self.shown, &queue.name, it)))?;
        let handles: Vec<&str> = letters.iter().map(|it| it.receipt_handle.as_str()).collect();
        let answers = queue.queue.delete(&handles).await?;
        for (letter, answer) in letters.into_iter().zip(answers) {
            if answer.is_ok() {
                self.purged.letters += 1;
            } else {
                self.purged.not_deleted += 1;
                pass.set_aside(letter);
            }
        }
        Ok(())
    }
}

/// Returns what is written down of a letter.
fn record(shown: &Shown, queue: &str, received: &ReceivedLetter) -> Value {
    let letter = &received.letter;
    json!({
        "queue": queue,
        "id": letter.message_id,
        "message": message_name(letter),
        "handler": handler_of(queue, letter),
        "error": error_of(letter),
        "attributes": letter.attributes,
        "sent_at": letter.sent_at,
        "body": shown.body(&letter.body),
    })
}

/// The file of what is thrown away. It is there once there is something.
struct Written {
    path: PathBuf,
    file: Option<File>,
}

impl Written {
    fn write(&mut self, records: impl Iterator<Item = Value>) -> Result<(), Box<dyn Error>> {
        let lines = records.fold(String::new(), |lines, record| lines + &record.to_string() + "\n");
        let path = self.path.display().to_string();
        let wrong = |error: io::Error| format!("{path}: {error}; nothing more was thrown away");
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                fs::create_dir_all(self.path.parent().unwrap_or(Path::new("."))).map_err(wrong)?;
                let mut options = OpenOptions::new();
                let options = options.append(true).create(true).mode(0o600);
                let file = options.open(&self.path).map_err(wrong)?;
                self.file.insert(file)
            }
        };
        file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()).map_err(wrong)?;
        Ok(())
    }
}

impl Purged {
    /// Why not all that was meant is thrown away.
    fn problem(&self) -> Option<String> {
        let Self { not_deleted, not_reached, out_of_reach, .. } = self;
        if !out_of_reach.is_empty() {
            return Some(format!("not all that may be meant is thrown away; {}", out_of_reach.join("; ")));
        }
        let left = not_deleted + not_reached;
        (left > 0).then(|| format!("about {left} letters are still there: run it again"))
    }
}

impl fmt::Display for Purged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.letters + self.not_deleted == 0 {
            writeln!(f, "There was nothing to throw away.")?;
        } else {
            writeln!(f, "{} letters thrown away; they are in {}", self.letters, self.file.display())?;
        }
        if self.not_deleted > 0 {
            writeln!(f, "{} are in the file and could not be deleted: run it again", self.not_deleted)?;
        }
        if self.in_others_hands > 0 {
            writeln!(
                f,
                "{} more are hidden by other readers just now: look again in a minute",
                self.in_others_hands
            )?;
        }
        if self.not_reached > 0 && self.out_of_reach.is_empty() {
            writeln!(f, "about {} more are waiting and did not come: run it again", self.not_reached)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_a_problem_that_a_script_can_tell() {
        assert_eq!(Purged::default().problem(), None);
        let left = Purged { not_deleted: 1, not_reached: 2, ..Purged::default() };
        assert!(left.problem().unwrap().contains("about 3 letters are still there"));
        let out_of_reach = vec!["pay: about 16 letters stand behind".to_owned()];
        let blocked = Purged { not_reached: 16, out_of_reach, ..Purged::default() };
        let problem = blocked.problem().unwrap();
        assert!(problem.contains("16 letters stand behind") && !problem.contains("again"), "{problem}");
    }
}
