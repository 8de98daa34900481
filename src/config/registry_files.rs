//! The registry's CSV files: read and checked by the registry room, placed in their files here.
//!
//! A file that is not there, or of which rows were lost, is not held against the others: "home
//! unknown" would only repeat that `homes.csv` is missing.

use std::ops::Range;

use super::codes;
use super::files::Files;
use super::problem::{Findings, Problem, Said, Severity, Spot};
use crate::registry::csv::{self, Column, RowProblem, Separator, Table};
use crate::registry::{DeviceTypes, Difference, Registry, Row};

/// The rows with their places.
pub(super) struct Rows {
    pub(super) rows: Vec<Said<Row>>,
    /// The same with their lines, as the registry room takes them.
    numbered: Vec<(u64, Row)>,
}

/// Reads all files and checks them against each other.
pub(super) fn read(files: &Files, out: &mut Findings<'_>) -> Rows {
    let mut rows = Rows { rows: Vec::new(), numbered: Vec::new() };
    for table in Table::ALL {
        let Some(text) = files.text(path(table)) else { continue };
        let (read, problems) = csv::read(table, text);
        let starts = line_starts(text);
        for problem in problems {
            if problem.loses_rows() {
                out.break_file(path(table));
            }
            tell(problem, files, out);
        }
        for (line, row) in read {
            let at = Spot { file: path(table), span: line_span(text, &starts, line) };
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

/// Where the files say otherwise than the hub's record, which holds once there is one.
pub fn compare(files: &Files, rows: &[Row], record: &Registry) -> Vec<Problem> {
    let mut out = Findings::new(files);
    for table in Table::ALL {
        if table.is_optional() && files.text(path(table)).is_none() {
            continue;
        }
        let columns = csv::columns(table, files.text(path(table)).unwrap_or_default());
        let kept = |row: &Row| match record.row(&row.id()) {
            Some(standing) => row.clone().keeping(&standing, &columns),
            None => row.clone(),
        };
        let rows: Vec<Row> = rows.iter().filter(|row| Table::of(row) == table).map(kept).collect();
        let Difference { added, changed, missing } = Difference::of(record, table, &rows);
        let counts =
            [(added.len(), "new"), (changed.len(), "different"), (missing.len(), "missing")];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if counts.is_empty() {
            continue;
        }
        let name = path(table);
        let message = format!("{name} differs from the hub's record: {}", counts.join(", "));
        let help = "run `anling import` to see the difference and take the file into use";
        out.add_to_file(&codes::REGISTRY_DIFFERS, name, message, help);
    }
    out.into_problems()
}

/// The file of a table, as [`Files::NAMES`] has it.
pub(super) const fn path(table: Table) -> &'static str {
    match table {
        Table::Residents => "registry/residents.csv",
        Table::Homes => "registry/homes.csv",
        Table::Devices => "registry/devices.csv",
        Table::People => "registry/people.csv",
        Table::Contacts => "registry/contacts.csv",
        Table::Beds => "registry/beds.csv",
    }
}

fn tell(problem: RowProblem, files: &Files, out: &mut Findings<'_>) {
    let file = path(problem.table);
    let severity = match problem.severity {
        csv::Severity::Problem => Severity::Problem,
        csv::Severity::Warning => Severity::Warning,
    };
    let text = files.text(file).unwrap_or_default();
    let line = line_span(text, &line_starts(text), problem.line);
    let column = problem.table.columns().iter().find(|c| Some(c.name) == problem.column);
    let span = column.and_then(|column| cell_span(text, &line, column)).unwrap_or(line);
    out.add_as((problem.code, severity), &Spot { file, span }, problem.message, problem.help);
}

/// Where each line begins.
fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// The bytes of a line, from 1, without its end.
fn line_span(text: &str, starts: &[usize], line: u64) -> Range<usize> {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(start) = starts.get(index).copied() else { return text.len()..text.len() };
    let end = starts.get(index.saturating_add(1)).copied().unwrap_or(text.len());
    start..start + text[start..end].trim_end_matches(['\r', '\n']).len()
}

/// The bytes of a row's cell; `None` where a quote stands in the way or the cell is not there.
fn cell_span(text: &str, line: &Range<usize>, column: &Column) -> Option<Range<usize>> {
    let header =
        text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty())?;
    let sign = Separator::of(text).sign();
    let index = header.split(sign).position(|name| column.is_called(name.trim()))?;
    let row = text.get(line.clone()).filter(|row| !row.contains('"'))?;
    let cell = row.split(sign).nth(index)?;
    let start = line.start + row.split(sign).take(index).map(|cell| cell.len() + 1).sum::<usize>();
    Some(start..start + cell.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_found_by_line_and_column() {
        let [.., spot] = Table::Devices.columns() else { panic!() };
        let text = "\u{feff}id,type,spot\r\nB-01,sos,床头\r\n\"B,02\",sos,\r\n";
        let starts = line_starts(text);
        let line = line_span(text, &starts, 2);
        assert_eq!(&text[line.clone()], "B-01,sos,床头");
        assert_eq!(&text[cell_span(text, &line, spot).unwrap()], "床头");
        assert_eq!(cell_span(text, &line_span(text, &starts, 3), spot), None);
        let sheet = "编号;位置\nB-01;床头\n";
        let line = line_span(sheet, &line_starts(sheet), 2);
        assert_eq!(&sheet[cell_span(sheet, &line, spot).unwrap()], "床头");
        assert_eq!(cell_span(sheet, &line, &Table::Devices.columns()[1]), None);
        assert_eq!(line_span(text, &starts, 99), text.len()..text.len());
    }
}
