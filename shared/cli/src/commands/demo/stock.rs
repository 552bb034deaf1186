//! The stock, and the check that every missing piece was sold.

use super::{DemoError, books::is_confirmed, read};
use crate::{cloud::stack::Stack, line::WholeLine};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, path::Path};
use throughline_operations as operate;

/// The stock of each article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stock(BTreeMap<String, i64>);

impl Stock {
    /// Loads the seed into the table, unless there is something of it already: what was sold stays sold.
    pub(super) async fn load(stack: &Stack, events: &Path) -> Result<Self, DemoError> {
        let path = events.join("stock.seed.json");
        let (text, _) = read(&path)?;
        let items: Vec<Map<String, Value>> = serde_json::from_str(&text).map_err(|error| {
            DemoError::File { path: path.display().to_string(), reason: error.to_string() }
        })?;
        let table = stack.output("StockTable")?;
        let stored = Self::read(stack).await?;
        println!("Stock is loaded into the table {table}, unless it is there:");
        for item in items {
            if !stored.0.contains_key(item["sku"].as_str().unwrap_or_default()) {
                operate::put_item(stack.clients.dynamodb().await, table, item).await?;
            }
        }
        let stock = Self::read(stack).await?;
        for (sku, available) in &stock.0 {
            println!("  {sku:<16} {available:>3}");
        }
        Ok(stock)
    }

    /// Reads the stock from the table.
    pub(super) async fn read(stack: &Stack) -> Result<Self, DemoError> {
        let items = operate::scan(stack.clients.dynamodb().await, stack.output("StockTable")?).await?;
        Ok(Self(items.iter().filter_map(count_of("available")).collect()))
    }

    /// That nothing is missing but what was confirmed: everything else that was reserved is back.
    pub(super) fn must_be_sold(&self, left: &Self, lines: &[WholeLine]) -> Result<(), DemoError> {
        let mut expected = self.clone();
        for (sku, quantity) in lines.iter().filter(|line| is_confirmed(line)).flat_map(ordered) {
            *expected.0.entry(sku).or_default() -= quantity;
        }
        if expected == *left {
            return Ok(());
        }
        let what = format!("after what was sold there should be {expected} in stock, and there is {left}");
        Err(DemoError::BooksDiffer { what })
    }
}

fn count_of(field: &'static str) -> impl Fn(&Map<String, Value>) -> Option<(String, i64)> {
    move |item| Some((item["sku"].as_str()?.to_owned(), item[field].as_i64()?))
}

/// Returns the articles and quantities that were ordered in a line.
fn ordered(line: &WholeLine) -> Vec<(String, i64)> {
    let sent = line.recorded.messages.iter().map(|message| &message.outgoing.envelope);
    let placed = sent.filter(|sent| sent.attributes.message_type == "order.placed");
    let lines = placed.filter_map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).ok()?;
        serde_json::from_value::<Vec<Map<String, Value>>>(data["lines"].clone()).ok()
    });
    lines.flatten().filter_map(|item| count_of("quantity")(&item)).collect()
}

impl fmt::Display for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(sku, available)| format!("{sku} {available}")).collect();
        f.write_str(&each.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_lines::{event, line_of};
    use super::*;
    use serde_json::json;

    fn stock(mugs: i64) -> Stock {
        Stock([("mug-blue".to_owned(), mugs)].into())
    }

    fn order(outcome: &str) -> WholeLine {
        let lines = json!({ "lines": [{ "sku": "mug-blue", "quantity": 3, "unit_price_cents": 1 }] });
        line_of([event("order.placed", &lines), event(outcome, &json!({ "total": { "cents": 3 } }))])
    }

    #[test]
    fn what_is_confirmed_is_sold_and_what_is_cancelled_is_back() {
        let lines = [order("order.confirmed"), order("order.cancelled")];
        stock(10).must_be_sold(&stock(7), &lines).unwrap();
        for wrong in [4, 8, 10] {
            let error = stock(10).must_be_sold(&stock(wrong), &lines).unwrap_err().to_string();
            assert!(error.contains("mug-blue 7"), "{error}");
        }
    }
}
