//! Lines by what they are about: whoever asks knows an order's number, and no correlation id.

use crate::{
    cloud::stack::Stack,
    project::catalogue::Catalogue,
    terminal::{Table, Terminal},
};
use futures_util::StreamExt as _;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt, pin,
};
use throughline_aws::DynamoLedger;
use throughline_core::{Attributes, Timestamp, catalogue::MessageKind};
use throughline_operations::{
    FoundLetter,
    line::events_of,
    log::{LoggedHeader, ReadLog as _, TimeRange},
};

/// The number of messages of the log that are opened at a time.
const OPENED_AT_A_TIME: usize = 100;

/// A line with something about a subject in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct AboutLine {
    correlation_id: String,
    /// When the first of these messages happened.
    first_at: Option<Timestamp>,
    /// When the last of them did.
    last_at: Option<Timestamp>,
    /// The types of the messages about it, in the order of their times.
    messages: Vec<String>,
    /// The number of them that are dead letters.
    dead_letters: usize,
}

/// The lines about a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    subject: String,
    lines: Vec<AboutLine>,
    /// A description of the places that were looked at.
    looked_at: String,
}

impl Answer {
    /// The line, if there is only one.
    pub(super) fn only(&self) -> Option<&str> {
        match self.lines.as_slice() {
            [line] => Some(&line.correlation_id),
            _ => None,
        }
    }

    /// Why no line is shown; nothing if there is only one.
    pub(super) fn problem(&self) -> Option<String> {
        let Self { subject, lines, looked_at } = self;
        match lines.len() {
            0 => Some(format!(
                "nothing is known of `{subject}`: {looked_at} have nothing about it. Messages of other kinds are found \
                 by --since, such as --since 2d, which reads all that was logged since then"
            )),
            1 => None,
            many => Some(format!("{many} lines are about `{subject}`: say which, by its id")),
        }
    }

    /// All lines about a subject: those of the events of each kind of aggregate in the catalogue, those that lie in
    /// dead-letter queues, and, if a time is given, those of all that was logged since.
    pub(super) async fn about(
        subject: &str,
        since: Option<Timestamp>,
        stack: &Stack,
        catalogue: &Catalogue,
        terminal: &Terminal,
    ) -> Result<Self, Box<dyn Error>> {
        let table = stack.output("LedgerTable")?;
        let client = stack.clients.dynamodb().await;
        let kinds = kinds(catalogue);
        let mut found = Found::default();
        for kind in &kinds {
            for event in events_of(client, table, kind, subject).await? {
                found.message(&event.outgoing.envelope.attributes, event.occurred_at);
            }
        }
        for (_, letter) in stack.dead_letters().await? {
            found.letter(subject, &letter);
        }
        let mut looked_at = format!(
            "the events of {}, and the dead letters",
            kinds.into_iter().collect::<Vec<_>>().join(", ")
        );
        if let Some(from) = since {
            let range = TimeRange { from, until: Timestamp::now() };
            found
                .logged(subject, &DynamoLedger::new(client.clone(), table, BTreeMap::new()), range, terminal)
                .await?;
            looked_at = format!("{looked_at}, and all that was logged since {from},");
        }
        Ok(Self { subject: subject.to_owned(), lines: found.lines(), looked_at })
    }
}

/// The kinds of aggregates that events happen to.
fn kinds(catalogue: &Catalogue) -> BTreeSet<String> {
    let kind = |kind: &MessageKind| match kind {
        MessageKind::Event { aggregate } => aggregate.clone(),
        MessageKind::Command { .. } => None,
    };
    catalogue.messages().iter().filter_map(|message| kind(&message.entry.kind)).collect()
}

/// The lines that were found, by their ids.
#[derive(Debug, Default)]
struct Found(BTreeMap<String, FoundLine>);

/// The findings about one line.
#[derive(Debug, Default)]
struct FoundLine {
    /// The types of the messages, by time and id.
    messages: BTreeMap<(Option<Timestamp>, String), String>,
    dead_letters: usize,
}

impl Found {
    fn add(&mut self, line: &str, at: Option<Timestamp>, id: &str, message_type: &str) {
        let line = self.0.entry(line.to_owned()).or_default();
        line.messages.insert((at, id.to_owned()), message_type.to_owned());
    }

    fn message(&mut self, attributes: &Attributes, at: Option<Timestamp>) {
        let Attributes { correlation_id, id, message_type, .. } = attributes;
        self.add(correlation_id, attributes.time.or(at), id, message_type);
    }

    fn letter(&mut self, subject: &str, letter: &FoundLetter) {
        let Some(event) = letter.event() else { return };
        let Some(line) = letter.attribute("CorrelationId").filter(|_| event["subject"] == subject) else {
            return;
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        self.add(line, text("time").parse().ok().or(letter.sent_at), text("id"), text("type"));
        self.0.entry(line.to_owned()).or_default().dead_letters += 1;
    }

    async fn logged(
        &mut self,
        subject: &str,
        ledger: &DynamoLedger,
        range: TimeRange,
        terminal: &Terminal,
    ) -> Result<(), Box<dyn Error>> {
        let progress = terminal.progress("reading the log, hour by hour", u64::try_from(range.hours()).ok());
        let mut hours = pin::pin!(ledger.read_log(range));
        let mut read = 0;
        while let Some(hour) = hours.next().await {
            let headers: Vec<LoggedHeader> = hour?;
            for some in headers.chunks(OPENED_AT_A_TIME) {
                let keys: Vec<_> = some.iter().map(|header| header.key.clone()).collect();
                for (header, opened) in some.iter().zip(ledger.open_messages(&keys).await?) {
                    let attributes = opened.as_ref().map(|opened| &opened.envelope.attributes);
                    let about = attributes.filter(|it| it.subject.as_deref() == Some(subject));
                    if let Some(attributes) = about {
                        self.message(attributes, Some(header.occurred_at));
                    }
                }
            }
            read += 1;
            progress.set(read);
        }
        progress.finish();
        Ok(())
    }

    /// The lines, the latest last.
    fn lines(self) -> Vec<AboutLine> {
        let line = |(correlation_id, FoundLine { messages, dead_letters })| {
            let first_at = messages.keys().filter_map(|(at, _)| *at).min();
            let last_at = messages.keys().filter_map(|(at, _)| *at).max();
            let messages = messages.into_values().collect();
            AboutLine { correlation_id, first_at, last_at, messages, dead_letters }
        };
        let mut lines: Vec<AboutLine> = self.0.into_iter().map(line).collect();
        lines.sort_by_key(|line| line.last_at);
        lines
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["line", "first", "last", "messages", "dead letters"]);
        for line in &self.lines {
            let time = |time: Option<Timestamp>| time.map(|time| format!("{time:.0}")).unwrap_or_default();
            let AboutLine { correlation_id, messages, dead_letters, .. } = line;
            let (first, last) = (time(line.first_at), time(line.last_at));
            table.row([correlation_id, &first, &last, &messages.join(", "), &dead_letters.to_string()]);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use serde_json::json;

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    fn lines(found: Found) -> Answer {
        Answer { subject: "o-13".into(), lines: found.lines(), looked_at: "the events of order".into() }
    }

    #[test]
    fn messages_of_one_line_are_one_and_the_latest_line_is_last() {
        let mut found = Found::default();
        found.add("web-2", at(9), "e-3", "order.paid");
        found.add("web-1", at(2), "e-2", "order.confirmed");
        found.add("web-1", at(1), "e-1", "order.placed");
        found.add("web-1", at(1), "e-1", "order.placed");
        let lines = lines(found);
        assert_eq!(lines.lines[0].messages, ["order.placed", "order.confirmed"]);
        assert_eq!((lines.lines[0].first_at, lines.lines[0].last_at), (at(1), at(2)));
        assert_eq!(lines.only(), None);
        let problem = lines.problem().unwrap();
        assert!(problem.contains("2 lines are about `o-13`"), "{problem}");
        let text = lines.to_string();
        assert!(text.find("web-1") < text.find("web-2"), "{text}");
    }

    #[test]
    fn a_letter_is_of_the_line_that_it_names_if_its_event_is_about_the_subject() {
        let letter = |subject: &str| FoundLetter {
            body: json!({ "specversion": "1.0", "id": "e-1", "type": "order.place", "subject": subject })
                .to_string(),
            attributes: [("CorrelationId".to_owned(), "web-1".to_owned())].into(),
            sent_at: at(5),
            ..FoundLetter::default()
        };
        let mut found = Found::default();
        for subject in ["o-13", "o-14"] {
            found.letter("o-13", &letter(subject));
        }
        let lines = lines(found);
        assert_eq!((lines.only(), lines.problem()), (Some("web-1"), None));
        assert_eq!((lines.lines[0].dead_letters, lines.lines[0].first_at), (1, at(5)));
    }

    #[test]
    fn what_nothing_is_known_of_says_what_was_looked_at_and_what_else_there_is() {
        let problem = lines(Found::default()).problem().unwrap();
        assert!(problem.contains("the events of order") && problem.contains("--since"), "{problem}");
    }

    #[test]
    fn every_kind_of_aggregate_in_the_catalogue_is_asked_for() {
        let kinds = kinds(&Catalogue::of(&Project::find().unwrap()).unwrap());
        assert!(kinds.contains("order"), "{kinds:?}");
    }
}
