//! `anling check`: every problem of the config directory at once, and where the hub's record says
//! otherwise than the registry's files.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::coverage::{Asked, prove};
use super::loading::ask_at;
use super::roster::when;
use super::{Dirs, Failure, Outcome, print_as_it_is, print_json, print_text};
use crate::clock::{Clock, Vouch};
use crate::config::{self, Look, Secrets, Settings, Severity, render};
use crate::counter::{Ask, DutyAsk, Reply, When};
use crate::desk::{Recorded, recorded};
use crate::exit;
use crate::registry::csv::Table;
use crate::registry::{Registry, Row, changes};
use crate::terms::Wall;

/// Columns where the terminal does not say.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Prove the duty plan of the coming days, 60d: every interval in which a call would hang on one
    /// person or one way
    #[arg(long, value_name = "DAYS", value_parser = super::coverage::days)]
    coverage: Option<u16>,
    /// With --coverage: from this time on, not from now
    #[arg(long, value_name = "TIME", requires = "coverage")]
    from: Option<String>,
    /// Print problems, or the gaps of the plan, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn check(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let dir = dirs.config;
    let files = config::read(dir);
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let now = clock.wall();
    let checked = config::check_at(&files, now.trusted.then_some(now.wall));
    let mut problems = checked.problems;
    let (mut registry, mut duty) = (Registry::default(), Vec::new());
    problems.extend(config::look_at_brokers(&checked.confs, &files));
    if let Some(settings) = &checked.settings {
        let state = dirs.state.unwrap_or(&settings.gateway.state_dir);
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        problems.extend(Secrets::of(credentials, state, dir).check(&checked.secrets, &files));
    }
    if let Some(settings) = &checked.settings {
        let state = dirs.state.unwrap_or(&settings.gateway.state_dir);
        if let Some(record) = record(settings, state) {
            if !record.registry.is_empty() {
                problems.extend(config::compare(&files, &settings.rows, &record.registry));
                registry = record.registry;
                duty = record.changes;
            }
            let of = record.hub.as_ref();
            problems.extend(of.and_then(|of| config::other_hub(&files, settings, of)));
        }
    }
    let wrong = problems.iter().any(|p| p.severity == Severity::Problem);
    let proof = args.coverage.zip(checked.settings.as_ref()).filter(|_| !wrong);
    if let Some((days, settings)) = proof {
        if registry.is_empty() {
            let rows = changes(&registry, &Table::ALL, &settings.rows);
            rows.iter().for_each(|row| registry.apply(row));
        }
        let from = first_moment(settings, args.from.as_deref())?;
        let mut roster = settings.roster.clone();
        roster.changes = duty.into_iter().map(|change| (change.id, change)).collect();
        let (registry, json) = (&registry, args.json);
        return prove(&Asked { settings, roster: &roster, registry, from, days, json });
    }
    if args.json {
        print_json(&problems)?;
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let look = if colour { Look::Colour } else { Look::Plain };
        print_as_it_is(&render(&problems, &files, look, WIDTH))?;
        if let (false, Some(settings)) = (wrong, &checked.settings) {
            print_text(&format!("{}\n", summary(settings, dir)))?;
        }
    }
    if wrong { Err(Failure::new(exit::NOT_RIGHT, "")) } else { Ok(()) }
}

/// The moment that a plan is proven from: as somebody said it, else now.
fn first_moment(settings: &Settings, said: Option<&str>) -> Result<Wall, Failure> {
    let wall = match said.map(when).transpose()? {
        None => Some(Clock::resume(None, Vouch::Host).0.wall().wall),
        Some(When::Moment(wall)) => Some(wall),
        Some(When::Civil(time)) => settings.roster.moment(time),
    };
    let wall = wall.filter(|wall| settings.roster.civil(*wall).is_some());
    wall.ok_or_else(|| {
        Failure::new(exit::NOT_RIGHT, "that time is out of range: name one nearer to today")
    })
}

/// What the hub has on record about itself and who lives where, if there is a hub or a record to ask.
fn record(settings: &Settings, state: &Path) -> Option<Recorded> {
    match ask_at(&settings.gateway.socket, &Ask::Registry) {
        Ok(Reply::Registry(view)) => {
            let changes = match ask_at(&settings.gateway.socket, &Ask::Duty(DutyAsk::All)) {
                Ok(Reply::DutyChanges(all)) => all.changes,
                _ => Vec::new(),
            };
            Some(Recorded { registry: view.registry, hub: view.hub, changes })
        }
        _ => recorded(state).ok().flatten(),
    }
}

fn summary(settings: &Settings, dir: &Path) -> String {
    let count = |wanted: fn(&Row) -> bool| settings.rows.iter().filter(|r| wanted(r)).count();
    format!(
        "{} can be used: hub {}, {} residents, {} devices, {} people, {} lines, {} ladders",
        dir.display(),
        settings.gateway.hub,
        count(|row| matches!(row, Row::Resident(_))),
        count(|row| matches!(row, Row::Device(_))),
        count(|row| matches!(row, Row::Person(_))),
        settings.roster.lines.len(),
        settings.policy.ladders.len(),
    )
}
