//! An import between its first row and its last: all of it counts, or none.
//!
//! A list of 10,000 rows is more than the journal writes as one frame, and a cut may fall between
//! any two. So the changes of an import are brought under its number and lie beside the registry
//! until [`super::Fact::RegistryTaken`], one entry and therefore whole or absent, takes them all into use.
//! An import that was never taken ends with the next [`super::Fact::HubStarted`], because whoever had its
//! other rows is gone, or with the first row of another import. Chosen over one frame of any size
//! (presses would wait behind it) and over undoing the rows of a broken import (a recovery path).
//!
//! If damage later takes rows out of the record, the rest of a taken import still counts: the damage
//! is told loudly as a finding, and people who are known can be called.

use serde::{Deserialize, Serialize};

use super::IncidentBook;
use crate::registry::{Change, Row, RowId};
use crate::terms::{ImportId, Seq};

/// What was brought and is not taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Brought {
    import: ImportId,
    changes: Vec<Change>,
}

impl IncidentBook {
    /// The number of the next import.
    pub fn next_import(&self) -> ImportId {
        ImportId(self.last_import + 1)
    }

    /// The newest entry that changed the registry: its version. 0 where nothing ever did.
    pub fn registry_at(&self) -> Seq {
        self.registry_at
    }

    /// An import is taken when all of it was brought and no other came between.
    pub(super) fn whole_import(&self, import: ImportId, rows: usize) -> Option<&[Change]> {
        let brought = self.brought.as_ref()?;
        (brought.import == import && brought.changes.len() == rows).then_some(&brought.changes)
    }

    pub(super) fn bring(&mut self, import: ImportId, change: &Change) {
        self.last_import = self.last_import.max(import.0);
        match &mut self.brought {
            Some(brought) if brought.import == import => brought.changes.push(change.clone()),
            other => *other = Some(Brought { import, changes: vec![change.clone()] }),
        }
    }

    pub(super) fn take(&mut self, seq: Seq, import: ImportId) {
        let whole = self.brought.take_if(|brought| brought.import == import);
        for change in whole.iter().flat_map(|brought| &brought.changes) {
            self.change_registry(seq, change);
        }
    }

    pub(super) fn drop_unfinished(&mut self) {
        self.brought = None;
    }

    pub(super) fn change_registry(&mut self, seq: Seq, change: &Change) {
        self.registry_at = seq;
        self.registry.apply(change);
        match change {
            Change::Removed(RowId::Device(device)) => {
                self.forget_device(device);
                self.installed.remove(device);
            }
            Change::Set(Row::Device(row)) => {
                self.installed.entry(row.id.clone()).or_insert(self.last_wall);
            }
            _ => {}
        }
    }
}
