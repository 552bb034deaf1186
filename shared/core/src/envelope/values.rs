//! Reads the values of attributes, for both readers of envelopes.

use crate::{Timestamp, trace_context};

/// Returns the text after a byte order mark, if it begins with one: RFC 8259 lets a reader ignore it.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the value of a `time`; `None` if it names no instant.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| with_nanoseconds(text)?.parse().ok())
}

/// Returns the time with its fraction cut to nine digits. RFC 3339 allows any number of them, and some programs write
/// all that a clock or a decimal type gives.
fn with_nanoseconds(text: &str) -> Option<String> {
    const MOST: usize = 9;
    let fraction = text.find(['.', ','])? + 1;
    let digits = text[fraction..].bytes().take_while(u8::is_ascii_digit).count();
    let (kept, left_out) = (fraction + MOST, fraction + digits);
    (digits > MOST).then(|| format!("{}{}", &text[..kept], &text[left_out..]))
}

/// Returns the value of a version in digits, which is a string when it comes back from headers.
pub(crate) fn version(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    is_number.then(|| digits.parse().ok())?
}

/// Returns the value of a `sequence` of ours: 20 digits, so that it can be compared as a string. The extension of that
/// name is a string, and another program's need not be a number.
pub(crate) fn sequence(digits: &str) -> Option<u64> {
    let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_ours.then(|| digits.parse().ok())?
}

/// Returns whether the string can be our attribute of that name; otherwise it is another program's.
pub(crate) fn is_ours(name: &str, text: &str) -> bool {
    match name {
        "traceparent" => trace_context::is_trace_parent(text),
        "tracestate" => trace_context::is_trace_state(text),
        _ => !text.is_empty(),
    }
}

/// Returns whether a content type is JSON: `application/json`, `text/json`, `application/anything+json`, with or
/// without parameters.
pub(super) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}
