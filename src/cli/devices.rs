//! `anling devices`: every registered device with its place, when it was last heard and its battery,
//! what needs a technician first.

use std::fmt::Write as _;

use super::difference::counted;
use super::incident::ago;
use super::loading::{ask, odd_answer};
use super::{Dirs, Outcome, batteries, print_json, print_text};
use crate::counter::{Ask, DeviceView, LIST_MAX, Reply, Status, StrangerView};
use crate::incident::BATTERY_CHANGE_AT;
use crate::registry::Contract;
use crate::terms::{Wall, plain};

/// A battery at or below this is to be replaced, in percent.
const LOW_PERCENT: u8 = BATTERY_CHANGE_AT;
/// How long after the last one missed messages are listed, in ms: a week. Own choice.
const MISSED_SHOWN_MS: i64 = 7 * 24 * 3_600_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Those that were heard since the start and that nobody registered
    #[arg(long)]
    heard: bool,
    /// How long each battery lasts, home by home, those that are low first
    #[arg(long, conflicts_with = "heard")]
    batteries: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn devices(dirs: Dirs<'_>, args: &Args) -> Outcome {
    if args.heard {
        return strangers(dirs, args);
    }
    let mut all: Vec<DeviceView> = Vec::new();
    loop {
        let after = all.last().map(|last| last.row.id.clone());
        let asked = Ask::Devices { after, most: LIST_MAX };
        let Reply::Devices(page) = ask(dirs, &asked)? else { return Err(odd_answer()) };
        all.extend(page.devices);
        if !page.more {
            break;
        }
    }
    if args.json && !args.batteries {
        return print_json(&all);
    }
    let Reply::Status(status) = ask(dirs, &Ask::Status)? else { return Err(odd_answer()) };
    if !args.batteries {
        return print_text(&told(all, &status));
    }
    let all = batteries::in_order(all, status.wall);
    if args.json { print_json(&all) } else { print_text(&batteries::told(&all, status.wall)) }
}

fn strangers(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let Reply::Strangers(all) = ask(dirs, &Ask::Strangers)? else { return Err(odd_answer()) };
    if args.json {
        return print_json(&all);
    }
    let Reply::Status(status) = ask(dirs, &Ask::Status)? else { return Err(odd_answer()) };
    print_text(&told_of_strangers(&all, status.wall))
}

/// What a technician writes down, and what the device said.
fn told_of_strangers(all: &[StrangerView], now: Wall) -> String {
    let mut out = String::new();
    for one in all {
        let StrangerView { family, heard_as, link, count, meant, .. } = one;
        let ago = since(now, one.heard);
        let times = counted(usize::try_from(*count).unwrap_or(usize::MAX), "message");
        let _ = write!(out, "{family}  {}  on {link}  {meant}", plain(heard_as));
        let _ = write!(out, "  heard {ago} ago, {times} in {}", since(now, one.first));
        if let Some(percent) = one.battery {
            let _ = write!(out, ", battery {percent} %");
        }
        if let Some(rssi) = one.rssi {
            let _ = write!(out, ", {rssi} dBm");
        }
        if let Some(quality) = one.link_quality {
            let _ = write!(out, ", link quality {quality}");
        }
        let said = match (&one.text, &one.hex) {
            (Some(text), _) => plain(text),
            (None, hex) => format!("hex {}", hex.as_deref().unwrap_or_default()),
        };
        let _ = writeln!(out, "\n    {said}");
    }
    let _ = match all.len() {
        0 => writeln!(out, "every device that was heard since the start is registered"),
        count => writeln!(
            out,
            "{} that nobody registered, since the start: put what stands behind the family into \
             heard_as of devices.csv, then `anling import`",
            counted(count, "device")
        ),
    };
    out
}

/// What is wrong with a device, the worst first; none when it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Silent,
    NeverHeard,
    Battery,
    Untested,
}

fn wrong(device: &DeviceView, now: Wall) -> Option<Wrong> {
    // Nobody answers for it.
    if device.contract.is_some() {
        return None;
    }
    let says_low = device.power.as_ref().is_some_and(|power| power.low);
    let low = says_low || device.battery.is_some_and(|percent| percent <= LOW_PERCENT);
    match (device.online, device.heard) {
        (Some(false), _) => Some(Wrong::Silent),
        (_, None) => Some(Wrong::NeverHeard),
        _ if low => Some(Wrong::Battery),
        _ => device.test_by.is_some_and(|by| by <= now).then_some(Wrong::Untested),
    }
}

fn told(mut devices: Vec<DeviceView>, status: &Status) -> String {
    let now = status.wall;
    if devices.is_empty() {
        return "no devices are registered: see `anling import`\n".to_owned();
    }
    // What is wrong first, then as a technician walks: station by station, home by home, by spots.
    let row = |device: &DeviceView| {
        let DeviceView { row, station, .. } = device;
        (station.clone(), row.home.clone(), row.spot.clone(), row.id.clone())
    };
    devices.sort_by_cached_key(|device| {
        (wrong(device, now).map_or((1, None), |wrong| (0, Some(wrong))), row(device))
    });
    let mut out = String::new();
    for device in &devices {
        let heard = match device.heard {
            Some(at) => format!("heard {} ago", since(status.wall, at)),
            None => "never heard".to_owned(),
        };
        let battery =
            device.battery.map(|percent| format!(", battery {percent} %")).unwrap_or_default();
        let missed = match &device.missed {
            Some(missed) if now.0.saturating_sub(missed.last.0) < MISSED_SHOWN_MS => {
                let messages =
                    counted(usize::try_from(missed.count).unwrap_or(usize::MAX), "message");
                format!(", {messages} missed, the last {} ago", since(now, missed.last))
            }
            _ => String::new(),
        };
        let contract = device.contract.as_ref().map(|view| match view.contract {
            Contract::Ahead => format!("  contract of {} begins {}", view.bed, view.since),
            _ => format!("  contract of {} over since {}", view.bed, view.since),
        });
        let contract = contract.unwrap_or_default();
        let says = match wrong(device, now) {
            Some(Wrong::Silent) => "  SILENT: press it, or look at its battery",
            Some(Wrong::NeverHeard) => "  NEVER HEARD: press it once",
            Some(Wrong::Battery) => "  BATTERY LOW: replace it",
            Some(Wrong::Untested) => "  TEST DUE: see `anling walk-test`",
            None => "",
        };
        let (id, kind) = (&device.row.id, &device.row.type_name);
        let _ = writeln!(
            out,
            "{id}  {kind}  {}  {heard}{battery}{missed}{contract}{says}",
            device.place
        );
    }
    let count = |is: Wrong| devices.iter().filter(|device| wrong(device, now) == Some(is)).count();
    let (all, silent) = (devices.len(), count(Wrong::Silent));
    let (never, low) = (count(Wrong::NeverHeard), count(Wrong::Battery));
    let due = count(Wrong::Untested);
    let _ = writeln!(
        out,
        "{all} devices: {silent} silent, {never} never heard, {low} low, {due} to test"
    );
    out
}

pub(super) fn since(now: Wall, at: Wall) -> String {
    ago(u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0))
}
