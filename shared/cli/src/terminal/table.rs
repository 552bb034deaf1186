//! Tables of aligned columns that fit the terminal.

use comfy_table::{ContentArrangement, presets::NOTHING};
use std::fmt;

/// A table. The last column is broken into lines where the terminal is too narrow.
///
/// ```
/// use throughline_cli::terminal::Table;
/// let mut table = Table::new(["handler", "letters"]);
/// table.row(["reserve-stock", "12"]);
/// assert_eq!(table.to_string(), "handler        letters\nreserve-stock  12");
/// ```
#[derive(Debug, Clone)]
pub struct Table(comfy_table::Table);

/// The width of a table where there is no terminal.
const WIDTH_OF_NO_TERMINAL: u16 = 400;

impl Table {
    /// A table with these headings.
    pub fn new<T: Into<String>>(headings: impl IntoIterator<Item = T>) -> Self {
        let mut table = comfy_table::Table::new();
        let width = terminal_size::terminal_size().map_or(WIDTH_OF_NO_TERMINAL, |(width, _)| width.0);
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        table.set_header(headings.into_iter().map(Into::into).collect::<Vec<String>>());
        Self(table)
    }

    /// Adds a row.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.add_row(cells.into_iter().map(Into::into).collect::<Vec<String>>());
    }

    /// Returns whether the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.0.row_count() == 0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.0.clone();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        f.write_str(&lines.join("\n"))
    }
}
