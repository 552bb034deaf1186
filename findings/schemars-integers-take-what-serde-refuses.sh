#!/usr/bin/env bash
# crates.io schemars 1.2.3, jsonschema 0.60.2 and serde_json 1.0.154: the schema that is derived from a type takes numbers
# which the type itself refuses.
#
# schemars derives from the very type that serde reads, so one would guess that what passes the schema can be read. For a
# `u32` the schema says "integer" of format "uint32" and at least 0. JSON Schema takes 3.0 for an integer (2020-12, 6.1.1),
# and a format is no more than a note unless a validator is told otherwise: 3.0 and 5000000000 pass, and serde refuses
# both. A narrower `u8` has a maximum. Whoever checks messages against schemas before they are sent must look at
# notation and width himself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "widths"
version = "0.0.0"
edition = "2024"

[dependencies]
jsonschema = { version = "=0.60.2", default-features = false }
schemars = { version = "=1.2.3", default-features = false, features = ["derive", "std"] }
serde = { version = "1", features = ["derive"] }
serde_json = "=1.0.154"
TOML
cat >"$folder/src/main.rs" <<'RUST'
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Line {
    #[expect(dead_code, reason = "it is only read")]
    quantity: u32,
}

fn main() {
    let schema = serde_json::to_value(schemars::schema_for!(Line)).unwrap();
    println!("{}", schema["properties"]["quantity"]);
    let validator = jsonschema::validator_for(&schema).unwrap();
    for text in ["3", "3.0", "5000000000", "-1"] {
        let json = format!(r#"{{"quantity":{text}}}"#);
        let passes = validator.is_valid(&serde_json::from_str(&json).unwrap());
        println!("{text}: schema {passes}, type {}", serde_json::from_str::<Line>(&json).is_ok());
    }
}
RUST
seen=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "$seen"
[ "$seen" = '{"format":"uint32","minimum":0,"type":"integer"}
3: schema true, type true
3.0: schema true, type false
5000000000: schema true, type false
-1: schema false, type false' ]
