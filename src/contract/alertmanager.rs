//! Alertmanager's webhook: what a monitor says of machines, heard like any device. The contract is
//! written down in `firmware-contracts/alertmanager/v1/frame.md`.
//!
//! An alert that fires is a fault of the device that its label `anling_device` names, or of the monitor
//! itself; with the label `anling_kind` it is what that says. Alertmanager says the same alert again
//! and again while it fires: its fingerprint and its beginning tell a repeat from a second one, and a
//! condition is over when the last of its alerts is. What fires is remembered here and may be lost:
//! then an alert counts once more, never less. An alert whose kind nobody knows is a fault, and of a
//! device on which a life hangs it is unreadable, which calls people.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;
use serde_json::Value;

use super::field::{Field, FieldReader, FieldSettings, within_limit};
use super::json;
use super::{Heard, turned};
use crate::terms::{At, Decoded, Decoder, Inbound, Kind, RefusalReason, Wall};

/// The family of an unregistered device's address: a source of JSON like others.
const FAMILY: &str = "json";
/// Alerts that are remembered as firing; further ones are said each time they come. Own choice: a
/// centre's machines many times over.
pub const ALERTS_REMEMBERED_MAX: usize = 1_024;
/// Longest fingerprint that is one, in bytes; Alertmanager's have 16.
const FINGERPRINT_MAX: usize = 64;

/// Reads what one Alertmanager says.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    field: Field,
    source: String,
    topic: String,
    firing: BTreeMap<String, Firing>,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Firing {
    /// The device's name.
    name: String,
    /// What it is; `None` for a word that nobody knows.
    kind: Option<Kind>,
    /// When it began, by Alertmanager.
    since: Option<Wall>,
}

impl Alertmanager {
    /// A reader with nothing remembered. Devices are heard as `<source>`, or `<source>/<name>` where
    /// an alert names one; messages come on the topic `signals/<source>`.
    pub fn new(source: &str, settings: FieldSettings) -> Self {
        Self {
            field: Field::new(FAMILY, settings),
            source: source.to_owned(),
            topic: format!("signals/{source}"),
            firing: BTreeMap::new(),
        }
    }

    fn alert(&mut self, heard: Heard<'_>, alert: &Value) -> Vec<Decoded> {
        let text = |key: &str| alert.get(key).and_then(Value::as_str);
        let label = |key: &str| alert.get("labels")?.get(key)?.as_str();
        let name = match label("anling_device").filter(|name| !name.is_empty()) {
            Some(device) => format!("{}/{device}", self.source),
            None => self.source.clone(),
        };
        let is_firing = match text("status") {
            Some("firing") => true,
            Some("resolved") => false,
            _ => return self.field.refusal(heard, &name, RefusalReason::Malformed),
        };
        let kind = match label("anling_kind") {
            None => Some(Kind::Fault),
            Some(word) => Kind::from_word(word).filter(|kind| kind.is_a_devices()),
        };
        let since = text("startsAt").and_then(|said| said.parse::<Timestamp>().ok());
        let since = since.map(|since| Wall(since.as_millisecond()));
        let key = text("fingerprint").filter(|said| said.len() <= FINGERPRINT_MAX);
        let key = key.map_or_else(|| digest(alert.get("labels")), str::to_owned);
        self.turns(heard, key, Firing { name, kind, since }, is_firing)
    }

    fn turns(
        &mut self,
        heard: Heard<'_>,
        key: String,
        alert: Firing,
        is_firing: bool,
    ) -> Vec<Decoded> {
        let is_news = match is_firing {
            true => self.firing.get(&key) != Some(&alert),
            false => {
                self.firing.remove(&key);
                let same = |other: &Firing| other.name == alert.name && other.kind == alert.kind;
                !self.firing.values().any(same)
            }
        };
        let mut told = self.field.told(heard, &alert.name, None);
        told.said_at = alert.since.filter(|_| is_firing);
        if is_news {
            match alert.kind {
                Some(kind) => told.says(turned(kind, is_firing), false),
                None if told.is_life_safety() && is_firing => {
                    told.refuse(RefusalReason::UnknownKind);
                }
                None => told.says(turned(Kind::Fault, is_firing), false),
            }
        }
        let decoded = told.end();
        let room = self.firing.len() < ALERTS_REMEMBERED_MAX || self.firing.contains_key(&key);
        if is_firing && room {
            self.firing.insert(key, alert);
        }
        decoded
    }
}

impl Decoder for Alertmanager {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        if !self.claims(&inbound.topic) {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        }
        let fields = match within_limit(heard).and_then(json::object) {
            Ok(fields) => fields,
            Err(reason) => return self.field.refusal(heard, &self.source, reason),
        };
        match fields.get("alerts").and_then(Value::as_array) {
            Some(alerts) => alerts.iter().flat_map(|alert| self.alert(heard, alert)).collect(),
            None => self.field.refusal(heard, &self.source, RefusalReason::Malformed),
        }
    }
}

impl FieldReader for Alertmanager {
    fn claims(&self, topic: &str) -> bool {
        topic == self.topic
    }

    fn set(&mut self, settings: FieldSettings) {
        self.field.set(settings);
    }
}

/// What names an alert that has no fingerprint: its labels, which Alertmanager's own is made of.
fn digest(labels: Option<&Value>) -> String {
    let mut hasher = DefaultHasher::new();
    labels.map(Value::to_string).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::terms::{LinkId, Receipt, What};

    fn said(reader: &mut Alertmanager, alerts: &str) -> Vec<What> {
        let inbound = Inbound {
            link: LinkId::new("signals.monitor").unwrap(),
            topic: Arc::from("signals/monitor"),
            retained: false,
            received: At(1),
            bytes: format!(r#"{{"version":"4","alerts":[{alerts}]}}"#).into_bytes(),
            receipt: Receipt::unasked(),
        };
        let reports = reader.take(At(1), &inbound).into_iter().map(|decoded| match decoded {
            Decoded::Report(report) => report.what,
            Decoded::Refusal(refusal) => panic!("{refusal:?}"),
        });
        reports.collect()
    }

    fn alert(status: &str, fingerprint: &str, since: &str, kind: &str) -> String {
        format!(
            r#"{{"status":"{status}","labels":{{"alertname":"x","anling_kind":"{kind}"}},"startsAt":"2026-11-22T{since}Z","fingerprint":"{fingerprint}"}}"#
        )
    }

    #[test]
    fn an_alert_that_goes_on_is_said_once_and_one_that_begins_again_once_more() {
        let mut reader = Alertmanager::new("monitor", FieldSettings::default());
        let call = alert("firing", "a", "08:00:00", "sos");
        assert_eq!(said(&mut reader, &call), [What::Pulse(Kind::Sos)]);
        assert_eq!(said(&mut reader, &call), [What::Telemetry], "said again while it fires");
        let over = alert("resolved", "a", "08:00:00", "sos");
        assert_eq!(said(&mut reader, &over), [What::Telemetry], "a call has no end");
        let again = alert("firing", "a", "09:00:00", "sos");
        assert_eq!(said(&mut reader, &again), [What::Pulse(Kind::Sos)]);
        let later = alert("firing", "a", "10:00:00", "sos");
        assert_eq!(said(&mut reader, &later), [What::Pulse(Kind::Sos)], "its end was lost");
    }

    #[test]
    fn a_condition_is_over_when_the_last_of_its_alerts_is() {
        let mut reader = Alertmanager::new("monitor", FieldSettings::default());
        let fires = |key| alert("firing", key, "08:00:00", "water");
        let ends = |key| alert("resolved", key, "08:00:00", "water");
        let level = |on| What::Level { kind: Kind::Water, on };
        assert_eq!(said(&mut reader, &[fires("a"), fires("b")].join(",")), [level(true); 2]);
        assert_eq!(said(&mut reader, &ends("a")), [What::Telemetry]);
        assert_eq!(said(&mut reader, &ends("b")), [level(false)]);
        assert_eq!(said(&mut reader, &ends("c")), [level(false)], "from before a restart");
    }

    #[test]
    fn what_fires_beyond_the_limit_is_said_each_time() {
        let mut reader = Alertmanager::new("monitor", FieldSettings::default());
        for n in 0..ALERTS_REMEMBERED_MAX {
            said(&mut reader, &alert("firing", &n.to_string(), "08:00:00", "sos"));
        }
        let more = alert("firing", "more", "08:00:00", "sos");
        for _ in 0..2 {
            assert_eq!(said(&mut reader, &more), [What::Pulse(Kind::Sos)]);
        }
        assert_eq!(reader.firing.len(), ALERTS_REMEMBERED_MAX);
    }
}
