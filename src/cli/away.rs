//! `anling away` and `anling seen`: what a person knows of a resident, so that nobody is asked after who
//! is with their family, and nobody is sent to a home where somebody has just been.

use super::loading::{ask, odd_answer};
use super::roster::when;
use super::work::who;
use super::{Dirs, Failure, Outcome, print_json, print_text};
use crate::counter::{Ask, LifeAsk, Reply, ResidentView};
use crate::exit;
use crate::terms::ResidentId;

#[derive(Debug, clap::Args)]
pub(super) struct Away {
    /// The resident, by id: R0003
    resident: String,
    /// Until when: 2026-11-22T18:00, by the clock on the centre's wall
    #[arg(long, value_name = "TIME", required_unless_present = "back")]
    until: Option<String>,
    /// They are back
    #[arg(long, conflicts_with = "until")]
    back: bool,
    /// Who says so: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Seen {
    /// The resident, by id: R0003
    resident: String,
    /// Who spoke with them or saw them: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn away(dirs: Dirs<'_>, args: &Away) -> Outcome {
    let resident = resident(&args.resident)?;
    let until = args.until.as_deref().map(when).transpose()?;
    let by = who(dirs, args.by.as_deref())?;
    let view = said(dirs, LifeAsk::Away { resident, until, by })?;
    if args.json {
        return print_json(&view);
    }
    let says = match view.away_until {
        Some(_) => {
            format!("away until {}: not asked after", args.until.as_deref().unwrap_or("then"))
        }
        None => "back: asked after again from the next window on".to_owned(),
    };
    print_text(&format!("{} is {says}.{}\n", name(&view), disk(&view)))
}

pub(super) fn seen(dirs: Dirs<'_>, args: &Seen) -> Outcome {
    let resident = resident(&args.resident)?;
    let by = who(dirs, args.by.as_deref())?;
    let view = said(dirs, LifeAsk::Well { resident, by })?;
    if args.json {
        return print_json(&view);
    }
    let says = "noted as a sign of life; close what is open yourself: `anling incidents`";
    print_text(&format!("{}: {says}.{}\n", name(&view), disk(&view)))
}

fn resident(said: &str) -> Result<ResidentId, Failure> {
    ResidentId::new(said).map_err(|_| {
        let says = format!("no resident is called {said}: give an id, such as R0003");
        Failure::new(exit::USAGE, says)
    })
}

fn said(dirs: Dirs<'_>, says: LifeAsk) -> Result<ResidentView, Failure> {
    match ask(dirs, &Ask::Life(says))? {
        Reply::Resident(view) => Ok(view),
        _ => Err(odd_answer()),
    }
}

fn name(view: &ResidentView) -> String {
    format!("{} ({})", view.name, view.resident)
}

fn disk(view: &ResidentView) -> &'static str {
    if view.on_disk { "" } else { " IN MEMORY ONLY, the disk fails." }
}
