//! `anling devices --batteries`: the round of the month, home by home.

use std::fmt::Write as _;

use super::devices::since;
use crate::counter::{BatteryView, DeviceView};
use crate::terms::Wall;

/// A battery that is empty within this is changed on this round, in ms: five weeks, since the next round
/// is in one month.
const SOON_MS: i64 = 35 * 24 * 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// What is to be done with a battery, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Now,
    ThisRound,
    Later,
}

fn due(view: &BatteryView, now: Wall) -> Due {
    match view.empty_by {
        _ if view.low => Due::Now,
        Some(day) if day <= now => Due::Now,
        Some(day) if day.0.saturating_sub(now.0) <= SOON_MS => Due::ThisRound,
        _ => Due::Later,
    }
}

/// Those that run on batteries: what cannot wait first, everything else in the order of the homes.
pub(super) fn in_order(devices: Vec<DeviceView>, now: Wall) -> Vec<DeviceView> {
    let mut with: Vec<DeviceView> = devices.into_iter().filter(|d| d.power.is_some()).collect();
    let is_later =
        |device: &DeviceView| device.power.as_ref().is_none_or(|view| due(view, now) != Due::Now);
    with.sort_by(|a, b| {
        let key =
            |device: &DeviceView| (is_later(device), device.place.clone(), device.row.id.clone());
        key(a).cmp(&key(b))
    });
    with
}

pub(super) fn told(devices: &[DeviceView], now: Wall) -> String {
    let mut out = String::new();
    let (mut at_once, mut this_round) = (0, 0);
    for device in devices {
        let Some(view) = &device.power else { continue };
        let level = match view.percent {
            Some(percent) => format!("{percent} %"),
            None => "no level".to_owned(),
        };
        let expected = match (view.empty_by, view.percent, view.installed) {
            (Some(day), _, _) if day <= now => String::new(),
            (Some(day), _, _) => {
                format!(", enough for {} days", (day.0.saturating_sub(now.0)) / DAY_MS)
            }
            (None, None, Some(installed)) => {
                format!(", hangs there for {}", since(now, installed))
            }
            (None, ..) => ", no slope yet".to_owned(),
        };
        let says = match due(view, now) {
            Due::Now if view.low => "  LOW, it says: change it",
            Due::Now => "  LOW: change it",
            Due::ThisRound => "  CHANGE IT on this round",
            Due::Later => "",
        };
        at_once += usize::from(due(view, now) == Due::Now);
        this_round += usize::from(due(view, now) == Due::ThisRound);
        let (id, kind, place) = (&device.row.id, &device.row.type_name, &device.place);
        let _ = writeln!(out, "{place}  {id}  {kind}  {level}{expected}{says}");
    }
    let _ = writeln!(
        out,
        "{} with a battery: {at_once} to change now, {this_round} on this round",
        super::difference::counted(devices.len(), "device")
    );
    out
}
