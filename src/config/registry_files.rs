//! The registry's CSV files: read and checked by the registry room, placed in their files here.
//!
//! A file that is not there, or of which rows were lost, is not held against the others: "home
//! unknown" would only repeat that `homes.csv` is missing.

use std::ops::Range;

use super::files::Files;
use super::problem::{Findings, Said, Severity, Spot};
use crate::registry::csv::{self, RowProblem, Table};
use crate::registry::{DeviceTypes, Row};

/// The rows with their places.
pub(super) struct Rows {
    pub(super) rows: Vec<Said<Row>>,
    /// The same with their lines, as the registry room takes them.
    numbered: Vec<(u64, Row)>,
}

/// Reads all four files and checks them against each other.
pub(super) fn read(files: &Files, out: &mut Findings<'_>) -> Rows {
    let mut rows = Rows { rows: Vec::new(), numbered: Vec::new() };
    for table in Table::ALL {
        let Some(text) = files.text(path(table)) else { continue };
        let (read, problems) = csv::read(table, text);
        for problem in problems {
            if problem.loses_rows() {
                out.break_file(path(table));
            }
            tell(problem, files, out);
        }
        for (line, row) in read {
            let at = Spot { file: path(table), span: line_span(text, line) };
            rows.numbered.push((line, row.clone()));
            rows.rows.push(Said { value: row, at });
        }
    }
    for problem in csv::cross_check(&rows.numbered) {
        if problem.needs().is_none_or(|table| out.is_whole(path(table))) {
            tell(problem, files, out);
        }
    }
    rows
}

/// Checks the devices' types against `devices.toml`.
pub(super) fn check_types(rows: &Rows, types: &DeviceTypes, files: &Files, out: &mut Findings<'_>) {
    if out.is_whole("devices.toml") {
        for problem in csv::check_types(&rows.numbered, types) {
            tell(problem, files, out);
        }
    }
}

/// The file of a table, as [`Files::NAMES`] has it.
pub(super) const fn path(table: Table) -> &'static str {
    match table {
        Table::Residents => "registry/residents.csv",
        Table::Homes => "registry/homes.csv",
        Table::Devices => "registry/devices.csv",
        Table::People => "registry/people.csv",
    }
}

fn tell(problem: RowProblem, files: &Files, out: &mut Findings<'_>) {
    let file = path(problem.table);
    let severity = match problem.severity {
        csv::Severity::Problem => Severity::Problem,
        csv::Severity::Warning => Severity::Warning,
    };
    let text = files.text(file).unwrap_or_default();
    let line = line_span(text, problem.line);
    let span = problem.column.and_then(|name| cell_span(text, &line, name)).unwrap_or(line);
    out.add_as((problem.code, severity), &Spot { file, span }, problem.message, problem.help);
}

/// The bytes of a line, from 1, without its end.
fn line_span(text: &str, line: u64) -> Range<usize> {
    let wanted = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut start = 0;
    for (number, part) in text.split_inclusive('\n').enumerate() {
        if number == wanted {
            return start..start + part.trim_end_matches(['\r', '\n']).len();
        }
        start += part.len();
    }
    start..start
}

/// The bytes of a row's cell; `None` where a quote stands in the way or the cell is not there.
fn cell_span(text: &str, line: &Range<usize>, column: &str) -> Option<Range<usize>> {
    let header =
        text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty())?;
    let index = header.split(',').position(|name| name.trim() == column)?;
    let row = text.get(line.clone()).filter(|row| !row.contains('"'))?;
    let cell = row.split(',').nth(index)?;
    let start = line.start + row.split(',').take(index).map(|cell| cell.len() + 1).sum::<usize>();
    Some(start..start + cell.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_by_line_and_column() {
        let text = "\u{feff}id,type,spot\r\nB-01,sos,床头\r\n\"B,02\",sos,\r\n";
        let line = line_span(text, 2);
        assert_eq!(&text[line.clone()], "B-01,sos,床头");
        assert_eq!(&text[cell_span(text, &line, "spot").unwrap()], "床头");
        assert_eq!(cell_span(text, &line_span(text, 3), "type"), None);
        assert_eq!(cell_span(text, &line, "no"), None);
        assert_eq!(line_span(text, 99), text.len()..text.len());
    }
}
