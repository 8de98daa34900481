//! What a contract made of the bytes: a report with a meaning, or a refusal with a reason.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{At, DeviceId, Inbound, Kind, Wall};

/// What a device said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Something happened and is over: a press, a fall. Two of them are two facts.
    Pulse(Kind),
    /// A state that lasts: smoke, gas, water, tamper, low battery.
    Level {
        /// What is or is no longer.
        kind: Kind,
        /// Whether it is.
        on: bool,
    },
    /// The resident's cancel key.
    Cancel,
    /// The device came or went, as its wire knows (an MQTT will, a bridge's availability).
    Presence {
        /// Whether it is there.
        online: bool,
    },
    /// What goes on in a home: a door, a movement. Never an alarm by itself.
    Sign(Sign),
    /// Nothing but signs of life: battery, signal, temperature.
    Telemetry,
}

/// What a home's sensors say of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// A door or window is open.
    Open,
    /// It is closed.
    Closed,
    /// Something moves.
    Motion,
    /// Nothing has moved for a while.
    Still,
    /// Somebody is there.
    Present,
    /// Nobody is.
    Absent,
}

impl What {
    /// What a device says at whose place this begins.
    pub fn begins(kind: Kind) -> Self {
        if kind.lasts() { Self::Level { kind, on: true } } else { Self::Pulse(kind) }
    }

    /// Whether this must be on disk before it is acknowledged. Signs of life need not.
    pub fn must_survive(self) -> bool {
        !matches!(self, Self::Sign(_) | Self::Telemetry)
    }
}

/// A device's own count of what it sent: the restart it is in and the number within it. Both rise,
/// so a press after a battery change is never taken for a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The device's restart, 0 to 2³²−1.
    pub boot: u32,
    /// The message's number within that restart, 0 to 2³²−1.
    pub seq: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.boot, self.seq)
    }
}

/// One message, understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The registered device, or the address it was heard under ([`DeviceId::unregistered`]).
    pub device: DeviceId,
    /// The device's own count, where its family has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What it said.
    pub what: What,
    /// Said by a device under test: recorded and answered, never paged.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test: bool,
    /// A kept copy: a pulse is history, a level is compared with what is known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retained: bool,
    /// It was so already when the hub came to look, at its start or after an outage: when it began is
    /// not known, and it may be what is known already.
    #[serde(default, skip_serializing_if = "is_false")]
    pub found: bool,
    /// How long the key was held, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u32>,
    /// Battery in percent, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// When it was by the device's own clock, where the device says so: for people who read the record,
    /// never for a deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Wall>,
    /// When the hub received it.
    pub heard_at: At,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Nobody's topic, or no contract for this link.
    ForeignTopic,
    /// Fewer bytes than its form needs.
    Truncated,
    /// Not of its form at all: not JSON, not an object, a field of the wrong type.
    Malformed,
    /// A sum that does not fit.
    Checksum,
    /// A form of a version newer than this hub knows.
    NewerThanUs,
    /// A word that stands in no table.
    UnknownKind,
    /// More bytes than its form has.
    TrailingBytes,
    /// A value outside its range.
    OutOfRange,
    /// Larger than the contract allows.
    TooLong,
    /// A device's event field came without a value although the device exists to send one.
    EmptySignal,
}

impl RefusalReason {
    /// Whether the bytes have not the form that was agreed on, as after a fault on the wire; else they
    /// are whole and their meaning is not known.
    pub fn is_of_form(self) -> bool {
        match self {
            Self::Truncated | Self::Malformed | Self::Checksum => true,
            Self::TrailingBytes | Self::TooLong => true,
            Self::ForeignTopic | Self::NewerThanUs | Self::UnknownKind => false,
            Self::OutOfRange | Self::EmptySignal => false,
        }
    }

    /// The word used in vectors, logs and the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::ForeignTopic => "foreign_topic",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Checksum => "checksum",
            Self::NewerThanUs => "newer_than_us",
            Self::UnknownKind => "unknown_kind",
            Self::TrailingBytes => "trailing_bytes",
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "too_long",
            Self::EmptySignal => "empty_signal",
        }
    }
}

/// Bytes that could not be read: a value that is recorded and counted, never an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The device, where the topic or frame still named one: a life-safety device pages all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// Why.
    pub reason: RefusalReason,
    /// The first bytes, printable ones as they are and others as `\xNN`, at most 120 characters;
    /// never a field that may hold a PIN.
    pub sample: String,
    /// When the hub received it.
    pub heard_at: At,
}

/// What a decoder made of one message; one message may hold several reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Understood.
    Report(Report),
    /// Not understood.
    Refusal(Refusal),
}

/// One device family's reader. The desk owns it; its state is volatile and may be lost at any time.
pub trait Decoder: Send {
    /// Reads one message received at `at`. Never panics, whatever the bytes.
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded>;

    /// When it wants to be asked again without a message; `None` when it waits for nothing.
    fn deadline(&self) -> Option<At> {
        None
    }
}
