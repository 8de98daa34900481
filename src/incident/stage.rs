//! One incident: its stage, and what stands beside the stage.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{CallBed, Carrier, Ending, Fact, OrderId, PolicyHash, StageName, StageTimes, Why};
use crate::terms::{
    At, Class, Code, DeviceId, HomeId, IncidentId, Kind, Mark, PersonId, ResidentId, Wall,
};

/// Where an incident stands. Each variant holds what has meaning only there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for working hours; only what is not urgent.
    Queued {
        /// Until then.
        until: At,
    },
    /// People are being called, and nobody has it.
    Calling {
        /// The rung reached in this epoch, from 0.
        rung: u8,
        /// The lap after the ladder's end, from 0.
        lap: u32,
        /// When the last step was called.
        since: At,
        /// When the next is.
        next: At,
    },
    /// A person accepted.
    Accepted {
        /// The reminder, until it was given.
        remind: Option<At>,
        /// When the call starts again.
        arrive_by: At,
    },
    /// A person is on the way.
    OnTheWay {
        /// The reminder, until it was given.
        remind: Option<At>,
        /// When the call starts again.
        arrive_by: At,
    },
    /// A person is there.
    OnScene {
        /// How often they were asked whether they still are.
        asked: u32,
        /// When they are next.
        next: At,
    },
    /// Over.
    Resolved {
        /// Who said so.
        by: PersonId,
        /// How it ended.
        ending: Ending,
        /// When.
        since: At,
        /// When a follow-up is asked for.
        follow_up: Option<At>,
    },
    /// Followed up.
    FollowedUp {
        /// By whom.
        by: PersonId,
        /// How it had ended.
        ending: Ending,
        /// The resident's score.
        score: Option<u8>,
        /// When it was over.
        since: At,
    },
}

impl Stage {
    /// The stage's bare name.
    pub fn name(&self) -> StageName {
        match self {
            Self::Queued { .. } => StageName::Queued,
            Self::Calling { .. } => StageName::Calling,
            Self::Accepted { .. } => StageName::Accepted,
            Self::OnTheWay { .. } => StageName::OnTheWay,
            Self::OnScene { .. } => StageName::OnScene,
            Self::Resolved { .. } => StageName::Resolved,
            Self::FollowedUp { .. } => StageName::FollowedUp,
        }
    }

    /// Whether somebody still has to come.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Resolved { .. } | Self::FollowedUp { .. })
    }
}

/// What one person has to do with an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responder {
    /// Called, no answer.
    Called,
    /// Accepted.
    Accepted,
    /// On the way.
    OnTheWay,
    /// There.
    OnScene,
    /// Cannot come.
    Declined,
    /// Accepted and did not arrive in time.
    TimedOut,
    /// Released: somebody took over, or it is over.
    Done,
}

impl Responder {
    /// Whether this person is coming or there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Accepted | Self::OnTheWay | Self::OnScene)
    }
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// Its code.
    pub code: Code,
    /// Its class now.
    pub class: Class,
    /// Its kind.
    pub kind: Kind,
    /// The device.
    pub device: DeviceId,
    /// The home, where known.
    pub home: Option<HomeId>,
    /// The resident, where exactly one is meant.
    pub resident: Option<ResidentId>,
    /// The policy it keeps.
    pub policy: PolicyHash,
    /// Called by the night's steps.
    pub night: bool,
    /// When it began.
    pub raised_at: At,
    /// The same by the wall clock.
    pub raised_wall: Wall,
    /// Whether the wall clock could be trusted then.
    pub clock_trusted: bool,
    /// Related incidents.
    pub linked: Vec<IncidentId>,
    /// It was true before the hub started.
    pub found_at_start: bool,
    /// Where it stands.
    pub stage: Stage,
    /// Counts the times a call started anew.
    pub epoch: u32,
    /// How many people must come.
    pub needs: u8,
    /// Everybody who has to do with it, in the order they were called.
    pub responders: Vec<(PersonId, Responder)>,
    /// The highest rung reached in any epoch.
    pub rung_reached: u8,
    /// Since when the ladder's end has been reached.
    pub exhausted: Option<At>,
    /// The resident pressed the cancel key.
    pub cancelled: bool,
    /// The level is back to normal, or what was broken works again.
    pub back_to_normal: bool,
    /// How often it was pressed.
    pub presses: u32,
    /// The last presses, newest last, at most [`PRESSES_KEPT`].
    pub recent: Vec<At>,
    /// When a press last moved the ladder.
    pub moved: Option<At>,
    /// When those who are coming were last told of another press.
    #[serde(default)]
    pub told_of_press: Option<At>,
    /// The device's own count of the last press.
    pub mark: Option<Mark>,
    /// When calls beside the stage are repeated.
    pub repeat: Option<At>,
    /// Until when the sounder is silenced.
    pub silenced: Option<At>,
    /// When it leaves memory, once it is over.
    pub file_at: Option<At>,
    /// When each stage was first reached.
    pub times: StageTimes,
    /// Carriers that a person could not be reached by, told to the lead once.
    pub unreachable: BTreeSet<(PersonId, Carrier)>,
    /// Its orders that are not settled.
    pub orders: BTreeSet<OrderId>,
    /// The home-care bed it belongs to, and how its contract stood when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bed: Option<CallBed>,
    /// The epoch of the newest short message that each person was sent: what they answer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texted: BTreeMap<PersonId, u32>,
}

/// How many presses are remembered with their times: three in 2 min add the second line.
pub const PRESSES_KEPT: usize = 4;

impl Incident {
    /// The incident a [`Fact::Raised`] begins, not called so far; none for any other fact.
    pub(super) fn begun(at: At, wall: Wall, fact: &Fact) -> Option<Self> {
        let Fact::Raised {
            incident,
            code,
            class,
            kind,
            device,
            home,
            resident,
            mark,
            policy,
            night,
            needs,
            linked,
            found_at_start,
            queued_until,
            bed,
        } = fact
        else {
            return None;
        };
        Some(Self {
            id: *incident,
            code: *code,
            class: *class,
            kind: *kind,
            device: device.clone(),
            home: home.clone(),
            resident: resident.clone(),
            policy: policy.clone(),
            night: *night,
            raised_at: at,
            raised_wall: wall,
            clock_trusted: true,
            linked: linked.clone(),
            found_at_start: *found_at_start,
            stage: Stage::Queued { until: queued_until.unwrap_or(at) },
            epoch: 0,
            needs: *needs,
            responders: Vec::new(),
            rung_reached: 0,
            exhausted: None,
            cancelled: false,
            back_to_normal: false,
            presses: 1,
            recent: vec![at],
            moved: None,
            told_of_press: None,
            mark: *mark,
            repeat: None,
            silenced: None,
            file_at: None,
            times: StageTimes { raised: Some(wall), ..StageTimes::default() },
            unreachable: BTreeSet::new(),
            orders: BTreeSet::new(),
            bed: bed.clone(),
            texted: BTreeMap::new(),
        })
    }

    /// Its earliest deadline and which one that is. Orders' retries are kept apart.
    pub fn next_deadline(&self) -> Option<(At, Why)> {
        let stage = match &self.stage {
            Stage::Queued { until } => Some((*until, Why::WorkBegins)),
            Stage::Calling { next, .. } => Some((*next, Why::NextRung)),
            Stage::Accepted { remind: Some(at), .. } | Stage::OnTheWay { remind: Some(at), .. } => {
                Some((*at, Why::RemindArrival))
            }
            Stage::Accepted { arrive_by, .. } | Stage::OnTheWay { arrive_by, .. } => {
                Some((*arrive_by, Why::MissedArrival))
            }
            Stage::OnScene { next, .. } => Some((*next, Why::StillOnScene)),
            Stage::Resolved { follow_up, .. } => follow_up.map(|at| (at, Why::FollowUp)),
            Stage::FollowedUp { .. } => None,
        };
        [
            stage,
            self.repeat.map(|at| (at, Why::Repeat)),
            self.silenced.map(|at| (at, Why::SilenceEnds)),
            self.file_at.map(|at| (at, Why::File)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What a person has to do with it.
    pub fn responder(&self, person: &PersonId) -> Option<Responder> {
        self.responders.iter().find(|(who, _)| who == person).map(|(_, what)| *what)
    }

    /// Notes what a person has to do with it.
    pub(super) fn set_responder(&mut self, person: &PersonId, what: Responder) {
        match self.responders.iter_mut().find(|(who, _)| who == person) {
            Some((_, was)) => *was = what,
            None => self.responders.push((person.clone(), what)),
        }
    }

    /// Somebody took over: whoever else was coming is released, whoever is there stays.
    pub(super) fn release_coming(&mut self, but: &PersonId) {
        for (who, what) in &mut self.responders {
            if who != but && matches!(what, Responder::Accepted | Responder::OnTheWay) {
                *what = Responder::Done;
            }
        }
    }

    /// Who could not come before is asked again: another class or another epoch is another question.
    pub(super) fn forget_refusals(&mut self) {
        for (_, what) in &mut self.responders {
            if *what == Responder::Declined {
                *what = Responder::Done;
            }
        }
    }

    /// Everybody who is coming or there.
    pub fn active(&self) -> impl Iterator<Item = &PersonId> {
        self.responders.iter().filter(|(_, what)| what.is_active()).map(|(who, _)| who)
    }

    /// How many people are there.
    pub fn on_scene(&self) -> usize {
        self.responders.iter().filter(|(_, what)| *what == Responder::OnScene).count()
    }

    /// The rung reached in this epoch, from 0.
    pub fn rung(&self) -> u8 {
        match self.stage {
            Stage::Calling { rung, .. } => rung,
            _ => self.rung_reached,
        }
    }
}
