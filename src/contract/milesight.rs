//! The bytes of Milesight's LoRaWAN devices, for a ChirpStack without their codec: channel, type and
//! value, again and again. They become the words that the maker's codec would make, so that one table
//! serves both. The alarm types are those of the maker's decoder; the table in its README counts
//! otherwise and would read a fall as normal.
//!
//! What stands behind a channel that is not known here cannot be read, because nothing says how long
//! it is.

use super::field::Tell;
use crate::terms::RefusalReason;

/// What one uplink says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uplink {
    /// Percent.
    pub(super) battery: Option<u8>,
    /// Whose word, its path and its value.
    pub(super) words: Vec<(Tell, &'static str, &'static str)>,
    /// Why it could not be read to its end.
    pub(super) unread: Option<RefusalReason>,
}

/// Values that say nothing, by channel, type and length in bytes: versions, numbers, settings.
const SILENT: [(u8, u8, usize); 22] = [
    (0xff, 0x01, 1),
    (0xff, 0x08, 6),
    (0xff, 0x09, 2),
    (0xff, 0x0a, 2),
    (0xff, 0x0b, 1),
    (0xff, 0x0f, 1),
    (0xff, 0x16, 8),
    (0xff, 0xfe, 1),
    (0xff, 0xff, 2),
    (0x04, 0xf9, 4),
    (0x05, 0xfa, 8),
    (0x08, 0xb1, 3),
    (0x09, 0xb2, 6),
    (0x0a, 0xb3, 5),
    (0x0b, 0xb4, 9),
    (0x0c, 0xb4, 9),
    (0x20, 0xce, 9),
    (0xfe, 0x03, 2),
    (0xfe, 0x10, 1),
    (0xfe, 0x28, 1),
    (0xfe, 0x2f, 1),
    (0xfe, 0x3e, 1),
];

/// Reads an uplink as far as it can be.
pub(super) fn read(bytes: &[u8]) -> Uplink {
    let mut uplink = Uplink::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        match uplink.take(rest) {
            Ok(length) => rest = &rest[length..],
            Err(reason) => {
                uplink.unread = Some(reason);
                break;
            }
        }
    }
    uplink
}

impl Uplink {
    /// Takes one value; how long it is with its head.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, RefusalReason> {
        let (&[channel, kind], value) =
            bytes.split_first_chunk().ok_or(RefusalReason::Truncated)?;
        let silent = || SILENT.iter().find(|(c, k, _)| (*c, *k) == (channel, kind));
        let length = match (channel, kind) {
            (0x01, 0x75) | (0xff, 0x2e) | (0x03, 0x00) => 1,
            (0x03, 0xf8) => 6,
            (0x07, 0xb0) => 8,
            (0x06, 0xfb) => 5,
            _ => silent().map(|(.., length)| *length).ok_or(RefusalReason::UnknownKind)?,
        };
        let value = value.get(..length).ok_or(RefusalReason::Truncated)?;
        match (channel, kind) {
            (0x01, 0x75) => self.battery = Some(value[0]).filter(|percent| *percent <= 100),
            (0xff, 0x2e) => {
                let pressed = word(&["short press", "long press", "double press"], value[0], 1)?;
                self.words.push((Tell::Key, "button_event.status", pressed));
            }
            (0x03, 0x00) => {
                let leak = word(&["normal", "leak"], value[0], 0)?;
                self.words.push((Tell::State, "leakage_status", leak));
            }
            (0x03, 0xf8) | (0x07, 0xb0) => {
                let states = ["normal", "vacant", "in_bed", "out_of_bed", "fall"];
                self.words.push((Tell::State, "detection_status", word(&states, value[0], 0)?));
            }
            (0x06, 0xfb) => {
                let alarm = word(&ALARMS, value[2], 0)?;
                let turns = ["alarm_triggered", "alarm_deactivated", "alarm_ignored"];
                self.words.push((Tell::Event, alarm, word(&turns, value[3], 1)?));
            }
            _ => {}
        }
        Ok(2 + length)
    }
}

/// The alarms of a VS373 by their number.
const ALARMS: [&str; 9] = [
    "events.fall",
    "events.motionless",
    "events.dwell",
    "events.out_of_bed",
    "events.occupied",
    "events.vacant",
    "events.bradynea",
    "events.tachypnea",
    "events.lying_down",
];

fn word<'w>(words: &[&'w str], number: u8, first: u8) -> Result<&'w str, RefusalReason> {
    let at = number.checked_sub(first).ok_or(RefusalReason::OutOfRange)?;
    words.get(usize::from(at)).copied().ok_or(RefusalReason::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_and_a_battery_are_read_and_the_rest_behind_an_unknown_channel_is_not() {
        let pressed = (Tell::Key, "button_event.status", "short press");
        let uplink = read(&[0x01, 0x75, 16, 0xff, 0x2e, 1]);
        assert_eq!(uplink, Uplink { battery: Some(16), words: vec![pressed], unread: None });
        let uplink = read(&[0x01, 0x75, 16, 0x77, 0x01, 1, 0xff, 0x2e, 1]);
        assert_eq!(uplink.unread, Some(RefusalReason::UnknownKind));
        assert_eq!(read(&[0xff, 0x2e]).unread, Some(RefusalReason::Truncated));
        assert_eq!(read(&[0xff, 0x2e, 9]).unread, Some(RefusalReason::OutOfRange));
    }

    #[test]
    fn type_0_is_a_fall() {
        let uplink = read(&[0x06, 0xfb, 7, 0, 0, 1, 0]);
        assert_eq!(uplink.words, [(Tell::Event, "events.fall", "alarm_triggered")]);
    }
}
