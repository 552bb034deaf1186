//! Moments as people write them.

use super::duration::duration;
use throughline_core::Timestamp;

/// Reads a moment: a time such as `2026-11-21T13:00:00Z`, a length of time ago such as `2h`, or `now`.
///
/// ```
/// use throughline_cli::time::moment::moment;
/// assert_eq!(moment("2026-11-21T13:00:00Z").unwrap().as_second(), 1_795_266_000);
/// assert!(moment("25h").unwrap() < moment("now").unwrap());
/// ```
///
/// # Errors
/// A sentence, if it is none.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    if text.trim() == "now" {
        return Ok(now);
    }
    if let Ok(time) = text.trim().parse() {
        return Ok(time);
    }
    let ago = duration(text).map_err(|_| {
        format!("`{text}` is neither a time such as 2026-11-21T13:00:00Z nor a length of time ago such as 2h or 3d")
    })?;
    now.checked_sub(ago).map_err(|_| format!("`{text}` ago is before any time there is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_moment_says_what_one_looks_like() {
        let error = moment("yesterday").unwrap_err();
        assert!(error.contains("`yesterday`") && error.contains("2h"), "{error}");
    }
}
