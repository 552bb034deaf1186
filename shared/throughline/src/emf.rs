//! CloudWatch's embedded metric format: figures that CloudWatch takes from lines of the log
//! ("Specification: Embedded metric format").
//!
//! A metric's value stands under its name at the root of a line, so one line can hold a metric once: figures of
//! several event types are several lines. A line holds at most [`MOST_NUMBERS`] numbers of a metric; what there is
//! more of them goes into further lines, so that nothing is rounded or left out.

use serde::Serialize;
use std::io::Write as _;
use throughline_core::{Timestamp, metrics::Metric};

/// The most numbers one line may hold of a metric (section "Target members").
pub(crate) const MOST_NUMBERS: usize = 100;

/// The value of a metric.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure<'a> {
    /// A number of things.
    Count(usize),
    /// The measured values. An empty list is no figure at all.
    Each(&'a [f64]),
}

/// Lines in the making.
#[derive(Debug)]
pub struct Lines<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) request_id: &'a str,
    pub(crate) is_cold: bool,
    text: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// No lines yet, of figures in a namespace, about an invocation: the first of its process or not.
    pub fn new(namespace: &'a str, at: Timestamp, request_id: &'a str, is_cold: bool) -> Self {
        Self { namespace, at, request_id, is_cold, text: Vec::new() }
    }

    /// The lines, each with its end.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }

    /// Adds figures, by the dimensions that the catalogue declares for each. `dimensions` are the values of all of
    /// them.
    pub(crate) fn push(&mut self, dimensions: &[(&'static str, &str)], figures: &[(Metric, Figure<'_>)]) {
        let parts = figures.iter().map(|(_, figure)| figure.parts()).max().unwrap_or_default();
        for part in 0..parts {
            let figures: Vec<_> =
                figures.iter().filter_map(|(metric, figure)| Some((metric, figure.part(part)?))).collect();
            self.push_line(dimensions, &figures);
        }
    }

    fn push_line(&mut self, dimensions: &[(&'static str, &str)], figures: &[(&Metric, Figure<'_>)]) {
        let text = &mut self.text;
        _ = write!(text, r#"{{"_aws":{{"Timestamp":{},"CloudWatchMetrics":["#, self.at.as_millisecond());
        let mut sets: Vec<&'static [&'static [&'static str]]> = Vec::new();
        for (metric, _) in figures {
            if sets.contains(&metric.dimensions) {
                continue;
            }
            separate(text, !sets.is_empty());
            sets.push(metric.dimensions);
            push_directive(text, self.namespace, metric.dimensions, figures);
        }
        _ = write!(text, r#"]}},"timestamp":"{}","level":"INFO""#, self.at);
        push_member(text, "requestId", self.request_id);
        for (name, value) in dimensions {
            push_member(text, name, value);
        }
        for (metric, figure) in figures {
            match figure {
                Figure::Count(count) => push_member(text, metric.name, count),
                Figure::Each(numbers) => push_member(text, metric.name, numbers),
            }
        }
        text.extend_from_slice(b"}\n");
    }
}

impl<'a> Figure<'a> {
    /// In how many lines it is.
    fn parts(&self) -> usize {
        match self {
            Self::Count(_) => 1,
            Self::Each(numbers) => numbers.len().div_ceil(MOST_NUMBERS),
        }
    }

    fn part(&self, part: usize) -> Option<Figure<'a>> {
        match self {
            Self::Count(_) => (part == 0).then_some(*self),
            Self::Each(numbers) => numbers.chunks(MOST_NUMBERS).nth(part).map(Figure::Each),
        }
    }
}

/// Adds the directive that tells CloudWatch which members are metrics by these dimensions.
fn push_directive(
    text: &mut Vec<u8>,
    namespace: &str,
    dimensions: &'static [&'static [&'static str]],
    figures: &[(&Metric, Figure<'_>)],
) {
    text.extend_from_slice(br#"{"Namespace":"#);
    push_json(text, namespace);
    text.extend_from_slice(br#","Dimensions":"#);
    push_json(text, dimensions);
    text.extend_from_slice(br#","Metrics":["#);
    let mut is_first = true;
    for (metric, _) in figures.iter().filter(|(metric, _)| metric.dimensions == dimensions) {
        separate(text, !is_first);
        is_first = false;
        _ = write!(text, r#"{{"Name":"{}","Unit":"{}"}}"#, metric.name, metric.unit.name());
    }
    text.extend_from_slice(b"]}");
}

fn push_member(text: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    text.push(b',');
    push_json(text, name);
    text.push(b':');
    push_json(text, value);
}

fn separate(text: &mut Vec<u8>, is_needed: bool) {
    if is_needed {
        text.push(b',');
    }
}

fn push_json(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(text, value).expect("texts and numbers can be JSON");
}
