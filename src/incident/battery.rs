//! Batteries: how far each has come, and when it is to be changed.
//!
//! A level is a fact when it has changed by some points since the last one, and at no other time: a
//! battery makes about twenty in its life, and they survive a restart and the loss of the archive, as
//! readings of every hour kept beside the record would not. From them follows the slope, and the day on
//! which little is left. A level that jumps up is another battery: it begins anew. What a device says of
//! itself, that its battery is low, holds until it says otherwise; no level and no swap of hands clears it.

use serde::{Deserialize, Serialize};

use super::{Fact, IncidentBook};
use crate::terms::{DeviceId, Kind, Wall};

/// A battery at or below this is to be changed, in percent. Own choice: weeks are left with it.
pub const BATTERY_CHANGE_AT: u8 = 15;
/// So many points make a level another one. Own choice: radios say 90, 100, 90 by the weather.
const LEVEL_STEP: u8 = 5;
/// So many points up are another battery. Own choice: a warm day gives less.
const JUMP_UP: u8 = 15;
/// Levels of one battery that are remembered; at the limit every second one goes. Own choice: one from
/// 100 to 0 % makes twenty-one.
const LEVELS_MAX: usize = 32;
/// A slope is believed when it was seen for so long, in ms: a week. Own choice.
const SLOPE_FROM_MS: i64 = 7 * DAY_MS;
/// A day that is further off says nothing, in ms: ten years, the life of the longest-lived cells.
const FAR_MS: i64 = 3_653 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;

/// The levels of one battery, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Battery {
    levels: Vec<(Wall, u8)>,
}

impl Battery {
    /// The last level and when it was said.
    pub fn last(&self) -> Option<(Wall, u8)> {
        self.levels.last().copied()
    }

    /// When it was first heard of.
    pub fn since(&self) -> Option<Wall> {
        self.levels.first().map(|(wall, _)| *wall)
    }

    /// Whether a level is another one than the last.
    fn is_news(&self, percent: u8) -> bool {
        self.last().is_none_or(|(_, last)| last.abs_diff(percent) >= LEVEL_STEP)
    }

    pub(super) fn note(&mut self, wall: Wall, percent: u8) {
        let is_another =
            self.last().is_some_and(|(_, last)| percent >= last.saturating_add(JUMP_UP));
        if is_another {
            self.levels.clear();
        }
        self.levels.push((wall, percent));
        if self.levels.len() > LEVELS_MAX {
            let mut nth = 0;
            // The first and the last one stay: the slope hangs between them.
            self.levels.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
    }

    /// The day on which [`BATTERY_CHANGE_AT`] is reached, as the level now and the way it went so far
    /// say; none while it does not sink or was not seen for long enough.
    pub fn empty_by(&self, now: Wall, percent: u8) -> Option<Wall> {
        let (from, first) = *self.levels.first()?;
        let (took, used) = (now.0.checked_sub(from.0)?, first.checked_sub(percent)?);
        if percent <= BATTERY_CHANGE_AT {
            return Some(now);
        }
        if took < SLOPE_FROM_MS || used < LEVEL_STEP {
            return None;
        }
        let left = i64::from(percent - BATTERY_CHANGE_AT);
        let wait = took.checked_mul(left)? / i64::from(used);
        (wait <= FAR_MS).then(|| Wall(now.0.saturating_add(wait)))
    }
}

impl IncidentBook {
    /// Whether a level of a registered device is worth a fact.
    pub fn is_battery_news(&self, device: &DeviceId, percent: u8) -> bool {
        let known = self.device(device).and_then(|memory| memory.battery.as_ref());
        let is_news = known.is_none_or(|battery| battery.is_news(percent));
        is_news && self.registry.device(device).is_some()
    }

    pub(super) fn on_battery(&self, device: &DeviceId, percent: u8) -> Vec<Fact> {
        match self.is_battery_news(device, percent) {
            true => vec![Fact::BatteryLevel { device: device.clone(), percent }],
            false => Vec::new(),
        }
    }

    pub(super) fn note_level(&mut self, wall: Wall, device: &DeviceId, percent: u8) {
        let memory = self.devices.entry(device.clone()).or_default();
        memory.battery.get_or_insert_default().note(wall, percent);
    }

    /// Whether a device says that its battery is low.
    pub fn says_low(&self, device: &DeviceId) -> bool {
        let levels = self.device(device).map(|memory| &memory.levels);
        levels.and_then(|levels| levels.get(&Kind::LowBattery)).is_some_and(|level| level.on)
    }

    /// When a point got its device: registered, or swapped last.
    pub fn installed(&self, device: &DeviceId) -> Option<Wall> {
        self.installed.get(device).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Wall {
        Wall(n * DAY_MS)
    }

    fn battery(levels: &[(i64, u8)]) -> Battery {
        let mut battery = Battery::default();
        levels.iter().for_each(|(n, percent)| battery.note(day(*n), *percent));
        battery
    }

    #[test]
    fn a_battery_that_loses_a_point_a_day_is_empty_when_it_says() {
        let sinking = battery(&[(0, 100), (10, 90), (20, 80)]);
        assert_eq!(sinking.empty_by(day(25), 75), Some(day(85)));
        assert_eq!(sinking.empty_by(day(90), 15), Some(day(90)), "it is");
    }

    #[test]
    fn what_does_not_sink_or_was_just_put_in_has_no_day() {
        assert_eq!(battery(&[(0, 90)]).empty_by(day(100), 90), None);
        assert_eq!(battery(&[(0, 90)]).empty_by(day(100), 100), None);
        assert_eq!(battery(&[(0, 100)]).empty_by(day(6), 50), None, "not seen for a week");
        assert_eq!(
            battery(&[(0, 100)]).empty_by(day(3_000), 94),
            None,
            "a day that is too far off"
        );
        assert_eq!(Battery::default().empty_by(day(9), 50), None);
    }

    #[test]
    fn a_level_that_jumps_up_is_another_battery_and_a_warm_day_is_none() {
        let changed = battery(&[(0, 100), (100, 20), (101, 100), (111, 95)]);
        assert_eq!(
            (changed.since(), changed.empty_by(day(121), 90)),
            (Some(day(101)), Some(day(271)))
        );
        assert_eq!(battery(&[(0, 100), (50, 60), (51, 70)]).since(), Some(day(0)));
    }

    #[test]
    fn only_some_points_are_news_and_levels_are_bounded() {
        let full = battery(&[(0, 100)]);
        assert!(!full.is_news(96) && full.is_news(95) && full.is_news(0));
        let mut fickle = Battery::default();
        for n in 0..1_000 {
            fickle.note(day(n), if n % 2 == 0 { 90 } else { 80 });
        }
        assert!(fickle.levels.len() <= LEVELS_MAX);
        assert_eq!(fickle.since(), Some(day(0)));
    }
}
