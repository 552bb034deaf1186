//! The faults that an envelope can have.

use crate::json_error::JsonKind;

/// The reason why JSON is no CloudEvent that is read. It names the attribute and quotes no value, which may be
/// personal, except two that never are: a version of the standard and a content type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The body is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// The body is JSON, but no object.
    #[error("it is {0}, and a CloudEvent is an object")]
    NotAnObject(JsonKind),
    /// A name is not valid text.
    #[error("an attribute's name holds half of a surrogate pair, which is no character")]
    Name,
    /// An attribute, or `data`, is given twice.
    #[error("attribute `{}` is given twice", shown(.name))]
    GivenTwice {
        /// The attribute's name.
        name: String,
    },
    /// Attributes that every CloudEvent has are missing or `null`.
    #[error("{}", missing(.names))]
    Missing {
        /// The attributes' names.
        names: Vec<&'static str>,
    },
    /// An attribute that must not be empty is empty.
    #[error("attribute `{name}` is empty")]
    Empty {
        /// The attribute's name.
        name: &'static str,
    },
    /// An attribute of the standard that must be a string is something else.
    #[error("attribute `{name}` is {found}; it must be text")]
    NotText {
        /// The attribute's name.
        name: &'static str,
        /// The JSON type of the value.
        found: JsonKind,
    },
    /// Another version of the standard was used.
    #[error("attribute `specversion` is `{}`; only `1.0` is read", shown(.found))]
    AnotherVersion {
        /// The version.
        found: String,
    },
    /// `time` is a string that names no instant.
    #[error(
        "attribute `time` is no RFC 3339 timestamp with an offset, such as `2026-01-05T09:30:01Z`, up to the year 9999"
    )]
    Time,
    /// A string has half of a surrogate pair, which is no character.
    #[error("attribute `{}` holds half of a surrogate pair, which is no character", shown(.name))]
    HalfCharacter {
        /// The attribute's name.
        name: String,
    },
    /// An extension could not be passed on unchanged.
    #[error("extension `{}` holds {problem}: it could not be handed on as it is", shown(.name))]
    Extension {
        /// The extension's name.
        name: String,
        /// The part that could not be passed on.
        problem: ExtensionProblem,
    },
    /// The data is not JSON.
    #[error("attribute `datacontenttype` is `{}`; only JSON is read", shown(.found))]
    ContentType {
        /// The content type.
        found: String,
    },
    /// The event has both `data` and `data_base64`.
    #[error("both `data` and `data_base64` are given")]
    DataTwice,
    /// `data_base64` holds no data that is read.
    #[error("`data_base64` {0}")]
    Base64(Base64Problem),
}

/// The part of an extension that could not be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionProblem {
    /// An integer of more than 64 bits.
    #[error("an integer beyond 64 bits")]
    LargeInteger,
    /// A number that no double is near to.
    #[error("a number beyond the range of a double")]
    LargeNumber,
    /// More levels of nesting than are read.
    #[error("more than 127 levels of nesting")]
    Depth,
}

/// The reason why `data_base64` is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Base64Problem {
    /// The value is not a string.
    #[error("is {0}; it must be text")]
    NotText(JsonKind),
    /// The string has other characters or another length than Base64.
    #[error("is not Base64 as RFC 4648 has it")]
    NotBase64,
    /// The bytes are not UTF-8.
    #[error(
        "holds bytes that are not UTF-8, although the content type says JSON, or says nothing, which means JSON"
    )]
    NotUtf8,
    /// The bytes are UTF-8, but not JSON.
    #[error(
        "holds text that is not JSON, although the content type says JSON, or says nothing, which means JSON"
    )]
    NotJson,
}

fn missing(names: &[&'static str]) -> String {
    match names {
        [name] => format!("attribute `{name}` is missing"),
        names => format!("attributes `{}` are missing", names.join("`, `")),
    }
}

/// A text from outside, so that it breaks no line and fills no screen.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
