//! The documents' instructions, followed word for word in a copy of this working tree, on a local cloud of its own.

mod add_a_function;
mod likeness;
mod page;
mod session;
mod workshop;

/// The folder of the guide's pages, in the project.
const GUIDE: &str = "shared/throughline/docs";
