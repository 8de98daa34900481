//! Who is on duty, as the desk or a command without a hub answers it: one shape for both.
//!
//! The desk knows more than the files: what its record holds, and whether its clock can be trusted.
//! A time that somebody names is taken at its word; "now" by a clock in doubt is answered with
//! everybody who could be on duty.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::registry::Registry;
use crate::roster::{DutyBy, Roster, Shift};
use crate::terms::{LineId, PersonId, Wall, WallReading};

/// A time that somebody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// By the clock on the centre's wall.
    Civil(DateTime),
    /// A moment that needs no zone.
    Moment(Wall),
}

/// Who is on duty, line by line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyPlan {
    /// The moment asked about, or the first of the plan.
    pub at: Wall,
    /// Whether that moment is beyond doubt: named, or by a clock that can be trusted.
    pub clock_trusted: bool,
    /// The centre's time zone, an IANA name.
    pub zone: String,
    /// The shifts; at one moment one for each line, from and to that moment.
    pub shifts: Vec<ShiftView>,
}

/// One stretch of a line in which the same people are on duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftView {
    /// The line.
    pub line: LineId,
    /// What staff call it; may be empty.
    pub label: String,
    /// The labels of the stations whose own line it is; empty where all share it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stations: Vec<String>,
    /// Its first moment.
    pub from: Wall,
    /// The first moment after.
    pub to: Wall,
    /// By what.
    pub by: DutyBy,
    /// Who, in the order of the plan.
    pub people: Vec<OnDuty>,
}

/// One person on duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDuty {
    /// Who.
    pub id: PersonId,
    /// Their name; may be empty.
    pub name: String,
}

impl DutyPlan {
    /// Who is on duty at a time, now where none is named; or who is in the `days` from then on. None
    /// for a time out of range.
    pub fn of(
        roster: &Roster,
        registry: &Registry,
        now: WallReading,
        at: Option<When>,
        days: Option<u16>,
    ) -> Option<Self> {
        let reading = match at {
            None => now,
            Some(When::Moment(wall)) => WallReading { wall, trusted: true },
            Some(When::Civil(time)) => WallReading { wall: roster.moment(time)?, trusted: true },
        };
        roster.civil(reading.wall)?;
        let shifts = match days {
            Some(days) => roster.plan(registry, reading.wall, days),
            None => standing(roster, registry, reading),
        };
        let view = |shift: Shift| ShiftView {
            label: roster.lines.get(&shift.line).map(|l| l.label.clone()).unwrap_or_default(),
            stations: roster.served_by(&shift.line).map(str::to_owned).collect(),
            line: shift.line,
            from: shift.from,
            to: shift.to,
            by: shift.duty.by,
            people: shift.duty.people.iter().map(|id| on_duty(registry, id)).collect(),
        };
        Some(Self {
            at: reading.wall,
            clock_trusted: reading.trusted,
            zone: roster.zone.clone(),
            shifts: shifts.into_iter().map(view).collect(),
        })
    }
}

fn standing(roster: &Roster, registry: &Registry, when: WallReading) -> Vec<Shift> {
    let shift = |line: &LineId| Shift {
        line: line.clone(),
        from: when.wall,
        to: when.wall,
        duty: roster.on_duty(registry, line, when),
    };
    roster.lines.keys().map(shift).collect()
}

fn on_duty(registry: &Registry, id: &PersonId) -> OnDuty {
    let name = registry.person(id).map(|person| person.name.clone()).unwrap_or_default();
    OnDuty { id: id.clone(), name }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::registry::{Change, Person, Role, Row};
    use crate::roster::{DayTypes, Hours, Line, Rule, RuleDays};

    /// Monday, 23 November 2026, 10:00 in Shanghai.
    const MONDAY: Wall = Wall(1_795_399_200_000);

    fn person(id: &str) -> PersonId {
        PersonId::new(id).unwrap()
    }

    fn house() -> (Roster, Registry) {
        let first = LineId::new("first").unwrap();
        let day = Rule {
            name: "day".to_owned(),
            line: first.clone(),
            days: RuleDays::Weekly(vec![1, 2, 3, 4, 5]),
            hours: Hours { from: 480, to: 1080 },
            people: vec![person("zhangmin")],
        };
        let line = Line { label: "一线".to_owned(), fallback: vec![person("wangli")] };
        let roster = Roster {
            zone: "Asia/Shanghai".to_owned(),
            lines: BTreeMap::from([(first, line)]),
            rules: vec![day],
            night: Hours { from: 1320, to: 360 },
            work: Hours { from: 480, to: 1080 },
            work_days: RuleDays::every(),
            day_types: DayTypes::default(),
            changes: BTreeMap::new(),
            stations: BTreeMap::new(),
        };
        let mut registry = Registry::default();
        for (id, name) in [("zhangmin", "张敏"), ("wangli", "王丽")] {
            registry.apply(&Change::Set(Row::Person(Person {
                id: person(id),
                name: name.to_owned(),
                role: Role::Staff,
                phone: String::new(),
                email: String::new(),
            })));
        }
        (roster, registry)
    }

    fn asked(trusted: bool, at: Option<When>, days: Option<u16>) -> Option<Vec<(DutyBy, String)>> {
        let (roster, registry) = house();
        let now = WallReading { wall: MONDAY, trusted };
        let plan = DutyPlan::of(&roster, &registry, now, at, days)?;
        let names = |shift: &ShiftView| {
            let names: Vec<&str> = shift.people.iter().map(|p| p.name.as_str()).collect();
            (shift.by, names.join(" "))
        };
        Some(plan.shifts.iter().map(names).collect())
    }

    #[test]
    fn now_by_a_clock_in_doubt_is_everybody_who_could_be_and_a_named_time_is_not() {
        let zhang = vec![(DutyBy::Rule, "张敏".to_owned())];
        let wang = vec![(DutyBy::Fallback, "王丽".to_owned())];
        assert_eq!(asked(true, None, None), Some(zhang.clone()));
        assert_eq!(asked(false, None, None), Some(vec![(DutyBy::Union, "张敏 王丽".to_owned())]));
        let night = Some(When::Civil("2026-11-23T03:00".parse().unwrap()));
        assert_eq!(asked(false, night, None), Some(wang.clone()));
        let moment = Some(When::Moment(Wall(MONDAY.0 - 7 * 3_600_000)));
        assert_eq!(asked(false, moment, None), Some(wang.clone()), "the same night");
        assert_eq!(asked(true, None, Some(1)), Some([&zhang[..], &wang, &zhang].concat()));
    }

    #[test]
    fn a_time_out_of_range_is_none() {
        for time in ["-009999-01-01T00:00", "9999-12-31T23:59:59"] {
            let time: DateTime = time.parse().unwrap();
            let _ = asked(true, Some(When::Civil(time)), Some(366));
        }
        assert_eq!(asked(true, Some(When::Moment(Wall(i64::MAX))), None), None);
    }
}
