//! The id by which a plain message was handled before it became a letter.

use super::{FoundLetter, Origin};
use serde::Deserialize;
use std::borrow::Cow;
use throughline_core::internal::{decode::named_in, delivery::REDRIVEN_MESSAGE_ID};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InvocationRecord<'a> {
    #[serde(borrow)]
    request_context: RequestContext<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    #[serde(borrow)]
    request_id: Cow<'a, str>,
}

impl FoundLetter {
    /// The id its source gave it when it was first delivered: sent along when it is redriven, it keeps a message the
    /// same that nothing in its body names. Nothing if its body does, and if it was never delivered.
    pub fn first_message_id(&self) -> Option<String> {
        if named_in(&self.delivered()).is_some() {
            return None;
        }
        let attribute = |name: &str| self.attribute(name).filter(|text| !text.is_empty());
        let of_its_death = || attribute("EventId").or_else(|| attribute("MessageId")).map(Into::into);
        // It may have been redriven before, by this command or by hand.
        let redriven = || attribute(REDRIVEN_MESSAGE_ID).map(Into::into);
        match &self.origin {
            Origin::Function => of_its_death(),
            // SQS moves a message with its attributes and its id.
            Origin::Queue => {
                let was_letter = attribute("FailedAt").is_some() && attribute("Handler").is_some();
                let moved = || was_letter.then(of_its_death).flatten();
                redriven().or_else(moved).or_else(|| Some(self.message_id.clone()))
            }
            Origin::Invocation { .. } => {
                let record: InvocationRecord<'_> = serde_json::from_str(&self.body).ok()?;
                Some(record.request_context.request_id.into_owned())
            }
            Origin::Unknown => redriven(),
            Origin::Rule { .. } | Origin::Schedule { .. } | Origin::Stream { .. } | Origin::Topic { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &str, origin: Origin, attributes: &[(&str, &str)]) -> Option<String> {
        let attributes =
            attributes.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let (message_id, body) = ("of the letter".into(), body.into());
        FoundLetter { message_id, body, attributes, origin, ..FoundLetter::default() }.first_message_id()
    }

    #[test]
    fn a_letter_of_a_function_has_the_id_it_was_handled_by() {
        let ours = [("ErrorType", "Rejected"), ("MessageId", "m-2"), ("EventId", "m-1")];
        assert_eq!(letter("{}", Origin::Function, &ours).as_deref(), Some("m-1"), "it was redriven before");
        assert_eq!(letter("a text", Origin::Function, &ours[..2]).as_deref(), Some("m-2"));
    }

    #[test]
    fn a_message_that_sqs_has_moved_keeps_its_id_unless_it_was_redriven_before() {
        assert_eq!(letter("{}", Origin::Queue, &[]).as_deref(), Some("of the letter"));
        let redriven = [("RedrivenMessageId", "m-1"), ("RedrivenAt", "t")];
        assert_eq!(letter("{}", Origin::Queue, &redriven).as_deref(), Some("m-1"));
        let letter_before = [("FailedAt", "t"), ("Handler", "h"), ("MessageId", "m-2"), ("EventId", "m-1")];
        assert_eq!(letter("{}", Origin::Queue, &letter_before).as_deref(), Some("m-1"));
    }

    #[test]
    fn what_lambda_gave_up_has_the_id_of_the_request() {
        let body =
            r#"{"requestContext":{"requestId":"r-1","functionArn":"f"},"requestPayload":{"id":"nightly"}}"#;
        let invoked = Origin::Invocation { function: "f".into() };
        assert_eq!(letter(body, invoked, &[]).as_deref(), Some("r-1"));
    }

    #[test]
    fn what_names_itself_or_was_never_delivered_needs_no_other_id() {
        let event = r#"{"version":"0","id":"e-1","source":"aws.ec2","detail-type":"t","detail":{}}"#;
        assert_eq!(letter(event, Origin::Function, &[("MessageId", "m-1")]), None);
        assert_eq!(letter("{}", Origin::Rule { target: "t".into() }, &[]), None);
    }
}
