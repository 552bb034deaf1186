//! Approving of orders that wait for it, as somebody in a back office would.

use super::{DemoError, progress::Progress};
use crate::{cloud::stack::Stack, line::WholeLine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use throughline_core::EncodedEnvelope;
use throughline_operations as operate;

/// The event that asks.
const ASKED: &str = "approval.requested";
/// The queue that takes the answer.
const QUEUE: &str = "approve-order";

/// The commands that were sent, by the events that asked for them.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    sent: BTreeMap<String, String>,
}

impl Approvals {
    /// Answers every question in a line that was not answered yet: approves.
    pub(super) async fn give(
        &mut self,
        stack: &Stack,
        line: &WholeLine,
        progress: &mut Progress,
    ) -> Result<(), DemoError> {
        for message in &line.recorded.messages {
            let asked = &message.outgoing.envelope;
            if asked.attributes.message_type != ASKED || self.sent.contains_key(&asked.attributes.id) {
                continue;
            }
            let command = decision(asked);
            send(stack, &command).await?;
            let (id, correlation_id) = (&asked.attributes.id, &asked.attributes.correlation_id);
            let what = format!("approves: sends order.decide with the callback id of {ASKED}");
            progress.row(&format!("decide {id}"), correlation_id, "the demo", &what);
            self.sent.insert(id.clone(), command);
        }
        Ok(())
    }

    /// Sends the same answers once more.
    pub(super) async fn send_again(&self, stack: &Stack) -> Result<(), DemoError> {
        for command in self.sent.values() {
            send(stack, command).await?;
        }
        Ok(())
    }
}

async fn send(stack: &Stack, command: &str) -> Result<(), DemoError> {
    Ok(operate::send_body(stack.clients.sqs().await, stack.queue_url(QUEUE)?, command).await?)
}

/// The command that approves. It names the question as its cause, so that it is found in the same line.
fn decision(asked: &EncodedEnvelope) -> String {
    let question: Value = serde_json::from_str(asked.data.get()).unwrap_or_default();
    let order_id = &question["order_id"];
    json!({
        "specversion": "1.0",
        "id": format!("decision-on-{}", order_id.as_str().unwrap_or_default()),
        "source": "shop.back-office",
        "type": "order.decide",
        "subject": order_id,
        "correlationid": asked.attributes.correlation_id,
        "causationid": asked.attributes.id,
        "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": { "order_id": order_id, "callback": question["callback"], "by": "the demo" },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::super::test_lines::event;
    use super::*;

    #[test]
    fn a_decision_is_what_the_shop_reads_and_belongs_to_the_line_of_its_question() {
        let question = json!({ "order_id": "o-1", "callback": "checkout/e-1/approve", "customer": "Ada" });
        let asked = event(ASKED, &question).outgoing.envelope;
        let command = decision(&asked);
        assert_eq!(command, decision(&asked), "the same again is the same command");
        let command: Value = serde_json::from_str(&command).unwrap();
        let decided: throughline_shop::DecideOrder = serde_json::from_value(command["data"].clone()).unwrap();
        assert_eq!((&*decided.order_id, decided.callback.as_str()), ("o-1", "checkout/e-1/approve"));
        assert_eq!(decided.refused_because, None);
        assert_eq!(command["causationid"], json!(asked.attributes.id));
        assert_eq!(command["correlationid"], json!(asked.attributes.correlation_id));
    }
}
