//! The native contract, version 1: JSON over MQTT, written down in
//! `firmware-contracts/native-mqtt/v1/frame.md`.
//!
//! Read strictly, because it is ours: a field of the wrong type or range refuses the whole message,
//! and the vendor sees it in the conformance run. A tolerant reader was rejected, since firmware that
//! half works is found out on the night it is needed. Unknown fields are the exception: a newer minor
//! version adds them. The version is looked at before anything else, so that a newer form is reported
//! as a gap and not as rubbish.
//!
//! Levels from `state` carry no mark: the kept copy of a state is compared with what is known, and a
//! count that is shared by all levels of a message must not make one of them look like a repeat.

use serde_json::Value;

use super::json::{self, Fields};
use super::{Heard, turned};
use crate::terms::{
    At, Command, Decoded, Decoder, DeviceId, HubId, Inbound, Kind, Mark, RefusalReason, Report,
    What,
};

/// Oldest version that is read.
pub const NATIVE_OLDEST: u8 = 1;

/// Newest version that is read, and the one that is written.
pub const NATIVE_NEWEST: u8 = 1;

/// Longest message in bytes. Own choice: twenty times a full event.
pub const NATIVE_MAX_BYTES: usize = 4096;

/// Longest firmware name in bytes. Own choice.
const FW_MAX_BYTES: usize = 64;

/// Latest device time that is believed to be one: the year 2100, in seconds since 1970 UTC.
const TS_MAX: i64 = 4_102_444_800;

/// What a word in `kind` means.
#[derive(Clone, Copy)]
pub(super) enum Word {
    /// A pulse or a level, by its kind.
    Is(Kind),
    /// The resident's cancel key.
    Cancel,
    /// A sign of life.
    Heartbeat,
}

/// The native contract's table of kinds, on every wire. A serial frame names a row by its number from
/// 1: rows are added at the end and never moved.
pub(super) const WORDS: [(&str, Word); 13] = [
    ("sos", Word::Is(Kind::Sos)),
    ("fall", Word::Is(Kind::Fall)),
    ("smoke", Word::Is(Kind::Smoke)),
    ("gas", Word::Is(Kind::Gas)),
    ("co", Word::Is(Kind::Co)),
    ("water", Word::Is(Kind::Water)),
    ("inactivity", Word::Is(Kind::Inactivity)),
    ("bed_exit", Word::Is(Kind::BedExit)),
    ("service", Word::Is(Kind::Service)),
    ("cancel", Word::Cancel),
    ("tamper", Word::Is(Kind::Tamper)),
    ("low_battery", Word::Is(Kind::LowBattery)),
    ("heartbeat", Word::Heartbeat),
];

/// Every word that may stand in `kind`, in the order of the contract's table.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// The levels that may stand in `levels` of a state, in the order in which they are reported.
fn levels() -> impl Iterator<Item = (&'static str, Kind)> {
    WORDS.iter().filter_map(|(name, word)| match word {
        Word::Is(kind) if matches!(turned(*kind, true), What::Level { .. }) => Some((*name, *kind)),
        _ => None,
    })
}

/// The hub's word to a device: topic and payload, QoS 1, not retained. Saying it twice does no harm.
pub fn encode(command: &Command, hub: &HubId) -> (String, Vec<u8>) {
    let topic = format!("anling/v{NATIVE_NEWEST}/{hub}/{}/cmd", command.device);
    let mark = command
        .mark
        .map(|mark| format!("\"boot\":{},\"ack\":{},", mark.boot, mark.seq))
        .unwrap_or_default();
    let stage = command.stage.word();
    (topic, format!("{{\"v\":{NATIVE_NEWEST},{mark}\"stage\":\"{stage}\"}}").into_bytes())
}

/// Reads the native family. It remembers nothing.
#[derive(Debug, Clone)]
pub struct NativeMqtt {
    hub: HubId,
}

/// Which of a device's topics a message came on.
enum Leaf {
    Event,
    State,
    Status,
}

type Address = (DeviceId, Leaf);

impl NativeMqtt {
    /// A reader for the devices of one hub.
    pub fn new(hub: HubId) -> Self {
        Self { hub }
    }

    /// Whose topic it is, and which; the device stands in the error where a newer version still names
    /// one.
    fn address(&self, topic: &str) -> Result<Address, (Option<DeviceId>, RefusalReason)> {
        let foreign = (None, RefusalReason::ForeignTopic);
        let named = || {
            let (version, rest) = topic.strip_prefix("anling/v")?.split_once('/')?;
            let rest = rest.strip_prefix(self.hub.as_str())?.strip_prefix('/')?;
            let (device, leaf) = rest.split_once('/')?;
            let leaf = match leaf {
                "event" => Leaf::Event,
                "state" => Leaf::State,
                "status" => Leaf::Status,
                _ => return None,
            };
            let digits = version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0');
            let version = digits.then(|| version.parse::<u8>().unwrap_or(u8::MAX))?;
            Some((version, DeviceId::new(device).ok()?, leaf))
        };
        match named() {
            Some((NATIVE_OLDEST..=NATIVE_NEWEST, device, leaf)) => Ok((device, leaf)),
            Some((_, device, _)) => Err((Some(device), RefusalReason::NewerThanUs)),
            None => Err(foreign),
        }
    }
}

impl Decoder for NativeMqtt {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let (device, leaf) = match self.address(&inbound.topic) {
            Ok(address) => address,
            Err((device, reason)) => return vec![heard.refusal(device, reason)],
        };
        if inbound.bytes.len() > NATIVE_MAX_BYTES {
            return vec![heard.refusal(Some(device), RefusalReason::TooLong)];
        }
        let read = match leaf {
            Leaf::Event => event(heard, &device).map(|report| vec![Decoded::Report(report)]),
            Leaf::State => state(heard, &device),
            Leaf::Status => status(heard, &device),
        };
        read.unwrap_or_else(|reason| vec![heard.refusal(Some(device), reason)])
    }
}

fn event(heard: Heard<'_>, device: &DeviceId) -> Result<Report, RefusalReason> {
    let fields = versioned(&heard.inbound.bytes)?;
    let mark = mark(&fields)?.ok_or(RefusalReason::Malformed)?;
    let kind = json::text(&fields, "kind")?.ok_or(RefusalReason::Malformed)?;
    let (_, word) =
        WORDS.iter().find(|(name, _)| *name == kind).ok_or(RefusalReason::UnknownKind)?;
    let pressed = match json::text(&fields, "edge")? {
        None | Some("press" | "on") => true,
        Some("release" | "off") => false,
        Some(_) => return Err(RefusalReason::UnknownKind),
    };
    let what = says(*word, pressed);
    let side = Side::read(&fields)?;
    Ok(Report { mark: Some(mark), ..side.put(heard.report(device.clone(), what)) })
}

/// What a word means on its press or its release.
pub(super) fn says(word: Word, pressed: bool) -> What {
    match (word, pressed) {
        (Word::Is(kind), on) => turned(kind, on),
        (Word::Cancel, true) => What::Cancel,
        (Word::Cancel, false) | (Word::Heartbeat, _) => What::Telemetry,
    }
}

/// Several levels at once. Each entry is read for itself, so that one word of a newer minor version
/// does not hide the smoke beside it; the first entry that cannot be read is refused after the rest.
fn state(heard: Heard<'_>, device: &DeviceId) -> Result<Vec<Decoded>, RefusalReason> {
    if heard.inbound.bytes.is_empty() {
        return Ok(Vec::new());
    }
    let fields = versioned(&heard.inbound.bytes)?;
    mark(&fields)?;
    let side = Side::read(&fields)?;
    let Some(Value::Object(said)) = fields.get("levels") else {
        return Err(RefusalReason::Malformed);
    };
    let mut decoded = Vec::new();
    for (name, kind) in levels() {
        if let Some(Value::Bool(on)) = said.get(name) {
            let what = What::Level { kind, on: *on };
            decoded.push(Decoded::Report(side.put(heard.report(device.clone(), what))));
        }
    }
    let unread = said.iter().find_map(|(name, value)| {
        match (levels().any(|(known, _)| known == name), value) {
            (true, Value::Bool(_)) => None,
            (true, _) => Some(RefusalReason::Malformed),
            (false, _) => Some(RefusalReason::UnknownKind),
        }
    });
    if let Some(reason) = unread {
        decoded.push(heard.refusal(Some(device.clone()), reason));
    }
    if decoded.is_empty() {
        let report = heard.report(device.clone(), What::Telemetry);
        decoded.push(Decoded::Report(side.put(report)));
    }
    Ok(decoded)
}

/// The will and its opposite, plain text.
fn status(heard: Heard<'_>, device: &DeviceId) -> Result<Vec<Decoded>, RefusalReason> {
    let online = match heard.inbound.bytes.as_slice() {
        b"" => return Ok(Vec::new()),
        b"online" => true,
        b"offline" => false,
        cut if b"online".starts_with(cut) || b"offline".starts_with(cut) => {
            return Err(RefusalReason::Truncated);
        }
        long if long.starts_with(b"online") || long.starts_with(b"offline") => {
            return Err(RefusalReason::TrailingBytes);
        }
        _ => return Err(RefusalReason::UnknownKind),
    };
    Ok(vec![Decoded::Report(heard.report(device.clone(), What::Presence { online }))])
}

/// The fields of an object whose version is ours.
fn versioned(bytes: &[u8]) -> Result<Fields, RefusalReason> {
    let fields = json::object(bytes)?;
    match json::whole(&fields, "v", i64::from(NATIVE_OLDEST)..=i64::MAX)? {
        None => Err(RefusalReason::Malformed),
        Some(v) if v > i64::from(NATIVE_NEWEST) => Err(RefusalReason::NewerThanUs),
        Some(_) => Ok(fields),
    }
}

/// Both counts, or neither.
fn mark(fields: &Fields) -> Result<Option<Mark>, RefusalReason> {
    match (json::count(fields, "boot")?, json::count(fields, "seq")?) {
        (Some(boot), Some(seq)) => Ok(Some(Mark { boot, seq })),
        (None, None) => Ok(None),
        _ => Err(RefusalReason::Malformed),
    }
}

/// What may stand beside the meaning in an event or a state.
struct Side {
    test: bool,
    hold_ms: Option<u32>,
    battery: Option<u8>,
}

impl Side {
    fn read(fields: &Fields) -> Result<Self, RefusalReason> {
        json::whole(fields, "rssi", -200..=50)?;
        json::whole(fields, "ts", 0..=TS_MAX)?;
        json::flag(fields, "ts_ok")?;
        if json::text(fields, "fw")?.is_some_and(|fw| fw.len() > FW_MAX_BYTES) {
            return Err(RefusalReason::OutOfRange);
        }
        let battery = json::whole(fields, "batt_pct", 0..=100)?;
        Ok(Self {
            test: json::flag(fields, "test")?.unwrap_or(false),
            hold_ms: json::count(fields, "hold_ms")?,
            battery: battery.and_then(|percent| u8::try_from(percent).ok()),
        })
    }

    fn put(&self, report: Report) -> Report {
        Report { test: self.test, hold_ms: self.hold_ms, battery: self.battery, ..report }
    }
}
