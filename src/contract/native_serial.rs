//! The native contract on a serial line, version 1, written down in
//! `firmware-contracts/native-serial/v1/frame.md`, with a reference codec in C beside it.
//!
//! A line has noise, starts in the middle of a frame and loses bytes. So a frame stands between two
//! zero bytes and holds none itself (COBS): whatever was lost, the next zero begins anew, and a frame
//! costs one byte more, not up to twice as much as with escapes (SLIP). A CRC-16 covers everything
//! from the version on. What fails it names nobody, because its address is as doubtful as the rest:
//! such pieces are counted and call nobody. What passes it was really sent, so an unknown kind or a
//! newer version is refused with the device's name.
//!
//! JSON lines were rejected: four times the air time, and a flipped bit in a digit is still JSON. The
//! kinds, edges and meanings are those of the native contract over MQTT.

use super::native_mqtt::{WORDS, says};
use super::{Heard, RefusalReason};
use crate::terms::{At, Command, Decoded, Decoder, DeviceId, FeedbackStage, Inbound, Mark, Report};

/// Oldest version that is read.
pub const SERIAL_OLDEST: u8 = 1;

/// Newest version that is read, and the one that is written.
pub const SERIAL_NEWEST: u8 = 1;

/// Most bytes between two delimiters, in every version: what COBS encodes with one code byte for any
/// run, so that a codec needs no special case for long runs.
pub const SERIAL_PIECE_MAX: usize = 254;

/// The byte before and after every frame.
pub const SERIAL_DELIMITER: u8 = 0;

/// The family's word in the ids of devices that nobody registered.
pub const SERIAL_FAMILY: &str = "native-serial";

/// Version, type and the sum: fewer bytes are no frame of any version.
const BODY_MIN: usize = 4;
/// Version, type, address and the sum: every version keeps the address here.
const ADDRESSED_MIN: usize = 8;

/// Types of frames.
const EVENT: u8 = 0x01;
const ALIVE: u8 = 0x02;
const COMMAND: u8 = 0x81;

/// Bits of an event's flags.
const RELEASED: u8 = 0x01;
const TEST: u8 = 0x02;

/// "Not said" for battery and signal.
const NO_BATTERY: u8 = 0xFF;
const NO_SIGNAL: i8 = i8::MIN;
/// Strongest signal that is believed, in dBm: as in the native contract over MQTT.
const SIGNAL_MAX: i8 = 50;

/// An event of a device, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialEvent {
    /// The device's address, 1 to 2³²−1.
    pub address: u32,
    /// The device's own count.
    pub mark: Mark,
    /// What happened: the row of the native contract's table of kinds, from 1.
    pub kind: u8,
    /// Bit 0: the key was let go, or the condition ended. Bit 1: the device is under test.
    pub flags: u8,
    /// Percent, 0–100; 255 when not said.
    pub battery: u8,
    /// dBm as the device or its receiver hears it, −127 to 50; −128 when not said.
    pub signal: i8,
}

/// One frame of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialFrame {
    /// A device says something.
    Event(SerialEvent),
    /// The receiver itself says that it is there.
    Alive {
        /// The receiver's address, 1 to 2³²−1.
        address: u32,
        /// The receiver's own count.
        mark: Mark,
    },
    /// The hub says how far a call has come.
    Command {
        /// The device's address, 1 to 2³²−1.
        address: u32,
        /// The count of the event that is answered.
        mark: Mark,
        /// How far.
        stage: FeedbackStage,
    },
}

/// Why a piece of the line is no frame, and whose it is where that is sure.
pub type Unread = (Option<u32>, RefusalReason);

impl SerialEvent {
    /// A press or a beginning, by its word in the native contract's table; `None` for a word that
    /// stands in no row.
    pub fn pressed(address: u32, mark: Mark, word: &str) -> Option<Self> {
        let row = WORDS.iter().position(|(name, _)| *name == word)?;
        let kind = u8::try_from(row + 1).ok()?;
        Some(Self { address, mark, kind, flags: 0, battery: NO_BATTERY, signal: NO_SIGNAL })
    }

    fn check(&self) -> Result<(), RefusalReason> {
        if self.kind == 0 || usize::from(self.kind) > WORDS.len() {
            return Err(RefusalReason::UnknownKind);
        }
        let battery = self.battery <= 100 || self.battery == NO_BATTERY;
        if !battery || self.flags & !(RELEASED | TEST) != 0 || self.signal > SIGNAL_MAX {
            return Err(RefusalReason::OutOfRange);
        }
        Ok(())
    }
}

impl SerialFrame {
    /// The bytes as they go on the line, both delimiters included.
    pub fn to_wire(&self) -> Vec<u8> {
        let (kind, address, mark) = match self {
            Self::Event(event) => (EVENT, event.address, event.mark),
            Self::Alive { address, mark } => (ALIVE, *address, *mark),
            Self::Command { address, mark, .. } => (COMMAND, *address, *mark),
        };
        let mut body = vec![SERIAL_NEWEST, kind];
        for number in [address, mark.boot, mark.seq] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        match self {
            Self::Event(event) => {
                let [signal] = event.signal.to_le_bytes();
                body.extend_from_slice(&[event.kind, event.flags, event.battery, signal]);
            }
            Self::Alive { .. } => {}
            Self::Command { stage, .. } => body.push(stage_number(*stage)),
        }
        body.extend_from_slice(&crc16(&body).to_le_bytes());
        stuffed(&body)
    }

    /// Reads what stood between two delimiters.
    ///
    /// # Errors
    /// Why it is no frame of a version this hub reads.
    pub fn read(piece: &[u8]) -> Result<Self, Unread> {
        let body = unstuffed(piece).map_err(|reason| (None, reason))?;
        if body.len() < BODY_MIN {
            return Err((None, RefusalReason::Truncated));
        }
        let (said, sum) = body.split_at(body.len() - 2);
        if crc16(said).to_le_bytes() != *sum {
            return Err((None, RefusalReason::Checksum));
        }
        let address = (body.len() >= ADDRESSED_MIN).then(|| number(said, 2)).filter(|a| *a > 0);
        // A command is the hub's own voice from a line that echoes: it says nothing about a device.
        let refused = |reason| (address.filter(|_| said[1] != COMMAND), reason);
        match said[0] {
            SERIAL_OLDEST..=SERIAL_NEWEST => {}
            0 => return Err((None, RefusalReason::OutOfRange)),
            _ => return Err(refused(RefusalReason::NewerThanUs)),
        }
        let length = match said[1] {
            EVENT => 18,
            ALIVE => 14,
            COMMAND => 15,
            _ => return Err(refused(RefusalReason::UnknownKind)),
        };
        if said.len() != length {
            let short = said.len() < length;
            let reason =
                if short { RefusalReason::Truncated } else { RefusalReason::TrailingBytes };
            return Err(refused(reason));
        }
        let address = address.ok_or((None, RefusalReason::OutOfRange))?;
        let mark = Mark { boot: number(said, 6), seq: number(said, 10) };
        match said[1] {
            EVENT => {
                let [kind, flags, battery, signal] = [said[14], said[15], said[16], said[17]];
                let signal = i8::from_le_bytes([signal]);
                let event = SerialEvent { address, mark, kind, flags, battery, signal };
                event.check().map_err(|reason| (Some(address), reason))?;
                Ok(Self::Event(event))
            }
            ALIVE => Ok(Self::Alive { address, mark }),
            _ => match stage_of(said[14]) {
                Some(stage) => Ok(Self::Command { address, mark, stage }),
                None => Err((None, RefusalReason::UnknownKind)),
            },
        }
    }
}

/// Four bytes, low first; the caller has looked at the length.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn stage_number(stage: FeedbackStage) -> u8 {
    match stage {
        FeedbackStage::Stored => 1,
        FeedbackStage::Accepted => 2,
        FeedbackStage::OnScene => 3,
        FeedbackStage::Closed => 4,
    }
}

fn stage_of(number: u8) -> Option<FeedbackStage> {
    use FeedbackStage::{Accepted, Closed, OnScene, Stored};
    [Stored, Accepted, OnScene, Closed].into_iter().find(|stage| stage_number(*stage) == number)
}

/// CRC-16/CCITT-FALSE: polynomial 0x1021, begun with 0xFFFF, high bit first, nothing turned round.
/// "123456789" gives 0x29B1.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 }
        })
    })
}

/// COBS: each zero is replaced by the distance to the next, and the first distance stands in front.
fn stuffed(body: &[u8]) -> Vec<u8> {
    let mut wire = vec![SERIAL_DELIMITER];
    for run in body.split(|byte| *byte == SERIAL_DELIMITER) {
        // A body has at most 253 bytes, so no run needs more than one distance.
        wire.push(u8::try_from(run.len() + 1).unwrap_or(u8::MAX));
        wire.extend_from_slice(run);
    }
    wire.push(SERIAL_DELIMITER);
    wire
}

fn unstuffed(piece: &[u8]) -> Result<Vec<u8>, RefusalReason> {
    if piece.len() > SERIAL_PIECE_MAX {
        return Err(RefusalReason::TooLong);
    }
    if piece.contains(&SERIAL_DELIMITER) {
        return Err(RefusalReason::Malformed);
    }
    let (mut body, mut rest) = (Vec::with_capacity(piece.len()), piece);
    while let Some((code, after)) = rest.split_first() {
        let run = usize::from(*code) - 1;
        if run > after.len() {
            return Err(RefusalReason::Truncated);
        }
        let (run, after) = after.split_at(run);
        body.extend_from_slice(run);
        if !after.is_empty() {
            body.push(SERIAL_DELIMITER);
        }
        rest = after;
    }
    Ok(body)
}

/// A device's address as it is printed on it and written into `heard_as`: eight hexadecimal digits.
pub fn serial_name(address: u32) -> String {
    format!("{address:08X}")
}

/// The address of a name, the inverse of [`serial_name`].
pub fn serial_address(name: &str) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    let is_name = name.len() == 8 && name.bytes().all(digit);
    is_name.then(|| u32::from_str_radix(name, 16).ok()).flatten().filter(|address| *address > 0)
}

/// The hub's word to the device at an address, as it goes on the line. A command without a mark
/// answers nothing a device of this family has sent: `None`.
pub fn encode_serial(address: u32, command: &Command) -> Option<Vec<u8>> {
    let mark = command.mark?;
    Some(SerialFrame::Command { address, mark, stage: command.stage }.to_wire())
}

/// Reads what a serial port hands in: one piece between two delimiters. It remembers nothing, and
/// names each device by its address; who that is, the registry knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct NativeSerial;

fn heard_device(address: u32) -> DeviceId {
    DeviceId::unregistered(SERIAL_FAMILY, &serial_name(address))
}

impl Decoder for NativeSerial {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let decoded = match SerialFrame::read(&inbound.bytes) {
            Ok(SerialFrame::Event(event)) => Decoded::Report(reported(heard, &event)),
            Ok(SerialFrame::Alive { address, mark }) => {
                let report = heard.report(heard_device(address), crate::terms::What::Telemetry);
                Decoded::Report(Report { mark: Some(mark), ..report })
            }
            Ok(SerialFrame::Command { .. }) => heard.refusal(None, RefusalReason::ForeignTopic),
            Err((address, reason)) => heard.refusal(address.map(heard_device), reason),
        };
        vec![decoded]
    }
}

fn reported(heard: Heard<'_>, event: &SerialEvent) -> Report {
    let (_, word) = WORDS[usize::from(event.kind) - 1];
    Report {
        mark: Some(event.mark),
        test: event.flags & TEST != 0,
        battery: (event.battery != NO_BATTERY).then_some(event.battery),
        ..heard.report(heard_device(event.address), says(word, event.flags & RELEASED == 0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sum_is_the_one_that_everybody_calls_ccitt_false() {
        assert_eq!(crc16(b"123456789"), 0x29B1);
        assert_eq!(crc16(b""), 0xFFFF);
    }

    #[test]
    fn an_address_is_eight_capital_hexadecimal_digits_and_never_zero() {
        assert_eq!(serial_address("00A1B2C3"), Some(0x00A1_B2C3));
        assert_eq!(serial_name(0x00A1_B2C3), "00A1B2C3");
        for wrong in ["", "A1B2C3", "00a1b2c3", "00A1B2C3 ", "+0A1B2C3", "00000000", "按钮A"] {
            assert_eq!(serial_address(wrong), None, "{wrong}");
        }
    }

    fn frame() -> impl Strategy<Value = SerialFrame> {
        let stage = prop::sample::select(vec![
            FeedbackStage::Stored,
            FeedbackStage::Accepted,
            FeedbackStage::OnScene,
            FeedbackStage::Closed,
        ]);
        let mark = (any::<u32>(), any::<u32>()).prop_map(|(boot, seq)| Mark { boot, seq });
        let address = 1..=u32::MAX;
        let rest = (1..=13u8, 0..4u8, 0..=100u8, i8::MIN..=SIGNAL_MAX);
        prop_oneof![
            (address.clone(), mark.clone(), rest).prop_map(
                |(address, mark, (kind, flags, battery, signal))| {
                    SerialFrame::Event(SerialEvent { address, mark, kind, flags, battery, signal })
                }
            ),
            (address.clone(), mark.clone())
                .prop_map(|(address, mark)| SerialFrame::Alive { address, mark }),
            (address, mark, stage).prop_map(|(address, mark, stage)| SerialFrame::Command {
                address,
                mark,
                stage
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_and_holds_no_delimiter(frame in frame()) {
            let wire = frame.to_wire();
            let piece = &wire[1..wire.len() - 1];
            prop_assert!(!piece.contains(&SERIAL_DELIMITER));
            prop_assert_eq!(SerialFrame::read(piece), Ok(frame));
        }

        #[test]
        fn no_single_bit_turns_one_frame_into_another(frame in frame(), at: prop::sample::Index) {
            let mut wire = frame.to_wire();
            let bit = at.index(wire.len() * 8);
            wire[bit / 8] ^= 1 << (bit % 8);
            let read: Vec<_> = wire
                .split(|byte| *byte == SERIAL_DELIMITER)
                .filter_map(|piece| SerialFrame::read(piece).ok())
                .collect();
            // A flip in a delimiter may leave the frame itself whole.
            prop_assert!(read.iter().all(|heard| *heard == frame), "{:?}", read);
        }

        #[test]
        fn no_bytes_panic(piece: Vec<u8>) {
            let _ = SerialFrame::read(&piece);
        }
    }
}
