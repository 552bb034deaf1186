//! Answers each line with the JSON that `serde_json` makes of it, in the features that this program is compiled with.
//!
//! `read` and JSON: what it read, written again; `-` if it refused it. `made` and JSON: the same value, in which each
//! text `bits:` and a number became the floating-point number with these bits. So it is made of the same numbers
//! whatever the features make of numbers that they read.

use serde_json::{Number, Value};
use std::io::{self, BufRead as _, Write as _};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (how, json) = line.split_once(' ').expect("how, and JSON");
        let value = serde_json::from_str::<Value>(json).map(|value| match how {
            "read" => value,
            "made" => made(value),
            _ => panic!("neither read nor made: {how}"),
        });
        match value {
            Ok(value) => writeln!(out, "{value}")?,
            Err(_) => writeln!(out, "-")?,
        }
    }
    out.flush()
}

fn made(value: Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("bits:") {
            Some(bits) => {
                let number = f64::from_bits(bits.parse().expect("bits"));
                Value::Number(Number::from_f64(number).expect("a finite number"))
            }
            None => Value::String(text),
        },
        Value::Array(values) => Value::Array(values.into_iter().map(made).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, made(value))).collect())
        }
        other => other,
    }
}
