//! A service's answer: JSON as it is, XML as the JSON that AWS's command line makes of it.

use super::Protocol;
use aws_sdk_sqs::{config::http::HttpResponse, error::ErrorMetadata};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The elements that are read of a service's answers in XML. All others are passed over.
#[derive(Debug)]
pub(in super::super) struct Shape {
    /// Elements that hold a list, each item of which is an element `member`.
    pub(in super::super) lists: &'static [&'static str],
    /// Elements that hold a text.
    pub(in super::super) texts: &'static [&'static str],
}

/// The part of an unreadable answer that an error shows, in characters.
const MOST_SHOWN: usize = 200;

/// Reads an answer, or the error in its place.
pub(super) fn read(
    response: &HttpResponse,
    protocol: Protocol,
) -> Result<Value, OrchestratorError<ErrorMetadata>> {
    let body = response.body().bytes().unwrap_or_default();
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(error(response, body, protocol)));
    }
    let not_understood = |why: String| {
        let text: String = String::from_utf8_lossy(body).chars().take(MOST_SHOWN).collect();
        // An answer in another form comes from somebody else, such as a proxy, and would be the same again.
        let message = format!("the answer cannot be read: {why}, in `{text}`");
        OrchestratorError::operation(ErrorMetadata::builder().message(message).build())
    };
    match protocol {
        Protocol::Json { .. } => serde_json::from_slice(body).map_err(|why| not_understood(why.to_string())),
        Protocol::Query { shape, .. } => {
            let text = std::str::from_utf8(body).map_err(|why| not_understood(why.to_string()))?;
            result(text, shape).map_err(|why| not_understood(why.to_string()))
        }
    }
}

/// Returns the contents of the element `<Operation>Result` of the answer's root.
fn result(text: &str, shape: &Shape) -> Result<Value, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    while let Some(mut element) = root.next_tag() {
        if element.start_el().local().ends_with("Result") {
            return object(&mut element, shape);
        }
    }
    Err(XmlDecodeError::custom("it holds no result"))
}

fn object(element: &mut ScopedDecoder<'_, '_>, shape: &Shape) -> Result<Value, XmlDecodeError> {
    let mut members = Map::new();
    while let Some(mut member) = element.next_tag() {
        let name = member.start_el().local().to_owned();
        if shape.texts.contains(&name.as_str()) {
            let text = try_data(&mut member)?.into_owned();
            members.insert(name, text.into());
        } else if shape.lists.contains(&name.as_str()) {
            let mut items = Vec::new();
            while let Some(mut item) = member.next_tag() {
                items.push(object(&mut item, shape)?);
            }
            members.insert(name, items.into());
        }
    }
    Ok(members.into())
}

/// The code and the message of an error; where the service gives none, the status and the beginning of what it says.
fn error(response: &HttpResponse, body: &[u8], protocol: Protocol) -> ErrorMetadata {
    let (code, message) = match protocol {
        Protocol::Json { .. } => json_error(response, body),
        Protocol::Query { .. } => xml_error(body),
    };
    let otherwise = || {
        let text: String = String::from_utf8_lossy(body).trim().chars().take(MOST_SHOWN).collect();
        let status = response.status().as_u16();
        if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }
    };
    let mut error = ErrorMetadata::builder();
    error = match (code, message) {
        (Some(code), Some(message)) => error.code(code).message(message),
        (Some(code), None) => error.code(code),
        (None, message) => error.message(message.unwrap_or_else(otherwise)),
    };
    error.build()
}

/// `AWS JSON protocol`: the type is a header, or `__type` or `code` of the body, perhaps with a namespace before it and
/// an address behind.
fn json_error(response: &HttpResponse, body: &[u8]) -> (Option<String>, Option<String>) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| body[name].as_str());
    let code = response.headers().get("x-amzn-errortype").or_else(|| text(["__type", "code"]));
    let code = code.map(|code| {
        let code = code.split(':').next().unwrap_or(code);
        code.rsplit('#').next().unwrap_or(code).to_owned()
    });
    (code, text(["message", "Message"]).map(ToOwned::to_owned))
}

/// `AWS query protocol`: an element `Error` with `Code` and `Message`.
fn xml_error(body: &[u8]) -> (Option<String>, Option<String>) {
    let mut said = (None, None);
    let Ok(text) = std::str::from_utf8(body) else { return said };
    let mut document = Document::new(text);
    let Ok(mut root) = document.root_element() else { return said };
    while let Some(mut error) = root.next_tag() {
        if !error.start_el().matches("Error") {
            continue;
        }
        while let Some(mut member) = error.next_tag() {
            let name = member.start_el().local().to_owned();
            let text = try_data(&mut member).ok().map(Cow::into_owned);
            match name.as_str() {
                "Code" => said.0 = text,
                "Message" => said.1 = text,
                _ => {}
            }
        }
    }
    said
}
