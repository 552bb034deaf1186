//! The selection of dead letters on the command line.

use crate::letters::selection::Selection;
use clap::Args;

/// A selection of dead letters; all given conditions must hold.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectionArguments {
    /// Only letters of this queue, such as `place-order` (repeatable)
    #[arg(long, value_name = "NAME")]
    pub queue: Vec<String>,
    /// Only letters of this handler
    #[arg(long, value_name = "NAME")]
    pub handler: Option<String>,
    /// Only letters with this type of error, such as `MalformedData`
    #[arg(long, value_name = "TYPE")]
    pub error: Option<String>,
    /// Only messages of this type, such as `order.placed`
    #[arg(long = "type", value_name = "TYPE")]
    pub message_type: Option<String>,
    /// Only this letter: its id, or its event's (repeatable)
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,
}

impl SelectionArguments {
    /// Returns the selection itself.
    pub(super) fn selection(&self) -> Selection {
        let Self { queue, handler, error, message_type, id } = self.clone();
        Selection { queue, handler, error, message_type, id }
    }
}
