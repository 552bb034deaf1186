//! Sagas, run in process: each rule, and everything that can go wrong.

mod callbacks;
mod every_fault;
mod tasks;
mod unwinding;
mod versions;
mod wiring;
mod world;
