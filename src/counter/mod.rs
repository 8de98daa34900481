//! What can be asked of the desk, and what it answers: pages and commands come to this counter.
//!
//! Questions and answers are plain data that also travels over the Unix socket as one JSON line
//! each, so a command, a page and a test ask in the same words. Answers that change something come
//! after the fact is on disk, and say so.

mod ask;
mod beat;
mod changes;
mod duty;
mod feed;
mod figures;
mod life;
mod listing;
mod pass;
mod past;
mod person;
mod view;
mod work;

pub use ask::{
    ASKS_MAX, About, Amiss, Ask, Asked, IMPORT_MAX, Import, Imported, Moved, NOTE_MAX_BYTES,
    RegistryView, Reply,
};
pub use beat::{BOARD_MAX_BYTES, BOARDS_MAX, Beat, BoardView, Sound, digest};
pub use changes::{DutyAsk, DutyChanges};
pub use duty::{DutyPlan, OnDuty, ShiftView, When};
pub use feed::{FOLLOWERS_MAX, Feed, FeedDoor, Follower, Step};
pub use figures::{FORCE_BOUNDS, Figures, Histogram, OpenAt};
pub use life::{LifeAsk, LifeView, ResidentView};
pub use listing::{
    BatteryView, ContractView, DeviceView, DevicesView, ENTRIES_MAX, EntriesView, EntryView,
    LIST_MAX, ListView, MissedView, StrangerView, page_of,
};
pub use pass::{PASS_MAX_CHARS, Pass};
pub use past::{
    ArchiveView, HistoryView, PAST_DAYS, PAST_MAX, PastView, RaisedView, ResponseView,
    SILENT_SHOWN, SilentView, TRACES_MAX, TraceView,
};
pub use person::person_meant;
pub use view::{
    BotView, CallView, CarrierView, DeviceCount, EndpointView, HeldView, IncidentView, LineView,
    ModemView, NextStep, OpenCount, PersonView, PowerView, RecordView, StationView, Status,
    WireView,
};
pub use work::{
    BeginWork, DryRunView, JOIN_MAX, PointView, REASON_MAX_BYTES, ReachView, StepView, Swapped,
    WorkAsk, WorkView,
};
