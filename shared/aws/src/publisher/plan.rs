//! The requests to each service for the messages of one call.

use super::{
    AwsPublisher, Schedules, refused,
    schedules::{NOT_SET_UP, Schedule},
    step_functions::{self, StepFunctions},
    unknown, unknown_queue,
};
use crate::{ledger::by_logical_name, settings::SCHEDULE_TARGET, sqs_text};
use std::{collections::BTreeMap, time::Duration};
use throughline_core::{
    Timestamp,
    ledger::{Destination, Outgoing},
    relay::Delivery,
    saga::TaskAnswer,
};

/// The requests to each service.
#[derive(Default)]
pub(super) struct Plan<'a> {
    /// For the bus, and for each queue, in as few calls as possible.
    pub(super) batched: BTreeMap<Option<&'a str>, Vec<Encoded<'a>>>,
    /// The messages that take a request each. Those with the same key keep their order.
    pub(super) single: BTreeMap<String, Vec<(usize, Request<'a>)>>,
    /// The outcomes that need no request.
    pub(super) settled: Vec<(usize, Delivery)>,
}

/// A message and its text on the wire.
pub(super) struct Encoded<'a> {
    /// The message's position in the call.
    pub(super) position: usize,
    pub(super) outgoing: &'a Outgoing,
    pub(super) text: String,
    /// The delay in the queue, in whole seconds.
    pub(super) delay: Duration,
}

/// A request for one message.
pub(super) enum Request<'a> {
    Schedule { schedules: &'a Schedules, schedule: Schedule<'a> },
    Unschedule { schedules: &'a Schedules, name: String },
    Start { step_functions: &'a StepFunctions, saga: &'a str, message: Encoded<'a> },
    Answer { step_functions: &'a StepFunctions, token: &'a str, answer: TaskAnswer },
}

impl<'a> Plan<'a> {
    pub(super) fn add(&mut self, publisher: &'a AwsPublisher, position: usize, outgoing: &'a Outgoing) {
        let planned = serde_json::to_string(&outgoing.envelope)
            .map_err(|error| refused("Unencodable", error.to_string()))
            .map(|text| Encoded { position, outgoing, text, delay: Duration::ZERO })
            .and_then(|message| self.route(publisher, message));
        if let Err(delivery) = planned {
            self.settled.push((position, delivery));
        }
    }

    fn route(&mut self, publisher: &'a AwsPublisher, message: Encoded<'a>) -> Result<(), Delivery> {
        match &message.outgoing.destination {
            Destination::Bus => self.batch(None, message),
            Destination::Queue(queue) => self.batch(Some(queue), message),
            Destination::Scheduled { queue, at } => self.later(publisher, queue, *at, message)?,
            Destination::Unscheduled { .. } => {
                let schedules = schedules(publisher)?;
                let name = message.outgoing.schedule_name().unwrap_or_default();
                self.unschedule(schedules, name, message.position);
            }
            Destination::StateMachine(saga) => {
                let step_functions = step_functions(publisher)?;
                let key = format!("start {} {}", message.outgoing.envelope.attributes.id, message.position);
                let position = message.position;
                self.alone(key, position, Request::Start { step_functions, saga, message });
            }
            Destination::Task { token } => {
                let step_functions = step_functions(publisher)?;
                let answer = step_functions::answer_in(message.outgoing)?;
                let request = Request::Answer { step_functions, token, answer };
                self.alone(format!("task {token}"), message.position, request);
            }
        }
        Ok(())
    }

    /// To a queue that holds it back, or to EventBridge Scheduler. Either way an earlier schedule of the same name
    /// ends.
    fn later(
        &mut self,
        publisher: &'a AwsPublisher,
        queue: &'a str,
        at: Timestamp,
        message: Encoded<'a>,
    ) -> Result<(), Delivery> {
        let schedules = schedules(publisher)?;
        let retry = |reason: String| Delivery::Retry(reason);
        let url = by_logical_name(&publisher.queues, queue).ok_or_else(|| retry(unknown_queue(queue)))?;
        let name = message.outgoing.schedule_name().unwrap_or_default();
        if let Some(delay) = schedules.delay(at, url) {
            self.unschedule(schedules, name, message.position);
            self.batch(Some(queue), Encoded { delay, ..message });
            return Ok(());
        }
        let target_arn = by_logical_name(&schedules.target_arns, queue)
            .ok_or_else(|| retry(unknown("the ARN of the command queue", SCHEDULE_TARGET, queue)))?;
        let Encoded { position, outgoing, text, .. } = message;
        let is_fifo = sqs_text::is_fifo(url);
        let key = schedule_key(&name);
        let schedule = Schedule { name, queue_url: url, target_arn, is_fifo, at, outgoing, text };
        self.alone(key, position, Request::Schedule { schedules, schedule });
        Ok(())
    }

    fn unschedule(&mut self, schedules: &'a Schedules, name: String, position: usize) {
        self.alone(schedule_key(&name), position, Request::Unschedule { schedules, name });
    }

    fn batch(&mut self, queue: Option<&'a str>, message: Encoded<'a>) {
        self.batched.entry(queue).or_default().push(message);
    }

    fn alone(&mut self, key: String, position: usize, request: Request<'a>) {
        self.single.entry(key).or_default().push((position, request));
    }
}

fn schedule_key(name: &str) -> String {
    format!("schedule {name}")
}

fn schedules(publisher: &AwsPublisher) -> Result<&Schedules, Delivery> {
    publisher.schedules.as_ref().ok_or_else(|| Delivery::Retry(NOT_SET_UP.into()))
}

fn step_functions(publisher: &AwsPublisher) -> Result<&StepFunctions, Delivery> {
    let not_set_up = || Delivery::Retry("this publisher was not given Step Functions".into());
    publisher.step_functions.as_ref().ok_or_else(not_set_up)
}

impl Encoded<'_> {
    /// Returns the bytes that `PutEvents` counts: the detail, the detail type, the source, and 14 bytes for the time
    /// (EventBridge user guide, "Calculating `PutEvents` event entry size"). SQS counts the body alone.
    pub(super) fn size(&self) -> usize {
        let attributes = &self.outgoing.envelope.attributes;
        self.text.len() + attributes.message_type.len() + attributes.source.len() + 14
    }
}
