use super::*;
use serde_json::{Value, json};

fn steps(path: &str) -> Vec<Step> {
    path.split('.').map(|name| if name == "!" { Step::Inside } else { Step::name(name) }).collect()
}

fn edited(text: &str, edit: impl FnOnce(&mut JsonText) -> Result<(), NoPlace>) -> String {
    let mut text = JsonText::new(text).unwrap();
    edit(&mut text).unwrap();
    text.into_string()
}

fn set(text: &str, path: &str, value: &str) -> String {
    edited(text, |text| text.set(&steps(path), value))
}

const STRANGE: &str = "\u{a0}";

#[test]
fn nothing_but_the_value_changes() {
    let text = "{ \"big\" : 18446744073709551617,\n\t\"float\":1.0,\"huge\":1e400, \"b\":[1 , 2,3 ] ,\
                \"a\":{\"x\":\"\\u00e9\\/\\ud800\",\"x\":2}, \"\\u0061b\":null }\n";
    let after = |old: &str, new: &str| text.replacen(old, new, 1);
    assert_eq!(set(text, "float", "18446744073709551618"), after(":1.0", ":18446744073709551618"));
    assert_eq!(set(text, "b.1", "{}"), after("2,3", "{},3"));
    assert_eq!(set(text, "a.x", "7"), after(":2}", ":7}"), "of two of a name the last counts");
    assert_eq!(set(text, "ab", "[]"), after("null", "[]"), "a name is what it says, however it is written");
    assert_eq!(set(text, "new", "1"), after("null }", "null, \"new\":1 }"));
}

#[test]
fn a_new_member_is_laid_out_like_the_one_before_it() {
    assert_eq!(set("{}", "a", "1"), r#"{"a":1}"#);
    assert_eq!(set("{ }", "a", "1"), r#"{"a":1 }"#);
    assert_eq!(set("{\n  \"a\": 1\n}", "b", "2"), "{\n  \"a\": 1,\n  \"b\": 2\n}");
    assert_eq!(
        set("{\"a\" : {\"c\":1}, \"b\" : 2}", "\"", "3"),
        "{\"a\" : {\"c\":1}, \"b\" : 2, \"\\\"\": 3}"
    );
    let within = edited("{}", |text| text.set_within(&steps("a.b.c"), "1"));
    assert_eq!(within, r#"{"a":{"b":{"c":1}}}"#);
}

#[test]
fn what_has_no_place_is_named() {
    let cases = [("a.b.c", "b"), ("list.7", "7"), ("list.01", "01"), ("list.x", "x"), ("text.x", "x")];
    for (path, missing) in cases {
        let mut text = JsonText::new(r#"{"a":{},"list":[1,2],"text":"t"}"#).unwrap();
        let no_place = text.set(&steps(path), "1").unwrap_err();
        assert_eq!((no_place.missing.as_str(), no_place.path.as_str()), (missing, path));
        assert_eq!(text.as_str(), r#"{"a":{},"list":[1,2],"text":"t"}"#);
    }
    assert!(JsonText::new("{\"a\":1,}").is_err() && JsonText::new(STRANGE).is_err());
}

#[test]
fn items_and_members_go_with_their_commas() {
    let remove = |text: &str, path: &str| edited(text, |text| text.remove(&steps(path)));
    assert_eq!(remove("[1, 2, 3]", "0"), "[2, 3]");
    assert_eq!(remove("[1, 2, 3]", "1"), "[1, 3]");
    assert_eq!(remove("[1, 2, 3]", "2"), "[1, 2]");
    assert_eq!(remove("{ \"a\": 1 }", "a"), "{  }");
    assert_eq!(remove(r#"{"a":1,"b":2,"a":3}"#, "a"), r#"{"b":2}"#, "each of that name");
    let add = |text: &str, path: &str, value: &str| edited(text, |text| text.add(&steps(path), value));
    assert_eq!(add("[1, 3]", "1", "2"), "[1, 2, 3]");
    assert_eq!(add("[1, 3]", "0", "0"), "[0,1, 3]");
    assert_eq!(add("[1, 3]", "2", "4"), "[1, 3, 4]");
    assert_eq!(add("[]", "-", "1"), "[1]");
}

#[test]
fn json_within_a_text_is_edited_there_and_its_surroundings_stay() {
    let text = r#"{"Message":"{ \"a\":\u0031.0, \"\u00e9\":\"\\ud83d\\ude00\\n\/\",\"b\":null }" , "x":1e0}"#;
    let after = |old: &str, new: &str| text.replacen(old, new, 1);
    assert_eq!(set(text, "Message.!.a", "\"\\n\""), after(r"\u0031.0", r#"\"\\n\""#));
    assert_eq!(set(text, "Message.!.b", "2"), after("null", "2"));
    assert_eq!(set(text, "Message.!.é", "{}"), after(r#"\"\\ud83d\\ude00\\n\/\""#, "{}"));
    let twice =
        json!({ "Message": json!({ "Message": "{\"a\":18446744073709551617}" }).to_string() }).to_string();
    let twice_after = twice.replace("18446744073709551617", "18446744073709551618");
    assert_eq!(set(&twice, "Message.!.Message.!.a", "18446744073709551618"), twice_after);
    let mut no_json = JsonText::new(r#"{"Message":"text"}"#).unwrap();
    assert!(no_json.set(&steps("Message.!.a"), "1").is_err());
}

#[test]
fn places_are_found_for_whoever_points_at_them() {
    let text = "{\n \"a~b\": [ {\"c\": \"\\ud800\"} ] }";
    assert_eq!(JsonText::offset_of(text, "/a~0b/0/c"), text.find("\"\\ud").unwrap());
    assert_eq!(JsonText::offset_of(text, "/a~0b/7/c"), text.find('[').unwrap());
    assert_eq!(JsonText::offset_of(text, ""), 0);
}

#[test]
fn what_no_value_can_hold_is_told() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let text = format!(r#"{{"a":1e400,"b":["\ud800x"],"b":[],"deep":{deep},"c/d":-1e999}}"#);
    let (value, oddities) = readable(&text).unwrap();
    assert_eq!((&value["b"], &value["a"]), (&json!([]), &json!(f64::MAX)));
    let told: Vec<_> = oddities.iter().map(|it| (it.pointer.as_str(), it.kind)).collect();
    let deepest = format!("/deep{}", "/0".repeat(127));
    assert_eq!(
        told,
        [
            ("/a", OddityKind::OutOfRange),
            ("/b/0", OddityKind::LoneSurrogate),
            ("/b", OddityKind::Repeated),
            (deepest.as_str(), OddityKind::TooDeep),
            ("/c~1d", OddityKind::OutOfRange),
        ]
    );
    assert!(readable("{").is_err());
}

#[test]
fn texts_say_the_same_whatever_their_notation_and_order() {
    let same = [
        ("1", "1.0"),
        ("100", "1e2"),
        ("-0", "0.0e7"),
        ("1e400", "10E+399"),
        ("18446744073709551617", "18446744073709551617.0"),
        (r#"{"a":[1,"\u0061"],"b":null}"#, r#" { "b" : null, "\u0061" : [1.00 , "a"] }"#),
    ];
    for (one, other) in same {
        assert!(says_the_same(one, other), "{one} and {other}");
    }
    let different = [
        ("18446744073709551617", "18446744073709551618"),
        ("1", "-1"),
        ("1", "\"1\""),
        ("[1]", "[1,2]"),
        ("[]", "{}"),
        (r#"{"a":1}"#, r#"{"b":1}"#),
        ("null", "false"),
    ];
    for (one, other) in different {
        assert!(!says_the_same(one, other), "{one} and {other}");
    }
}

/// JSON texts with everything in them that a reader would not write again as it was, and the ways to their values.
struct Texts(fastrand::Rng);

impl Texts {
    fn space(&mut self) -> &'static str {
        ["", "", "", " ", "\n\t", "\r\n  "][self.0.usize(..6)]
    }

    fn name(&mut self) -> &'static str {
        [r#""a""#, r#""b""#, r#""\u0063""#, r#""d\/e""#, r#""é""#, r#""\"""#][self.0.usize(..6)]
    }

    fn scalar(&mut self) -> String {
        let scalars = [
            "18446744073709551617",
            "-0",
            "1.0",
            "1e400",
            "0.1e-7",
            "null",
            "true",
            r#""\ud800""#,
            r#""\u00e9\/""#,
            r#""{\"a\":[1.0,{}]}""#,
            r#""""#,
            "492.65999999999997",
        ];
        scalars[self.0.usize(..scalars.len())].to_owned()
    }

    fn value(&mut self, depth: usize, way: &mut Vec<Step>, ways: &mut Vec<Vec<Step>>) -> String {
        ways.push(way.clone());
        let kind = if depth == 0 { 2 } else { self.0.usize(..4) };
        if kind >= 2 {
            return self.scalar();
        }
        let is_list = kind == 0;
        let count = self.0.usize(..4);
        let mut parts = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for at in 0..count {
            let name = self.name();
            let read: String = serde_json::from_str(name).unwrap();
            way.push(Step::name(if is_list { at.to_string() } else { read.clone() }));
            // Of members with one name the last alone can be reached.
            if names.contains(&read) {
                ways.retain(|known| is_list || !known.starts_with(way));
            }
            names.push(read);
            let (a, b, c) = (self.space(), self.space(), self.space());
            let value = self.value(depth - 1, way, ways);
            way.pop();
            parts.push(if is_list {
                format!("{a}{value}{b}")
            } else {
                format!("{a}{name}{b}:{c}{value}{a}")
            });
        }
        let inside = if parts.is_empty() { self.space().to_owned() } else { parts.join(",") };
        if is_list { format!("[{inside}]") } else { format!("{{{inside}}}") }
    }
}

#[test]
fn whatever_stands_around_a_value_stays_byte_for_byte() {
    for seed in 0..3_000 {
        let mut texts = Texts(fastrand::Rng::with_seed(seed));
        let mut ways = Vec::new();
        let text = texts.value(4, &mut Vec::new(), &mut ways);
        let text = format!("{}{text}\n", texts.space());
        let quoted = format!("{{\"Message\" :{},\"n\":1.0}}", quoted(&text));
        for way in &ways {
            let bare = JsonText::new(&*text).unwrap();
            let old = bare.get(way).unwrap_or_else(|| panic!("{way:?} of {text}"));
            let mark = "\"\u{1F980}\\u0000\"";
            let mut changed = bare.clone();
            changed.set(way, mark).unwrap();
            let (before, after) = changed.as_str().split_once(mark).unwrap();
            assert_eq!(format!("{before}{old}{after}"), text, "{way:?}");
            changed.set(way, &old).unwrap();
            assert_eq!(changed.as_str(), text, "there and back");

            let within: Vec<Step> =
                [Step::name("Message"), Step::Inside].into_iter().chain(way.iter().cloned()).collect();
            let mut wrapped = JsonText::new(&*quoted).unwrap();
            wrapped.set(&within, mark).unwrap();
            wrapped.set(&within, &old).unwrap();
            assert_eq!(wrapped.as_str(), quoted, "{way:?} inside a text");

            let Some((Step::Name(_), parent)) = way.split_last() else { continue };
            let mut removed = bare.clone();
            removed.remove(way).unwrap();
            let (value, _) = readable(removed.as_str()).unwrap_or_else(|error| panic!("{error}: {removed}"));
            let parent: String = parent.iter().fold(String::new(), |pointer, step| match step {
                Step::Name(name) => pointer + "/" + &name.replace('~', "~0").replace('/', "~1"),
                Step::Inside => pointer,
            });
            let (whole, _) = readable(&text).unwrap();
            let count = |value: &Value| match value.pointer(&parent) {
                Some(Value::Array(items)) => items.len(),
                Some(Value::Object(fields)) => fields.len(),
                _ => 0,
            };
            assert_eq!(count(&value) + 1, count(&whole), "{way:?} of {text}");
        }
    }
}
