//! Judges whether a type reads a JSON text. A JSON Schema says less than the type that it was made of: 3.0 is an
//! integer to it, and so is 5000000000 in a field of 32 bits. Serde's refusals are added here.

#[cfg(test)]
mod tests;

use super::mask::{Place, all_of, field, item};
use jsonschema::{Keyword, ValidationError, Validator};
use serde_json::{Map, Value};
use throughline_core::Timestamp;
use throughline_operations::json_text::{Oddity, OddityKind};

/// Our keyword: the number's format.
const NUMBER: &str = "x-number";
/// The format of a number of 32 bits.
const SINGLE: &str = "float";

/// The integers that types are made of, as their schemas name them.
const INTEGERS: [(&str, i128, u128); 12] = [
    ("int8", i8::MIN as i128, i8::MAX.unsigned_abs() as u128),
    ("int16", i16::MIN as i128, i16::MAX.unsigned_abs() as u128),
    ("int32", i32::MIN as i128, i32::MAX.unsigned_abs() as u128),
    ("int64", i64::MIN as i128, i64::MAX.unsigned_abs() as u128),
    ("int128", i128::MIN, i128::MAX.unsigned_abs()),
    ("int", i64::MIN as i128, i64::MAX.unsigned_abs() as u128),
    ("uint8", 0, u8::MAX as u128),
    ("uint16", 0, u16::MAX as u128),
    ("uint32", 0, u32::MAX as u128),
    ("uint64", 0, u64::MAX as u128),
    ("uint128", 0, u128::MAX),
    ("uint", 0, u64::MAX as u128),
];

/// A validator for what the type reads that a schema was made of.
///
/// # Errors
/// If the schema is none.
pub(super) fn validator(schema: &Value) -> Result<Validator, String> {
    let mut schema = schema.clone();
    as_it_is_read(&mut schema);
    let parses = |format, check: fn(&str) -> bool| (format, check);
    let formats = [
        parses("date-time", |text| text.parse::<Timestamp>().is_ok()),
        parses("date", |text| text.parse::<jiff::civil::Date>().is_ok()),
        parses("partial-time", |text| text.parse::<jiff::civil::Time>().is_ok()),
        parses("partial-date-time", |text| text.parse::<jiff::civil::DateTime>().is_ok()),
        parses("duration", |text| {
            text.parse::<jiff::Span>().is_ok() || text.parse::<jiff::SignedDuration>().is_ok()
        }),
        parses("ip", |text| text.parse::<std::net::IpAddr>().is_ok()),
        parses("ipv4", |text| text.parse::<std::net::Ipv4Addr>().is_ok()),
        parses("ipv6", |text| text.parse::<std::net::Ipv6Addr>().is_ok()),
        parses("uuid", is_uuid),
    ];
    let mut options = jsonschema::options().should_validate_formats(true).with_keyword(NUMBER, number);
    for (format, check) in formats {
        options = options.with_format(format, check);
    }
    options.build(&schema).map_err(|error| error.to_string())
}

/// With hyphens or without, in braces or as a URN: as the crate `uuid` reads it.
fn is_uuid(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.or_else(|| text.strip_prefix("urn:uuid:")).unwrap_or(text);
    let parts: Vec<&str> = inner.split('-').collect();
    let is_hex = inner.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    is_hex && (lengths == [32] && inner == text || lengths == [8, 4, 4, 4, 12])
}

/// Changes a schema, and every schema in it, to what its type reads.
fn as_it_is_read(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    for name in ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"] {
        if let Some(Value::Object(schemas)) = schema.get_mut(name) {
            schemas.values_mut().for_each(as_it_is_read);
        }
    }
    let single = [
        "items",
        "additionalProperties",
        "additionalItems",
        "unevaluatedProperties",
        "unevaluatedItems",
        "propertyNames",
        "contains",
        "not",
        "if",
        "then",
        "else",
    ];
    for name in single {
        schema.get_mut(name).into_iter().for_each(as_it_is_read);
    }
    for name in ["allOf", "anyOf", "oneOf", "prefixItems", "items"] {
        schema.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().for_each(as_it_is_read);
    }
    numbers_as_they_are_read(schema);
    keys_as_they_are_read(schema);
    // A set reads what stands in it twice, and keeps one.
    schema.remove("uniqueItems");
}

fn numbers_as_they_are_read(schema: &mut Map<String, Value>) {
    let is = |name: &str| match &schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|it| it == name),
        Some(it) => *it == name,
        None => false,
    };
    let format = schema.get("format").and_then(Value::as_str);
    if is("number") && format == Some(SINGLE) {
        schema.insert(NUMBER.to_owned(), SINGLE.into());
        return;
    }
    let is_integer = is("integer");
    let Some((format, least, most)) = INTEGERS.iter().find(|(name, ..)| is_integer && Some(*name) == format)
    else {
        return;
    };
    // The bounds of the type itself are told once, in its own words.
    if schema.get("minimum").and_then(Value::as_i64).map(i128::from) == Some(*least) {
        schema.remove("minimum");
    }
    if schema.get("maximum").and_then(Value::as_u64).map(u128::from) == Some(*most) {
        schema.remove("maximum");
    }
    schema.insert(NUMBER.to_owned(), (*format).into());
}

/// Keys that are integers are read as JSON has them: without zeros before them.
fn keys_as_they_are_read(schema: &mut Map<String, Value>) {
    let Some(Value::Object(patterns)) = schema.get_mut("patternProperties") else { return };
    for (told, read) in [(r"^\d+$", "^(0|[1-9][0-9]*)$"), (r"^-?\d+$", "^(0|-?[1-9][0-9]*)$")] {
        if let Some(values) = patterns.remove(told) {
            patterns.insert(read.to_owned(), values);
        }
    }
}

/// An integer's format.
struct Integer {
    name: &'static str,
    least: i128,
    most: u128,
}

/// A number of 32 bits.
struct Single;

impl Single {
    /// Returns whether a number would be infinite in 32 bits, which no type reads: more than the largest and half a
    /// step.
    fn is_beyond(value: &Value) -> bool {
        value.as_f64().is_some_and(|float| float.abs() >= 2f64.powi(128) - 2f64.powi(103))
    }
}

impl<'i> Keyword<'i> for Single {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        Err(ValidationError::custom(format!("is beyond what `{SINGLE}` holds")))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        !Self::is_beyond(instance)
    }
}

fn number<'a>(
    _: &'a Map<String, Value>,
    format: &'a Value,
    _: jsonschema::paths::Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    if format == SINGLE {
        return Ok(Box::new(Single));
    }
    let found = INTEGERS.iter().find(|(name, ..)| format == name);
    let (name, least, most) =
        *found.ok_or_else(|| ValidationError::custom(format!("{format} is no number's format")))?;
    Ok(Box::new(Integer { name, least, most }))
}

impl Integer {
    /// Why a number is not read; nothing if it is, or if it is no integer at all, which others say.
    fn objection(&self, value: &Value) -> Option<String> {
        let Self { name, least, most } = self;
        let Value::Number(number) = value else { return None };
        let range = format!("is not within {least} and {most}, which is what `{name}` holds");
        if let Some(number) = number.as_u64() {
            return (u128::from(number) > *most).then_some(range);
        }
        if let Some(number) = number.as_i64() {
            return (i128::from(number) < *least).then_some(range);
        }
        let float = number.as_f64()?;
        // As `-0`, which is a float elsewhere, is read where 128 bits are.
        let is_minus_zero = float == 0.0 && float.is_sign_negative() && *least == i128::MIN;
        if float.fract() != 0.0 || is_minus_zero {
            return None;
        }
        // An integer beyond 64 bits is a float by now, and only types of 128 bits read it.
        let is_beyond_64_bits = float >= 2f64.powi(64) || float <= -(2f64.powi(63));
        let exponent = if *least < 0 { 127 } else { 128 };
        let is_within =
            float < 2f64.powi(exponent) && (float >= 0.0 || *least < 0 && float >= -(2f64.powi(127)));
        match (is_beyond_64_bits, *most > u128::from(u64::MAX)) {
            (true, true) if is_within => None,
            (true, _) => Some(range),
            (false, _) => {
                Some(format!("is written with a fraction or an exponent, and `{name}` reads neither"))
            }
        }
    }
}

impl<'i> Keyword<'i> for Integer {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        self.objection(instance).map_or(Ok(()), |why| Err(ValidationError::custom(why)))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.objection(instance).is_none()
    }
}

/// Returns the problem with something in data that a value does not show, or `None` if the type does not read it.
/// `pointer` begins at the data.
pub(super) fn oddity(schema: &Value, data: &Value, pointer: &str, kind: OddityKind) -> Option<&'static str> {
    if !is_read(schema, data, pointer, kind == OddityKind::Repeated) {
        return None;
    }
    Some(match kind {
        OddityKind::Repeated => "it stands there twice",
        OddityKind::OutOfRange => "the number is out of range",
        OddityKind::LoneSurrogate => "the text holds half of a pair of surrogates, which is no character",
        OddityKind::TooDeep => "it lies deeper than 127 levels, which no type reads",
    })
}

/// Returns whether a type reads the value at a pointer, or has a field of its own for it.
fn is_read(root: &Value, data: &Value, pointer: &str, as_field: bool) -> bool {
    let mut places = vec![Place { root, schema: root }];
    let mut at = data;
    let (mut is_field, mut is_all_read) = (false, false);
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let around = all_of(&places);
        is_all_read |= places.iter().any(|place| *place.schema == Value::Bool(true))
            || around.iter().any(|place| is_read_before_it_is_known(place.schema));
        is_field = around.iter().any(|place| place.schema["properties"].get(&name).is_some());
        (places, at) = match at {
            Value::Array(items) => {
                let index = name.parse().unwrap_or(usize::MAX);
                (item(&around, index), items.get(index).unwrap_or(&Value::Null))
            }
            other => (field(&around, &name), other.get(&name).unwrap_or(&Value::Null)),
        };
        places.retain(|place| *place.schema != Value::Bool(false));
    }
    if as_field { is_field } else { is_all_read || !places.is_empty() }
}

/// Returns whether a value is read whole before its form among several is known: where a field of it names the form, or
/// nothing does.
fn is_read_before_it_is_known(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema["type"] == "null";
    let has_tag = |schema: &Value| {
        let fields = schema["properties"].as_object();
        fields.is_some_and(|fields| fields.values().any(|field| field.get("const").is_some()))
    };
    let forms = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    forms("anyOf").iter().filter(|form| !is_null(form)).count() > 1 || forms("oneOf").iter().any(has_tag)
}

/// The oddities of a message's data, by their pointers into the data.
pub(super) fn of_data(oddities: &[Oddity]) -> impl Iterator<Item = (&str, OddityKind)> {
    oddities.iter().filter_map(|it| Some((it.pointer.strip_prefix("/data")?, it.kind)))
}
