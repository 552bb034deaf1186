use super::*;
use serde_json::json;
use std::collections::BTreeMap;

/// A pattern, an event, and what event-ruler 2.0.1 says; `match`, `no match`, `refused`, or `varies`.
#[derive(serde::Deserialize)]
struct Case {
    n: u32,
    group: String,
    pattern: String,
    event: String,
    real: String,
    #[serde(rename = "real_1.7.3")]
    older: Option<String>,
}

fn said(pattern: &str, event: &str) -> String {
    match EventPattern::read(pattern) {
        Ok(pattern) => match pattern.takes(&Event::read(event).unwrap()) {
            Answer::Yes => "match".into(),
            Answer::No => "no match".into(),
            Answer::Perhaps(reason) => format!("perhaps: {reason}"),
        },
        Err(_) => "refused".into(),
    }
}

#[test]
fn no_answer_contradicts_amazons_matcher_and_few_are_open() {
    let cases: Vec<Case> =
        include_str!("cases.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut wrong, mut open, mut groups) = (Vec::new(), BTreeMap::new(), BTreeMap::<&str, [u32; 2]>::new());
    for case in &cases {
        let said = said(&case.pattern, &case.event);
        let counts = groups.entry(&case.group).or_default();
        counts[0] += 1;
        if said.starts_with("perhaps") {
            counts[1] += 1;
            *open.entry(said.rsplit("`: ").next().unwrap_or_default().to_owned()).or_insert(0) += 1;
        } else if said != case.real || case.older.as_ref().is_some_and(|older| *older != said) {
            wrong.push(format!("{} {} | {} | {}: {said}", case.n, case.pattern, case.event, case.real));
        }
    }
    for (group, [all, open]) in &groups {
        println!("{group:32} {all:4} pairs, {open:3} open");
    }
    println!("{open:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let open: u32 = open.values().sum();
    assert!(cases.len() == 802 && open <= 80, "{open} of {} are open", cases.len());
}

/// The answers that follow from how the matcher works, beside the tried ones: `+` is a match, `-` none, `!` refused,
/// `?` open.
#[test]
fn patterns_of_every_kind_are_answered_as_they_are_worked_out() {
    for (pattern, event, expected) in [
        // Names: dots join, and an empty name is a step of its own.
        (r#"{"order.id":["x"]}"#, r#"{"order":{"id":"x"}}"#, '+'),
        (r#"{"order":{"id":["x"]}}"#, r#"{"order.id":"x"}"#, '+'),
        (r#"{"order.id":[{"exists":false}]}"#, r#"{"order":[{"no":1},{"id":"x"}]}"#, '-'),
        (r#"{"":["x"]}"#, r#"{"":"x"}"#, '+'),
        (r#"{"":{"a":["x"]}}"#, r#"{"a":"x"}"#, '+'),
        (r#"{"":{"a":{"b":["x"]}}}"#, r#"{"":{"a":{"b":"x"}}}"#, '+'),
        (r#"{"a":{"":{"b":["x"]}}}"#, r#"{"a":{"":{"b":"x"}}}"#, '+'),
        (r#"{"a":{"":["x"]}}"#, r#"{"a.":"x"}"#, '+'),
        // Elements of arrays: what is chosen together is of one element, at every level.
        (r#"{"a":{"x":[1],"y":[2]}}"#, r#"{"a":[[{"x":1}],[{"x":1,"y":2}]]}"#, '+'),
        (r#"{"a":{"x":[1],"y":[2]}}"#, r#"{"a":[[{"x":1}],[{"y":2}]]}"#, '-'),
        (r#"{"a":{"x":[1],"y":[2]}}"#, r#"{"a":[[{"x":1},{"y":2}]]}"#, '-'),
        (r#"{"a":{"b":{"x":[1]},"c":{"y":[2]}}}"#, r#"{"a":[{"b":[{"x":0},{"x":1}],"c":[{"y":2}]}]}"#, '+'),
        (r#"{"a":{"b":{"x":[1]},"c":{"y":[2]}}}"#, r#"{"a":[{"b":{"x":1}},{"c":{"y":2}}]}"#, '-'),
        (r#"{"a":{"x":[1]},"a.y":[2]}"#, r#"{"a":{"x":1},"a":{"y":2}}"#, '+'),
        // Absence is judged by what earlier names have chosen; without a choice there may be nothing at all.
        (r#"{"l":{"a":["x"],"z":[{"exists":false}]}}"#, r#"{"l":[{"a":"x","z":1},{"a":"y"}]}"#, '-'),
        (r#"{"l":{"b":[{"exists":false}],"a":["x"]}}"#, r#"{"l":[{"a":"x"},{"b":1}]}"#, '+'),
        (r#"{"l":{"a":[{"exists":false}],"b":["x"]}}"#, r#"{"l":[{"b":"x"},{"a":1}]}"#, '-'),
        (
            r#"{"l":{"k":[1],"m":{"z":[{"exists":false}]}}}"#,
            r#"{"l":[{"k":1,"m":[{"y":1}]},{"k":2,"m":[{"z":1}]}]}"#,
            '+',
        ),
        (r#"{"l":{"z":[{"exists":false}]}}"#, r#"{"l":["z",{"y":1},[{"z":null}]]}"#, '-'),
        (r#"{"l":{"z":[{"exists":false},1]}}"#, r#"{"l":[{"z":2},{"z":1}]}"#, '+'),
        // `$or` makes a rule of each branch: its fields replace earlier ones and are replaced by later ones.
        (r#"{"l":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"l":[{"a":1},{"b":2}]}"#, '-'),
        (r#"{"l":{"a":[1],"$or":[{"b":[2]},{"c":[3]}]}}"#, r#"{"l":[{"a":1,"c":3},{"b":2}]}"#, '+'),
        (r#"{"a":[1],"$or":[{"a":[2]},{"b":[3]}],"b":[4]}"#, r#"{"a":2,"b":4}"#, '+'),
        (r#"{"a":[1],"$or":[{"a":[2]},{"b":[3]}],"b":[4]}"#, r#"{"a":1,"b":3}"#, '-'),
        (r#"{"$or":[{"a":[1],"$or":[{"a":[2]},{"b":[3]}]},{"c":[4]}]}"#, r#"{"a":2}"#, '+'),
        (r#"{"$or":[{"a":[1]},{"b":[{"anything-but":{"wildcard":"x*"}}]}]}"#, r#"{"b":"y"}"#, '+'),
        (r#"{"$or":["x"],"b":[{"anything-but":{"wildcard":"x*"}}]}"#, r#"{"$or":"x","b":"y"}"#, '!'),
        (r#"{"$or":["x"],"b":[{"anything-but":{"prefix":["x"]}}]}"#, r#"{"$or":"x","b":"y"}"#, '!'),
        (
            r#"{"$or":["x"],"b":[{"anything-but":{"equals-ignore-case":["X"]}}]}"#,
            r#"{"$or":"x","b":"y"}"#,
            '+',
        ),
        (r#"{"$or":[{"a":["x"]},{"b":{"in-date-range":["y"]}}]}"#, r#"{"a":"x"}"#, '!'),
        // Numbers.
        (r#"{"a":[{"numeric":[">=",0.1,"<",0.3]}]}"#, r#"{"a":1e-1}"#, '+'),
        (r#"{"a":[{"numeric":["=",100]}]}"#, r#"{"a":100.00}"#, '+'),
        (r#"{"a":[{"numeric":["=",100]}]}"#, r#"{"a":100.0000001}"#, '?'),
        (r#"{"a":[{"numeric":[">=",5,"<=",5]}]}"#, r#"{"a":5}"#, '!'),
        (r#"{"a":[100]}"#, r#"{"a":1e2}"#, '?'),
        (r#"{"a":[100]}"#, r#"{"a":101.0}"#, '-'),
        (r#"{"a":[{"anything-but":[100]}]}"#, r#"{"a":1e2}"#, '?'),
        (r#"{"a":[{"numeric":["<",6000000000]}]}"#, r#"{"a":1}"#, '?'),
        (r#"{"a":[{"numeric":["<",6000000000]}]}"#, r#"{"a":"1"}"#, '-'),
        (r#"{"a":[{"numeric":["<",10]},{"numeric":[">",9]}]}"#, r#"{"a":9.999999999999999}"#, '?'),
        // Texts that read as addresses.
        (r#"{"a":["10.0.0.1"]}"#, r#"{"a":"010.0.0.1"}"#, '?'),
        (r#"{"a":["2001:db8::1"]}"#, r#"{"a":"2001:DB8::1"}"#, '?'),
        (r#"{"a":["12:34"]}"#, r#"{"a":"12:34"}"#, '+'),
        (r#"{"a":[{"cidr":"10.0.0.0/8"}]}"#, r#"{"a":"010.0.0.1"}"#, '?'),
        (r#"{"a":[{"cidr":"10.0.0.0/8/"}]}"#, r#"{"a":"10.0.0.1"}"#, '+'),
        (r#"{"a":[{"cidr":"2001:db8::/33"}]}"#, r#"{"a":"2001:db8:7fff::1"}"#, '+'),
        (r#"{"a":[{"cidr":"2001:db8::/33"}]}"#, r#"{"a":"2001:db8:8000::1"}"#, '-'),
        (r#"{"a":[11223344,{"cidr":"10.0.0.0/8"}]}"#, r#"{"a":"17.34.51.68"}"#, '?'),
        // Case, and what a wildcard does to it.
        (r#"{"a":[{"equals-ignore-case":"Ärger"}]}"#, r#"{"a":"äRGER"}"#, '+'),
        (r#"{"a":[{"suffix":{"equals-ignore-case":"ß"}}]}"#, r#"{"a":"GROSS"}"#, '+'),
        (r#"{"a":[{"prefix":{"equals-ignore-case":"ok😀"}}]}"#, r#"{"a":"OK😀!"}"#, '?'),
        (r#"{"a":[{"prefix":{"equals-ignore-case":"ok😀"}}]}"#, r#"{"a":"no😀!"}"#, '-'),
        (r#"{"a":[{"anything-but":{"equals-ignore-case":"😀"}}]}"#, r#"{"a":"??"}"#, '?'),
        (
            r#"{"a":[{"wildcard":"*.jpg"},{"anything-but":{"equals-ignore-case":"readme"}}]}"#,
            r#"{"a":"xeadme"}"#,
            '?',
        ),
        (
            r#"{"$or":[{"a":[{"wildcard":"*.jpg"}]},{"a":[{"equals-ignore-case":"readme"}]}]}"#,
            r#"{"a":"xeadme"}"#,
            '?',
        ),
        (
            r#"{"a":[{"wildcard":"*.jpg"}],"b":[{"equals-ignore-case":"readme"}]}"#,
            r#"{"a":"x.jpg","b":"xeadme"}"#,
            '-',
        ),
        // By chance, in one list or in several rules.
        (r#"{"a":["x",{"numeric":[">",-1]},{"prefix":"y"}]}"#, r#"{"a":"x"}"#, '?'),
        (r#"{"a":["x",{"numeric":[">",-1]},{"prefix":"y"},{"suffix":"x"}]}"#, r#"{"a":"x"}"#, '+'),
        (r#"{"$or":[{"a":["x"]},{"a":[{"numeric":["<",1]}]},{"a":["y"]}]}"#, r#"{"a":"x"}"#, '?'),
        (r#"{"a":["x",{"numeric":["<",1]}],"$or":[{"b":[1]},{"b":[2]}]}"#, r#"{"a":"x","b":1}"#, '+'),
        // Other texts.
        (r#"{"a":[{"suffix":"\"x"}]}"#, r#"{"a":"x"}"#, '+'),
        (r#"{"a":[{"anything-but":{"prefix":[]}}]}"#, r#"{"a":"x"}"#, '?'),
        (r#"{"a":["\ud83d"]}"#, r#"{"a":"?"}"#, '+'),
        (r#"{"a":[{"exists":true,"prefix":"x"}]}"#, r#"{"a":"x"}"#, '!'),
        (r#"{"a":[{"prefix":"x","prefix":"y"}]}"#, r#"{"a":"x"}"#, '!'),
        (r#"{"a":[{}]}"#, r#"{"a":"x"}"#, '!'),
        ("{}", r#"{"a":"x"}"#, '!'),
    ] {
        let said = said(pattern, event);
        let expected = match expected {
            '+' => "match",
            '-' => "no match",
            '!' => "refused",
            _ => "perhaps",
        };
        assert!(said.starts_with(expected), "{pattern} | {event} | {expected}: {said}");
    }
}

#[test]
fn a_refused_pattern_says_what_is_wrong_and_where() {
    for (pattern, expected) in [
        (
            r#"{"detail":{"total":5}}"#,
            "no event pattern: `detail.total` must be a list or an object, not a number",
        ),
        (r#"{"detail":{}}"#, "no event pattern: `detail` asks for nothing"),
        (r#"{"a":[{"contains":"x"}]}"#, "no event pattern: `a`: there is no operator `contains`"),
        (
            r#"{"a":[{"numeric":["<",5,">",1]}]}"#,
            "no event pattern: `a`: `>` may not follow `<`: `>` or `>=` come first, then `<` or `<=`",
        ),
        (
            r#"{"a":[{"cidr":"10.0.0.0"}]}"#,
            "no event pattern: `a`: `10.0.0.0` is no block of IP addresses: there must be one slash in it",
        ),
        (r#"["x"]"#, "no event pattern: it is a list, and should be an object"),
    ] {
        assert_eq!(EventPattern::read(pattern).unwrap_err().to_string(), expected);
    }
}

/// None of these may take long, or all of the stack.
#[test]
fn hostile_patterns_and_events_come_to_an_end() {
    let or = |count: usize, of: &dyn Fn(usize) -> String| {
        (0..count)
            .map(|n| format!(r#""x{n}":{{"$or":[{{"a":[1]}},{{"b":[2]}}]{}}}"#, of(n)))
            .collect::<Vec<_>>()
            .join(",")
    };
    let many = format!("{{{}}}", or(130, &|_| String::new()));
    assert!(said(&many, "{}").contains("too many combinations"));
    let depth = 900;
    let nested = format!("{}[1]{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let event = format!("{}1{}", r#"{"a":["#.repeat(depth / 2), "]}".repeat(depth / 2));
    assert_eq!(said(&nested, &event), "no match");
    assert_eq!(said(&r#"{"a":"#.repeat(1_000_000), "{}"), "refused");
    assert!(Event::read(&r#"{"a":["#.repeat(1_000_000)).is_err());
    // Twelve arrays of one name, each field chosen from any of them: 30 to the power of 12 ways.
    let arrays: Vec<String> = (0..12)
        .map(|array| {
            let elements: Vec<_> = (0..30).map(|n| format!(r#"{{"f{array:02}":1,"z":{n}}}"#)).collect();
            format!(r#""a":[{}]"#, elements.join(","))
        })
        .collect();
    let fields: Vec<String> = (0..12).map(|n| format!(r#""f{n:02}":[1]"#)).collect();
    let pattern = format!(r#"{{"a":{{{},"z":["never"]}}}}"#, fields.join(","));
    assert!(said(&pattern, &format!("{{{}}}", arrays.join(","))).contains("too many combinations"));
    // Many fields of one array are no matter.
    let elements: Vec<_> = (0..2000).map(|n| format!(r#"{{"b":1,"c":1,"d":{n}}}"#)).collect();
    let event = format!(r#"{{"a":[{}]}}"#, elements.join(","));
    assert_eq!(said(r#"{"a":{"b":[1],"c":[1],"d":[1999]}}"#, &event), "match");
}

#[test]
fn what_is_unknown_of_an_event_decides_nothing_but_what_follows_from_its_kind() {
    let event = || Event::read(r#"{"source":"shop"}"#).unwrap();
    let takes = |pattern: &str, unknown: Unknown| match EventPattern::read(pattern)
        .unwrap()
        .takes(&event().without("id", unknown))
    {
        Answer::Perhaps(reason) => reason.to_string(),
        answer => format!("{answer:?}"),
    };
    for (pattern, text, anything) in [
        (r#"{"id":["e-1"]}"#, "`id`: its value is not known here", "`id`: its value is not known here"),
        (r#"{"id":["e-1"],"source":["bank"]}"#, "No", "No"),
        (r#"{"id":[{"exists":true}]}"#, "Yes", "`id`: its value is not known here"),
        (r#"{"id":[{"exists":false}]}"#, "No", "`id`: its value is not known here"),
        (r#"{"id":{"x":[{"exists":false}]}}"#, "Yes", "`id.x`: its value is not known here"),
        (r#"{"id":[{"prefix":""}]}"#, "Yes", "`id`: its value is not known here"),
        (r#"{"id":[1,null,{"numeric":["=",1]}]}"#, "No", "`id`: its value is not known here"),
        (r#"{"id":[{"anything-but":[1]}]}"#, "Yes", "`id`: its value is not known here"),
        (r#"{"idea":["x"]}"#, "No", "No"),
    ] {
        assert_eq!(
            (takes(pattern, Unknown::Text).as_str(), takes(pattern, Unknown::Anything).as_str()),
            (text, anything),
            "{pattern}"
        );
    }
}

#[test]
fn a_pattern_is_undecided_only_if_it_asks_for_a_text_that_is_never_known() {
    for (pattern, expected) in [
        (r#"{"source":["shop"],"detail":{"id":["e-1"],"address":[{"cidr":"10.0.0.0/8"}]}}"#, None),
        (r#"{"source":["shop"],"id":[{"exists":true}]}"#, None),
        (r#"{"source":["shop"],"id":["e-1"]}"#, Some("`id`: its value is not known here")),
        (
            r#"{"$or":[{"source":["shop"]},{"time":[{"prefix":"2026"}]}]}"#,
            Some("`time`: its value is not known here"),
        ),
        (
            r#"{"a":[{"numeric":["=",6e9]}]}"#,
            Some("not every version of Amazon's matcher takes this pattern"),
        ),
    ] {
        let reason = EventPattern::read(pattern).unwrap().undecided_without(&["id", "time"]);
        assert_eq!(reason.map(|reason| reason.to_string()).as_deref(), expected, "{pattern}");
    }
}

#[test]
fn what_a_template_resolves_later_decides_nothing() {
    let takes = |pattern: serde_json::Value| {
        EventPattern::of_template(&pattern).unwrap().takes(&Event::read(r#"{"source":"shop"}"#).unwrap())
    };
    let why = |answer| if let Answer::Perhaps(Reason { why, .. }) = answer { Some(why) } else { None };
    for pattern in [
        json!({ "Fn::If": ["X", {}, {}] }),
        json!({ "source": [{ "Ref": "Source" }] }),
        json!({ "source": { "Fn::Split": [",", "a,b"] } }),
        json!({ "source": ["bank", { "prefix": { "Fn::Sub": "${Stack}." } }] }),
        json!({ "detail-type": [{ "anything-but": { "Ref": "Type" } }], "source": [{ "anything-but": [{ "Ref": "Source" }] }] }),
    ] {
        let answer = takes(pattern.clone());
        let is_known_absent = pattern.get("detail-type").is_some();
        assert!(why(answer) == Some(Why::Unresolved) || is_known_absent, "{pattern}");
    }
    assert_eq!(takes(json!({ "source": ["shop", { "Ref": "Source" }] })), Answer::Yes);
    assert_eq!(takes(json!({ "source": ["bank"], "detail": [{ "Ref": "Source" }] })), Answer::No);
    let twice = |one: &str, other: &str| json!({ "source": [one], "$or": [{ "source": [other] }, { "detail-type": ["a"] }] });
    assert_eq!(why(takes(twice("shop", "bank"))), Some(Why::Order));
    assert_eq!(takes(twice("bank", "till")), Answer::No);
    assert_eq!(takes(twice("shop", "shop")), Answer::Yes);
}

/// Returns whether values can be chosen that belong together, tried one after the other.
fn is_fulfilled(
    rule: &[(std::rc::Rc<str>, rules::Matchers)],
    event: &Event,
    chosen: &[(usize, usize)],
) -> bool {
    let Some(((name, matchers), rest)) = rule.split_first() else { return true };
    let steps = event::steps(name).collect();
    let is_consistent = |belongs: &event::Membership| {
        belongs.iter().all(|(array, index)| chosen.iter().all(|other| other.0 != *array || other.1 == *index))
    };
    let values: Vec<_> =
        event.values(name, &steps).iter().filter(|(_, belongs)| is_consistent(belongs)).collect();
    let is_taken = |leaf: &matcher::Leaf| {
        matchers.iter().any(|matcher| matcher.holds(leaf, Reading::Doubles) == Verdict::Yes)
    };
    values
        .iter()
        .any(|(leaf, belongs)| is_taken(leaf) && is_fulfilled(rest, event, &[chosen, belongs].concat()))
        || values.is_empty()
            && matchers.contains(&matcher::Matcher::Absent)
            && is_fulfilled(rest, event, chosen)
}

fn any_value(random: &mut fastrand::Rng, depth: u8) -> String {
    let members = |random: &mut fastrand::Rng, with_names: bool| {
        let member = |random: &mut fastrand::Rng| {
            let value = any_value(random, depth - 1);
            if with_names {
                format!("\"{}\":{value}", random.choice(["a", "b", "c", "a.b"]).unwrap())
            } else {
                value
            }
        };
        (0..random.usize(0..4)).map(|_| member(random)).collect::<Vec<_>>().join(",")
    };
    match random.u8(0..if depth > 0 { 6 } else { 2 }) {
        0 | 1 => format!("\"{}\"", random.u8(0..3)),
        2 | 3 => format!("[{}]", members(random, false)),
        _ => format!("{{{}}}", members(random, true)),
    }
}

fn any_pattern(random: &mut fastrand::Rng, depth: u8) -> String {
    let field = |random: &mut fastrand::Rng| {
        let name = random.choice(["a", "b", "c", "a.b"]).unwrap();
        if depth > 0 && random.bool() {
            return format!("\"{name}\":{}", any_pattern(random, depth - 1));
        }
        let lists =
            [r#""0""#, r#""1""#, r#"{"exists":false}"#, r#"{"exists":false},"2""#, r#"{"anything-but":"0"}"#];
        format!("\"{name}\":[{}]", random.choice(lists).unwrap())
    };
    let fields: Vec<String> = (0..random.usize(1..4)).map(|_| field(random)).collect();
    format!("{{{}}}", fields.join(","))
}

#[test]
fn the_search_finds_what_trying_every_choice_finds() {
    let mut random = fastrand::Rng::with_seed(11);
    let mut counts = [0, 0];
    for _ in 0..10_000 {
        let pattern = any_pattern(&mut random, 2);
        let event = format!(r#"{{"a":{},"b":{}}}"#, any_value(&mut random, 4), any_value(&mut random, 3));
        let (read, flat) = (EventPattern::read(&pattern).unwrap(), Event::read(&event).unwrap());
        let expected = read.rules.all.iter().any(|rule| is_fulfilled(rule, &flat, &[]));
        assert_eq!(read.takes(&flat), if expected { Answer::Yes } else { Answer::No }, "{pattern} | {event}");
        counts[usize::from(expected)] += 1;
    }
    assert!(counts.iter().all(|count| *count > 1000), "{counts:?}");
}
