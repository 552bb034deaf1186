//! Sagas, run in process: each rule, and everything that can go wrong.

mod every_fault;
mod journey;
mod provider;
mod rules;
