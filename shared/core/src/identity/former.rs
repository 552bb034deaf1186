//! The former hashes that ledgers hold from before numbers counted by their exact value.
//!
//! Integers of 64 bits were written unchanged. All other numbers were read as floating-point numbers and written with
//! the fewest digits that distinguish them: `1.0` and `1` were two values, 2^64 and 2^64 + 1 were one. The reading
//! depended on whether `serde_json` was compiled with its feature `float_roundtrip`. Functions that were built alone
//! were compiled without it, tests and local clouds with it.

use super::{
    PayloadHash,
    canonical::{Rules, canonical},
    number::Number,
};

/// A payload that may have had another hash.
pub(super) struct Former {
    pub(super) message_type: String,
    pub(super) data: String,
}

impl Former {
    /// Returns whether the recorded hash is one of the payload's former hashes.
    pub(super) fn was(&self, recorded: &str) -> bool {
        [Reading::Nearest, Reading::Quick].into_iter().any(|mut reading| {
            canonical(&self.data, &mut reading)
                .is_some_and(|text| PayloadHash::digits(&self.message_type, &text) == recorded.as_bytes())
        })
    }
}

/// Returns whether a number was certainly written the same under each of the former readings. It may return `false`
/// although it was.
///
/// The digits of a short fraction are exactly a floating-point number, and so is the power of ten that divides them:
/// there is only one rounding, which is correct. No two numbers of 15 digits are one floating-point number, so that the
/// same digits are written again.
pub(super) fn is_formerly_the_same(number: &Number<'_>) -> bool {
    let Number { integer, fraction, exponent, .. } = number;
    let is_short = integer.len() + fraction.len() <= 15;
    let is_fraction = fraction.iter().any(|digit| *digit != b'0');
    number.is_plain_integer() || (is_short && is_fraction && exponent.is_none())
}

/// The former reading of a number that is no integer of 64 bits.
#[derive(Clone, Copy)]
enum Reading {
    /// As the nearest floating-point number: with `float_roundtrip`.
    Nearest,
    /// In one or two steps, each of which may round: without `float_roundtrip`.
    Quick,
}

impl Rules for Reading {
    fn number(&mut self, number: &Number<'_>, out: &mut Vec<u8>) -> Option<()> {
        if number.is_plain_integer() {
            out.extend_from_slice(number.text.as_bytes());
            return Some(());
        }
        let value = match self {
            Self::Nearest => number.text.parse().ok()?,
            Self::Quick => quick(number)?,
        };
        // A number that was too large was not accepted as JSON.
        if !f64::is_finite(value) {
            return None;
        }
        serde_json::to_writer(out, &value).ok()
    }

    fn lone_surrogate(&mut self, _: u16, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    const DEEPEST: usize = 127;
}

/// The largest power of ten below the end of floating-point numbers.
const LARGEST_POWER: i32 = 308;

/// Reads as many digits as 64 bits hold, and multiplies by a power of ten or divides by one.
fn quick(number: &Number<'_>) -> Option<f64> {
    let Digits { significand, mut exponent } = Digits::of(number);
    if let Some(written) = number.exponent {
        let mut digits = written.digits.iter().map(|digit| i32::from(digit - b'0'));
        let value = digits.try_fold(0_i32, |value, digit| value.checked_mul(10)?.checked_add(digit));
        exponent = match value {
            Some(value) if written.is_negative => exponent.saturating_sub(value),
            Some(value) => exponent.saturating_add(value),
            None if significand == 0 || written.is_negative => return Some(signed(number, 0.0)),
            None => return None,
        };
    }
    #[expect(clippy::cast_precision_loss, reason = "it was lost so")]
    let mut value = significand as f64;
    while exponent < -LARGEST_POWER && value != 0.0 {
        value /= 1e308;
        exponent += LARGEST_POWER;
    }
    if value != 0.0 {
        let power = power_of_ten(exponent.unsigned_abs())?;
        value = if exponent < 0 { value / power } else { value * power };
    }
    Some(signed(number, value))
}

fn signed(number: &Number<'_>, value: f64) -> f64 {
    if number.is_negative { -value } else { value }
}

/// Returns ten to the power of `exponent`; `None` beyond the largest power.
fn power_of_ten(exponent: u32) -> Option<f64> {
    (exponent <= LARGEST_POWER.unsigned_abs()).then(|| format!("1e{exponent}").parse().ok()).flatten()
}

/// The digits that were used, and the power of ten that they are multiplied by.
struct Digits {
    significand: u64,
    exponent: i32,
}

impl Digits {
    fn of(number: &Number<'_>) -> Self {
        let (significand, heeded) = as_many_as_fit(0, number.integer);
        let ignored = number.integer.len() - heeded;
        // A digit after the point may fit although one before it did not.
        let (significand, behind) = as_many_as_fit(significand, number.fraction);
        let count = |count| i32::try_from(count).unwrap_or(i32::MAX);
        Self { significand, exponent: count(ignored).saturating_sub(count(behind)) }
    }
}

/// Appends digits as long as 64 bits hold them. Returns the value and the number of digits used.
fn as_many_as_fit(mut significand: u64, digits: &[u8]) -> (u64, usize) {
    for (at, digit) in digits.iter().enumerate() {
        let digit = u64::from(digit - b'0');
        match significand.checked_mul(10).and_then(|tenfold| tenfold.checked_add(digit)) {
            Some(more) => significand = more,
            None => return (significand, at),
        }
    }
    (significand, digits.len())
}
