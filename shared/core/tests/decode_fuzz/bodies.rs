//! Makes bodies: CloudEvents as they are sent, in every form, and what can go wrong with them.

use fastrand::Rng;
use std::fmt::Write as _;

/// Is in values that may be personal, and so in no reason.
pub(crate) const SECRET: &str = "4111";

/// Values as they should be, by the name of their attribute.
const RIGHT: &[(&str, &[&str])] = &[
    ("specversion", &[r#""1.0""#]),
    ("id", &[r#""e-4111""#, r#""\u00e9\ud83d\ude004111""#, r#"" ""#]),
    ("source", &[r#""shop-4111""#, r#""https:\/\/shop.example\/4111""#, r#""urn:x:4111""#]),
    ("type", &[TYPE, TYPE, TYPE, TYPE, TYPE, r#""pl\u0061ced""#, r#""moved""#]),
    ("subject", &[r#""o-4111""#, r#""é4111""#]),
    (
        "time",
        &[
            r#""2026-01-05T09:30:01Z""#,
            r#""2026-01-05t09:30:01.123456789123z""#,
            r#""2026-01-05T09:30:01.5+05:30""#,
            r#""20260105T093001Z""#,
            r#""2026-01-05T09:30:60,12345678901-00:00""#,
        ],
    ),
    ("dataschema", &[r#""https://shop.example/4111.json""#]),
    ("datacontenttype", &[JSON, JSON, JSON, JSON, JSON, r#""Application/x+JSON; charset=utf-8""#]),
    ("aggregatetype", &[r#""order""#]),
    ("sequence", &[OURS, OURS, OURS, OURS, OURS, OURS, r#""0001""#, r#""99999999999999999999""#]),
    ("correlationid", &[r#""c-4111""#]),
    ("causationid", &[r#""e-4111""#]),
    ("traceparent", &[TRACE, TRACE, TRACE, TRACE, TRACE, r#""none""#]),
    ("tracestate", &[r#""vendor=4111""#]),
    ("actor", &[r#""ada 4111""#]),
    ("replayname", &[r#""again""#]),
    ("schemaversion", &["1", "1", r#""1""#, "2", r#""2""#, r#""1.2.0""#]),
    (
        "vendor",
        &[
            "7",
            "true",
            r#""x""#,
            "18446744073709551615",
            "false",
            "-1",
            r#""é""#,
            "1.5",
            "null",
            r#"{"a":[1]}"#,
        ],
    ),
    ("data", &["null"]),
];

const TYPE: &str = r#""placed""#;
const OURS: &str = r#""00000000000000000007""#;
const TRACE: &str = r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#;
const JSON: &str = r#""application/json""#;

/// Data of each of the types.
const PLACED: &[&str] = &[
    r#"{"id":"o-4111","lines":[1,2],"price":492.65999999999997}"#,
    r#"{ "lines" : [ ] , "id" : "o\n4111" }"#,
    r#"{"id":"o-4111","unread":"\ud83d","large":1e400,"x":[[[[{}]]]]}"#,
    r#"["o-4111",[3],null]"#,
];
const MOVED: &[&str] = &[r#"{"to":"4111"}"#, r#"{"x":18446744073709551617,"to":"\u00e9"}"#];

/// Attributes that every CloudEvent has, and its data.
const NEEDED: &[&str] = &["specversion", "id", "source", "type", "data"];

/// Values that may stand in the place of any other.
const OTHER: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "7",
    "1.0",
    "1e0",
    "1.5",
    "-1",
    "70000",
    "4111",
    "1e400",
    "-1e400",
    "5e-324",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "\"\"",
    "\" \"",
    "\"4111\"",
    "\"1\"",
    "\"01\"",
    "\"+1\"",
    "\"v1\"",
    "\"1.0\"",
    "\"0.3\"",
    "\"1.0.2\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"\\x\"",
    "\"\u{feff}\"",
    "\"\\\"4111\"",
    "[]",
    "{}",
    "[4111]",
    r#"{"4111":{"type":"Buffer","data":[0,1,255]}}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"\ud83d":1}"#,
    "nul",
    "01",
    "+1",
    ".5",
    "1.",
    "NaN",
    "'x'",
    "\"{\\\"id\\\":\\\"4111\\\"}\"",
    "\"eyJpZCI6Im8tMSJ9\"",
    "\"eyJpZCI6Im8tMSJ9\\n\"",
    "\"AAH/\"",
    "\"e30\"",
    "\"text/plain\"",
    "\"application/json\"",
];

/// Names of extensions, of members of other forms, and of ours in other spellings.
const NAMES: &[&str] = &[
    "x",
    "Xy",
    "x-y",
    "é",
    "",
    "ID",
    "correlationId",
    "data_base64",
    "detail",
    "detail-type",
    "replay-name",
    "version",
    "Message",
    "MessageId",
    "Type",
    "TopicArn",
    "Subject",
    "Records",
    "resources",
    "account",
    "resent",
    r"\u0069d",
    r"t\u0069me",
    r"\ud83d",
    r"a\nb",
    "datacontentencoding",
];

struct Maker {
    rng: Rng,
}

/// The body of this seed.
pub(crate) fn body(seed: u64) -> String {
    // Seeds one after the other would begin alike.
    let mut maker = Maker { rng: Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d) };
    let mut body = maker.form(2);
    if maker.one_in(12) {
        maker.damage(&mut body);
    }
    body
}

impl Maker {
    fn one_in(&mut self, number: u32) -> bool {
        self.rng.u32(..number) == 0
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())]
    }

    fn form(&mut self, wrappings: u8) -> String {
        let body = match self.rng.u8(..16) {
            0..=8 => self.cloud_event(),
            9..=12 => self.event_bridge(),
            13..=14 if wrappings > 0 => self.notification(wrappings - 1),
            _ => match self.rng.u8(..4) {
                0 => self.any(OTHER).to_owned(),
                1 => format!("[{}]", self.cloud_event()),
                2 => self.scrap(),
                _ => self.deep(),
            },
        };
        match self.rng.u8(..40) {
            0 | 1 => format!("\u{feff}{body}"),
            2 => format!("\u{feff}\u{feff}{body}"),
            3 => format!("\r\n {body}\r\n"),
            4 => format!("{body}{body}"),
            5 => format!("\u{a0}{body}"),
            _ => body,
        }
    }

    fn cloud_event(&mut self) -> String {
        let mut members: Vec<(String, String)> = Vec::with_capacity(20);
        for (name, values) in RIGHT {
            if NEEDED.contains(name) || self.rng.bool() {
                members.push(((*name).to_owned(), self.any(values).to_owned()));
            }
        }
        let is_moved = members.iter().any(|(_, value)| value == r#""moved""#);
        if !self.one_in(8) {
            let (data, versions) =
                if is_moved { (MOVED, ["2", r#""2""#]) } else { (PLACED, ["1", r#""1""#]) };
            for (name, value) in &mut members {
                match &**name {
                    "data" => self.any(data).clone_into(value),
                    "schemaversion" => self.any(&versions).clone_into(value),
                    _ => {}
                }
            }
        }
        // Most are nearly right.
        for _ in 0..self.any(&[0, 0, 0, 0, 0, 1, 1, 2, 4]) {
            self.spoil(&mut members);
        }
        match self.rng.u8(..8) {
            0 => self.rng.shuffle(&mut members),
            1 => members.reverse(),
            _ => {}
        }
        self.object(&members)
    }

    fn spoil(&mut self, members: &mut Vec<(String, String)>) {
        let at = self.rng.usize(..members.len().max(1));
        match self.rng.u8(..8) {
            0 | 1 => {
                if let Some(member) = members.get_mut(at) {
                    self.any(OTHER).clone_into(&mut member.1);
                }
            }
            2 if !members.is_empty() => drop(members.remove(at)),
            3 if !members.is_empty() => {
                let mut again = members[at].clone();
                if self.rng.bool() {
                    self.any(OTHER).clone_into(&mut again.1);
                }
                let to = self.rng.usize(..=members.len());
                members.insert(to, again);
            }
            4 => {
                // An escape, in a name that is plain without it.
                if let Some((name, _)) = members.get_mut(at)
                    && let Some(first) = name.bytes().next().filter(u8::is_ascii_lowercase)
                {
                    *name = format!("\\u{first:04x}{}", &name[1..]);
                }
            }
            5 => {
                let (name, values) = self.any(RIGHT);
                let value = if self.rng.bool() { self.any(values) } else { self.any(OTHER) };
                members.push((name.to_owned(), value.to_owned()));
            }
            6 => {
                let deep = self.deep();
                members.insert(at, (self.any(NAMES).to_owned(), deep));
            }
            _ => {
                let value = self.any(OTHER).to_owned();
                members.insert(at, (self.any(NAMES).to_owned(), value));
            }
        }
    }

    fn event_bridge(&mut self) -> String {
        let detail = if self.one_in(12) { self.any(OTHER).to_owned() } else { self.cloud_event() };
        let around = [
            ("version", r#""0""#),
            ("id", r#""6a7e8feb-b491-4cf7-a9f1-bf3703467718""#),
            ("detail-type", r#""placed""#),
            ("source", r#""shop-4111""#),
            ("account", r#""111122223333""#),
            ("time", r#""2026-01-05T09:30:02Z""#),
            ("region", r#""eu-west-1""#),
            ("resources", "[]"),
        ];
        let mut members: Vec<_> = around.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        if self.one_in(4) {
            members.push(("replay-name".into(), r#""again""#.into()));
        }
        let at = if self.one_in(4) { self.rng.usize(..=members.len()) } else { members.len() };
        members.insert(at, ("detail".into(), detail));
        if self.one_in(5) {
            self.spoil(&mut members);
        }
        self.object(&members)
    }

    fn notification(&mut self, wrappings: u8) -> String {
        let message = serde_json::to_string(&self.form(wrappings)).unwrap();
        let around = [
            ("Type", r#""Notification""#),
            ("MessageId", r#""22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324""#),
            ("TopicArn", r#""arn:aws:sns:eu-west-1:111122223333:orders""#),
            ("Message", message.as_str()),
            ("Timestamp", r#""2026-01-05T09:30:02.000Z""#),
            ("SignatureVersion", r#""1""#),
        ];
        let mut members: Vec<_> = around.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        if self.one_in(6) {
            self.spoil(&mut members);
        }
        self.object(&members)
    }

    fn object(&mut self, members: &[(String, String)]) -> String {
        let (space, comma) = match self.rng.u8(..8) {
            0 => (" ", ","),
            1 => ("\r\n\t", " , "),
            2 => ("", ", "),
            _ => ("", ","),
        };
        let mut text = format!("{{{space}");
        for (at, (name, value)) in members.iter().enumerate() {
            let comma = if at == 0 { "" } else { comma };
            _ = write!(text, "{comma}\"{name}\"{space}:{space}{value}");
        }
        _ = write!(text, "{space}}}");
        text
    }

    /// A few more levels than are read into a tree, or fewer.
    fn deep(&mut self) -> String {
        let levels = self.rng.usize(..300);
        let (open, close) = self.any(&[("[", "]"), (r#"{"a":"#, "}")]);
        format!("{}{}{}", open.repeat(levels), self.any(OTHER), close.repeat(levels))
    }

    /// Returns a scrap that happens to look like JSON.
    fn scrap(&mut self) -> String {
        const SCRAPS: &[&str] = &[
            "{", "}", "[", "]", ":", ",", "\"", "\\", " ", "1", "e", "-", ".", "null", "\"id\"", "\"a\":1",
            "\u{feff}", "é",
        ];
        (0..self.rng.usize(..12)).map(|_| self.any(SCRAPS)).collect()
    }

    fn damage(&mut self, body: &mut String) {
        let mut bytes = std::mem::take(body).into_bytes();
        for _ in 0..self.rng.usize(1..4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.rng.usize(..bytes.len());
            let byte =
                if self.rng.bool() { self.any(b"\"\\{}[],:0aeE-+. \n\x01u") } else { self.rng.u8(..0x80) };
            match self.rng.u8(..5) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                _ => {
                    let other = self.rng.usize(..bytes.len());
                    bytes.swap(at, other);
                }
            }
        }
        *body = String::from_utf8_lossy(&bytes).into_owned();
    }
}
