//! What can be asked of the duty plan: who steps in, who trades with whom, who is away.

use serde::{Deserialize, Serialize};

use super::When;
use crate::roster::{DutyChange, DutyChanged};
use crate::terms::{DutyChangeId, PersonId};

/// A question about the changes of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyAsk {
    /// Which there are: those that hold or come, and those that were over less than a week ago.
    All,
    /// Take one.
    Change {
        /// Its first moment; now where none is named.
        from: Option<When>,
        /// The first moment after.
        to: When,
        /// What changes.
        what: DutyChanged,
        /// Who says so.
        by: PersonId,
    },
    /// Take one back.
    Undo {
        /// Its number.
        change: DutyChangeId,
        /// Who says so.
        by: PersonId,
    },
}

/// The changes of the plan, and whether what was just said of them is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyChanges {
    /// By number.
    pub changes: Vec<DutyChange>,
    /// The centre's time zone, an IANA name.
    pub zone: String,
    /// False while the disk fails: they are in memory, and written as soon as it works.
    pub on_disk: bool,
}
