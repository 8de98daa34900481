//! Sameness: is this report one the hub has already heard?
//!
//! A device that counts is believed: the same restart and number is the same press, however late
//! the repeat; any other number is another press (law 7). A device that does not count is judged by
//! time: two signals within the bounce are one press, because a radio repeats itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::battery::Battery;
use super::suspect::{FALSE_ALARMS, Missed, STUCK_WITHIN};
use crate::terms::{At, Class, IncidentId, Kind, Mark, Wait, Wall};

/// How many restarts of a device are remembered. Own choice: repeats run for 24 h, and a device
/// that restarts more often than that is broken; its presses then count double, never less.
const BOOTS_KEPT: usize = 4;
/// How many numbers below the highest are remembered one by one; older ones count as new.
const SEQS_KEPT: u32 = 64;

/// What was heard within one restart of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Boot {
    boot: u32,
    highest: u32,
    /// Bit n stands for `highest - n`.
    heard: u64,
}

/// A level of a device: smoke, water, tamper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Whether it is on.
    pub on: bool,
    /// Since when.
    pub since: At,
}

/// What the engine remembers of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMemory {
    boots: Vec<Boot>,
    /// When it was last pressed, by kind: for the bounce of devices that do not count.
    last_pulse: BTreeMap<Kind, At>,
    /// Its levels.
    pub levels: BTreeMap<Kind, Level>,
    /// Whether its wire says that it is there.
    pub online: Option<bool>,
    /// Its open incidents.
    pub open: BTreeMap<Class, IncidentId>,
    /// Its last incident that is over, by class, and when that ended.
    pub over: BTreeMap<Class, (IncidentId, At)>,
    /// Its last service presses, newest last.
    pub service: Vec<At>,
    /// When its running minute of alarms began, and how many came in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) alarms: Option<(At, u32)>,
    /// When its last alarms were closed as nothing, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) false_alarms: Vec<At>,
    /// When it was last seen to work: pressed, or tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Wall>,
    /// The messages it sent that were never heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// The levels of its battery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<Battery>,
}

/// Whether a report was heard before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// It was not.
    New,
    /// It was: the sender missed our answer.
    Repeat,
}

impl DeviceMemory {
    /// What of this class is on, the oldest first.
    pub(super) fn on(&self, class: Class) -> Vec<Kind> {
        let is_on = |(kind, level): &(&Kind, &Level)| level.on && kind.class() == class;
        let mut on: Vec<_> = self.levels.iter().filter(is_on).collect();
        on.sort_by_key(|(_, level)| level.since);
        on.into_iter().map(|(kind, _)| *kind).collect()
    }

    /// Judges a pulse or cancel by its mark, or by time where it has none.
    pub fn judge(&self, mark: Option<Mark>, kind: Option<Kind>, at: At, bounce: Wait) -> Sameness {
        match (mark, kind) {
            (Some(mark), _) if self.heard(mark) => Sameness::Repeat,
            (None, Some(kind)) => match self.last_pulse.get(&kind) {
                Some(last) if at - *last < bounce => Sameness::Repeat,
                _ => Sameness::New,
            },
            _ => Sameness::New,
        }
    }

    fn heard(&self, mark: Mark) -> bool {
        let Some(boot) = self.boots.iter().find(|b| b.boot == mark.boot) else { return false };
        match boot.highest.checked_sub(mark.seq) {
            Some(below) if below < SEQS_KEPT => boot.heard & (1 << below) != 0,
            _ => false,
        }
    }

    /// Another device hangs there now: it counts from anew, nothing is known of its levels, and nobody
    /// has seen it work. What belongs to the point stays.
    pub(super) fn forget_the_device(&mut self) {
        let (open, over) = (std::mem::take(&mut self.open), std::mem::take(&mut self.over));
        *self = Self { open, over, ..Self::default() };
    }

    /// Counts an alarm in its running minute.
    pub(super) fn count_alarm(&mut self, at: At) {
        let running = self.alarms.filter(|(since, _)| at - *since < STUCK_WITHIN);
        let (since, count) = running.unwrap_or((at, 0));
        self.alarms = Some((since, count.saturating_add(1)));
    }

    /// Notes that an alarm of it was nothing.
    pub(super) fn note_false_alarm(&mut self, at: At) {
        self.false_alarms.push(at);
        let extra = self.false_alarms.len().saturating_sub(FALSE_ALARMS);
        self.false_alarms.drain(..extra);
    }

    /// Notes messages of it that were never heard.
    pub(super) fn note_missed(&mut self, at: At, wall: Wall, count: u32) {
        self.missed.get_or_insert_default().note(at, wall, count);
    }

    /// Notes that a report was heard.
    pub(super) fn note(&mut self, mark: Option<Mark>, kind: Option<Kind>, at: At) {
        if let Some(kind) = kind {
            self.last_pulse.insert(kind, at);
        }
        let Some(mark) = mark else { return };
        let place = self.boots.iter().position(|b| b.boot == mark.boot);
        let mut boot = match place {
            Some(place) => self.boots.remove(place),
            None => Boot { boot: mark.boot, highest: mark.seq, heard: 0 },
        };
        if mark.seq > boot.highest {
            let up = mark.seq - boot.highest;
            boot.heard = if up < SEQS_KEPT { boot.heard << up } else { 0 };
            boot.highest = mark.seq;
        }
        let below = boot.highest - mark.seq;
        if below < SEQS_KEPT {
            boot.heard |= 1 << below;
        }
        self.boots.push(boot);
        if self.boots.len() > BOOTS_KEPT {
            self.boots.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNCE: Wait = Wait::secs(3);

    fn judged(memory: &DeviceMemory, boot: u32, seq: u32) -> Sameness {
        memory.judge(Some(Mark { boot, seq }), Some(Kind::Sos), At(0), BOUNCE)
    }

    #[test]
    fn a_repeat_is_known_however_late_and_in_whatever_order() {
        let mut memory = DeviceMemory::default();
        for seq in [5, 9, 7] {
            assert_eq!(judged(&memory, 17, seq), Sameness::New);
            memory.note(Some(Mark { boot: 17, seq }), Some(Kind::Sos), At(0));
        }
        for seq in [5, 9, 7] {
            assert_eq!(judged(&memory, 17, seq), Sameness::Repeat, "{seq}");
        }
        for seq in [4, 6, 8, 10] {
            assert_eq!(judged(&memory, 17, seq), Sameness::New, "{seq}");
        }
    }

    #[test]
    fn the_same_number_after_a_battery_change_is_another_press() {
        let mut memory = DeviceMemory::default();
        memory.note(Some(Mark { boot: 17, seq: 1 }), Some(Kind::Sos), At(0));
        assert_eq!(judged(&memory, 18, 1), Sameness::New);
        assert_eq!(judged(&memory, 17, 1), Sameness::Repeat);
    }

    #[test]
    fn a_number_too_old_to_remember_counts_as_new() {
        let mut memory = DeviceMemory::default();
        memory.note(Some(Mark { boot: 1, seq: 10 }), None, At(0));
        memory.note(Some(Mark { boot: 1, seq: 10 + SEQS_KEPT }), None, At(0));
        assert_eq!(judged(&memory, 1, 10), Sameness::New);
    }

    #[test]
    fn without_a_count_two_signals_within_the_bounce_are_one_press() {
        let mut memory = DeviceMemory::default();
        memory.note(None, Some(Kind::Sos), At(1000));
        let at = |ms| memory.judge(None, Some(Kind::Sos), At(ms), BOUNCE);
        assert_eq!(at(3999), Sameness::Repeat);
        assert_eq!(at(4000), Sameness::New);
        assert_eq!(memory.judge(None, Some(Kind::Fall), At(1001), BOUNCE), Sameness::New);
    }
}
