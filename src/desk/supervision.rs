//! Devices that have fallen silent, found before somebody needs them.
//!
//! Each type says how long its devices may say nothing. One that stays longer is a fault of that
//! device, to be looked at in working hours; one word of it, of any kind, settles that. Three rules keep
//! this from becoming a noise that people learn to ignore. Time that the hub was off does not count. What
//! has a cause of its own, a line or a broker or a bridge that is lost, is that one trouble and not one
//! for each device behind it. And when many are silent at once, a fifth of the house, it is one trouble
//! of the site, which calls people by day and the lead by night: nobody behind those may be able to call.
//!
//! What was heard is only in memory and, every five minutes, in the archive; without one a restart
//! counts from the start. The engine keeps what was said of each device, so a restart repeats nothing.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::gaps::Gaps;
use super::life::Life;
use super::power::Power;
use super::vitals::turned;
use super::{Desk, Turn};
use crate::config::settings::Power as Wanted;
use crate::incident::Stimulus;
use crate::registry::Watch;
use crate::terms::{At, DeviceId, Kind, Report, Wait, What};

/// Silent devices that are one trouble of the site: at least so many …
const MANY_AT_LEAST: usize = 5;
/// … and at least one in so many of those that are watched (design: 20 %).
const MANY_ONE_IN: usize = 5;
/// It is over when fewer than one in so many are silent: half, so that it does not flicker.
const FEW_ONE_IN: usize = 10;
/// The subject of that trouble.
const DEVICES: &str = "devices";

/// What is known of the watched devices.
pub(super) struct Supervision {
    started: At,
    /// How long the hub was off before that.
    off: Wait,
    /// Whether they are many; none before the first look.
    many: Option<bool>,
    /// The numbers of those that count.
    pub(super) gaps: Gaps,
    /// What is known of the clock that windows of signs are judged by.
    pub(super) life: Life,
    /// What the box runs on.
    pub(super) power: Power,
}

impl Supervision {
    pub(super) fn new(started: At, off: Wait) -> Self {
        let (gaps, life, power) = (Gaps::default(), Life::default(), Power::default());
        Self { started, off, many: None, gaps, life, power }
    }

    /// The same, and the mains of the box are watched.
    pub(super) fn powered(self, wanted: Option<&Wanted>) -> Self {
        Self { power: Power::watch(wanted), ..self }
    }

    /// How long a device has said nothing while the hub listened.
    fn silence(&self, heard: Option<At>, now: At) -> Wait {
        match heard {
            Some(at) if at >= self.started => now - at,
            Some(at) => Wait((now - at).0.saturating_sub(self.off.0)),
            None => now - self.started,
        }
    }
}

/// Whether so many silent devices are one trouble of the site; `None` where it stays as it was.
fn are_many(silent: usize, watched: usize) -> Option<bool> {
    if silent >= MANY_AT_LEAST && silent * MANY_ONE_IN >= watched {
        Some(true)
    } else {
        (silent * FEW_ONE_IN < watched || silent == 0).then_some(false)
    }
}

impl Desk {
    /// Looks who has fallen silent.
    pub(super) fn look_at_devices(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let figures = self.archive.figures();
        let (mut watched, mut silent) = (0, BTreeSet::new());
        for device in self.book.registry().devices() {
            let kind = self.settings.device_types.get(&device.type_name);
            let Some(Watch::Within(limit)) = kind.map(|kind| kind.watch) else { continue };
            watched += 1;
            let in_archive = || figures.heard.get(&device.id).map(|wall| self.at_of(*wall));
            let heard = self.intake.heard.get(&device.id).copied().or_else(in_archive);
            let cut_off = self.ports.is_cut_off(&device.id) || self.outside.is_cut_off(&device.id);
            if !cut_off && self.supervision.silence(heard, now) >= limit {
                silent.insert(device.id.clone());
            }
        }
        let many = are_many(silent.len(), watched).or(self.supervision.many);
        if let Some(many) = many.filter(|many| turned(&mut self.supervision.many, *many).is_some())
        {
            if many {
                warn!(silent = silent.len(), watched, "many devices have fallen silent");
            }
            self.trouble(turn, Kind::Silent, DEVICES.to_owned(), many);
        }
        if many != Some(true) {
            silent.retain(|device| !self.book.is_offline(device));
            for device in &silent {
                info!(%device, "the device has fallen silent");
                self.say_presence(turn, device, false);
            }
        }
    }

    /// The hub time of a wall time, as far as the clock can be believed; never after now.
    fn at_of(&self, wall: crate::terms::Wall) -> At {
        let (now, reading) = (self.clock.now(), self.clock.wall());
        match reading.trusted {
            true => {
                let ago = u64::try_from(reading.wall.0.saturating_sub(wall.0)).unwrap_or(0);
                At(now.0.saturating_sub(ago))
            }
            false => self.supervision.started,
        }
    }

    /// A bridge that is going down says of each device that it is gone, or its broker does; the trouble
    /// is the bridge's, and told once. Who is still gone when it is back is said anew, or found silent.
    pub(super) fn is_behind_a_cut(&self, report: &Report) -> bool {
        let (device, gone) = (&report.device, What::Presence { online: false });
        report.what == gone && (self.ports.is_cut_off(device) || self.outside.is_cut_off(device))
    }

    /// A device that speaks is there, whatever was said of it before.
    pub(super) fn spoke(&mut self, turn: &mut Turn, report: &Report) {
        let speaks = !report.retained && !matches!(report.what, What::Presence { .. });
        if speaks && self.book.is_offline(&report.device) {
            info!(device = %report.device, "a device that was held for silent speaks");
            self.say_presence(turn, &report.device, true);
        }
    }

    fn say_presence(&mut self, turn: &mut Turn, device: &DeviceId, online: bool) {
        let report = Report {
            device: device.clone(),
            mark: None,
            what: What::Presence { online },
            test: false,
            retained: false,
            found: false,
            hold_ms: None,
            battery: None,
            heard_at: self.clock.now().max(self.book.last_at()),
            said_at: None,
        };
        self.decide(turn, &Stimulus::Heard(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_house_is_one_trouble_and_a_tenth_no_longer() {
        for (silent, watched, says) in [
            (0, 0, Some(false)),
            (4, 4, None),
            (5, 25, Some(true)),
            (5, 26, None),
            (100, 500, Some(true)),
            (50, 500, None),
            (49, 500, Some(false)),
        ] {
            assert_eq!(are_many(silent, watched), says, "{silent} of {watched}");
        }
    }

    #[test]
    fn time_that_the_hub_was_off_does_not_count_as_silence() {
        let day = Wait::hours(24);
        let started = At(Wait::hours(100).0);
        let watch = Supervision::new(started, day);
        let now = started + Wait::hours(1);
        // Heard two hours before the power went, which was a day before the start.
        let heard = At(started.0 - day.0 - Wait::hours(2).0);
        assert_eq!(watch.silence(Some(heard), now), Wait::hours(3));
        assert_eq!(watch.silence(Some(started + Wait::mins(30)), now), Wait::mins(30));
        assert_eq!(watch.silence(None, now), Wait::hours(1));
        // Heard while the clock of the archive says the hub was off: never negative.
        assert_eq!(watch.silence(Some(At(started.0 - 1)), now), Wait::ZERO);
    }
}
