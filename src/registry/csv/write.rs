//! From rows to a file's text.

use ::csv::WriterBuilder;

use super::Table;
use super::guard::guarded;
use crate::registry::book::Registry;

/// For whom a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For programs and comparisons: cells as they are.
    Plain,
    /// For a spreadsheet: what it would calculate with or change is marked as text, see
    /// `guard.rs`.
    Spreadsheet,
}

/// Writes a table of the registry as a file: header line, rows by id, LF, without a byte order mark.
/// Reading it again gives the same rows.
#[expect(clippy::expect_used, reason = "memory takes every byte, and all rows are of one width")]
pub fn write(table: Table, registry: &Registry, form: Form) -> String {
    let bytes = written(table, registry, form).expect("rows are written to memory");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn written(table: Table, registry: &Registry, form: Form) -> Result<Vec<u8>, ::csv::Error> {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(table.columns().iter().map(|column| column.name))?;
    for row in table.rows(registry) {
        let cells = row.cells();
        writer.write_record(cells.iter().map(|cell| guarded(cell, form).into_owned()))?;
    }
    writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))
}
