//! Questions, answers, and the channel between.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{
    Beat, DevicesView, DryRunView, DutyAsk, DutyChanges, DutyPlan, EntriesView, Figures,
    HistoryView, IncidentView, LifeAsk, ListView, PastView, ResidentView, Sound, Status,
    StrangerView, Swapped, When, WorkAsk, WorkView,
};
use crate::incident::{Ignored, Move, StageName, Via, WordId};
use crate::registry::{Change, DeviceTypes, Registry};
use crate::terms::{
    Code, DeviceId, EndpointId, HubId, ImportId, IncidentId, LinkId, PersonId, Seq, Wall,
};

/// How many questions may wait at the counter; the next one is told to come again. Own choice: a
/// page and a command for each of 200 staff at once.
pub const ASKS_MAX: usize = 512;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How is the hub?
    Status,
    /// Which incidents are there: the open ones, or all in memory.
    Incidents {
        /// Those that are over as well.
        all: bool,
    },
    /// The open ones, a page of them by number.
    List {
        /// Only those behind this one.
        #[serde(default)]
        after: Option<IncidentId>,
        /// At most so many, [`LIST_MAX`](super::LIST_MAX) at most.
        most: usize,
    },
    /// Those of a span of time, in memory or in the archive; without a span those in memory and
    /// those of the last [`PAST_DAYS`](super::PAST_DAYS) days.
    Past {
        /// That began from then on.
        #[serde(default)]
        from: Option<When>,
        /// That began before then.
        #[serde(default)]
        to: Option<When>,
        /// That began in so many days before now; not together with `from`.
        #[serde(default)]
        days: Option<u16>,
    },
    /// What is remembered of a device.
    History {
        /// Which.
        device: DeviceId,
        /// At most so much, the newest; [`TRACES_MAX`](super::TRACES_MAX) at most.
        #[serde(default)]
        most: Option<usize>,
    },
    /// One incident by its code.
    Incident {
        /// Its code.
        code: Code,
    },
    /// One incident by its number, as a page behind a link shows it.
    IncidentById {
        /// Its number.
        id: IncidentId,
        /// Whose page it is, where it is somebody's.
        #[serde(default)]
        reader: Option<PersonId>,
    },
    /// Registered devices, a page of them by id.
    Devices {
        /// Only those behind this one.
        #[serde(default)]
        after: Option<DeviceId>,
        /// At most so many, [`LIST_MAX`](super::LIST_MAX) at most.
        most: usize,
    },
    /// Devices that were heard and that nobody registered.
    Strangers,
    /// Entries of the record that are on disk.
    Entries {
        /// Only those behind this one.
        after: Seq,
        /// At most so many, [`ENTRIES_MAX`](super::ENTRIES_MAX) at most.
        most: usize,
    },
    /// How does the house stand?
    Beat,
    /// The hub in numbers.
    Figures,
    /// A wall board says that it is there.
    Board {
        /// Its name, 1 to [`BOARD_MAX_BYTES`](super::BOARD_MAX_BYTES) bytes.
        id: String,
        /// Whether it can be heard.
        sound: Sound,
    },
    /// Who is on duty.
    Roster {
        /// At this time; now where none is named.
        #[serde(default)]
        at: Option<When>,
        /// In so many days from then on; at that moment where none are named.
        #[serde(default)]
        days: Option<u16>,
    },
    /// Which of these names, as the native contract hears them, belong to no device.
    Unregistered {
        /// The names.
        heard_as: Vec<DeviceId>,
    },
    /// Who is meant by an id or a name.
    Person {
        /// What people call them.
        said: String,
    },
    /// Who and what is registered?
    Registry,
    /// The registry is to change.
    Import(Import),
    /// A person gives up what an endpoint is owed: it will never be told.
    GiveUp {
        /// The endpoint.
        endpoint: EndpointId,
        /// Who.
        by: PersonId,
    },
    /// What a technician asks.
    Work(WorkAsk),
    /// What a person says of a resident.
    Life(LifeAsk),
    /// What people change about the duty plan.
    Duty(DutyAsk),
    /// A person says something about an incident.
    Say {
        /// Which.
        about: About,
        /// Who.
        by: PersonId,
        /// How it came.
        via: Via,
        /// The epoch the person was answering to.
        #[serde(default)]
        epoch: Option<u32>,
        /// What.
        says: Move,
        /// A note with it, at most [`NOTE_MAX_BYTES`].
        #[serde(default)]
        words: Option<String>,
        /// What the program that says it calls this answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word: Option<WordId>,
    },
}

/// Changes of the registry, to be taken into use together or not at all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The [`RegistryView::version`] they were made from: refused when the registry has changed
    /// since, because somebody has said yes to another difference.
    pub based_on: Seq,
    /// The changes, 1 to [`IMPORT_MAX`].
    pub changes: Vec<Change>,
}

impl std::fmt::Debug for Import {
    /// Without the rows: they are names and telephone numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Import({} changes of version {})", self.changes.len(), self.based_on)
    }
}

/// Most changes in one import. Own choice: four times a full hub's rows; more come in several.
pub const IMPORT_MAX: usize = 20_000;

/// Which incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// By its code.
    Code(Code),
    /// By its number.
    Id(IncidentId),
}

/// Longest note in bytes. Own choice: a long SMS of a careful person, far below an entry's limit.
pub const NOTE_MAX_BYTES: usize = 4096;

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How the hub is.
    Status(Box<Status>),
    /// The incidents, oldest first.
    Incidents(Vec<IncidentView>),
    /// A page of the incidents.
    List(Box<ListView>),
    /// A page of the devices.
    Devices(Box<DevicesView>),
    /// The devices that nobody registered, the last heard first.
    Strangers(Vec<StrangerView>),
    /// A stretch of the record.
    Entries(Box<EntriesView>),
    /// How the house stands.
    Beat(Box<Beat>),
    /// The hub in numbers.
    Figures(Box<Figures>),
    /// The incidents of a span.
    Past(Box<PastView>),
    /// A device's history.
    History(Box<HistoryView>),
    /// The incident.
    Incident(Box<IncidentView>),
    /// Who is on duty.
    Roster(Box<DutyPlan>),
    /// The names that belong to no device, in the order asked.
    Unregistered(Vec<DeviceId>),
    /// The person who is meant.
    Person(PersonId),
    /// The registry as it stands.
    Registry(Box<RegistryView>),
    /// The changes are taken into use.
    Imported(Imported),
    /// What became of what was said.
    Moved(Moved),
    /// The work as it stands, or stood when it ended.
    Work(Box<WorkView>),
    /// All work that is being done, oldest first.
    Works(Vec<WorkView>),
    /// The point has another device; it is on disk.
    Swapped(Swapped),
    /// How it stands with the resident; it is on disk.
    Resident(ResidentView),
    /// How the duty plan is changed.
    DutyChanges(DutyChanges),
    /// What would come of it.
    DryRun(Box<DryRunView>),
    /// The wires that were told to let devices join, or to let none join any more.
    Joining(Vec<LinkId>),
    /// So many events were given up; it is on disk.
    GivenUp {
        /// How many.
        events: u64,
    },
    /// What was asked about does not exist, or the question cannot be answered: what to do instead.
    Refused {
        /// One sentence.
        why: String,
        /// What a program can do about it.
        #[serde(default)]
        amiss: Amiss,
    },
}

/// What a program can do about a question that was refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amiss {
    /// Ask otherwise.
    #[default]
    Wrong,
    /// Read the incident anew, and say of it what is true now: its `epoch` is not reached.
    Epoch,
    /// Ask about something else: it does not exist.
    NoSuch,
    /// Give the answer another name: this one stands for another answer.
    Taken,
    /// Ask again in a moment.
    NotNow,
}

/// The registry, and what rows are checked against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryView {
    /// Changes with every change of a row.
    pub version: Seq,
    /// Whose record it is.
    #[serde(default)]
    pub hub: Option<HubId>,
    /// The rows.
    pub registry: Registry,
    /// The types of device that the hub knows.
    pub types: DeviceTypes,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Its number.
    pub import: ImportId,
    /// How many changes were taken into use.
    pub rows: usize,
    /// When it was on disk; absent while the disk fails and it is held in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Wall>,
}

/// What became of what a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The incident's code.
    pub code: Code,
    /// Why nothing changed; absent when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The same for a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Ignored>,
    /// The stage after it.
    pub stage: StageName,
    /// When it was on disk; absent while the disk fails and it is held in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Wall>,
    /// Whether this answer had been heard before, under the same name: it counted once, then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
}

/// A question with the place its answer goes to.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// Where the answer goes; nobody may be waiting any more.
    pub reply: oneshot::Sender<Reply>,
}
