//! Keeps `events/catalogue.json` and the schemas beside it in step with the types.

use crate::golden::{Settled, first_difference, settle};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;
use std::{env, fs, path::Path};
use throughline_core::{
    Command, Event, Message, MessageType,
    catalogue::{CatalogueEntry, CatalogueFile, Family, MessageKind, Visit},
};

/// The folder of the schemas, in the catalogue's folder.
const SCHEMAS: &str = "schemas";

/// Begins the catalogue of a project's messages. Name every family that may be on the wire:
///
/// ```no_run
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::prelude::*;
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
/// pub struct OrderPlaced { pub order_id: String, pub customer: Sensitive<String> }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" { "order.placed" v1 => Placed(OrderPlaced.order_id) } }
///
/// // #[test]
/// fn the_catalogue_is_the_types() {
///     throughline_testing::catalogue().events::<OrderEvent>().assert_is_current("../../events");
/// }
/// ```
pub fn catalogue() -> CatalogueCheck {
    CatalogueCheck::default()
}

/// The messages named so far; [`catalogue`] returns it.
#[derive(Debug, Default)]
pub struct CatalogueCheck {
    messages: Vec<Described>,
}

#[derive(Debug)]
struct Described {
    entry: CatalogueEntry,
    schema: Value,
}

/// Goes through the payloads of one family, which are all of one kind.
#[derive(Debug)]
pub struct Describe<'a> {
    kind: fn(Option<&'static str>, &'static str) -> MessageKind,
    queue: &'static str,
    messages: &'a mut Vec<Described>,
}

impl<P: Message + JsonSchema> Visit<P> for Describe<'_> {
    fn visit(&mut self, subject: &'static str) {
        let MessageType { name, version } = P::CATALOGUE[0];
        let entry = CatalogueEntry {
            message_type: name.to_owned(),
            schemaversion: version,
            kind: (self.kind)(P::AGGREGATE_TYPE, self.queue),
            subject: subject.to_owned(),
            schema: format!("{SCHEMAS}/{name}.v{version}.json"),
        };
        self.messages.push(Described { entry, schema: schema_of::<P>(name, version) });
    }
}

fn schema_of<P: JsonSchema>(name: &str, version: u16) -> Value {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let mut schema = generator.into_root_schema_for::<P>();
    schema.insert("title".to_owned(), format!("{name} v{version}").into());
    let mut schema = schema.to_value();
    // The same text whether or not some crate has serde_json keep the order of fields.
    schema.sort_all_objects();
    schema
}

impl CatalogueCheck {
    /// Adds a family of events. Each of its payloads must derive [`JsonSchema`].
    #[must_use]
    pub fn events<E>(mut self) -> Self
    where
        E: Event + for<'a> Family<Describe<'a>>,
    {
        let kind =
            |aggregate: Option<&str>, _: &str| MessageKind::Event { aggregate: aggregate.map(Into::into) };
        E::each(&mut Describe { kind, queue: "", messages: &mut self.messages });
        self
    }

    /// Adds a family of commands. Each of its payloads must derive [`JsonSchema`].
    #[must_use]
    pub fn commands<C>(mut self) -> Self
    where
        C: Command + for<'a> Family<Describe<'a>>,
    {
        let kind = |_: Option<&str>, queue: &str| MessageKind::Command { queue: queue.to_owned() };
        C::each(&mut Describe { kind, queue: C::QUEUE, messages: &mut self.messages });
        self
    }

    /// The catalogue as its file holds it.
    ///
    /// # Panics
    /// If two messages have the same type and version, or an event and a command the same type.
    pub fn file(&self) -> CatalogueFile {
        let mut messages: Vec<_> = self.messages.iter().map(|described| described.entry.clone()).collect();
        messages.sort_by(|one, other| place(one).cmp(&place(other)));
        for pair in messages.windows(2) {
            let [one, next] = pair else { continue };
            assert!(
                place(one) != place(next),
                "`{}` v{} is declared twice",
                one.message_type,
                one.schemaversion
            );
            assert!(
                one.message_type != next.message_type || one.kind == next.kind,
                "`{}` is declared as {:?} and as {:?}",
                one.message_type,
                one.kind,
                next.kind
            );
        }
        CatalogueFile { messages }
    }

    /// The schema of a message's data, as its type has it.
    pub fn schema(&self, message_type: &str, version: u16) -> Option<&Value> {
        let is_it = |described: &&Described| place(&described.entry) == (message_type, version);
        self.messages.iter().find(is_it).map(|described| &described.schema)
    }

    /// Asserts that `catalogue.json` in a folder, and the schemas in its folder `schemas`, are what the types
    /// say. The path is relative to the package's folder.
    ///
    /// # Panics
    /// If they differ, with the first difference and how to write them anew; if there is a schema of no message;
    /// if two messages have the same type and version.
    #[track_caller]
    pub fn assert_is_current(&self, folder: &str) {
        let file = serde_json::to_value(self.file()).expect("a catalogue has a JSON form");
        check(&format!("{folder}/catalogue.json"), &file, "is not what the declared messages are");
        for Described { entry: CatalogueEntry { schema: file, message_type, schemaversion, .. }, schema } in
            &self.messages
        {
            let why = format!(
                "is not the schema of `{message_type}` v{schemaversion} (once messages of v{schemaversion} are on \
                 the wire, give another shape another version)"
            );
            check(&format!("{folder}/{file}"), schema, &why);
        }
        if let Some(unknown) = self.unknown_schema(folder) {
            panic!("{folder}/{unknown} is the schema of no declared message: remove it, or name its family");
        }
    }

    fn unknown_schema(&self, folder: &str) -> Option<String> {
        let package = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for tests");
        let files = fs::read_dir(Path::new(&package).join(folder).join(SCHEMAS)).into_iter().flatten();
        let names = files.flatten().map(|file| format!("{SCHEMAS}/{}", file.file_name().to_string_lossy()));
        let mut unknown: Vec<String> =
            names.filter(|name| !self.messages.iter().any(|known| known.entry.schema == *name)).collect();
        unknown.sort();
        unknown.into_iter().next()
    }
}

fn place(entry: &CatalogueEntry) -> (&str, u16) {
    (&entry.message_type, entry.schemaversion)
}

/// The same with the members of every object in the order of their names: another crate of the build may have
/// `serde_json` keep them as they came.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            members.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[track_caller]
fn check(path: &str, current: &Value, why: &str) {
    let current = format!("{:#}\n", sorted(current));
    settle(path, |written| match first_difference(written.unwrap_or_default(), &current) {
        None => Settled::Holds,
        Some(difference) => Settled::Differs { why: format!("{why}{difference}"), anew: current },
    });
}
