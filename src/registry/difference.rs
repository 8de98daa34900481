//! What an import would do to the record, for the person who says yes to it.

use std::collections::BTreeMap;

use super::book::Registry;
use super::csv::Table;
use super::rows::{Row, RowId};

/// A row that is to be different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// As it stands.
    pub before: Row,
    /// As it was brought.
    pub after: Row,
}

impl Changed {
    /// The columns in which they differ, with both cells as a file has them.
    pub fn cells(&self) -> Vec<(&'static str, String, String)> {
        let columns = Table::of(&self.after).columns().iter().map(|column| column.name);
        let cells = self.before.cells().into_iter().zip(self.after.cells());
        columns
            .zip(cells)
            .filter(|(_, (before, after))| before != after)
            .map(|(name, (before, after))| (name, before, after))
            .collect()
    }
}

/// How the rows of one table differ from the record's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rows the record does not have.
    pub added: Vec<Row>,
    /// Rows it has otherwise.
    pub changed: Vec<Changed>,
    /// Rows of the record that were not brought.
    pub missing: Vec<Row>,
}

impl Difference {
    /// How these rows of a table differ from the record's; rows of other tables are passed over, and
    /// of two rows with one id the later counts.
    pub fn of(record: &Registry, table: Table, rows: &[Row]) -> Self {
        let mut standing: BTreeMap<RowId, Row> =
            table.rows(record).into_iter().map(|row| (row.id(), row)).collect();
        let brought: BTreeMap<RowId, &Row> =
            rows.iter().filter(|row| Table::of(row) == table).map(|row| (row.id(), row)).collect();
        let mut difference = Self::default();
        for (id, row) in brought {
            match standing.remove(&id) {
                None => difference.added.push(row.clone()),
                Some(before) if before == *row => {}
                Some(before) => difference.changed.push(Changed { before, after: row.clone() }),
            }
        }
        difference.missing = standing.into_values().collect();
        difference
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::changes;
    use crate::registry::small_centre::{record, rows};

    #[test]
    fn a_difference_names_new_changed_and_missing_rows_cell_by_cell() {
        let text = "id,name,born,home\nR1,王桂芳,1944,H2\nR3,陈秀英,,\n";
        let brought: Vec<Row> =
            rows(&[(Table::Residents, text)]).into_iter().map(|(_, row)| row).collect();
        let found = Difference::of(&record(), Table::Residents, &brought);
        assert_eq!((found.added.len(), found.missing.len()), (1, 1));
        assert_eq!(
            found.changed[0].cells(),
            [
                ("born", "1943".to_owned(), "1944".to_owned()),
                ("home", "H1".to_owned(), "H2".to_owned())
            ]
        );
        let all = changes(&record(), &[Table::Residents], &brought);
        assert_eq!(all.len(), 3, "the same as the changes that would be made");
        let same = Table::Homes.rows(&record());
        assert!(Difference::of(&record(), Table::Homes, &same).is_none());
    }
}
