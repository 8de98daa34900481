//! `anling swap`: a point gets another device; its id, its home and its history stay.

use super::loading::{ask, odd_answer};
use super::work::who;
use super::{Dirs, Failure, Outcome, print_json, print_text};
use crate::counter::{Ask, Reply, WorkAsk};
use crate::exit;
use crate::terms::DeviceId;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The point, by id: B-14
    device: String,
    /// What the new device is heard as: its address or name on its own network
    heard_as: String,
    /// Who did it: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn swap(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let Ok(device) = DeviceId::new(&args.device) else {
        let says = format!("no device is called {}: see `anling devices`", args.device);
        return Err(Failure::new(exit::USAGE, says));
    };
    let by = who(dirs, args.by.as_deref())?;
    let heard_as = args.heard_as.trim().to_owned();
    let Reply::Swapped(swapped) = ask(dirs, &Ask::Work(WorkAsk::Swap { device, heard_as, by }))?
    else {
        return Err(odd_answer());
    };
    if args.json {
        return print_json(&swapped);
    }
    let (point, from, to) = (&swapped.device, &swapped.from, &swapped.to);
    let disk = if swapped.on_disk { "" } else { " IN MEMORY ONLY, the disk fails." };
    print_text(&format!(
        "{point} is heard as {to} from now on, no longer as {from}.{disk}\nPress it once: anling \
         walk-test {point} --as {}\nWith an account of its own it needs one for {to} in links.toml; \
         `anling export` writes the list anew, so that the next import does not undo this.\n",
        args.by.as_deref().unwrap_or_default()
    ))
}
