//! Shelly, both generations. The contract is written down in `firmware-contracts/shelly/v1/frame.md`.
//!
//! What a component is, says its own name: `smoke:0` is smoke on every model. What a key means, says the
//! device's type. A status notice carries only what has changed, so that a field that is missing says
//! nothing; the battery is remembered and stands in the next alarm. The smoke test is an event of its own
//! and never an alarm. A second-generation device's `ts` may count from its last wake-up: it only tells
//! one event from its repetition. `event_cnt` of the first generation begins anew with a restart: the same
//! count as the last one is a repetition, any other is a press, and so is the first after the hub's start.

use serde_json::Value;

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings, Tell, Told, leaves, scalar, within_limit};
use super::json;
use crate::terms::{At, Decoded, Decoder, Inbound, Kind, RefusalReason, What};

/// The family of an unregistered device's address.
const FAMILY: &str = "shelly";
/// What every second-generation device's usual topics begin with.
const USUAL: &str = "shelly";
/// Events in one notice; the rest is passed over.
const EVENTS_MAX: usize = 32;

/// Reads the Shelly devices of one wire.
#[derive(Debug, Clone)]
pub struct Shelly(Field);

/// What a topic leads to.
#[derive(Debug, PartialEq, Eq)]
enum Leaf<'t> {
    /// A notice of the second generation.
    Notice,
    /// One component's state.
    Status(&'t str),
    /// Whether it is there.
    Online,
    /// A key of the first generation.
    InputEvent(&'t str),
    /// A reading of the first generation.
    Sensor(&'t str),
}

impl Shelly {
    /// A reader with nothing remembered.
    pub fn new(settings: FieldSettings) -> Self {
        Self(Field::new(FAMILY, settings))
    }

    /// The device's name and what the topic leads to.
    fn route<'t>(&self, topic: &'t str) -> Option<(&'t str, Leaf<'t>)> {
        let rest = self.0.below(topic).unwrap_or(topic);
        let (ahead, last) = rest.rsplit_once('/')?;
        if last == "online" {
            return Some((ahead, Leaf::Online));
        }
        let (name, side) = ahead.rsplit_once('/')?;
        let leaf = match side {
            "events" if last == "rpc" => Leaf::Notice,
            "status" => Leaf::Status(last),
            "input_event" => Leaf::InputEvent(last),
            "sensor" => Leaf::Sensor(last),
            _ => return None,
        };
        (!name.is_empty()).then_some((name, leaf))
    }

    fn read(&mut self, heard: Heard<'_>, name: &str, leaf: &Leaf<'_>) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() {
            return Vec::new();
        }
        let read = within_limit(heard).and_then(|bytes| match leaf {
            Leaf::Sensor(_) => bare(bytes),
            _ => json::object(bytes).map(Value::Object),
        });
        let value = match read {
            Ok(value) => value,
            Err(reason) => return self.0.refusal(heard, name, reason),
        };
        let mut told = self.0.told(heard, name, None);
        told.battery = told.before.battery;
        match leaf {
            Leaf::Notice => notice(&mut told, &value),
            Leaf::Status(component) => component_of(&mut told, component, &value),
            Leaf::InputEvent(input) => input_event(&mut told, input, &value),
            Leaf::Sensor(what) => sensor(&mut told, what, &value),
            Leaf::Online => {}
        }
        told.end()
    }
}

/// A notice of the second generation: states or events.
fn notice(told: &mut Told<'_>, notice: &Value) {
    let params = notice.get("params");
    match notice.get("method").and_then(Value::as_str) {
        Some("NotifyStatus" | "NotifyFullStatus") => {
            let components = params.and_then(Value::as_object).into_iter().flatten();
            let (first, rest): (Vec<_>, Vec<_>) =
                components.partition(|(name, _)| name.starts_with("devicepower"));
            for (name, state) in first.into_iter().chain(rest) {
                component_of(told, name, state);
            }
        }
        Some("NotifyEvent") => {
            let events = params.and_then(|params| params.get("events")).and_then(Value::as_array);
            events.into_iter().flatten().take(EVENTS_MAX).for_each(|said| event(told, said));
        }
        Some(_) => {}
        None if told.is_life_safety() && told.is_live() => told.refuse(RefusalReason::Malformed),
        None => {}
    }
}

/// What a component's own name says it watches.
fn watches(component: &str) -> Option<Kind> {
    match component.split(':').next() {
        Some("smoke") => Some(Kind::Smoke),
        Some("flood") => Some(Kind::Water),
        _ => None,
    }
}

fn component_of(told: &mut Told<'_>, name: &str, state: &Value) {
    if let Some(kind) = watches(name) {
        match state.get("alarm") {
            None | Some(Value::Null) => {}
            Some(Value::Bool(on)) => told.says(What::Level { kind, on: *on }, false),
            Some(_) if told.registered => told.refuse(RefusalReason::Malformed),
            Some(_) => {}
        }
        return;
    }
    if name.starts_with("devicepower") {
        let percent = state.get("battery").and_then(|battery| battery.get("percent"));
        if let Some(percent) = percent.and_then(Value::as_f64) {
            told.battery(Some(percent));
            told.before.battery = told.battery;
        }
        return;
    }
    for (path, word) in leaves(state) {
        match path.as_str() {
            "id" => {}
            "state" => told.tell(Tell::State, name, &word),
            "" => told.tell(Tell::State, name, &word),
            _ => told.tell(Tell::State, &format!("{name}.{path}"), &word),
        }
    }
}

fn event(told: &mut Told<'_>, said: &Value) {
    let text = |key| said.get(key).and_then(Value::as_str);
    let Some((component, event)) = text("component").zip(text("event")) else {
        if told.is_life_safety() && told.is_live() {
            told.refuse(RefusalReason::Malformed);
        }
        return;
    };
    if let Some(ms) = said.get("ts").and_then(Value::as_f64).and_then(thousandths) {
        let key = format!("{component} {event}");
        if told.is_live() && !told.before.is_another(&key, ms) {
            return;
        }
    }
    match (watches(component), event) {
        (Some(kind), "alarm") => told.says(What::Level { kind, on: true }, false),
        (Some(kind), "alarm_off") => told.says(What::Level { kind, on: false }, false),
        (Some(kind), "alarm_test") => told.says(What::Pulse(kind), true),
        (Some(_), _) | (None, "btn_down" | "btn_up") => {}
        (None, _) if component.starts_with("input") => told.tell(Tell::Key, component, event),
        (None, _) => told.tell(Tell::Event, component, event),
    }
}

/// A key of the first generation.
fn input_event(told: &mut Told<'_>, input: &str, said: &Value) {
    let component = format!("input:{input}");
    let count = said.get("event_cnt").and_then(Value::as_i64);
    let is_same = |told: &mut Told<'_>| {
        let another = count.is_none_or(|count| told.before.is_another(&component, count));
        told.is_live() && !another
    };
    match said.get("event") {
        // Before the first press, or told again.
        Some(Value::String(word)) if word.is_empty() || is_same(told) => {}
        Some(Value::String(word)) => told.tell(Tell::Key, &component, word),
        _ if told.is_life_safety() && told.is_live() => told.refuse(RefusalReason::EmptySignal),
        _ => {}
    }
}

/// A reading of the first generation.
fn sensor(told: &mut Told<'_>, what: &str, value: &Value) {
    let kind = match what {
        "smoke" => Kind::Smoke,
        "flood" => Kind::Water,
        "battery" => {
            told.battery(value.as_f64());
            told.before.battery = told.battery;
            return;
        }
        _ => {
            if let Some(word) = scalar(value) {
                told.tell(Tell::State, &format!("sensor.{what}"), &word);
            }
            return;
        }
    };
    match value {
        Value::Bool(on) => told.says(What::Level { kind, on: *on }, false),
        Value::Number(number) if number.as_u64() == Some(0) || number.as_u64() == Some(1) => {
            told.says(What::Level { kind, on: number.as_u64() == Some(1) }, false);
        }
        _ if told.registered => told.refuse(RefusalReason::Malformed),
        _ => {}
    }
}

/// A value without quotes.
fn bare(bytes: &[u8]) -> Result<Value, RefusalReason> {
    let text = std::str::from_utf8(bytes).map_err(|_| RefusalReason::Malformed)?;
    match json::value(bytes) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => Ok(value),
        Err(RefusalReason::Truncated) => Err(RefusalReason::Truncated),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Seconds in thousandths, where they are a time at all.
fn thousandths(secs: f64) -> Option<i64> {
    let text = format!("{:.0}", secs * 1000.0);
    text.parse().ok()
}

impl Decoder for Shelly {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        if !self.claims(&inbound.topic) {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        }
        match self.route(&inbound.topic) {
            Some((name, Leaf::Online)) => self.0.will(heard, name),
            Some((name, leaf)) => self.read(heard, name, &leaf),
            None => Vec::new(),
        }
    }
}

impl FieldReader for Shelly {
    fn claims(&self, topic: &str) -> bool {
        if self.0.settings.base_topic.is_empty() || self.0.below(topic).is_none() {
            let first = topic.split('/').next().unwrap_or_default();
            let is_usual = first.get(..USUAL.len()).is_some_and(|s| s.eq_ignore_ascii_case(USUAL));
            let is_known = || {
                self.route(topic).is_some_and(|(name, _)| self.0.settings.names.contains_key(name))
            };
            return is_usual || is_known();
        }
        true
    }

    fn set(&mut self, settings: FieldSettings) {
        self.0.set(settings);
    }
}
