//! `anling check --coverage 60d`: the duty plan, proven for the coming days.
//!
//! It reads the files of the directory, and of the hub's record, where there is one, the people and what
//! they have changed about the plan. What it finds is told in the centre's civil time, interval by interval, with what to look at.

use std::fmt::Write as _;

use super::roster::civil;
use super::{Failure, Outcome, print_json, print_text};
use crate::config::Settings;
use crate::exit;
use crate::incident::Needs;
use crate::incident::coverage::{Uncovered, Weakness, uncovered};
use crate::registry::Registry;
use crate::roster::Roster;
use crate::terms::{LineId, PersonId, Wall};

/// Intervals that are printed; `--json` has them all. Own choice: three screens.
const SHOWN_MAX: usize = 60;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is asked about.
pub(super) struct Asked<'a> {
    pub(super) settings: &'a Settings,
    /// The plan of the files, with what people have changed about it.
    pub(super) roster: &'a Roster,
    pub(super) registry: &'a Registry,
    pub(super) from: Wall,
    pub(super) days: u16,
    pub(super) json: bool,
}

/// `60d`, or `60`.
pub(super) fn days(text: &str) -> Result<u16, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    let days = number.parse().ok().filter(|days| (1..=366).contains(days));
    days.ok_or_else(|| "write 1d to 366d, such as 60d".to_owned())
}

/// Prints the gaps; fails where there is one.
pub(super) fn prove(asked: &Asked<'_>) -> Outcome {
    let Asked { settings, roster, registry, from, days, json } = *asked;
    let gaps = uncovered(&settings.policy, roster, registry, (from, days));
    if json {
        print_json(&gaps)?;
    } else {
        print_text(&asked.told(&gaps))?;
    }
    if gaps.is_empty() { Ok(()) } else { Err(Failure::new(exit::NOT_RIGHT, "")) }
}

impl Asked<'_> {
    fn told(&self, gaps: &[Uncovered]) -> String {
        let mut out = format!("duty plan from {} for {} days: ", self.moment(self.from), self.days);
        out += match gaps.len() {
            0 => "at every minute somebody is on shift, and two people in two ways\n",
            1 => "1 gap\n",
            _ => "",
        };
        if gaps.len() > 1 {
            let _ = writeln!(out, "{} gaps", gaps.len());
        }
        for gap in gaps.iter().take(SHOWN_MAX) {
            let (class, from, to) =
                (gap.class.to_string(), self.moment(gap.from), self.moment(gap.to));
            let station = gap.station.as_ref().and_then(|id| self.roster.stations.get(id));
            let of = station.map(|station| format!(", {}", station.label)).unwrap_or_default();
            let length = self.length(gap);
            let _ = writeln!(out, "  {class:<10} {from} – {to}  ({length}{of})");
            for why in &gap.why {
                let _ = writeln!(out, "      {}", self.why(why));
            }
        }
        if let Some(more @ 1..) = gaps.len().checked_sub(SHOWN_MAX) {
            let _ = writeln!(out, "  and {more} more: --json has them all");
        }
        out
    }

    fn moment(&self, wall: Wall) -> String {
        civil(wall, &self.roster.zone, "%a %Y-%m-%d %H:%M")
    }

    fn length(&self, gap: &Uncovered) -> String {
        if gap.from == self.from && gap.to.0 - gap.from.0 >= i64::from(self.days) * DAY_MS {
            return "always".to_owned();
        }
        let minutes = (gap.to.0 - gap.from.0) / 60_000;
        match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
            (0, 0, minutes) => format!("{minutes} min"),
            (0, hours, 0) => format!("{hours} h"),
            (0, hours, minutes) => format!("{hours} h {minutes} min"),
            (days, hours, _) => format!("{days} d {hours} h"),
        }
    }

    fn why(&self, why: &Weakness) -> String {
        match why {
            Weakness::NobodyOnShift { step, line, instead } => {
                let names: Vec<String> = instead.iter().map(|id| self.name(id)).collect();
                let (line, names) = (self.line(line), names.join(", "));
                format!("step {step}: nobody is on shift on {line}; asked instead: {names}")
            }
            Weakness::OnePerson { person } => format!(
                "the first two steps reach {} and nobody else: add a second person",
                self.name(person)
            ),
            Weakness::NoWay => {
                "nobody whom the first two steps call can be reached by their ways: see phone and \
                 email in people.csv"
                    .to_owned()
            }
            Weakness::OneWay { needs } => {
                let what = match needs {
                    Needs::Building => {
                        "somebody in the duty room: add a way that reaches a telephone"
                    }
                    Needs::Internet => "the internet: add a way that goes without it",
                    Needs::Mobile => "the mobile network: add a way that goes without it",
                };
                format!("every way of the first two steps needs {what}")
            }
        }
    }

    fn line(&self, line: &LineId) -> String {
        let label = self.roster.lines.get(line).map_or("", |line| line.label.as_str());
        if label.is_empty() { line.to_string() } else { format!("{line} ({label})") }
    }

    fn name(&self, id: &PersonId) -> String {
        let name = self.registry.person(id).map_or("", |person| person.name.as_str());
        if name.is_empty() { id.to_string() } else { format!("{name} ({id})") }
    }
}
