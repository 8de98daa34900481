//! `anling walk-test` and `anling maintenance`: a technician's work at the running hub.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::difference::counted;
use super::incident::{ago, person};
use super::loading::{ask, odd_answer};
use super::{Dirs, Failure, Outcome, print_json, print_text};
use crate::counter::{Ask, BeginWork, PointView, Reply, WorkAsk, WorkView};
use crate::exit;
use crate::incident::{Scope, WorkKind};
use crate::terms::{DeviceId, HomeId, Kind, PersonId, Wait, WorkId, plain};

/// How long a hub may be away while it is followed. Own choice: a restart of the box.
const AWAY_MAX: Wait = Wait::mins(3);
/// How often a walk test is looked at. Own choice: a technician sees each press at once.
const LOOK_EVERY: Wait = Wait(500);

#[derive(Debug, clap::Args)]
pub(super) struct WalkTest {
    /// Homes or devices, by id; without any, what work is being done
    #[arg(value_name = "HOME|DEVICE")]
    what: Vec<String>,
    /// Who does it: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// When it ends by itself: 90s, 30m, up to 4h
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = wait)]
    lasts: Wait,
    /// Begin it and come back at once; it goes on by itself
    #[arg(long)]
    no_follow: bool,
    /// End this one
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["what", "no_follow"])]
    end: Option<u64>,
    /// Print JSON; with homes or devices only together with --no-follow
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Maintenance {
    /// Homes or devices, by id; without any, what work is being done
    #[arg(value_name = "HOME|DEVICE")]
    what: Vec<String>,
    /// Who does it: a person's id, or a name that only one person has
    #[arg(long = "as", value_name = "PERSON")]
    by: Option<String>,
    /// Why, in a few words
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// When it ends by itself: 30m, up to 8h, 4h where lives hang on the devices
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = wait)]
    lasts: Wait,
    /// End this one
    #[arg(long, value_name = "NUMBER", conflicts_with = "what")]
    end: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A time as the config writes it.
pub(super) fn wait(text: &str) -> Result<Wait, String> {
    crate::config::duration(text)
        .ok_or_else(|| "write a number and s, m or h, such as 90s, 30m or 2h".to_owned())
}

pub(super) fn walk_test(dirs: Dirs<'_>, args: &WalkTest) -> Outcome {
    if let Some(number) = args.end {
        return end(dirs, number, args.by.as_deref(), args.json);
    }
    if args.what.is_empty() {
        return list(dirs, args.json);
    }
    if args.json && !args.no_follow {
        let says = "--json goes with --no-follow: a walk test that is followed prints as it goes";
        return Err(Failure::new(exit::USAGE, says));
    }
    let by = who(dirs, args.by.as_deref())?;
    let (kind, reason) = (WorkKind::WalkTest, None);
    let (scope, lasts) = (scope(dirs, &args.what)?, args.lasts);
    let work = begin(dirs, BeginWork { kind, scope, by: by.clone(), lasts, reason })?;
    if args.no_follow {
        return if args.json { print_json(&work) } else { print_text(&begun(&work)) };
    }
    print_text(&begun(&work))?;
    let work = follow(dirs, work, &by, |_| Ok(()))?;
    let missing: Vec<String> =
        work.points.iter().filter(|p| p.heard.is_empty()).map(|p| p.device.to_string()).collect();
    match missing.is_empty() {
        true => {
            print_text(&format!("Heard: {}, all there are.\n", counted(work.points.len(), "point")))
        }
        false => {
            let says = format!("not heard: {}; test them again", missing.join(", "));
            Err(Failure::new(exit::NOT_RIGHT, says))
        }
    }
}

pub(super) fn maintenance(dirs: Dirs<'_>, args: &Maintenance) -> Outcome {
    if let Some(number) = args.end {
        return end(dirs, number, args.by.as_deref(), args.json);
    }
    if args.what.is_empty() {
        return list(dirs, args.json);
    }
    let by = who(dirs, args.by.as_deref())?;
    let (kind, reason) = (WorkKind::Maintenance, args.reason.clone());
    let (scope, lasts) = (scope(dirs, &args.what)?, args.lasts);
    let work = begin(dirs, BeginWork { kind, scope, by, lasts, reason })?;
    if args.json { print_json(&work) } else { print_text(&begun(&work)) }
}

/// Who speaks; nobody works without a name.
pub(super) fn who(dirs: Dirs<'_>, by: Option<&str>) -> Result<PersonId, Failure> {
    match by {
        Some(by) => person(dirs, by),
        None => {
            let says = "say who you are: --as PERSON, an id or a name of people.csv";
            Err(Failure::new(exit::USAGE, says))
        }
    }
}

/// Homes and devices by what was typed; where a home and a device share a name, the home.
fn scope(dirs: Dirs<'_>, said: &[String]) -> Result<Vec<Scope>, Failure> {
    let Reply::Registry(view) = ask(dirs, &Ask::Registry)? else { return Err(odd_answer()) };
    let one = |said: &String| {
        let home = HomeId::new(said).ok().filter(|id| view.registry.home(id).is_some());
        let device = DeviceId::new(said).ok().filter(|id| view.registry.device(id).is_some());
        match (home, device) {
            (Some(home), _) => Ok(Scope::Home(home)),
            (None, Some(device)) => Ok(Scope::Device(device)),
            (None, None) => Err(Failure::new(
                exit::NOT_RIGHT,
                format!("no home and no device is called {said}: see `anling devices`"),
            )),
        }
    };
    said.iter().map(one).collect()
}

pub(super) fn begin(dirs: Dirs<'_>, asked: BeginWork) -> Result<WorkView, Failure> {
    match ask(dirs, &Ask::Work(WorkAsk::Begin(asked)))? {
        Reply::Work(work) => Ok(*work),
        _ => Err(odd_answer()),
    }
}

fn begun(work: &WorkView) -> String {
    let (id, left, points) = (work.id, ago(work.left_ms), counted(work.points.len(), "point"));
    match work.kind {
        WorkKind::WalkTest => format!(
            "Walk test {id}: {points}, for {left}. Press each; nobody is called for them.\n{}",
            work.points.iter().map(|point| format!("  {}\n", named(point))).collect::<String>()
        ),
        WorkKind::Maintenance => format!(
            "Maintenance {id}: {points} held back for {left}, fire and gas excepted. End it \
             earlier: anling maintenance --end {id} --as {}\n",
            work.by
        ),
    }
}

pub(super) fn named(point: &PointView) -> String {
    format!("{}  {}  {}", point.device, point.label, point.place)
}

/// Follows a walk test and tells of each point as it is heard, until all were and none is in alarm any
/// more, or its time is over; it is ended then. `heard` is called once for each point. A hub that is away
/// for a moment keeps the window open, and so does whoever breaks off: it closes by itself.
pub(super) fn follow(
    dirs: Dirs<'_>,
    mut work: WorkView,
    by: &PersonId,
    mut heard: impl FnMut(&PointView) -> Outcome,
) -> Result<WorkView, Failure> {
    let mut told: BTreeMap<DeviceId, PointView> = BTreeMap::new();
    let mut away = Wait::ZERO;
    let runtime = super::runtime()?;
    loop {
        for point in &work.points {
            let before = told.insert(point.device.clone(), point.clone());
            let count =
                |of: fn(&PointView) -> &Vec<Kind>| before.as_ref().map_or(0, |b| of(b).len());
            let heard_before = count(|point| &point.heard);
            if point.heard.len() > heard_before {
                print_text(&format!("  ✓ {}  {}\n", named(point), words(&point.heard)))?;
            }
            if point.trouble.len() > count(|point| &point.trouble) {
                print_text(&format!("  ✗ {}  {}\n", named(point), words(&point.trouble)))?;
            }
            if point.still_on.len() > count(|point| &point.still_on) {
                let on = words(&point.still_on);
                print_text(&format!("    {} is still on: let {on} end\n", point.device))?;
            }
            if heard_before == 0 && !point.heard.is_empty() {
                heard(point)?;
            }
        }
        let done = |point: &PointView| !point.heard.is_empty() && point.still_on.is_empty();
        if work.points.iter().all(done) {
            break;
        }
        runtime.block_on(async { tokio::time::sleep(LOOK_EVERY.std()).await });
        match ask(dirs, &Ask::Work(WorkAsk::One { work: work.id })) {
            Ok(Reply::Work(now)) => (work, away) = (*now, Wait::ZERO),
            Ok(_) => return Err(odd_answer()),
            Err(failure) if failure.code == exit::NOT_RIGHT => {
                print_text("  The window is closed: its time was over, or somebody ended it.\n")?;
                return Ok(work);
            }
            Err(failure) if failure.code == exit::UNREACHABLE && away < AWAY_MAX => {
                if away == Wait::ZERO {
                    print_text("  The hub is away; the window stays open.\n")?;
                }
                away = Wait(away.0 + LOOK_EVERY.0);
            }
            Err(failure) => return Err(failure),
        }
    }
    match ask(dirs, &Ask::Work(WorkAsk::End { work: work.id, by: by.clone() }))? {
        Reply::Work(ended) => Ok(*ended),
        _ => Err(odd_answer()),
    }
}

fn words(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ")
}

fn end(dirs: Dirs<'_>, number: u64, by: Option<&str>, json: bool) -> Outcome {
    let by = who(dirs, by)?;
    let asked = Ask::Work(WorkAsk::End { work: WorkId(number), by });
    let Reply::Work(work) = ask(dirs, &asked)? else { return Err(odd_answer()) };
    if json {
        return print_json(&work);
    }
    let spoke = work.points.iter().filter(|point| !point.heard.is_empty()).count();
    let all = counted(work.points.len(), "point");
    let told = match (work.kind, spoke) {
        (WorkKind::Maintenance, 1..) => {
            format!("was held back, and called nobody: {}", heard(&work.points))
        }
        _ => format!("{spoke} of {all} spoke"),
    };
    print_text(&format!("{} {number} is over; {told}.\n", title(work.kind)))
}

fn list(dirs: Dirs<'_>, json: bool) -> Outcome {
    let Reply::Works(works) = ask(dirs, &Ask::Work(WorkAsk::All))? else {
        return Err(odd_answer());
    };
    if json {
        return print_json(&works);
    }
    if works.is_empty() {
        return print_text("No work is being done: every device calls.\n");
    }
    print_text(&works.iter().map(|work| line(work) + "\n").collect::<String>())
}

fn title(kind: WorkKind) -> &'static str {
    match kind {
        WorkKind::WalkTest => "Walk test",
        WorkKind::Maintenance => "Maintenance",
    }
}

/// What its devices said.
fn heard(points: &[PointView]) -> String {
    let spoke = points.iter().filter(|point| !point.heard.is_empty());
    let one = |point: &PointView| {
        let said: Vec<&str> = point.heard.iter().map(|kind| kind.word()).collect();
        format!("{} {}", point.device, said.join(" "))
    };
    spoke.map(one).collect::<Vec<_>>().join(", ")
}

/// Work in one line, for `status` as well.
pub(super) fn line(work: &WorkView) -> String {
    let scope: Vec<String> = work
        .scope
        .iter()
        .map(|scope| match scope {
            Scope::Device(id) => id.to_string(),
            Scope::Home(id) => id.to_string(),
            Scope::HeardAs(name) => plain(name),
        })
        .collect();
    let mut line = format!(
        "{} {} of {} by {}, {} left",
        title(work.kind).to_lowercase(),
        work.id,
        scope.join(", "),
        work.name,
        ago(work.left_ms)
    );
    if let Some(reason) = &work.reason {
        let _ = write!(line, " ({})", plain(reason));
    }
    if work.kind == WorkKind::Maintenance && work.points.iter().any(|p| !p.heard.is_empty()) {
        let _ = write!(line, "; HELD BACK: {}", heard(&work.points));
    }
    line
}
