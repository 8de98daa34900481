//! What the bridged families share: names and tables, what a device said before, and the answer that is
//! made of its words.
//!
//! A reader takes a message apart into words, `path=value`, and the device's own table says what each
//! means; nothing calls by its field's name alone. A word of a key (`Button1=LONG`) is an event each
//! time it is said. A word of a state (`detection_status=fall`) is one when the state turns to it,
//! because states are repeated. Of a device that nobody registered only what is an alarm on every model
//! is heard. A key's word that stands in no table is refused where a life hangs on the device, and so
//! calls people; elsewhere it is a sign of life.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Heard;
use crate::terms::{
    At, Class, Command, Decoded, Decoder, DeviceId, Kind, Mark, Means, ModbusPoint, RefusalReason,
    Wait, Wall, What,
};

/// Longest message of a bridged device in bytes. Own choice: four times a ChirpStack uplink heard by
/// ten gateways.
pub const FIELD_MAX_BYTES: usize = 32_768;
/// Of how many names the last words are remembered; registered names always are. Own choice.
pub const FIELD_REMEMBERED_MAX: usize = 4096;
/// How long a radio's repetitions may pause and still be one press.
const RADIO_REPEATS: Wait = Wait(1_500);
/// States and counts remembered of one device; a further state turns each time it is said.
const REMEMBERED_WORDS_MAX: usize = 64;
/// Values read of one message; the rest is passed over. Own choice: ten times a large sensor.
const LEAVES_MAX: usize = 256;

/// What the reader of one bridged family has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSettings {
    /// The topic part that its own begin with, without a slash at its end; may be empty.
    pub base_topic: String,
    /// The registered devices by the name the family hears them under.
    pub names: BTreeMap<String, FieldDevice>,
    /// What the words of the models mean that the family's table knows, for devices that nobody
    /// registered and that name their model.
    pub models: BTreeMap<String, Words>,
}

/// One registered device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDevice {
    /// Its registered id.
    pub id: DeviceId,
    /// What its words mean.
    pub words: Words,
}

/// What the words of one type of device mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Lives hang on it: what cannot be read of it calls people.
    pub life_safety: bool,
    /// Runs on mains power: a battery of 0 % is none.
    pub mains: bool,
    /// The code of its bytes: `milesight`.
    pub codec: Option<String>,
    /// `path=value`, or a value alone, in small letters, and the meaning.
    pub means: BTreeMap<String, Means>,
    /// The same as its model's table says it; the type's own words go before.
    pub of_model: BTreeMap<String, Means>,
    /// Whether the model's words are heard of a device that nobody registered.
    pub strangers: bool,
    /// How it is shown how far its call has come.
    pub feedback: Option<Feedback>,
}

/// Bytes for a device's light or buzzer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The port they go to.
    pub port: u8,
    /// The bytes by the stage's word.
    pub stages: BTreeMap<String, Vec<u8>>,
}

impl Words {
    /// Takes a word of the type with its meaning into the table.
    pub fn add(&mut self, word: &str, means: Means) {
        self.means.insert(word.to_lowercase(), means);
    }

    /// Takes a word of the model with its meaning into the table.
    pub fn add_of_model(&mut self, word: &str, means: Means) {
        self.of_model.insert(word.to_lowercase(), means);
    }

    /// What a word means, by its path and value or by its value alone. Capitals do not matter: a call
    /// is not lost to one.
    fn find(&self, path: &str, value: &str) -> Option<Means> {
        let value = value.trim().to_lowercase();
        let word = format!("{}={value}", path.to_lowercase());
        let own = self.means.get(&word).or_else(|| self.means.get(&value));
        own.or_else(|| self.of_model.get(&word)).copied()
    }
}

/// The reader of one bridged family. The desk asks [`FieldReader::claims`] before it hands a message in.
pub trait FieldReader: Decoder {
    /// Whether a topic is this family's.
    fn claims(&self, topic: &str) -> bool;

    /// Takes changed settings; what devices said before is kept.
    fn set(&mut self, settings: FieldSettings);

    /// Takes other points, where a line has them; how those stood that stay is kept.
    fn set_points(&mut self, _points: &[ModbusPoint]) {}

    /// Topic and payload that show a device how far its call has come, where the family and the device
    /// have a way.
    fn encode(&self, _command: &Command) -> Option<(String, Vec<u8>)> {
        None
    }
}

/// What is kept of one device between its messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered {
    /// The last value of each state.
    states: BTreeMap<String, String>,
    /// The last count of each key that counts without saying when it began anew.
    counts: BTreeMap<String, i64>,
    /// When each radio code was heard last.
    codes: BTreeMap<String, At>,
    /// Battery in percent.
    pub(super) battery: Option<u8>,
    /// The topic part that leads to the device.
    pub(super) path: Option<String>,
}

impl Remembered {
    /// Whether a count is another than the last one; with none before it is.
    pub(super) fn is_another(&mut self, key: &str, count: i64) -> bool {
        if self.counts.len() >= REMEMBERED_WORDS_MAX && !self.counts.contains_key(key) {
            return true;
        }
        self.counts.insert(key.to_owned(), count) != Some(count)
    }

    fn turns(&mut self, path: &str, value: &str) -> bool {
        match self.states.get_mut(path) {
            Some(known) if known == value => false,
            Some(known) => {
                value.clone_into(known);
                true
            }
            None => {
                if self.states.len() < REMEMBERED_WORDS_MAX {
                    self.states.insert(path.to_owned(), value.to_owned());
                }
                true
            }
        }
    }
}

/// The settings and the memory of one reader.
#[derive(Debug, Clone)]
pub(super) struct Field {
    family: &'static str,
    pub(super) settings: FieldSettings,
    remembered: BTreeMap<String, Remembered>,
    spare: Remembered,
}

impl Field {
    pub(super) fn new(family: &'static str, settings: FieldSettings) -> Self {
        Self { family, settings, remembered: BTreeMap::new(), spare: Remembered::default() }
    }

    pub(super) fn set(&mut self, settings: FieldSettings) {
        self.remembered.retain(|name, _| settings.names.contains_key(name));
        self.settings = settings;
    }

    /// A topic below the base, without it and the slash behind it.
    pub(super) fn below<'t>(&self, topic: &'t str) -> Option<&'t str> {
        match self.settings.base_topic.as_str() {
            "" => Some(topic),
            base => topic.strip_prefix(base)?.strip_prefix('/'),
        }
    }

    /// The registered id behind a name, or the address it was heard under.
    pub(super) fn id(&self, name: &str) -> DeviceId {
        let known = self.settings.names.get(name);
        known.map_or_else(|| DeviceId::unregistered(self.family, name), |known| known.id.clone())
    }

    pub(super) fn remembered(&self, name: &str) -> Option<&Remembered> {
        self.remembered.get(name)
    }

    /// The answer to a message of a device, to be filled. `model` is what the message itself says it is.
    pub(super) fn told<'a>(
        &'a mut self,
        heard: Heard<'a>,
        name: &str,
        model: Option<&str>,
    ) -> Told<'a> {
        let device = self.id(name);
        let known = self.settings.names.get(name);
        let room = known.is_some() || self.remembered.len() < FIELD_REMEMBERED_MAX;
        if room && !self.remembered.contains_key(name) {
            self.remembered.insert(name.to_owned(), Remembered::default());
        }
        self.spare = Remembered::default();
        let before = self.remembered.get_mut(name).unwrap_or(&mut self.spare);
        let of_model = model.and_then(|model| self.settings.models.get(model));
        Told {
            heard,
            device,
            words: known.map(|known| &known.words),
            of_model: of_model.filter(|words| known.is_some() || words.strangers),
            registered: known.is_some(),
            before,
            said: Vec::new(),
            refused: None,
            test: false,
            radio: false,
            battery: None,
            said_at: None,
            mark: None,
        }
    }

    /// A message that cannot be read at all.
    pub(super) fn refusal(
        &self,
        heard: Heard<'_>,
        name: &str,
        reason: RefusalReason,
    ) -> Vec<Decoded> {
        vec![heard.refusal(Some(self.id(name)), reason)]
    }

    /// A registered device's word, or its broker's for it, whether it is there; a kept copy that was
    /// taken back says nothing.
    pub(super) fn will(&self, heard: Heard<'_>, name: &str) -> Vec<Decoded> {
        if heard.inbound.bytes.is_empty() || !self.settings.names.contains_key(name) {
            return Vec::new();
        }
        match within_limit(heard).and_then(presence) {
            Ok(online) => {
                let what = What::Presence { online };
                vec![Decoded::Report(heard.report(self.id(name), what))]
            }
            Err(reason) => self.refusal(heard, name, reason),
        }
    }
}

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// A key's: something happened each time, and one that no table knows is refused where a life hangs
    /// on the device.
    Key,
    /// Something happened each time it is said; one that no table knows says nothing.
    Event,
    /// How things are: it happens when it turns to it.
    State,
}

/// What one message of one device tells.
pub(super) struct Told<'a> {
    pub(super) heard: Heard<'a>,
    pub(super) device: DeviceId,
    /// The registered type's.
    words: Option<&'a Words>,
    /// Those of the model that the message names itself.
    of_model: Option<&'a Words>,
    pub(super) registered: bool,
    pub(super) before: &'a mut Remembered,
    said: Vec<(What, bool)>,
    refused: Option<RefusalReason>,
    /// The device says that it is under test.
    pub(super) test: bool,
    /// Anybody with a transmitter may have sent it: it calls, and neither cancels nor ends anything.
    pub(super) radio: bool,
    pub(super) battery: Option<u8>,
    /// The device's own time.
    pub(super) said_at: Option<Wall>,
    /// The sender's own count, for the first press of the message.
    pub(super) mark: Option<Mark>,
}

impl Told<'_> {
    pub(super) fn is_live(&self) -> bool {
        !self.heard.inbound.retained
    }

    pub(super) fn is_life_safety(&self) -> bool {
        self.registered && self.words.is_some_and(|words| words.life_safety)
    }

    pub(super) fn codec(&self) -> Option<&str> {
        let own = self.words.and_then(|words| words.codec.as_deref());
        own.or_else(|| self.of_model?.codec.as_deref())
    }

    /// Says something for itself. Of strangers only what calls people is heard.
    pub(super) fn says(&mut self, what: What, test: bool) {
        let is_heard = self.registered
            || match what {
                What::Pulse(kind) | What::Level { kind, .. } => {
                    !matches!(kind.class(), Class::Fault | Class::Service)
                }
                _ => false,
            };
        let test = test || (self.test && is_hazard(what));
        if is_heard && !self.said.contains(&(what, test)) {
            self.said.push((what, test));
        }
    }

    /// What a word means, by the device's tables.
    pub(super) fn find(&self, path: &str, value: &str) -> Option<Means> {
        let own = self.words.and_then(|words| words.find(path, value));
        own.or_else(|| self.of_model?.find(path, value))
    }

    /// Says what a word means.
    pub(super) fn tell(&mut self, how: Tell, path: &str, value: &str) {
        let found = self.find(path, value);
        let turns = !self.is_live() || self.before.turns(path, value);
        match (found, how) {
            (Some(Means::Says(What::Pulse(_) | What::Cancel)), Tell::State) if !turns => {}
            (Some(means), _) => self.means(means),
            (None, Tell::Key) if self.is_life_safety() && self.is_live() => {
                self.refuse(RefusalReason::UnknownKind);
            }
            (None, _) => {}
        }
    }

    pub(super) fn means(&mut self, means: Means) {
        match means {
            Means::Says(What::Cancel | What::Level { on: false, .. }) if self.radio => {}
            // What has no end would hide the next one as a state that is known.
            Means::Says(What::Level { kind, .. }) if self.radio && kind != Kind::LowBattery => {
                self.says(What::Pulse(kind), false);
            }
            Means::Says(what) => self.says(what, false),
            Means::Test(kind) => self.says(What::Pulse(kind), true),
            Means::Nothing => {}
        }
    }

    /// Whether a radio code is more than a repetition of one that was heard a moment ago.
    pub(super) fn is_fresh(&mut self, code: &str) -> bool {
        if !self.is_live() {
            return true;
        }
        let at = self.heard.at;
        let codes = &mut self.before.codes;
        if let Some(last) = codes.get_mut(code) {
            return at - std::mem::replace(last, at) >= RADIO_REPEATS;
        }
        if codes.len() < REMEMBERED_WORDS_MAX {
            codes.insert(code.to_owned(), at);
        }
        true
    }

    /// Notes that a part of the message cannot be read; the first reason stays.
    pub(super) fn refuse(&mut self, reason: RefusalReason) {
        self.refused = self.refused.or(Some(reason));
    }

    /// Percent, rounded down; anything else is no reading.
    pub(super) fn battery(&mut self, percent: Option<f64>) {
        let Some(percent) = percent.filter(|percent| (0.0..=100.0).contains(percent)) else {
            return;
        };
        let whole = (0..=100u8).rev().find(|whole| f64::from(*whole) <= percent);
        let mains = self.words.is_some_and(|words| words.mains);
        self.battery = whole.filter(|percent| *percent > 0 || !mains);
    }

    /// All of it; at least one report or refusal.
    pub(super) fn end(self) -> Vec<Decoded> {
        let (mut said, mut mark) = (self.said, self.mark);
        if said.is_empty() && self.refused.is_none() {
            said.push((What::Telemetry, self.test));
        }
        let mut decoded = Vec::with_capacity(said.len() + 1);
        for (what, test) in said {
            let mut report = self.heard.report(self.device.clone(), what);
            (report.test, report.battery, report.said_at) = (test, self.battery, self.said_at);
            if matches!(what, What::Pulse(_) | What::Cancel) {
                // One count answers one report: the engine takes a second with it for a repeat.
                report.mark = mark.take();
            }
            decoded.push(Decoded::Report(report));
        }
        if let Some(reason) = self.refused {
            decoded.push(self.heard.refusal(Some(self.device), reason));
        }
        decoded
    }
}

/// Whether a device's own test covers this; a key that is pressed meanwhile is a call.
fn is_hazard(what: What) -> bool {
    let (What::Pulse(kind) | What::Level { kind, .. }) = what else { return false };
    matches!(kind, Kind::Smoke | Kind::Gas | Kind::Co | Kind::Water)
}

/// Bytes within the limit.
pub(super) fn within_limit<'a>(heard: Heard<'a>) -> Result<&'a [u8], RefusalReason> {
    let bytes = heard.inbound.bytes.as_slice();
    if bytes.len() > FIELD_MAX_BYTES { Err(RefusalReason::TooLong) } else { Ok(bytes) }
}

/// `Online` and `Offline`, whatever their capitals; also `true` and `false`.
pub(super) fn presence(bytes: &[u8]) -> Result<bool, RefusalReason> {
    let word = bytes.to_ascii_lowercase();
    match word.as_slice() {
        b"online" | b"true" => Ok(true),
        b"offline" | b"false" => Ok(false),
        cut if ["online", "offline", "true", "false"]
            .iter()
            .any(|w| w.as_bytes().starts_with(cut)) =>
        {
            Err(RefusalReason::Truncated)
        }
        _ => Err(RefusalReason::UnknownKind),
    }
}

/// Every value of a message with its path, `a.b`; a list's entries share the list's path.
pub(super) fn leaves(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut path = String::new();
    walk(value, &mut path, &mut found);
    found
}

fn walk(value: &Value, path: &mut String, found: &mut Vec<(String, String)>) {
    if found.len() >= LEAVES_MAX {
        return;
    }
    match value {
        Value::Object(fields) => {
            let length = path.len();
            for (name, value) in fields {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                walk(value, path, found);
                path.truncate(length);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
        value => found.extend(scalar(value).map(|text| (path.clone(), text))),
    }
}

/// A single value as a word; nothing for null and for what holds others.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_its_path_before_its_value_and_capitals_do_not_matter() {
        let mut words = Words::default();
        words.add("LONG", Means::Says(What::Cancel));
        words.add("Button1=long", Means::Says(What::Pulse(Kind::Sos)));
        assert_eq!(words.find("Button1", "Long"), Some(Means::Says(What::Pulse(Kind::Sos))));
        assert_eq!(words.find("Button2", "Long"), Some(Means::Says(What::Cancel)));
        assert_eq!(words.find("Button2", "short"), None);
        words.add_of_model("Button2=long", Means::Nothing);
        assert_eq!(words.find("Button2", "Long"), Some(Means::Says(What::Cancel)));
    }

    #[test]
    fn a_state_is_an_event_when_it_turns_and_no_memory_is_without_limit() {
        let mut before = Remembered::default();
        let mut turns = |path: &str, value: &str| before.turns(path, value);
        assert!(turns("a", "1") && !turns("a", "1") && turns("a", "2") && turns("a", "1"));
        for n in 0..2 * REMEMBERED_WORDS_MAX {
            turns(&n.to_string(), "x");
        }
        assert_eq!(before.states.len(), REMEMBERED_WORDS_MAX);
    }

    #[test]
    fn values_have_their_path_and_there_are_not_too_many() {
        let value = serde_json::json!({"a": {"b": [1, "x"], "c": null}, "d": true});
        let expected = [("a.b", "1"), ("a.b", "x"), ("d", "true")];
        assert_eq!(leaves(&value), expected.map(|(p, v)| (p.to_owned(), v.to_owned())));
        let many = Value::from(vec![1; 2 * LEAVES_MAX]);
        assert_eq!(leaves(&many).len(), LEAVES_MAX);
    }
}
