//! rtl_433 over MQTT: what a software radio hears on 433 MHz. The contract is written down in
//! `firmware-contracts/rtl_433/v1/frame.md`.
//!
//! Anybody with a transmitter can say anything here, and every neighbour's sensors are heard: so nothing
//! that is heard cancels, disarms or ends anything, and of devices that nobody registered only panic keys
//! and smoke call. A device is its model and its id, `Kerui-Security/74565`. Its words are those of its
//! type, then those of the model that the message names. A transmitter repeats itself: the same word again
//! within 1.5 s of the last is the same press, however long it is held.

use serde_json::Value;

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, leaves, scalar, within_limit};
use super::json::{self, Fields};
use crate::terms::{At, Decoded, Decoder, Inbound, Kind, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "rtl_433";

/// Fields that name a key or an event: one that no table knows is refused where a life hangs on the
/// device.
const KEYS: [&str; 6] = ["cmd", "cmd_id", "event", "button", "key", "learn"];

/// Fields that say who it is, when and how well it was heard.
const PASSED_OVER: [&str; 10] =
    ["time", "model", "id", "mic", "mod", "freq", "rssi", "snr", "noise", "battery_ok"];

/// Reads the receivers of one wire.
#[derive(Debug, Clone)]
pub struct Rtl433(Field);

impl Rtl433 {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }

    fn event(&mut self, heard: Heard<'_>, fields: &Fields) -> Vec<Decoded> {
        let model = match json::text(fields, "model") {
            Ok(Some(model)) if !model.is_empty() => model,
            _ => return vec![heard.refusal(None, RefusalReason::Malformed)],
        };
        let name = match fields.get("id").and_then(scalar) {
            Some(id) => format!("{model}/{id}"),
            None => model.to_owned(),
        };
        let mut told = self.0.told(heard, &name, Some(model));
        told.radio = true;
        if let Some(good) = fields.get("battery_ok").and_then(Value::as_f64) {
            if good > 0.0 && good < 1.0 {
                told.battery(Some(good * 100.0));
            }
            told.says(What::Level { kind: Kind::LowBattery, on: good <= 0.0 }, false);
        }
        let (mut is_known, mut is_key) = (false, false);
        for (path, value) in fields.iter().flat_map(|(key, value)| named_leaves(key, value)) {
            if PASSED_OVER.contains(&path.as_str()) {
                continue;
            }
            is_key |= KEYS.contains(&path.as_str());
            let Some(means) = told.find(&path, &value) else { continue };
            is_known = true;
            if told.is_fresh(&format!("{path}={value}")) {
                told.means(means);
            }
        }
        if is_key && !is_known && told.is_life_safety() && told.is_live() {
            told.refuse(RefusalReason::UnknownKind);
        }
        told.end()
    }
}

fn named_leaves(key: &str, value: &Value) -> Vec<(String, String)> {
    let named = |(path, word): (String, String)| match path.is_empty() {
        true => (key.to_owned(), word),
        false => (format!("{key}.{path}"), word),
    };
    leaves(value).into_iter().map(named).collect()
}

impl Decoder for Rtl433 {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let Some(below) = self.0.below(&inbound.topic) else {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        };
        if !below.ends_with("/events") {
            return Vec::new();
        }
        match within_limit(heard).and_then(json::object) {
            Ok(fields) => self.event(heard, &fields),
            Err(reason) => vec![heard.refusal(None, reason)],
        }
    }
}

impl FieldReader for Rtl433 {
    fn claims(&self, topic: &str) -> bool {
        self.0.below(topic).is_some()
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
