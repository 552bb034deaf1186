//! Events as other programs write them: what they say is what counts, whatever nobody reads.

use crate::bank::{Behaviour, Book, World, body, deposit};
use throughline_core::Verdict;

/// The event `e-1`, with a member besides, which nobody reads.
fn with(member: &str) -> String {
    let body = body("e-1", deposit("a", 5, Behaviour::Works));
    let with = body.replacen(r#""data":{"#, &format!(r#""data":{{{member},"#), 1);
    assert_ne!(body, with, "it has data");
    with
}

/// Returns the verdicts on the second of two deliveries, in one batch and in two.
async fn second(first: &str, second: &str) -> Vec<Verdict> {
    let (one, two) = (World::new(), World::new());
    let bodies = [with(first), with(second)];
    let mut verdicts = one.deliver(&Book::default(), None, &bodies).await;
    let alone = two.deliver(&Book::default(), None, &bodies[..1]).await;
    assert_eq!((&verdicts[..1], &alone[..]), (&[Verdict::Done][..], &[Verdict::Done][..]), "{first}");
    verdicts.extend(two.deliver(&Book::default(), None, &bodies[1..]).await);
    assert_eq!((one.balance("a"), two.balance("a")), (5, 5));
    verdicts.split_off(1)
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_may_be_any_json() {
    let deep = format!(r#""deep":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
    for member in [r#""half":"\ud83d""#, r#""huge":1e400"#, r#""far":-1e-99999999999"#, &deep] {
        assert_eq!(second(member, member).await, [Verdict::Duplicate, Verdict::Duplicate], "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_program_wrote_again_is_a_duplicate() {
    for (written, again) in [
        (r#""weight":1.0"#, r#""weight":1"#),
        (r#""weight":1e16"#, r#""weight":10000000000000000"#),
        (r#""change":-0.0"#, r#""change":0"#),
        (r#""note":"\ud83d\ude00/""#, r#""note" : "😀\/""#),
    ] {
        assert_eq!(second(written, again).await, [Verdict::Duplicate, Verdict::Duplicate], "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_says_anything_else_under_its_identity_is_rejected() {
    for (written, other) in [
        (r#""serial":18446744073709551617"#, r#""serial":18446744073709551618"#),
        (r#""price":492.65999999999997"#, r#""price":492.66"#),
        (r#""price":492.66"#, r#""price":492.65999999999997"#),
        (r#""serial":18446744073709552000"#, r#""serial":18446744073709551616"#),
        (r#""note":"\ud83d""#, r#""note":"\ufffd""#),
    ] {
        for verdict in second(written, other).await {
            let Verdict::Rejected { error_type, .. } = verdict else { panic!("{other}: {verdict:?}") };
            assert_eq!(error_type, "PayloadMismatch");
        }
    }
}
