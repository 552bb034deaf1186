//! IAM policies, as far as the roles of the functions use them.

use serde_json::Value;

/// The statements of a role: allowed and denied.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    allowed: Vec<Right>,
    denied: Vec<Right>,
}

/// An action on a resource. Both may have the wildcards `*` and `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) action: String,
    pub(crate) resource: String,
}

impl Right {
    /// Returns whether the statement covers this action on this resource.
    pub(crate) fn covers(&self, action: &str, resource: &str) -> bool {
        let (pattern, action) = (self.action.to_ascii_lowercase(), action.to_ascii_lowercase());
        matches(pattern.as_bytes(), action.as_bytes())
            && matches(self.resource.as_bytes(), resource.as_bytes())
    }
}

impl Policies {
    /// Adds a policy document.
    ///
    /// # Panics
    /// If a statement says something that cannot be judged here.
    pub(crate) fn add(&mut self, document: &Value) {
        for statement in list(&document["Statement"]) {
            for unknown in ["Condition", "NotAction", "NotResource"] {
                assert!(statement[unknown].is_null(), "this test cannot judge a {unknown}: {statement}");
            }
            let rights = match statement["Effect"].as_str() {
                Some("Allow") => &mut self.allowed,
                Some("Deny") => &mut self.denied,
                _ => panic!("neither Allow nor Deny: {statement}"),
            };
            for action in list(&statement["Action"]).filter_map(Value::as_str) {
                for resource in list(&statement["Resource"]).filter_map(Value::as_str) {
                    rights.push(Right { action: action.into(), resource: resource.into() });
                }
            }
        }
    }

    /// Everything allowed, whether or not it is denied elsewhere.
    pub(crate) fn allowed(&self) -> &[Right] {
        &self.allowed
    }

    /// Returns whether an action on a resource is allowed by a statement and denied by none.
    pub(crate) fn allow(&self, action: &str, resource: &str) -> bool {
        let covers = |rights: &[Right]| rights.iter().any(|right| right.covers(action, resource));
        covers(&self.allowed) && !covers(&self.denied)
    }
}

/// IAM writes one of something without a list.
fn list(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        one => Box::new(std::iter::once(one)),
    }
}

/// Returns whether a text matches a pattern with `*` and `?`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| matches(rest, &text[from..])),
        ([b'?', pattern @ ..], [_, text @ ..]) => matches(pattern, text),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && matches(pattern, text),
        _ => false,
    }
}

#[test]
fn a_denial_outweighs_what_is_allowed() {
    let mut policies = Policies::default();
    policies.add(&serde_json::json!({ "Statement": [
        { "Effect": "Allow", "Action": ["sqs:*"], "Resource": "arn:aws:sqs:r:1:*" },
        { "Effect": "Deny", "Action": "SQS:DeleteMessage", "Resource": ["arn:aws:sqs:r:1:orders?"] },
    ] }));
    assert!(policies.allow("sqs:DeleteMessage", "arn:aws:sqs:r:1:orders"));
    assert!(!policies.allow("sqs:DeleteMessage", "arn:aws:sqs:r:1:orders2"));
    assert!(policies.allow("sqs:SendMessage", "arn:aws:sqs:r:1:orders2"));
    assert!(!policies.allow("sqs:SendMessage", "arn:aws:sqs:r:2:orders"), "another account");
    assert!(!policies.allow("sns:Publish", "arn:aws:sqs:r:1:orders"));
}
