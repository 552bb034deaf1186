//! Numbers, as the versions of Amazon's matcher compare them.

use std::cmp::Ordering;

/// The ways in which numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// As doubles, since event-ruler 1.8. What says more than its double prints as is no number.
    Doubles,
    /// To six decimals, between -5e9 and 5e9, up to event-ruler 1.7.
    SixDecimals,
    /// As doubles, but literal ones by their characters, as the user guide has it.
    AsWritten,
}

impl Reading {
    /// All of them. The first is what the current version does.
    pub(super) const ALL: [Self; 3] = [Self::Doubles, Self::SixDecimals, Self::AsWritten];
}

/// The largest number up to event-ruler 1.7.
const FIVE_BILLION: f64 = 5e9;

/// A number as it is written, with what the readings make of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    /// Its characters.
    pub(super) text: String,
    double: Option<f64>,
    six_decimals: Option<i64>,
}

impl Written {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), double: double(text), six_decimals: six_decimals(text) }
    }

    /// Compares with another number. Returns `None` if a reading takes one of them for no number.
    pub(super) fn compare(&self, other: &Self, reading: Reading) -> Option<Ordering> {
        match reading {
            Reading::SixDecimals => Some(self.six_decimals?.cmp(&other.six_decimals?)),
            Reading::Doubles | Reading::AsWritten => self.double?.partial_cmp(&other.double?),
        }
    }

    /// Returns whether a reading takes it for a number.
    pub(super) fn is_comparable(&self, reading: Reading) -> bool {
        match reading {
            Reading::SixDecimals => self.six_decimals.is_some(),
            Reading::Doubles | Reading::AsWritten => self.double.is_some(),
        }
    }

    pub(super) fn is_negative(&self) -> bool {
        self.double.is_some_and(|number| number < 0.0)
    }
}

/// The smallest and the largest number of a reading.
pub(super) fn extremes(reading: Reading) -> [Written; 2] {
    let most = if reading == Reading::SixDecimals { FIVE_BILLION } else { f64::MAX };
    [-most, most].map(|number| Written::of(&format!("{number:e}")))
}

fn double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_itself = number.is_finite() && Decimal::of(text)? == Decimal::of(&printed(number))?;
    // -0 is 0.
    is_itself.then_some(number + 0.0)
}

/// As Java prints a double: with two digits at least, of which the smallest ones need the second.
fn printed(number: f64) -> String {
    let shortest = format!("{number:e}");
    if number.abs() < f64::MIN_POSITIVE && !shortest.contains('.') {
        format!("{number:.1e}")
    } else {
        shortest
    }
}

fn six_decimals(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "cut off, as there, and at most 1e16")]
    (number.abs() <= FIVE_BILLION).then_some((1e6 * (FIVE_BILLION + number)) as i64)
}

/// A decimal number, without leading and trailing zeros.
#[derive(Debug, PartialEq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Option<Self> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let kept = digits.trim_end_matches('0');
        let cut_off = i64::try_from(digits.len() - kept.len()).ok()? - i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.parse::<i64>().ok()?.checked_add(cut_off)?;
        Some(Self { is_negative, digits: kept.to_owned(), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_its_double_prints_as_however_it_is_written() {
        for text in [
            "300",
            "3.0e2",
            "-0",
            "0.1",
            "0.100",
            "1e300",
            "9007199254740992.0",
            "4.9e-324",
            "1.25e-310",
            "1e-7",
            "0e999",
        ] {
            assert!(Written::of(text).is_comparable(Reading::Doubles), "{text}");
        }
        for text in [
            "9007199254740993",
            "9.999999999999999",
            "0.1000000000000000055511151231257827",
            "1e400",
            "1e-400",
            "1764496800123456789",
            "1e99999999999999999999",
        ] {
            assert!(!Written::of(text).is_comparable(Reading::Doubles), "{text}");
        }
    }

    #[test]
    fn readings_differ_beyond_six_decimals_and_five_billion() {
        let compare =
            |one: &str, other: &str, reading| Written::of(one).compare(&Written::of(other), reading);
        assert_eq!(compare("300.0000001", "300", Reading::Doubles), Some(Ordering::Greater));
        assert_eq!(compare("300.0000001", "300", Reading::SixDecimals), Some(Ordering::Equal));
        assert_eq!(compare("6e9", "3", Reading::Doubles), Some(Ordering::Greater));
        assert_eq!(compare("6e9", "3", Reading::SixDecimals), None);
        assert_eq!(compare("-0.0", "0", Reading::Doubles), Some(Ordering::Equal));
    }
}
