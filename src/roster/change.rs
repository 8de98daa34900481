//! What people change about a plan that stands: somebody steps in, two trade their shifts, somebody is
//! away.
//!
//! Each has its hours, a person who said it and a number; it is a fact in the record, and the rules it
//! changes stay in the file. At one moment the newest override of a line wins over everything but leave
//! that was said after it. Else the
//! planned people stand there, each replaced by whom they trade with, without those who are away. Leave
//! never empties a line in silence: then its fallback is asked, as in any gap.

use serde::{Deserialize, Serialize};

use crate::terms::{DutyChangeId, LineId, PersonId, Wait, Wall};

/// Changes that are kept; beyond it a further one is refused. Own choice: two a person of a full centre.
pub const DUTY_CHANGES_MAX: usize = 400;
/// People that one override may name.
pub const OVERRIDE_PEOPLE_MAX: usize = 16;
/// Longest change. Own choice: a year's leave.
pub const DUTY_CHANGE_LONGEST: Wait = Wait::hours(366 * 24);

/// One change of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyChange {
    /// Its number.
    pub id: DutyChangeId,
    /// Its first moment.
    pub from: Wall,
    /// The first moment after.
    pub to: Wall,
    /// What changes.
    pub what: DutyChanged,
    /// Who said so.
    pub by: PersonId,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyChanged {
    /// These people stand on a line, and nobody else.
    Override {
        /// The line.
        line: LineId,
        /// Who, 1 to [`OVERRIDE_PEOPLE_MAX`].
        people: Vec<PersonId>,
    },
    /// Two people trade their shifts, on every line.
    Swap {
        /// The one.
        one: PersonId,
        /// The other.
        other: PersonId,
    },
    /// Somebody is away.
    Leave {
        /// Who.
        who: PersonId,
    },
}

impl DutyChange {
    /// Whether it holds at a moment.
    pub fn holds(&self, at: Wall) -> bool {
        self.from <= at && at < self.to
    }
}

impl DutyChanged {
    /// Everybody it names.
    pub fn people(&self) -> Vec<&PersonId> {
        match self {
            Self::Override { people, .. } => people.iter().collect(),
            Self::Swap { one, other } => vec![one, other],
            Self::Leave { who } => vec![who],
        }
    }

    /// Who stands in for somebody.
    pub(super) fn instead_of<'a>(&'a self, person: &PersonId) -> Option<&'a PersonId> {
        match self {
            Self::Swap { one, other } if one == person => Some(other),
            Self::Swap { one, other } if other == person => Some(one),
            _ => None,
        }
    }
}
