//! R60AFD1, a fall radar of 60 GHz, alone on its serial line. The contract is written down in
//! `firmware-contracts/r60afd1/v1/frame.md`.
//!
//! The radar has no name of its own: it is heard as its line. A fall is one each time it is said, since the
//! radar says it when it turns to it, and the next fall must not hide behind one whose end was lost. What
//! it says of a fall and cannot be read is refused with its name; a frame whose sum does not fit is noise
//! and names nobody. When its own chip fails it watches nobody, so that is as if it were gone.

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, Told};
use crate::terms::{At, Decoded, Decoder, Inbound, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "r60afd1";
/// The table of words that belongs to the radar.
const TABLE: &str = "R60AFD1";
/// What a frame begins and ends with.
pub const R60AFD1_HEAD: [u8; 2] = [0x53, 0x59];
/// What a frame ends with, behind its sum.
pub const R60AFD1_TAIL: [u8; 2] = [0x54, 0x43];
/// Bytes of a frame beside its data: head, control, command, length, sum, tail.
pub const R60AFD1_BESIDE: usize = 9;
/// Longest frame. Own choice: three times the longest that the manual has, a point of a cloud.
pub const R60AFD1_MAX: usize = 64;

/// Reads the radar of one line.
#[derive(Debug, Clone)]
pub struct R60afd1(Field);

/// Control, command and data of a frame.
fn read(bytes: &[u8]) -> Result<(u8, u8, &[u8]), RefusalReason> {
    if bytes.len() > R60AFD1_MAX {
        return Err(RefusalReason::TooLong);
    }
    let known = bytes.len().min(R60AFD1_HEAD.len());
    if bytes[..known] != R60AFD1_HEAD[..known] {
        return Err(RefusalReason::Malformed);
    }
    let [_, _, control, command, high, low, rest @ ..] = bytes else {
        return Err(RefusalReason::Truncated);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let Some((data, [sum, tail @ ..])) = rest.split_at_checked(length) else {
        return Err(RefusalReason::Truncated);
    };
    match tail.len() {
        0 | 1 => return Err(RefusalReason::Truncated),
        2 => {}
        _ => return Err(RefusalReason::TrailingBytes),
    }
    if *tail != R60AFD1_TAIL {
        return Err(RefusalReason::Malformed);
    }
    let said = &bytes[..bytes.len() - 3];
    match said.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == *sum {
        true => Ok((*control, *command, data)),
        false => Err(RefusalReason::Checksum),
    }
}

impl R60afd1 {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }
}

fn frame(told: &mut Told<'_>, control: u8, command: u8, data: &[u8]) {
    const CHIP_FAULT: (u8, u8) = (0x05, 0x02);
    let word = match (control, command) {
        (0x80, 0x01) => (Tell::Event, "presence"),
        (0x83, 0x01) => (Tell::Key, "fall"),
        (0x83, 0x05) => (Tell::Key, "still"),
        CHIP_FAULT => {
            told.says(What::Presence { online: data.first() == Some(&0) }, false);
            return;
        }
        _ => return,
    };
    match (word, data) {
        ((how, path), [value]) => told.tell(how, path, &value.to_string()),
        ((Tell::Key, _), _) => told.refuse(RefusalReason::OutOfRange),
        _ => {}
    }
}

impl Decoder for R60afd1 {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        match read(&inbound.bytes) {
            Ok((control, command, data)) => {
                let name = super::line_name(&inbound.topic);
                let mut told = self.0.told(heard, name, Some(TABLE));
                frame(&mut told, control, command, data);
                told.end()
            }
            Err(reason) => vec![heard.refusal(None, reason)],
        }
    }
}

impl FieldReader for R60afd1 {
    fn claims(&self, _topic: &str) -> bool {
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
