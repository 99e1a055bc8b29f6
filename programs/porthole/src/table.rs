//! Aligned tables, and colour where a person looks.

use std::io::{IsTerminal, Write};

/// Spaces between columns.
const GAP: usize = 3;

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self {
            rows: vec![titles.iter().map(|title| (*title).to_owned()).collect()],
        }
    }

    /// A table without headings, for facts that each row names.
    pub(crate) const fn bare() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Writes the table to standard output.
    pub(crate) fn print(&self) -> std::io::Result<()> {
        std::io::stdout().lock().write_all(self.render().as_bytes())
    }

    fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| visible_width(cell))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width + GAP - visible_width(cell)));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Characters that show, without colour sequences.
fn visible_width(text: &str) -> usize {
    let mut width = 0;
    let mut in_sequence = false;
    for character in text.chars() {
        match character {
            '\u{1b}' => in_sequence = true,
            'm' if in_sequence => in_sequence = false,
            _ if in_sequence => {}
            _ => width += 1,
        }
    }
    width
}

/// A colour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    /// Well.
    Green,
    /// Not well.
    Red,
    /// Mind this.
    Yellow,
    /// Less important.
    Dim,
}

/// The text in a colour, if standard output is a terminal and `NO_COLOR` is not set.
pub(crate) fn coloured(text: &str, colour: Colour) -> String {
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text.to_owned();
    }
    let number = match colour {
        Colour::Green => 32,
        Colour::Red => 31,
        Colour::Yellow => 33,
        Colour::Dim => 2,
    };
    format!("\u{1b}[{number}m{text}\u{1b}[0m")
}

/// The first twelve digits of an ID, without the name of its algorithm.
pub(crate) fn short_id(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// A size as people read it: `1.2MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes}B")
    } else {
        format!("{value:.1}{}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_their_colour() {
        let mut table = Table::new(&["NAME", "STATE"]);
        table.row(["\u{1b}[32mweb\u{1b}[0m".to_owned(), "running".to_owned()]);
        table.row(["database".to_owned(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME       STATE\n\u{1b}[32mweb\u{1b}[0m        running\ndatabase\n"
        );
    }

    #[test]
    fn sizes_and_ids_are_short() {
        assert_eq!(size(999), "999B");
        assert_eq!(size(120_000_000), "120.0MB");
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("ab"), "ab");
    }
}
