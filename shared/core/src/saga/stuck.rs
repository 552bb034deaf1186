//! Executions that ended neither completed nor compensated.

use crate::{
    Attributes, Context, Effects, Envelope, Failure, Handler, Message, MessageType,
    envelope::EncodedEnvelope,
    events,
    message::{DataError, WireForm, decode_data},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

events! {
    /// The events about sagas that an operator has to know of.
    pub enum SagaEvent of "saga" {
        "saga.stuck" v1 => Stuck(SagaStuck.execution),
    }
}

/// An execution ended neither completed nor compensated: its work may be half done, and an operator has to look at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SagaStuck {
    /// The execution's name.
    pub execution: String,
    /// The execution's ARN, under which an operator finds it.
    pub execution_arn: String,
    /// The state machine's ARN.
    pub state_machine_arn: String,
    /// `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// The id of the entity that the saga is about.
    pub about: Option<String>,
    /// The error's name, if Step Functions reports one.
    pub error: Option<String>,
    /// The cause of the error, if Step Functions reports it.
    pub cause: Option<String>,
}

/// Emits [`SagaStuck`] for every execution that ended neither completed nor compensated: because an undo failed for
/// good, or because it was aborted, timed out or failed in a way that no `Catch` sees.
///
/// It consumes Step Functions' own events, `Step Functions Execution Status Change` of the source `aws.states`, from
/// the default bus ("Automating Step Functions event delivery with EventBridge").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportStuckSagas;

impl Handler for ReportStuckSagas {
    const NAME: &'static str = "report-stuck-sagas";
    type Message = ExecutionEnded;
    type Emits = SagaEvent;

    async fn handle(
        &self,
        ended: Envelope<ExecutionEnded>,
        _: &Context<'_>,
    ) -> Result<Effects<SagaEvent>, Failure> {
        let ExecutionEnded { change, start } = ended.data;
        if !["FAILED", "TIMED_OUT", "ABORTED"].contains(&&*change.status) {
            return Ok(Effects::none());
        }
        Ok(Effects::none().emit(SagaStuck {
            execution: change.name,
            execution_arn: change.execution_arn,
            state_machine_arn: change.state_machine_arn,
            status: change.status,
            about: start.and_then(|start| start.subject),
            error: change.error,
            cause: change.cause,
        }))
    }
}

/// The change of an execution's status, as Step Functions reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionEnded {
    change: StatusChange,
    /// The attributes of the message that started the execution, if its input is reported and is a message of ours.
    start: Option<Attributes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusChange {
    execution_arn: String,
    state_machine_arn: String,
    name: String,
    status: String,
    input: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

impl Message for ExecutionEnded {
    const CATALOGUE: &'static [MessageType] = &[];
    const WIRE_FORM: WireForm = WireForm::Plain;

    fn message_type(&self) -> MessageType {
        MessageType { name: "Step Functions Execution Status Change", version: 1 }
    }

    fn subject(&self) -> Option<String> {
        Some(self.change.name.clone())
    }

    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        Err(serde::ser::Error::custom("Step Functions' events are only ever read"))
    }

    fn decode(name: &str, _: u16, data: &RawValue) -> Result<Self, DataError> {
        let change: StatusChange = decode_data(name, data)?;
        let start = change.input.as_deref().and_then(|input| serde_json::from_str(input).ok());
        Ok(Self { start: start.map(|start: EncodedEnvelope| start.attributes), change })
    }

    fn continues(&self) -> Option<&Attributes> {
        self.start.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_goes_on_from_the_message_that_started_it() {
        let start = r#"{"specversion":"1.0","id":"s-1","source":"shop","type":"checkout.start","subject":"o-1","correlationid":"web-1","data":{}}"#;
        let detail = serde_json::json!({
            "executionArn": "arn:aws:states:eu-west-1:1:execution:shop-checkout:s-1",
            "stateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:shop-checkout",
            "name": "s-1", "status": "ABORTED", "input": start, "output": null, "error": null, "cause": null,
        });
        let detail = serde_json::value::to_raw_value(&detail).unwrap();
        let ended = ExecutionEnded::decode("Step Functions Execution Status Change", 1, &detail).unwrap();
        let start = ended.continues().unwrap();
        assert_eq!((&*start.correlation_id, start.subject.as_deref()), ("web-1", Some("o-1")));
    }
}
