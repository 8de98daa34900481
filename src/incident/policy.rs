//! The policy: ladders, waits and endpoints, as settings that are stamped on each incident.
//!
//! It is recorded whole ([`super::Fact::PolicyTaken`]) and named by its hash; an open incident keeps
//! the policy it began with, so editing a ladder never changes a running call. A stored policy that
//! cannot be read is answered with [`Policy::loud`], never with silence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Carrier, StoryKind};
use crate::registry::Relation;
use crate::terms::{Class, EndpointId, LineId, PersonId, Wait};

/// Whom a rung calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Whoever stands on this line at the moment of the call: `line:first`.
    Line(LineId),
    /// This person: `person:zhangmin`.
    Person(PersonId),
    /// The contacts of this relation of the incident's resident, home or grid, in their order:
    /// `contact:neighbour`.
    Contact(Relation),
    /// Everybody of the house: `everyone`.
    Everyone,
}

/// One step of a ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Whom it calls.
    pub who: Vec<Who>,
    /// By what, all at once.
    pub by: Vec<Carrier>,
    /// How long until the next step.
    pub wait: Wait,
}

/// How people are called for one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The steps, at least one.
    pub rungs: Vec<Rung>,
    /// The steps at night instead, for coverage; empty means the same as by day.
    pub night: Vec<Rung>,
    /// From the end of the ladder on: the wait between calls to everybody. Default 120 s
    /// (oncall.md 3.3).
    pub lap: Wait,
    /// The same once the ladder has been over for [`Ladder::lap_settles_after`]. Default 180 s, at
    /// most 300 s for what is urgent.
    pub lap_later: Wait,
    /// Default 10 min.
    pub lap_settles_after: Wait,
    /// From acceptance until a reminder that nobody has arrived: default 10 min, 4 min on site; for
    /// what is not urgent 4 h (own choice: within the same shift).
    pub remind: Wait,
    /// From acceptance until the call starts again: default 15 min, 8 min on site; for what is not
    /// urgent 24 h (own choice: the next working day), since nobody runs to an empty battery.
    pub arrive: Wait,
    /// [`Ladder::remind`] in the centre's own building.
    pub remind_on_site: Wait,
    /// [`Ladder::arrive`] in the centre's own building.
    pub arrive_on_site: Wait,
    /// How many people must accept; at least 1.
    pub needs: u8,
    /// Waits for working hours before the first step.
    pub work_hours_only: bool,
    /// Calls everybody at the end of the ladder; otherwise the last step again.
    pub all_hands: bool,
    /// The class it turns into at the end of the ladder: welfare → emergency.
    pub becomes: Option<Class>,
}

/// Waits that are the same for every class, with their defaults from oncall.md 3.3 and 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Two signals of a device without a count within this are one press: 3 s.
    pub bounce: Wait,
    /// A second press moves the ladder at most once within this: 20 s.
    pub press_again: Wait,
    /// A press within this after the end reopens: 10 min.
    pub reopen: Wait,
    /// Quiet on scene until the responder is reminded: 20 min.
    pub scene_remind: Wait,
    /// … until the lead is told: 60 min.
    pub scene_lead: Wait,
    /// … until the district is told, and again after each such span: 120 min (own choice: the table
    /// ends there, the incident does not).
    pub scene_district: Wait,
    /// How often a hazard is repeated to those who have not answered: 60 s.
    pub hazard_repeat: Wait,
    /// How many people on scene end a hazard's repeats: 2.
    pub hazard_on_scene: u8,
    /// How long the local sounder stays silenced: 120 s.
    pub silence: Wait,
    /// From the end until a follow-up is asked for, and again after as long: 24 h.
    pub follow_up: Wait,
    /// How long an incident that is over stays in memory: 7 days (own choice).
    pub keep: Wait,
    /// How long a code rests before it is given again: 24 h.
    pub code_rest: Wait,
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            bounce: Wait::secs(3),
            press_again: Wait::secs(20),
            reopen: Wait::mins(10),
            scene_remind: Wait::mins(20),
            scene_lead: Wait::mins(60),
            scene_district: Wait::mins(120),
            hazard_repeat: Wait::secs(60),
            hazard_on_scene: 2,
            silence: Wait::secs(120),
            follow_up: Wait::hours(24),
            keep: Wait::hours(24 * 7),
            code_rest: Wait::hours(24),
        }
    }
}

/// What an endpoint is told; empty sets mean everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Only these classes.
    pub classes: BTreeSet<Class>,
    /// Only these kinds of event.
    pub events: BTreeSet<StoryKind>,
}

impl Subscription {
    /// Whether it asks for this event.
    pub fn wants(&self, class: Class, event: StoryKind) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.events.is_empty() || self.events.contains(&event))
    }
}

/// The whole policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// One ladder a class; a class without one uses [`Policy::loud`]'s.
    pub ladders: BTreeMap<Class, Ladder>,
    /// Waits common to all.
    pub waits: Waits,
    /// Whom to tell about what goes wrong with a call: the duty lead.
    pub lead: Vec<Who>,
    /// By what.
    pub lead_by: Vec<Carrier>,
    /// Whose second line a resident's third press in 2 min adds.
    pub second: Vec<Who>,
    /// Machines that are told the story.
    pub endpoints: BTreeMap<EndpointId, Subscription>,
}

/// A policy's name: the first 16 hex digits of the SHA-256 over its JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyHash(pub String);

/// Longest policy or roster as the record holds it, in bytes: an entry of 16 KiB, less what stands
/// around the text.
pub const RECORDED_TEXT_MAX: usize = 16 * 1024 - 256;

/// How long a policy's or roster's text is in the record, in bytes: quotes and line ends are escaped
/// there.
pub fn recorded_len(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

impl Policy {
    /// The policy as it is recorded.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a recorded policy.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The name of a recorded policy.
    pub fn hash_of(text: &str) -> PolicyHash {
        let digest = Sha256::digest(text.as_bytes());
        PolicyHash(digest.iter().take(8).map(|b| format!("{b:02x}")).collect())
    }

    /// The policy where no other can be read: everybody, by everything that reaches one person, every 60 s.
    pub fn loud() -> Self {
        let ladders = Class::ALL.into_iter().map(|class| (class, Ladder::loud(class))).collect();
        Self {
            ladders,
            waits: Waits::default(),
            lead: vec![Who::Everyone],
            lead_by: Carrier::of_people(),
            second: vec![Who::Everyone],
            endpoints: BTreeMap::new(),
        }
    }
}

impl Ladder {
    /// One step that calls everybody by everything that reaches one person, with the default waits of
    /// the class.
    pub fn loud(class: Class) -> Self {
        let mut by = Carrier::of_people();
        // What can wait rings no telephone.
        by.retain(|carrier| *carrier != Carrier::Voice || class.is_urgent());
        let rung = Rung {
            who: vec![Who::Everyone],
            by,
            wait: if class.is_urgent() { Wait::secs(60) } else { Wait::hours(4) },
        };
        Self { rungs: vec![rung], ..Self::with_defaults(class) }
    }

    /// No steps yet, and the default waits of the class.
    pub fn with_defaults(class: Class) -> Self {
        let (lap, lap_later) = match class {
            Class::Fault | Class::Service | Class::Test => (Wait::hours(4), Wait::hours(24)),
            _ => (Wait::secs(120), Wait::secs(180)),
        };
        let (remind, arrive, remind_on_site, arrive_on_site) = match class.is_urgent() {
            true => (Wait::mins(10), Wait::mins(15), Wait::mins(4), Wait::mins(8)),
            false => (Wait::hours(4), Wait::hours(24), Wait::hours(4), Wait::hours(24)),
        };
        Self {
            rungs: Vec::new(),
            night: Vec::new(),
            lap,
            lap_later,
            lap_settles_after: Wait::mins(10),
            remind,
            arrive,
            remind_on_site,
            arrive_on_site,
            needs: 1,
            work_hours_only: matches!(class, Class::Fault | Class::Service),
            all_hands: class.is_urgent(),
            becomes: (class == Class::Welfare).then_some(Class::Emergency),
        }
    }
}
