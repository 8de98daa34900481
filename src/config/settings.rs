//! The settings that no other room owns yet: plain data, checked, ready to be handed on.
//!
//! Links, carriers and pages take their own types; the desk turns these into them, so that a room
//! can change its insides without the config files noticing. Secrets stand here by name only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::incident::{Carrier, LifePlan, Policy};
use crate::registry::{DeviceTypes, Family, Row};
use crate::roster::Roster;
use crate::terms::{
    DeviceId, EndpointId, Framing, HubId, JsonSource, LinkId, ModbusPoint, PersonId, Phone, Spoken,
    SupplySource, Wait,
};

/// Everything a hub runs on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `gateway.toml`.
    pub gateway: Gateway,
    /// `[power]` of `gateway.toml`; `None` where nothing watches the mains.
    pub power: Option<Power>,
    /// `[link.broker]` of `links.toml`; `None` when no broker is to run.
    pub broker: Option<Broker>,
    /// `[link.mqtt.NAME]` of `links.toml` by the link's whole name, `mqtt.NAME`.
    pub outside: BTreeMap<LinkId, Outside>,
    /// `[link.serial.NAME]` of `links.toml` by the link's whole name, `serial.NAME`.
    pub serial: BTreeMap<LinkId, Serial>,
    /// `[link.modbus.NAME]` of `links.toml` by the link's whole name, `modbus.NAME`.
    pub modbus: BTreeMap<LinkId, PolledLine>,
    /// `[link.modem.NAME]` of `links.toml` by the link's whole name, `modem.NAME`.
    pub modems: BTreeMap<LinkId, Modem>,
    /// `[signals.NAME]` of `links.toml` by the whole name, `signals.NAME`.
    pub signals: BTreeMap<LinkId, Signal>,
    /// `[type.NAME]` of `devices.toml`.
    pub device_types: DeviceTypes,
    /// `[life.NAME]` of `devices.toml`.
    pub life: LifePlan,
    /// `ladders.toml`, with the subscriptions of webhooks and platforms as its endpoints.
    pub policy: Policy,
    /// `notify.toml`.
    pub notify: Notify,
    /// `[platform.NAME]` of `district.toml` by name; no webhook has the same one.
    pub platforms: BTreeMap<EndpointId, Platform>,
    /// `roster.toml`, with the stations of `gateway.toml`.
    pub roster: Roster,
    /// The registry's files in their order: residents, homes, devices, people, contacts, beds.
    pub rows: Vec<Row>,
    /// The name of the whole set of files: see [`super::Files::hash`].
    pub hash: String,
}

impl Settings {
    /// Whether an endpoint may be told residents' names.
    pub fn names_for(&self, endpoint: &EndpointId) -> bool {
        let webhook = self.notify.webhooks.get(endpoint).is_some_and(|webhook| webhook.names);
        webhook || self.platforms.get(endpoint).is_some_and(|platform| platform.names)
    }

    /// After how long an Alertmanager's receiver lets go of what it is not told again; `None` of every
    /// other endpoint.
    pub fn resolve_timeout(&self, endpoint: &EndpointId) -> Option<Wait> {
        match self.notify.webhooks.get(endpoint)?.form {
            HookForm::Alerts { resolve_timeout } => Some(resolve_timeout),
            HookForm::CloudEvents => None,
        }
    }
}

/// Who says what the box runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// Who knows.
    pub source: SupplySource,
    /// How long the mains may be gone before people are called: 10 s to 1 h, default 5 min.
    pub patience: Wait,
}

/// What the hub is and where its things lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The hub's id, one level of an MQTT topic.
    pub hub: HubId,
    /// The centre's name as it stands in messages, at most [`SITE_MAX_UNITS`] UTF-16 units.
    pub site: String,
    /// Where pages and the HTTP API listen; loopback. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where one-tap pages and health answers listen for the local network, if they do.
    pub lan: Option<SocketAddr>,
    /// What links in messages begin with, without a `/` at the end; `None` puts no links into them.
    pub public_url: Option<String>,
    /// How long such a link works: 1 min to 24 h, default 30 min.
    pub link_valid: Wait,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The Unix socket of commands.
    pub socket: PathBuf,
    /// Size of one journal segment in bytes: 1 MiB to 1 GiB, default 16 MiB.
    pub segment_bytes: u64,
    /// Size of the really written ballast file: 4 MiB to 1 GiB, default 32 MiB.
    pub ballast_bytes: u64,
    /// Below this much free space a fault is raised: 16 MiB to 64 GiB, default 64 MiB.
    pub min_free_bytes: u64,
    /// How long the record is kept at least: 30 days to 20 years, default 1,096 days (three years).
    pub keep: Wait,
    /// How many of the newest entries are kept at least: 1,000 to 100,000,000, default 100,000.
    pub keep_entries: u64,
    /// Whether the box has a battery clock.
    pub battery_clock: bool,
}

/// Longest name of a centre in UTF-16 units. Own choice: it stands in messages of 70.
pub const SITE_MAX_UNITS: usize = 20;

/// Longest label of a device type in UTF-16 units: see [`crate::registry::DeviceType::label`].
pub const LABEL_MAX_UNITS: usize = 10;

/// The built-in broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at once: 1 to 20,000, default 9,000 (three times the largest centre's devices).
    pub max_connections: usize,
    /// The way in behind TLS; `None` where there is none.
    pub tls: Option<BrokerTls>,
    /// First levels of the topics of Zigbee2MQTT; `None` where there is none.
    pub zigbee_base_topic: Option<String>,
    /// What else is heard there.
    pub bridged: Bridged,
    /// Who may sign in, in the order of the file.
    pub accounts: Vec<Account>,
}

/// `[link.broker.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerTls {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The hub's certificate and those up to its CA, a PEM file.
    pub cert: PathBuf,
    /// Its key, a PEM file.
    pub key: PathBuf,
    /// Who signs the certificates of clients, a PEM file; without it none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// An MQTT user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user name.
    pub name: String,
    /// What it may say and hear.
    pub reach: Reach,
    /// The password's name: see [`super::Secrets`].
    pub secret: String,
}

/// What an account may say and hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// One native device's own topics.
    Device(DeviceId),
    /// Lists of topic filters, for software that speaks for many devices.
    Bridge {
        /// What it may publish to.
        publish: Vec<String>,
        /// What it may subscribe to.
        subscribe: Vec<String>,
    },
    /// Any native device of this hub: `anling press`.
    Local,
}

/// What is heard on a link beside the native contract and Zigbee2MQTT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridged {
    /// Families, with the topic part that their own begin with.
    pub families: BTreeMap<Family, String>,
    /// Sources of JSON of any form, in the order of the file.
    pub sources: Vec<JsonSource>,
}

impl Bridged {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty() && self.sources.is_empty()
    }

    /// The families that are heard.
    pub fn heard(&self) -> impl Iterator<Item = Family> {
        let json = (!self.sources.is_empty()).then_some(Family::Json);
        self.families.keys().copied().chain(json)
    }
}

/// A broker that others run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Name or IPv4 address of its machine.
    pub host: String,
    /// Its port: default 1883, with TLS 8883 (IANA).
    pub port: u16,
    /// The session's name there; `None` is `anling-` and the hub's id.
    pub client_id: Option<String>,
    /// User and the password's name, if it asks for them.
    pub login: Option<Login>,
    /// Whether the connection is TLS.
    pub tls: bool,
    /// The authority that signed the broker's certificate, in PEM; `None` trusts the machine's.
    pub ca_file: Option<PathBuf>,
    /// Whether devices with the native contract are heard there: default yes.
    pub native: bool,
    /// Whether a word of the hub's own must come back from there, where native devices are heard:
    /// default yes.
    pub probe: bool,
    /// First levels of the topics of Zigbee2MQTT; `None` where there is none.
    pub zigbee_base_topic: Option<String>,
    /// What else is heard there.
    pub bridged: Bridged,
    /// How long it may not be heard before it is a trouble: 10 s to 10 min, default 60 s.
    pub lost_after: Wait,
}

/// A serial line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    /// The device, an absolute path.
    pub path: PathBuf,
    /// Speed: one of [`BAUDS`]; the default is that of the contract, 115,200 for our own.
    pub baud: u32,
    /// Data bits, parity and stop bits; the default is that of the contract.
    pub framing: Framing,
    /// What its devices speak.
    pub contract: Spoken,
    /// How long the line may bring no whole frame before it counts as lost, 2 s to 24 h; the default
    /// is that of the contract, 35 s for our own. `None` where nothing speaks unasked: such a line is
    /// lost when it is not open.
    pub silent_after: Option<Wait>,
}

/// A line whose panels are polled over Modbus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledLine {
    /// The device, an absolute path.
    pub path: PathBuf,
    /// Speed: one of [`BAUDS`], default 9,600.
    pub baud: u32,
    /// Data bits, parity and stop bits, default 8N1.
    pub framing: Framing,
    /// How often each panel is asked, 100 ms to 1 s, default 500 ms.
    pub poll: Wait,
    /// The points, in the order of the file; no two have one name.
    pub points: Vec<ModbusPoint>,
    /// What people call the panels that have a name, by their addresses.
    pub panels: BTreeMap<u8, String>,
}

/// A 4G modem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// Its AT port, an absolute path.
    pub path: PathBuf,
    /// Speed: one of [`BAUDS`], default 115,200.
    pub baud: u32,
    /// The make: `sim7600`, `ec20` or `ec25`.
    pub profile: String,
    /// The PIN's name, if its SIM asks for one.
    pub pin: Option<String>,
    /// The service centre's number, where the SIM's own is not to be used.
    pub centre: Option<Phone>,
    /// The program that takes its power and gives it back, with arguments; empty where there is none.
    pub power_cycle: Vec<String>,
    /// How often it is asked whether it lives: 1 s to 60 s, default 10 s.
    pub probe: Wait,
    /// How long it may be without port, SIM or network before that is a trouble: 2 s to 10 min,
    /// default 60 s.
    pub lost_after: Wait,
}

/// Who may hand in signals over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The token's name.
    pub secret: String,
    /// What its bodies look like.
    pub form: SignalForm,
}

/// What the body of a signal looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalForm {
    /// JSON, by the paths where its values stand; the topic is `signals/NAME`.
    Json(JsonSource),
    /// Alertmanager's webhook.
    Alertmanager,
}

/// Speeds that the kernel knows by name and field devices use.
pub const BAUDS: [u32; 11] =
    [1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

/// The ways out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// `[screen]`.
    pub screen: Option<Screen>,
    /// `[mail]`.
    pub mail: Option<Mail>,
    /// `[sms]`.
    pub sms: Option<Sms>,
    /// `[voice]`.
    pub voice: Option<Voice>,
    /// `[wecom.NAME]` and its like, in the order they are tried.
    pub bots: BTreeMap<Carrier, Vec<Bot>>,
    /// `[webhook.NAME]` by name.
    pub webhooks: BTreeMap<EndpointId, Webhook>,
    /// `[witness.NAME]` by name.
    pub witnesses: BTreeMap<String, Witness>,
}

impl Notify {
    /// The carriers that are set up.
    pub fn carriers(&self) -> Vec<Carrier> {
        let set_up = |carrier: &Carrier| match carrier {
            Carrier::Screen => self.screen.is_some(),
            Carrier::Mail => self.mail.is_some(),
            Carrier::Sms => self.sms.is_some(),
            Carrier::Voice => self.voice.is_some(),
            group => self.bots.contains_key(group),
        };
        Carrier::ALL.into_iter().filter(set_up).collect()
    }
}

/// The screen in the duty room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// `-` for standard output, else a file or a terminal.
    pub path: String,
}

/// A group bot, or a server that pushes to telephones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// `NAME` of its table.
    pub name: String,
    /// The provider's address, without the bot's own path.
    pub url: String,
    /// What it is.
    pub form: BotForm,
    /// Whether residents' names are posted: default no.
    pub names: bool,
    /// How long one post may take: 1 s to 60 s, default 10 s.
    pub time_limit: Wait,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// What a bot is, with the names of its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BotForm {
    /// A group bot of WeCom.
    Wecom {
        /// The name of its key.
        key: String,
    },
    /// A group bot of DingTalk.
    Dingtalk {
        /// The name of its token.
        token: String,
        /// The name of what it signs with, where it does.
        sign: Option<String>,
        /// The word that must stand in every post, where the bot asks for one.
        keyword: Option<String>,
    },
    /// A group bot of Feishu.
    Feishu {
        /// The name of its token.
        token: String,
        /// As with DingTalk.
        sign: Option<String>,
        /// As with DingTalk.
        keyword: Option<String>,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// The topic.
        topic: String,
        /// The name of the token, where the server asks for one.
        token: Option<String>,
    },
    /// An application of a Gotify server.
    Gotify {
        /// The name of its token.
        token: String,
    },
    /// Telephones with Bark.
    Bark {
        /// The names of their keys; one to 50.
        device_keys: Vec<String>,
    },
}

/// Short messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Names of modems, `NAME` of `[link.modem.NAME]`, in the order they are tried; one to four.
    pub modems: Vec<String>,
    /// Whether titles stand between 【】: default yes. Some networks take that for advertising.
    pub brackets: bool,
    /// How many messages a SIM may send in an hour beside emergencies and hazards: 1 to 1,000,
    /// default 60.
    pub per_hour: usize,
}

/// Calls that are heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Names of modems, `NAME` of `[link.modem.NAME]`, in the order they are tried; one to four.
    pub modems: Vec<String>,
    /// How long a telephone rings, 5 to 28 s, default 28 s: a mail box takes the call after that.
    pub ring: Wait,
    /// The folder of prepared sentences on the modem's own store, `E:/`; `None` lets the module speak.
    pub wav_dir: Option<String>,
}

/// Mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender's address.
    pub from: String,
    /// The servers, tried in the order of the file; at least one.
    pub relays: Vec<Relay>,
}

/// A mail server that takes our mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its name in the file.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// User and the password's name, if it asks for them.
    pub login: Option<Login>,
    /// A file of further CA certificates in PEM.
    pub ca_file: Option<PathBuf>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Plain at first, TLS demanded before anything is said. Default port 587.
    Starttls,
    /// TLS from the first byte. Default port 465.
    Implicit,
    /// None: this machine only. Default port 25.
    None,
}

/// A user and a password's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// User.
    pub user: String,
    /// The password's name.
    pub secret: String,
}

/// A machine that is told the story. What it asks for stands in [`Policy::endpoints`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to, http or https.
    pub url: String,
    /// The name of the bearer token, if it wants one.
    pub secret: Option<String>,
    /// Whether residents' names may be told.
    pub names: bool,
    /// How long one request may take: 1 s to 60 s, default 10 s.
    pub time_limit: Wait,
    /// A file of further CA certificates in PEM.
    pub ca_file: Option<PathBuf>,
    /// How it is told.
    pub form: HookForm,
}

/// What a webhook is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookForm {
    /// CloudEvents: `[webhook.NAME]`.
    CloudEvents,
    /// Alertmanager's own webhook: `[alertmanager.NAME]`.
    Alerts {
        /// After how long it lets go of what it is not told again: 30 s to 24 h, default 5 min.
        resolve_timeout: Wait,
    },
}

/// Somebody outside who is told that the hub lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Where to, http or https.
    pub url: String,
    /// The name of the bearer token, if it wants one.
    pub secret: Option<String>,
    /// How often: 30 s to 1 h, default 60 s.
    pub every: Wait,
    /// A file of further CA certificates in PEM.
    pub ca_file: Option<PathBuf>,
}

/// A district platform. What it asks for stands in [`Policy::endpoints`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// How it is reached.
    pub way: PlatformWay,
    /// Whether residents' names may be told.
    pub names: bool,
    /// As whom it speaks, an operator of the district; without one nothing it says is heard.
    pub person: Option<PersonId>,
    /// How often it hears that the hub lives: 10 s to 10 min, default 60 s.
    pub life_sign: Wait,
}

/// How a platform is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlatformWay {
    /// `[platform.NAME.mqtt]`
    Mqtt(PlatformMqtt),
    /// `[platform.NAME.https]`
    Https(PlatformHttps),
}

/// Certificates of a connection, PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsPaths {
    /// Further CA certificates.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// A platform's MQTT broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformMqtt {
    /// Name or IPv4 address of its machine.
    pub host: String,
    /// Its port: default 1883, with TLS 8883 (IANA).
    pub port: u16,
    /// User and the password's name, if it asks for them.
    pub login: Option<Login>,
    /// TLS, where it is wanted.
    pub tls: Option<TlsPaths>,
}

/// A platform over HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformHttps {
    /// Where to, http or https.
    pub url: String,
    /// The name of the bearer token, if it wants one.
    pub secret: Option<String>,
    /// Certificates.
    pub tls: TlsPaths,
    /// Whether several events go in one request: default yes.
    pub batch: bool,
    /// What the body of a 2xx answer must say, where the status alone does not count.
    pub accepted: Option<PlatformAnswer>,
    /// How long one request may take: 1 s to 60 s, default 10 s.
    pub time_limit: Wait,
}

/// A place in an answer's body, and what must stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformAnswer {
    /// The place, a JSON pointer: `/code`.
    pub pointer: String,
    /// A text, a whole number, true or false.
    pub is: serde_json::Value,
}
