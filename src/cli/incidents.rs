//! `anling incidents`: what is open, and with `--all` what is over, by the day it began on.

use std::fmt::Write as _;

use super::incident::{AT_RISK, ago, told_since};
use super::loading::{ask, load_or_accepted, odd_answer};
use super::roster::when;
use super::{Dirs, Outcome, print_json, print_text, remark, status};
use crate::counter::{ArchiveView, Ask, IncidentView, PAST_DAYS, PastView, Reply};
use crate::roster::Roster;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Those that are over as well: of the last 30 days, where nothing else is said
    #[arg(long)]
    all: bool,
    /// Of so many days before now
    #[arg(long, value_name = "N", requires = "all", conflicts_with = "from",
          value_parser = clap::value_parser!(u16).range(1..=3660))]
    days: Option<u16>,
    /// That began at this civil time of the centre's zone or later: 2026-11-01T00:00
    #[arg(long, value_name = "TIME", requires = "all")]
    from: Option<String>,
    /// That began before this time
    #[arg(long, value_name = "TIME", requires = "all")]
    to: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn incidents(dirs: Dirs<'_>, args: &Args) -> Outcome {
    if args.all {
        return all(dirs, args);
    }
    let Reply::Incidents(views) = ask(dirs, &Ask::Incidents { all: false })? else {
        return Err(odd_answer());
    };
    if args.json {
        return print_json(&views);
    }
    if views.is_empty() {
        return print_text("no open incidents\n");
    }
    let lines: String = views.iter().map(|view| line(view, &ago(view.age_ms))).collect();
    print_text(&at_risk(lines, &views))
}

fn all(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let from = args.from.as_deref().map(when).transpose()?;
    let to = args.to.as_deref().map(when).transpose()?;
    let days = args.days;
    let Reply::Past(past) = ask(dirs, &Ask::Past { from, to, days })? else {
        return Err(odd_answer());
    };
    let PastView { incidents, more, archive } = *past;
    if args.json {
        print_json(&incidents)?;
    } else if incidents.is_empty() {
        let over = days.unwrap_or(PAST_DAYS);
        let span = if from.is_some() || to.is_some() {
            "that span".to_owned()
        } else {
            format!("{over} days")
        };
        print_text(&format!("no incidents in {span}\n"))?;
    } else {
        let roster = load_or_accepted(dirs).ok().map(|loaded| loaded.settings.roster);
        print_text(&at_risk(by_day(&incidents, roster.as_ref()), &incidents))?;
    }
    if archive != ArchiveView::Level
        && let Some(says) = status::archive(&archive)
    {
        remark(&format!("the archive is {says}"));
    }
    if more {
        remark("older ones are left out: name an earlier span with --from and --to");
    }
    Ok(())
}

fn at_risk(mut lines: String, views: &[IncidentView]) -> String {
    if views.iter().any(|view| !view.on_disk) {
        lines.push_str(AT_RISK);
    }
    lines
}

/// Each day with its incidents; without a zone, which only a config gives, with their ages alone.
fn by_day(views: &[IncidentView], roster: Option<&Roster>) -> String {
    let (mut lines, mut day) = (String::new(), None);
    for view in views {
        let began = view.times.raised.and_then(|wall| roster?.civil(wall));
        if let Some(began) = began {
            let date = Some(began.date());
            if day != date {
                day = date;
                let _ = writeln!(lines, "{}", began.date());
            }
        }
        let when = began.map_or_else(|| ago(view.age_ms), |b| b.strftime("%H:%M").to_string());
        lines.push_str(&line(view, &when));
    }
    lines
}

fn line(view: &IncidentView, when: &str) -> String {
    let mut line = format!(
        "{:<5} {:<11} {:<10} {when:>7}  {}",
        view.code,
        view.about(),
        view.stage.word().replace('_', " "),
        view.place,
    );
    if !view.residents.is_empty() {
        let _ = write!(line, " {}", view.residents);
    }
    let active = view.people.iter().filter(|p| p.is.is_active());
    let coming: Vec<&str> = active.map(|p| p.name.as_str()).collect();
    if !coming.is_empty() {
        let _ = write!(line, "  ← {}", coming.join(", "));
    }
    if let Some(said) = told_since(view) {
        let _ = write!(line, "  ({said})");
    }
    if let Some(ending) = &view.ending {
        let _ = write!(line, "  {ending}");
    }
    line.push('\n');
    line
}
