//! What people change about the duty plan, in the record: overrides, swaps, leave.
//!
//! A change is a fact with its hours and the person who said it; the rules it changes stand in the file,
//! so a new file keeps the changes and a restart keeps both. What has been over for a week is let go.
//! Whom an open incident has called stays called: a change is for the calls to come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, Fact, IncidentBook, Standing};
use crate::registry::Registry;
use crate::roster::{
    DUTY_CHANGE_LONGEST, DUTY_CHANGES_MAX, DutyChange, DutyChanged, OVERRIDE_PEOPLE_MAX, Roster,
};
use crate::terms::{DutyChangeId, PersonId, Wait, Wall, WallReading};

/// How long a change that is over is kept, so that people can look it up. Own choice.
const KEPT_OVER: Wait = Wait::hours(7 * 24);

/// A change that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyAsked {
    /// Its first moment.
    pub from: Wall,
    /// The first moment after.
    pub to: Wall,
    /// What changes.
    pub what: DutyChanged,
    /// Who says so.
    pub by: PersonId,
}

/// Why a change is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDutyChange {
    /// It is over before it begins, or already over, or too long.
    #[error("name hours to come that end after they begin, at most a year of them")]
    Hours,
    /// Somebody it names is not registered, or it names nobody, too many, or one person twice.
    #[error(
        "name registered people, at most {OVERRIDE_PEOPLE_MAX}, nobody twice: see `anling export`"
    )]
    People,
    /// The plan has no such line.
    #[error("the plan has no such line: see `anling roster`")]
    Line,
    /// There are too many.
    #[error("there are {DUTY_CHANGES_MAX} changes already: undo some first")]
    Full,
}

impl DutyAsked {
    /// Whether it can be taken now, by this plan and these people.
    ///
    /// # Errors
    /// [`NoDutyChange`].
    pub fn check(
        &self,
        registry: &Registry,
        roster: &Roster,
        now: Wall,
    ) -> Result<(), NoDutyChange> {
        let length = self.to.0.saturating_sub(self.from.0);
        let longest = i64::try_from(DUTY_CHANGE_LONGEST.0).unwrap_or(i64::MAX);
        if !(1..=longest).contains(&length) || self.to <= now {
            return Err(NoDutyChange::Hours);
        }
        let people = self.what.people();
        let mut once = people.clone();
        once.sort();
        once.dedup();
        let is_known = |id: &&PersonId| registry.person(id).is_some();
        let number = 1..=OVERRIDE_PEOPLE_MAX;
        if once.len() != people.len() || !number.contains(&once.len()) || !once.iter().all(is_known)
        {
            return Err(NoDutyChange::People);
        }
        match &self.what {
            DutyChanged::Override { line, .. } if !roster.lines.contains_key(line) => {
                Err(NoDutyChange::Line)
            }
            _ => Ok(()),
        }
    }
}

/// The changes that are kept, and the number of the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DutyBook {
    changes: BTreeMap<DutyChangeId, DutyChange>,
    last: u64,
}

impl DutyBook {
    /// Whether nobody ever changed the plan.
    pub(super) fn is_idle(&self) -> bool {
        self.last == 0
    }
}

impl IncidentBook {
    /// The changes of the duty plan, by number; those that are over stay for a week.
    pub fn duty_changes(&self) -> impl Iterator<Item = &DutyChange> {
        self.duty.changes.values()
    }

    /// Whether there is no room for another change.
    pub fn duty_is_full(&self, now: WallReading) -> bool {
        let kept = self.duty.changes.values().filter(|change| is_kept(change, now));
        kept.count() >= DUTY_CHANGES_MAX
    }

    /// Decides about a change of the plan; empty where it cannot be taken.
    pub(super) fn on_duty_change(&self, standing: &Standing<'_>, asked: &DutyAsked) -> Vec<Fact> {
        let can_be = asked.check(&self.registry, standing.roster, standing.wall.wall);
        if self.duty_is_full(standing.wall)
            || can_be.is_err()
            || self.registry.person(&asked.by).is_none()
        {
            return Vec::new();
        }
        let DutyAsked { from, to, what, by } = asked.clone();
        let id = DutyChangeId(self.duty.last.saturating_add(1));
        vec![Fact::DutyChanged { change: DutyChange { id, from, to, what, by } }]
    }

    /// Decides about a change that is taken back.
    pub(super) fn on_duty_undone(&self, change: DutyChangeId, by: &PersonId) -> Vec<Fact> {
        let is_there = self.duty.changes.contains_key(&change);
        let known = self.registry.person(by).is_some();
        let undone = Fact::DutyUndone { change, by: by.clone() };
        if is_there && known { vec![undone] } else { Vec::new() }
    }

    /// Facts about the duty plan.
    pub(super) fn apply_to_duty(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::DutyChanged { change } => {
                self.duty.last = self.duty.last.max(change.id.0);
                let now = WallReading { wall: entry.wall, trusted: entry.trusted };
                self.duty.changes.retain(|_, known| is_kept(known, now));
                self.duty.changes.insert(change.id, change.clone());
            }
            Fact::DutyUndone { change, .. } => drop(self.duty.changes.remove(change)),
            _ => {}
        }
    }
}

/// Whether a change is not long over; by a clock in doubt nothing is.
fn is_kept(change: &DutyChange, now: WallReading) -> bool {
    let kept = i64::try_from(KEPT_OVER.0).unwrap_or(i64::MAX);
    !now.trusted || change.to.0 > now.wall.0.saturating_sub(kept)
}
