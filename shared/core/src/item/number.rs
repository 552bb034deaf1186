//! Numbers in DynamoDB's form: decimal strings.

use serde::{Serialize, Serializer};

/// The most significant digits that a number of DynamoDB may have.
const MOST_DIGITS: usize = 38;
/// A number of DynamoDB is smaller than the power of ten with this exponent.
const END_EXPONENT: i64 = 126;
/// A number of DynamoDB other than zero is no smaller than the power of ten with this exponent.
const FIRST_EXPONENT: i64 = -130;

/// A number as a decimal string, of any length and with all its digits.
///
/// Two are equal if they are the same number:
///
/// ```
/// use throughline_core::ledger::Number;
/// assert_eq!(Number::new("1E+2"), Number::new("100.0"));
/// assert_eq!(Number::new("one"), None);
/// ```
#[derive(Debug, Clone)]
pub struct Number(String);

impl Number {
    /// Returns the number, given in decimal or scientific notation; `None` if the text is no number.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        Parts::of(&text)?;
        Some(Self(text))
    }

    /// Returns the number's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the number's text and consumes the number.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Returns sign (`true` for negative) and magnitude of an integer; `None` if the number is no integer or does not
    /// fit in 128 bits.
    pub(super) fn as_whole(&self) -> Option<(bool, u128)> {
        let Decimal { is_negative, digits, exponent } = Decimal::of(&self.0)?;
        if digits.is_empty() {
            return Some((false, 0));
        }
        let zeros = usize::try_from(exponent).ok().filter(|zeros| digits.len() + zeros <= 39)?;
        digits.extend_by(zeros).parse().ok().map(|magnitude| (is_negative, magnitude))
    }

    /// Returns a text that is the same for all notations of the number.
    pub(super) fn canonical(&self) -> String {
        let decimal = Decimal::of(&self.0);
        decimal.map_or_else(String::new, |Decimal { is_negative, digits, exponent }| {
            format!("{}{}e{exponent}", if is_negative { "-" } else { "" }, digits.0)
        })
    }

    /// Returns the number of significant digits.
    pub(super) fn digit_count(&self) -> usize {
        Decimal::of(&self.0).map_or(0, |decimal| decimal.digits.len())
    }

    /// Returns the reason why DynamoDB would refuse the number, or `None`.
    pub(super) fn problem(&self) -> Option<String> {
        let Decimal { digits, exponent, .. } = Decimal::of(&self.0)?;
        if digits.is_empty() {
            return None;
        }
        let count = digits.len();
        if count > MOST_DIGITS {
            return Some(format!(
                "has {count} significant digits; DynamoDB's numbers have at most {MOST_DIGITS}"
            ));
        }
        let first = exponent + i64::try_from(count).unwrap_or(i64::MAX) - 1;
        if !(FIRST_EXPONENT..END_EXPONENT).contains(&first) {
            let range = "from 1E-130 to 9.9999999999999999999999999999999999999E+125, or are zero";
            return Some(format!("is about 1E{first:+}; DynamoDB's numbers are {range}"));
        }
        None
    }

    pub(super) fn whole(number: &impl ToString) -> Self {
        Self(number.to_string())
    }

    /// Returns a finite 64-bit number with as few digits as distinguish it from every other.
    pub(super) fn of_f64(number: f64) -> Self {
        Self::of_display(if number == 0.0 { 0.0 } else { number })
    }

    /// Returns a finite 32-bit number with as few digits as distinguish it from every other of these: 0.1 stays 0.1.
    pub(super) fn of_f32(number: f32) -> Self {
        Self::of_display(if number == 0.0 { 0.0 } else { number })
    }

    /// Rust displays floats without an exponent, and integral ones without a fraction.
    fn of_display(number: impl std::fmt::Display) -> Self {
        Self(number.to_string())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::whole(&number)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || Decimal::of(&self.0) == Decimal::of(&other.0)
    }
}

impl Eq for Number {}

/// Serializes the number as JSON: as an integer if 64 bits hold it, otherwise as the nearest double.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_whole() {
            Some((false, magnitude)) if u64::try_from(magnitude).is_ok() => {
                serializer.serialize_u64(u64::try_from(magnitude).unwrap_or_default())
            }
            Some((true, magnitude)) if magnitude <= 1 << 63 => {
                let number = 0_i128.saturating_sub_unsigned(magnitude);
                serializer.serialize_i64(i64::try_from(number).unwrap_or_default())
            }
            _ => serializer.serialize_f64(self.0.parse().unwrap_or_default()),
        }
    }
}

/// A number as its digits, without zeros at either end, times a power of ten.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: Digits,
    exponent: i64,
}

/// Digits that neither begin nor end with a zero.
#[derive(Debug, PartialEq, Eq)]
struct Digits(String);

impl Digits {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn extend_by(mut self, zeros: usize) -> String {
        self.0.extend(std::iter::repeat_n('0', zeros));
        self.0
    }
}

/// The parts of a number's text.
struct Parts<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = whole.len() + fraction.len() > 0 && are_digits(whole) && are_digits(fraction);
        is_number.then_some(Self { is_negative, whole, fraction, exponent })
    }
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let Parts { is_negative, whole, fraction, exponent } = Parts::of(text)?;
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0').trim_end_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, digits: Digits(String::new()), exponent: 0 });
        }
        let trailing = i64::try_from(all.len() - all.trim_end_matches('0').len()).ok()?;
        let exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + trailing;
        Some(Self { is_negative, digits: Digits(significant.to_owned()), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::new(text).unwrap()
    }

    #[test]
    fn a_number_is_itself_in_every_notation() {
        for texts in [
            ["1", "1.0", "1e0", "+01.00E0"],
            ["100", "1E+2", "100.000", "0.1e3"],
            ["-0.05", "-5e-2", "-.05", "-0000.0500"],
            ["0", "-0", "0.000", "0e99"],
        ] {
            assert!(texts.iter().all(|text| number(text) == number(texts[0])), "{texts:?}");
        }
        assert_ne!(number("18446744073709551616"), number("18446744073709551617"));
        assert_ne!(number("1"), number("-1"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "NaN", "inf", "1e", "1_000", "0x1", "1.2.3", " 1", "١"] {
            assert_eq!(Number::new(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_refused_exactly_beyond_dynamodbs_range() {
        let nines = "9".repeat(38);
        let held =
            ["0", "1E-130", "-1E-130", &format!("{nines}E+88"), &nines, "1E+125", &format!("-{nines}")];
        for text in held {
            assert_eq!(number(text).problem(), None, "{text}");
        }
        let refused = ["9.9E-131", "5e-324", "1E+126", "-1E+126", "1e300", &format!("{nines}1")];
        for text in refused {
            assert!(number(text).problem().is_some(), "{text}");
        }
    }

    #[test]
    fn floats_have_as_few_digits_as_tell_them_apart() {
        assert_eq!(Number::of_f32(0.1).as_str(), "0.1");
        assert_eq!(Number::of_f64(492.659_999_999_999_97).as_str(), "492.65999999999997");
        assert_eq!(Number::of_f64(-0.0).as_str(), "0");
        assert_eq!(Number::of_f64(1e21).as_str(), "1000000000000000000000");
    }
}
