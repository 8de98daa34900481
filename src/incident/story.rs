//! The story as machines are told it: one event per fact that the outside may know.

use serde::{Deserialize, Serialize};

use super::{CallBed, Carrier, StageName};
use crate::terms::{Class, Code, DeviceId, IncidentId, Kind, PersonId, ResidentId, Seq, Wall};

/// The kind of an event; the `type` is `anling.incident.` and this word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoryKind {
    /// An incident began.
    Raised,
    /// A message about it was handed over.
    Notified,
    /// A person accepted.
    Accepted,
    /// A person is on the way.
    OnTheWay,
    /// A person is there.
    OnScene,
    /// It is over.
    Resolved,
    /// It was followed up.
    FollowedUp,
    /// It was over and began again.
    Reopened,
    /// A later step was called.
    Escalated,
    /// The ladder's end was reached: everybody is called, and the district is asked to take over.
    Exhausted,
}

impl StoryKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Raised,
        Self::Notified,
        Self::Accepted,
        Self::OnTheWay,
        Self::OnScene,
        Self::Resolved,
        Self::FollowedUp,
        Self::Reopened,
        Self::Escalated,
        Self::Exhausted,
    ];

    /// The last part of the event's `type`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Notified => "notified",
            Self::Accepted => "accepted",
            Self::OnTheWay => "on_the_way",
            Self::OnScene => "on_scene",
            Self::Resolved => "resolved",
            Self::FollowedUp => "followed_up",
            Self::Reopened => "reopened",
            Self::Escalated => "escalated",
            Self::Exhausted => "exhausted",
        }
    }

    /// The kind of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// When each stage was first reached, by the wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Raised.
    pub raised: Option<Wall>,
    /// First accepted.
    pub accepted: Option<Wall>,
    /// First on the way.
    pub on_the_way: Option<Wall>,
    /// First on scene.
    pub on_scene: Option<Wall>,
    /// Last resolved.
    pub resolved: Option<Wall>,
    /// Followed up.
    pub followed_up: Option<Wall>,
}

/// One event, as it stood when its fact was applied. Ids only: names are added when it is sent, as
/// far as the receiver's profile allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// The fact's sequence; with the hub's id it names the event.
    pub seq: Seq,
    /// What happened.
    pub event: StoryKind,
    /// When, by the wall clock.
    pub wall: Wall,
    /// Whether the wall clock could be trusted then.
    pub clock_trusted: bool,
    /// The incident.
    pub incident: IncidentId,
    /// Its code.
    pub code: Code,
    /// Its class then.
    pub class: Class,
    /// Its kind.
    pub kind: Kind,
    /// Its stage after the fact.
    pub stage: StageName,
    /// Its epoch.
    pub epoch: u32,
    /// The rung reached, from 0.
    pub rung: u8,
    /// How often it was pressed.
    pub press_count: u32,
    /// The device.
    pub device: DeviceId,
    /// The resident, where exactly one is meant.
    pub resident: Option<ResidentId>,
    /// When each stage was reached.
    pub times: StageTimes,
    /// Who this event is about, and by which carrier they were told.
    pub people: Vec<(PersonId, Option<Carrier>)>,
    /// A drill or a test.
    pub test: bool,
    /// The home-care bed it belongs to, and how its contract stood when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bed: Option<CallBed>,
}
