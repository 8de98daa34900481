//! The roster and its answers.
//!
//! An answer goes through five doors and takes the first that lets somebody through: an override of the
//! line, the rules of the line that hold this moment, the line's fallback, everybody of the house,
//! everybody at all. Of the rules, those of named dates go before those of a kind of day on a date of the
//! table, and both before those of weekdays; at an hour for which the stronger say nothing, the weaker
//! hold. Swaps and leave are applied to what the rules say.
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
use super::change::{DutyChange, DutyChanged};
use super::civil::{self, DAY_MINUTES};
use super::day_types::{DayType, DayTypes};
use crate::registry::Registry;
use crate::terms::{DutyChangeId, LineId, PersonId, StationId, Wait, Wall, WallReading};

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
    /// The days it begins on.
    pub days: RuleDays,
    /// Hours of the day; over midnight they run into the next day.
    pub hours: Hours,
    /// Who stands there.
    pub people: Vec<PersonId>,
}

/// The days that something begins on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleDays {
    /// Weekdays, 1 = Monday … 7 = Sunday, whatever the table of day types says.
    Weekly(Vec<u8>),
    /// Workdays or rest days, as the table says, else by the weekday.
    OfType(DayType),
    /// These dates.
    Dates(Vec<Date>),
}

impl Default for RuleDays {
    fn default() -> Self {
        Self::every()
    }
}

impl RuleDays {
    /// Every day of the week.
    pub fn every() -> Self {
        Self::Weekly((1..=7).collect())
    }

    /// Whether it is every day of the week.
    fn is_every(&self) -> bool {
        *self == Self::every()
    }

    fn holds(&self, types: &DayTypes, day: Date) -> bool {
        match self {
            Self::Weekly(days) => days.contains(&civil::weekday(day)),
            Self::OfType(wanted) => types.of(day) == *wanted,
            Self::Dates(dates) => dates.contains(&day),
        }
    }

    /// How much it says of this very day: of two rules the stronger holds.
    fn strength(&self, types: &DayTypes, day: Date) -> u8 {
        match self {
            Self::Dates(_) => 2,
            Self::OfType(_) if types.named(day).is_some() => 1,
            Self::OfType(_) | Self::Weekly(_) => 0,
        }
    }
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
    /// When faults and services are worked on …
    pub work: Hours,
    /// … and on which days.
    #[serde(default, skip_serializing_if = "RuleDays::is_every")]
    pub work_days: RuleDays,
    /// Holidays and make-up workdays.
    #[serde(default, skip_serializing_if = "DayTypes::is_nothing")]
    pub day_types: DayTypes,
    /// What people have changed, by number; from the record and not from the file.
    #[serde(skip)]
    pub changes: BTreeMap<DutyChangeId, DutyChange>,
    /// The stations of `gateway.toml`; empty where the site is one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stations: BTreeMap<StationId, Station>,
}

/// By what somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DutyBy {
    /// Somebody said so for these hours.
    Override,
    /// By a rule, as swaps and leave have changed it.
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
        let put_there = registered(registry, &self.overriding(line, when.wall));
        if !put_there.is_empty() {
            return Duty { people: put_there, by: DutyBy::Override };
        }
        let planned = self.holding(line, &zone, at).into_iter().flat_map(|rule| &rule.people);
        let people = registered(registry, self.as_changed(planned, when.wall));
        let there = registered(registry, self.as_changed(&fallback, when.wall));
        // Who is away is asked before the line is empty.
        let fallback = if there.is_empty() { fallback } else { there };
        match (people.is_empty(), fallback.is_empty()) {
            (false, _) => Duty { people, by: DutyBy::Rule },
            (true, false) => Duty { people: fallback, by: DutyBy::Fallback },
            (true, true) => Duty { people: everybody(registry), by: DutyBy::Everybody },
        }
    }

    /// The rules of a line that hold a moment: of those that do, the strongest.
    fn holding<'a>(&'a self, line: &'a LineId, zone: &TimeZone, at: Timestamp) -> Vec<&'a Rule> {
        let days: Vec<Date> = civil::days_around(zone, at).collect();
        let strength = |rule: &Rule| {
            let begun = days.iter().filter(|day| {
                rule.stretch_on(zone, **day, &self.day_types).is_some_and(|it| it.holds(at))
            });
            begun.map(|day| rule.days.strength(&self.day_types, *day)).max()
        };
        let holding: Vec<(u8, &Rule)> =
            self.rules_of(line).filter_map(|rule| Some((strength(rule)?, rule))).collect();
        let strongest = holding.iter().map(|(strength, _)| *strength).max();
        let of_these = holding.into_iter().filter(|(strength, _)| Some(*strength) == strongest);
        of_these.map(|(_, rule)| rule).collect()
    }

    /// Whom the newest override of a line has put there, without those who were said to be away after it.
    fn overriding(&self, line: &LineId, at: Wall) -> Vec<PersonId> {
        let mut away = BTreeSet::new();
        for change in self.changes.values().rev().filter(|change| change.holds(at)) {
            match &change.what {
                DutyChanged::Leave { who } => {
                    away.insert(who);
                }
                DutyChanged::Override { line: of, people } if of == line => {
                    let there = people.iter().filter(|person| !away.contains(person));
                    return there.cloned().collect();
                }
                DutyChanged::Override { .. } | DutyChanged::Swap { .. } => {}
            }
        }
        Vec::new()
    }

    /// People as swaps and leave have changed them.
    fn as_changed<'a>(
        &'a self,
        people: impl IntoIterator<Item = &'a PersonId>,
        at: Wall,
    ) -> impl Iterator<Item = &'a PersonId> {
        let held = move || self.changes.values().rev().filter(move |change| change.holds(at));
        let instead = move |person: &'a PersonId| {
            held().find_map(|change| change.what.instead_of(person)).unwrap_or(person)
        };
        let is_away = move |person: &PersonId| {
            held().any(|change| matches!(&change.what, DutyChanged::Leave { who } if who == person))
        };
        people.into_iter().map(instead).filter(move |person| !is_away(person))
    }

    /// Everybody who could be on the line at some moment.
    fn union(&self, registry: &Registry, line: &LineId, fallback: Vec<PersonId>) -> Duty {
        let last = if fallback.is_empty() { everybody(registry) } else { fallback };
        let ruled = self.rules_of(line).flat_map(|rule| &rule.people);
        let changed = self.changes.values().filter(|change| match &change.what {
            DutyChanged::Override { line: of, .. } => of == line,
            DutyChanged::Swap { .. } => true,
            DutyChanged::Leave { .. } => false,
        });
        let changed = changed.flat_map(|change| change.what.people());
        let people = registered(registry, ruled.chain(changed).chain(&last));
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
            .filter(|day| self.work_days.holds(&self.day_types, *day))
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

    /// The year whose table of day types is missing: this one, or in December the next (oncall.md 3.4).
    /// None where nobody keeps a table, and while the clock cannot be trusted.
    pub fn missing_year(&self, when: WallReading) -> Option<i16> {
        let today = self.civil(when.wall).filter(|_| when.trusted)?.date();
        let coming = (today.month() == 12).then(|| today.year().saturating_add(1));
        let mut needed = [today.year()].into_iter().chain(coming);
        needed.find(|year| self.day_types.is_kept() && !self.day_types.knows(*year))
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
    pub(super) fn stretch_on(
        &self,
        zone: &TimeZone,
        day: Date,
        types: &DayTypes,
    ) -> Option<civil::Stretch> {
        let begins = self.days.holds(types, day);
        begins.then(|| civil::stretch(zone, day, self.hours)).flatten()
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
pub(super) mod tests;
