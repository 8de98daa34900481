//! The duty plan, proven: every interval of the coming days in which a call could hang on one person or
//! one way.
//!
//! For each class that people must come for, the first two steps of its ladder are looked at together.
//! Somebody has to stand there by the plan, not by a fallback; there have to be two people; and the ways
//! to them must not all need the same: the building, the internet, the mobile network. Answers can
//! change only where a shift or the night begins or ends, so those moments are computed and each stretch
//! between two of them is looked at once, for the house and for each station with lines of its own.
//! Contacts of a resident are not counted: not everybody has one. Sampling every minute was rejected: it misses what an override
//! leaves open for half a minute, and costs more. The clock is taken at its word.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Carrier, Ladder, Needs, Policy, Rung, Who};
use crate::registry::Registry;
use crate::roster::{DutyBy, Roster, Shift, everybody};
use crate::terms::{Class, LineId, PersonId, StationId, Wall, WallReading};

/// How many steps of a ladder have to hold by themselves (the project's issue).
pub const STEPS: usize = 2;
/// The classes that people must come for, at any hour.
pub const COVERED: [Class; 4] = [Class::Emergency, Class::Hazard, Class::Welfare, Class::Coverage];

/// A stretch of time in which a class is not covered, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// The class.
    pub class: Class,
    /// The station whose own lines it is about; none for everybody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// Its first moment.
    pub from: Wall,
    /// The first moment after.
    pub to: Wall,
    /// Why, each reason once.
    pub why: Vec<Weakness>,
}

/// Why a class is not covered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weakness {
    /// A line of a step is empty by the plan.
    NobodyOnShift {
        /// The step, from 1.
        step: u8,
        /// The line.
        line: LineId,
        /// Who is asked instead.
        instead: Vec<PersonId>,
    },
    /// The steps call one and the same person.
    OnePerson {
        /// Who.
        person: PersonId,
    },
    /// Nobody whom the steps call can be reached by their ways at all.
    NoWay,
    /// Every way of the steps needs the same.
    OneWay {
        /// What.
        needs: Needs,
    },
}

/// The plan, line by line.
struct Plan<'a> {
    policy: &'a Policy,
    roster: &'a Roster,
    registry: &'a Registry,
    shifts: Vec<Shift>,
    everybody: Vec<PersonId>,
    span: (Wall, Wall),
}

/// Every interval in `days` days from `from` on in which a class of [`COVERED`] is not covered: by class,
/// then by time; stretches that meet and lack the same are one.
pub fn uncovered(
    policy: &Policy,
    roster: &Roster,
    registry: &Registry,
    (from, days): (Wall, u16),
) -> Vec<Uncovered> {
    let shifts = roster.plan(registry, from, days);
    let Some(to) = shifts.iter().map(|shift| shift.to).max() else { return Vec::new() };
    let everybody = everybody(registry);
    let plan = Plan { policy, roster, registry, shifts, everybody, span: (from, to) };
    let own = roster.stations.iter().filter(|(_, station)| !station.lines.is_empty());
    let places: Vec<Option<&StationId>> =
        [None].into_iter().chain(own.map(|(id, _)| Some(id))).collect();
    let plan = &plan;
    let each = |class| places.iter().flat_map(move |station| plan.of_class(class, *station));
    COVERED.into_iter().flat_map(each).collect()
}

impl Plan<'_> {
    fn of_class(&self, class: Class, station: Option<&StationId>) -> Vec<Uncovered> {
        let ladder = self.policy.ladders.get(&class).cloned();
        let ladder = ladder.unwrap_or_else(|| Ladder::loud(class));
        let has_night = class == Class::Coverage && !ladder.night.is_empty();
        let mut edges = self.edges(&ladder, has_night, station);
        edges.insert(self.span.0);
        let ends: Vec<Wall> = edges.iter().skip(1).copied().chain([self.span.1]).collect();
        let mut found: Vec<Uncovered> = Vec::new();
        for (from, to) in edges.into_iter().zip(ends) {
            let reading = WallReading { wall: from, trusted: true };
            let by_night = has_night && self.roster.is_night(reading);
            let rungs = if by_night { &ladder.night } else { &ladder.rungs };
            let why = self.weaknesses(&rungs[..rungs.len().min(STEPS)], from, station);
            match found.last_mut() {
                _ if why.is_empty() => {}
                Some(last) if last.to == from && last.why == why => last.to = to,
                _ => {
                    let station = station.cloned();
                    found.push(Uncovered { class, station, from, to, why });
                }
            }
        }
        found
    }

    /// The moments at which an answer can change.
    fn edges(
        &self,
        ladder: &Ladder,
        has_night: bool,
        station: Option<&StationId>,
    ) -> BTreeSet<Wall> {
        let nights = if has_night { ladder.night.iter() } else { [].iter() };
        let rungs = ladder.rungs.iter().take(STEPS).chain(nights.take(STEPS));
        let lines: BTreeSet<&LineId> = rungs
            .flat_map(|rung| &rung.who)
            .filter_map(|who| match who {
                Who::Line(line) => Some(self.roster.line_at(station, line)),
                _ => None,
            })
            .collect();
        let shifts = self.shifts.iter().filter(|shift| lines.contains(&shift.line));
        let mut edges: BTreeSet<Wall> = shifts.map(|shift| shift.from).collect();
        if has_night {
            edges.extend(self.roster.night_edges(self.span.0, self.span.1));
        }
        edges
    }

    fn weaknesses(&self, rungs: &[Rung], at: Wall, station: Option<&StationId>) -> Vec<Weakness> {
        let mut why = BTreeSet::new();
        let (mut people, mut ways) = (BTreeSet::new(), BTreeSet::new());
        for (step, rung) in (1u8..).zip(rungs) {
            for who in &rung.who {
                let called = self.called((who, station), step, at, &mut why);
                for person in called {
                    let reach = |carrier: &&Carrier| self.reaches(**carrier, person);
                    let needs: Vec<Needs> =
                        rung.by.iter().filter(reach).map(|carrier| carrier.needs()).collect();
                    if !needs.is_empty() {
                        people.insert(person);
                        ways.extend(needs);
                    }
                }
            }
        }
        match (people.len(), people.first(), ways.first()) {
            (0, ..) | (_, None, _) => drop(why.insert(Weakness::NoWay)),
            (1, Some(person), _) => {
                why.insert(Weakness::OnePerson { person: (*person).clone() });
            }
            _ => {}
        }
        if let (1, Some(needs)) = (ways.len(), ways.first()) {
            why.insert(Weakness::OneWay { needs: *needs });
        }
        why.into_iter().collect()
    }

    /// Whom a step calls; a line that is empty by the plan is noted.
    fn called<'p>(
        &'p self,
        (who, station): (&'p Who, Option<&StationId>),
        step: u8,
        at: Wall,
        why: &mut BTreeSet<Weakness>,
    ) -> &'p [PersonId] {
        match who {
            Who::Everyone => &self.everybody,
            Who::Person(person) => match self.registry.person(person) {
                Some(_) => std::slice::from_ref(person),
                None => &[],
            },
            Who::Contact(_) => &[],
            Who::Line(line) => {
                let line = self.roster.line_at(station, line);
                let Some(shift) = self.shift(line, at) else { return &[] };
                if !self.is_by_plan(line, shift) {
                    let (line, instead) = (line.clone(), shift.duty.people.clone());
                    why.insert(Weakness::NobodyOnShift { step, line, instead });
                }
                &shift.duty.people
            }
        }
    }

    /// A line without any rule is its fallback's: they are asked at every hour, and know it.
    fn is_by_plan(&self, line: &LineId, shift: &Shift) -> bool {
        match shift.duty.by {
            DutyBy::Rule | DutyBy::Override => true,
            DutyBy::Fallback => !self.roster.has_rules(line),
            DutyBy::Everybody | DutyBy::Union => false,
        }
    }

    fn shift(&self, line: &LineId, at: Wall) -> Option<&Shift> {
        // The plan is ordered by line, then by time.
        let begun = self.shifts.partition_point(|shift| (&shift.line, shift.from) <= (line, at));
        let shift = self.shifts.get(begun.checked_sub(1)?)?;
        (shift.line == *line && at < shift.to).then_some(shift)
    }

    fn reaches(&self, carrier: Carrier, person: &PersonId) -> bool {
        self.registry.person(person).is_some_and(|row| carrier.can_reach(row))
    }
}
