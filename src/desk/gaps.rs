//! Numbers that a device counted and the hub never heard: "3 messages missed".
//!
//! A device that counts says more than it sends: 7 after 4 means that 5 and 6 were on their way. They
//! may still come, because devices repeat what nobody answered for ten minutes; what is missing after
//! a quarter of an hour is told once, as a fact, and stays with the device in the list and in its
//! history. It is no incident: radio loses frames, and a lost sign of life harms nobody. Only a device
//! that loses many in a day is a fault, by the engine's rule.
//!
//! This is in memory: a restart, of the hub or of the device, begins to count anew, and what lies
//! before the first number heard is not known to be missing. Chosen over the engine's own marks, which
//! hold what must survive; most numbers belong to signs of life, which are not written down.

use std::collections::BTreeMap;

use super::{Desk, Turn};
use crate::incident::Stimulus;
use crate::terms::{At, DeviceId, Mark, Report, Wait};

/// How long a number may be missing before it is told: a device repeats for 10 min (interface.md). A
/// life-safety event is repeated for 24 h; one that comes after this was told all the same, and calls.
const MISSED_AFTER: Wait = Wait::mins(15);
/// A number this far ahead is another count and no gap. Own choice: a week of words every 10 min.
const JUMP_MAX: u32 = 1_024;
/// Stretches of missing numbers of one device; at the limit the oldest is told at once. Own choice.
const STRETCHES_MAX: usize = 16;
/// Devices whose numbers are followed; those beyond it are not. Own choice: more than a full hub has.
const DEVICES_MAX: usize = 8_192;
/// A device that counts restarts backwards for this long has lost its memory and is believed: nothing
/// of the restart before is repeated any longer.
const REPEATS_END: Wait = Wait::hours(24);

/// Numbers that were not heard, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    boot: u32,
    first: u32,
    last: u32,
    since: At,
}

impl Stretch {
    fn count(self) -> u32 {
        (self.last - self.first).saturating_add(1)
    }
}

/// What one device has counted.
#[derive(Debug)]
struct Counted {
    highest: Mark,
    at: At,
    missing: Vec<Stretch>,
}

/// The numbers of every device that counts.
#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeMap<DeviceId, Counted>);

impl Gaps {
    /// Hears a number; how many are given up at once, because too many stretches are missing.
    fn hear(&mut self, device: &DeviceId, mark: Mark, at: At) -> u32 {
        let Some(counted) = self.0.get_mut(device) else {
            if self.0.len() < DEVICES_MAX {
                self.0.insert(device.clone(), Counted { highest: mark, at, missing: Vec::new() });
            }
            return 0;
        };
        let Counted { highest, at: last, missing } = counted;
        let is_over = mark.boot < highest.boot && at - *last >= REPEATS_END;
        if mark.boot > highest.boot || is_over {
            (*highest, *last) = (mark, at);
            return 0;
        }
        let ahead = mark.seq.checked_sub(highest.seq).filter(|_| mark.boot == highest.boot);
        match ahead {
            None | Some(0) => fill(missing, mark),
            Some(ahead) => {
                if (2..=JUMP_MAX).contains(&ahead) {
                    let (first, until) = (highest.seq + 1, mark.seq - 1);
                    missing.push(Stretch { boot: mark.boot, first, last: until, since: at });
                }
                *highest = mark;
            }
        }
        if mark.boot == highest.boot {
            *last = at;
        }
        match missing.len() > STRETCHES_MAX {
            true => missing.remove(0).count(),
            false => 0,
        }
    }

    /// What is missing for good by now, each told once.
    fn given_up(&mut self, now: At) -> Vec<(DeviceId, u32)> {
        let mut told = Vec::new();
        for (device, counted) in &mut self.0 {
            let mut count = 0_u32;
            counted.missing.retain(|stretch| {
                let waits = now - stretch.since < MISSED_AFTER;
                if !waits {
                    count = count.saturating_add(stretch.count());
                }
                waits
            });
            if count > 0 {
                told.push((device.clone(), count));
            }
        }
        told
    }

    /// Another device hangs there, or none.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }

    /// Only these are followed any longer.
    pub(super) fn retain(&mut self, is_known: impl Fn(&DeviceId) -> bool) {
        self.0.retain(|device, _| is_known(device));
    }
}

/// A late number is missing no longer.
fn fill(missing: &mut Vec<Stretch>, mark: Mark) {
    let holds = |s: &Stretch| s.boot == mark.boot && (s.first..=s.last).contains(&mark.seq);
    let Some(place) = missing.iter().position(holds) else { return };
    let whole = missing.remove(place);
    let below = (whole.first < mark.seq).then(|| Stretch { last: mark.seq - 1, ..whole });
    let above = (mark.seq < whole.last).then(|| Stretch { first: mark.seq + 1, ..whole });
    for part in [above, below].into_iter().flatten() {
        missing.insert(place, part);
    }
}

impl Desk {
    /// Follows the numbers of a registered device; a kept copy says nothing of what was sent since.
    pub(super) fn follow_count(&mut self, turn: &mut Turn, report: &Report) {
        let Some(mark) = report.mark.filter(|_| !report.retained) else { return };
        if report.device.is_unregistered() {
            return;
        }
        let count = self.supervision.gaps.hear(&report.device, mark, report.heard_at);
        self.tell_missed(turn, report.device.clone(), count);
    }

    /// Tells what is missing for good.
    pub(super) fn look_at_gaps(&mut self, turn: &mut Turn) {
        for (device, count) in self.supervision.gaps.given_up(self.clock.now()) {
            self.tell_missed(turn, device, count);
        }
    }

    fn tell_missed(&mut self, turn: &mut Turn, device: DeviceId, count: u32) {
        if count > 0 {
            self.decide(turn, &Stimulus::Missed { device, count });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cord() -> DeviceId {
        DeviceId::new("C-01").unwrap()
    }

    /// The numbers of one restart, a second apart, and what is missing when all waiting is over.
    fn missing_after(numbers: &[(u32, u32)]) -> u32 {
        let mut gaps = Gaps::default();
        let mut told = 0;
        for (n, (boot, seq)) in numbers.iter().enumerate() {
            let mark = Mark { boot: *boot, seq: *seq };
            told += gaps.hear(&cord(), mark, At(1_000 * n as u64));
        }
        let late = At(MISSED_AFTER.0 + 1_000 * numbers.len() as u64);
        let told = told + gaps.given_up(late).iter().map(|(_, count)| count).sum::<u32>();
        assert_eq!(gaps.given_up(late), [], "told once");
        told
    }

    #[test]
    fn numbers_between_two_that_were_heard_are_missing_and_late_ones_fill_them() {
        for (numbers, missing) in [
            (&[(1, 4), (1, 5), (1, 6)][..], 0),
            (&[(1, 4), (1, 8)], 3),
            (&[(1, 4), (1, 8), (1, 6)], 2),
            (&[(1, 4), (1, 8), (1, 5), (1, 6), (1, 7)], 0),
            (&[(1, 4), (1, 4), (1, 4), (1, 5)], 0),
            (&[(1, 4), (1, 6), (1, 9), (1, 2)], 3),
        ] {
            assert_eq!(missing_after(numbers), missing, "{numbers:?}");
        }
    }

    #[test]
    fn a_restart_of_the_device_is_no_gap_and_what_was_missing_before_it_still_is() {
        assert_eq!(missing_after(&[(1, 4), (2, 90), (2, 91)]), 0);
        assert_eq!(missing_after(&[(1, 4), (1, 7), (2, 1), (1, 5)]), 1);
    }

    #[test]
    fn a_count_that_jumps_is_another_count() {
        assert_eq!(missing_after(&[(1, 4), (1, 4_000_000_000), (1, 4_000_000_002)]), 1);
        assert_eq!(missing_after(&[(1, 0), (1, u32::MAX)]), 0);
    }

    #[test]
    fn nothing_is_told_while_the_device_may_still_repeat_it() {
        let mut gaps = Gaps::default();
        gaps.hear(&cord(), Mark { boot: 1, seq: 1 }, At(0));
        gaps.hear(&cord(), Mark { boot: 1, seq: 3 }, At(1_000));
        assert_eq!(gaps.given_up(At(MISSED_AFTER.0)), []);
        assert_eq!(gaps.given_up(At(MISSED_AFTER.0 + 1_000)), [(cord(), 1)]);
    }

    #[test]
    fn many_stretches_are_bounded_and_the_oldest_is_told_first() {
        let every_other: Vec<(u32, u32)> = (0..64).map(|n| (1, 2 * n)).collect();
        assert_eq!(missing_after(&every_other), 63);
        let mut gaps = Gaps::default();
        for (boot, seq) in every_other {
            gaps.hear(&cord(), Mark { boot, seq }, At(0));
        }
        assert_eq!(gaps.0[&cord()].missing.len(), STRETCHES_MAX);
    }

    #[test]
    fn a_device_that_lost_its_memory_is_followed_again_after_a_day() {
        let mut gaps = Gaps::default();
        let later = At(REPEATS_END.0);
        gaps.hear(&cord(), Mark { boot: 900, seq: 1 }, At(0));
        gaps.hear(&cord(), Mark { boot: 1, seq: 1 }, later);
        gaps.hear(&cord(), Mark { boot: 1, seq: 3 }, later);
        assert_eq!(gaps.given_up(later + MISSED_AFTER), [(cord(), 1)]);
    }
}
