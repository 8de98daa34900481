//! `anling commission`: a home in one pass. Devices join for a while and are registered, every point is
//! pressed, and each passes only when three things were seen: its press at the hub, the words staff
//! would read, found right by the technician, and a step of the ladder that reaches somebody now. What
//! was seen goes on a sheet to print and sign.
//!
//! It asks on a terminal, and asks nothing of a script: `--adopt` names what to register, `--yes` says
//! that the words were read and are right. While it lasts the home, and what `--adopt` names, is in a walk
//! test, so nobody is called for their presses; it is ended on every way out, and closes by itself if the
//! technician walks away. A device that is first heard here and named by nobody calls like any stranger.

mod adopt;
mod sheet;

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use self::adopt::Adoption;
use super::difference::counted;
use super::loading::{ask, odd_answer};
use super::work::{begin, follow, named, wait, who};
use super::{Dirs, Failure, Outcome, print_text};
use crate::counter::{
    Ask, BeginWork, DryRunView, PointView, RegistryView, Reply, StepView, WorkAsk, WorkView,
};
use crate::exit;
use crate::incident::{Scope, WorkKind};
use crate::terms::{DeviceId, HomeId, PersonId, Wait, plain};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The home, by id: H-3-2-501
    home: String,
    /// Who does it: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// Let new Zigbee devices join first: up to 254s
    #[arg(long, value_name = "TIME", value_parser = wait)]
    join: Option<Wait>,
    /// Register a device that was heard, without being asked: its address as `devices --heard` shows
    /// it, and the row to write
    #[arg(long, value_name = "HEARD_AS=ID,TYPE[,SPOT[,RESIDENT]]", value_parser = adopt::parsed)]
    adopt: Vec<Adoption>,
    /// How long all of it takes at most: up to 4h
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = wait)]
    lasts: Wait,
    /// The words were read and are right: do not ask
    #[arg(long)]
    yes: bool,
    /// Write the sheet here, as a page to print
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
}

/// What was seen of one point.
struct Seen {
    /// Whether the technician found the words right.
    words_right: bool,
    /// Who would be called.
    dry_run: DryRunView,
}

impl Seen {
    fn passes(&self) -> bool {
        self.words_right && self.dry_run.reaches_somebody()
    }
}

pub(super) fn commission(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let by = who(dirs, args.by.as_deref())?;
    let view = registry(dirs)?;
    let home = HomeId::new(&args.home).ok().filter(|id| view.registry.home(id).is_some());
    let Some(home) = home else {
        let says =
            format!("no home is called {}: write it into homes.csv and import it", args.home);
        return Err(Failure::new(exit::NOT_RIGHT, says));
    };
    if let Some(path) = &args.sheet {
        // Better now than after every press.
        write_sheet(path, "")?;
    }
    if let Some(lasts) = args.join {
        join(dirs, lasts, &by)?;
    }
    let adopted = args.adopt.iter().map(|one| Scope::HeardAs(one.heard_as().to_owned()));
    let asked = BeginWork {
        kind: WorkKind::WalkTest,
        scope: [Scope::Home(home.clone())].into_iter().chain(adopted).collect(),
        by: by.clone(),
        lasts: args.lasts,
        reason: None,
    };
    let work = begin(dirs, asked)?;
    let id = work.id;
    let passed = pressed(dirs, args, &home, work, &by);
    if passed.is_err() {
        // Whatever went wrong, nobody's press is held back longer; it may be over already.
        let _ = ask(dirs, &Ask::Work(WorkAsk::End { work: id, by: by.clone() }));
    }
    if args.join.is_some() {
        join(dirs, Wait::ZERO, &by)?;
    }
    let (work, seen) = passed?;
    if let Some(path) = &args.sheet {
        let Reply::Status(status) = ask(dirs, &Ask::Status)? else { return Err(odd_answer()) };
        write_sheet(path, &sheet::page(&status, &home, &registry(dirs)?.registry, &work, &seen)?)?;
        print_text(&format!("The sheet is in {}: print it and sign it.\n", path.display()))?;
    }
    verdict(&work.points, &seen)
}

/// Registers what is to be registered, and follows the presses.
fn pressed(
    dirs: Dirs<'_>,
    args: &Args,
    home: &HomeId,
    work: WorkView,
    by: &PersonId,
) -> Result<(WorkView, BTreeMap<DeviceId, Seen>), Failure> {
    let asks = !args.yes && is_terminal();
    adopt::adopt(dirs, home, args, asks)?;
    let Reply::Work(work) = ask(dirs, &Ask::Work(WorkAsk::One { work: work.id }))? else {
        return Err(odd_answer());
    };
    if work.points.is_empty() {
        let says = format!("{home} has no devices: register one with --adopt, or import the list");
        return Err(Failure::new(exit::NOT_RIGHT, says));
    }
    print_text(&format!("Press every point of {home}; nobody is called for them:\n"))?;
    for point in &work.points {
        print_text(&format!("  {}\n", named(point)))?;
    }
    let mut seen: BTreeMap<DeviceId, Seen> = BTreeMap::new();
    let work = follow(dirs, *work, by, |point| {
        let looked = look(dirs, point, args.yes, asks)?;
        seen.insert(point.device.clone(), looked);
        Ok(())
    })?;
    Ok((work, seen))
}

fn write_sheet(path: &Path, page: &str) -> Outcome {
    std::fs::write(path, page).map_err(|error| {
        let says = format!("the sheet cannot be written to {}: {error}", path.display());
        Failure::new(exit::NOT_RIGHT, says)
    })
}

pub(super) fn registry(dirs: Dirs<'_>) -> Result<Box<RegistryView>, Failure> {
    match ask(dirs, &Ask::Registry)? {
        Reply::Registry(view) => Ok(view),
        _ => Err(odd_answer()),
    }
}

fn is_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Lets devices join, or no longer.
fn join(dirs: Dirs<'_>, lasts: Wait, by: &PersonId) -> Outcome {
    let by = by.clone();
    let asked = Ask::Work(WorkAsk::Join { link: None, lasts, by });
    let Reply::Joining(links) = ask(dirs, &asked)? else { return Err(odd_answer()) };
    let links: Vec<String> = links.iter().map(ToString::to_string).collect();
    let links = links.join(", ");
    print_text(&match lasts {
        Wait::ZERO => format!("No more devices may join on {links}.\n"),
        lasts => format!("Zigbee devices may join for {lasts} on {links}: start them now.\n"),
    })
}

/// Shows what staff would read and who would be called, and asks whether the words are right.
fn look(dirs: Dirs<'_>, point: &PointView, yes: bool, asks: bool) -> Result<Seen, Failure> {
    let (device, kind) = (point.device.clone(), point.heard.first().copied());
    let Some(kind) = kind else { return Err(odd_answer()) };
    let asked = Ask::Work(WorkAsk::DryRun { device, kind });
    let Reply::DryRun(dry_run) = ask(dirs, &asked)? else { return Err(odd_answer()) };
    print_text(&format!("      staff would read: {}\n", plain(&dry_run.text)))?;
    for step in &dry_run.steps {
        print_text(&format!("      {}\n", step_line(step)))?;
    }
    if !dry_run.reaches_somebody() {
        print_text("      NOBODY is reached in the first step: see the carriers in `status`\n")?;
    }
    let words_right = yes || (asks && answered_yes("      Is every word right? [y/N] ")?);
    Ok(Seen { words_right, dry_run: *dry_run })
}

/// A step in one line.
fn step_line(step: &StepView) -> String {
    let people: Vec<String> = step
        .people
        .iter()
        .map(|person| {
            let by: Vec<String> = person
                .by
                .iter()
                .map(|(carrier, works)| match works {
                    true => carrier.to_string(),
                    false => format!("{carrier} FAILS"),
                })
                .collect();
            format!("{} by {}", plain(&person.name), by.join(" and "))
        })
        .collect();
    format!("after {:>3} s: {}", step.after_ms / 1_000, people.join("; "))
}

/// Asks on the terminal; what cannot be read is no yes.
fn answered_yes(question: &str) -> Result<bool, Failure> {
    Ok(matches!(answered(question)?.to_lowercase().as_str(), "y" | "yes" | "是"))
}

fn answered(question: &str) -> Result<String, Failure> {
    print_text(question)?;
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(answer.trim().to_owned())
}

/// Passed, or what is missing.
fn verdict(points: &[PointView], seen: &BTreeMap<DeviceId, Seen>) -> Outcome {
    let mut missing = Vec::new();
    for point in points {
        let what = match seen.get(&point.device) {
            None => "was not heard",
            Some(seen) if !seen.words_right => "its words were not found right",
            Some(seen) if !seen.dry_run.reaches_somebody() => "reaches nobody in its first step",
            Some(_) => continue,
        };
        missing.push(format!("{} {what}", point.device));
    }
    match missing.is_empty() {
        true => {
            print_text(&format!("PASSED: {}, all there are.\n", counted(points.len(), "point")))
        }
        false => {
            let says = format!("NOT PASSED: {}; do it again for these", missing.join("; "));
            Err(Failure::new(exit::NOT_RIGHT, says))
        }
    }
}
