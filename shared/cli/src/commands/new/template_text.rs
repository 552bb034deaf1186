//! The template with the resources of one more function. It is edited as text, so that its comments stay.

use super::NewError;

/// The resources of a function that takes events from a queue, with the placeholders `{Name}`, `{name}`, `{types}` and
/// `{source}`.
const RESOURCES: &str = include_str!("resources.yaml");
const OUTPUTS: &str = include_str!("outputs.yaml");

/// The dashboard's widgets to extend: the title of each, and the line that is added.
const WIDGETS: [(&str, &str); 3] = [
    (
        "\"title\": \"Failures: invocations that ended in an error\"",
        r#"["AWS/Lambda", "Errors", "FunctionName", "${{Name}Function}", {"label": "{name}"}],"#,
    ),
    (
        "\"title\": \"Dead letters waiting for somebody\"",
        r#"["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "${{Name}DeadLetterQueue.QueueName}", {"label": "{name}"}],"#,
    ),
    (
        "\"title\": \"Age: the oldest message in each queue, seconds\"",
        r#"["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "${{Name}Queue.QueueName}", {"label": "{name}"}],"#,
    ),
];

/// The widgets' lists begin after this.
const METRICS: &str = "\"metrics\": [";
/// So do the log groups of a saved query.
const LOG_GROUPS: &str = "LogGroupNames:";
/// The width of a section's heading.
const HEADING_WIDTH: usize = 121;

/// A function that takes events from a queue.
#[derive(Debug, Clone)]
pub(super) struct NewFunction<'a> {
    /// `count-orders`
    pub(super) name: &'a str,
    /// `CountOrders`
    pub(super) camel_name: &'a str,
    /// The types of its events.
    pub(super) types: &'a [String],
    /// The source of its events.
    pub(super) source: &'a str,
}

impl NewFunction<'_> {
    /// The template with this function in it.
    ///
    /// # Errors
    /// If the template is not of the form in which this can be done.
    pub(super) fn put_into(&self, template: &str) -> Result<String, NewError> {
        let mut lines: Vec<String> = template.lines().map(ToOwned::to_owned).collect();
        for (title, line) in WIDGETS {
            self.put_after(&mut lines, title, line);
        }
        let groups: Vec<usize> =
            (0..lines.len()).filter(|place| lines[*place].trim() == LOG_GROUPS).collect();
        for place in groups.into_iter().rev() {
            lines.insert(place + 1, self.filled("        - !Ref {Name}LogGroup"));
        }
        let outputs = lines.iter().position(|line| line == "Outputs:").ok_or(NewError::NoOutputs)?;
        // What is said of the outputs stays with them.
        let is_about_outputs = |line: &&String| line.starts_with('#') || line.is_empty();
        let end = outputs - lines[..outputs].iter().rev().take_while(is_about_outputs).count();
        let resources = self.resources();
        let resources = std::iter::once("").chain(resources.lines()).map(ToOwned::to_owned);
        lines.splice(end..end, resources);
        lines.extend(self.filled(OUTPUTS).lines().map(ToOwned::to_owned));
        Ok(lines.join("\n") + "\n")
    }

    /// Puts a line first into the list that follows a title. A template without that widget needs no line.
    fn put_after(&self, lines: &mut Vec<String>, title: &str, line: &str) {
        let Some(widget) = lines.iter().position(|line| line.contains(title)) else { return };
        let list = lines[widget..].iter().position(|line| line.trim() == METRICS);
        let Some(first) = list.map(|list| widget + list + 1) else { return };
        let indent = lines.get(first).map_or(0, |line| line.len() - line.trim_start().len());
        lines.insert(first, " ".repeat(indent) + &self.filled(line));
    }

    fn resources(&self) -> String {
        let text = self.filled(RESOURCES);
        let heading = text.lines().next().unwrap_or_default().replace("{dashes}", "");
        text.replace("{dashes}", &"-".repeat(HEADING_WIDTH.saturating_sub(heading.len())))
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{Name}", self.camel_name)
            .replace("{name}", self.name)
            .replace("{types}", &self.types.join(", "))
            .replace("{source}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::template::Template;
    use serde_json::json;

    const TEMPLATE: &str = include_str!("../../../../../infra/template.yaml");

    fn with_function() -> String {
        let types = ["order.confirmed".to_owned(), "order.cancelled".to_owned()];
        let function =
            NewFunction { name: "count-orders", camel_name: "CountOrders", types: &types, source: "shop" };
        function.put_into(TEMPLATE).unwrap()
    }

    #[test]
    fn every_line_that_was_there_still_is_in_its_order() {
        let text = with_function();
        let mut lines = text.lines();
        for line in TEMPLATE.lines() {
            assert!(lines.any(|found| found == line), "lost: {line}");
        }
    }

    #[test]
    fn the_function_has_what_a_function_of_the_template_has() {
        let template = Template::parse(&with_function()).unwrap();
        let of = |prefix: &str| {
            let names = template.resources().filter_map(|(name, _)| name.strip_prefix(prefix));
            names.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            of("CountOrders"),
            of("ReserveStock"),
            "of what reserve-stock has only its table is its own"
        );
        let rule = template.resource("CountOrdersRule").unwrap();
        assert_eq!(
            rule["Properties"]["EventPattern"],
            json!({ "source": ["shop"], "detail-type": ["order.confirmed", "order.cancelled"] })
        );
        let outputs = &template.document()["Outputs"];
        assert_eq!(outputs["CountOrdersFunction"]["Value"], json!({ "Ref": "CountOrdersFunction" }));
        let text = with_function();
        assert!(!text.contains("{name}") && !text.contains("{Name}") && !text.contains("{dashes}"));
    }

    #[test]
    fn it_is_on_the_dashboard_and_in_every_saved_query() {
        let (before, after) = (TEMPLATE.matches("ReserveStock"), with_function());
        let of_reserve_stock: Vec<&str> = TEMPLATE
            .lines()
            .filter(|line| {
                line.contains("\"label\": \"reserve-stock\"") || line.trim() == "- !Ref ReserveStockLogGroup"
            })
            .collect();
        assert!(before.count() > 0 && of_reserve_stock.len() > WIDGETS.len(), "{of_reserve_stock:?}");
        for line in of_reserve_stock {
            let expected =
                line.replace("ReserveStock", "CountOrders").replace("reserve-stock", "count-orders");
            assert!(after.contains(&expected), "{expected}");
        }
    }

    #[test]
    fn a_template_without_outputs_is_refused() {
        let types = [];
        let function = NewFunction { name: "x", camel_name: "X", types: &types, source: "shop" };
        assert!(function.put_into("Resources: {}\n").unwrap_err().to_string().contains("Outputs"));
    }
}
