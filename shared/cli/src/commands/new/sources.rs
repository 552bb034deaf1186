//! The source of a new function.

use super::message_types::{Catalogue, EventType};

/// The inputs of a new function's files.
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

    /// The variants of the enum that the types named have, and the others. A type has several if its versions have
    /// variants of their own.
    fn variants(&self) -> [Vec<&EventType>; 2] {
        let is_named =
            |event: &&EventType| self.events.iter().any(|named| named.message_type == event.message_type);
        let (named, others) = self.catalogue.events.iter().partition(is_named);
        [named, others]
    }

    /// Returns the handler's message type and its body: for the data of one event, or for every variant by its name. A
    /// variant without a name is never acknowledged as done: it is refused, retried until the code knows it, or does
    /// not compile.
    fn message(&self) -> (String, String) {
        let [named, others] = self.variants();
        if let [only] = named.as_slice() {
            return (only.payload.clone(), "        Ok(Effects::none())".to_owned());
        }
        let arm = |variants: &[&EventType], then: &str| {
            let variant = |event: &&EventType| format!("{}::{}(_)", self.catalogue.name, event.variant);
            let variants: Vec<String> = variants.iter().map(variant).collect();
            if variants.is_empty() {
                String::new()
            } else {
                format!("            {} => {then},\n", variants.join(" | "))
            }
        };
        let (done, refused) =
            ("Ok(Effects::none())", r#"Err(Failure::reject("its rule does not bring this"))"#);
        let arms = arm(&named, done) + &arm(&others, refused);
        (self.catalogue.name.clone(), format!("        match event.data {{\n{arms}        }}"))
    }

    pub(super) fn handler(&self) -> String {
        let Self { name, camel_name, .. } = self;
        let (message, body) = self.message();
        let event = if body.contains("event.data") { "event" } else { "_event" };
        format!(
            r#"//! From {types} to what follows.

use throughline::prelude::*;
use {package}::{message};

/// Does nothing yet. Its rule brings {types} alone.
#[derive(Debug, Clone)]
pub struct {camel_name};

impl Handler for {camel_name} {{
    const NAME: &'static str = "{name}";
    type Message = {message};
    type Emits = Never;

    async fn handle(&self, {event}: Envelope<{message}>, _context: &Context<'_>) -> Result<Effects, Failure> {{
{body}
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
            package = self.package(),
            sample = self.sample,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(versions: &[(&str, &str, &str)], types: &[&str]) -> String {
        let event = |&(message_type, version, variant): &(&str, &str, &str)| EventType {
            message_type: message_type.into(),
            version: version.into(),
            variant: variant.into(),
            payload: format!("Order{variant}"),
        };
        let events: Vec<EventType> = versions.iter().map(event).collect();
        let named: Vec<EventType> =
            events.iter().filter(|event| types.contains(&event.message_type.as_str())).cloned().collect();
        let catalogue = Catalogue { package: "shop".into(), name: "OrderEvent".into(), events };
        let (name, camel_name) = ("count-orders", "CountOrders");
        Sources { name, camel_name, catalogue: &catalogue, events: &named, sample: "x.json" }.handler()
    }

    const TYPES: [(&str, &str, &str); 3] = [
        ("order.placed", "v1", "Placed"),
        ("order.paid", "v1", "Paid"),
        ("order.cancelled", "v1", "Cancelled"),
    ];

    #[test]
    fn a_handler_of_one_event_takes_its_data_and_nothing_else() {
        let handler = handler(&TYPES, &["order.placed"]);
        assert!(handler.contains("use shop::OrderPlaced;\n"), "{handler}");
        assert!(handler.contains("    type Message = OrderPlaced;\n"), "{handler}");
        assert!(handler.contains("_event: Envelope<OrderPlaced>") && !handler.contains("match"), "{handler}");
        // From functions/count-orders/src.
        assert!(handler.contains(r#"include_str!("../../../events/x.json")"#), "{handler}");
    }

    #[test]
    fn a_handler_of_several_events_names_every_variant_and_acknowledges_none_that_is_not_meant() {
        let of_two = handler(&TYPES, &["order.placed", "order.paid"]);
        let arms = "        match event.data {
            OrderEvent::Placed(_) | OrderEvent::Paid(_) => Ok(Effects::none()),
            OrderEvent::Cancelled(_) => Err(Failure::reject(\"its rule does not bring this\")),
        }";
        assert!(of_two.contains(arms) && of_two.contains("type Message = OrderEvent;"), "{of_two}");
        let versions = [TYPES[0], ("order.placed", "v2", "PlacedAgain"), TYPES[1]];
        let of_versions = handler(&versions, &["order.placed"]);
        assert!(
            of_versions.contains("OrderEvent::Placed(_) | OrderEvent::PlacedAgain(_) => Ok"),
            "{of_versions}"
        );
        assert!(!of_versions.contains(" _ =>"), "{of_versions}");
    }
}
