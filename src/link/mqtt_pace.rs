//! When an outside broker is tried again. Pure: how the last try ended in, how long to wait out.
//!
//! A killed mosquitto forgets its sessions and, once back, acknowledges presses that nobody has
//! subscribed to; so every millisecond after its return counts. A refused connection costs a packet
//! each way and says that the machine stands and nobody listens: it is asked again every 25 ms, which
//! keeps the way back within 50 ms. A broker that does accept connections and then errs is asked with
//! growing pauses, 0.5 s to 30 s, because there each try costs it work and log lines. A machine that
//! does not answer at all is tried each second: of that no promise of milliseconds can be kept.

use std::time::Duration;

use super::pause::Growing;

/// Pause between two knocks where nobody listens. Own choice: half of the 50 ms promised.
pub(super) const KNOCK: Duration = Duration::from_millis(25);
/// Pause before a machine that does not answer is tried again.
const UNREACHED: Duration = Duration::from_secs(1);
/// Pauses after a broker that errs: the measured recipe of the project.
const ERRS: Growing =
    Growing { first: Duration::from_millis(500), longest: Duration::from_secs(30) };
/// Connections that may end early in a row before they are held to be a pattern, such as two clients
/// that push each other out. Own choice.
const EARLY_ENDS: u32 = 3;
/// A connection that lived so long did not end early.
const STEADY: Duration = Duration::from_secs(10);

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nobody listens there.
    Refused,
    /// The machine did not answer, or its name is not known.
    Unreached,
    /// The broker, or what stands there, wants nothing of us: wrong password, no TLS, no MQTT.
    TurnedAway,
    /// The connection broke, or broke while it came about.
    Cut,
    /// We ended it, because what was received could not be stored.
    Unstored,
}

/// What the last tries have taught.
#[derive(Debug, Default)]
pub(super) struct Pace {
    errs: u32,
    early_ends: u32,
}

impl Pace {
    /// How long to wait after `end` of a connection that had stood for `lived`. `chance` is any number.
    pub(super) fn after(&mut self, end: End, lived: Duration, chance: u64) -> Duration {
        if lived >= STEADY {
            *self = Self::default();
        }
        match end {
            End::Refused => {
                // It was really gone: what follows is a new broker.
                *self = Self::default();
                KNOCK
            }
            End::Unreached => UNREACHED,
            End::Cut => {
                self.early_ends = self.early_ends.saturating_add(1);
                match self.early_ends.checked_sub(EARLY_ENDS) {
                    None | Some(0) => Duration::ZERO,
                    Some(more) => ERRS.after(more - 1, chance),
                }
            }
            End::TurnedAway | End::Unstored => {
                self.errs = self.errs.saturating_add(1);
                ERRS.after(self.errs - 1, chance)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn where_nobody_listens_it_knocks_every_25_ms_for_ever() {
        let mut pace = Pace::default();
        for _ in 0..10_000 {
            assert_eq!(pace.after(End::Refused, NONE, 7), KNOCK);
        }
    }

    #[test]
    fn a_broker_that_errs_is_left_alone_longer_each_time_up_to_30_s() {
        let mut pace = Pace::default();
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            let pause = pace.after(End::TurnedAway, NONE, u64::MAX);
            assert!(
                pause >= ERRS.first / 2 && pause <= ERRS.longest && pause >= last / 2,
                "{pause:?}"
            );
            last = pause;
        }
        assert!(last > ERRS.longest / 2);
        for chance in 0..2_000 {
            let pause = Pace { errs: 30, early_ends: 0 }.after(End::Unstored, NONE, chance);
            assert!((ERRS.longest / 2..=ERRS.longest).contains(&pause));
        }
    }

    #[test]
    fn a_cut_is_mended_at_once_unless_it_comes_again_and_again() {
        let early = Duration::from_millis(30);
        let mut pace = Pace::default();
        for _ in 0..EARLY_ENDS {
            assert_eq!(pace.after(End::Cut, early, 0), Duration::ZERO);
        }
        assert!(pace.after(End::Cut, early, 0) >= ERRS.first / 2);
        assert_eq!(pace.after(End::Cut, STEADY, 0), Duration::ZERO);
        assert_eq!(pace.after(End::Cut, early, 0), Duration::ZERO, "a steady connection forgives");
        pace = Pace { errs: 30, early_ends: 0 };
        assert!(pace.after(End::Unstored, STEADY, 0) <= ERRS.first, "so it does with a disk");
        pace = Pace { errs: 0, early_ends: 9 };
        pace.after(End::Refused, NONE, 0);
        assert_eq!(
            pace.after(End::Cut, early, 0),
            Duration::ZERO,
            "a broker killed often is back at once"
        );
    }
}
