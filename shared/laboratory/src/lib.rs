//! Runs real function binaries as Lambda would: kills them, counts what they ask, measures what they cost.
//!
//! A [`Laboratory`] is a DynamoDB in this process with the tables of the ledger and of the shop, stands for
//! the other services, and a [`Recorder`] before all of them. A [`Function`] is one process of one binary,
//! with a Runtime API of its own.
//!
//! ```no_run
//! # async fn example() -> Result<(), throughline_laboratory::Trouble> {
//! use std::time::Duration;
//! use throughline_laboratory::{Function, Laboratory, sqs_event};
//!
//! let laboratory = Laboratory::open().await?;
//! let function = Function::start(&laboratory.function("reserve-stock", "target/local/reserve-stock")).await?;
//! let answer = function.invoke(sqs_event(["{}"], 1), Duration::from_secs(10)).await?;
//! println!("{:?} after {:?}", answer.payload, answer.at - function.started_at());
//! for (operation, count) in laboratory.recorder.counts() {
//!     println!("{operation}: {count}");
//! }
//! # Ok(())
//! # }
//! ```

// Without it only programs in src/bin are built: the functions, or the DynamoDB beside LocalStack.
#![cfg(feature = "hosting")]

pub mod batch;
pub mod call;
pub mod capacity;
pub mod database;
pub mod function;
pub mod http;
mod laboratory;
mod process;
pub mod recorder;
mod runtime_api;
mod stands;

pub use batch::sqs_event;
pub use call::Call;
pub use capacity::Capacity;
pub use database::Database;
pub use function::{Answer, Function, FunctionSettings, Unanswered};
pub use laboratory::Laboratory;
pub use recorder::{Moment, Recorder};

/// Something that the laboratory could not do.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;
