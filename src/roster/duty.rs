//! The roster and its answers.
//!
//! An answer goes through four doors and takes the first that lets somebody through: the rules of
//! the line that hold this moment, the line's fallback, everybody of the house, everybody at all.
//! People who stand in no registry row are skipped at each door, so a plan that names only people
//! who have left still calls somebody. When the moment itself is in doubt, whether by an untrusted
//! clock, by a wall time out of range or by a zone nobody knows, the answer is the union of all that
//! could be true. That includes everybody where the line has no fallback, because a gap in its rules
//! would have been answered with everybody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Station;
use super::civil::{self, DAY_MINUTES};
use crate::registry::Registry;
use crate::terms::{LineId, PersonId, StationId, Wait, Wall, WallReading};

/// A span of the day in minutes since midnight, 0–1440; one that ends before it begins runs over
/// midnight, one that begins and ends alike is a whole day from that minute on: 08:00–08:00 is a
/// shift of 24 h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// First minute.
    pub from: u16,
    /// First minute after.
    pub to: u16,
}

impl Hours {
    /// First minute (0–1439) and first minute after, at least 1 and at most 1440 later. A minute
    /// beyond the day counts as its end, an end as a first minute as the day's beginning.
    pub(super) fn minutes(self) -> (u16, u16) {
        let from = self.from.min(DAY_MINUTES) % DAY_MINUTES;
        let to = self.to.min(DAY_MINUTES);
        (from, if to > from { to } else { to + DAY_MINUTES })
    }
}

/// One weekly rule: on these days, in these hours, these people stand on this line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in `roster.toml`.
    pub name: String,
    /// The line it fills.
    pub line: LineId,
    /// Weekdays it begins on, 1 = Monday … 7 = Sunday.
    pub days: Vec<u8>,
    /// Hours of the day; over midnight they run into the next day.
    pub hours: Hours,
    /// Who stands there.
    pub people: Vec<PersonId>,
}

/// One line of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What staff call it, 一线; may be empty.
    pub label: String,
    /// Who is asked when no rule fits.
    pub fallback: Vec<PersonId>,
}

/// The plan: lines, weekly rules, the centre's time zone, its night and its working hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// IANA name of the time zone, `Asia/Shanghai`.
    pub zone: String,
    /// Lines by id.
    pub lines: BTreeMap<LineId, Line>,
    /// Weekly rules, as they stand in the file.
    pub rules: Vec<Rule>,
    /// When it is night: coverage losses then go to the lead and the district only.
    pub night: Hours,
    /// When faults and services are worked on.
    pub work: Hours,
    /// The stations of `gateway.toml`; empty where the site is one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stations: BTreeMap<StationId, Station>,
}

/// By what somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyBy {
    /// By a weekly rule.
    Rule,
    /// No rule fits: the line's fallback.
    Fallback,
    /// No rule and no fallback: everybody of the house.
    Everybody,
    /// The clock is not trusted: everybody who could be on this line.
    Union,
}

/// Who is on duty, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// The people, without repeats, in the order of the plan; empty only if nobody is registered.
    pub people: Vec<PersonId>,
    /// By what.
    pub by: DutyBy,
}

impl Roster {
    /// Who is on `line` at `when`. People who stand in no registry row are left out. A line that is
    /// in no plan is answered with everybody.
    pub fn on_duty(&self, registry: &Registry, line: &LineId, when: WallReading) -> Duty {
        let fallback = self.lines.get(line).map(|l| l.fallback.as_slice()).unwrap_or_default();
        let fallback = registered(registry, fallback);
        let Some((zone, at)) = self.civil_moment(when) else {
            return self.union(registry, line, fallback);
        };
        let days: Vec<Date> = civil::days_around(&zone, at).collect();
        let holds = |rule: &Rule| {
            let mut begun = days.iter().filter_map(|day| rule.stretch_on(&zone, *day));
            begun.any(|stretch| stretch.holds(at))
        };
        let holding = self.rules_of(line).filter(|rule| holds(rule));
        let people = registered(registry, holding.flat_map(|rule| &rule.people));
        match (people.is_empty(), fallback.is_empty()) {
            (false, _) => Duty { people, by: DutyBy::Rule },
            (true, false) => Duty { people: fallback, by: DutyBy::Fallback },
            (true, true) => Duty { people: everybody(registry), by: DutyBy::Everybody },
        }
    }

    /// Everybody who could be on the line at some moment.
    fn union(&self, registry: &Registry, line: &LineId, fallback: Vec<PersonId>) -> Duty {
        let last = if fallback.is_empty() { everybody(registry) } else { fallback };
        let ruled = self.rules_of(line).flat_map(|rule| &rule.people);
        let people = registered(registry, ruled.chain(&last));
        let planned = self.lines.contains_key(line) || self.rules_of(line).next().is_some();
        Duty { people, by: if planned { DutyBy::Union } else { DutyBy::Everybody } }
    }

    /// Whether it is night; an untrusted clock says no, because day is louder.
    pub fn is_night(&self, when: WallReading) -> bool {
        let Some((zone, at)) = self.civil_moment(when) else { return false };
        civil::days_around(&zone, at)
            .filter_map(|day| civil::stretch(&zone, day, self.night))
            .any(|stretch| stretch.holds(at))
    }

    /// How long until working hours; zero within them and when the clock is not trusted.
    pub fn until_work(&self, when: WallReading) -> Wait {
        let Some((zone, at)) = self.civil_moment(when) else { return Wait::ZERO };
        let start = civil::days_around(&zone, at)
            .chain(civil::days_after(&zone, at))
            .filter_map(|day| civil::stretch(&zone, day, self.work))
            .filter(|stretch| stretch.to > at)
            .map(|stretch| stretch.from)
            .min();
        let Some(start) = start else { return Wait::ZERO };
        Wait(u64::try_from(civil::wall(start).0 - civil::wall(at).0).unwrap_or(0))
    }

    /// The centre's civil time at a wall time, for messages and pages; none when the zone is not
    /// known or the time is out of range.
    pub fn civil(&self, wall: Wall) -> Option<DateTime> {
        Some(civil::zone(&self.zone)?.to_datetime(civil::moment(wall)?))
    }

    /// The wall time of a civil time at the centre; one that a zone skips is moved on, one that comes
    /// twice is the first. None when the zone is not known or the time is out of range.
    pub fn moment(&self, time: DateTime) -> Option<Wall> {
        Some(civil::wall(civil::zone(&self.zone)?.to_timestamp(time).ok()?))
    }

    /// The rules of a line, as they stand in the plan.
    pub(super) fn rules_of<'a>(&'a self, line: &'a LineId) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.line == *line)
    }

    /// The zone and the moment, where both are beyond doubt.
    fn civil_moment(&self, when: WallReading) -> Option<(TimeZone, Timestamp)> {
        if !when.trusted {
            return None;
        }
        Some((civil::zone(&self.zone)?, civil::moment(when.wall)?))
    }
}

impl Rule {
    /// The stretch of this rule that begins on this day.
    pub(super) fn stretch_on(&self, zone: &TimeZone, day: Date) -> Option<civil::Stretch> {
        if !self.days.contains(&civil::weekday(day)) {
            return None;
        }
        civil::stretch(zone, day, self.hours)
    }
}

/// Everybody who can be sent to a resident's side, by id: all people of the house; where there are
/// none, everybody at all. Empty only if nobody is registered.
pub fn everybody(registry: &Registry) -> Vec<PersonId> {
    let house = registry.people().filter(|person| person.role.is_of_the_house());
    let house: Vec<PersonId> = house.map(|person| person.id.clone()).collect();
    if house.is_empty() {
        registry.people().map(|person| person.id.clone()).collect()
    } else {
        house
    }
}

/// Those who stand in the registry, each once, in the order given.
fn registered<'a>(
    registry: &Registry,
    people: impl IntoIterator<Item = &'a PersonId>,
) -> Vec<PersonId> {
    let mut seen = BTreeSet::new();
    people
        .into_iter()
        .filter(|id| registry.person(id).is_some() && seen.insert(*id))
        .cloned()
        .collect()
}

#[cfg(test)]
#[path = "duty_tests.rs"]
mod tests;
