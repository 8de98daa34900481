//! `anling check`: every problem of the config directory at once, and where the hub's record says
//! otherwise than the registry's files.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::loading::ask_at;
use super::{Dirs, Failure, Outcome, print_as_it_is, print_json, print_text};
use crate::clock::{Clock, Vouch};
use crate::config::{self, Look, Secrets, Settings, Severity, render};
use crate::counter::{Ask, Reply};
use crate::desk::{Recorded, recorded};
use crate::exit;
use crate::registry::Row;

/// Columns where the terminal does not say.
const WIDTH: usize = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print problems as JSON
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
            }
            let of = record.hub.as_ref();
            problems.extend(of.and_then(|of| config::other_hub(&files, settings, of)));
        }
    }
    let wrong = problems.iter().any(|p| p.severity == Severity::Problem);
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

/// What the hub has on record about itself and who lives where, if there is a hub or a record to ask.
fn record(settings: &Settings, state: &Path) -> Option<Recorded> {
    match ask_at(&settings.gateway.socket, &Ask::Registry) {
        Ok(Reply::Registry(view)) => Some(Recorded { registry: view.registry, hub: view.hub }),
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
