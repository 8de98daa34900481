//! What comes in from the wires: bytes become reports, reports become stimuli, receipts wait.

use std::collections::{BTreeMap, BTreeSet};

use tracing::debug;

use super::readers::{Readers, SIGNALS};
use super::strangers::{Heard, Said, Strangers};
use super::{Desk, Turn};
use crate::config::settings::{Reach, Settings};
use crate::contract::{
    Meaning, NativeMqtt, NativeSerial, SERIAL_FAMILY, Z2mDevice, Z2mSettings, Zigbee2Mqtt,
};
use crate::incident::{Effect, Stimulus};
use crate::link::broker::{LINK as BROKER_LINK, SessionNews};
use crate::registry::{DeviceType, Family, Registry, ZigbeeModel};
use crate::terms::{
    At, Command, Decoded, Decoder, DeviceId, FeedbackStage, Inbound, Kind, LinkId, Refusal,
    RefusalReason, Report, Wait, What,
};

/// Registered devices whose last sign of life is remembered; more than a full hub has. Beyond it the
/// first ones stay: looking for one to forget would cost a search for every press of a storm.
const HEARD_MAX: usize = 8_192;
/// Unregistered devices that the log names, each once; a street of sensors must not fill it.
const NAMED_MAX: usize = 512;
/// Sources whose refusals are counted at once; when full, the counts begin anew.
const REFUSED_MAX: usize = 1_024;
/// Refusals are counted by the minute.
const REFUSED_PER: Wait = Wait::mins(1);
/// Unreadable signals of one registered device that are recorded each in a minute; then every tenth
/// power. Own choice: somebody may be pressing a broken button; nobody presses it more often.
const REFUSED_EACH: u32 = 10;

/// What refusals are counted by; the device only where it is registered.
type Refused = (LinkId, RefusalReason, Option<DeviceId>);

/// The readers and what they have heard.
pub(super) struct Intake {
    native: NativeMqtt,
    /// The Zigbee2MQTT of each wire that has one, with the topic its own begin with.
    zigbee: BTreeMap<LinkId, (String, Zigbee2Mqtt)>,
    /// The other bridged families.
    pub(super) bridged: Readers,
    /// Devices that nobody registered and that were named in the log since the start.
    named: BTreeSet<DeviceId>,
    /// They, with what they last said.
    pub(super) strangers: Strangers,
    /// When each registered device was last heard since the start.
    pub(super) heard: BTreeMap<DeviceId, At>,
    /// What is left in their batteries in percent, where they say so.
    pub(super) batteries: BTreeMap<DeviceId, u8>,
    refused: BTreeMap<Refused, (At, u32)>,
    /// Signals that could not be read since the start.
    pub(super) refused_total: u64,
}

impl Intake {
    pub(super) fn new(settings: &Settings, registry: &Registry) -> Self {
        let names = zigbee_names(settings, registry);
        let zigbee = zigbee_topics(settings).into_iter().map(|(link, base_topic)| {
            let settings = Z2mSettings { base_topic: base_topic.clone(), names: names.clone() };
            (link, (base_topic, Zigbee2Mqtt::new(settings)))
        });
        Self {
            native: NativeMqtt::new(settings.gateway.hub.clone()),
            zigbee: zigbee.collect(),
            bridged: Readers::new(settings, registry),
            named: BTreeSet::new(),
            strangers: Strangers::default(),
            heard: BTreeMap::new(),
            batteries: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_total: 0,
        }
    }

    /// Learns the names of another registry; what was heard so far stays known.
    pub(super) fn relearn(&mut self, settings: &Settings, registry: &Registry) {
        self.heard.retain(|device, _| registry.device(device).is_some());
        self.batteries.retain(|device, _| registry.device(device).is_some());
        let names = zigbee_names(settings, registry);
        for (base_topic, zigbee) in self.zigbee.values_mut() {
            zigbee.set(Z2mSettings { base_topic: base_topic.clone(), names: names.clone() });
        }
        self.bridged.renew(settings, registry);
        self.strangers.relearn(&settings.device_types, registry);
    }

    /// Another device hangs there now: nothing was heard of it yet.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.heard.remove(device);
        self.batteries.remove(device);
    }

    /// Learns another config; what was heard so far stays known.
    pub(super) fn renew(&mut self, settings: &Settings, registry: &Registry) {
        let bases = zigbee_topics(settings);
        self.zigbee.retain(|link, (base, _)| bases.get(link) == Some(base));
        for (link, base) in bases {
            self.zigbee.entry(link).or_insert_with(|| {
                let settings = Z2mSettings { base_topic: base.clone(), names: BTreeMap::new() };
                (base, Zigbee2Mqtt::new(settings))
            });
        }
        self.relearn(settings, registry);
    }

    /// The wires that have a Zigbee2MQTT, with the topic its own begin with.
    pub(super) fn zigbee_bases(&self) -> impl Iterator<Item = (&LinkId, &str)> {
        self.zigbee.iter().map(|(link, (base, _))| (link, base.as_str()))
    }

    /// Reads one message; its wire and its topic decide which contract it speaks.
    fn read(&mut self, at: At, inbound: &Inbound, is_line: bool) -> Vec<Decoded> {
        if is_line {
            let read = self.bridged.read_line(at, inbound);
            return read.unwrap_or_else(|| NativeSerial.take(at, inbound));
        }
        let is_below =
            |base: &str| inbound.topic.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        match self.zigbee.get_mut(&inbound.link) {
            Some((base, zigbee)) if is_below(base) => zigbee.take(at, inbound),
            _ => match self.bridged.read(at, inbound) {
                Some(decoded) => decoded,
                None => self.native.take(at, inbound),
            },
        }
    }

    fn note_heard(&mut self, device: &DeviceId, at: At) {
        if device.is_unregistered() {
            if self.named.len() < NAMED_MAX && self.named.insert(device.clone()) {
                debug!(%device, "heard, and nobody has registered it: heard_as follows the colon");
            }
            return;
        }
        if let Some(last) = self.heard.get_mut(device) {
            *last = at;
        } else if self.heard.len() < HEARD_MAX {
            self.heard.insert(device.clone(), at);
        }
    }

    fn note_battery(&mut self, report: &Report) {
        let Some(percent) = report.battery else { return };
        if let Some(last) = self.batteries.get_mut(&report.device) {
            *last = percent;
        } else if self.heard.contains_key(&report.device) {
            // As many as are remembered as heard, and only registered ones.
            self.batteries.insert(report.device.clone(), percent);
        }
    }

    /// How many like it came in this minute, this one included.
    fn count_refusal(&mut self, link: &LinkId, refusal: &Refusal, known: Option<DeviceId>) -> u32 {
        self.refused_total += 1;
        let key = (link.clone(), refusal.reason, known);
        if self.refused.len() >= REFUSED_MAX && !self.refused.contains_key(&key) {
            self.refused.clear();
        }
        let (since, count) = self.refused.entry(key).or_insert((refusal.heard_at, 0));
        if refusal.heard_at - *since >= REFUSED_PER {
            (*since, *count) = (refusal.heard_at, 0);
        }
        *count = count.saturating_add(1);
        *count
    }
}

/// The wires that have a Zigbee2MQTT, with the topic its own begin with.
fn zigbee_topics(settings: &Settings) -> BTreeMap<LinkId, String> {
    let here = settings.broker.as_ref().and_then(|b| b.zigbee_base_topic.clone());
    let here = LinkId::new(BROKER_LINK).ok().zip(here);
    let elsewhere = settings
        .outside
        .iter()
        .filter_map(|(link, outside)| Some((link.clone(), outside.zigbee_base_topic.clone()?)));
    here.into_iter().chain(elsewhere).collect()
}

/// Friendly names of registered Zigbee devices and what their signals mean.
fn zigbee_names(settings: &Settings, registry: &Registry) -> BTreeMap<String, Z2mDevice> {
    let of_zigbee = |device: &&crate::registry::Device| {
        let family = settings.device_types.get(&device.type_name).map(|t| t.family);
        family == Some(Family::Zigbee2mqtt)
    };
    registry
        .devices()
        .filter(of_zigbee)
        .filter_map(|device| {
            let kind = settings.device_types.get(&device.type_name)?;
            let known = Z2mDevice { id: device.id.clone(), meaning: meaning(kind) };
            Some((device.heard_name().to_owned(), known))
        })
        .collect()
}

fn meaning(kind: &DeviceType) -> Meaning {
    let mut meaning = Meaning {
        life_safety: kind.life_safety,
        mains: kind.zigbee.mains,
        alarm: kind.zigbee.alarm,
        gas_alarm_from: kind.zigbee.gas_alarm_from,
        ..Meaning::default()
    };
    if let Some(model) = kind.zigbee.model.as_deref().and_then(ZigbeeModel::find) {
        // The type's own words go before the model's: they are the technician's.
        let unnamed = |word: &&&str| !kind.actions.contains_key(**word);
        meaning.sos.extend(model.sos.iter().filter(unnamed).map(|word| (*word).to_owned()));
        meaning.silent.extend(model.silent.iter().filter(unnamed).map(|word| (*word).to_owned()));
    }
    for (word, means) in &kind.actions {
        let list = match means.as_str() {
            "cancel" => &mut meaning.cancel,
            "ignore" => &mut meaning.silent,
            other => match Kind::from_word(other) {
                Some(Kind::Sos) => &mut meaning.sos,
                Some(Kind::Service) => &mut meaning.service,
                _ => continue,
            },
        };
        list.insert(word.clone());
    }
    meaning
}

impl Desk {
    /// Takes in one message.
    pub(super) fn hear(&mut self, turn: &mut Turn, inbound: Inbound) {
        let at = inbound.received.max(self.book.last_at());
        let is_line = self.ports.is_line(&inbound.link);
        let decoded = self.intake.read(at, &inbound, is_line);
        let before = turn.newest();
        let (mut must_wait, mut recorded) = (false, true);
        let unread =
            |decoded: &Decoded| matches!(decoded, Decoded::Refusal(r) if r.reason.is_of_form());
        let is_told = is_line || inbound.link.as_str().starts_with(SIGNALS);
        let nothing_read = is_told && !decoded.is_empty() && decoded.iter().all(unread);
        for decoded in decoded {
            match decoded {
                Decoded::Report(report) if self.outside.is_bridge(&report, &inbound.link) => {}
                Decoded::Report(mut report) => {
                    report.device = self.registered(report.device);
                    if is_line {
                        self.ports.sound(&inbound.link, at);
                        self.ports.heard(&report.device, &inbound.link);
                    } else {
                        self.outside.heard(&report.device, &inbound.link);
                    }
                    must_wait |= report.what.must_survive() && !report.retained;
                    if report.device.is_unregistered() {
                        let (said, battery) = (Said::Meant(report.what), report.battery);
                        self.hear_stranger(&report.device, &inbound, said, battery);
                    }
                    recorded &= self.hear_report(turn, report);
                }
                Decoded::Refusal(refusal) => {
                    recorded &= self.hear_refusal(turn, &inbound, refusal);
                }
            }
        }
        if nothing_read {
            // Where the wire has a word for that, its sender hears it; no answer claims anything.
            return inbound.receipt.unread();
        }
        // A repeat makes no new fact, but its first copy may still be on its way to disk: it waits
        // for the newest fact there is. Signs of life wait for nothing.
        turn.acknowledge(inbound.receipt, before, must_wait, recorded);
    }

    /// Notes what a device said that nobody registered; a kept copy is no
    /// sign of life.
    fn hear_stranger(
        &mut self,
        address: &DeviceId,
        inbound: &Inbound,
        said: Said,
        battery: Option<u8>,
    ) {
        if inbound.retained {
            return;
        }
        let at = inbound.received.max(self.book.last_at());
        let heard = Heard { at, link: &inbound.link, said, battery, bytes: &inbound.bytes };
        self.intake.strangers.hear(address, &heard);
    }

    /// Writes down a level that is another one; while the clock is wrong no slope can be told from it.
    fn note_level(&mut self, turn: &mut Turn, report: &Report) {
        let Some(percent) = report.battery.filter(|_| !report.retained) else { return };
        if self.clock.wall().trusted && self.book.is_battery_news(&report.device, percent) {
            let device = report.device.clone();
            self.decide(turn, &Stimulus::Battery { device, percent });
        }
    }

    /// Whether what came of it is on its way to disk.
    fn hear_report(&mut self, turn: &mut Turn, report: Report) -> bool {
        self.intake.note_heard(&report.device, report.heard_at);
        self.intake.note_battery(&report);
        self.programs.counts.hear(report.what);
        if self.is_behind_a_cut(&report) {
            return true;
        }
        self.spoke(turn, &report);
        self.follow_count(turn, &report);
        let before = turn.newest();
        let stimulus = Stimulus::Heard(report);
        if !self.decide(turn, &stimulus) {
            return false;
        }
        let Stimulus::Heard(report) = stimulus else { return true };
        let heard = turn.newest();
        self.note_life(turn, &report);
        self.note_level(turn, &report);
        let answered = matches!(report.what, What::Pulse(_) | What::Cancel | What::Level { .. });
        if heard == before && answered && !report.retained {
            let again = Command {
                device: report.device.clone(),
                mark: report.mark,
                stage: FeedbackStage::Stored,
            };
            turn.effects.push((before, Effect::Feedback(again)));
            for stage in self.book.feedback_for(&report.device) {
                if stage.mark == report.mark && stage.stage > FeedbackStage::Stored {
                    turn.effects.push((before, Effect::Feedback(stage)));
                }
            }
        }
        true
    }

    /// The registered device of a native name or serial address, or the address it was heard under.
    pub(super) fn registered(&self, device: DeviceId) -> DeviceId {
        let registry = self.book.registry();
        let (family, name) = match device.as_str().split_once(':') {
            Some((SERIAL_FAMILY, name)) => (Family::NativeSerial, name),
            Some(_) => return device,
            None if self.is_heard_by_its_id(&device) => return device,
            None => (Family::NativeMqtt, device.as_str()),
        };
        match registry.by_heard_as(&self.settings.device_types, family, name) {
            Some(known) => known.id.clone(),
            None => DeviceId::unregistered(family.word(), name),
        }
    }

    /// Whether a native name is a registered device's id; not where that device is heard under another
    /// name, because it was swapped and this is the old one.
    fn is_heard_by_its_id(&self, device: &DeviceId) -> bool {
        let Some(row) = self.book.registry().device(device) else { return false };
        let family = self.settings.device_types.get(&row.type_name).map(|kind| kind.family);
        family != Some(Family::NativeMqtt) || row.heard_name() == device.as_str()
    }

    /// Records a signal that could not be read: the first ones of a registered device in a minute,
    /// else the first of all, and then every tenth power, so that noise fills neither disk nor log.
    /// A kept copy is no news. Whether what came of it is on its way to disk.
    fn hear_refusal(&mut self, turn: &mut Turn, inbound: &Inbound, refusal: Refusal) -> bool {
        let device = refusal.device.clone().map(|d| self.registered(d));
        if let Some(stranger) = device.as_ref().filter(|device| device.is_unregistered()) {
            self.hear_stranger(stranger, inbound, Said::Unread(refusal.reason), None);
        }
        let registered = device.clone().filter(|d| !d.is_unregistered());
        let known = registered.is_some();
        let count = self.intake.count_refusal(&inbound.link, &refusal, registered);
        if inbound.retained {
            return true;
        }
        // It cannot be read, and it is there.
        if let Some(device) = device.as_ref().filter(|_| known) {
            self.intake.note_heard(device, refusal.heard_at);
        }
        let refusal = Refusal { device, ..refusal };
        if self.ports.is_line(&inbound.link) {
            if refusal.device.is_some() {
                self.ports.sound(&inbound.link, refusal.heard_at);
            }
            if !known {
                return self.hear_noise(turn, &inbound.link, refusal);
            }
        }
        let power_of_ten = (0..9).any(|n| count == 10_u32.pow(n));
        let early = known && count <= REFUSED_EACH;
        if !early && !power_of_ten {
            return true;
        }
        self.decide(turn, &Stimulus::Unread { link: inbound.link.clone(), refusal, count })
    }

    /// A client listens again: its sessions were in memory, so it is told where its calls stand.
    pub(super) fn tell_again(&mut self, turn: &mut Turn, news: &SessionNews) {
        let SessionNews::Listening { account, .. } = news else { return };
        let Some(broker) = &self.settings.broker else { return };
        let device =
            broker.accounts.iter().find(|known| known.name == **account).and_then(|known| {
                match &known.reach {
                    Reach::Device(device) => Some(device.clone()),
                    _ => None,
                }
            });
        let Some(device) = device else { return };
        let device = self.registered(device);
        let newest = turn.newest();
        for command in self.book.feedback_for(&device) {
            turn.effects.push((newest, Effect::Feedback(command)));
        }
    }
}
