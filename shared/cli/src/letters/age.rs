//! How old something is, for people.

use std::time::Duration;
use throughline_core::Timestamp;

/// How long ago a time was; nothing if it is still to come.
pub(crate) fn age_at(now: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(time)).unwrap_or_default()
}

/// A length of time in its two largest units' worth of precision: `40 s`, `12 min`, `5 h`, `9 d`.
pub(crate) fn text(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_as_exactly_as_it_matters() {
        let told =
            [5, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| text(Duration::from_secs(seconds)));
        assert_eq!(told, ["5 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]);
    }

    #[test]
    fn what_is_still_to_come_has_no_age() {
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(age_at(Timestamp::UNIX_EPOCH, later), Duration::ZERO);
        assert_eq!(age_at(later, Timestamp::UNIX_EPOCH), Duration::from_mins(1));
    }
}
