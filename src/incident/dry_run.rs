//! A dry run: who would be called, when, and by what, if a device called now and nobody answered.
//!
//! It is the engine itself that says so, on a copy that holds the registry and the policy and nothing
//! else, so that a dry run cannot say what a real call would not do. Nothing of it enters the record.

use super::book::Stored;
use super::{Call, Entry, Fact, Incident, IncidentBook, Notice, Order, Standing, Stimulus};
use crate::terms::{At, DeviceId, Kind, Report, Wait, WallReading, What};

/// How many deadlines are gone through. Own choice: twice the rungs of the longest ladder.
const DEADLINES_MAX: usize = 16;

/// One call of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WouldCall {
    /// How long after the device was heard.
    pub after: Wait,
    /// The rung, from 0; none for people called beside the steps.
    pub rung: Option<u8>,
    /// What they are told.
    pub notice: Notice,
    /// Who, by what.
    pub calls: Vec<Call>,
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// The calls, in order, up to the ladder's end.
    pub calls: Vec<WouldCall>,
    /// The book after the first call, for whoever writes its letters; nothing else is in it.
    book: IncidentBook,
}

impl DryRun {
    /// The book after the first call.
    pub fn book(&self) -> &IncidentBook {
        &self.book
    }

    /// The incident; none where nobody would be called.
    pub fn incident(&self) -> Option<&Incident> {
        self.book.open().next()
    }

    /// The first order of the first call.
    pub fn first_order(&self) -> Option<&Order> {
        self.book.outstanding().next()
    }
}

impl IncidentBook {
    /// Plays what would come of a device's call.
    pub fn dry_run(
        &self,
        at: At,
        standing: &Standing<'_>,
        device: &DeviceId,
        kind: Kind,
    ) -> DryRun {
        let mut book = self.without_incidents();
        let what = if kind.lasts() { What::Level { kind, on: true } } else { What::Pulse(kind) };
        let report = Report {
            device: device.clone(),
            mark: None,
            what,
            test: false,
            retained: false,
            found: false,
            hold_ms: None,
            battery: None,
            heard_at: at,
            said_at: None,
        };
        let mut calls = Vec::new();
        let ended = book.plays(at, at, standing, &Stimulus::Heard(report), &mut calls);
        let mut dry = DryRun { calls, book: book.clone() };
        if ended {
            return dry;
        }
        for _ in 0..DEADLINES_MAX {
            let Some(due) = book.next_due() else { break };
            let gone = i64::try_from((due - at).0).unwrap_or(i64::MAX);
            let WallReading { wall, trusted } = standing.wall;
            let wall = crate::terms::Wall(wall.0.saturating_add(gone));
            let then = Standing { wall: WallReading { wall, trusted }, ..*standing };
            if book.plays(at, due, &then, &Stimulus::Due, &mut dry.calls) {
                break;
            }
        }
        dry
    }

    /// The same registry and policy, with nothing going on.
    fn without_incidents(&self) -> Self {
        Self::from(Stored::from(Self {
            incidents: Default::default(),
            devices: Default::default(),
            orders: Default::default(),
            stories: Default::default(),
            owed: Default::default(),
            works: Default::default(),
            notes: Default::default(),
            ..self.clone()
        }))
    }

    /// Decides and applies; whether the ladder's end was reached, or there is none.
    fn plays(
        &mut self,
        began: At,
        at: At,
        standing: &Standing<'_>,
        stimulus: &Stimulus,
        calls: &mut Vec<WouldCall>,
    ) -> bool {
        let facts = self.decide(at, standing, stimulus);
        let mut ended = facts.is_empty();
        for fact in facts {
            let (rung, notice, to) = match &fact {
                Fact::Called { rung, notice, calls, .. } => (Some(*rung), notice, calls),
                Fact::Told { notice, to, .. } => (None, notice, to),
                _ => {
                    ended |= matches!(fact, Fact::Exhausted { .. });
                    self.enter(at, standing, fact);
                    continue;
                }
            };
            let (notice, to) = (notice.clone(), to.clone());
            calls.push(WouldCall { after: at - began, rung, notice, calls: to });
            self.enter(at, standing, fact);
        }
        ended
    }

    fn enter(&mut self, at: At, standing: &Standing<'_>, fact: Fact) {
        let WallReading { wall, trusted } = standing.wall;
        self.apply(&Entry { seq: self.last_seq.next(), at, wall, trusted, fact });
    }
}
