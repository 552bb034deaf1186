//! Between attributes and the SDK's form of them: one for one, nothing is read or written anew.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use throughline_core::ledger::{Attribute, Number};

/// An attribute as the SDK has it.
pub(super) fn to_sdk(attribute: &Attribute) -> AttributeValue {
    match attribute {
        Attribute::Text(text) => AttributeValue::S(text.clone()),
        Attribute::Number(number) => AttributeValue::N(number.as_str().to_owned()),
        Attribute::Bool(truth) => AttributeValue::Bool(*truth),
        Attribute::Null => AttributeValue::Null(true),
        Attribute::List(members) => AttributeValue::L(members.iter().map(to_sdk).collect()),
        Attribute::Map(item) => {
            AttributeValue::M(item.iter().map(|(name, value)| (name.clone(), to_sdk(value))).collect())
        }
        Attribute::Binary(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Attribute::Set(members) => set(members),
    }
}

fn set(members: &[Attribute]) -> AttributeValue {
    match members.first() {
        Some(Attribute::Number(_)) => {
            let numbers = members.iter().filter_map(|member| match member {
                Attribute::Number(number) => Some(number.as_str().to_owned()),
                _ => None,
            });
            AttributeValue::Ns(numbers.collect())
        }
        Some(Attribute::Binary(_)) => {
            let blobs = members.iter().filter_map(|member| match member {
                Attribute::Binary(bytes) => Some(Blob::new(bytes.clone())),
                _ => None,
            });
            AttributeValue::Bs(blobs.collect())
        }
        _ => AttributeValue::Ss(
            members.iter().filter_map(|member| member.as_text().map(str::to_owned)).collect(),
        ),
    }
}

/// An attribute from the SDK's form; nothing, if it holds a type that is unknown here.
pub(super) fn from_sdk(value: &AttributeValue) -> Option<Attribute> {
    let binary = |blob: &Blob| Attribute::Binary(blob.as_ref().to_vec());
    let number = |text: &String| Number::new(text.as_str()).map(Attribute::Number);
    Some(match value {
        AttributeValue::S(text) => Attribute::Text(text.clone()),
        AttributeValue::N(text) => number(text)?,
        AttributeValue::Bool(truth) => Attribute::Bool(*truth),
        AttributeValue::Null(_) => Attribute::Null,
        AttributeValue::L(members) => Attribute::List(members.iter().map(from_sdk).collect::<Option<_>>()?),
        AttributeValue::M(item) => {
            let members = item.iter().map(|(name, value)| Some((name.clone(), from_sdk(value)?)));
            Attribute::Map(members.collect::<Option<_>>()?)
        }
        AttributeValue::B(blob) => binary(blob),
        AttributeValue::Ss(texts) => Attribute::Set(texts.iter().cloned().map(Attribute::Text).collect()),
        AttributeValue::Ns(texts) => Attribute::Set(texts.iter().map(number).collect::<Option<_>>()?),
        AttributeValue::Bs(blobs) => Attribute::Set(blobs.iter().map(binary).collect()),
        _ => return None,
    })
}
