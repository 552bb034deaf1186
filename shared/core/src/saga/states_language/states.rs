//! The part of Amazon States Language that sagas need, in the order in which it is written.

use serde::{Serialize, Serializer, ser::SerializeMap};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Machine {
    pub(super) comment: String,
    pub(super) start_at: String,
    pub(super) states: States,
}

/// States in the order in which they happen.
#[derive(Default)]
pub(super) struct States {
    all: Vec<(String, State)>,
}

impl States {
    pub(super) fn add(&mut self, name: impl Into<String>, state: State) {
        self.all.push((name.into(), state));
    }
}

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.all.len()))?;
        for (name, state) in &self.all {
            map.serialize_entry(name, state)?;
        }
        map.end()
    }
}

/// One state. `result_path` is always `null`: the result of a state is dropped.
#[derive(Serialize)]
#[serde(tag = "Type", rename_all_fields = "PascalCase")]
pub(super) enum State {
    Task {
        resource: &'static str,
        parameters: Parameters,
        result_path: (),
        /// Present, and `null`, where a branch ends: a group's outputs count together before they are dropped.
        #[serde(skip_serializing_if = "Option::is_none")]
        output_path: Option<()>,
        timeout_seconds: u64,
        retry: Vec<Retrier>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        catch: Vec<Catcher>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<String>,
        #[serde(rename = "End", skip_serializing_if = "Option::is_none")]
        is_end: Option<bool>,
    },
    Choice {
        choices: Vec<Choice>,
        default: String,
    },
    Wait {
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp_path: Option<String>,
        next: String,
    },
    Parallel {
        branches: Vec<Branch>,
        result_path: (),
        catch: Vec<Catcher>,
        next: String,
    },
    Succeed {
        #[serde(skip_serializing_if = "Option::is_none")]
        output_path: Option<()>,
    },
    Fail {
        error: &'static str,
        cause: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameters {
    pub(super) function_name: &'static str,
    pub(super) payload: Payload,
}

/// The payload that a [`Task`](crate::saga::Task) is read from. A name that ends with `.$` takes its value from a path.
#[derive(Serialize)]
pub(super) struct Payload {
    pub(super) definition: String,
    pub(super) work: &'static str,
    pub(super) step: &'static str,
    #[serde(rename = "execution.$")]
    pub(super) execution: &'static str,
    #[serde(rename = "started_at.$")]
    pub(super) started_at: &'static str,
    #[serde(rename = "retries.$")]
    pub(super) retries: &'static str,
    #[serde(rename = "task_token.$", skip_serializing_if = "Option::is_none")]
    pub(super) task_token: Option<&'static str>,
    #[serde(rename = "document.$")]
    pub(super) document: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Retrier {
    pub(super) error_equals: Vec<&'static str>,
    pub(super) interval_seconds: u64,
    pub(super) backoff_rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_delay_seconds: Option<u64>,
    pub(super) max_attempts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jitter_strategy: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Catcher {
    pub(super) error_equals: [&'static str; 1],
    pub(super) result_path: String,
    pub(super) next: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Choice {
    pub(super) and: [Condition; 2],
    pub(super) next: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Condition {
    pub(super) variable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_present: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) boolean_equals: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_timestamp: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Branch {
    pub(super) start_at: String,
    pub(super) states: States,
}
