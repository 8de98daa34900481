//! What the archive tells, as pages and commands see it: incidents that are over, a device's
//! history, response times, and who has been silent.

use serde::{Deserialize, Serialize};

use super::IncidentView;
use crate::terms::{Class, Code, DeviceId, IncidentId, Kind, Seq, Wall, What};

/// Days looked back where nobody names a span. Own choice: a month's meeting.
pub const PAST_DAYS: u16 = 30;
/// Most incidents in one answer; the newest. Own choice: a quarter of what fits a line of the
/// socket.
pub const PAST_MAX: usize = 4_000;
/// Most traces in one answer.
pub const TRACES_MAX: usize = 1_000;
/// Most devices named as silent longest.
pub const SILENT_SHOWN: usize = 3;

/// How far the archive is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ArchiveView {
    /// It is being opened.
    #[default]
    Opening,
    /// It is being made from the record; what it has not reached is not shown.
    Rebuilding {
        /// How much is done, 0–99.
        percent: u8,
    },
    /// It holds everything that is on disk.
    Level,
    /// It cannot be used at the moment, and is tried again.
    Off {
        /// Why, in one sentence.
        why: String,
    },
}

/// The incidents of a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastView {
    /// They, oldest first, at most [`PAST_MAX`] of the archive's.
    pub incidents: Vec<IncidentView>,
    /// There are older ones in the span.
    pub more: bool,
    /// How far the archive was.
    pub archive: ArchiveView,
}

/// A device's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// The device.
    pub device: DeviceId,
    /// What is remembered, oldest first.
    pub traces: Vec<TraceView>,
    /// How far the archive was.
    pub archive: ArchiveView,
}

/// One thing that is remembered of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceView {
    /// Its place in the record.
    pub seq: Seq,
    /// When.
    pub wall: Wall,
    /// What it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<What>,
    /// Battery in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// It was a test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// How many messages that it sent were never heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u32>,
    /// The incident that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<RaisedView>,
}

/// An incident of a device that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedView {
    /// Its number.
    pub incident: IncidentId,
    /// Its code.
    pub code: Code,
    /// Its class then.
    pub class: Class,
    /// Its kind.
    pub kind: Kind,
}

/// How fast people came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseView {
    /// Over how many days.
    pub days: u16,
    /// Over how many emergencies and hazards.
    pub incidents: usize,
    /// The median time until somebody accepted, in ms.
    pub to_accept_ms: Option<u64>,
    /// The median time until somebody was there, in ms.
    pub to_scene_ms: Option<u64>,
}

/// A registered device that has not been heard for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentView {
    /// Which.
    pub device: DeviceId,
    /// Where it hangs.
    pub place: String,
    /// When it was last heard.
    pub heard: Wall,
}
