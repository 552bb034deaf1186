//! When two JSON texts say the same.

use super::{
    literal::Literal,
    members::{Container, container},
    trimmed,
};
use std::collections::BTreeMap;

/// Returns whether two JSON texts are equal as RFC 6902 has it for `test`: numbers by their exact value, whatever their
/// size, and members in any order.
pub fn says_the_same(one: &str, other: &str) -> bool {
    let (one, other) = (&one[trimmed(one, 0..one.len())], &other[trimmed(other, 0..other.len())]);
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) | (Some(b'['), Some(b'[')) => {
            match (container(one, 0..one.len()), container(other, 0..other.len())) {
                (Some(a), Some(b)) => {
                    let (a, b) = (parts(one, &a), parts(other, &b));
                    a.len() == b.len()
                        && a.iter()
                            .all(|(name, value)| b.get(name).is_some_and(|other| says_the_same(value, other)))
                }
                _ => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            let text = |literal| Literal::read(literal).map(Literal::into_text);
            text(one) == text(other)
        }
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => match (worth(one), worth(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one == other,
        },
        _ => one == other,
    }
}

fn parts<'a>(text: &'a str, container: &Container<'_>) -> BTreeMap<String, &'a str> {
    container.values().map(|(name, range)| (name, &text[range])).collect()
}

/// A number's sign, its digits without zeros around them, and the power of ten that these are multiplied by. Nothing if
/// the power is beyond counting.
fn worth(number: &str) -> Option<(bool, String, i64)> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let is_negative = mantissa.starts_with('-');
    let (whole, fraction) = mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches('-');
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - significant.len()).ok()?;
    let decimals = i64::try_from(fraction.len()).ok()?;
    let power = exponent.parse::<i64>().ok()?.checked_sub(decimals)?.checked_add(zeros)?;
    Some((is_negative, significant.to_owned(), power))
}
