//! A technician's work, as it is asked for and as it stands.

use serde::{Deserialize, Serialize};

use crate::incident::{Carrier, Scope, WorkKind};
use crate::terms::{DeviceId, Kind, LinkId, PersonId, Wait, Wall, WorkId};

/// Longest time for which new devices may join. Own choice: Zigbee2MQTT's own limit is 254 s.
pub const JOIN_MAX: Wait = Wait::secs(254);

/// What a technician asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkAsk {
    /// A technician begins work on devices.
    Begin(BeginWork),
    /// Work that is being done is over.
    End {
        /// Which.
        work: WorkId,
        /// Who says so.
        by: PersonId,
    },
    /// How does this work stand?
    One {
        /// Which.
        work: WorkId,
    },
    /// What work is being done?
    All,
    /// A point has another device from now on.
    Swap {
        /// The point.
        device: DeviceId,
        /// The name its family hears the new one under, 1 to 128 bytes.
        heard_as: String,
        /// Who did it.
        by: PersonId,
    },
    /// Who would be called if a device called now?
    DryRun {
        /// Which.
        device: DeviceId,
        /// What it would say.
        kind: Kind,
    },
    /// New Zigbee devices may join for a while, or no longer.
    Join {
        /// On which wire; on every one that has a Zigbee2MQTT where none is named.
        #[serde(default)]
        link: Option<LinkId>,
        /// For how long: up to [`JOIN_MAX`]; nothing ends it.
        lasts: Wait,
        /// Who opens it.
        by: PersonId,
    },
}

/// Work that is to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginWork {
    /// What is done.
    pub kind: WorkKind,
    /// To which homes and devices, 1 to [`SCOPE_MAX`](crate::incident::SCOPE_MAX).
    pub scope: Vec<Scope>,
    /// By whom.
    pub by: PersonId,
    /// How long it takes at most, in ms: 1 min up to the [`WorkKind::longest`].
    pub lasts: Wait,
    /// Why; maintenance needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Longest reason in bytes. Own choice: a sentence.
pub const REASON_MAX_BYTES: usize = 512;

/// Work that is being done, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkView {
    /// Its number.
    pub id: WorkId,
    /// What is done.
    pub kind: WorkKind,
    /// To which homes and devices.
    pub scope: Vec<Scope>,
    /// The id of the person who does it.
    pub by: PersonId,
    /// Their name.
    pub name: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends by itself, by the wall clock.
    pub until: Wall,
    /// How long that is from now, in ms.
    pub left_ms: u64,
    /// Its devices, by home and spot.
    pub points: Vec<PointView>,
    /// Everything shown here is on disk; false while the disk fails.
    pub on_disk: bool,
}

/// One device of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointView {
    /// Which.
    pub device: DeviceId,
    /// Where it hangs, in words.
    pub place: String,
    /// What staff call it.
    pub label: String,
    /// What it said since the work began: noted in a walk test, held back in maintenance.
    pub heard: Vec<Kind>,
    /// What was wrong with it since then: a signal that could not be read, silence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<Kind>,
    /// What it still says is on: at the end of the work that calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_on: Vec<Kind>,
}

/// What would come of a device's call, if nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRunView {
    /// The device.
    pub device: DeviceId,
    /// What it would say.
    pub kind: Kind,
    /// The line that staff would read; empty where nobody would be called.
    pub text: String,
    /// Where to go, in words.
    pub place: String,
    /// The residents, in words; empty when unknown.
    pub residents: String,
    /// The steps, in order.
    pub steps: Vec<StepView>,
}

/// One step of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// How long after the press, in ms.
    pub after_ms: u64,
    /// Who is called.
    pub people: Vec<ReachView>,
}

/// How one person would be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachView {
    /// Who.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// By what, and whether it works now.
    pub by: Vec<(Carrier, bool)>,
}

impl DryRunView {
    /// Whether somebody would be reached in the first step, as far as the hub knows.
    pub fn reaches_somebody(&self) -> bool {
        let works = |person: &ReachView| person.by.iter().any(|(_, works)| *works);
        self.steps.first().is_some_and(|step| step.people.iter().any(works))
    }
}

/// A device that is to take another's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swapped {
    /// The point.
    pub device: DeviceId,
    /// Under which name the old one was heard.
    pub from: String,
    /// Under which the new one is.
    pub to: String,
    /// It is on disk; false while the disk fails and it is held in memory only.
    pub on_disk: bool,
}
