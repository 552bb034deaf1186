//! Least privilege, held against what really happened: every call that a function made while the end-to-end
//! tests ran must be allowed by its role, and every right of its role must have been used, or be in
//! `infra/rights.json` with the reason why it was not seen.
//!
//! `scripts/test` runs this after the end-to-end tests.

mod aws;
mod policy;

use aws::{aws, setting};
use policy::Policies;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Why roles allow what they allow. Who makes a call that cannot be seen here is told there, too.
const REASONS: &str = include_str!("../../../../infra/rights.json");

/// Rights of functions whose use cannot be seen here, and why: entries for other roles name them.
fn unseen() -> BTreeMap<String, String> {
    let reasons: Value = serde_json::from_str(REASONS).expect("the reasons are JSON");
    let entries = reasons["rights"].as_array().expect("the reasons are a list").iter();
    let of_functions = entries.filter(|entry| entry["roles"].is_null());
    let unseen =
        of_functions.filter_map(|entry| Some((entry["action"].as_str()?, entry["unseen"].as_str()?)));
    unseen.map(|(action, reason)| (action.to_owned(), reason.to_owned())).collect()
}

/// The resource that the recorder writes for an answer to a task, which names a token and no state machine.
const WHOSE_TASK: &str = "the state machine of a task token";

/// An action, and the ARN of what it is done to.
type Call = (String, String);

/// Returns the recorded calls, by function.
fn recorded() -> BTreeMap<String, BTreeSet<Call>> {
    let path = setting("THROUGHLINE_CALLS");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut calls: BTreeMap<String, BTreeSet<Call>> = BTreeMap::new();
    for line in text.lines() {
        let call: Value = serde_json::from_str(line).expect("the recorder writes JSON");
        let field = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        calls.entry(field("function")).or_default().insert((field("action"), field("resource")));
    }
    calls
}

/// A deployed function: its account, and what its role allows.
struct Function {
    account: String,
    policies: Policies,
}

impl Function {
    fn deployed(name: &str) -> Self {
        let configuration = aws(&["lambda", "get-function-configuration", "--function-name", name]);
        let part = |of: &str, separator: char, at: usize| {
            let arn = configuration[of].as_str().unwrap_or_default();
            arn.split(separator)
                .nth(at)
                .unwrap_or_else(|| panic!("{name}: no {of}: {configuration}"))
                .to_owned()
        };
        let (account, role) = (part("FunctionArn", ':', 4), part("Role", '/', 1));
        let attached = aws(&["iam", "list-attached-role-policies", "--role-name", &role]);
        assert_eq!(
            attached["AttachedPolicies"],
            serde_json::json!([]),
            "{role}: this test reads its own policies only"
        );
        let names = aws(&["iam", "list-role-policies", "--role-name", &role]);
        let mut policies = Policies::default();
        for policy in names["PolicyNames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let policy = aws(&["iam", "get-role-policy", "--role-name", &role, "--policy-name", policy]);
            match &policy["PolicyDocument"] {
                Value::String(text) => policies.add(&serde_json::from_str(text).expect("a policy is JSON")),
                document => policies.add(document),
            }
        }
        assert!(!policies.allowed().is_empty(), "{role} allows nothing: was it read?");
        Self { account, policies }
    }

    /// The ARN of a call's resource. Where the request only named it, it is in the function's own account.
    fn full(&self, resource: &str) -> String {
        let mut parts: Vec<&str> = resource.splitn(6, ':').collect();
        if let Some(account) = parts.get_mut(4).filter(|account| account.is_empty()) {
            *account = &self.account;
        }
        parts.join(":")
    }
}

#[test]
fn every_call_is_allowed_and_every_right_is_used_or_explained() {
    let outputs: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(setting("THROUGHLINE_OUTPUTS")).unwrap()).unwrap();
    let functions: Vec<&str> = outputs
        .iter()
        .filter(|(name, _)| name.ends_with("Function"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(functions.len(), 10, "{functions:?}");
    let calls = recorded();
    let mut troubles = Vec::new();
    for unknown in calls.keys().filter(|name| !functions.contains(&name.as_str())) {
        troubles.push(format!("calls came from `{unknown}`, which is no function of the shop"));
    }
    let (unseen, mut explained) = (unseen(), BTreeSet::new());
    for name in functions {
        let function = Function::deployed(name);
        let made =
            calls.get(name).unwrap_or_else(|| panic!("`{name}` made no call at all: was it recorded?"));
        let full = |on: &str| match on {
            WHOSE_TASK => outputs["CheckoutStateMachine"].clone(),
            on => function.full(on),
        };
        let made: Vec<Call> = made.iter().map(|(action, on)| (action.clone(), full(on))).collect();
        for (action, resource) in &made {
            if !function.policies.allow(action, resource) {
                troubles
                    .push(format!("`{name}` called {action} on {resource}, and its role does not allow it"));
            }
        }
        println!("{name}: {} different calls, all checked; rights that no call used:", made.len());
        for right in function.policies.allowed() {
            if made.iter().any(|(action, resource)| right.covers(action, resource)) {
                continue;
            }
            let reason = unseen.get(&right.action);
            let told = reason.map_or("NO REASON", String::as_str);
            println!("  {} on {}: {told}", right.action, right.resource);
            match reason {
                Some(_) => _ = explained.insert(right.action.clone()),
                None => troubles.push(format!(
                    "`{name}` may call {} on {}, and no call used that: take the right away, prove its use, or \
                     explain it in infra/rights.json, as `unseen`",
                    right.action, right.resource
                )),
            }
        }
    }
    for action in unseen.keys().filter(|action| !explained.contains(*action)) {
        troubles
            .push(format!("infra/rights.json says that {action} cannot be seen, but no role has it unused"));
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}
