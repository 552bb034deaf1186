//! The `throughline` command, in rooms: each imports only from those that stand below it here.
//!
//! 1. `commands`: a file or folder a word, with its arguments, what it does and what it prints;
//! 2. the engines `line`, `letters`, `resend` and `figures`, which know neither the command line nor the screen;
//! 3. `cloud`: a deployed stack, on AWS or on a local cloud, and how it is reached;
//! 4. `local`: the local clouds of this machine, and the programs beside them;
//! 5. `project`: the files of a project; `terminal`: the screen and the keyboard;
//! 6. `progress`: the port through which engines tell how far they are; `time`: moments and lengths of time in words.
//!
//! `tests/rooms.rs` holds this, and prints who imports whom.

pub mod cloud;
pub mod commands;
pub mod figures;
pub mod letters;
pub mod line;
pub mod local;
pub mod progress;
pub mod project;
pub mod resend;
pub mod terminal;
pub mod time;
