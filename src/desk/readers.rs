//! The readers of bridged families on each wire: which message is whose, what the registry and the
//! types say about their devices, and the way back to a device's light.
//!
//! A message is given to the first reader that claims its topic; the config lets no two families on one
//! wire claim the same. What no reader claims is the native contract's to read or to refuse, but for
//! topics that a broker others run sends along with what was asked for.

use std::collections::BTreeMap;

use crate::config::settings::Settings;
use crate::contract::{
    ChirpStack, Feedback, FieldDevice, FieldReader, FieldSettings, Rtl433, Shelly, Tasmota, Words,
};
use crate::link::broker::LINK as BROKER_LINK;
use crate::registry::{DeviceType, Family, FieldModel, Registry};
use crate::terms::{At, Command, Decoded, Inbound, LinkId, Means};

/// One reader of a wire.
struct Reader {
    family: Family,
    base: String,
    reads: Box<dyn FieldReader>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Readers(BTreeMap<LinkId, Vec<Reader>>);

/// Families and bases of each wire.
type Wanted<'s> = BTreeMap<LinkId, &'s BTreeMap<Family, String>>;

impl Readers {
    pub(super) fn new(settings: &Settings, registry: &Registry) -> Self {
        let mut readers = Self::default();
        readers.renew(settings, registry);
        readers
    }

    /// Takes another config or registry; what devices said before is kept where the family stays.
    pub(super) fn renew(&mut self, settings: &Settings, registry: &Registry) {
        let wanted = wanted(settings);
        self.0.retain(|link, _| wanted.contains_key(link));
        for (link, families) in wanted {
            let readers = self.0.entry(link).or_default();
            readers.retain(|reader| families.get(&reader.family) == Some(&reader.base));
            for (family, base) in families {
                let known = field_settings(*family, base, settings, registry);
                match readers.iter_mut().find(|reader| reader.family == *family) {
                    Some(reader) => reader.reads.set(known),
                    None => readers.extend(reader(*family, known).map(|reads| Reader {
                        family: *family,
                        base: base.clone(),
                        reads,
                    })),
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

    /// Wires, topics and payloads that show a device how far its call has come.
    pub(super) fn encode(&self, command: &Command) -> Vec<(LinkId, String, Vec<u8>)> {
        let encode = |(link, readers): (&LinkId, &Vec<Reader>)| {
            let said = readers.iter().find_map(|reader| reader.reads.encode(command));
            said.map(|(topic, payload)| (link.clone(), topic, payload))
        };
        self.0.iter().filter_map(encode).collect()
    }
}

fn wanted(settings: &Settings) -> Wanted<'_> {
    let here = settings.broker.as_ref().map(|broker| &broker.families);
    let here = LinkId::new(BROKER_LINK).ok().zip(here);
    let elsewhere =
        settings.outside.iter().map(|(link, outside)| (link.clone(), &outside.families));
    here.into_iter().chain(elsewhere).filter(|(_, families)| !families.is_empty()).collect()
}

fn reader(family: Family, known: FieldSettings) -> Option<Box<dyn FieldReader>> {
    Some(match family {
        Family::Chirpstack => Box::new(ChirpStack::new(known)),
        Family::Tasmota => Box::new(Tasmota::new(known)),
        Family::Shelly => Box::new(Shelly::new(known)),
        Family::Rtl433 => Box::new(Rtl433::new(known)),
        _ => return None,
    })
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
