//! Lines of metrics, read as CloudWatch reads them.

use serde_json::Value;
use std::collections::BTreeSet;
use throughline::{
    Timestamp,
    metrics::{CATALOGUE, Emitter, Lines, Metric, NAMESPACE},
};

/// The schema that the specification gives ("Specification: Embedded metric format", section "Embedded metric
/// format schema").
const SCHEMA: &str = include_str!("emf.schema.json");

/// Returns the lines that one invocation writes.
pub(crate) fn written(is_cold: bool, push: impl FnOnce(&mut Lines<'_>)) -> Vec<Value> {
    let mut lines = Lines::new(NAMESPACE, Timestamp::UNIX_EPOCH, "request-1", is_cold);
    push(&mut lines);
    let text = String::from_utf8(lines.into_text()).unwrap();
    text.lines().map(|line| checked(serde_json::from_str(line).unwrap())).collect()
}

/// A line that is all that the specification asks: its schema, and what that leaves to words.
fn checked(line: Value) -> Value {
    let schema = jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    if let Err(error) = schema.validate(&line) {
        panic!("{error}: {line}");
    }
    assert!(line["timestamp"].is_string() && line["requestId"] == "request-1", "{line}");
    for directive in directives(&line) {
        assert_eq!(directive["Namespace"], NAMESPACE);
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            let numbers = numbers(&line, metric["Name"].as_str().unwrap());
            assert!((1..=100).contains(&numbers.len()), "{metric}: {line}");
        }
        for dimension in
            directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            let value = line[dimension.as_str().unwrap()].as_str().unwrap();
            assert!((1..=1024).contains(&value.len()), "{dimension}: {line}");
        }
    }
    line
}

fn directives(line: &Value) -> impl Iterator<Item = &Value> {
    line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter()
}

/// A metric's figures in a line: the target member, a number or several.
pub(crate) fn numbers(line: &Value, name: &str) -> Vec<f64> {
    match &line[name] {
        Value::Array(numbers) => numbers.iter().map(|number| number.as_f64().unwrap()).collect(),
        Value::Null => Vec::new(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// Returns the sum of a count over the lines with these values of dimensions.
pub(crate) fn total(lines: &[Value], metric: Metric, dimensions: &[(&str, &str)]) -> u64 {
    let is_meant = |line: &&Value| dimensions.iter().all(|(name, value)| line[*name] == *value);
    lines.iter().filter(is_meant).filter_map(|line| line[metric.name].as_u64()).sum()
}

/// A metric as CloudWatch makes it: its name, its unit, a set of dimensions.
type Made = (String, String, Vec<String>);

/// Every metric that CloudWatch makes of lines.
pub(crate) fn emitted(lines: &[Value]) -> BTreeSet<Made> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut made = BTreeSet::new();
    for directive in lines.iter().flat_map(directives) {
        for set in directive["Dimensions"].as_array().unwrap() {
            let set: Vec<String> = set.as_array().unwrap().iter().map(text).collect();
            let metrics = directive["Metrics"].as_array().unwrap().iter();
            made.extend(metrics.map(|metric| (text(&metric["Name"]), text(&metric["Unit"]), set.clone())));
        }
    }
    made
}

/// Every metric that is declared for an emitter.
pub(crate) fn declared_for(emitter: Emitter) -> BTreeSet<Made> {
    let declared = CATALOGUE.iter().filter(|metric| metric.emitted_by.contains(&emitter));
    let made = declared.flat_map(|metric| {
        metric.dimensions.iter().map(|set| {
            let set = set.iter().map(|&name| name.to_owned()).collect();
            (metric.name.to_owned(), metric.unit.name().to_owned(), set)
        })
    });
    made.collect()
}

/// The metrics that are nothing but zero in all lines.
pub(crate) fn never_counted(lines: &[Value], metrics: &[Metric]) -> Vec<&'static str> {
    let is_zero =
        |metric: &&Metric| lines.iter().all(|line| numbers(line, metric.name).iter().all(|n| *n == 0.0));
    metrics.iter().filter(is_zero).map(|metric| metric.name).collect()
}
