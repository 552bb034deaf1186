//! The execution of a replay that was begun.

use super::{
    Report, archive,
    journal::Journal,
    sending::Sending,
    work::{Checkpoint, Manifest, Method},
};
use crate::{cloud::stack::Stack, progress::Progress};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};
use throughline_aws::{AwsPublisher, DynamoLedger};
use throughline_operations::{self as operate, replays};

/// Carries out what a journal holds, from the point that it reached, and returns a report.
///
/// # Errors
/// If it stopped before its end: the sentence contains the command that resumes it.
pub(crate) async fn carry_out(
    stack: &Stack,
    journal: &Journal,
    begun: &Manifest,
    progress: &dyn Progress,
) -> Result<Report, Box<dyn Error>> {
    let name = begun.name.clone();
    let resume = format!("go on with: throughline replay --resume {name}");
    if let Method::Archive { archive_arn, bus_arn, rule_arns } = &begun.way {
        let order = replays::ReplayOrder {
            name: name.clone(),
            archive_arn: archive_arn.clone(),
            bus_arn: bus_arn.clone(),
            from: begun.from,
            until: begun.until,
            rule_arns: rule_arns.clone(),
        };
        archive::replay(stack, &order, progress).await.map_err(|error| format!("{error}; {resume}"))?;
        journal.keep(&Checkpoint { is_over: true, ..journal.sent()? })?;
        return Ok(Report { name, sent: None, refused: 0, too_late: 0, untaken: 0 });
    }
    let clients = &stack.clients;
    let mut queues = BTreeMap::new();
    let names: BTreeSet<String> = journal.work()?.into_iter().flat_map(|work| work.queues).collect();
    for queue in names {
        let url = operate::queue_url(clients.sqs().await, &queue).await?;
        queues.insert(queue, url);
    }
    let (eventbridge, sqs) = (clients.eventbridge().await.clone(), clients.sqs().await.clone());
    let publisher = AwsPublisher::new(eventbridge, sqs, stack.output("EventBus")?, queues);
    let ledger =
        DynamoLedger::new(clients.dynamodb().await.clone(), stack.output("LedgerTable")?, BTreeMap::new());
    let Method::Messages { rate, .. } = begun.way else { return Err("there is no other way".into()) };
    let sending = Sending {
        ledger: &ledger,
        publisher: &publisher,
        replay_name: Some(&name),
        takers: &begun.takers,
        rate,
        progress,
    };
    let sent = sending.run(journal).await.map_err(|error| format!("{error}; {resume}"))?;
    Ok(Report::of(name, &sent))
}
