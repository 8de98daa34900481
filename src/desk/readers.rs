//! The readers of bridged families on each wire, serial lines included: which message is whose, what the
//! registry and the types say about their devices, and the way back to a device's light.
//!
//! A message is given to the first reader that claims its topic; the config lets no two families on one
//! wire claim the same. What no reader claims is the native contract's to read or to refuse, but for
//! topics that a broker others run sends along with what was asked for. A serial line has one reader, which
//! takes all of it, or none where our own contract is spoken.

use std::collections::BTreeMap;

use super::ports::MODBUS;
use crate::config::settings::{Bridged, Settings, SignalForm};
use crate::contract::{
    Alertmanager, ChirpStack, ContactId, EspHome, Feedback, FieldDevice, FieldReader,
    FieldSettings, JsonAny, Modbus, Mr24fdb1, R60afd1, Radio433, Receiver433, Rtl433, Shelly,
    Tasmota, TextLines, Words,
};
use crate::link::broker::LINK as BROKER_LINK;
use crate::registry::{DeviceType, Family, FieldModel, Registry};
use crate::terms::{At, Command, Decoded, Inbound, JsonSource, LinkId, Means, ModbusPoint, Spoken};

/// What the links of signals over HTTP begin with.
pub(super) const SIGNALS: &str = "signals.";

/// One reader of a wire.
struct Reader {
    wanted: Wanted,
    reads: Box<dyn FieldReader>,
}

/// What a reader is made for.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// A family, with the topic part that its own begin with.
    Family(Family, String),
    /// A source of JSON of any form.
    Source(JsonSource),
    /// An Alertmanager, with the name of its source.
    Alertmanager(String),
    /// All of a serial line.
    Line(Spoken),
    /// The panels of a polled line, with its name.
    Panels(String),
}

/// All of them.
#[derive(Default)]
pub(super) struct Readers(BTreeMap<LinkId, Vec<Reader>>);

impl Readers {
    pub(super) fn new(settings: &Settings, registry: &Registry) -> Self {
        let mut readers = Self::default();
        readers.renew(settings, registry);
        readers
    }

    /// Takes another config or registry; what devices said before is kept where a reader stays.
    pub(super) fn renew(&mut self, settings: &Settings, registry: &Registry) {
        let all = wanted(settings);
        self.0.retain(|link, _| all.contains_key(link));
        for (link, wanted) in all {
            let readers = self.0.entry(link.clone()).or_default();
            readers.retain(|reader| wanted.contains(&reader.wanted));
            for wanted in wanted {
                let known = wanted.known(settings, registry);
                let points = settings.modbus.get(&link).map(|line| line.points.as_slice());
                let points = points.unwrap_or_default();
                match readers.iter_mut().find(|reader| reader.wanted == wanted) {
                    Some(reader) => {
                        reader.reads.set(known);
                        reader.reads.set_points(points);
                    }
                    None => {
                        let made = wanted.reader(known, points);
                        readers.extend(made.map(|reads| Reader { wanted, reads }));
                    }
                }
            }
        }
    }

    /// What a message says to the reader that claims it; `None` when none does.
    pub(super) fn read(&mut self, at: At, inbound: &Inbound) -> Option<Vec<Decoded>> {
        let readers = self.0.get_mut(&inbound.link).filter(|readers| !readers.is_empty())?;
        match readers.iter_mut().find(|reader| reader.reads.claims(&inbound.topic)) {
            Some(reader) => Some(reader.reads.take(at, inbound)),
            // A filter with a `+` at its head brings what others say as well.
            None if !inbound.topic.starts_with("anling/") => Some(Vec::new()),
            None => None,
        }
    }

    /// What a piece of a serial line says; `None` where its contract is ours.
    pub(super) fn read_line(&mut self, at: At, inbound: &Inbound) -> Option<Vec<Decoded>> {
        let reader = self.0.get_mut(&inbound.link)?.first_mut()?;
        Some(reader.reads.take(at, inbound))
    }

    /// Wires, topics and payloads that show a device how far its call has come.
    pub(super) fn encode(&self, command: &Command) -> Vec<(LinkId, String, Vec<u8>)> {
        let encode = |(link, readers): (&LinkId, &Vec<Reader>)| {
            let said = readers.iter().find_map(|reader| reader.reads.encode(command));
            said.map(|(topic, payload)| (link.clone(), topic, payload))
        };
        self.0.iter().filter_map(encode).collect()
    }
}

impl Wanted {
    fn known(&self, settings: &Settings, registry: &Registry) -> FieldSettings {
        match self {
            Self::Family(family, base) => field_settings(*family, base, settings, registry),
            Self::Source(_) | Self::Alertmanager(_) => {
                field_settings(Family::Json, "", settings, registry)
            }
            Self::Line(spoken) => field_settings(Family::on_line(spoken), "", settings, registry),
            Self::Panels(_) => field_settings(Family::Modbus, "", settings, registry),
        }
    }

    fn reader(&self, known: FieldSettings, points: &[ModbusPoint]) -> Option<Box<dyn FieldReader>> {
        Some(match self {
            Self::Panels(line) => Box::new(Modbus::new(line, points.to_vec(), known)),
            Self::Source(source) => Box::new(JsonAny::new(source.clone(), known)),
            Self::Alertmanager(name) => Box::new(Alertmanager::new(name, known)),
            Self::Family(Family::Chirpstack, _) => Box::new(ChirpStack::new(known)),
            Self::Family(Family::Tasmota, _) => Box::new(Tasmota::new(known)),
            Self::Family(Family::Shelly, _) => Box::new(Shelly::new(known)),
            Self::Family(Family::Esphome, _) => Box::new(EspHome::new(known)),
            Self::Family(Family::Rtl433, _) => Box::new(Rtl433::new(known)),
            Self::Line(Spoken::ContactId(form)) => Box::new(ContactId::new(*form, known)),
            Self::Line(Spoken::Ev1527(form, radio)) => {
                let receiver = Receiver433::Module(form.clone());
                Box::new(Radio433::new(receiver, radio.frames, known))
            }
            Self::Line(Spoken::RfBridge(radio)) => {
                Box::new(Radio433::new(Receiver433::Bridge, radio.frames, known))
            }
            Self::Line(Spoken::Rflink(radio)) => {
                Box::new(Radio433::new(Receiver433::Rflink, radio.frames, known))
            }
            Self::Line(Spoken::R60afd1) => Box::new(R60afd1::new(known)),
            Self::Line(Spoken::Mr24fdb1) => Box::new(Mr24fdb1::new(known)),
            Self::Line(Spoken::Lines(patterns)) => Box::new(TextLines::new(patterns, known)),
            Self::Family(..) | Self::Line(Spoken::Native) => return None,
        })
    }
}

fn wanted(settings: &Settings) -> BTreeMap<LinkId, Vec<Wanted>> {
    let of = |bridged: &Bridged| -> Vec<Wanted> {
        let families = bridged.families.iter().map(|(f, base)| Wanted::Family(*f, base.clone()));
        families.chain(bridged.sources.iter().cloned().map(Wanted::Source)).collect()
    };
    let here = settings.broker.as_ref().map(|broker| of(&broker.bridged));
    let here = LinkId::new(BROKER_LINK).ok().zip(here);
    let outside = settings.outside.iter().map(|(link, o)| (link.clone(), of(&o.bridged)));
    let lines = settings.serial.iter().filter(|(_, serial)| serial.contract != Spoken::Native);
    let lines =
        lines.map(|(link, serial)| (link.clone(), vec![Wanted::Line(serial.contract.clone())]));
    let polled = settings.modbus.keys().map(|link| {
        let name = link.as_str().strip_prefix(MODBUS).unwrap_or(link.as_str());
        (link.clone(), vec![Wanted::Panels(name.to_owned())])
    });
    let signals = settings.signals.iter().map(|(link, signal)| {
        let wanted = match &signal.form {
            SignalForm::Json(source) => Wanted::Source(source.clone()),
            SignalForm::Alertmanager => {
                let name = link.as_str().strip_prefix(SIGNALS).unwrap_or(link.as_str());
                Wanted::Alertmanager(name.to_owned())
            }
        };
        (link.clone(), vec![wanted])
    });
    let all = here.into_iter().chain(outside).chain(lines).chain(polled).chain(signals);
    all.filter(|(_, wanted)| !wanted.is_empty()).collect()
}

fn field_settings(
    family: Family,
    base: &str,
    settings: &Settings,
    registry: &Registry,
) -> FieldSettings {
    let known = registry.devices().filter_map(|device| {
        let kind = settings.device_types.get(&device.type_name).filter(|t| t.family == family)?;
        let known = FieldDevice { id: device.id.clone(), words: words(kind) };
        Some((device.heard_name().to_owned(), known))
    });
    let models = FieldModel::of(family).map(|model| {
        let mut words = Words::default();
        add_model(&mut words, model);
        (model.name.to_owned(), words)
    });
    FieldSettings { base_topic: base.to_owned(), names: known.collect(), models: models.collect() }
}

/// What the words of a type mean: its own first, since they are the technician's, then its model's.
fn words(kind: &DeviceType) -> Words {
    let bridged = &kind.bridged;
    let mut words =
        Words { life_safety: kind.life_safety, mains: bridged.mains, ..Words::default() };
    for (word, means) in &kind.actions {
        if let Some(means) = Means::from_word(means) {
            words.add(word, means);
        }
    }
    let model = bridged.model.as_deref().and_then(|name| FieldModel::find(kind.family, name));
    if let Some(model) = model {
        add_model(&mut words, model);
    }
    if !bridged.feedback.is_empty() {
        let stages = bridged.feedback.clone();
        words.feedback = Some(Feedback { port: bridged.feedback_port, stages });
    }
    words
}

fn add_model(words: &mut Words, model: &FieldModel) {
    words.codec = model.codec.map(str::to_owned);
    words.strangers = model.strangers;
    for (word, means) in model.words {
        if let Some(means) = Means::from_word(means) {
            words.add_of_model(word, means);
        }
    }
}
