//! `anling roster override|swap|leave|undo|changes`: what people change about the plan that stands.

use std::fmt::Write as _;

use super::loading::{ask, odd_answer};
use super::roster::{NEAR, civil, when};
use super::work::who;
use super::{Dirs, Failure, Outcome, print_json, print_text};
use crate::counter::{Ask, DutyAsk, DutyChanges, Reply};
use crate::exit;
use crate::roster::{DutyChange, DutyChanged};
use crate::terms::{DutyChangeId, LineId};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Change {
    /// These people stand on a line for these hours, and nobody else
    Override {
        /// The line: first
        line: String,
        /// Who: ids, or names that only one person has
        #[arg(required = true)]
        people: Vec<String>,
        #[command(flatten)]
        hours: Hours,
    },
    /// Two people trade their shifts for these hours
    Swap {
        /// The one
        one: String,
        /// The other
        other: String,
        #[command(flatten)]
        hours: Hours,
    },
    /// Somebody is away for these hours
    Leave {
        /// Who
        person: String,
        #[command(flatten)]
        hours: Hours,
    },
    /// Take a change back
    Undo {
        /// Its number, as `anling roster changes` shows it
        number: u64,
        /// Who says so: a person's id, or a name that only one person has
        #[arg(long = "as", value_name = "PERSON")]
        by: Option<String>,
    },
    /// Show the changes that hold or come
    Changes {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Hours {
    /// From when on, by the clock on the centre's wall: 2026-11-22T20:00; now where it is left out
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Who says so: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
}

pub(super) fn change(dirs: Dirs<'_>, asked: &Change) -> Outcome {
    let person = |said: &String| who(dirs, Some(said));
    let (what, hours) = match asked {
        Change::Override { line, people, hours } => {
            let people = people.iter().map(person).collect::<Result<_, _>>()?;
            (DutyChanged::Override { line: line_of(line)?, people }, hours)
        }
        Change::Swap { one, other, hours } => {
            (DutyChanged::Swap { one: person(one)?, other: person(other)? }, hours)
        }
        Change::Leave { person: away, hours } => (DutyChanged::Leave { who: person(away)? }, hours),
        Change::Undo { number, by } => {
            let by = who(dirs, by.as_deref())?;
            let undone = DutyAsk::Undo { change: DutyChangeId(*number), by };
            let left = said(dirs, undone)?;
            return print_text(&format!("change {number} is taken back.{}\n", disk(&left)));
        }
        Change::Changes { json } => {
            let all = said(dirs, DutyAsk::All)?;
            if *json {
                return print_json(&all);
            }
            return print_text(&told(&all));
        }
    };
    let from = hours.from.as_deref().map(when).transpose()?;
    let (to, by) = (when(&hours.to)?, who(dirs, hours.by.as_deref())?);
    let all = said(dirs, DutyAsk::Change { from, to, what, by })?;
    let newest = all.changes.iter().max_by_key(|change| change.id);
    let newest = newest.map(|change| line(change, &all.zone)).unwrap_or_default();
    print_text(&format!("{newest}{}\n", disk(&all)))
}

fn line_of(said: &str) -> Result<LineId, Failure> {
    LineId::new(said).map_err(|_| {
        let says = format!("no line is called {said}: see `anling roster`");
        Failure::new(exit::USAGE, says)
    })
}

fn said(dirs: Dirs<'_>, asked: DutyAsk) -> Result<DutyChanges, Failure> {
    match ask(dirs, &Ask::Duty(asked))? {
        Reply::DutyChanges(changes) => Ok(changes),
        _ => Err(odd_answer()),
    }
}

fn told(all: &DutyChanges) -> String {
    if all.changes.is_empty() {
        return "nobody has changed the plan\n".to_owned();
    }
    all.changes.iter().fold(String::new(), |mut out, change| {
        let _ = writeln!(out, "{}", line(change, &all.zone));
        out
    })
}

fn line(change: &DutyChange, zone: &str) -> String {
    let what = match &change.what {
        DutyChanged::Override { line, people } => {
            let people: Vec<String> = people.iter().map(ToString::to_string).collect();
            format!("on {line}: {}", people.join(", "))
        }
        DutyChanged::Swap { one, other } => format!("{one} and {other} trade their shifts"),
        DutyChanged::Leave { who } => format!("{who} is away"),
    };
    let (from, to) = (civil(change.from, zone, NEAR), civil(change.to, zone, NEAR));
    format!("{:>3}  {from} – {to}  {what}, says {}", change.id, change.by)
}

fn disk(all: &DutyChanges) -> &'static str {
    if all.on_disk { "" } else { " IN MEMORY ONLY, the disk fails." }
}
