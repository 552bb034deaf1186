//! The inside of this crate that `throughline-operations` is made of, too. Nothing is promised of it to others.

pub use crate::{
    describe,
    ledger::{
        Item,
        items::{number_of, text_of},
    },
    publisher::{execution_arn, is_permanent},
};

/// Text that SQS accepts.
pub mod sqs_text {
    pub use crate::sqs_text::{attribute, body, fifo_id, is_fifo};
}
