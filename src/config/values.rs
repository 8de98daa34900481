//! Values that stand in quotes: durations, hours of the day, addresses; and the closest known word.

use std::net::IpAddr;

use crate::roster::Hours;
use crate::terms::Wait;

/// How a duration is written.
pub(super) const DURATION_HELP: &str =
    "write a whole number and a unit: \"500ms\", \"60s\", \"10min\", \"24h\", \"7d\"";

/// How hours are written.
pub(super) const HOURS_HELP: &str = "write two times, \"08:00-20:00\"; \"20:00-08:00\" runs over midnight, \"00:00-24:00\" is the whole day";

/// A whole number with a unit: ms, s, m or min, h, d.
pub fn duration(text: &str) -> Option<Wait> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Wait)
}

/// A number of bytes with a unit: B, KiB, MiB, GiB.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// `08:00-20:00`, both times 00:00 to 24:00.
pub(super) fn hours(text: &str) -> Option<Hours> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minute_of_day(from.trim())?, minute_of_day(to.trim())?);
    (from < 1440).then_some(Hours { from, to })
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let plain = |part: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !plain(hour, 1..=2) || !plain(minute, 2..=2) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

/// Weekdays by their words, 1 = Monday.
pub(super) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Whether a host name or address is this machine itself.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a text can name a host: an address, or letters, digits, dots and dashes.
pub(super) fn is_host(text: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty()
        && text.len() <= 253
        && (text.parse::<IpAddr>().is_ok() || text.chars().all(named))
}

/// How many UTF-16 units a text has: the measure of short messages.
pub(super) fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Longest word that is compared, so that a hostile key costs nothing.
const COMPARED_MAX_CHARS: usize = 64;

/// The known word that was most likely meant: at most a third of its characters differ.
pub(super) fn closest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let typed: Vec<char> = word.chars().take(COMPARED_MAX_CHARS).collect();
    known
        .into_iter()
        .filter_map(|candidate| {
            let wanted: Vec<char> = candidate.chars().take(COMPARED_MAX_CHARS).collect();
            let apart = distance(&typed, &wanted);
            (apart > 0 && apart <= (wanted.len() / 3).max(1) && apart < wanted.len())
                .then_some((apart, candidate))
        })
        .min_by_key(|(apart, _)| *apart)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words; two neighbours that changed places are one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_number_and_a_unit() {
        for (text, wait) in [
            ("500ms", Wait(500)),
            ("60s", Wait::secs(60)),
            ("10m", Wait::mins(10)),
            ("10 min", Wait::mins(10)),
            ("24h", Wait::hours(24)),
            ("7d", Wait::hours(168)),
            ("0s", Wait::ZERO),
        ] {
            assert_eq!(duration(text), Some(wait), "{text}");
        }
        for text in
            ["", "60", "s", "-1s", "1.5s", "1 hour", "99999999999999999999s", "9999999999999999d"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn hours_end_at_midnight_or_run_over_it() {
        assert_eq!(hours("08:00-20:00"), Some(Hours { from: 480, to: 1200 }));
        assert_eq!(hours("20:00 - 8:00"), Some(Hours { from: 1200, to: 480 }));
        assert_eq!(hours("00:00-24:00"), Some(Hours { from: 0, to: 1440 }));
        for text in
            ["", "8-20", "24:00-08:00", "08:60-09:00", "08:00", "08:00-25:00", "+8:00-09:00"]
        {
            assert_eq!(hours(text), None, "{text}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let lines = ["first", "second", "lead"];
        assert_eq!(closest("frist", lines), Some("first"));
        assert_eq!(closest("secnd", lines), Some("second"));
        assert_eq!(closest("night", lines), None);
        assert_eq!(closest("zhangmn", ["zhangmin", "wangli"]), Some("zhangmin"));
        assert_eq!(closest("x", ["y"]), None);
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "127.0.0.1", "127.9.0.1", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "192.168.1.1", "localhost.example", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
