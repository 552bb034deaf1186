//! The faults that an envelope can have.

use crate::json_error::JsonKind;

/// The reason why JSON is no CloudEvent that is read. It names the attribute and quotes no value, which may be personal, but for
/// the two that are never: a version of the standard and a content type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, and no object.
    #[error("it is {0}, and a CloudEvent is an object")]
    NotAnObject(JsonKind),
    /// A name is no text.
    #[error("an attribute's name holds half of a surrogate pair, which is no character")]
    Name,
    /// An attribute, or `data`, is there twice.
    #[error("attribute `{}` is given twice", shown(.name))]
    GivenTwice {
        /// The attribute.
        name: String,
    },
    /// Attributes that every CloudEvent has are not there, or null.
    #[error("{}", missing(.names))]
    Missing {
        /// The attributes.
        names: Vec<&'static str>,
    },
    /// An attribute that must say something says nothing.
    #[error("attribute `{name}` is empty")]
    Empty {
        /// The attribute.
        name: &'static str,
    },
    /// An attribute of the standard that must be text is something else.
    #[error("attribute `{name}` is {found}; it must be text")]
    NotText {
        /// The attribute.
        name: &'static str,
        /// Its kind.
        found: JsonKind,
    },
    /// It is written by another version of the standard.
    #[error("attribute `specversion` is `{}`; only `1.0` is read", shown(.found))]
    AnotherVersion {
        /// The version.
        found: String,
    },
    /// `time` is text that names no instant.
    #[error(
        "attribute `time` is no RFC 3339 timestamp with an offset, such as `2026-01-05T09:30:01Z`, up to the year 9999"
    )]
    Time,
    /// A text has half of a surrogate pair, which is no character.
    #[error("attribute `{}` holds half of a surrogate pair, which is no character", shown(.name))]
    HalfCharacter {
        /// The attribute.
        name: String,
    },
    /// An extension that could not be handed on as it came.
    #[error("extension `{}` holds {problem}: it could not be handed on as it is", shown(.name))]
    Extension {
        /// The extension.
        name: String,
        /// The part that could not be handed on.
        problem: ExtensionProblem,
    },
    /// Its data is no JSON.
    #[error("attribute `datacontenttype` is `{}`; only JSON is read", shown(.found))]
    ContentType {
        /// The content type.
        found: String,
    },
    /// It has `data` and `data_base64`.
    #[error("both `data` and `data_base64` are given")]
    DataTwice,
    /// `data_base64` holds no data that is read.
    #[error("`data_base64` {0}")]
    Base64(Base64Problem),
}

/// Something in an extension that could not be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionProblem {
    /// An integer of more than 64 bits.
    #[error("an integer beyond 64 bits")]
    LargeInteger,
    /// A number that no double is near to.
    #[error("a number beyond the range of a double")]
    LargeNumber,
    /// Too many levels.
    #[error("more than 127 levels of nesting")]
    Depth,
}

/// A fault of `data_base64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Base64Problem {
    /// It is no text.
    #[error("is {0}; it must be text")]
    NotText(JsonKind),
    /// It is text of other characters or another length.
    #[error("is not Base64 as RFC 4648 has it")]
    NotBase64,
    /// The bytes are no text.
    #[error(
        "holds bytes that are not UTF-8, although the content type says JSON, or says nothing, which means JSON"
    )]
    NotUtf8,
    /// The bytes are no JSON.
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
