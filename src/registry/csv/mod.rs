//! The registry as four CSV files, the form in which a centre already has its lists.
//!
//! Text comes in, rows and problems come out; the files themselves, and text that is not UTF-8, are
//! the caller's. One pass names every problem it can, with its line and column, instead of stopping
//! at the first: a list of 500 residents is mended in one evening, not in twenty attempts. A cell
//! that cannot be used is a problem and its row still comes out without it where that is possible,
//! so that one bad year of birth does not also make a device's resident unknown; whoever takes rows
//! in must refuse all of them while a [`Severity::Problem`] stands. Spreadsheets are met half way: a
//! byte order mark, CRLF, blank rows, blank cells after the last column, full-width digits and 是/否
//! are read as meant. A row with a cell too few is refused, because whatever follows a lost comma
//! would stand in the wrong column.

mod check;
mod problem;
mod read;
mod write;

pub use check::{check_types, cross_check};
pub use problem::{CODES, RowProblem, Severity};
pub use read::{PROBLEMS_MAX, ROWS_MAX, TEXT_MAX_UNITS, read};
pub use write::write;

use super::book::Registry;
use super::rows::Row;

/// The byte order mark: read away at the beginning of a file; put before what is written for a
/// spreadsheet, which otherwise shows Chinese as garbage.
pub const BOM: char = '\u{feff}';

/// One of the four files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// residents.csv
    Residents,
    /// homes.csv
    Homes,
    /// devices.csv
    Devices,
    /// people.csv
    People,
}

/// One column: its name in the header line, and whether the header and every row must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, that of the field it fills.
    pub name: &'static str,
    /// Whether nothing works without it.
    pub required: bool,
}

const fn required(name: &'static str) -> Column {
    Column { name, required: true }
}

const fn optional(name: &'static str) -> Column {
    Column { name, required: false }
}

const RESIDENTS: [Column; 6] = [
    required("id"),
    optional("name"),
    optional("born"),
    optional("home"),
    optional("phone"),
    optional("access"),
];
const HOMES: [Column; 5] =
    [required("id"), optional("place"), optional("short"), optional("grid"), optional("on_site")];
const DEVICES: [Column; 6] = [
    required("id"),
    required("type"),
    optional("heard_as"),
    optional("home"),
    optional("resident"),
    optional("spot"),
];
const PEOPLE: [Column; 5] =
    [required("id"), optional("name"), required("role"), optional("phone"), optional("email")];

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] = [Self::Residents, Self::Homes, Self::Devices, Self::People];

    /// The file's name in the registry's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Residents => "residents.csv",
            Self::Homes => "homes.csv",
            Self::Devices => "devices.csv",
            Self::People => "people.csv",
        }
    }

    /// Its columns, in the order in which they are written.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Residents => &RESIDENTS,
            Self::Homes => &HOMES,
            Self::Devices => &DEVICES,
            Self::People => &PEOPLE,
        }
    }

    /// The table a row stands in.
    pub fn of(row: &Row) -> Self {
        match row {
            Row::Resident(_) => Self::Residents,
            Row::Home(_) => Self::Homes,
            Row::Device(_) => Self::Devices,
            Row::Person(_) => Self::People,
        }
    }

    /// Its rows in a registry, by id.
    pub fn rows(self, registry: &Registry) -> Vec<Row> {
        match self {
            Self::Residents => registry.residents().cloned().map(Row::Resident).collect(),
            Self::Homes => registry.homes().cloned().map(Row::Home).collect(),
            Self::Devices => registry.devices().cloned().map(Row::Device).collect(),
            Self::People => registry.people().cloned().map(Row::Person).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
