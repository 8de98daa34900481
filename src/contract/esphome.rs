//! ESPHome over MQTT: each thing a node watches is a device of its own, `hub01/kitchen_smoke`. The
//! contract is written down in `firmware-contracts/esphome/v1/frame.md`.
//!
//! What a thing is, says the device's type: its device class is the model there. What a node announces to
//! Home Assistant only tells a technician that it is there: an announcement that somebody else may write
//! must not make a door of a smoke detector. A node's will speaks for everything on it.

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, presence, within_limit};
use super::json;
use crate::terms::{At, Decoded, Decoder, Inbound, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "esphome";

/// Longest state in bytes: a text sensor holds 255 (ESPHome's own limit).
const STATE_MAX_BYTES: usize = 255;

/// Reads the ESPHome nodes of one wire.
#[derive(Debug, Clone)]
pub struct EspHome(Field);

impl EspHome {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }

    /// Whether everything registered on a node is there.
    fn status(&self, heard: Heard<'_>, node: &str) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() {
            return Vec::new();
        }
        let of_node = |name: &&String| name.split('/').next() == Some(node);
        let names = self.0.settings.names.keys().filter(of_node);
        let said = within_limit(heard).and_then(presence);
        let report = |name: &String| match said {
            Ok(online) => Decoded::Report(heard.report(self.0.id(name), What::Presence { online })),
            Err(reason) => heard.refusal(Some(self.0.id(name)), reason),
        };
        names.map(report).collect()
    }

    fn state(&mut self, heard: Heard<'_>, component: &str, name: &str) -> Vec<Decoded> {
        let bytes = heard.inbound.bytes.as_slice();
        if bytes.is_empty() {
            return Vec::new();
        }
        let read = match std::str::from_utf8(bytes) {
            _ if bytes.len() > STATE_MAX_BYTES => Err(RefusalReason::TooLong),
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(RefusalReason::Malformed),
        };
        let word = match read {
            Ok(word) => word,
            Err(reason) => return self.0.refusal(heard, name, reason),
        };
        let mut told = self.0.told(heard, name, None);
        match component {
            // Its states are these two; a third is a message that was damaged on the way.
            "binary_sensor" => match word.to_lowercase().as_str() {
                "on" | "off" => told.tell(Tell::State, component, &word),
                _ if !told.is_life_safety() || !told.is_live() => {}
                "o" | "of" => told.refuse(RefusalReason::Truncated),
                _ => told.refuse(RefusalReason::UnknownKind),
            },
            "event" => told.tell(Tell::Key, component, &word),
            _ => told.tell(Tell::State, component, &word),
        }
        told.end()
    }
}

/// Where things announce themselves to Home Assistant.
const DISCOVERY: &str = "homeassistant/";

impl EspHome {
    /// A thing that announces itself and that nobody registered is heard of, and says nothing more: this
    /// is how a technician finds what is there. Of a registered one the announcement is no sign of life.
    fn announced(&self, heard: Heard<'_>) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() || !heard.inbound.topic.ends_with("/config") {
            return Vec::new();
        }
        let fields = match within_limit(heard).and_then(json::object) {
            Ok(fields) => fields,
            Err(reason) => return vec![heard.refusal(None, reason)],
        };
        let state = json::text(&fields, "state_topic").ok().flatten();
        let own =
            state.and_then(|topic| match self.0.below(topic)?.split('/').collect::<Vec<_>>()[..] {
                [node, _, object, "state"] => Some(format!("{node}/{object}")),
                _ => None,
            });
        let name =
            own.or_else(|| json::text(&fields, "unique_id").ok().flatten().map(str::to_owned));
        let unknown = name.filter(|name| !self.0.settings.names.contains_key(name));
        let report =
            |name: String| Decoded::Report(heard.report(self.0.id(&name), What::Telemetry));
        unknown.map(report).into_iter().collect()
    }
}

impl Decoder for EspHome {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        if inbound.topic.starts_with(DISCOVERY) {
            return self.announced(heard);
        }
        let Some(below) = self.0.below(&inbound.topic) else {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        };
        match below.split('/').collect::<Vec<_>>()[..] {
            [node, "status"] => self.status(heard, node),
            [node, component, object, "state"] => {
                self.state(heard, component, &format!("{node}/{object}"))
            }
            _ => Vec::new(),
        }
    }
}

impl FieldReader for EspHome {
    fn claims(&self, topic: &str) -> bool {
        self.0.below(topic).is_some() || topic.starts_with(DISCOVERY)
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
