//! Questions, answers, and the channel between.

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{DutyPlan, IncidentView, Status, When};
use crate::incident::{Move, StageName, Via};
use crate::terms::{Code, DeviceId, EndpointId, IncidentId, PersonId, Wall};

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
    /// One incident by its code.
    Incident {
        /// Its code.
        code: Code,
    },
    /// One incident by its number, as a page behind a link shows it.
    IncidentById {
        /// Its number.
        id: IncidentId,
        /// Whose page it is.
        reader: PersonId,
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
    /// A person gives up what an endpoint is owed: it will never be told.
    GiveUp {
        /// The endpoint.
        endpoint: EndpointId,
        /// Who.
        by: PersonId,
    },
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
    },
}

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
    /// The incident.
    Incident(Box<IncidentView>),
    /// Who is on duty.
    Roster(Box<DutyPlan>),
    /// The names that belong to no device, in the order asked.
    Unregistered(Vec<DeviceId>),
    /// The person who is meant.
    Person(PersonId),
    /// What became of what was said.
    Moved(Moved),
    /// So many events were given up; it is on disk.
    GivenUp {
        /// How many.
        events: u64,
    },
    /// What was asked about does not exist, or the question cannot be answered: what to do instead.
    Refused {
        /// One sentence.
        why: String,
    },
}

/// What became of what a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The incident's code.
    pub code: Code,
    /// Why nothing changed; absent when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<String>,
    /// The stage after it.
    pub stage: StageName,
    /// When it was on disk; absent while the disk fails and it is held in memory only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_at: Option<Wall>,
}

/// A question with the place its answer goes to.
#[derive(Debug)]
pub struct Asked {
    /// The question.
    pub ask: Ask,
    /// Where the answer goes; nobody may be waiting any more.
    pub reply: oneshot::Sender<Reply>,
}
