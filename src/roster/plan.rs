//! The plan written out: who stands on each line from which moment to which.
//!
//! A day's answer can change only at an edge of a rule, so the edges are computed and each stretch
//! between two of them is asked once. Chosen over asking every minute, which misses an edge that
//! summer time moves and costs 86,400 questions for two months of one line.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::civil;
use super::duty::{Duty, Roster, Rule};
use crate::registry::Registry;
use crate::terms::{LineId, Wall, WallReading};

/// Longest plan in days; a longer one is cut there. Own choice: a year and its leap day.
pub const PLAN_DAYS_MAX: u16 = 366;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One stretch of a line in which the same people are on duty by the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// The line.
    pub line: LineId,
    /// Its first moment.
    pub from: Wall,
    /// The first moment after: the next shift of the line begins here.
    pub to: Wall,
    /// Who, and by what.
    pub duty: Duty,
}

impl Roster {
    /// The shifts of every line in `days` days of 24 h from `from` on, line by line, without a gap:
    /// what no rule fills is a shift by the fallback or of everybody. The clock is taken at its
    /// word; more than [`PLAN_DAYS_MAX`] days are cut there.
    pub fn plan(&self, registry: &Registry, from: Wall, days: u16) -> Vec<Shift> {
        let length = i64::from(days.min(PLAN_DAYS_MAX)) * DAY_MS;
        let to = Wall(from.0.saturating_add(length));
        if to <= from {
            return Vec::new();
        }
        self.lines.keys().flat_map(|line| self.shifts(registry, line, from, to)).collect()
    }

    fn shifts(&self, registry: &Registry, line: &LineId, from: Wall, to: Wall) -> Vec<Shift> {
        let mut starts = self.edges(line, from, to);
        starts.insert(from);
        let ends = starts.iter().skip(1).copied().chain([to]);
        let mut shifts: Vec<Shift> = Vec::new();
        for (from, to) in starts.iter().copied().zip(ends) {
            let when = WallReading { wall: from, trusted: true };
            let duty = self.on_duty(registry, line, when);
            match shifts.last_mut() {
                Some(last) if last.duty == duty => last.to = to,
                _ => shifts.push(Shift { line: line.clone(), from, to, duty }),
            }
        }
        shifts
    }

    /// Whether any rule fills a line; one that has none is its fallback's.
    pub fn has_rules(&self, line: &LineId) -> bool {
        self.rules_of(line).next().is_some()
    }

    /// The moments between two others at which the night begins or ends.
    pub fn night_edges(&self, from: Wall, to: Wall) -> BTreeSet<Wall> {
        self.edges_of((from, to), |zone, day| civil::stretch(zone, day, self.night))
    }

    /// The moments between two others at which a rule of the line, or a change, begins or ends.
    fn edges(&self, line: &LineId, from: Wall, to: Wall) -> BTreeSet<Wall> {
        let mut edges = self.edges_of((from, to), |zone, day| {
            let begun = move |rule: &Rule| rule.stretch_on(zone, day, &self.day_types);
            self.rules_of(line).filter_map(begun).collect::<Vec<_>>()
        });
        let changed = self.changes.values().flat_map(|change| [change.from, change.to]);
        edges.extend(changed.filter(|edge| from < *edge && *edge < to));
        edges
    }

    fn edges_of<S: IntoIterator<Item = civil::Stretch>>(
        &self,
        (from, to): (Wall, Wall),
        on_day: impl Fn(&TimeZone, Date) -> S,
    ) -> BTreeSet<Wall> {
        let mut edges = BTreeSet::new();
        let zone = civil::zone(&self.zone);
        let moments = (civil::moment(from), civil::moment(to));
        let (Some(zone), (Some(first), Some(last))) = (zone, moments) else { return edges };
        let mut day = civil::days_around(&zone, first).next();
        let last_day = civil::days_around(&zone, last).last();
        while let Some(today) = day.filter(|day| last_day.is_none_or(|last| *day <= last)) {
            let stretches = on_day(&zone, today).into_iter();
            edges.extend(stretches.flat_map(|s| [civil::wall(s.from), civil::wall(s.to)]));
            day = today.checked_add(1.day()).ok();
        }
        edges.retain(|edge| from < *edge && *edge < to);
        edges
    }
}
