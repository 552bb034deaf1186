//! The likeness of two runs of a command: everything but times, ids, addresses, the order of lines and the spacing of
//! columns.

use regex_lite::Regex;

/// A text with what differs from run to run replaced by what it is.
pub(crate) fn likeness(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, name) in [
        // How a tree is drawn.
        (r"[│├└─]+", " "),
        // The more special ones first.
        (r"throughline-\d{8}T\d+Z", "throughline-<time>"),
        (r"[A-Za-z0-9+/]{43}=", "<digest>"),
        (r"-[0-9A-F]{13}\b", "-<id>"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "<time>"),
        (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "<time>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"\b[0-9a-f]{7,}\b", "<id>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"local/\d+/", "local/<port>/"),
        (r"on port \d+", "on port <port>"),
        (r"pid \d+", "pid <pid>"),
        (r"(\+?\d+(\.\d+)?(/s)? ?(ms|µs|s|min|h|days|d)\b ?)+", "<duration> "),
        (r"\d+(\.\d+)? ?(B|KiB|MiB|kB|MB)\b", "<size>"),
        (r"[ \t]+", " "),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        out = pattern.replace_all(&out, name).into_owned();
    }
    // What happens at the same time happens in any order.
    let mut lines: Vec<_> = out.lines().map(str::trim).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn runs_are_alike_if_only_times_ids_addresses_and_spacing_differ() {
    let one = "at 2026-01-02T03:04:05.6Z  +17 ms  f81d4fae-7dec-11d0-a765-00a0c91e6bf6 at http://127.0.0.1:4566, 1.5 s";
    let two = "at 2026-01-02T03:04:06Z +4 ms    081d4fae-7dec-11d0-a765-00a0c91e6bf6 at http://127.0.0.1:14566, 17 ms";
    assert_eq!(likeness(one), likeness(two));
    assert_eq!(likeness("├─ one +1 ms\n│  └─ two"), likeness("│     ├─ two\n└─ one  +12 ms"));
    assert_ne!(likeness("3 letters"), likeness("4 letters"));
    assert_ne!(likeness("order.placed"), likeness("order.confirmed"));
    assert_ne!(likeness("web-1001"), likeness("web-1002"));
}
