//! The rate at which letters are sent.

use std::{fmt, str::FromStr, time::Duration};
use throughline_operations::MOST_MESSAGES;

/// A number of letters in a unit of time, such as `50/s`, `10/m` or `100/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    letters: u32,
    per: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate such as 50/s, 10/m or 100/h");
        let (letters, per) = text.split_once('/').unwrap_or((text, "s"));
        let letters = letters.trim().parse().ok().filter(|letters| *letters > 0).ok_or_else(wrong)?;
        let per = match per.trim() {
            "s" => Duration::from_secs(1),
            "m" | "min" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(wrong()),
        };
        Ok(Self { letters, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{per}", self.letters)
    }
}

impl Rate {
    /// Returns the time that a number of letters takes.
    pub fn time_for(self, letters: usize) -> Duration {
        self.per.saturating_mul(u32::try_from(letters).unwrap_or(u32::MAX)) / self.letters
    }

    /// Returns the rate in whole letters a second, rounded down, or `None` if it is slower than one.
    pub fn per_second(self) -> Option<u32> {
        let per_second = u64::from(self.letters) / self.per.as_secs().max(1);
        u32::try_from(per_second).ok().filter(|letters| *letters > 0)
    }

    /// Returns the number of letters, received together, that can be sent within half of the time for which they are
    /// hidden. It is at least one batch, which is sent at once.
    pub fn fits(self, hidden: Duration) -> usize {
        let fits = (hidden / 2).as_millis() * u128::from(self.letters) / self.per.as_millis().max(1);
        usize::try_from(fits).unwrap_or(usize::MAX).max(self.batch())
    }

    /// Returns the size of a batch: the letters of about a second, at most ten.
    pub fn batch(self) -> usize {
        let a_second = u64::from(self.letters).div_ceil(self.per.as_secs().max(1));
        usize::try_from(a_second).unwrap_or(usize::MAX).min(MOST_MESSAGES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_rate_is_read_as_people_write_it() {
        for text in ["50/s", "10/m", "100/h"] {
            assert_eq!(rate(text).to_string(), text);
        }
        assert_eq!(rate("7"), rate("7/s"));
        for text in ["", "0/s", "-1/s", "fast", "5/d"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn slow_rates_have_small_batches() {
        assert_eq!([rate("50/s"), rate("3/s"), rate("6/m")].map(Rate::batch), [10, 3, 1]);
        assert_eq!(rate("6/m").time_for(2), Duration::from_secs(20));
        assert_eq!(
            [rate("50/s"), rate("120/m"), rate("6/m")].map(Rate::per_second),
            [Some(50), Some(2), None]
        );
    }

    #[test]
    fn no_more_are_kept_in_hand_than_go_out_while_they_are_hidden() {
        let fits = |text: &str, seconds| rate(text).fits(Duration::from_secs(seconds));
        assert_eq!([fits("50/s", 30), fits("10/m", 30), fits("100/h", 30)], [750, 2, 1]);
        assert_eq!([fits("50/s", 0), fits("3/s", 0)], [10, 3]);
    }
}
