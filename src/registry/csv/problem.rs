//! What can be wrong with a row, with a code to look up, a place and what to do about it.

use Severity::{Problem, Warning};

use super::Table;

/// Whether rows with it may be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// They may; somebody should look.
    Warning,
    /// They may not.
    Problem,
}

/// One thing wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The file.
    pub table: Table,
    /// The line in the file on which the row begins, from 1; 0 for a row that came from no file.
    pub line: u64,
    /// The column, where it is about one.
    pub column: Option<&'static str>,
    /// Whether the rows may be taken in nevertheless.
    pub severity: Severity,
    /// What it is, in kebab-case; one of [`CODES`].
    pub code: &'static str,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl RowProblem {
    /// A problem with one of [`CODES`], as severe as that code is; a code that is not among them is
    /// a problem.
    pub(super) fn new(
        table: Table,
        (line, column): (u64, Option<&'static str>),
        code: &'static str,
        message: String,
        help: &str,
    ) -> Self {
        let severity = CODES
            .iter()
            .find(|(known, _, _)| *known == code)
            .map_or(Severity::Problem, |(_, severity, _)| *severity);
        Self { table, line, column, severity, code, message, help: help.to_owned() }
    }
}

impl RowProblem {
    /// Whether it is about one row, so that the file can be used without that row.
    pub fn is_of_a_row(&self) -> bool {
        const OF_THE_FILE: [&str; 8] = [
            "table-empty",
            "column-missing",
            "column-unknown",
            "column-twice",
            "quote-open",
            "rows-too-many",
            "problems-too-many",
            "nobody-to-call",
        ];
        self.line > 0 && !OF_THE_FILE.contains(&self.code)
    }

    /// Whether a row may not have come out because of it: a row needs its required cells only.
    pub fn loses_rows(&self) -> bool {
        let required =
            |name: &str| self.table.columns().iter().any(|c| c.required && c.name == name);
        self.severity == Problem && self.column.is_none_or(required)
    }

    /// The table that must be whole for it to mean anything.
    pub fn needs(&self) -> Option<Table> {
        match self.code {
            "home-unknown" | "grid-unknown" => Some(Table::Homes),
            "resident-unknown" | "device-nowhere" => Some(Table::Residents),
            "nobody-to-call" | "owner-unknown" => Some(Table::People),
            _ => None,
        }
    }
}

/// Every code that [`super::read`], [`super::cross_check`] and [`super::check_types`] can give, how
/// severe it is and what it means.
pub const CODES: [(&str, Severity, &str); 35] = [
    ("table-empty", Problem, "the file has no header line"),
    ("column-missing", Problem, "the header line lacks a column that every row needs"),
    ("column-unknown", Problem, "the header line names a column that does not exist"),
    ("column-twice", Problem, "the header line names a column twice"),
    ("cell-count", Problem, "a row has more or fewer cells than the header line"),
    ("quote-open", Problem, "a quote is not closed, and rows behind it are lost in a cell"),
    ("cell-missing", Problem, "a cell that every row needs is empty"),
    ("cell-too-long", Problem, "a cell is longer than any page or message can show"),
    ("cell-is-error", Problem, "a spreadsheet could not calculate or show a cell"),
    ("number-mangled", Problem, "a spreadsheet has made a rounded number of a cell"),
    ("short-too-long", Warning, "a home's short place is cut in messages"),
    ("rows-too-many", Problem, "the file has more rows than a hub serves"),
    ("problems-too-many", Problem, "the file has more problems than are listed"),
    ("id-malformed", Problem, "a cell that holds an id cannot be one"),
    ("id-twice", Problem, "two rows of a file have the same id"),
    ("year-malformed", Problem, "a year of birth is not a year from 1880 to 2200"),
    ("yes-no-malformed", Problem, "a cell is neither yes nor no"),
    ("role-unknown", Problem, "a person has a role that does not exist"),
    ("phone-odd", Warning, "a telephone number holds what cannot be dialled"),
    ("email-malformed", Problem, "a mail address cannot be one"),
    ("home-unknown", Problem, "a row names a home that is not in homes.csv"),
    ("resident-unknown", Problem, "a row names a resident who is not in residents.csv"),
    ("device-type-unknown", Problem, "a device is of a type that devices.toml does not describe"),
    ("heard-name-twice", Problem, "two devices would be heard under the same name"),
    ("device-nowhere", Warning, "nothing says where a device is"),
    ("person-unreachable", Warning, "a person has neither telephone nor mail address"),
    ("nobody-to-call", Problem, "nobody has the role staff or lead"),
    ("date-malformed", Problem, "a cell that holds a day cannot be one"),
    ("order-malformed", Problem, "a contact's place in the row is not 1 to 9"),
    ("relation-unknown", Problem, "a contact has a relation that does not exist"),
    ("contact-for-whom", Problem, "a contact is not for exactly one resident, home or grid"),
    ("grid-unknown", Warning, "a contact is for a grid that no home is in"),
    ("owner-unknown", Problem, "a resident's owner is not in people.csv"),
    ("dates-reversed", Problem, "a contract or a consent ends before it begins"),
    ("bed-twice", Problem, "one resident has two beds at once"),
];
