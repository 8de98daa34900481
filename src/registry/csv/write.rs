//! From rows to a file's text.

use ::csv::WriterBuilder;

use super::Table;
use super::guard::guarded;
use crate::registry::book::Registry;
use crate::registry::rows::Row;

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
        let cells = cells(&row);
        writer.write_record(cells.iter().map(|cell| guarded(cell, form).into_owned()))?;
    }
    writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))
}

/// A row's cells in the order of its table's columns.
pub(in crate::registry) fn cells(row: &Row) -> Vec<String> {
    fn id<T: ToString>(id: Option<&T>) -> String {
        id.map(T::to_string).unwrap_or_default()
    }
    match row {
        Row::Resident(r) => vec![
            r.id.to_string(),
            r.name.clone(),
            id(r.born.as_ref()),
            id(r.home.as_ref()),
            r.phone.clone(),
            r.access.clone(),
        ],
        Row::Home(h) => vec![
            h.id.to_string(),
            h.place.clone(),
            h.short.clone(),
            h.grid.clone(),
            if h.on_site { "yes" } else { "no" }.to_owned(),
        ],
        Row::Device(d) => vec![
            d.id.to_string(),
            d.type_name.clone(),
            d.heard_as.clone(),
            id(d.home.as_ref()),
            id(d.resident.as_ref()),
            d.spot.clone(),
        ],
        Row::Person(p) => vec![
            p.id.to_string(),
            p.name.clone(),
            p.role.word().to_owned(),
            p.phone.clone(),
            p.email.clone(),
        ],
    }
}
