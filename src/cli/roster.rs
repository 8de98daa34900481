//! `anling roster`: who is on duty.
//!
//! The running hub is asked first, because it goes by its record and knows whether its clock can be
//! trusted. Without one the files answer, and a line beside the output says so.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::duty::{Change, change};
use super::loading::{ask, load_or_accepted, odd_answer};
use super::{Dirs, Failure, Outcome, print_json, print_text, remark};
use crate::clock::{Clock, Vouch};
use crate::counter::{Ask, DutyPlan, OnDuty, Reply, ShiftView, When};
use crate::exit;
use crate::registry::csv::Table;
use crate::registry::{Registry, changes};
use crate::roster::DutyBy;
use crate::terms::Wall;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    change: Option<Change>,
    /// At this civil time of the centre's zone, 2026-11-22T03:00; or with an offset of its own
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The plan of the coming days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    days: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where an answer comes from, as `--json` says it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Hub,
    Files,
}

#[derive(serde::Serialize)]
struct Told<'p> {
    source: Source,
    #[serde(flatten)]
    plan: &'p DutyPlan,
}

pub(super) fn roster(dirs: Dirs<'_>, args: &Args) -> Outcome {
    if let Some(asked) = &args.change {
        return change(dirs, asked);
    }
    let at = args.at.as_deref().map(when).transpose()?;
    let days = args.days;
    let (source, plan) = match ask(dirs, &Ask::Roster { at, days }) {
        Ok(Reply::Roster(plan)) => (Source::Hub, *plan),
        Ok(_) => return Err(odd_answer()),
        Err(silent) if silent.code == exit::UNREACHABLE => {
            let plan = of_files(dirs, at, days)?;
            let (why, dir) = (silent.says, dirs.config.display());
            remark(&format!("{why}; these are the files in {dir}, its record may say otherwise"));
            (Source::Files, plan)
        }
        Err(failure) => return Err(failure),
    };
    if args.json {
        return print_json(&Told { source, plan: &plan });
    }
    if !plan.clock_trusted {
        remark("the hub's clock is not trusted: see that it reaches a time server");
    }
    let lines = plan.shifts.iter().map(|shift| line(shift, &plan.zone, days.is_some()));
    let mut out = String::new();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
    print_text(&out)
}

fn of_files(dirs: Dirs<'_>, at: Option<When>, days: Option<u16>) -> Result<DutyPlan, Failure> {
    let settings = load_or_accepted(dirs)?.settings;
    let mut registry = Registry::default();
    let tables = Table::brought(&settings.rows);
    for change in changes(&Registry::default(), &tables, &settings.rows) {
        registry.apply(&change);
    }
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let plan = DutyPlan::of(&settings.roster, &registry, clock.wall(), at, days);
    plan.ok_or_else(|| {
        Failure::new(exit::NOT_RIGHT, "that time is out of range: name one nearer to today")
    })
}

/// A time as people write it. One with an offset is the moment it says, never the centre's time
/// without it.
pub(super) fn when(text: &str) -> Result<When, Failure> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(When::Moment(Wall(moment.as_millisecond())));
    }
    text.parse::<DateTime>().map(When::Civil).map_err(|_| {
        Failure::new(exit::USAGE, format!("{text} is no time: write it like 2026-11-22T03:00"))
    })
}

/// A moment by the clock on the centre's wall, in a form of `strftime`; empty where it cannot be said.
pub(super) fn civil(wall: Wall, zone: &str, form: &str) -> String {
    let moment = Timestamp::from_millisecond(wall.0).ok();
    let civil = moment.and_then(|moment| moment.in_tz(zone).ok());
    civil.map(|civil| civil.strftime(form).to_string()).unwrap_or_default()
}

/// A day of these weeks and its time.
pub(super) const NEAR: &str = "%a %m-%d %H:%M";

fn line(shift: &ShiftView, zone: &str, span: bool) -> String {
    let name = |person: &OnDuty| format!("{} ({})", person.name, person.id);
    let people: Vec<String> = shift.people.iter().map(name).collect();
    let by = match shift.by {
        DutyBy::Rule => "",
        DutyBy::Override => "  ← somebody said so for these hours",
        DutyBy::Fallback => "  ← no rule fits: the fallback",
        DutyBy::Everybody => "  ← NOBODY: no rule and no fallback, so everybody is called",
        DutyBy::Union => "  ← everybody who could be",
    };
    let time = |wall: Wall| civil(wall, zone, NEAR);
    let when = match span {
        true => format!("{} – {}  ", time(shift.from), time(shift.to)),
        false => String::new(),
    };
    let stations = match shift.stations.is_empty() {
        true => String::new(),
        false => format!(" ({})", shift.stations.join("、")),
    };
    format!("{when}{:<11} {}{stations}  {}{by}", shift.line, shift.label, people.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_an_offset_is_that_moment_and_one_without_is_the_centres() {
        let civil = When::Civil("2026-11-22T03:00".parse().unwrap());
        assert_eq!(when("2026-11-22T03:00").unwrap(), civil);
        assert_eq!(when("2026-11-22 03:00").unwrap(), civil);
        let moment = When::Moment(Wall(1_795_287_600_000));
        assert_eq!(when("2026-11-22T03:00+08:00").unwrap(), moment);
        assert_eq!(when("2026-11-21T19:00Z").unwrap(), moment);
        for wrong in ["", "tomorrow", "2026-11-31T03:00", "2026-11-22T25:00"] {
            assert_eq!(when(wrong).unwrap_err().code, exit::USAGE, "{wrong}");
        }
    }
}
