//! The words every room shares: ids, times, classes and kinds, and what crosses from room to room.
//!
//! Nothing here decides anything, reads a clock or touches a file. A type stands here only when two
//! rooms that may not import each other both need it. Ids and times are types, never bare strings
//! and numbers, so that a resident cannot be passed where a person on duty is meant and hub time
//! cannot be compared with wall time.

mod class;
mod command;
mod ids;
mod inbound;
mod json_source;
mod means;
mod modbus;
mod phone;
mod plain;
mod report;
mod secret;
mod serial_line;
mod supply;
mod time;

pub use class::{Class, Kind};
pub use command::{Command, FeedbackStage};
pub use ids::{
    BadId, BedId, Code, DeviceId, DutyChangeId, EndpointId, HomeId, HubId, ID_MAX_BYTES, ImportId,
    IncidentId, LineId, LinkId, NoteId, PersonId, ResidentId, Seq, StationId, WorkId,
};
pub use inbound::{Inbound, Receipt, Verdict};
pub use json_source::{JsonSource, TimeForm};
pub use means::Means;
pub use modbus::{ModbusOn, ModbusPoint, ModbusTable};
pub use phone::{Phone, masked};
pub use plain::{is_plain, plain};
pub use report::{Decoded, Decoder, Mark, Refusal, RefusalReason, Report, Sign, What};
pub use secret::Secret;
pub use serial_line::{
    CodeForm, CodeSum, ContactIdForm, Dialect, Framing, LinePattern, Radio, Spoken,
};
pub use supply::SupplySource;
pub use time::{At, BootMark, Resumed, Wait, Wall, WallReading};
