//! From the registry as it stands to the lists as they were brought: what has to change.

use std::collections::BTreeMap;

use super::book::Registry;
use super::csv::Table;
use super::rows::{Change, Row, RowId};

/// In which order tables are filled, so that no row names one that is still to come; they are
/// emptied the other way round.
const ORDER: [Table; 6] =
    [Table::Homes, Table::Residents, Table::Devices, Table::People, Table::Contacts, Table::Beds];

/// What turns the named tables of a registry into these rows: new and different rows first, then
/// the removal of rows that are gone. Tables that are not named stay as they are, so that a missing
/// file removes nobody. Of two rows with one id the later counts.
pub fn changes(from: &Registry, tables: &[Table], to: &[Row]) -> Vec<Change> {
    let wanted: BTreeMap<RowId, &Row> = to.iter().map(|row| (row.id(), row)).collect();
    let mut set = Vec::new();
    let mut removed = Vec::new();
    for table in ORDER.into_iter().filter(|table| tables.contains(table)) {
        let standing: BTreeMap<RowId, Row> =
            table.rows(from).into_iter().map(|row| (row.id(), row)).collect();
        let different = wanted
            .iter()
            .filter(|(id, row)| Table::of(row) == table && standing.get(id) != Some(**row));
        set.extend(different.map(|(_, row)| Change::Set((*row).clone())));
        let gone = standing.into_keys().filter(|id| !wanted.contains_key(id));
        removed.push(gone.map(Change::Removed).collect::<Vec<_>>());
    }
    set.into_iter().chain(removed.into_iter().rev().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::csv;

    fn rows(table: Table, text: &str) -> Vec<Row> {
        let (rows, problems) = csv::read(table, text);
        assert_eq!(problems, []);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn book(lists: &[(Table, &str)]) -> Registry {
        let mut book = Registry::default();
        let rows = lists.iter().flat_map(|(table, text)| rows(*table, text));
        rows.for_each(|row| book.apply(&Change::Set(row)));
        book
    }

    /// `+` for set and `-` for removed, with the row's table and id.
    fn said(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                Change::Set(row) => format!("+{:?}", row.id()),
                Change::Removed(id) => format!("-{id:?}"),
            })
            .collect()
    }

    #[test]
    fn a_first_start_brings_homes_before_those_who_name_them() {
        let lists = [
            rows(Table::Residents, "id,home\nR1,H1\n"),
            rows(Table::Homes, "id\nH1\n"),
            rows(Table::Devices, "id,type,home\nB-1,button,H1\n"),
            rows(Table::People, "id,role\nli,staff\n"),
        ];
        let all = changes(&Registry::default(), &Table::ALL, &lists.concat());
        assert_eq!(
            said(&all),
            [
                "+Home(HomeId(H1))",
                "+Resident(ResidentId(R1))",
                "+Device(DeviceId(B-1))",
                "+Person(PersonId(li))",
            ]
        );
    }

    #[test]
    fn a_list_that_was_not_brought_removes_nobody() {
        let book = book(&[(Table::Homes, "id\nH1\nH2\n"), (Table::People, "id,role\nli,staff\n")]);
        let homes = rows(Table::Homes, "id,place\nH2,二楼\nH3,三楼\n");
        let only_homes = changes(&book, &[Table::Homes], &homes);
        assert_eq!(
            said(&only_homes),
            ["+Home(HomeId(H2))", "+Home(HomeId(H3))", "-Home(HomeId(H1))"]
        );
        let everything = changes(&book, &Table::ALL, &homes);
        assert_eq!(said(&everything)[2..], ["-Person(PersonId(li))", "-Home(HomeId(H1))"]);
    }

    #[test]
    fn a_list_that_says_the_same_changes_nothing() {
        let text = "id,place\nH1,一楼\n";
        let book = book(&[(Table::Homes, text)]);
        assert_eq!(changes(&book, &Table::ALL, &rows(Table::Homes, text)), []);
    }

    #[test]
    fn a_device_that_is_replaced_keeps_its_heard_name() {
        let mut book = book(&[(Table::Devices, "id,type,heard_as\nB-1,button,sos\n")]);
        let swapped = rows(Table::Devices, "id,type,heard_as\nB-2,button,sos\n");
        changes(&book, &[Table::Devices], &swapped).iter().for_each(|c| book.apply(c));
        let types = Default::default();
        let found = book.by_heard_as(&types, crate::registry::Family::Zigbee2mqtt, "sos");
        assert_eq!(found.unwrap().id.as_str(), "B-2");
    }
}
