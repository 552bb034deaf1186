//! Lengths of time: how people write them, and how they are printed.

use jiff::SignedDuration;
use std::{fmt, time::Duration};
use throughline_core::Timestamp;

/// Reads a length of time such as `90s`, `15m`, `2h 30m` or `7d`.
///
/// # Errors
/// A sentence, if it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        |reason: &dyn fmt::Display| format!("`{text}` is no length of time such as 15m or 2h: {reason}");
    // A day is 24 hours here, whatever the clocks do.
    let span: SignedDuration = match text.trim().strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) => SignedDuration::from_hours(days.clamp(-1, MOST_DAYS + 1) * 24),
        _ => text.parse().map_err(|error| wrong(&error))?,
    };
    if span > SignedDuration::from_hours(MOST_DAYS * 24) {
        return Err(wrong(&"it is more than a hundred years"));
    }
    Duration::try_from(span).map_err(|error| wrong(&error))
}

/// Clocks can be set back by so much without leaving the years that there are.
const MOST_DAYS: i64 = 36_500;

/// Units, the largest first: in how many milliseconds a time is told in it, its own milliseconds, and its name.
const UNITS: [(u128, u128, &str); 4] = [
    (172_800_000, 86_400_000, "d"),
    (36_000_000, 3_600_000, "h"),
    (600_000, 60_000, "min"),
    (10_000, 1_000, "s"),
];

/// Returns how long something took, as exactly as it matters: `4.2 ms`, `859 ms`, `18.1 s`, `25 min`, `10.5 h`, `14.0 d`.
///
/// ```
/// use std::time::Duration;
/// use throughline_cli::time::duration::took;
/// assert_eq!(took(Duration::from_millis(18_150)), "18.1 s");
/// ```
pub fn took(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match UNITS.iter().find(|(from, ..)| milliseconds >= *from) {
        Some((_, unit, name @ "min")) => format!("{} {name}", milliseconds / unit),
        Some((_, unit, name)) => {
            format!("{}.{} {name}", milliseconds / unit, milliseconds % unit * 10 / unit)
        }
        None => {
            let tenths = duration.as_micros() % 1000 / 100;
            if milliseconds < 10 && tenths > 0 {
                format!("{milliseconds}.{tenths} ms")
            } else {
                format!("{milliseconds} ms")
            }
        }
    }
}

/// Returns how long ago something was, in whole units: `5 s`, `12 min`, `36 h`, `14 d`. The units begin where those of
/// [`took`] do, and nothing is shorter than a second.
pub fn ago(age: Duration) -> String {
    let milliseconds = age.as_millis();
    let (_, unit, name) =
        UNITS.iter().find(|(from, ..)| milliseconds >= *from).copied().unwrap_or((0, 1_000, "s"));
    format!("{} {name}", milliseconds / unit)
}

/// Returns how old something of that time is; nothing if it is still to come.
pub fn age_at(now: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("2h 30m", 9000), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-2h", "15", "36501d", "9223372036854775807d", "-1d", "1000000h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_something_took_is_told_as_exactly_as_it_matters() {
        let told = |milliseconds: &[u64]| -> Vec<String> {
            milliseconds.iter().map(|it| took(Duration::from_millis(*it))).collect()
        };
        assert_eq!(told(&[7, 9_999, 10_050, 599_999]), ["7 ms", "9999 ms", "10.0 s", "599.9 s"]);
        assert_eq!(told(&[600_000, 36_000_000, 90_000_000]), ["10 min", "10.0 h", "25.0 h"]);
        assert_eq!(told(&[172_799_999, 172_800_000, 27_676_350_000]), ["47.9 h", "2.0 d", "320.3 d"]);
        assert_eq!(took(Duration::from_micros(4_260)), "4.2 ms");
        assert_eq!(took(Duration::from_micros(54_800)), "54 ms");
    }

    #[test]
    fn an_age_is_told_in_whole_units_that_begin_where_those_of_a_length_do() {
        let told = [0, 5, 119, 599, 600, 35_999, 36_000, 172_799, 172_800]
            .map(|seconds| ago(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 s", "5 s", "119 s", "599 s", "10 min", "599 min", "10 h", "47 h", "2 d"]);
    }

    #[test]
    fn what_is_still_to_come_has_no_age() {
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(age_at(Timestamp::UNIX_EPOCH, later), Duration::ZERO);
        assert_eq!(age_at(later, Timestamp::UNIX_EPOCH), Duration::from_mins(1));
    }
}
