//! Effects that nobody returns are lost.

#![deny(unused_must_use)]

use throughline_core::prelude::*;

fn main() {
    Effects::<Never>::none();
}
