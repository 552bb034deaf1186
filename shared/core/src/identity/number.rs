//! Numbers by the exact decimal value of their text, in any notation.

use super::{
    canonical::{Rules, write_unit},
    former::is_formerly_the_same,
};

/// A number in its JSON notation.
pub(super) struct Number<'a> {
    pub(super) text: &'a str,
    pub(super) is_negative: bool,
    /// The digits before the point.
    pub(super) integer: &'a [u8],
    /// The digits after the point.
    pub(super) fraction: &'a [u8],
    pub(super) exponent: Option<Exponent<'a>>,
}

/// The exponent of a number: its digits are multiplied by ten to this power.
#[derive(Clone, Copy)]
pub(super) struct Exponent<'a> {
    pub(super) is_negative: bool,
    pub(super) digits: &'a [u8],
}

impl<'a> Number<'a> {
    /// Returns the number at the start of a JSON text, and its length.
    pub(super) fn first(json: &'a [u8]) -> Option<(Self, usize)> {
        let is_negative = json.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let integer = digits(json, start);
        if integer.is_empty() || (integer[0] == b'0' && integer.len() > 1) {
            return None;
        }
        let mut end = start + integer.len();
        let mut fraction = &json[..0];
        if json.get(end) == Some(&b'.') {
            fraction = digits(json, end + 1);
            if fraction.is_empty() {
                return None;
            }
            end += 1 + fraction.len();
        }
        let mut exponent = None;
        if let Some(b'e' | b'E') = json.get(end) {
            let sign = json.get(end + 1).filter(|sign| matches!(sign, b'+' | b'-'));
            end += 1 + usize::from(sign.is_some());
            let digits = digits(json, end);
            if digits.is_empty() {
                return None;
            }
            exponent = Some(Exponent { is_negative: sign == Some(&b'-'), digits });
            end += digits.len();
        }
        let text = str::from_utf8(&json[..end]).ok()?;
        Some((Self { text, is_negative, integer, fraction, exponent }, end))
    }

    /// Returns whether the number is an integer of 64 bits, written as one. `-0` is not: libraries read it as a
    /// floating-point number.
    pub(super) fn is_plain_integer(&self) -> bool {
        if !self.fraction.is_empty() || self.exponent.is_some() || self.text == "-0" {
            return false;
        }
        // An integer of fewer than 19 digits always fits in 64 bits.
        self.integer.len() < 19
            || if self.is_negative {
                self.text.parse::<i64>().is_ok()
            } else {
                self.text.parse::<u64>().is_ok()
            }
    }

    /// Returns whether the number is a fraction, already in the notation in which it is written here.
    fn is_plain_fraction(&self) -> bool {
        let Some(last) = self.fraction.last() else { return false };
        let is_point_near = if self.integer == b"0" {
            self.fraction.iter().take(5).any(|digit| *digit != b'0')
        } else {
            self.integer.len() <= 16
        };
        *last != b'0' && self.exponent.is_none() && is_point_near
    }

    /// Writes the number's value. Two numbers are written alike if, and only if, they have the same value: integers of
    /// 64 bits by their digits, all others in the notation of `serde_json` for floating-point numbers, with as many
    /// digits as needed.
    fn write(&self, out: &mut Vec<u8>) {
        if self.is_plain_integer() || self.is_plain_fraction() {
            return out.extend_from_slice(self.text.as_bytes());
        }
        let Some(value) = Significand::of(self) else { return out.push(b'0') };
        if self.is_negative {
            out.push(b'-');
        }
        let magnitude = match self.exponent {
            None => value.magnitude,
            Some(exponent) => match exponent.value() {
                Some(exponent) => exponent + value.magnitude,
                None => {
                    return value.write_scientific(
                        exponent.is_negative,
                        &exponent.plus(value.magnitude),
                        out,
                    );
                }
            },
        };
        if let Some(zeros) = value.zeros_behind(magnitude, self.is_negative) {
            value.write_digits(0..value.len(), out);
            out.extend(std::iter::repeat_n(b'0', zeros));
        } else if (-5..0).contains(&magnitude) {
            out.extend_from_slice(b"0.");
            out.extend((magnitude..-1).map(|_| b'0'));
            value.write_digits(0..value.len(), out);
        } else if let Ok(before @ 0..=15) = usize::try_from(magnitude) {
            value.write_digits(0..before + 1, out);
            out.push(b'.');
            value.write_digits(before + 1..value.len(), out);
        } else {
            value.write_scientific(magnitude < 0, magnitude.unsigned_abs().to_string().as_bytes(), out);
        }
    }
}

/// Returns the digits from a position on.
fn digits(json: &[u8], start: usize) -> &[u8] {
    let rest = json.get(start..).unwrap_or_default();
    let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    &rest[..length]
}

/// A number's digits, from the first to the last that is not zero.
struct Significand<'a> {
    before_point: &'a [u8],
    behind_point: &'a [u8],
    /// The power of ten of the first digit, before the exponent is added.
    magnitude: i64,
}

impl<'a> Significand<'a> {
    /// Returns the significand; `None` for zero.
    fn of(number: &Number<'a>) -> Option<Self> {
        let length = |digits: &[u8]| i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let is_zero = |digit: &u8| *digit == b'0';
        let leading = number.fraction.iter().take_while(|digit| is_zero(digit)).count();
        let trailing = |digits: &[u8]| digits.iter().rev().take_while(|digit| is_zero(digit)).count();
        let (mut before_point, mut behind_point) = (number.integer, number.fraction);
        let magnitude = if number.integer == b"0" {
            before_point = &[];
            behind_point = &behind_point[leading..];
            -1 - length(&number.fraction[..leading])
        } else {
            length(number.integer) - 1
        };
        behind_point = &behind_point[..behind_point.len() - trailing(behind_point)];
        if behind_point.is_empty() {
            before_point = &before_point[..before_point.len() - trailing(before_point)];
        }
        let is_any = !(before_point.is_empty() && behind_point.is_empty());
        is_any.then_some(Self { before_point, behind_point, magnitude })
    }

    fn len(&self) -> usize {
        self.before_point.len() + self.behind_point.len()
    }

    /// Returns the number of zeros that follow the digits, if the number is an integer of 64 bits.
    fn zeros_behind(&self, magnitude: i64, is_negative: bool) -> Option<usize> {
        let zeros = usize::try_from(magnitude).ok()?.checked_add(1)?.checked_sub(self.len())?;
        if self.len() + zeros > 20 {
            return None;
        }
        let digits = self.before_point.iter().chain(self.behind_point).map(|digit| u128::from(digit - b'0'));
        let value = digits.chain(std::iter::repeat_n(0, zeros)).fold(0, |value, digit| value * 10 + digit);
        let limit = if is_negative { u128::from(i64::MIN.unsigned_abs()) } else { u128::from(u64::MAX) };
        (value <= limit).then_some(zeros)
    }

    fn write_digits(&self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let middle = self.before_point.len();
        out.extend_from_slice(&self.before_point[range.start.min(middle)..range.end.min(middle)]);
        let behind = range.start.max(middle) - middle..range.end.max(middle) - middle;
        out.extend_from_slice(&self.behind_point[behind]);
    }

    fn write_scientific(&self, is_exponent_negative: bool, exponent: &[u8], out: &mut Vec<u8>) {
        self.write_digits(0..1, out);
        if self.len() > 1 {
            out.push(b'.');
            self.write_digits(1..self.len(), out);
        }
        out.extend_from_slice(if is_exponent_negative { b"e-" } else { b"e+" });
        out.extend_from_slice(exponent);
    }
}

impl Exponent<'_> {
    /// Returns the exponent's value, if it is small enough for additions.
    fn value(self) -> Option<i64> {
        let zeros = self.digits.iter().take_while(|digit| **digit == b'0').count();
        let digits = &self.digits[zeros..];
        if digits.len() > 18 {
            return None;
        }
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        Some(if self.is_negative { -value } else { value })
    }

    /// Returns the digits of a sum, provided that this exponent is much larger than `other`.
    fn plus(self, other: i64) -> Vec<u8> {
        let grows = (other < 0) == self.is_negative;
        let mut rest = other.unsigned_abs();
        let mut digits = self.digits.to_vec();
        for digit in digits.iter_mut().rev() {
            let (own, part) = (*digit - b'0', u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
            let sum = if grows { own + part } else { own + 10 - part };
            *digit = b'0' + sum % 10;
            // This carries or borrows.
            rest += u64::from((sum >= 10) == grows);
        }
        if grows && rest > 0 {
            digits.splice(0..0, rest.to_string().into_bytes());
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.split_off(zeros)
    }
}

/// The rules that write numbers by their exact value, and accept any string.
#[derive(Default)]
pub(super) struct Exact {
    /// Whether there was a number that an older version wrote in another way.
    pub(super) differs_from_former: bool,
}

impl Rules for Exact {
    fn number(&mut self, number: &Number<'_>, out: &mut Vec<u8>) -> Option<()> {
        number.write(out);
        self.differs_from_former |= !is_formerly_the_same(number);
        Some(())
    }

    fn lone_surrogate(&mut self, unit: u16, out: &mut Vec<u8>) -> Option<()> {
        write_unit(u32::from(unit), out);
        Some(())
    }
}
