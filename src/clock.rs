//! The only door to OS time.
//!
//! Deadlines run on hub time ([`At`]), which follows the boot-time clock, so that suspended time
//! counts, and is carried over restarts: exactly within one boot, by the wall clock from boot to boot
//! when somebody vouches for it and the gap is between 0 and 24 h, and not at all otherwise, so
//! that every open deadline is due. The wall clock is read for people, messages and rosters only,
//! and always with a word on whether it can be trusted. Chosen over the monotonic clock, which stops
//! while a box sleeps, and over the wall clock, which jumps.

use std::sync::Arc;

use crate::terms::{At, BootMark, Resumed, Wait, Wall, WallReading};

/// Longest gap between two boots that the wall clock may bridge (design: 24 h).
const GAP_MAX: Wait = Wait::hours(24);
/// How far the battery clock and the system clock may differ. Own choice: cheap battery clocks drift
/// a second or two a day, and one that differs by more has lost its battery.
const BATTERY_CLOCK_WITHIN_MS: i64 = 60_000;
/// No right clock says an earlier time, whoever vouches for it: the year this was written began.
const EARLIEST: Wall = Wall(1_767_225_600_000);

/// Who vouches for the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouch {
    /// The kernel, when it says that the clock is synchronised.
    Kernel,
    /// The kernel, or else a battery clock that says the same and no time before the last trusted
    /// one.
    BatteryClock,
    /// The host: a container or a test, where something outside keeps the time.
    Host,
}

/// What the operating system says at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    boot: BootMark,
    wall: Wall,
    synchronised: bool,
    battery: Option<Wall>,
}

/// What the record says about the time before this start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// The boot that hub time last resumed on, and the hub time then.
    pub boot: Option<(BootMark, At)>,
    /// Hub time of the last entry.
    pub at: At,
    /// Wall time of the last entry.
    pub wall: Wall,
    /// The last wall time that could be trusted.
    pub trusted: Option<Wall>,
}

/// How hub time goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumption {
    /// How long the hub was away, as far as anybody knows.
    pub gap: Wait,
    /// How that is known.
    pub how: Resumed,
    /// The boot it runs on.
    pub boot: BootMark,
}

/// Tells hub time and wall time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Origin>);

#[derive(Debug)]
struct Origin {
    at: At,
    boot_ms: u64,
    vouch: Vouch,
    trusted_before: Option<Wall>,
}

impl Clock {
    /// Goes on from the record, or begins at zero.
    pub fn resume(last: Option<&Last>, vouch: Vouch) -> (Self, Resumption) {
        let reading = read();
        let (at, resumption) = resumed(&reading, last, vouch);
        let origin = Origin {
            at,
            boot_ms: reading.boot.ms,
            vouch,
            trusted_before: last.and_then(|l| l.trusted),
        };
        (Self(Arc::new(origin)), resumption)
    }

    /// Hub time now.
    pub fn now(&self) -> At {
        self.0.at + Wait(boot_ms().saturating_sub(self.0.boot_ms))
    }

    /// Wall time now, and whether it can be trusted.
    pub fn wall(&self) -> WallReading {
        let wall = wall();
        let reading = Reading {
            boot: BootMark::default(),
            wall,
            synchronised: self.0.vouch != Vouch::Host && is_synchronised(),
            battery: (self.0.vouch == Vouch::BatteryClock).then(battery_clock).flatten(),
        };
        WallReading { wall, trusted: is_trusted(&reading, self.0.vouch, self.0.trusted_before) }
    }
}

/// A stopwatch for figures and logs: nothing may be decided by it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "this is the door to OS time")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// How long it has been running.
    pub fn elapsed(self) -> std::time::Duration {
        self.0.elapsed()
    }
}

fn resumed(now: &Reading, last: Option<&Last>, vouch: Vouch) -> (At, Resumption) {
    let told =
        |at: At, since: At, how| (at, Resumption { gap: at - since, how, boot: now.boot.clone() });
    let Some(last) = last else { return told(At(0), At(0), Resumed::SameBoot) };
    if let Some((boot, at)) = &last.boot
        && boot.id == now.boot.id
        && now.boot.ms >= boot.ms
    {
        let at = (*at + Wait(now.boot.ms - boot.ms)).max(last.at);
        return told(at, last.at, Resumed::SameBoot);
    }
    let trusted = is_trusted(now, vouch, last.trusted) && last.trusted == Some(last.wall);
    let gap = u64::try_from(now.wall.0.saturating_sub(last.wall.0)).ok().map(Wait);
    match gap.filter(|gap| trusted && *gap <= GAP_MAX) {
        Some(gap) => told(last.at + gap, last.at, Resumed::ByWall),
        None => told(last.at, last.at, Resumed::Unknown),
    }
}

fn is_trusted(now: &Reading, vouch: Vouch, trusted_before: Option<Wall>) -> bool {
    if now.wall < EARLIEST {
        return false;
    }
    match vouch {
        Vouch::Host => true,
        Vouch::Kernel => now.synchronised,
        Vouch::BatteryClock => {
            let agrees = now.battery.is_some_and(|battery| {
                battery.0.abs_diff(now.wall.0) <= BATTERY_CLOCK_WITHIN_MS.unsigned_abs()
            });
            now.synchronised || (agrees && trusted_before.is_none_or(|before| now.wall >= before))
        }
    }
}

fn read() -> Reading {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Reading {
        boot: BootMark { id: id.trim().to_owned(), ms: boot_ms() },
        wall: wall(),
        synchronised: is_synchronised(),
        battery: battery_clock(),
    }
}

/// The monotonic clock in microseconds, as the service manager wants it beside the word that a reload
/// begins; nothing is decided by it.
#[expect(clippy::disallowed_methods, reason = "this is the door to OS time")]
pub fn monotonic_usec() -> i128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000
}

#[expect(clippy::disallowed_methods, reason = "this is the door to OS time")]
fn boot_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let secs = u64::try_from(now.tv_sec).unwrap_or_default();
    secs * 1000 + u64::try_from(now.tv_nsec).unwrap_or_default() / 1_000_000
}

#[expect(clippy::disallowed_methods, reason = "this is the door to OS time")]
fn wall() -> Wall {
    let ms = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => Wall(ms(since)),
        Err(before) => Wall(-ms(before.duration())),
    }
}

/// Whether the kernel says that something keeps the clock: adjtimex with no change asked for.
#[expect(unsafe_code, reason = "no kept crate reads the clock's state without changing it")]
fn is_synchronised() -> bool {
    /// From linux/timex.h: nothing keeps the clock.
    const STA_UNSYNC: i32 = 0x0040;
    /// From linux/timex.h: the state that says the same.
    const TIME_ERROR: i32 = 5;
    // SAFETY: the structure is plain data for which all zeroes is a valid value; with `modes` zero
    // the call only fills it in.
    let (state, status) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&mut timex);
        (state, timex.status)
    };
    state >= 0 && state != TIME_ERROR && status & STA_UNSYNC == 0
}

fn battery_clock() -> Option<Wall> {
    let secs = std::fs::read_to_string("/sys/class/rtc/rtc0/since_epoch").ok()?;
    secs.trim().parse::<i64>().ok().map(|secs| Wall(secs * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day on which nothing is wrong.
    const NOON: i64 = EARLIEST.0 + 43_200_000;

    fn reading(boot: &str, ms: u64, wall: i64, synchronised: bool) -> Reading {
        let boot = BootMark { id: boot.into(), ms };
        Reading { boot, wall: Wall(wall), synchronised, battery: None }
    }

    fn last() -> Last {
        Last {
            boot: Some((BootMark { id: "a".into(), ms: 1_000 }, At(500))),
            at: At(60_500),
            wall: Wall(NOON),
            trusted: Some(Wall(NOON)),
        }
    }

    #[test]
    fn within_one_boot_hub_time_goes_on_exactly_whatever_the_wall_says() {
        let now = reading("a", 91_000, -5, false);
        let (at, how) = resumed(&now, Some(&last()), Vouch::Kernel);
        assert_eq!((at, how.how, how.gap), (At(90_500), Resumed::SameBoot, Wait(30_000)));
    }

    #[test]
    fn over_a_boot_a_trusted_wall_clock_bridges_up_to_a_day() {
        let day = 24 * 3_600_000;
        for (gap, how) in [
            (0, Resumed::ByWall),
            (day, Resumed::ByWall),
            (day + 1, Resumed::Unknown),
            (-1, Resumed::Unknown),
        ] {
            let now = reading("b", 10, NOON + gap, true);
            let (at, told) = resumed(&now, Some(&last()), Vouch::Kernel);
            assert_eq!(told.how, how, "{gap}");
            let bridged = if how == Resumed::ByWall { gap.unsigned_abs() } else { 0 };
            assert_eq!(at, At(60_500 + bridged));
        }
    }

    #[test]
    fn over_a_boot_an_untrusted_clock_bridges_nothing() {
        for wall in [0, NOON + 1, NOON + 365 * 86_400_000] {
            let now = reading("b", 10, wall, false);
            let (at, told) = resumed(&now, Some(&last()), Vouch::Kernel);
            assert_eq!((at, told.how), (At(60_500), Resumed::Unknown), "{wall}");
        }
        let untrusted_before = Last { trusted: Some(Wall(5)), ..last() };
        let now = reading("b", 10, NOON + 1, true);
        assert_eq!(resumed(&now, Some(&untrusted_before), Vouch::Kernel).1.how, Resumed::Unknown);
    }

    #[test]
    fn a_battery_clock_vouches_only_if_it_agrees_and_time_has_not_gone_back() {
        let now = |battery: i64, wall: i64| Reading {
            battery: Some(Wall(battery)),
            ..reading("a", 0, wall, false)
        };
        let trusted =
            |reading: &Reading| is_trusted(reading, Vouch::BatteryClock, Some(Wall(NOON)));
        assert!(trusted(&now(NOON + 60_000, NOON + 90_000)));
        assert!(!trusted(&now(NOON + 60_000, NOON + 150_000)));
        assert!(!trusted(&now(0, 0)), "both in 1970");
    }

    #[test]
    fn nobody_vouches_for_1970() {
        for vouch in [Vouch::Host, Vouch::Kernel, Vouch::BatteryClock] {
            let now = Reading { battery: Some(Wall(5)), ..reading("a", 0, 5, true) };
            assert!(!is_trusted(&now, vouch, None), "{vouch:?}");
        }
    }

    #[test]
    fn hub_time_runs() {
        let (clock, _) = Clock::resume(None, Vouch::Host);
        let first = clock.now();
        assert!(first < At(60_000) && clock.now() >= first);
        assert!(clock.wall().trusted && clock.wall().wall > Wall(1_700_000_000_000));
    }
}
