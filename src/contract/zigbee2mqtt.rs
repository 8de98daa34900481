//! Zigbee2MQTT: whose message it is, and in which form. What it says is read in `z2m_message.rs` by
//! the tables of `z2m_meaning.rs`; the contract is written down in
//! `firmware-contracts/zigbee2mqtt/v1/frame.md`.
//!
//! Friendly names may hold `/`, so a topic alone does not tell a device `hall/action` from the text
//! form of `action` of a device `hall`: registered names win, then an object is a device's message and
//! a bare value is one field of it. A name that nobody registered is heard too, because a button that
//! was paired and forgotten is still a button; only what is an alarm on every model counts there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Heard;
use super::json::{self, Fields};
use super::z2m_meaning::{Meaning, Z2mSettings, is_read};
use super::z2m_message::{Form, Reading, Remembered};
use crate::terms::{At, Decoded, Decoder, DeviceId, Inbound, RefusalReason, What};

/// Longest device message in bytes. Own choice: eight times a thermostat with its week plan.
pub const Z2M_MAX_BYTES: usize = 16_384;

/// Of how many names the last words are remembered; registered names always are. A further name is
/// read as if it spoke for the first time: a press in two forms is two. Own choice.
pub const Z2M_REMEMBERED_MAX: usize = 4096;

/// The device that stands for Zigbee2MQTT itself: that it comes and goes is a report like any other.
pub const Z2M_BRIDGE: &str = "zigbee2mqtt:bridge";

/// The family of an unregistered device's address.
const FAMILY: &str = "zigbee2mqtt";

/// Reads one Zigbee2MQTT.
#[derive(Debug, Clone)]
pub struct Zigbee2Mqtt {
    settings: Z2mSettings,
    remembered: BTreeMap<String, Remembered>,
}

/// Whose message it is.
#[derive(Debug, PartialEq, Eq)]
enum Route<'t> {
    /// A device's object.
    Object { name: &'t str },
    /// One field of a device, as a bare value.
    Attribute { name: &'t str, field: &'t str },
    /// Whether a device is reachable.
    Availability { name: &'t str },
    /// Whether Zigbee2MQTT itself runs.
    Bridge,
    /// The bridge's own, or a command to a device: nothing a device said.
    NotADevice,
    /// Under another base topic.
    Foreign,
}

impl Zigbee2Mqtt {
    /// A reader with nothing remembered.
    pub fn new(settings: Z2mSettings) -> Self {
        Self { settings, remembered: BTreeMap::new() }
    }

    /// Takes changed settings; what the devices registered in them said last is kept.
    pub fn set(&mut self, settings: Z2mSettings) {
        self.remembered.retain(|name, _| settings.names.contains_key(name));
        self.settings = settings;
    }

    fn route<'t>(&self, topic: &'t str, bytes: &[u8]) -> Route<'t> {
        let registered = |name: &str| self.settings.names.contains_key(name);
        let below = topic.strip_prefix(&self.settings.base_topic);
        let Some(rest) = below.and_then(|rest| rest.strip_prefix('/')).filter(|r| !r.is_empty())
        else {
            return Route::Foreign;
        };
        if registered(rest) {
            return Route::Object { name: rest };
        }
        if rest == "bridge/state" {
            return Route::Bridge;
        }
        let segments: Vec<&str> = rest.split('/').collect();
        let Some((name, field)) = rest.rsplit_once('/') else {
            return if rest == "bridge" { Route::NotADevice } else { Route::Object { name: rest } };
        };
        let command = |at: usize| matches!(segments.get(at), Some(&("set" | "get")));
        if segments[0] == "bridge"
            || command(segments.len() - 1)
            || (command(segments.len() - 2) && !registered(name))
        {
            return Route::NotADevice;
        }
        if field == "availability" {
            return Route::Availability { name };
        }
        let is_object = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
        if is_object { Route::Object { name: rest } } else { Route::Attribute { name, field } }
    }

    /// The registered id behind a name, or the address it was heard under.
    fn device(&self, name: &str) -> DeviceId {
        match self.settings.names.get(name) {
            Some(device) => device.id.clone(),
            None => DeviceId::unregistered(FAMILY, name),
        }
    }

    fn read(&mut self, heard: Heard<'_>, name: &str, form: Form, fields: &Fields) -> Vec<Decoded> {
        let device = self.device(name);
        let known = self.settings.names.get(name);
        let registered = known.is_some();
        let cautious = Meaning::default();
        let meaning = known.map_or(&cautious, |device| &device.meaning);
        let mut nothing = Remembered::default();
        let room = registered || self.remembered.len() < Z2M_REMEMBERED_MAX;
        if room && !self.remembered.contains_key(name) {
            self.remembered.insert(name.to_owned(), Remembered::default());
        }
        let before = self.remembered.get_mut(name).unwrap_or(&mut nothing);
        Reading { heard, device, meaning, registered, form, before }.read(fields)
    }

    /// Nothing at all is how a broker is told to forget its kept copy: Zigbee2MQTT does so when a
    /// device is renamed or removed. The device did not say it; that it is gone shows by its silence.
    fn object(&mut self, heard: Heard<'_>, name: &str) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() {
            return Vec::new();
        }
        match within_limit(heard).and_then(json::object) {
            Ok(fields) => self.read(heard, name, Form::Object, &fields),
            Err(reason) => vec![heard.refusal(Some(self.device(name)), reason)],
        }
    }

    fn attribute(&mut self, heard: Heard<'_>, name: &str, field: &str) -> Vec<Decoded> {
        if !is_read(field) {
            return self.read(heard, name, Form::Attribute, &Fields::new());
        }
        match within_limit(heard).and_then(|bytes| bare_value(field, bytes)) {
            Ok(value) => {
                let fields = Fields::from_iter([(field.to_owned(), value)]);
                self.read(heard, name, Form::Attribute, &fields)
            }
            Err(reason) => vec![heard.refusal(Some(self.device(name)), reason)],
        }
    }

    /// Nobody waits for a device that nobody registered: whether it can be reached says nothing.
    fn availability(&self, heard: Heard<'_>, name: &str) -> Vec<Decoded> {
        let device = self.settings.names.get(name).map(|device| device.id.clone());
        device.map_or_else(Vec::new, |device| Self::present(heard, device))
    }

    fn present(heard: Heard<'_>, device: DeviceId) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() {
            return Vec::new();
        }
        vec![match within_limit(heard).and_then(presence) {
            Ok(online) => Decoded::Report(heard.report(device, What::Presence { online })),
            Err(reason) => heard.refusal(Some(device), reason),
        }]
    }
}

impl Decoder for Zigbee2Mqtt {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        match self.route(&inbound.topic, &inbound.bytes) {
            Route::Object { name } => self.object(heard, name),
            Route::Attribute { name, field } => self.attribute(heard, name, field),
            Route::Availability { name } => self.availability(heard, name),
            Route::Bridge => Self::present(heard, DeviceId::unregistered(FAMILY, "bridge")),
            Route::NotADevice => Vec::new(),
            Route::Foreign => vec![heard.refusal(None, RefusalReason::ForeignTopic)],
        }
    }
}

fn within_limit<'a>(heard: Heard<'a>) -> Result<&'a [u8], RefusalReason> {
    let bytes = heard.inbound.bytes.as_slice();
    if bytes.len() > Z2M_MAX_BYTES { Err(RefusalReason::TooLong) } else { Ok(bytes) }
}

/// A value without quotes: null, true, false, a number, and otherwise a text. An action is never a
/// number: some remotes name their keys `1` and `2`.
fn bare_value(field: &str, bytes: &[u8]) -> Result<Value, RefusalReason> {
    let text = std::str::from_utf8(bytes).map_err(|_| RefusalReason::Malformed)?;
    Ok(match json::value(bytes) {
        Ok(Value::Null) => Value::Null,
        Ok(value @ (Value::Bool(_) | Value::Number(_))) if field != "action" => value,
        _ => Value::String(text.to_owned()),
    })
}

/// Both forms: the bare word of old versions, and the object of newer ones.
fn presence(bytes: &[u8]) -> Result<bool, RefusalReason> {
    let fields;
    let word = if bytes.starts_with(b"{") {
        fields = json::object(bytes)?;
        json::text(&fields, "state")?.ok_or(RefusalReason::Malformed)?.as_bytes()
    } else {
        bytes
    };
    match word {
        b"online" => Ok(true),
        b"offline" => Ok(false),
        cut if b"online".starts_with(cut) || b"offline".starts_with(cut) => {
            Err(RefusalReason::Truncated)
        }
        _ => Err(RefusalReason::UnknownKind),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Meaning, Z2mDevice};
    use super::*;
    use crate::terms::{Kind, LinkId, Receipt};

    fn settings(names: &[&str]) -> Z2mSettings {
        let meaning = Meaning { life_safety: true, ..Meaning::default() };
        let device = |name: &&str| {
            let id = DeviceId::new(name).unwrap();
            ((*name).to_owned(), Z2mDevice { id, meaning: meaning.clone() })
        };
        let names = names.iter().map(device).collect();
        Z2mSettings { base_topic: "home/zigbee2mqtt".to_owned(), names }
    }

    fn says(decoder: &mut Zigbee2Mqtt, at: u64, name: &str, payload: &str) -> Vec<Option<What>> {
        let inbound = Inbound {
            link: LinkId::new("broker").unwrap(),
            topic: Arc::from(format!("home/zigbee2mqtt/{name}")),
            retained: false,
            received: At(at),
            bytes: payload.as_bytes().to_vec(),
            receipt: Receipt::unasked(),
        };
        let what = |decoded| match decoded {
            Decoded::Report(report) => Some(report.what),
            Decoded::Refusal(_) => None,
        };
        decoder.take(At(at), &inbound).into_iter().map(what).collect()
    }

    #[test]
    fn a_stranger_beyond_the_limit_is_still_heard_and_the_limit_holds() {
        let mut decoder = Zigbee2Mqtt::new(settings(&["B-1"]));
        for stranger in 0..Z2M_REMEMBERED_MAX + 10 {
            let name = format!("x{stranger}");
            let said = says(&mut decoder, 0, &name, r#"{"action":"sos"}"#);
            assert_eq!(said, [Some(What::Pulse(Kind::Sos))], "{name}");
        }
        assert_eq!(decoder.remembered.len(), Z2M_REMEMBERED_MAX);
        says(&mut decoder, 0, "B-1", r#"{"action":"sos"}"#);
        let end = says(&mut decoder, 100, "B-1", r#"{"action":""}"#);
        assert_eq!(end, [Some(What::Telemetry)], "a registered name is always remembered");
    }

    #[test]
    fn changed_settings_do_not_make_a_call_of_the_end_of_a_press() {
        let mut decoder = Zigbee2Mqtt::new(settings(&["B-1"]));
        says(&mut decoder, 0, "B-1", r#"{"action":"sos"}"#);
        decoder.set(settings(&["B-1", "B-2"]));
        let end = says(&mut decoder, 100, "B-1", r#"{"action":""}"#);
        assert_eq!(end, [Some(What::Telemetry)]);
    }

    #[test]
    fn a_registered_name_may_look_like_a_command_or_a_field() {
        let mut decoder = Zigbee2Mqtt::new(settings(&["hall/set", "hall/action"]));
        let object = r#"{"action":"sos"}"#;
        for (at, name, payload) in [
            (0, "hall/set", object),
            (10_000, "hall/action", object),
            (20_000, "hall/set/action", "sos"),
        ] {
            let said = says(&mut decoder, at, name, payload);
            assert_eq!(said, [Some(What::Pulse(Kind::Sos))], "{name}");
        }
    }
}
