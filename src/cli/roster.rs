//! `anling roster`: who is on duty, from the config directory, with or without a running hub.

use std::fmt::Write as _;
use std::path::Path;

use jiff::civil::DateTime;

use super::loading::load;
use super::{Failure, Outcome, print_json, print_text};
use crate::clock::{Clock, Vouch};
use crate::exit;
use crate::registry::csv::Table;
use crate::registry::{Registry, changes};
use crate::roster::{DutyBy, Roster, Shift};
use crate::terms::{LineId, PersonId, Wall, WallReading};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// At this civil time of the centre's zone: 2026-11-22T03:00
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The plan of the coming days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn roster(dir: &Path, args: &Args) -> Outcome {
    let settings = load(dir, None)?.settings;
    let mut registry = Registry::default();
    for change in changes(&Registry::default(), &Table::ALL, &settings.rows) {
        registry.apply(&change);
    }
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let wall = match &args.at {
        Some(text) => civil_time(text, &settings.roster)?,
        None => clock.wall().wall,
    };
    let shifts = match args.days {
        Some(days) => settings.roster.plan(&registry, wall, days),
        None => now(&settings.roster, &registry, wall),
    };
    if args.json {
        return print_json(&shifts.iter().map(as_json).collect::<Vec<_>>());
    }
    let mut out = String::new();
    for shift in &shifts {
        let line = line(shift, &settings.roster, &registry, args.days.is_some());
        let _ = writeln!(out, "{line}");
    }
    print_text(&out)
}

fn now(roster: &Roster, registry: &Registry, wall: Wall) -> Vec<Shift> {
    let when = WallReading { wall, trusted: true };
    let shift = |line: &LineId| Shift {
        line: line.clone(),
        from: wall,
        to: wall,
        duty: roster.on_duty(registry, line, when),
    };
    roster.lines.keys().map(shift).collect()
}

fn civil_time(text: &str, roster: &Roster) -> Result<Wall, Failure> {
    let wrong =
        || Failure::new(exit::USAGE, format!("{text} is no time: write it like 2026-11-22T03:00"));
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    let zone = jiff::tz::TimeZone::get(&roster.zone).map_err(|_| wrong())?;
    let zoned = civil.to_zoned(zone).map_err(|_| wrong())?;
    Ok(Wall(zoned.timestamp().as_millisecond()))
}

fn line(shift: &Shift, roster: &Roster, registry: &Registry, span: bool) -> String {
    let label = roster.lines.get(&shift.line).map(|l| l.label.as_str()).unwrap_or_default();
    let name = |id: &PersonId| {
        let name = registry.person(id).map(|p| p.name.as_str()).unwrap_or_default();
        format!("{name} ({id})")
    };
    let people: Vec<String> = shift.duty.people.iter().map(name).collect();
    let by = match shift.duty.by {
        DutyBy::Rule => "",
        DutyBy::Fallback => "  ← no rule fits: the fallback",
        DutyBy::Everybody => "  ← NOBODY: no rule and no fallback, so everybody is called",
        DutyBy::Union => "  ← everybody who could be",
    };
    let time = |wall| {
        let civil: Option<DateTime> = roster.civil(wall);
        civil.map(|c| c.strftime("%a %m-%d %H:%M").to_string()).unwrap_or_default()
    };
    let when = match span {
        true => format!("{} – {}  ", time(shift.from), time(shift.to)),
        false => String::new(),
    };
    format!("{when}{:<11} {label}  {}{by}", shift.line, people.join(", "))
}

fn as_json(shift: &Shift) -> serde_json::Value {
    serde_json::json!({
        "line": shift.line,
        "from_ms": shift.from,
        "to_ms": shift.to,
        "people": shift.duty.people,
        "by": shift.duty.by,
    })
}
