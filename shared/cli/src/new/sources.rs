//! The source of a new function.

use super::message_types::{Catalogue, EventType};

/// What a new function's files are made from.
#[derive(Debug, Clone)]
pub(super) struct Sources<'a> {
    /// `count-orders`
    pub(super) name: &'a str,
    /// `CountOrders`
    pub(super) camel_name: &'a str,
    /// The enum that its events are of.
    pub(super) catalogue: &'a Catalogue,
    /// Its events.
    pub(super) events: &'a [EventType],
    /// A file of events/ with a sample of the first of them.
    pub(super) sample: &'a str,
}

impl Sources<'_> {
    fn snake_name(&self) -> String {
        self.name.replace('-', "_")
    }

    fn package(&self) -> String {
        self.catalogue.package.replace('-', "_")
    }

    fn types(&self) -> String {
        let types: Vec<String> =
            self.events.iter().map(|event| format!("`{}`", event.message_type)).collect();
        types.join(" or ")
    }

    pub(super) fn manifest(&self) -> String {
        format!(
            r#"[package]
name = "{name}"
description = "The function {name}."
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

# The handler is a library, so that tests can run it without Lambda.
[lib]
path = "src/handler.rs"

[lints]
workspace = true

[dependencies]
serde.workspace = true
throughline.workspace = true
{package}.workspace = true
tokio.workspace = true

[dev-dependencies]
throughline-testing.workspace = true
"#,
            name = self.name,
            package = self.catalogue.package,
        )
    }

    pub(super) fn main(&self) -> String {
        format!(
            r"//! The function `{name}`: takes {types} from its queue.

use {snake_name}::{camel_name};

#[tokio::main(flavor = {quoted})]
async fn main() -> Result<(), throughline::Error> {{
    throughline::run(throughline::sqs({camel_name})).await
}}
",
            name = self.name,
            types = self.types(),
            snake_name = self.snake_name(),
            camel_name = self.camel_name,
            quoted = "\"current_thread\"",
        )
    }

    pub(super) fn handler(&self) -> String {
        let Self { name, camel_name, catalogue, .. } = self;
        let events = &catalogue.name;
        let variants: Vec<String> =
            self.events.iter().map(|event| format!("[`{events}::{}`]", event.variant)).collect();
        format!(
            r#"//! From {types} to what follows.

use throughline::prelude::*;
use {package}::{events};

/// Does nothing yet. Its rule brings {variants} alone.
#[derive(Debug, Clone)]
pub struct {camel_name};

impl Handler for {camel_name} {{
    const NAME: &'static str = "{name}";
    type Message = {events};
    type Emits = Never;

    async fn handle(&self, _event: Envelope<{events}>, _context: &Context<'_>) -> Result<Effects, Failure> {{
        Ok(Effects::none())
    }}
}}

#[cfg(test)]
mod tests {{
    use super::*;
    use throughline_testing::{{assert_name_is_locked, scenario}};

    #[tokio::test]
    async fn an_event_is_handled_once() {{
        let event = include_str!("../../../events/{sample}");
        scenario({camel_name}).when_body(event).await.then_done().redelivered().await;
    }}

    #[test]
    fn its_name_is_locked() {{
        assert_name_is_locked({camel_name}::NAME);
    }}
}}
"#,
            types = self.types(),
            variants = variants.join(" and "),
            package = self.package(),
            sample = self.sample,
        )
    }
}
