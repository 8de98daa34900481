//! A registry of a few rows that the room's tests begin with.

use super::csv::{Table, read};
use super::{Change, Registry, Row};

/// The rows of lists, with the lines they stand in.
pub(super) fn rows(lists: &[(Table, &str)]) -> Vec<(u64, Row)> {
    lists.iter().flat_map(|(table, text)| read(*table, text).0).collect()
}

/// Two homes, a couple, a button, a colleague.
pub(super) fn record() -> Registry {
    let mut record = Registry::default();
    let lists = [
        (Table::Homes, "id,place\nH1,一楼\nH2,二楼\n"),
        (Table::Residents, "id,name,born,home\nR1,王桂芳,1943,H1\nR2,李建国,1941,H1\n"),
        (Table::Devices, "id,type,heard_as,home\nB-1,button,hall,H1\n"),
        (Table::People, "id,role,phone\nli,staff,1\n"),
    ];
    rows(&lists).into_iter().for_each(|(_, row)| record.apply(&Change::Set(row)));
    record
}
