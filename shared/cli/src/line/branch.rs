//! A tree of rows, and its drawing.

use crate::time::duration;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use throughline_core::Timestamp;

/// The width of a narrow screen, in columns.
const COLUMNS: usize = 120;
/// The column in which the times begin, unless a label is longer.
const SHORTEST_LABELS: usize = 52;
/// The length beyond which a label shifts only its own row.
const LONGEST_LABELS: usize = 72;

/// A row with its notes and its effects.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Branch {
    /// A message, a handler, a step, or an attempt.
    pub label: String,
    /// The time at which it began, or at which a failed attempt ended.
    pub at: Option<Timestamp>,
    /// The state, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// The notes below the row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The data of a message, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The rows that follow from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Branch>,
}

impl Branch {
    pub(super) fn new(label: impl Into<String>, at: Option<Timestamp>) -> Self {
        Self { label: label.into(), at, ..Self::default() }
    }
}

/// Sorts by time. Rows without a time come last, in their order.
pub(super) fn in_time_order(mut branches: Vec<Branch>) -> Vec<Branch> {
    branches.sort_by_key(|branch| (branch.at.is_none(), branch.at));
    branches
}

/// One row of the drawing.
struct Row {
    label: String,
    /// `None` for a note, which extends over all columns.
    time_and_state: Option<(String, String)>,
}

/// Draws the trees as text, with times counted from `start`.
pub(super) fn drawn(roots: &[Branch], start: Option<Timestamp>) -> String {
    let mut rows = Vec::new();
    for root in roots {
        draw(root, "", "", start, &mut rows);
    }
    let labels = rows.iter().filter(|row| row.time_and_state.is_some()).map(|row| row.label.chars().count());
    let width = labels.max().unwrap_or_default().clamp(SHORTEST_LABELS, LONGEST_LABELS);
    let lines: Vec<String> = rows.iter().map(|row| row.text(width)).collect();
    lines.join("\n")
}

fn draw(branch: &Branch, before: &str, joint: &str, start: Option<Timestamp>, rows: &mut Vec<Row>) {
    let time = match (start, branch.at) {
        (Some(start), Some(at)) if at >= start => format!("+{}", elapsed(start, at)),
        _ => String::new(),
    };
    let label = format!("{before}{joint}{}", branch.label);
    rows.push(Row { label, time_and_state: Some((time, branch.state.clone())) });
    let before = format!("{before}{}", continuation(joint));
    let note_indent = if branch.children.is_empty() { before.clone() } else { format!("{before}│  ") };
    let data = branch.data.iter().map(Value::to_string);
    for note in branch.notes.iter().cloned().chain(data) {
        for line in wrapped(&note, COLUMNS.saturating_sub(note_indent.chars().count() + 2)) {
            rows.push(Row { label: format!("{note_indent}{line}"), time_and_state: None });
        }
    }
    let last = branch.children.len();
    for (position, child) in branch.children.iter().enumerate() {
        draw(child, &before, if position + 1 == last { "└─ " } else { "├─ " }, start, rows);
    }
}

impl Row {
    fn text(&self, width: usize) -> String {
        let Self { label, time_and_state } = self;
        let Some((time, state)) = time_and_state else { return format!("  {label}").trim_end().to_owned() };
        format!("  {label:<width$} {time:>9}  {state}").trim_end().to_owned()
    }
}

fn continuation(joint: &str) -> &'static str {
    match joint {
        "" => "",
        "├─ " => "│  ",
        _ => "   ",
    }
}

/// Breaks a text into lines of at most `columns` characters; a longer word gets a line of its own.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Returns the time from one moment to another, in words. The clocks of the ledger and of Step Functions are exact to
/// the millisecond.
pub(super) fn elapsed(from: Timestamp, to: Timestamp) -> String {
    let milliseconds = to.duration_since(from).as_millis();
    duration::took(Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default()))
}
