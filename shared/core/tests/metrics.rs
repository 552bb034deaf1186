//! Holds `infra/metrics.json`, which dashboards and alarms are checked against, to the catalogue of metrics.

use serde_json::{Value, json};
use std::{env, fs};
use throughline_core::metrics::{CATALOGUE, EVENT_TYPE, HANDLER, MOST_VALUES, NAMESPACE, OTHER, RELAY, STEP};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/metrics.json");

#[test]
fn the_file_of_metrics_is_what_the_catalogue_declares() {
    let current = json!({
        "namespace": NAMESPACE,
        "dimensions": {
            HANDLER: format!("a handler's name, a saga's name, or `{RELAY}`"),
            EVENT_TYPE: format!("the first {MOST_VALUES} types of the handler's catalogue, or `{OTHER}`"),
            STEP: format!("the first {MOST_VALUES} steps of the saga, or `{OTHER}`"),
        },
        "metrics": CATALOGUE,
    });
    if env::var_os("THROUGHLINE_WRITE").is_some() {
        fs::write(PATH, serde_json::to_string_pretty(&current).unwrap() + "\n").unwrap();
    }
    let written = fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        serde_json::from_str::<Value>(&written).is_ok_and(|written| written == current),
        "infra/metrics.json is not what throughline_core::metrics::CATALOGUE declares: write it anew with \
         `THROUGHLINE_WRITE=1 cargo test -p throughline-core --test metrics`, and look at what changed"
    );
}
