//! `save` takes entities.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
}

fn main() {
    let _: Effects = Effects::none().save(Versioned::new(Order { id: "o-1".into() }));
}
