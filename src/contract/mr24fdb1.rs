//! MR24FDB1, a fall radar of 24 GHz, alone on its serial line. The contract is written down in
//! `firmware-contracts/mr24fdb1/v1/frame.md`.
//!
//! The radar has no name of its own: it is heard as its line. Its numbers are a trap: 00 is a suspected
//! fall and 02 is none. A suspicion says nothing unless the type's words make it something, as with other
//! radars; what it says of a fall in any other form is refused with its name, because lives hang on it. A
//! frame whose sum does not fit is noise and names nobody.

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, Told};
use crate::terms::{At, Decoded, Decoder, Inbound, RefusalReason};

/// The family of an unregistered device's address.
const FAMILY: &str = "mr24fdb1";
/// The table of words that belongs to the radar.
const TABLE: &str = "MR24FDB1";
/// What a frame begins with.
pub const MR24FDB1_HEAD: u8 = 0x55;
/// Head, length, function, two addresses and the sum: fewer bytes are no frame.
const LEAST: usize = 8;
/// Longest frame. Own choice: twice the longest that the manual has, its device's id.
pub const MR24FDB1_MAX: usize = 48;

/// Reads the radar of one line.
#[derive(Debug, Clone)]
pub struct Mr24fdb1(Field);

/// CRC-16 of Modbus: polynomial 0xA001 turned round, begun with 0xFFFF. The link has its own, since
/// neither room may import the other.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte),
            |sum, _| {
                if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xA001 }
            },
        )
    })
}

/// Function, addresses and data of a frame.
fn read(bytes: &[u8]) -> Result<([u8; 3], &[u8]), RefusalReason> {
    if bytes.len() > MR24FDB1_MAX {
        return Err(RefusalReason::TooLong);
    }
    if bytes.first().is_some_and(|head| *head != MR24FDB1_HEAD) {
        return Err(RefusalReason::Malformed);
    }
    let [_, low, high, function, first, second, rest @ ..] = bytes else {
        return Err(RefusalReason::Truncated);
    };
    let length = usize::from(u16::from_le_bytes([*low, *high])) + 1;
    if bytes.len() < length.max(LEAST) {
        return Err(RefusalReason::Truncated);
    }
    if bytes.len() > length {
        return Err(RefusalReason::TrailingBytes);
    }
    let Some((data, sum)) = rest.split_last_chunk::<2>() else {
        return Err(RefusalReason::Truncated);
    };
    match crc(&bytes[..bytes.len() - 2]) == u16::from_le_bytes(*sum) {
        true => Ok(([*function, *first, *second], data)),
        false => Err(RefusalReason::Checksum),
    }
}

impl Mr24fdb1 {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }
}

fn frame(told: &mut Told<'_>, said: [u8; 3], data: &[u8]) {
    match (said, data) {
        ([0x06, 0x01, 0x01], [value]) => told.tell(Tell::Key, "fall", &value.to_string()),
        ([0x06, 0x01, 0x02], [value]) => told.tell(Tell::Key, "dwell", &value.to_string()),
        ([0x03 | 0x04, 0x03, 0x05] | [0x04, 0x05, 0x01], [somebody, ..]) => {
            told.tell(Tell::Event, "presence", &somebody.to_string());
        }
        // Its versions and settings, and what moves before it.
        ([0x03..=0x05, 0x01..=0x05, _], _) => {}
        _ if told.is_life_safety() => told.refuse(RefusalReason::UnknownKind),
        _ => {}
    }
}

impl Decoder for Mr24fdb1 {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        match read(&inbound.bytes) {
            Ok((said, data)) => {
                let name = super::line_name(&inbound.topic);
                let mut told = self.0.told(heard, name, Some(TABLE));
                frame(&mut told, said, data);
                told.end()
            }
            Err(reason) => vec![heard.refusal(None, reason)],
        }
    }
}

impl FieldReader for Mr24fdb1 {
    fn claims(&self, _topic: &str) -> bool {
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
