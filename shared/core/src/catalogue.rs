//! The catalogue of messages as a file: every type and version, who takes it, and the schema of its data.
//!
//! It is made of the types that [`events!`](crate::events!) and [`commands!`](crate::commands!) declare, and
//! checked in, so that programs that do not know the types can check a message and mask what is sensitive in it.

use serde::{Deserialize, Serialize};

/// The contents of `events/catalogue.json`, in the order of types and versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueFile {
    /// Every message.
    pub messages: Vec<CatalogueEntry>,
}

/// A message of one type and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The CloudEvents attribute `type`.
    #[serde(rename = "type")]
    pub message_type: String,
    /// The version of its data's shape.
    pub schemaversion: u16,
    /// Event or command.
    #[serde(flatten)]
    pub kind: MessageKind,
    /// The field of its data that is the CloudEvents attribute `subject`.
    pub subject: String,
    /// The path of its data's JSON Schema, relative to the catalogue's folder.
    pub schema: String,
}

/// The kind of a message: a fact or a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MessageKind {
    /// A fact, told to whoever cares, on the bus.
    Event {
        /// The kind of thing that it happened to.
        aggregate: Option<String>,
    },
    /// A request to one receiver.
    Command {
        /// The receiver's queue, by its logical name.
        queue: String,
    },
}

/// Something that goes through the payloads of a family of messages, one at a time.
pub trait Visit<P> {
    /// Looks at the payload `P`, whose field `subject` is what it is about.
    fn visit(&mut self, subject: &'static str);
}

/// A family of messages, as [`events!`](crate::events!) and [`commands!`](crate::commands!) declare one, that a
/// visitor can go through.
///
/// What a visitor asks of a payload, such as a schema, is asked only where the visitor is used: a family whose
/// payloads have none is declared all the same.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::{Message, catalogue::{Family, Visit}, events};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct OrderPlaced { pub order_id: String }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" { "order.placed" v1 => Placed(OrderPlaced.order_id) } }
/// struct Names(Vec<String>);
///
/// impl<P: Message> Visit<P> for Names {
///     fn visit(&mut self, subject: &'static str) {
///         self.0.push(format!("{} is about {subject}", P::CATALOGUE[0]));
///     }
/// }
/// let mut names = Names(Vec::new());
/// OrderEvent::each(&mut names);
/// assert_eq!(names.0, ["order.placed v1 is about order_id"]);
/// ```
pub trait Family<V> {
    /// Shows the visitor each payload, in the order they are declared in.
    fn each(visitor: &mut V);
}
