//! What speaks against an import.
//!
//! Rows are weighed where they would stand: beside the rows of the record that they do not replace. A
//! row of the record that no file names stays unless removal is asked for, because a file with half
//! the list must not send half the residents away. What is wrong in the record already does not speak
//! against an import that leaves it as it is.

use std::collections::BTreeSet;

use super::book::Registry;
use super::csv::{RowProblem, Severity, Table, check_types, cross_check};
use super::device_types::DeviceTypes;
use super::rows::{Row, RowId};

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Which list.
    pub table: Table,
    /// The columns it has; the record's cells in others stay as they are.
    pub columns: Vec<&'static str>,
    /// Its rows with the lines they begin on.
    pub rows: Vec<(u64, Row)>,
    /// What is wrong with them.
    pub problems: Vec<RowProblem>,
}

/// What is to happen with rows that are missing or bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Rows of the record that a file of their table does not name are taken out.
    pub remove: bool,
    /// Bad rows are left out, and what leans on them.
    pub skip_bad: bool,
}

/// The rows that would be taken in, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The rows with their lines, in the order of the files.
    pub rows: Vec<(u64, Row)>,
    /// Everything found, also about rows that were left out.
    pub problems: Vec<RowProblem>,
    /// Whether the rows may be taken in.
    pub usable: bool,
}

/// Judges all files of an import together.
pub fn judge(
    record: &Registry,
    types: &DeviceTypes,
    brought: Vec<Brought>,
    wanted: Wanted,
) -> Judged {
    let tables: Vec<Table> = brought.iter().map(|file| file.table).collect();
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for file in brought {
        rows.extend(kept_cells(record, &file.columns, file.rows));
        problems.extend(file.problems);
    }
    if wanted.skip_bad {
        leave_out(record, types, &tables, &mut rows, &mut problems);
    } else {
        let lossy: Vec<Table> =
            problems.iter().filter(|p| p.loses_rows()).map(|p| p.table).collect();
        let found = weigh(record, types, (&tables, &rows), wanted.remove);
        // "Home unknown" would only repeat that a row of homes.csv is bad.
        let says_more = |p: &RowProblem| p.needs().is_none_or(|table| !lossy.contains(&table));
        problems.extend(found.into_iter().filter(says_more));
    }
    let settled = |p: &RowProblem| wanted.skip_bad && p.is_of_a_row();
    let usable = problems.iter().all(|p| p.severity == Severity::Warning || settled(p));
    Judged { rows, problems, usable }
}

/// Rows with the record's cells in the columns that their file does not have.
fn kept_cells(
    record: &Registry,
    columns: &[&str],
    rows: Vec<(u64, Row)>,
) -> impl Iterator<Item = (u64, Row)> {
    rows.into_iter().map(move |(line, row)| match record.row(&row.id()) {
        Some(standing) => (line, row.keeping(&standing, columns)),
        None => (line, row),
    })
}

/// What is wrong with rows, numbered by their lines, in the place where they would stand. With
/// `removing`, rows of the named tables that were not brought are gone.
fn weigh(
    record: &Registry,
    types: &DeviceTypes,
    (tables, rows): (&[Table], &[(u64, Row)]),
    removing: bool,
) -> Vec<RowProblem> {
    let brought: BTreeSet<RowId> = rows.iter().map(|(_, row)| row.id()).collect();
    let standing = |table: Table| table.rows(record).into_iter().map(|row| (0, row));
    let before: Vec<(u64, Row)> = Table::ALL.into_iter().flat_map(standing).collect();
    let stays = |row: &Row| {
        let gone = removing && tables.contains(&Table::of(row));
        !gone && !brought.contains(&row.id())
    };
    // Rows of the record stand first: a name that is given twice is then told where it was brought.
    let kept = before.iter().filter(|(_, row)| stays(row));
    let after: Vec<(u64, Row)> = kept.chain(rows).cloned().collect();
    let wrong = |rows: &[(u64, Row)]| [cross_check(rows), check_types(rows, types)].concat();
    let known: BTreeSet<(&str, String)> =
        wrong(&before).into_iter().map(|p| (p.code, p.message)).collect();
    let is_new = |p: &RowProblem| p.line > 0 && p.code != "nobody-to-call";
    let mut found = wrong(&after);
    found.retain(|p| is_new(p) || !known.contains(&(p.code, p.message.clone())));
    found
}

/// Takes out every row with a problem, and then those that only have one because a row is out, until
/// the rest can stand; adds the problems met on the way.
fn leave_out(
    record: &Registry,
    types: &DeviceTypes,
    tables: &[Table],
    rows: &mut Vec<(u64, Row)>,
    problems: &mut Vec<RowProblem>,
) {
    let key = |p: &RowProblem| (p.table, p.line, p.column, p.code, p.message.clone());
    let mut told: BTreeSet<_> = problems.iter().map(key).collect();
    let mut news = problems.clone();
    // Each round but the last takes a row out.
    loop {
        let is_bad = |p: &&RowProblem| p.severity == Severity::Problem && p.is_of_a_row();
        let bad: BTreeSet<(Table, u64)> =
            news.iter().filter(is_bad).map(|p| (p.table, p.line)).collect();
        rows.retain(|(line, row)| !bad.contains(&(Table::of(row), *line)));
        news = weigh(record, types, (tables, rows), false);
        news.retain(|p| told.insert(key(p)));
        problems.extend(news.iter().cloned());
        if !news.iter().any(|p| is_bad(&p)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::registry::csv::{columns, read};
    use crate::registry::small_centre::{record, rows};
    use crate::registry::{DeviceType, Family, ZigbeeType};

    fn types() -> DeviceTypes {
        let button = DeviceType {
            family: Family::NativeMqtt,
            label: String::new(),
            life_safety: true,
            actions: BTreeMap::new(),
            watch: Default::default(),
            test_every: None,
            zigbee: ZigbeeType::default(),
            bridged: Default::default(),
        };
        DeviceTypes::from([("button".to_owned(), button)])
    }

    fn codes(problems: &[RowProblem]) -> Vec<(u64, &str)> {
        problems.iter().map(|p| (p.line, p.code)).collect()
    }

    fn weighed(lists: &[(Table, &str)], removing: bool) -> Vec<RowProblem> {
        let tables: Vec<Table> = lists.iter().map(|(table, _)| *table).collect();
        weigh(&record(), &types(), (&tables, &rows(lists)), removing)
    }

    #[test]
    fn a_list_may_name_what_stands_in_the_record_only() {
        assert_eq!(codes(&weighed(&[(Table::Residents, "id,home\nR9,H2\n")], false)), []);
        let wrong = weighed(&[(Table::Residents, "id,home\nR9,H9\n")], false);
        assert_eq!(codes(&wrong), [(2, "home-unknown")]);
    }

    #[test]
    fn a_name_that_the_record_has_already_is_told_on_the_row_that_was_brought() {
        let lists = [(Table::Devices, "id,type,heard_as,home\nB-2,button,hall,H1\n")];
        assert_eq!(codes(&weighed(&lists, false)), [(2, "heard-name-twice")]);
        assert_eq!(codes(&weighed(&lists, true)), [], "the one that had it goes");
    }

    #[test]
    fn a_contact_and_a_person_of_one_id_are_told_on_the_row_that_was_brought() {
        let contact = [(Table::Contacts, "id,relation,home\nli,family,H1\n")];
        assert_eq!(codes(&weighed(&contact, false)), [(2, "id-twice")]);
        let mut record = record();
        let known = rows(&[(Table::Contacts, "id,relation,home\nwu,family,H1\n")]);
        known.into_iter().for_each(|(_, row)| record.apply(&crate::registry::Change::Set(row)));
        let person = rows(&[(Table::People, "id,role,phone\nwu,staff,1\n")]);
        let found = weigh(&record, &types(), (&[Table::People], &person), false);
        assert_eq!(codes(&found), [(2, "id-twice")]);
    }

    #[test]
    fn a_home_that_somebody_lives_in_cannot_be_taken_out_alone() {
        let wrong = weighed(&[(Table::Homes, "id\nH2\n")], true);
        assert_eq!(codes(&wrong), [(0, "home-unknown"), (0, "home-unknown"), (0, "home-unknown")]);
        assert_eq!(codes(&weighed(&[(Table::Homes, "id\nH2\n")], false)), []);
    }

    #[test]
    fn the_last_one_to_call_cannot_be_taken_out() {
        let wrong = weighed(&[(Table::People, "id,role,phone\nli,technician,1\n")], false);
        assert_eq!(codes(&wrong), [(1, "nobody-to-call")]);
    }

    #[test]
    fn what_is_wrong_in_the_record_already_stops_no_import_of_something_else() {
        let none = DeviceTypes::new();
        let lists = [(Table::Residents, "id,home\nR9,H2\n")];
        let found = weigh(&record(), &none, (&[Table::Residents], &rows(&lists)), false);
        assert_eq!(codes(&found), []);
        let lists = [(Table::Devices, "id,type,home\nB-1,button,H2\n")];
        let found = weigh(&record(), &none, (&[Table::Devices], &rows(&lists)), false);
        assert_eq!(codes(&found), [(2, "device-type-unknown")]);
    }

    fn brought(lists: &[(Table, &str)]) -> Vec<Brought> {
        let of = |(table, text): &(Table, &str)| {
            let (rows, problems) = read(*table, text);
            Brought { table: *table, columns: columns(*table, text), rows, problems }
        };
        lists.iter().map(of).collect()
    }

    const LEANING: [(Table, &str); 3] = [
        (Table::Homes, "id,on_site\nH8,maybe\nH9,no\nH 7,no\n"),
        (Table::Residents, "id,home\nR8,H8\nR9,H9\nR7,H7\n"),
        (Table::Devices, "id,type,resident\nB-8,button,R8\nB-9,button,R9\n"),
    ];

    #[test]
    fn a_bad_row_is_named_once_and_not_again_by_all_that_lean_on_it() {
        let judged = judge(&record(), &types(), brought(&LEANING), Wanted::default());
        assert_eq!(codes(&judged.problems), [(2, "yes-no-malformed"), (4, "id-malformed")]);
        assert!(!judged.usable);
    }

    #[test]
    fn rows_that_lean_on_a_bad_row_are_left_out_with_it() {
        let wanted = Wanted { skip_bad: true, ..Wanted::default() };
        let judged = judge(&record(), &types(), brought(&LEANING), wanted);
        let left: Vec<String> = judged.rows.iter().map(|(_, row)| row.cells()[0].clone()).collect();
        assert_eq!(left, ["H9", "R9", "B-9"]);
        assert!(judged.usable);
        assert_eq!(
            codes(&judged.problems),
            [
                (2, "yes-no-malformed"),
                (4, "id-malformed"),
                (2, "home-unknown"),
                (4, "home-unknown"),
                (2, "resident-unknown"),
                (2, "device-nowhere"),
            ]
        );
    }

    #[test]
    fn rows_are_left_out_also_when_only_their_neighbours_speak_against_them() {
        let wanted = Wanted { skip_bad: true, ..Wanted::default() };
        let lists = [(Table::Residents, "id,home\nR8,H404\nR9,H2\n")];
        let judged = judge(&record(), &types(), brought(&lists), wanted);
        assert_eq!((judged.rows.len(), judged.usable), (1, true));
    }

    #[test]
    fn a_column_that_a_list_does_not_have_takes_nothing_away() {
        let lists = [(Table::Residents, "编号,姓名\nR1,王桂花\nR9,何永福\n")];
        let judged = judge(&record(), &types(), brought(&lists), Wanted::default());
        let cells: Vec<Vec<String>> = judged.rows.iter().map(|(_, row)| row.cells()).collect();
        assert_eq!(cells[0], ["R1", "王桂花", "1943", "H1", "", "", ""]);
        assert_eq!(cells[1], ["R9", "何永福", "", "", "", "", ""]);
        let emptied = [(Table::Residents, "id,born\nR1,\n")];
        let judged = judge(&record(), &types(), brought(&emptied), Wanted::default());
        assert_eq!(judged.rows[0].1.cells()[..3], ["R1", "王桂芳", ""]);
    }

    #[test]
    fn a_file_that_is_wrong_as_a_whole_is_not_saved_by_leaving_rows_out() {
        let wanted = Wanted { skip_bad: true, ..Wanted::default() };
        for text in ["id,name\nli,李\n", "id,role,phone\nli,technician,1\n", "id,role,x\n"] {
            let judged = judge(&record(), &types(), brought(&[(Table::People, text)]), wanted);
            assert!(!judged.usable, "{text}");
        }
    }
}
