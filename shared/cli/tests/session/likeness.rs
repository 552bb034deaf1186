//! What two runs of a command have in common: everything but times, ids, addresses and how columns are spaced.

use regex_lite::Regex;

/// A text with what differs from run to run replaced by what it is.
pub(crate) fn likeness(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, name) in [
        // The more special ones first.
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "<time>"),
        (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "<time>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"\b[0-9a-f]{7,}\b", "<id>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"local/\d+/", "local/<port>/"),
        (r"on port \d+", "on port <port>"),
        (r"pid \d+", "pid <pid>"),
        (r"\+?\d+(\.\d+)?(/s)? ?(ms|µs|s|min|h)\b( \d+ ?(ms|s|min)\b)?", "<duration>"),
        (r"\d+(\.\d+)? ?(B|KiB|MiB|kB|MB)\b", "<size>"),
        (r"[ \t]+", " "),
        (r"(─|━|═|-){3,}", "<rule>"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        out = pattern.replace_all(&out, name).into_owned();
    }
    out.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn runs_are_alike_if_only_times_ids_addresses_and_spacing_differ() {
    let one = "at 2026-01-02T03:04:05.6Z  +17 ms  f81d4fae-7dec-11d0-a765-00a0c91e6bf6 at http://127.0.0.1:4566, 1.5 s";
    let two = "at 2026-01-02T03:04:06Z +4 ms    081d4fae-7dec-11d0-a765-00a0c91e6bf6 at http://127.0.0.1:14566, 17 ms";
    assert_eq!(likeness(one), likeness(two));
    assert_ne!(likeness("3 letters"), likeness("4 letters"));
    assert_ne!(likeness("order.placed"), likeness("order.confirmed"));
    assert_ne!(likeness("web-1001"), likeness("web-1002"));
}
