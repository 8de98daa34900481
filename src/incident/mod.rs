//! The engine: what an incident is, who is called when, and what ends it.
//!
//! Pure: time, facts and what stands at the moment go in; facts, orders and the next deadline with
//! its reason come out. [`IncidentBook::decide`] looks and changes nothing; [`IncidentBook::apply`]
//! changes and decides nothing, so a restart is a replay. Built to the transition table, timers and
//! special rules of the escalation notes; chosen over timers in tasks and over a table of rows in a
//! database, because a test can turn this clock and kill it between any two facts.
//!
//! Three things hold whatever comes in: an open incident has exactly one stage deadline; only a
//! person's answer makes it quieter; the end of a ladder calls everybody, for ever.

mod answer;
mod apply;
mod battery;
mod bed;
mod book;
mod bounds;
mod brought;
mod clock_set;
mod codes;
pub mod coverage;
mod deadline;
mod decide;
mod dry_run;
mod duty;
mod effects;
mod entry;
mod fact;
mod fact_name;
mod identity;
mod ladder;
mod life;
mod life_sign;
mod mains;
mod order;
mod outcome;
mod policy;
mod press;
mod reply;
mod sameness;
mod stage;
mod stimulus;
mod story;
mod suspect;
mod words;
mod work;

pub use crate::terms::{BootMark, Resumed};
pub use battery::{BATTERY_CHANGE_AT, Battery};
pub use bed::{BedEnd, CallBed, bed_behind};
pub use book::{IncidentBook, OWED_MAX};
pub use dry_run::{DryRun, WouldCall};
pub use duty::{DutyAsked, NoDutyChange};
pub use entry::Entry;
pub use fact::{Call, Fact};
pub use life::{AWAY_MAX, LastWindow, LifeLook, LifePlan, LifeRule, Unjudged};
pub use life_sign::LifeSign;
pub use mains::{BATTERY_LOW, Cut, Power, RUNTIME_LOW, Supply};
pub use order::{Carrier, Effect, Needs, Notice, Order, OrderId, OrderState, Outcome};
pub use outcome::ATTEMPTS_MAX;
pub use policy::{
    Ladder, Policy, PolicyHash, RECORDED_TEXT_MAX, Rung, Subscription, Waits, Who, recorded_len,
};
pub use reply::{Meant, ReplyWord};
pub use sameness::{DeviceMemory, Level, Sameness};
pub use stage::{Incident, Responder, Stage};
pub use stimulus::{
    Answer, Contact, Ending, HUB_FAMILY, Ignored, Move, Retired, Standing, Stimulus, TakenOver,
    Trouble, Via, Why,
};
pub use story::{StageTimes, Story, StoryKind};
pub use suspect::{
    FALSE_ALARMS, FALSE_ALARMS_WITHIN, MISSED_OFTEN, MISSED_WITHIN, Missed, STUCK_ABOVE,
    STUCK_WITHIN,
};
pub use words::{BadWord, HeardWord, WORD_MAX_BYTES, WORDS_MAX, WordId};
pub use work::{
    LIFE_SAFETY_MAX, MAINTENANCE_MAX, SCOPE_MAX, Scope, WALK_TEST_MAX, WORK_MIN, WORKS_MAX, Work,
    WorkAsked, WorkKind,
};

use serde::{Deserialize, Serialize};

/// The stage's bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Waits for working hours.
    Queued,
    /// People are being called.
    Calling,
    /// A person accepted.
    Accepted,
    /// A person is on the way.
    OnTheWay,
    /// A person is there.
    OnScene,
    /// Over.
    Resolved,
    /// Followed up.
    FollowedUp,
}

impl StageName {
    /// The word in events and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Calling => "calling",
            Self::Accepted => "accepted",
            Self::OnTheWay => "on_the_way",
            Self::OnScene => "on_scene",
            Self::Resolved => "resolved",
            Self::FollowedUp => "followed_up",
        }
    }
}
