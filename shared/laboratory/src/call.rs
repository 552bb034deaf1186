//! A request that a function made.

use hyper::body::Bytes;
use std::collections::BTreeMap;

/// A request, as the recorder saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Such as `TransactWriteItems` or `Publish`.
    pub operation: String,
    /// Its body, whatever protocol it is in.
    pub body: Bytes,
    /// The status of the service's answer; `None` if the request never reached it.
    pub status: Option<u16>,
}

impl Call {
    /// A message attribute of an SNS `Publish`.
    pub fn sns_attribute(&self, name: &str) -> Option<String> {
        let mut fields = fields(&self.body);
        let key = fields.iter().find(|(key, value)| key.ends_with(".Name") && *value == name)?.0;
        let key = format!("{}.Value.StringValue", key.trim_end_matches(".Name"));
        fields.remove(&key)
    }
}

/// The fields of a form.
pub(crate) fn fields(body: &Bytes) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_of_a_notification_is_read_from_its_form() {
        let body = "Action=Publish&Message=Dear+%C3%84da&MessageAttributes.entry.1.Name=orderid\
            &MessageAttributes.entry.1.Value.StringValue=o%2F1&MessageAttributes.entry.2.Name=deduplicationid\
            &MessageAttributes.entry.2.Value.StringValue=a%20b";
        let call = Call { operation: "Publish".into(), body: body.into(), status: None };
        assert_eq!(call.sns_attribute("deduplicationid").as_deref(), Some("a b"));
        assert_eq!(call.sns_attribute("orderid").as_deref(), Some("o/1"));
        assert_eq!(call.sns_attribute("else"), None);
        assert_eq!(fields(&call.body)["Message"], "Dear Äda");
    }
}
