//! `throughline dlq list`.

use super::selection::SelectionArguments;
use crate::{
    cloud::{stack::Stack, target::Target},
    letters::{
        groups,
        queues::{NamedQueue, selected},
        selection::{Selection, error_of, handler_of, type_of},
    },
    terminal::{Table, Terminal},
    time::duration::{age_at, ago},
};
use clap::Args;
use serde::Serialize;
use std::{collections::BTreeMap, error::Error, fmt};
use throughline_core::Timestamp;
use throughline_operations::{FoundLetter, QueueDepth};

/// The number of letters of each queue that are looked at unless all are asked for: a second or two of work.
const SAMPLE: usize = 500;
/// The length of an error's message in the table, in characters.
const SHORT: usize = 120;

/// The arguments of `dlq list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The letters to list.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Look at every letter that can be seen, however many there are; otherwise at 500 of each queue. Of a FIFO queue's
    /// message group ten can be seen
    #[arg(long)]
    pub all: bool,
}

/// The letters in the dead-letter queues.
#[derive(Debug, Serialize)]
struct Listing {
    queues: Vec<Looked>,
    groups: Vec<Group>,
}

/// A queue that is not empty.
#[derive(Debug, Serialize)]
struct Looked {
    queue: String,
    waiting: u64,
    in_flight: u64,
    examined: usize,
    is_sample: bool,
    /// Whether every letter was asked for.
    #[serde(skip)]
    is_all_wanted: bool,
    /// Letters that cannot be seen, since they stand behind others in their message groups.
    behind: u64,
    /// The message groups in which they do.
    behind_in: Vec<String>,
}

/// Letters of one kind.
#[derive(Debug, PartialEq, Serialize)]
struct Group {
    queue: String,
    handler: String,
    error: String,
    #[serde(rename = "type")]
    message_type: String,
    count: usize,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
    /// The id of the newest.
    sample: String,
    /// Its error's message.
    message: String,
}

/// Lists what was given up.
pub(super) async fn run(arguments: &ListArguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let most = if arguments.all { usize::MAX } else { SAMPLE };
    let selection = arguments.selection.selection();
    let mut listing = Listing { queues: Vec::new(), groups: Vec::new() };
    for queue in selected(&stack, &selection).await? {
        let depth = queue.depth(&stack).await?;
        if !depth.is_empty() {
            listing.add(&queue, depth, most, &selection, terminal).await?;
        }
    }
    terminal.show(&listing)?;
    Ok(())
}

/// The letters of a queue that are meant.
#[derive(Debug)]
pub(super) struct Meant {
    pub(super) queue: NamedQueue,
    pub(super) letters: Vec<FoundLetter>,
    /// Why others may be meant that cannot be seen.
    pub(super) out_of_reach: Option<String>,
}

/// Every letter that is meant and can be seen.
pub(super) async fn letters(
    stack: &Stack,
    selection: &Selection,
    terminal: &Terminal,
) -> Result<Vec<Meant>, Box<dyn Error>> {
    let mut found = Vec::new();
    for queue in selected(stack, selection).await? {
        let depth = queue.depth(stack).await?;
        if depth.is_empty() {
            continue;
        }
        let progress = terminal.progress(&format!("looking at {}", queue.name), Some(depth.waiting));
        let look = queue.queue.look(usize::MAX, |seen| progress.set(seen as u64)).await?;
        progress.finish();
        let is_any_behind = look.behind > 0;
        let out_of_reach =
            is_any_behind.then(|| groups::out_of_reach(&queue.name, look.behind, &look.groups()));
        let mut letters = look.letters;
        letters.retain(|letter| selection.has(&queue.name, letter));
        found.push(Meant { queue, letters, out_of_reach });
    }
    Ok(found)
}

impl Listing {
    async fn add(
        &mut self,
        queue: &NamedQueue,
        depth: QueueDepth,
        most: usize,
        selection: &Selection,
        terminal: &Terminal,
    ) -> Result<(), Box<dyn Error>> {
        let total = depth.waiting.min(most as u64);
        let progress = terminal.progress(&format!("looking at {}", queue.name), Some(total));
        let look = queue.queue.look(most, |seen| progress.set(seen as u64)).await?;
        progress.finish();
        let QueueDepth { waiting, in_flight, .. } = depth;
        let (examined, is_sample, behind) = (look.letters.len(), look.is_sample, look.behind);
        let behind_in = if behind > 0 { look.groups() } else { Vec::new() };
        let behind_in = behind_in.into_iter().map(ToOwned::to_owned).collect();
        let letters = look.letters.iter().filter(|letter| selection.has(&queue.name, letter));
        self.groups.extend(grouped(&queue.name, letters));
        let (queue, is_all_wanted) = (queue.name.clone(), most == usize::MAX);
        self.queues.push(Looked {
            queue,
            waiting,
            in_flight,
            examined,
            is_sample,
            is_all_wanted,
            behind,
            behind_in,
        });
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Letters by handler, error and type; the most frequent first.
fn grouped<'a>(queue: &str, letters: impl Iterator<Item = &'a FoundLetter>) -> Vec<Group> {
    let mut kinds: BTreeMap<(&str, &str, &str), Vec<&FoundLetter>> = BTreeMap::new();
    let queue_name = queue;
    let letters: Vec<&FoundLetter> = letters.collect();
    for letter in letters {
        let kind = (handler_of(queue_name, letter), error_of(letter), type_of(letter));
        kinds.entry(kind).or_default().push(letter);
    }
    let mut groups: Vec<Group> = kinds
        .into_iter()
        .map(|((handler, error, message_type), letters)| {
            let newest = letters.iter().max_by_key(|letter| letter.sent_at);
            Group {
                queue: queue.to_owned(),
                handler: handler.to_owned(),
                error: error.to_owned(),
                message_type: message_type.to_owned(),
                count: letters.len(),
                oldest: letters.iter().filter_map(|letter| letter.sent_at).min(),
                newest: newest.and_then(|letter| letter.sent_at),
                sample: newest.map(|letter| letter.message_id.clone()).unwrap_or_default(),
                message: newest.map(|letter| message_of(letter)).unwrap_or_default(),
            }
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn message_of(letter: &FoundLetter) -> String {
    letter.attribute("ErrorMessage").map_or_else(|| letter.reason(), ToOwned::to_owned)
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = Timestamp::now();
        if !self.is_empty() {
            let headings =
                ["letters", "handler", "error", "type", "oldest", "newest", "a sample", "its message"];
            let mut table = Table::new(headings);
            let age = |time: Option<Timestamp>| time.map(|time| ago(age_at(now, time)));
            for group in &self.groups {
                let message: String = group.message.chars().take(SHORT).collect();
                let [oldest, newest] = [group.oldest, group.newest].map(|time| age(time).unwrap_or_default());
                let Group { count, handler, error, message_type, sample, .. } = group;
                table.row([
                    &count.to_string(),
                    handler,
                    error,
                    message_type,
                    &oldest,
                    &newest,
                    sample,
                    &message,
                ]);
            }
            writeln!(f, "{table}")?;
        } else if self.queues.iter().all(|queue| queue.waiting + queue.in_flight == 0) {
            writeln!(f, "The dead-letter queues are empty.")?;
        } else {
            writeln!(f, "None of the letters that could be looked at is such a one.")?;
        }
        for looked in &self.queues {
            let Looked { queue, waiting, in_flight, examined, behind, behind_in, .. } = looked;
            let were_looked_at = format!("{queue}: {examined} of about {waiting} letters were looked at");
            if looked.is_sample && looked.is_all_wanted {
                writeln!(f, "{were_looked_at}; the others did not come: look again in a minute.")?;
            } else if looked.is_sample {
                writeln!(f, "{were_looked_at}; --all looks at every one.")?;
            }
            if *behind > 0 {
                let out_of_reach = groups::out_of_reach(queue, *behind, behind_in);
                writeln!(
                    f,
                    "{queue}: {examined} of about {waiting} letters were looked at; {out_of_reach}."
                )?;
            }
            if *in_flight > 0 {
                writeln!(
                    f,
                    "{queue}: {in_flight} more are hidden by other readers just now: look again in a minute."
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_operations::Origin;

    fn letter(id: &str, error: &str, second: i64) -> FoundLetter {
        let attributes = [
            ("ErrorType", error),
            ("Handler", "place-order"),
            ("EventType", "order.place"),
            ("ErrorMessage", id),
        ];
        FoundLetter {
            message_id: id.into(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            sent_at: Timestamp::from_second(second).ok(),
            origin: Origin::Function,
            ..FoundLetter::default()
        }
    }

    #[test]
    fn letters_of_a_kind_are_one_row_with_the_newest_as_its_sample() {
        let letters = [letter("a", "Rare", 5), letter("b", "Frequent", 1), letter("c", "Frequent", 9)];
        let groups = grouped("place-order", letters.iter());
        let [frequent, rare] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((frequent.count, frequent.error.as_str(), frequent.sample.as_str()), (2, "Frequent", "c"));
        assert_eq!(
            (frequent.oldest, frequent.newest),
            (Timestamp::from_second(1).ok(), Timestamp::from_second(9).ok())
        );
        assert_eq!((rare.count, rare.message.as_str()), (1, "a"));
    }

    #[test]
    fn what_stands_behind_others_is_said_and_never_called_every_one() {
        let queue = Looked {
            queue: "pay".into(),
            waiting: 26,
            in_flight: 0,
            examined: 10,
            is_sample: false,
            is_all_wanted: true,
            behind: 16,
            behind_in: vec!["o-1".into()],
        };
        let groups = grouped("pay", [letter("a", "Bad", 5)].iter());
        let text = Listing { queues: vec![queue], groups }.to_string();
        assert!(
            text.contains("pay: 10 of about 26 letters were looked at; about 16 letters stand"),
            "{text}"
        );
        assert!(text.contains("`o-1`") && !text.contains("every one"), "{text}");
    }

    #[test]
    fn a_sample_and_what_others_hold_are_said() {
        let queue = Looked {
            queue: "place-order".into(),
            waiting: 9000,
            in_flight: 3,
            examined: 500,
            is_sample: true,
            is_all_wanted: false,
            behind: 0,
            behind_in: Vec::new(),
        };
        let listing =
            Listing { queues: vec![queue], groups: grouped("place-order", [letter("a", "Bad", 5)].iter()) };
        let text = listing.to_string();
        assert!(text.contains("500 of about 9000 letters"), "{text}");
        assert!(text.contains("3 more are hidden by other readers"), "{text}");
        let nothing = Listing { queues: Vec::new(), groups: Vec::new() };
        assert_eq!(nothing.to_string(), "The dead-letter queues are empty.\n");
    }
}
