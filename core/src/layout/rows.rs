use alloc::string::String;
use core::fmt::{self, Write};

use crate::access::Tree;
use crate::format::Digest;

/// How lists are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of column names, then one for each row (RFC 4180, with line feeds).
    Csv,
    /// An object for each row, a line each. What a row has not got is left out.
    Json,
}

/// What stands in a column of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Nothing,
    Number(u64),
    /// Written in percent, with one digit behind the point.
    PerMille(u32),
    Text(&'a str),
    Digest(Digest),
    /// A path of a tree; takes two columns: its text, and its bytes in hexadecimal digits where the text cannot say all.
    Entry(&'a Tree, Option<u32>),
}

/// Writes rows of the same columns, one after the other.
#[derive(Debug)]
pub(super) struct Rows<'w, W> {
    format: Format,
    columns: &'static [&'static str],
    out: &'w mut W,
    path: alloc::vec::Vec<u8>,
}

impl<'w, W: Write> Rows<'w, W> {
    /// Begins a list; a column `path` must be followed by its `path_hex`, and so for any other that holds a path.
    pub(super) fn new(
        format: Format,
        columns: &'static [&'static str],
        out: &'w mut W,
    ) -> Result<Self, fmt::Error> {
        let rows = Self { format, columns, out, path: alloc::vec::Vec::new() };
        if format == Format::Csv {
            for (at, column) in columns.iter().enumerate() {
                rows.out.write_str(if at == 0 { "" } else { "," })?;
                rows.out.write_str(column)?;
            }
            rows.out.write_str("\n")?;
        }
        Ok(rows)
    }

    /// Writes a row with a cell for each column.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> fmt::Result {
        if self.format == Format::Json {
            self.out.write_str("{")?;
        }
        let mut place = Place { column: 0, is_empty: true };
        for cell in cells {
            match *cell {
                Cell::Entry(tree, id) => {
                    self.path.clear();
                    if let Some(id) = id {
                        self.path.push(b'/');
                        tree.path(id, &mut self.path);
                    }
                    let path = core::mem::take(&mut self.path);
                    let text = String::from_utf8_lossy(&path);
                    let text = if path.is_empty() { Cell::Nothing } else { Cell::Text(&text) };
                    self.cell(&mut place, text)?;
                    let hex = if str::from_utf8(&path).is_err() { hex(&path) } else { String::new() };
                    self.cell(&mut place, if hex.is_empty() { Cell::Nothing } else { Cell::Text(&hex) })?;
                    self.path = path;
                }
                cell => self.cell(&mut place, cell)?,
            }
        }
        debug_assert_eq!(place.column, self.columns.len(), "a cell for each column");
        self.out.write_str(if self.format == Format::Json { "}\n" } else { "\n" })
    }

    fn cell(&mut self, place: &mut Place, cell: Cell<'_>) -> fmt::Result {
        let is_json = self.format == Format::Json;
        if is_json && !matches!(cell, Cell::Nothing) {
            let comma = if place.is_empty { "" } else { "," };
            write!(self.out, "{comma}\"{}\":", self.columns[place.column])?;
            place.is_empty = false;
        } else if !is_json && place.column > 0 {
            self.out.write_str(",")?;
        }
        place.column += 1;
        match cell {
            Cell::Nothing | Cell::Entry(..) => Ok(()),
            Cell::Number(number) => write!(self.out, "{number}"),
            Cell::PerMille(number) => write!(self.out, "{}.{}", number / 10, number % 10),
            Cell::Digest(digest) if is_json => write!(self.out, "\"{digest}\""),
            Cell::Digest(digest) => write!(self.out, "{digest}"),
            Cell::Text(text) if is_json => {
                // A string is always representable.
                self.out.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
            }
            Cell::Text(text) => quoted(self.out, text),
        }
    }
}

struct Place {
    column: usize,
    is_empty: bool,
}

/// A field of a CSV file.
fn quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    if !text.contains(['"', ',', '\n', '\r']) {
        return out.write_str(text);
    }
    out.write_str("\"")?;
    for (at, part) in text.split('"').enumerate() {
        out.write_str(if at == 0 { "" } else { "\"\"" })?;
        out.write_str(part)?;
    }
    out.write_str("\"")
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
