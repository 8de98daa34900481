//! Settings become running parts: the broker, serial lines, the carriers, the endpoints, with their
//! secrets.
//!
//! A part whose secret is missing or that cannot be opened stays out, loudly, and all else runs: a
//! house with one way out less is better than a silent one. What a part is opened with is kept beside
//! it ([`Parts`]), so that a reload touches only what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::modems::Modems;
use super::outside::{Link, Outside, OutsideParts};
use super::ports::{Ports, Wire};
use super::start::JOURNAL_DIR;
use super::witnesses::WitnessParts;
use super::{ENDS_MAX, NEWS_MAX, SAID_MAX, bots, lines, platforms};
use crate::clock::Clock;
use crate::config::Secrets;
use crate::config::settings::{self, Settings};
use crate::console::{SignalSource, TOKEN_MIN};
use crate::district::{self, Heard, PlatformSettings};
use crate::incident::{Carrier, OrderId};
use crate::link::LinkError;
use crate::link::accounts::{Account, Reach};
use crate::link::broker::{Broker, BrokerSettings, SessionNews, TlsSettings};
use crate::link::modbus::Polled;
use crate::link::modem::profile::Profile;
use crate::link::modem::{Modem, ModemNews, ModemSettings, Rack};
use crate::link::mqtt::{MqttNews, OutsideBroker};
use crate::link::plug::PortNews;
use crate::link::serial::Port;
use crate::notify::endpoint::{EndpointHandle, EndpointReport};
use crate::notify::group::{self, BotSettings, Group, Standings};
use crate::notify::mail::{Mail, MailSettings, MailTls, PARALLEL, RelaySettings};
use crate::notify::post::{self, CarrierHandle, Ended};
use crate::notify::screen::Screen;
use crate::notify::sms::{self, Office, Sms, SmsSettings};
use crate::notify::voice::{self, Voice, VoiceSettings};
use crate::notify::webhook::{self, WebhookSettings};
use crate::notify::witness::WitnessSettings;
use crate::terms::{EndpointId, Inbound, LinkId, Secret, Wait};

/// What the running parts are opened with, secrets included.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    /// Those that can sign in to the broker.
    pub(super) accounts: Vec<Account>,
    screen: Option<String>,
    mail: Option<Result<MailSettings, String>>,
    sms: Option<SmsSettings>,
    voice: Option<VoiceSettings>,
    /// Groups with the bots that reach them, or why one cannot be opened.
    bots: BTreeMap<Carrier, Result<Vec<BotSettings>, String>>,
    /// Modems with what they are opened with, or why they cannot be.
    pub(super) modems: BTreeMap<LinkId, Result<ModemSettings, String>>,
    /// Endpoints with what they are opened with, or why they cannot be.
    pub(super) endpoints: BTreeMap<EndpointId, EndpointParts>,
    /// Brokers that others run.
    pub(super) outside: BTreeMap<LinkId, OutsideParts>,
    /// Those that can hand in signals over HTTP.
    pub(super) signals: Vec<SignalSource>,
    /// Outside witnesses with what they are opened with, or why they cannot be.
    pub(super) witnesses: WitnessParts,
}

impl Parts {
    /// Reads the secrets; what is wrong with one is kept in its place.
    pub(super) fn of(settings: &Settings, secrets: &Secrets) -> Self {
        let notify = &settings.notify;
        let hooks = notify.webhooks.iter().map(|(id, hook)| {
            (id.clone(), EndpointParts::Webhook(webhook_settings(id, hook, secrets)))
        });
        let platforms = settings.platforms.iter().map(|(id, platform)| {
            let opened = platforms::settings(id, platform, &settings.gateway.hub, secrets);
            (id.clone(), EndpointParts::Platform(opened))
        });
        Self {
            accounts: accounts(settings, secrets),
            screen: notify.screen.as_ref().map(|screen| screen.path.clone()),
            mail: notify.mail.as_ref().map(|mail| mail_settings(mail, secrets)),
            sms: notify.sms.as_ref().map(sms_settings),
            voice: notify.voice.as_ref().map(voice_settings),
            bots: bots::all(notify, secrets),
            modems: modems(settings, secrets),
            endpoints: hooks.chain(platforms).collect(),
            outside: OutsideParts::all(settings, secrets),
            signals: signals(settings, secrets),
            witnesses: witnesses(settings, secrets),
        }
    }

    /// Whether a carrier is opened alike by both. A CA file may hold something else by now.
    pub(super) fn same_carrier(&self, other: &Self, carrier: Carrier) -> bool {
        match carrier {
            Carrier::Screen => self.screen == other.screen,
            // A modem is replaced beside it: see `Rack`.
            Carrier::Sms => self.sms == other.sms,
            Carrier::Voice => self.voice == other.voice,
            Carrier::Mail => {
                let named = |mail: &MailSettings| mail.relays.iter().any(|r| r.ca_file.is_some());
                let rereads = matches!(&other.mail, Some(Ok(mail)) if named(mail));
                self.mail == other.mail && !rereads
            }
            group => {
                let named = |bots: &Vec<BotSettings>| bots.iter().any(|bot| bot.ca_file.is_some());
                let rereads = matches!(other.bots.get(&group), Some(Ok(bots)) if named(bots));
                self.bots.get(&group) == other.bots.get(&group) && !rereads
            }
        }
    }

    /// The same of an endpoint.
    pub(super) fn same_endpoint(&self, other: &Self, endpoint: &EndpointId) -> bool {
        let next = other.endpoints.get(endpoint);
        self.endpoints.get(endpoint) == next && !next.is_some_and(EndpointParts::names_files)
    }

    /// The subject of an endpoint's troubles, in config words.
    pub(super) fn subject(&self, endpoint: &EndpointId) -> String {
        match self.endpoints.get(endpoint) {
            Some(EndpointParts::Platform(_)) => format!("{PLATFORM}{endpoint}"),
            Some(EndpointParts::Webhook(_)) | None => format!("{WEBHOOK}{endpoint}"),
        }
    }
}

/// What the subjects of webhooks' and platforms' troubles begin with.
pub(super) const WEBHOOK: &str = "webhook.";
pub(super) const PLATFORM: &str = "platform.";

/// What one endpoint is opened with, or why it cannot be.
#[derive(Debug, PartialEq)]
pub(super) enum EndpointParts {
    Webhook(Result<WebhookSettings, String>),
    Platform(Result<PlatformSettings, String>),
}

impl EndpointParts {
    /// Whether it is opened with files that may hold something else by now.
    fn names_files(&self) -> bool {
        match self {
            Self::Webhook(Ok(hook)) => hook.ca_file.is_some(),
            Self::Platform(Ok(platform)) => platform.way.names_files(),
            Self::Webhook(Err(_)) | Self::Platform(Err(_)) => false,
        }
    }
}

fn accounts(settings: &Settings, secrets: &Secrets) -> Vec<Account> {
    let mut accounts = Vec::new();
    for account in settings.broker.iter().flat_map(|broker| &broker.accounts) {
        match secrets.find(&account.secret) {
            Ok(password) => accounts.push(Account {
                name: account.name.clone(),
                password,
                reach: reach(&account.reach),
            }),
            Err(why) => warn!(account = account.name, %why, "nobody can sign in with this account"),
        }
    }
    accounts
}

fn signals(settings: &Settings, secrets: &Secrets) -> Vec<SignalSource> {
    let mut sources = Vec::new();
    for (link, signal) in &settings.signals {
        match secrets.find(&signal.secret) {
            Ok(token) if token.expose().len() < TOKEN_MIN => {
                warn!(%link, "its token has fewer than {TOKEN_MIN} bytes: nobody can hand in with it");
            }
            Ok(token) => sources.push(SignalSource { link: link.clone(), token }),
            Err(why) => warn!(%link, %why, "nobody can hand in with this token"),
        }
    }
    sources
}

/// Largest packet where a bridge signs in, in bytes: Zigbee2MQTT keeps the list of all its devices, about
/// 10 KB each, in one message. Own choice: 400 devices. Who has not signed in is held to 8 KB all the
/// same, by the broker's door.
const PACKET_BRIDGED: u32 = 4 << 20;

/// The broker and where it listens.
pub(super) struct Opened {
    pub(super) broker: Broker,
    pub(super) address: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
}

/// The file of the key of one-tap links, in the record's folder.
pub const PAGE_KEY: &str = "page-key";

/// The subject of troubles with the broker's way in behind TLS.
pub(super) const TLS: &str = "link.broker.tls";

/// What the broker's TLS is opened with.
pub(super) fn tls_settings(settings: &Settings) -> Option<TlsSettings> {
    let settings::BrokerTls { listen, cert, key, client_ca } =
        settings.broker.as_ref()?.tls.clone()?;
    Some(TlsSettings { listen, cert, key, client_ca })
}

/// Starts the broker, if one is configured. Without its TLS it runs all the same, and that goes to
/// `out`.
pub(super) async fn broker(
    settings: &Settings,
    parts: &Parts,
    lines: &LineEnds,
    out: &mut BTreeSet<String>,
) -> Result<(Option<Opened>, mpsc::Receiver<SessionNews>), LinkError> {
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let Some(configured) = &settings.broker else { return Ok((None, heard)) };
    let (inbox, clock) = (lines.inbox.clone(), lines.clock.clone());
    let (hub, accounts) = (settings.gateway.hub.clone(), parts.accounts.clone());
    let mut broker = BrokerSettings::new(configured.listen, hub, accounts);
    broker.max_connections = configured.max_connections;
    if broker.accounts.iter().any(|account| matches!(account.reach, Reach::Bridge { .. })) {
        broker.max_packet = PACKET_BRIDGED;
    }
    let (mut broker, address) = Broker::start(broker, inbox, move || clock.now(), news).await?;
    let mut tls = None;
    if let Some(settings) = tls_settings(settings) {
        match broker.open_tls(&settings).await {
            Ok(address) => tls = Some(address),
            Err(why) => {
                error!(%why, "the broker's way in behind TLS stays closed");
                out.insert(TLS.to_owned());
            }
        }
    }
    Ok((Some(Opened { broker, address, tls }), heard))
}

/// Where serial lines and brokers that others run hand over what they hear.
#[derive(Clone)]
pub(super) struct LineEnds {
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) port_news: mpsc::Sender<(LinkId, PortNews)>,
    pub(super) outside_news: mpsc::Sender<(LinkId, MqttNews)>,
    pub(super) modem_news: mpsc::Sender<(LinkId, ModemNews)>,
    pub(super) clock: Clock,
}

impl LineEnds {
    /// Begins to keep a line open. A port that is not there is no error: it is tried again.
    pub(super) fn keep(&self, link: &LinkId, serial: &settings::Serial) -> Wire {
        let (opened, now) = (lines::opened(link, serial), self.clock.clone());
        let (inbox, news) = (self.inbox.clone(), self.port_news.clone());
        Wire::Heard(Port::keep(opened, inbox, move || now.now(), news))
    }

    /// The same of a line whose panels are polled.
    pub(super) fn poll(&self, link: &LinkId, line: &settings::PolledLine) -> Wire {
        let (opened, now) = (lines::polled(link, line), self.clock.clone());
        let (inbox, news) = (self.inbox.clone(), self.port_news.clone());
        Wire::Polled(Polled::keep(opened, inbox, move || now.now(), news))
    }

    /// All lines of a config.
    pub(super) fn keep_all(&self, settings: &Settings) -> Ports {
        let kept = settings
            .serial
            .iter()
            .map(|(link, serial)| (link.clone(), self.keep(link, serial), serial.silent_after));
        let polled = settings.modbus.iter();
        let polled = polled.map(|(link, line)| (link.clone(), self.poll(link, line), None));
        Ports::new(kept.chain(polled), self.clock.now())
    }

    /// Begins to keep a modem open. One that is not there is no error: it is tried for ever. One whose
    /// PIN is missing is not tried, and is lost.
    pub(super) fn dial<'w>(
        &self,
        link: &LinkId,
        settings: &'w Result<ModemSettings, String>,
    ) -> Result<Modem, &'w str> {
        let (now, news) = (self.clock.clone(), self.modem_news.clone());
        match settings {
            Ok(settings) => Ok(Modem::keep(settings.clone(), move || now.now(), news)),
            Err(why) => {
                error!(%link, why, "this modem is not opened");
                Err(why)
            }
        }
    }

    /// All modems of a config.
    pub(super) fn keep_modems(&self, settings: &Settings, parts: &Parts, rack: Rack) -> Modems {
        let mut all = Modems::new(rack);
        for (link, opened) in &parts.modems {
            let lost_after = settings.modems.get(link).map_or(Wait::ZERO, |modem| modem.lost_after);
            all.put(link.clone(), self.dial(link, opened), lost_after, self.clock.now());
        }
        all
    }

    /// Begins to hear a broker that others run. One that is not there is no error: it is tried for
    /// ever. One whose secret or certificates are missing is not tried, and is lost.
    pub(super) fn hear(
        &self,
        link: &LinkId,
        parts: &OutsideParts,
        bridged: &BTreeSet<String>,
    ) -> Link {
        let broker = match parts.settings(link, bridged) {
            Ok(settings) => {
                let (now, tell) = (self.clock.clone(), self.outside_news.clone());
                Some(OutsideBroker::keep(settings, self.inbox.clone(), move || now.now(), tell))
            }
            Err(why) => {
                error!(%link, why, "this broker is not heard");
                None
            }
        };
        parts.link(broker)
    }

    /// All brokers that others run.
    pub(super) fn keep_outside(&self, parts: &Parts, bridged: &BTreeSet<String>) -> Outside {
        let mut all = Outside::default();
        for (link, outside) in &parts.outside {
            all.put(link.clone(), self.hear(link, outside, bridged), self.clock.now());
        }
        all
    }
}

fn reach(reach: &settings::Reach) -> Reach {
    match reach {
        settings::Reach::Device(device) => Reach::Device(device.clone()),
        settings::Reach::Bridge { publish, subscribe } => {
            Reach::Bridge { publish: publish.clone(), subscribe: subscribe.clone() }
        }
        settings::Reach::Local => Reach::Press,
    }
}

/// Where carriers and endpoints report.
#[derive(Clone)]
pub(super) struct WaysOut {
    pub(super) ends: mpsc::Sender<(OrderId, Ended)>,
    pub(super) reports: mpsc::Sender<EndpointReport>,
    pub(super) said: mpsc::Sender<Heard>,
    clock: Clock,
    rack: Rack,
    office: Office,
    standings: Standings,
}

/// The desk's ends of the channels on which carriers and endpoints report.
pub(super) struct OutEars {
    pub(super) ends: mpsc::Receiver<(OrderId, Ended)>,
    pub(super) reports: mpsc::Receiver<EndpointReport>,
    pub(super) said: mpsc::Receiver<Heard>,
}

impl WaysOut {
    /// The channels, of [`ENDS_MAX`] and [`SAID_MAX`] places.
    pub(super) fn new(clock: Clock) -> (Self, OutEars) {
        let (ends, ended) = mpsc::channel(ENDS_MAX);
        let (reports, reported) = mpsc::channel(ENDS_MAX);
        let (said, heard) = mpsc::channel(SAID_MAX);
        let ears = OutEars { ends: ended, reports: reported, said: heard };
        let (rack, office, standings) = (Rack::default(), Office::default(), Standings::default());
        (Self { ends, reports, said, clock, rack, office, standings }, ears)
    }

    /// Where modems stand, for whoever sends over them.
    pub(super) fn rack(&self) -> Rack {
        self.rack.clone()
    }

    /// How bots stand.
    pub(super) fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Where the hub's own answers to short messages go out.
    pub(super) fn office(&self) -> Office {
        self.office.clone()
    }

    /// Opens a carrier; `None` where none is set up.
    pub(super) fn carrier(
        &self,
        parts: &Parts,
        carrier: Carrier,
    ) -> Option<Result<CarrierHandle, String>> {
        let ends = self.ends.clone();
        Some(match carrier {
            Carrier::Screen => Screen::open(parts.screen.as_ref()?)
                // One line after the other: a screen is one place.
                .map(|screen| post::open(carrier, screen, 1, ends))
                .map_err(|why| why.to_string()),
            Carrier::Mail => parts.mail.as_ref()?.clone().and_then(|settings| {
                let mail = Mail::open(settings).map_err(|why| why.to_string())?;
                Ok(post::open(carrier, mail, PARALLEL, ends))
            }),
            Carrier::Sms => {
                let (settings, clock) = (parts.sms.as_ref()?.clone(), self.clock.clone());
                let (rack, told) = (self.rack.clone(), ends.clone());
                let sms = Sms::open(settings, rack, move || clock.now(), &self.office, told);
                Ok(post::open(carrier, sms, sms::PARALLEL, ends))
            }
            Carrier::Voice => {
                let (settings, clock) = (parts.voice.as_ref()?.clone(), self.clock.clone());
                let (rack, office) = (self.rack.clone(), self.office.clone());
                let voice = Voice::open(settings, rack, move || clock.now(), office);
                Ok(post::open(carrier, voice, voice::PARALLEL, ends))
            }
            group => parts.bots.get(&group)?.clone().and_then(|settings| {
                let clock = self.clock.clone();
                let time = Arc::new(move || bots::moment(&clock));
                let group = Group::open(settings, time, &self.standings);
                let group = group.map_err(|why| why.to_string())?;
                Ok(post::open(carrier, group, group::PARALLEL, ends))
            }),
        })
    }

    /// Opens an endpoint.
    pub(super) fn endpoint(&self, parts: &EndpointParts) -> Result<EndpointHandle, String> {
        let reports = self.reports.clone();
        match parts {
            EndpointParts::Webhook(hook) => {
                webhook::open(hook.clone()?, reports).map_err(|why| why.to_string())
            }
            EndpointParts::Platform(platform) => {
                let ends = district::Ends { reports, heard: self.said.clone() };
                district::open(platform.clone()?, ends).map_err(|why| why.to_string())
            }
        }
    }
}

fn sms_settings(sms: &settings::Sms) -> SmsSettings {
    let settings::Sms { modems, brackets, per_hour } = sms.clone();
    SmsSettings { modems, brackets, per_hour }
}

fn voice_settings(voice: &settings::Voice) -> VoiceSettings {
    let settings::Voice { modems, ring, wav_dir } = voice.clone();
    VoiceSettings { modems, ring, wav_dir }
}

fn modems(
    settings: &Settings,
    secrets: &Secrets,
) -> BTreeMap<LinkId, Result<ModemSettings, String>> {
    let one = |(link, modem): (&LinkId, &settings::Modem)| {
        let pin = modem.pin.as_ref().map(|name| secrets.find(name)).transpose();
        let opened = pin.map_err(|why| why.to_string()).and_then(|pin| {
            let profile = Profile::of(&modem.profile);
            Ok(ModemSettings {
                link: link.clone(),
                path: modem.path.clone(),
                baud: modem.baud,
                profile: profile.ok_or_else(|| "its make is not known".to_owned())?,
                pin,
                centre: modem.centre.clone(),
                power_cycle: modem.power_cycle.clone(),
                probe: modem.probe,
            })
        });
        (link.clone(), opened)
    };
    settings.modems.iter().map(one).collect()
}

fn mail_settings(mail: &settings::Mail, secrets: &Secrets) -> Result<MailSettings, String> {
    let mut relays = Vec::new();
    for relay in &mail.relays {
        let password = match &relay.login {
            Some(login) => Some(secrets.find(&login.secret).map_err(|why| why.to_string())?),
            None => None,
        };
        relays.push(RelaySettings {
            host: relay.host.clone(),
            port: Some(relay.port),
            tls: match relay.tls {
                settings::Tls::Starttls => MailTls::StartTls,
                settings::Tls::Implicit => MailTls::Implicit,
                settings::Tls::None => MailTls::None,
            },
            user: relay.login.as_ref().map(|login| login.user.clone()),
            password,
            ca_file: relay.ca_file.clone(),
        });
    }
    Ok(MailSettings { from: mail.from.clone(), relays })
}

fn witnesses(settings: &Settings, secrets: &Secrets) -> WitnessParts {
    let opened = |witness: &settings::Witness| {
        let bearer = witness.secret.as_ref().map(|name| secrets.find(name)).transpose();
        Ok(WitnessSettings {
            hub: settings.gateway.hub.clone(),
            url: witness.url.clone(),
            bearer: bearer.map_err(|why| why.to_string())?,
            every: witness.every,
            ca_file: witness.ca_file.clone(),
        })
    };
    let all = settings.notify.witnesses.iter();
    all.map(|(name, witness)| (name.clone(), opened(witness))).collect()
}

fn webhook_settings(
    endpoint: &EndpointId,
    webhook: &settings::Webhook,
    secrets: &Secrets,
) -> Result<WebhookSettings, String> {
    let bearer = match &webhook.secret {
        Some(name) => Some(secrets.find(name).map_err(|why| why.to_string())?),
        None => None,
    };
    Ok(WebhookSettings {
        endpoint: endpoint.clone(),
        url: webhook.url.clone(),
        bearer,
        time_limit: webhook.time_limit,
        ca_file: webhook.ca_file.clone(),
        form: match webhook.form {
            settings::HookForm::CloudEvents => webhook::HookForm::CloudEvents,
            settings::HookForm::Alerts { .. } => webhook::HookForm::Alerts,
        },
    })
}

/// The key of one-tap links: made once and kept in the record's folder, readable by the hub alone. It
/// lies there and not beside it, so that links already sent work as long as the record does, also when
/// everything else is lost and on a box that takes the record over. When it cannot be kept, links work
/// until the next start.
pub(super) fn page_key(state_dir: &Path) -> Secret {
    const KEY_BYTES: usize = 32;
    let path = state_dir.join(JOURNAL_DIR).join(PAGE_KEY);
    // An earlier version kept it beside the record.
    let earlier = state_dir.join(PAGE_KEY);
    let kept = |path: &Path| std::fs::read(path).ok().filter(|key| key.len() == KEY_BYTES);
    if let Some(key) = kept(&path) {
        return Secret::new(key);
    }
    let key = kept(&earlier).unwrap_or_else(|| random(KEY_BYTES));
    if let Err(why) = keep_secret(&path, &key) {
        warn!(%why, "the key of one-tap links cannot be kept: links end with this run");
    }
    Secret::new(key)
}

fn random(count: usize) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = vec![0; count];
    let filled =
        std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    if let Err(why) = filled {
        error!(%why, "the system gives no random bytes: one-tap links are refused");
        bytes.clear();
    }
    bytes
}

fn keep_secret(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
