//! ChirpStack v4: LoRaWAN devices by their DevEUI. The contract is written down in
//! `firmware-contracts/chirpstack/v1/frame.md`.
//!
//! Bytes go before ChirpStack's own object where the model's code is known, because codecs are code that
//! anybody may have changed; elsewhere the object's values are the words. An uplink is the same as an
//! earlier one when ChirpStack's own name for it and its frame count are: the count alone begins anew
//! with a device that is activated by hand, and would swallow a press after a battery change.
//!
//! Feedback is a downlink in ChirpStack's queue: a device of class A hears it after it has spoken, so it
//! is queued while the press's own window is still to come where that goes, and with the next uplink
//! otherwise. Which bytes light a lamp stands in the device's type; without them nothing is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::field::{Field, FieldReader, FieldSettings, Tell, Told, leaves, scalar, within_limit};
use super::json::{self, Fields, Want};
use super::{Heard, milesight};
use crate::terms::{At, Command, Decoded, Decoder, Inbound, Mark, RefusalReason};

/// The family of an unregistered device's address.
const FAMILY: &str = "chirpstack";
/// The code of bytes that can be read without ChirpStack's codec.
const MILESIGHT: &str = "milesight";

/// What is read of an event; the longest part of an uplink is what each receiver says of itself.
static WANT: Want = Want::Keys(&[
    ("deduplicationId", Want::All),
    ("deviceInfo", Want::Keys(&[("deviceProfileName", Want::All)])),
    ("fCnt", Want::All),
    ("data", Want::All),
    ("object", Want::All),
    ("batteryLevel", Want::All),
    ("batteryLevelUnavailable", Want::All),
    ("externalPowerSource", Want::All),
]);

/// Reads the integration events of one ChirpStack.
#[derive(Debug, Clone)]
pub struct ChirpStack(Field);

impl ChirpStack {
    /// A reader with nothing remembered. Names are DevEUIs in small letters.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, lower(settings)))
    }

    /// Application, DevEUI and the event's word.
    fn route<'t>(&self, topic: &'t str) -> Option<(&'t str, &'t str, &'t str)> {
        let mut levels = self.0.below(topic)?.split('/');
        let (application, device) = (levels.next()?, levels.next()?);
        let (eui, side, event) = (levels.next()?, levels.next()?, levels.next()?);
        let is_eui = eui.len() == 16 && eui.bytes().all(|b| b.is_ascii_hexdigit());
        let is_event = device == "device" && side == "event" && levels.next().is_none();
        (is_eui && is_event && !application.is_empty()).then_some((application, eui, event))
    }

    fn uplink(
        &mut self,
        heard: Heard<'_>,
        name: &str,
        path: String,
        fields: &Fields,
    ) -> Vec<Decoded> {
        let profile = fields.get("deviceInfo").and_then(|info| info.get("deviceProfileName"));
        let model = profile.and_then(Value::as_str).map(str::to_lowercase);
        let mut told = self.0.told(heard, name, model.as_deref());
        told.before.path = Some(path);
        told.mark = mark(fields);
        let object =
            fields.get("object").filter(|object| object.as_object().is_some_and(|o| !o.is_empty()));
        let has_codec = told.codec() == Some(MILESIGHT);
        let (mut unread, mut is_read) = (None, false);
        match data(fields) {
            None => {}
            Some(Ok(bytes)) if has_codec => {
                unread = read_bytes(&mut told, &bytes);
                is_read = unread.is_none();
            }
            Some(Ok(_)) => unread = Some(RefusalReason::UnknownKind),
            Some(Err(reason)) => unread = Some(reason),
        }
        if let Some(object) = object.filter(|_| !is_read) {
            read_object(&mut told, object);
            unread = None;
        }
        if let Some(reason) = unread.filter(|_| told.is_life_safety() && told.is_live()) {
            told.refuse(reason);
        }
        told.end()
    }

    fn status(&mut self, heard: Heard<'_>, name: &str, fields: &Fields) -> Vec<Decoded> {
        let mut told = self.0.told(heard, name, None);
        let is_flag = |key| fields.get(key) == Some(&Value::Bool(true));
        if !is_flag("externalPowerSource") && !is_flag("batteryLevelUnavailable") {
            told.battery(fields.get("batteryLevel").and_then(Value::as_f64));
        }
        told.end()
    }
}

impl Decoder for ChirpStack {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let Some((application, eui, event)) = self.route(&inbound.topic) else {
            return match self.claims(&inbound.topic) {
                true => Vec::new(),
                false => vec![heard.refusal(None, RefusalReason::ForeignTopic)],
            };
        };
        let name = eui.to_lowercase();
        if !matches!(event, "up" | "join" | "status" | "ack" | "location") {
            return Vec::new();
        }
        let path = format!("{application}/device/{eui}");
        match within_limit(heard).and_then(|bytes| json::part(bytes, &WANT)) {
            Ok(fields) if event == "up" => self.uplink(heard, &name, path, &fields),
            Ok(fields) if event == "status" => self.status(heard, &name, &fields),
            Ok(_) => self.0.told(heard, &name, None).end(),
            Err(reason) => self.0.refusal(heard, &name, reason),
        }
    }
}

impl FieldReader for ChirpStack {
    fn claims(&self, topic: &str) -> bool {
        self.0.below(topic).is_some()
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(lower(settings));
    }

    fn encode(&self, command: &Command) -> Option<(String, Vec<u8>)> {
        let of_device = |known: &&String| self.0.settings.names[*known].id == command.device;
        let eui = self.0.settings.names.keys().find(of_device)?;
        let feedback = self.0.settings.names[eui].words.feedback.as_ref()?;
        let bytes = feedback.stages.get(command.stage.word())?;
        let path = self.0.remembered(eui)?.path.as_ref()?;
        let payload = json!({
            "devEui": eui, "confirmed": false, "fPort": feedback.port, "data": STANDARD.encode(bytes),
        });
        let topic = format!("{}/{path}/command/down", self.0.settings.base_topic);
        Some((topic, payload.to_string().into_bytes()))
    }
}

fn lower(settings: FieldSettings) -> FieldSettings {
    let FieldSettings { base_topic, names, models } = settings;
    let names = names.into_iter().map(|(name, known)| (name.to_lowercase(), known)).collect();
    let models = models.into_iter().map(|(name, words)| (name.to_lowercase(), words)).collect();
    FieldSettings { base_topic, names, models }
}

/// The bytes of an uplink; nothing where it had none, as one that only answers the network.
fn data(fields: &Fields) -> Option<Result<Vec<u8>, RefusalReason>> {
    match fields.get("data")? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(STANDARD.decode(text).map_err(|_| RefusalReason::Malformed)),
        _ => Some(Err(RefusalReason::Malformed)),
    }
}

/// ChirpStack's name for the uplink and the device's frame count.
fn mark(fields: &Fields) -> Option<Mark> {
    let name = fields.get("deduplicationId")?.as_str()?;
    let boot = u32::from_str_radix(name.get(..8)?, 16).ok()?;
    let seq = json::count(fields, "fCnt").ok()??;
    Some(Mark { boot, seq })
}

fn read_bytes(told: &mut Told<'_>, bytes: &[u8]) -> Option<RefusalReason> {
    let uplink = milesight::read(bytes);
    told.battery(uplink.battery.map(f64::from));
    for (how, path, value) in uplink.words {
        told.tell(how, path, value);
    }
    uplink.unread
}

fn read_object(told: &mut Told<'_>, object: &Value) {
    told.battery(object.get("battery").and_then(Value::as_f64));
    for event in object.get("events").and_then(Value::as_array).into_iter().flatten() {
        let word = |key| event.get(key).and_then(Value::as_str);
        if let Some((kind, turn)) = word("alarm_type").zip(word("alarm_status")) {
            told.tell(Tell::Event, &format!("events.{kind}"), turn);
        }
    }
    let pressed = object.get("button_event").and_then(|event| event.get("status"));
    if let Some(word) = pressed.and_then(scalar) {
        told.tell(Tell::Key, "button_event.status", &word);
    }
    for (path, value) in leaves(object) {
        if !matches!(path.as_str(), "battery" | "button_event.status" | "button_event.msgid")
            && !path.starts_with("events.")
        {
            told.tell(Tell::State, &path, &value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::field::{Feedback, FieldDevice, Words};
    use super::*;
    use crate::terms::{DeviceId, FeedbackStage, LinkId, Receipt};

    fn reader() -> ChirpStack {
        let stages = BTreeMap::from([("stored".to_owned(), vec![1, 2])]);
        let feedback = Some(Feedback { port: 85, stages });
        let words = Words { life_safety: true, feedback, ..Words::default() };
        let device = FieldDevice { id: DeviceId::new("L-1").unwrap(), words };
        let names = BTreeMap::from([("24E124535B310001".to_owned(), device)]);
        let base_topic = "application".to_owned();
        ChirpStack::new(FieldSettings { base_topic, names, models: BTreeMap::new() })
    }

    #[test]
    fn feedback_goes_where_the_device_was_heard_and_only_with_bytes_for_the_stage() {
        let mut reader = reader();
        let device = DeviceId::new("L-1").unwrap();
        let command = |stage| Command { device: device.clone(), mark: None, stage };
        assert_eq!(reader.encode(&command(FeedbackStage::Stored)), None, "never heard");
        let inbound = Inbound {
            link: LinkId::new("broker").unwrap(),
            topic: Arc::from("application/17c8/device/24e124535b310001/event/up"),
            retained: false,
            received: At(1),
            bytes: br#"{"fCnt":1,"data":""}"#.to_vec(),
            receipt: Receipt::unasked(),
        };
        let said = reader.take(At(1), &inbound);
        let [Decoded::Report(report)] = &said[..] else { panic!("{said:?}") };
        assert_eq!(report.what, crate::terms::What::Telemetry);
        let (topic, payload) = reader.encode(&command(FeedbackStage::Stored)).unwrap();
        assert_eq!(topic, "application/17c8/device/24e124535b310001/command/down");
        let expected =
            json!({"devEui": "24e124535b310001", "confirmed": false, "fPort": 85, "data": "AQI="});
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), expected);
        assert_eq!(reader.encode(&command(FeedbackStage::Accepted)), None);
    }
}
