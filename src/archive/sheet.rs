//! What is kept: a sheet for each incident, a trace for each turn of a device, and how far all of
//! it has come. Ids only, as in the facts: names are looked up by whoever shows it, and a note's
//! words are read from the record, so that a person can be forgotten in one place.

use serde::{Deserialize, Serialize};

use crate::incident::Incident;
use crate::terms::{At, Class, Code, IncidentId, Kind, Seq, Wait, Wall, What};

/// The layout of the values; another one is rebuilt.
pub(super) const FORMAT: u32 = 1;
/// Notes of one incident whose place is kept; the newest go first. Own choice.
pub const NOTES_KEPT: usize = 64;
/// People on the sheet of an incident that would be longer than a value may be. Own choice: half of
/// the largest staff.
pub(super) const PEOPLE_KEPT: usize = 100;

/// An incident as the archive keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sheet {
    /// The newest entry about it that the sheet covers.
    pub seq: Seq,
    /// It has left the engine's memory: nothing about it changes any more.
    pub filed: bool,
    /// The incident as the engine had it then, without its orders.
    pub incident: Incident,
    /// From its beginning until somebody accepted, by hub time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_accept: Option<Wait>,
    /// From its beginning until somebody was there, by hub time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_scene: Option<Wait>,
    /// Where in the record the words of its notes stand, at most [`NOTES_KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Seq>,
}

/// One thing that is remembered of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Its place in the record.
    pub seq: Seq,
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
    /// What happened.
    pub event: TraceEvent,
}

/// What happened to or by a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceEvent {
    /// It said something that had to survive.
    Said {
        /// What.
        what: What,
        /// Battery in percent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        battery: Option<u8>,
        /// It was a test.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        test: bool,
    },
    /// Messages that it sent were never heard.
    Missed {
        /// How many.
        count: u32,
    },
    /// An incident of it began.
    Raised {
        /// Its number.
        incident: IncidentId,
        /// Its code.
        code: Code,
        /// Its class then.
        class: Class,
        /// Its kind.
        kind: Kind,
    },
}

/// How far the archive has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub format: u32,
    /// The newest entry that is in it.
    pub cursor: Seq,
    /// Hub and wall time of that entry, where it is known: another record has others.
    pub times: Option<(At, Wall)>,
    /// How many sheets there must be.
    pub sheets: u64,
    /// How many traces there must be.
    pub traces: u64,
}

impl Reached {
    /// Of an archive that holds nothing.
    pub(super) fn new() -> Self {
        Self { format: FORMAT, cursor: Seq(0), times: None, sheets: 0, traces: 0 }
    }
}
