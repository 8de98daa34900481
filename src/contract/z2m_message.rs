//! One message of one Zigbee device: its fields, what the device said before, and the reports and
//! refusals that follow.
//!
//! A press is what costs most to get wrong. Zigbee2MQTT can publish one `action` twice, as JSON and as
//! plain text on a topic of its own, and clears it with an empty one. Each JSON is therefore joined
//! with at most one text of the same word (and each text with one JSON); anything else is a press of
//! its own. A fall radar repeats its state every few seconds, so a fall is reported when the state
//! turns to it. `sos: true` is not treated so: buttons exist that never take it back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::Fields;
use super::z2m_meaning::{Action, FALLS, Meaning, SIGNS, is_heard_unregistered, is_testable};
use super::{Heard, turned};
use crate::terms::{At, Decoded, DeviceId, Kind, RefusalReason, Wait, What};

/// How long after a real action an empty one is its end and not a signal. Own choice: Zigbee2MQTT
/// sends it in the same breath; the rest is for a slow box.
const EMPTY_AFTER_ACTION: Wait = Wait::secs(5);

/// Within which a text and a JSON of the same word are one press. Own choice: both are published in
/// one go.
const TWIN_WITHIN: Wait = Wait::secs(1);

/// In which of its two forms Zigbee2MQTT published something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The device's JSON object.
    Object,
    /// One value on a topic of its own.
    Attribute,
}

/// What is kept of one device between its messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    acted_at: Option<At>,
    press: Option<Press>,
    fallen: BTreeSet<&'static str>,
}

#[derive(Debug, Clone)]
struct Press {
    word: String,
    form: Form,
    at: At,
    /// How many of these have not met their twin yet.
    single: u32,
}

impl Remembered {
    /// Whether this is the other form of a press that was already reported.
    fn is_twin(&mut self, at: At, word: &str, form: Form) -> bool {
        match &mut self.press {
            Some(press) if press.word == word && at - press.at <= TWIN_WITHIN => {
                if press.form != form && press.single > 0 {
                    press.single -= 1;
                    return true;
                }
                let again = if press.form == form { press.single.saturating_add(1) } else { 1 };
                *press = Press { form, at, single: again, ..press.clone() };
            }
            _ => self.press = Some(Press { word: word.to_owned(), form, at, single: 1 }),
        }
        false
    }
}

/// A message being read.
pub(super) struct Reading<'a> {
    pub(super) heard: Heard<'a>,
    pub(super) device: DeviceId,
    pub(super) meaning: &'a Meaning,
    pub(super) registered: bool,
    pub(super) form: Form,
    pub(super) before: &'a mut Remembered,
}

impl Reading<'_> {
    /// Everything the message says; at least one report or refusal.
    pub(super) fn read(mut self, fields: &Fields) -> Vec<Decoded> {
        let test = fields.get("test").and_then(truth) == Some(true);
        let battery = fields.get("battery").and_then(|value| self.battery(value));
        let mut said: Vec<(What, bool)> = Vec::new();
        let mut refused: Option<RefusalReason> = None;

        for read in [
            fields.get("action").map(|value| self.action(value)),
            fields.get("sos").map(|value| self.sos(value)),
        ] {
            match read {
                None => {}
                Some(Ok(Some(what))) if !said.contains(&(what, false)) => said.push((what, false)),
                Some(Ok(_)) => {}
                Some(Err(reason)) => refused = refused.or(Some(reason)),
            }
        }
        let falls = FALLS.iter().filter(|(field, fall)| self.falls(fields, field, fall)).count();
        if falls > 0 {
            said.push((What::Pulse(Kind::Fall), false));
        }
        for (field, kind) in self.meaning.conditions() {
            match fields.get(field).map(|value| self.condition(field, kind, value)) {
                None | Some(Ok(None)) => {}
                Some(Ok(Some(on))) => said.push((turned(kind, on), test && is_testable(kind))),
                Some(Err(reason)) => refused = refused.or(Some(reason)),
            }
        }
        for (field, yes, no) in SIGNS.into_iter().filter(|_| self.registered) {
            // A sign that cannot be read is none: nobody is called by it, and nobody for want of it.
            if let Some(is) = fields.get(field).and_then(truth) {
                said.push((What::Sign(if is { yes } else { no }), false));
            }
        }
        if said.is_empty() && refused.is_none() {
            said.push((What::Telemetry, test));
        }
        let mut decoded: Vec<Decoded> = Vec::with_capacity(said.len() + 1);
        for (what, test) in said {
            let mut report = self.heard.report(self.device.clone(), what);
            report.test = test;
            report.battery = battery;
            decoded.push(Decoded::Report(report));
        }
        if let Some(reason) = refused {
            decoded.push(self.heard.refusal(Some(self.device.clone()), reason));
        }
        decoded
    }

    fn is_live(&self) -> bool {
        !self.heard.inbound.retained
    }

    fn action(&mut self, value: &Value) -> Result<Option<What>, RefusalReason> {
        let word = match value {
            Value::Null => "",
            Value::String(word) => word.trim(),
            _ if self.meaning.life_safety && self.is_live() => {
                return Err(RefusalReason::Malformed);
            }
            _ => return Ok(None),
        };
        if word.is_empty() {
            return self.empty_action();
        }
        if self.is_live() {
            self.before.acted_at = Some(self.heard.at);
        }
        match self.meaning.action(word) {
            Action::Says(what) => Ok((!self.is_twin(word)).then_some(what)),
            Action::Silent => Ok(None),
            Action::Unknown if self.meaning.life_safety && self.is_live() => {
                Err(RefusalReason::UnknownKind)
            }
            Action::Unknown => Ok(None),
        }
    }

    /// The end of the last action, or a press whose meaning was lost on the way.
    fn empty_action(&self) -> Result<Option<What>, RefusalReason> {
        let at = self.heard.at;
        let ends_one = self.before.acted_at.is_some_and(|acted| at - acted <= EMPTY_AFTER_ACTION);
        if self.meaning.life_safety && self.is_live() && !ends_one {
            return Err(RefusalReason::EmptySignal);
        }
        Ok(None)
    }

    fn sos(&mut self, value: &Value) -> Result<Option<What>, RefusalReason> {
        match truth(value) {
            Some(true) if self.is_twin("sos: true") => Ok(None),
            Some(true) => Ok(Some(What::Pulse(Kind::Sos))),
            None if self.meaning.life_safety && !value.is_null() => Err(RefusalReason::Malformed),
            _ => Ok(None),
        }
    }

    /// A kept copy is nobody's twin: it may be hours old.
    fn is_twin(&mut self, word: &str) -> bool {
        self.is_live() && self.before.is_twin(self.heard.at, word, self.form)
    }

    /// Whether the field has just turned to a fall.
    fn falls(&mut self, fields: &Fields, field: &'static str, fall: &str) -> bool {
        let Some(Value::String(state)) = fields.get(field) else { return false };
        match (state == fall, self.is_live()) {
            (true, true) => self.before.fallen.insert(field),
            (fallen, false) => fallen,
            (false, true) => {
                self.before.fallen.remove(field);
                false
            }
        }
    }

    /// Whether a condition is true; `None` when the field does not say.
    fn condition(
        &self,
        field: &str,
        kind: Kind,
        value: &Value,
    ) -> Result<Option<bool>, RefusalReason> {
        if !self.registered && !is_heard_unregistered(kind) {
            return Ok(None);
        }
        match value {
            Value::Null => Ok(None),
            Value::Number(number) if field == "gas" => {
                let reading = number.as_f64();
                Ok(self.meaning.gas_alarm_from.zip(reading).map(|(from, is)| is >= f64::from(from)))
            }
            value => match truth(value) {
                Some(on) => Ok(Some(on)),
                None if self.registered => Err(RefusalReason::Malformed),
                None => Ok(None),
            },
        }
    }

    /// Percent, rounded down. Anything else is no reading, and no reason to refuse what stands beside.
    fn battery(&self, value: &Value) -> Option<u8> {
        let percent = value.as_f64().filter(|percent| (0.0..=100.0).contains(percent))?;
        let percent = (0..=100u8).rev().find(|whole| f64::from(*whole) <= percent)?;
        (percent > 0 || !self.meaning.mains).then_some(percent)
    }
}

/// True or false, as Zigbee2MQTT and its text form write them.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_presses_published_in_both_forms_are_two() {
        let mut before = Remembered::default();
        let mut presses = |script: &[(u64, Form)]| {
            script.iter().filter(|(ms, form)| !before.is_twin(At(*ms), "sos", *form)).count()
        };
        let (object, text) = (Form::Object, Form::Attribute);
        assert_eq!(presses(&[(0, object), (1, text), (600, object), (601, text)]), 2);
        assert_eq!(presses(&[(10_000, object), (10_500, object), (10_501, text)]), 2);
        assert_eq!(presses(&[(20_000, text), (20_500, text), (20_900, text)]), 3);
        assert_eq!(presses(&[(30_000, object), (31_001, text)]), 2);
    }

    #[test]
    fn a_text_joins_one_object_only() {
        let mut before = Remembered::default();
        let script = [(0, Form::Object), (1, Form::Attribute), (2, Form::Attribute)];
        let pressed: Vec<bool> =
            script.iter().map(|(ms, form)| !before.is_twin(At(*ms), "sos", *form)).collect();
        assert_eq!(pressed, [true, false, true]);
    }
}
