//! `anling status`: what a duty officer wants to know, in ten lines.

use std::fmt::Write as _;

use super::incident::ago;
use super::loading::{ask, odd_answer};
use super::{Dirs, Outcome, print_json, print_text};
use crate::counter::{
    ArchiveView, Ask, BoardView, BotView, CarrierView, DeviceCount, EndpointView, LifeView,
    LineView, ModemView, OpenCount, PowerView, RecordView, Reply, ResponseView, SilentView, Sound,
    StationView, Status, WireView,
};
use crate::roster::DutyBy;
use crate::terms::Wall;

/// Homes that are named on the line; all stand in `--json`.
const MISSED_SHOWN: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn status(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let Reply::Status(status) = ask(dirs, &Ask::Status)? else { return Err(odd_answer()) };
    if args.json { print_json(&status) } else { print_text(&ten_lines(&status)) }
}

/// The hub in about ten lines.
pub(super) fn ten_lines(status: &Status) -> String {
    let mut out = String::new();
    let Status { site, hub, version, up_ms, .. } = status;
    let _ = writeln!(out, "{site} ({hub}), anling {version}, up {}", ago(*up_ms));
    let _ = writeln!(out, "open      {}", open(status));
    let _ = writeln!(out, "record    {}", record(status));
    let _ = writeln!(out, "on duty   {}", on_duty(status));
    let _ = writeln!(out, "carriers  {}", carriers(status));
    for modem in &status.modems {
        let _ = writeln!(out, "modem     {}", modem_line(modem, status.wall));
    }
    for (label, platform) in [("webhooks", false), ("district", true)] {
        let those: Vec<_> = status.endpoints.iter().filter(|e| e.platform == platform).collect();
        if !those.is_empty() {
            let _ = writeln!(out, "{label}  {}", endpoints(&those));
        }
    }
    for witness in &status.witnesses {
        let name = witness.name.trim_start_matches("witness.");
        let says = witness.trouble.as_ref().map_or_else(
            || format!("{name} is told that the hub lives"),
            |why| format!("{name} IS NOT TOLD that the hub lives ({why})"),
        );
        let _ = writeln!(out, "witness   {says}");
    }
    if !status.boards.is_empty() {
        let _ = writeln!(out, "boards    {}", boards(status));
    }
    if !status.works.is_empty() {
        let works: Vec<String> = status.works.iter().map(super::work::line).collect();
        let _ = writeln!(out, "work      {}", works.join("; "));
    }
    for rule in &status.life {
        let _ = writeln!(out, "life      {}", life(rule));
    }
    let refused = match status.refused {
        0 => String::new(),
        many => format!(", {many} signals could not be read"),
    };
    let _ = writeln!(out, "devices   {}{refused}{}", devices(status), stations(status));
    if let Some(times) = &status.response {
        let _ = writeln!(out, "response  {}", response(times));
    }
    if let Some(archive) = archive(&status.archive) {
        let _ = writeln!(out, "archive   {archive}");
    }
    let broker = status.broker.as_deref().unwrap_or("none: see links.toml");
    let tls = status.broker_tls.as_ref().map(|tls| format!(", behind TLS {tls}"));
    let _ = writeln!(out, "broker    {broker}{}", tls.unwrap_or_default());
    if !status.brokers.is_empty() {
        let _ = writeln!(out, "brokers   {}", wires(&status.brokers));
    }
    if !status.serial.is_empty() {
        let _ = writeln!(out, "serial    {}", wires(&status.serial));
    }
    if let Some(view) = &status.power {
        let _ = writeln!(out, "power     {}", power(view));
    }
    let clock = match status.clock_trusted {
        true => "trusted",
        false => "not trusted: rosters answer with everybody who could be on duty",
    };
    let _ = writeln!(out, "clock     {clock}");
    out.push_str(&warnings(status));
    out
}

/// What of the config is not as its files say.
fn warnings(status: &Status) -> String {
    let (mut out, hub) = (String::new(), &status.hub);
    if status.old_config {
        out.push_str(
            "config    the last accepted one; the one on disk is broken: `anling check`\n",
        );
    }
    if let Some(of) = &status.record_of {
        let _ = writeln!(
            out,
            "hub id    the record is {of}'s, gateway.toml says {hub}: devices still speak to {of}; \
             change it back, or close the fault if it is meant"
        );
    }
    if !status.restart_for.is_empty() {
        let names = status.restart_for.join(", ");
        let _ = writeln!(out, "config    changed, and needs a restart for {names}");
    }
    out
}

fn devices(status: &Status) -> String {
    let DeviceCount { registered, heard, never, strangers } = status.devices;
    let mut says = format!("{heard} of {registered} heard since the start");
    if never > 0 {
        says.push_str(&format!(", {never} never"));
    }
    if strangers > 0 {
        says.push_str(&format!("; {strangers} that nobody registered: `anling devices --heard`"));
    }
    let age = |heard: Wall| ago(u64::try_from(status.wall.0 - heard.0).unwrap_or(0));
    let one = |s: &SilentView| format!("{} ({}) {}", s.device, s.place, age(s.heard));
    let silent: Vec<String> = status.silent.iter().map(one).collect();
    if !silent.is_empty() {
        says.push_str(&format!("; silent longest: {}", silent.join(", ")));
    }
    says
}

/// A line of its own for stations, where there are several.
fn stations(status: &Status) -> String {
    if status.stations.is_empty() {
        return String::new();
    }
    let one = |station: &StationView| {
        let devices = super::difference::counted(station.devices, "device");
        match station.silent {
            0 => format!("{} {devices}", station.label),
            silent => format!("{} {devices}, {silent} SILENT", station.label),
        }
    };
    let all: Vec<String> = status.stations.iter().map(one).collect();
    format!("\nstations  {}", all.join("; "))
}

fn response(times: &ResponseView) -> String {
    let span = |ms: Option<u64>| ms.map_or_else(|| "nobody yet".to_owned(), ago);
    let ResponseView { days, incidents, to_accept_ms, to_scene_ms } = *times;
    let (accept, scene) = (span(to_accept_ms), span(to_scene_ms));
    let calls = if incidents == 1 { "call" } else { "calls" };
    format!("{accept} to accept, {scene} to on scene (medians, {incidents} {calls} in {days} days)")
}

/// What the box runs on, and for whom nobody hears when that ends.
fn power(view: &PowerView) -> String {
    let PowerView { on_battery, gone_ms, battery, left_ms, trouble, unheard } = view;
    if let Some(why) = trouble {
        let gone = gone_ms.map(|gone| format!("; the mains were lost {} ago", ago(gone)));
        return format!("unknown: {why}{}", gone.unwrap_or_default());
    }
    let percent = battery.map(|percent| format!(", battery {percent} %")).unwrap_or_default();
    if !on_battery {
        return format!("mains{percent}");
    }
    let gone = gone_ms.map(|gone| format!(" for {}", ago(gone))).unwrap_or_default();
    let left = left_ms.map(|left| format!(", about {} left", ago(left))).unwrap_or_default();
    let homes = match unheard.is_empty() {
        true => String::new(),
        false => format!("; then nobody hears {}", unheard.join(", ")),
    };
    format!("ON BATTERY{gone}{percent}{left}{homes}")
}

/// How one modem stands.
fn modem_line(view: &ModemView, now: Wall) -> String {
    let name = view.name.strip_prefix("modem.").unwrap_or(&view.name);
    let state = match &view.trouble {
        Some(why) => format!("{name} FAILS: {why}"),
        None => format!("{name} works"),
    };
    let operator = view.operator.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
    let weak = if view.weak { " (weak)" } else { "" };
    let signal = view.signal.map(|s| format!(", signal {s} of 31{weak}")).unwrap_or_default();
    let sim = match view.sim.as_str() {
        "ready" | "unknown" => String::new(),
        other => format!(", SIM {other}"),
    };
    let sent = match view.sent_today {
        0 => ", nothing sent today".to_owned(),
        1 => ", 1 message today".to_owned(),
        many => format!(", {many} messages today"),
    };
    let since = |proof: Wall| ago(u64::try_from(now.0 - proof.0).unwrap_or(0));
    let proof = view.last_proof.map(|proof| format!(", the last {} ago", since(proof)));
    let call = view.last_call.as_ref();
    let call = call.map(|call| format!(", last call {} ago: {}", since(call.ended), call.how));
    let (proof, call) = (proof.unwrap_or_default(), call.unwrap_or_default());
    format!("{state}{operator}{signal}{sim}{sent}{proof}{call}")
}

/// How one rule for signs of life stands.
fn life(view: &LifeView) -> String {
    let LifeView { rule, watched, away, missed, unheard, unjudged, until } = view;
    let away = if *away > 0 { format!(", {away} away") } else { String::new() };
    let last = match (until, unjudged) {
        (None, _) => "no window is over yet".to_owned(),
        (_, Some(why)) => format!("the last window was not judged: {why}"),
        (_, None) if missed.is_empty() => "everybody gave a sign in the last window".to_owned(),
        (_, None) => {
            let shown: Vec<&str> = missed.iter().take(MISSED_SHOWN).map(String::as_str).collect();
            let more = if missed.len() > MISSED_SHOWN { ", …" } else { "" };
            let (count, shown) = (missed.len(), shown.join(", "));
            format!("{count} gave no sign in the last window: {shown}{more}")
        }
    };
    let unheard = match unheard {
        0 => String::new(),
        many => format!(", {many} could not be heard"),
    };
    format!("{rule}: {watched} watched{away}; {last}{unheard}")
}

/// What is to be said of an archive that does not hold everything.
pub(super) fn archive(archive: &ArchiveView) -> Option<String> {
    match archive {
        ArchiveView::Level => None,
        ArchiveView::Opening => Some("being opened: older incidents show in a moment".to_owned()),
        ArchiveView::Rebuilding { percent } => {
            Some(format!("being rebuilt from the record, {percent} %: calls are not held up"))
        }
        ArchiveView::Off { why } => Some(format!("OFF ({why}): calls are not held up")),
    }
}

fn open(status: &Status) -> String {
    let count = |open: &OpenCount| format!("{} {}", open.count, open.class);
    let counts: Vec<String> = status.open.iter().map(count).collect();
    match (counts.is_empty(), status.unanswered) {
        (true, _) => "nothing".to_owned(),
        (false, None) => counts.join(", "),
        (false, Some(code)) => format!("{}; {code} has no answer yet", counts.join(", ")),
    }
}

fn record(status: &Status) -> String {
    let free = status.disk_free.map(|bytes| format!(", {} MiB free", bytes >> 20));
    let free = free.unwrap_or_default();
    match &status.record {
        RecordView::Safe => {
            let entries = usize::try_from(status.entries).unwrap_or(usize::MAX);
            format!("on disk, {}{free}", entries_of(entries))
        }
        RecordView::Volatile { why } => {
            format!("IN MEMORY ONLY, the disk fails ({why}){free}: look at the disk now")
        }
    }
}

/// So many entries of the record.
pub(super) fn entries_of(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn on_duty(status: &Status) -> String {
    let line = |line: &LineView| {
        let people = line.people.join(" ");
        let by = match line.by {
            DutyBy::Rule => "",
            DutyBy::Override => " (override)",
            DutyBy::Fallback => " (fallback)",
            DutyBy::Everybody => " (NOBODY on the plan: everybody)",
            DutyBy::Union => " (clock not trusted: all who could be)",
        };
        let stations = match line.stations.is_empty() {
            true => String::new(),
            false => format!(" ({})", line.stations.join("、")),
        };
        format!("{}{stations} {people}{by}", line.line)
    };
    status.on_duty.iter().map(line).collect::<Vec<_>>().join("; ")
}

fn carriers(status: &Status) -> String {
    if status.carriers.is_empty() {
        return "NONE: nobody can be called, see notify.toml".to_owned();
    }
    let one = |c: &CarrierView| {
        let bots: String = c.bots.iter().map(|bot| bot_words(bot, status.wall)).collect();
        match (&c.trouble, c.waiting) {
            (Some(why), waiting) => format!("{} FAILS ({why}), {waiting} waiting{bots}", c.carrier),
            (None, 0) => format!("{} works{bots}", c.carrier),
            (None, waiting) => format!("{} works, {waiting} waiting{bots}", c.carrier),
        }
    };
    status.carriers.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn bot_words(bot: &BotView, now: Wall) -> String {
    let last = bot.last_handed_over.map(|at| u64::try_from(now.0 - at.0).unwrap_or(0));
    let last = last.map_or("nothing posted".to_owned(), |ms| format!("last post {} ago", ago(ms)));
    match &bot.trouble {
        Some(why) => format!(", {} FAILS ({why}; {last})", bot.name),
        None => format!(", {} {last}", bot.name),
    }
}

/// A board that has said nothing for this long is silent, in ms: as the desk counts those that are
/// there.
const BOARD_SILENT_MS: u64 = 60_000;

fn boards(status: &Status) -> String {
    let one = |board: &BoardView| match (board.heard_ms_ago > BOARD_SILENT_MS, board.sound) {
        (true, _) => format!("{} SILENT for {}", board.id, ago(board.heard_ms_ago)),
        (false, Sound::Audible) => format!("{} can be heard", board.id),
        (false, Sound::Mute) => format!("{} is MUTE", board.id),
    };
    status.boards.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn wires(wires: &[WireView]) -> String {
    let one = |line: &WireView| match (&line.trouble, line.heard) {
        (Some(why), _) => format!("{} FAILS ({why})", line.name),
        (None, true) => format!("{} hears", line.name),
        (None, false) => format!("{} is open and has heard nothing yet", line.name),
    };
    wires.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn endpoints(endpoints: &[&EndpointView]) -> String {
    let one = |e: &&EndpointView| {
        let state = match (&e.trouble, &e.held) {
            (Some(why), _) => format!("DOWN ({why})"),
            (None, Some(held)) => format!("held back by it until {}", held.clock),
            (None, None) => "up".to_owned(),
        };
        let dropped = match e.dropped {
            0 => String::new(),
            many => format!(", {many} never told"),
        };
        let refused = match e.refused {
            0 => String::new(),
            many => format!(", {many} refused for good since the start"),
        };
        let unheard = match &e.unheard {
            None => String::new(),
            Some(topic) => format!(
                ", NOT HEARD (its broker refuses us the topic {topic}: see its access rules)"
            ),
        };
        format!("{} {state}, {} owed{dropped}{refused}{unheard}", e.name, e.owed)
    };
    endpoints.iter().map(one).collect::<Vec<_>>().join("; ")
}
