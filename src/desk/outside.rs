//! Brokers that others run, and the bridges on them, as the desk sees them: which is heard, which is
//! lost, and over which one a device is answered.
//!
//! A broker that is not heard for a while, that refuses to let us hear, or that says it has thrown
//! messages away is coverage, since nobody behind it may be able to call; the same goes for a
//! Zigbee2MQTT that says it is offline, on whichever broker. Each is a trouble of its own and settled
//! when it is over; people close it. A broker whose access rules give back nothing of what the hub says
//! is coverage too, until messages of others come from it: then only the hub's own word is kept, which
//! is a fault. That a broker has forgotten us, or sent something too large, is
//! over as soon as it is known: it is recorded and said, and calls nobody. Where a device was last
//! heard is only memory: after a start its answer goes out on every wire that speaks its contract.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};

use super::vitals::turned;
use super::{Desk, Turn};
use crate::config::Secrets;
use crate::config::settings::{self, Login, Settings};
use crate::contract::Z2M_BRIDGE;
use crate::counter::WireView;
use crate::incident::{Effect, Stimulus};
use crate::link::mqtt::{
    Breadth, MqttNews, MqttSettings, OutsideBroker, REGAIN, probe_topic, trust,
};
use crate::registry::{Device, Family, Registry, Row};
use crate::terms::{At, Command, DeviceId, HubId, Kind, LinkId, Report, Secret, Wait, What};

/// How long a Zigbee2MQTT may be offline before it is a trouble. Own choice: its restart takes half of
/// it.
const BRIDGE_GRACE: Wait = Wait::secs(60);
/// How long a broker must throw nothing away before that is held to be over. Own choice.
const THROWN_QUIET: Wait = Wait::mins(10);
/// Devices whose wire is remembered; beyond it the first ones stay, and the others are answered on
/// every wire. More than a full hub has.
const HEARD_MAX: usize = 8_192;

/// How long a broker that is given up may take to acknowledge what is owed.
pub(super) const STOP_WITHIN: Wait = Wait::secs(3);
/// What follows a link's name in the subjects of its troubles.
const SUBSCRIPTION: &str = "subscription";
const QUEUE: &str = "queue";
const ZIGBEE: &str = "zigbee2mqtt";
const ACCESS: &str = "access";
/// Zigbee names that a narrow subscription must spell out; the rest is heard by the wide one only.
/// Own choice: one SUBSCRIBE of them stays well below what every broker takes.
const SPELLED_MAX: usize = 1_000;

/// What one broker is spoken to with, its secret included.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OutsideParts {
    pub(super) configured: settings::Outside,
    client_id: String,
    hub: HubId,
    /// User and password, or why the password cannot be read.
    login: Result<Option<(String, Secret)>, String>,
}

impl OutsideParts {
    /// Reads the secrets of all brokers of a config.
    pub(super) fn all(settings: &Settings, secrets: &Secrets) -> BTreeMap<LinkId, Self> {
        let hub = &settings.gateway.hub;
        let login = |login: &Login| match secrets.find(&login.secret) {
            Ok(password) => Ok((login.user.clone(), password)),
            Err(why) => Err(why.to_string()),
        };
        let parts = |configured: &settings::Outside| Self {
            client_id: configured.client_id.clone().unwrap_or_else(|| format!("anling-{hub}")),
            hub: hub.clone(),
            login: configured.login.as_ref().map(login).transpose(),
            configured: configured.clone(),
        };
        settings.outside.iter().map(|(link, outside)| (link.clone(), parts(outside))).collect()
    }

    /// Whether both are opened alike. A CA file may hold something else by now.
    pub(super) fn is_opened_like(&self, other: &Self) -> bool {
        self == other && other.configured.ca_file.is_none()
    }

    /// Everything the wire needs, or why it cannot be opened.
    pub(super) fn settings(
        &self,
        link: &LinkId,
        bridged: &BTreeSet<String>,
    ) -> Result<MqttSettings, String> {
        let (configured, hub) = (&self.configured, &self.hub);
        let tls = match configured.tls {
            true => Some(trust(configured.ca_file.as_deref()).map_err(|why| why.to_string())?),
            false => None,
        };
        let native = ["event", "state", "status"].map(|leaf| format!("anling/v1/{hub}/+/{leaf}"));
        let mut topics: Vec<String> = if configured.native { native.to_vec() } else { Vec::new() };
        let mut narrow = topics.clone();
        let mut bare: Vec<String> = topics.iter().take(1).cloned().collect();
        if let Some(base) = &configured.zigbee_base_topic {
            topics.push(format!("{base}/#"));
            let mut spelled = Vec::new();
            let few = ["+", "+/availability", "+/action", "bridge/state"];
            spelled.extend(few.map(|leaf| format!("{base}/{leaf}")));
            for name in bridged.iter().take(SPELLED_MAX) {
                spelled.extend([format!("{base}/{name}"), format!("{base}/{name}/availability")]);
            }
            narrow.extend(spelled.clone());
            bare.extend(spelled);
        }
        let families = configured.bridged.families.iter().flat_map(|(f, base)| f.filters(base));
        let sources = configured.bridged.sources.iter().map(|source| source.topic.clone());
        let bridged: Vec<String> = families.chain(sources).collect();
        topics.extend(bridged.clone());
        narrow.extend(bridged.clone());
        bare.extend(bridged);
        Ok(MqttSettings {
            link: link.clone(),
            host: configured.host.clone(),
            port: configured.port,
            client_id: self.client_id.clone(),
            login: self.login.clone()?,
            tls,
            topics,
            narrow,
            bare,
            probe: (configured.native && configured.probe).then(|| probe_topic(hub)),
        })
    }

    /// What the desk has to know of it beside its wire.
    pub(super) fn link(&self, broker: Option<OutsideBroker>) -> Link {
        let hub = &self.hub;
        let rules = format!(
            "its access rules must let this hub read anling/v1/{hub}/# and write {} and \
             anling/v1/{hub}/+/cmd",
            probe_topic(hub)
        );
        let (native, lost_after) = (self.configured.native, self.configured.lost_after);
        Link { broker, native, lost_after, rules }
    }
}

/// Registered Zigbee names of several levels, from the record and, at the first start, the files.
pub(super) fn bridged(settings: &Settings, registry: &Registry) -> BTreeSet<String> {
    let in_files = settings.rows.iter().filter_map(|row| match row {
        Row::Device(device) => Some(device),
        _ => None,
    });
    let is_zigbee = |device: &&Device| {
        let family = settings.device_types.get(&device.type_name).map(|kind| kind.family);
        family == Some(Family::Zigbee2mqtt)
    };
    registry
        .devices()
        .chain(in_files)
        .filter(is_zigbee)
        .map(|device| device.heard_name().to_owned())
        .filter(|name| name.contains('/') && !name.contains(['+', '#']))
        .collect()
}

/// One broker.
pub(super) struct Link {
    /// None when it cannot be spoken to at all: a missing secret, a bad certificate.
    pub(super) broker: Option<OutsideBroker>,
    /// Whether native devices are answered there.
    native: bool,
    lost_after: Wait,
    /// What its access rules must allow, as a sentence's end.
    rules: String,
}

/// Something that is well or has not been since.
#[derive(Debug, Default)]
struct Ill {
    since: Option<At>,
    /// Whether people were told; none before the first word about it in this run.
    said: Option<bool>,
}

/// Everything that is not in the house.
#[derive(Default)]
pub(super) struct Outside {
    links: BTreeMap<LinkId, Link>,
    lost: BTreeMap<LinkId, Ill>,
    /// Why each was last not heard.
    why: BTreeMap<LinkId, String>,
    deaf: BTreeMap<LinkId, Ill>,
    thrown: BTreeMap<LinkId, Ill>,
    bridges: BTreeMap<LinkId, Ill>,
    /// Nothing comes through, whatever it acknowledges.
    shut: BTreeMap<LinkId, Ill>,
    /// Messages come, and the hub's own word does not.
    barred: BTreeMap<LinkId, Ill>,
    heard_at: BTreeMap<DeviceId, LinkId>,
}

impl Ill {
    fn begin(&mut self, at: At) {
        self.since.get_or_insert(at);
    }

    /// What people have to be told now, if anything: broken after `grace`, or well again.
    fn turn(&mut self, now: At, grace: Wait) -> Option<bool> {
        let broken = match self.since {
            Some(since) if self.said != Some(true) && now - since < grace => return None,
            since => since.is_some(),
        };
        turned(&mut self.said, broken).map(|_| broken)
    }
}

impl Outside {
    /// A broker more: not heard yet.
    pub(super) fn put(&mut self, link: LinkId, broker: Link, now: At) {
        self.lost.insert(link.clone(), Ill { since: Some(now), said: None });
        self.links.insert(link, broker);
    }

    /// A broker less; its wire, to be stopped, and its troubles, to be settled.
    pub(super) fn take(&mut self, link: &LinkId) -> (Option<OutsideBroker>, Vec<(Kind, String)>) {
        let Some(gone) = self.links.remove(link) else { return (None, Vec::new()) };
        let was_said = |ills: &mut BTreeMap<LinkId, Ill>| {
            ills.remove(link).is_some_and(|ill| ill.said == Some(true))
        };
        let troubles = [
            was_said(&mut self.lost).then(|| (Kind::Link, link.to_string())),
            was_said(&mut self.deaf).then(|| (Kind::Link, format!("{link}.{SUBSCRIPTION}"))),
            was_said(&mut self.thrown).then(|| (Kind::Link, format!("{link}.{QUEUE}"))),
            was_said(&mut self.bridges).then(|| (Kind::Link, format!("{link}.{ZIGBEE}"))),
            was_said(&mut self.shut).then(|| (Kind::Link, format!("{link}.{ACCESS}"))),
            was_said(&mut self.barred).then(|| (Kind::Access, link.to_string())),
        ];
        (gone.broker, troubles.into_iter().flatten().collect())
    }

    /// How each broker stands, for `status`.
    pub(super) fn views(&self) -> Vec<WireView> {
        let ill = |ills: &BTreeMap<LinkId, Ill>, link: &LinkId| {
            ills.get(link).is_some_and(|ill| ill.since.is_some())
        };
        let view = |(link, outside): (&LinkId, &Link)| WireView {
            name: link.to_string(),
            trouble: match outside.broker {
                None => Some(
                    "it cannot be spoken to: see the log for its secret or certificates".to_owned(),
                ),
                _ if ill(&self.lost, link) => {
                    let why = self.why.get(link).map_or("no answer yet", String::as_str);
                    Some(format!("it is not heard: {why}"))
                }
                _ if ill(&self.deaf, link) => {
                    Some("it refuses a subscription: see its access rules".to_owned())
                }
                _ if ill(&self.shut, link) => {
                    Some(format!("nothing comes through: {}", outside.rules))
                }
                _ if ill(&self.barred, link) => {
                    Some(format!("our own word does not come back: {}", outside.rules))
                }
                _ if ill(&self.thrown, link) => Some(
                    "it has thrown messages away: write max_queued_messages 0 into its settings"
                        .to_owned(),
                ),
                _ if ill(&self.bridges, link) => Some("its Zigbee2MQTT is offline".to_owned()),
                _ => None,
            },
            heard: !ill(&self.lost, link) && !ill(&self.shut, link),
        };
        self.links.iter().map(view).collect()
    }

    /// A device spoke on an MQTT wire.
    pub(super) fn heard(&mut self, device: &DeviceId, link: &LinkId) {
        if let Some(known) = self.heard_at.get_mut(device) {
            if known != link {
                *known = link.clone();
            }
        } else if self.heard_at.len() < HEARD_MAX {
            self.heard_at.insert(device.clone(), link.clone());
        }
    }

    /// Where a device was last heard.
    pub(super) fn heard_on(&self, device: &DeviceId) -> Option<&LinkId> {
        self.heard_at.get(device)
    }

    /// Whether the broker where a device was last heard, or the bridge on it, is gone or lets nothing
    /// of the device through.
    pub(super) fn is_cut_off(&self, device: &DeviceId) -> bool {
        let ill = |ills: &BTreeMap<LinkId, Ill>, link: &LinkId| {
            ills.get(link).is_some_and(|ill| ill.since.is_some())
        };
        let link = self.heard_at.get(device);
        let gone = [&self.lost, &self.deaf, &self.bridges, &self.shut];
        link.is_some_and(|link| gone.iter().any(|ills| ill(ills, link)))
    }

    /// A bridge says whether it is there; false when the report is a device's.
    pub(super) fn is_bridge(&mut self, report: &Report, link: &LinkId) -> bool {
        let What::Presence { online } = report.what else { return false };
        if report.device.as_str() != Z2M_BRIDGE {
            return false;
        }
        let bridge = self.bridges.entry(link.clone()).or_default();
        match online {
            true => bridge.since = None,
            false => bridge.begin(report.heard_at),
        }
        true
    }

    /// Sends a command over the wires where its device may be; whether the built-in broker is one.
    pub(super) fn tell(&self, device: &DeviceId, topic: &str, payload: &[u8]) -> bool {
        let known = self.heard_at.get(device);
        for (link, outside) in &self.links {
            if !outside.native || known.is_some_and(|known| known != link) {
                continue;
            }
            let Some(broker) = &outside.broker else { continue };
            if let Err(full) = broker.publish(topic, payload.to_vec()) {
                warn!(%link, %full, "feedback was not sent");
            }
        }
        known.is_none_or(|known| !self.links.contains_key(known))
    }

    /// Sends something over one wire; false when it is none of these.
    pub(super) fn send(&self, link: &LinkId, topic: &str, payload: &[u8]) -> bool {
        let Some(outside) = self.links.get(link) else { return false };
        if let Some(broker) = &outside.broker
            && let Err(full) = broker.publish(topic, payload.to_vec())
        {
            warn!(%link, %full, "feedback was not sent");
        }
        true
    }

    /// Stops hearing; the handles end when what is still owed is acknowledged.
    pub(super) fn stop(&mut self, limit: Wait) -> tokio::task::JoinSet<()> {
        let mut ending = tokio::task::JoinSet::new();
        for link in self.links.values_mut() {
            if let Some(broker) = link.broker.take() {
                ending.spawn(broker.stop(limit));
            }
        }
        ending
    }
}

impl Desk {
    /// An outside broker's standing has changed.
    pub(super) fn hear_outside(&mut self, turn: &mut Turn, (link, news): (LinkId, MqttNews)) {
        let now = self.clock.now();
        let outside = &mut self.outside;
        match news {
            MqttNews::Hearing { resumed } => {
                info!(%link, resumed, "the outside broker is heard");
                outside.lost.entry(link.clone()).or_default().since = None;
                outside.deaf.entry(link.clone()).or_default().since = None;
                self.answer_again(turn, &link);
            }
            MqttNews::Lost { why } => {
                outside.why.insert(link.clone(), why);
                outside.lost.entry(link).or_default().begin(now);
            }
            MqttNews::Forgot => self.find_outside(format!(
                "the broker {link} has forgotten this hub: presses that it acknowledged meanwhile \
                 come again only from devices that wait for `stored`; write persistence true and \
                 max_queued_messages 0 into its settings"
            )),
            MqttNews::Deaf { filters } => {
                warn!(%link, ?filters, "the outside broker refuses subscriptions");
                outside.lost.entry(link.clone()).or_default().since = None;
                outside.deaf.entry(link).or_default().begin(now);
            }
            MqttNews::Through => {
                outside.shut.entry(link.clone()).or_default().since = None;
                outside.barred.entry(link).or_default().since = None;
            }
            MqttNews::Barred { heard } => {
                let (now_ill, not) = match heard {
                    false => (&mut outside.shut, &mut outside.barred),
                    true => (&mut outside.barred, &mut outside.shut),
                };
                not.entry(link.clone()).or_default().since = None;
                let ill = now_ill.entry(link.clone()).or_default();
                let is_new = ill.since.is_none();
                ill.begin(now);
                if is_new && let Some(known) = outside.links.get(&link) {
                    let rules = known.rules.clone();
                    self.find_outside(format!(
                        "the broker {link} acknowledges what this hub says and gives nothing of it \
                         back: {rules}; where the hub may not write, probe = false in links.toml"
                    ));
                }
            }
            MqttNews::Big { bytes, heard } => self.find_outside(too_large(&link, bytes, heard)),
            MqttNews::ThrownAway { more } => {
                let thrown = outside.thrown.entry(link.clone()).or_default();
                thrown.since = Some(now);
                self.find_outside(format!(
                    "the broker {link} has thrown {more} messages away: write \
                     max_queued_messages 0 into its settings"
                ));
            }
        }
        self.look_at_outside(turn);
    }

    /// Says what has been wrong for long enough, and what is well again.
    pub(super) fn look_at_outside(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let outside = &mut self.outside;
        for thrown in outside.thrown.values_mut() {
            if thrown.since.is_some_and(|since| now - since >= THROWN_QUIET) {
                thrown.since = None;
            }
        }
        let mut turned = Vec::new();
        for (link, lost) in &mut outside.lost {
            let grace = outside.links.get(link).map_or(Wait::ZERO, |known| known.lost_after);
            let told = lost.turn(now, grace);
            turned.extend(told.map(|broken| (Kind::Link, link.to_string(), broken)));
        }
        for (link, barred) in &mut outside.barred {
            let told = barred.turn(now, Wait::ZERO);
            turned.extend(told.map(|broken| (Kind::Access, link.to_string(), broken)));
        }
        for (ills, what, grace) in [
            (&mut outside.deaf, SUBSCRIPTION, Wait::ZERO),
            (&mut outside.thrown, QUEUE, Wait::ZERO),
            (&mut outside.bridges, ZIGBEE, BRIDGE_GRACE),
            (&mut outside.shut, ACCESS, Wait::ZERO),
        ] {
            for (link, ill) in ills {
                let subject = || format!("{link}.{what}");
                turned.extend(ill.turn(now, grace).map(|broken| (Kind::Link, subject(), broken)));
            }
        }
        for (kind, subject, broken) in turned {
            match broken {
                true => warn!(%kind, subject, "not heard: people are told"),
                false => info!(%kind, subject, "heard"),
            }
            self.trouble(turn, kind, subject, broken);
        }
    }

    fn find_outside(&mut self, finding: String) {
        warn!("{finding}");
        self.own.push_back(Stimulus::Found(finding));
    }

    /// Commands under way when the connection broke are gone: devices heard there are told anew where
    /// their calls stand.
    fn answer_again(&mut self, turn: &mut Turn, link: &LinkId) {
        let newest = turn.newest();
        let there = self.outside.heard_at.iter().filter(|(_, at)| *at == link);
        let commands: Vec<Command> =
            there.flat_map(|(device, _)| self.book.feedback_for(device)).collect();
        turn.effects.extend(commands.into_iter().map(|said| (newest, Effect::Feedback(said))));
    }
}

/// What to say of a packet beyond the limit.
fn too_large(link: &LinkId, bytes: usize, heard: Breadth) -> String {
    let first = format!(
        "the broker {link} sent {bytes} bytes at once, beyond the limit: what it sent right after may \
         be lost"
    );
    match heard {
        Breadth::Wide => first,
        Breadth::Narrow => format!(
            "{first}, and Zigbee devices that have a / in their name and were not registered when \
             this hub began to hear it are not heard until the next start"
        ),
        Breadth::Bare => format!(
            "{first}, and it sends them with every subscription: clear the message that it keeps; \
             until then states and signs of life that devices say there in this hub's own contract \
             are not heard, and they are asked for again every {} min",
            REGAIN.0 / 60_000
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_cut_off_by_what_keeps_it_from_us_and_by_nothing_else() {
        let link = LinkId::new("mqtt.home").unwrap();
        let device = DeviceId::new("B-02").unwrap();
        let cut_off_by = |trouble: fn(&mut Outside) -> &mut BTreeMap<LinkId, Ill>| {
            let mut outside = Outside::default();
            outside.heard(&device, &link);
            trouble(&mut outside).entry(link.clone()).or_default().begin(At(1));
            let other = DeviceId::new("B-03").unwrap();
            assert!(!outside.is_cut_off(&other), "it was heard elsewhere");
            let was = outside.is_cut_off(&device);
            trouble(&mut outside).entry(link.clone()).or_default().since = None;
            assert!(!outside.is_cut_off(&device), "it is over");
            was
        };
        assert!(cut_off_by(|outside| &mut outside.lost));
        assert!(cut_off_by(|outside| &mut outside.deaf));
        assert!(cut_off_by(|outside| &mut outside.bridges));
        assert!(cut_off_by(|outside| &mut outside.shut));
        assert!(!cut_off_by(|outside| &mut outside.barred), "presses come");
        assert!(!cut_off_by(|outside| &mut outside.thrown));
    }

    #[test]
    fn people_are_told_once_after_the_grace_and_once_when_it_is_over() {
        let mut ill = Ill::default();
        let grace = Wait::secs(60);
        assert_eq!(ill.turn(At(0), grace), Some(false), "the first word of a run");
        assert_eq!(ill.turn(At(1), grace), None);
        ill.begin(At(1_000));
        ill.begin(At(50_000));
        assert_eq!(ill.turn(At(60_999), grace), None);
        assert_eq!(ill.turn(At(61_000), grace), Some(true));
        assert_eq!(ill.turn(At(99_000), grace), None);
        ill.since = None;
        assert_eq!(ill.turn(At(99_001), grace), Some(false));
        ill.begin(At(100_000));
        ill.since = None;
        assert_eq!(ill.turn(At(200_000), grace), None, "a short absence is no news");
    }
}
