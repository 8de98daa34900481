//! Tasmota: its own keys and switches, and what its radio bridges hear: 433 MHz and Zigbee. The contract
//! is written down in `firmware-contracts/tasmota/v1/frame.md`.
//!
//! A device behind a bridge is named by what it is on the air, `rf/12345` or `zb/SosButton`, and not by
//! the bridge: two bridges may hear one button. A code of 433 MHz is an id of 20 bits and a key of four;
//! what a key means differs from maker to maker and stands in the type. The factory firmware of the Sonoff
//! bridge speaks only when the sender has stopped, which a smoke detector may not do for minutes: the
//! firmware that speaks at once has to be on it.

use serde_json::Value;

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, Told, leaves, scalar, within_limit};
use super::json::{self, Fields};
use crate::terms::{At, Decoded, Decoder, Inbound, Kind, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "tasmota";
/// Devices in one message; a bridge sends one or a few.
const DEVICES_MAX: usize = 16;
/// Bits of a 433 MHz code that is an id and a key.
const CODE_BITS: u32 = 24;

/// Bits of a Zigbee zone's status that are the same on every device.
const TAMPER: u64 = 1 << 2;
const LOW_BATTERY: u64 = 1 << 3;
const TEST: u64 = 1 << 8;

/// Reads the Tasmota devices of one wire.
#[derive(Debug, Clone)]
pub struct Tasmota(Field);

impl Tasmota {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }

    /// The device's topic and the last level.
    fn route<'t>(&self, topic: &'t str) -> Option<(&'t str, &'t str)> {
        let below = self.0.below(topic)?;
        let (side, rest) = below.split_once('/')?;
        let (name, leaf) = rest.rsplit_once('/')?;
        let is_read = match side {
            "tele" => matches!(leaf, "LWT" | "STATE" | "SENSOR" | "RESULT"),
            "stat" => leaf == "RESULT",
            _ => false,
        };
        (is_read && !name.is_empty()).then_some((name, leaf))
    }

    fn message(&mut self, heard: Heard<'_>, name: &str, fields: &Fields) -> Vec<Decoded> {
        let mut decoded = Vec::new();
        if let Some(received) = fields.get("RfReceived") {
            decoded.extend(self.radio(heard, name, received));
        }
        if let Some(Value::Object(received)) = fields.get("ZbReceived") {
            for (address, said) in received.iter().take(DEVICES_MAX) {
                decoded.extend(self.zigbee(heard, address, said));
            }
        }
        if !decoded.is_empty() {
            return decoded;
        }
        let mut told = self.0.told(heard, name, None);
        for (key, value) in fields.iter().filter(|(key, _)| *key != "Time") {
            let action = value.get("Action").and_then(Value::as_str);
            match action {
                Some(word) if key.starts_with("Button") => told.tell(Tell::Key, key, word),
                Some(word) => told.tell(Tell::Event, key, word),
                None => {
                    for (path, word) in leaves(value) {
                        let path =
                            if path.is_empty() { key.clone() } else { format!("{key}.{path}") };
                        told.tell(Tell::State, &path, &word);
                    }
                }
            }
        }
        told.end()
    }

    /// A 433 MHz code.
    fn radio(&mut self, heard: Heard<'_>, bridge: &str, received: &Value) -> Vec<Decoded> {
        let code = match received.get("Data") {
            Some(Value::String(text)) => {
                let digits = text.trim();
                let digits =
                    digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(digits);
                u64::from_str_radix(digits, 16).ok()
            }
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let Some(code) = code else {
            return self.0.refusal(heard, bridge, RefusalReason::Malformed);
        };
        let bits = received.get("Bits").and_then(Value::as_u64).unwrap_or(u64::from(CODE_BITS));
        let is_plain = bits == u64::from(CODE_BITS) && code >> CODE_BITS == 0;
        let (name, key) = match is_plain {
            true => (format!("rf/{:05x}", code >> 4), Some(format!("{:x}", code & 0xf))),
            false => (format!("rf/{code:x}"), None),
        };
        let mut told = self.0.told(heard, &name, None);
        told.radio = true;
        let key = key.as_deref().unwrap_or("any");
        if told.is_fresh(key) {
            told.tell(Tell::Key, "key", key);
        }
        told.end()
    }

    fn zigbee(&mut self, heard: Heard<'_>, address: &str, said: &Value) -> Vec<Decoded> {
        let named = |key| said.get(key).and_then(Value::as_str).map(|name| format!("zb/{name}"));
        let known = |name: &String| self.0.settings.names.contains_key(name);
        let by_address = || named("Device").unwrap_or_else(|| format!("zb/{address}"));
        let name = match named("Name") {
            Some(name) if known(&name) || !known(&by_address()) => name,
            _ => by_address(),
        };
        let mut told = self.0.told(heard, &name, None);
        told.battery(said.get("BatteryPercentage").and_then(Value::as_f64));
        match said.get("ZoneStatus") {
            None | Some(Value::Null) => {}
            Some(status) => match status.as_u64() {
                Some(bits) => zone(&mut told, bits),
                None if told.is_life_safety() && told.is_live() => {
                    told.refuse(RefusalReason::Malformed);
                }
                None => {}
            },
        }
        for key in ["Click", "Action"] {
            if let Some(word) = said.get(key).and_then(scalar) {
                told.tell(Tell::Key, key, &word);
            }
        }
        for (path, word) in leaves(said) {
            if !PASSED_OVER.contains(&path.as_str()) {
                told.tell(Tell::State, &path, &word);
            }
        }
        told.end()
    }
}

/// Fields of a Zigbee device that are read by themselves or say nothing.
const PASSED_OVER: [&str; 10] = [
    "Device",
    "Name",
    "Endpoint",
    "Group",
    "LinkQuality",
    "BatteryPercentage",
    "BatteryVoltage",
    "ZoneStatus",
    "Click",
    "Action",
];

/// The status of an IAS zone. What the two alarm bits are, says the device's type.
fn zone(told: &mut Told<'_>, bits: u64) {
    told.test = bits & TEST != 0;
    let alarms = [(1, "alarm1"), (2, "alarm2")];
    for (_, word) in alarms.into_iter().filter(|(bit, _)| bits & bit != 0) {
        told.tell(Tell::Key, "ZoneStatus", word);
    }
    if bits & 3 == 0 {
        told.tell(Tell::Event, "ZoneStatus", "normal");
    }
    for (bit, kind) in [(TAMPER, Kind::Tamper), (LOW_BATTERY, Kind::LowBattery)] {
        told.says(What::Level { kind, on: bits & bit != 0 }, false);
    }
}

impl Decoder for Tasmota {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let Some((name, leaf)) = self.route(&inbound.topic) else {
            return match self.claims(&inbound.topic) {
                true => Vec::new(),
                false => vec![heard.refusal(None, RefusalReason::ForeignTopic)],
            };
        };
        if leaf == "LWT" {
            return self.0.will(heard, name);
        }
        match within_limit(heard).and_then(json::object) {
            Ok(fields) => self.message(heard, name, &fields),
            Err(reason) => self.0.refusal(heard, name, reason),
        }
    }
}

impl FieldReader for Tasmota {
    fn claims(&self, topic: &str) -> bool {
        let below = self.0.below(topic);
        below.is_some_and(|below| below.starts_with("tele/") || below.starts_with("stat/"))
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
