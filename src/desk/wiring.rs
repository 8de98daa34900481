//! Settings become running parts: the broker, the carriers, the endpoints, with their secrets.
//!
//! A part whose secret is missing or that cannot be opened stays out, loudly, and all else runs: a
//! house with one way out less is better than a silent one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::outside::{Link, Outside};
use super::{ENDS_MAX, NEWS_MAX};
use crate::clock::Clock;
use crate::config::Secrets;
use crate::config::settings::{self, Settings};
use crate::incident::{Carrier, OrderId};
use crate::link::LinkError;
use crate::link::accounts::{Account, Reach};
use crate::link::broker::{Broker, BrokerSettings, SessionNews};
use crate::link::mqtt::{self, MqttNews, MqttSettings, OutsideBroker};
use crate::notify::mail::{Mail, MailSettings, MailTls, PARALLEL, RelaySettings};
use crate::notify::post::{self, CarrierHandle, Ended};
use crate::notify::screen::Screen;
use crate::notify::webhook::{self, EndpointHandle, EndpointReport, WebhookSettings};
use crate::registry::{Family, Registry, Row};
use crate::terms::{EndpointId, HubId, Inbound, LinkId, Secret};

/// What could not be opened, for a trouble: its subject in config words.
pub(super) type Out = String;

/// Starts the broker, if one is configured.
pub(super) async fn broker(
    settings: &Settings,
    secrets: &Secrets,
    clock: &Clock,
    inbox: mpsc::Sender<Inbound>,
) -> Result<(Option<(Broker, SocketAddr)>, mpsc::Receiver<SessionNews>), LinkError> {
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let Some(configured) = &settings.broker else { return Ok((None, heard)) };
    let mut accounts = Vec::new();
    for account in &configured.accounts {
        match secrets.find(&account.secret) {
            Ok(password) => accounts.push(Account {
                name: account.name.clone(),
                password,
                reach: reach(&account.reach),
            }),
            Err(why) => warn!(account = account.name, %why, "nobody can sign in with this account"),
        }
    }
    let mut broker = BrokerSettings::new(configured.listen, settings.gateway.hub.clone(), accounts);
    broker.max_connections = configured.max_connections;
    let bridges =
        broker.accounts.iter().any(|account| matches!(account.reach, Reach::Bridge { .. }));
    if bridges {
        broker.max_packet = PACKET_BRIDGED;
    }
    let clock = clock.clone();
    let started = Broker::start(broker, inbox, move || clock.now(), news).await?;
    Ok((Some(started), heard))
}

/// Largest packet where a bridge signs in, in bytes: Zigbee2MQTT keeps the list of all its devices, about
/// 10 KB each, in one message. Own choice: 400 devices. Who has not signed in is held to 8 KB all the
/// same, by the broker's door.
const PACKET_BRIDGED: u32 = 4 << 20;

/// Zigbee names that a narrow subscription must spell out; the rest is heard by the wide one only.
/// Own choice: one SUBSCRIBE of them stays well below what every broker takes.
const SPELLED_MAX: usize = 1_000;

/// Begins to hear the brokers that others run. One that is not there is no error: it is tried for
/// ever. One whose secret or certificates are missing is not tried, and is lost.
pub(super) fn outside(
    settings: &Settings,
    secrets: &Secrets,
    clock: &Clock,
    inbox: mpsc::Sender<Inbound>,
    registry: &Registry,
) -> (Outside, mpsc::Receiver<(LinkId, MqttNews)>) {
    let (tell, news) = mpsc::channel(NEWS_MAX);
    let mut links = BTreeMap::new();
    let names = bridged(settings, registry);
    for (link, configured) in &settings.outside {
        let hub = &settings.gateway.hub;
        let broker = match outside_settings(link, configured, hub, secrets, &names) {
            Ok(settings) => {
                let now = clock.clone();
                let now = move || now.now();
                Some(OutsideBroker::keep(settings, inbox.clone(), now, tell.clone()))
            }
            Err(why) => {
                error!(%link, %why, "this broker is not heard");
                None
            }
        };
        let (native, lost_after) = (configured.native, configured.lost_after);
        links.insert(link.clone(), Link { broker, native, lost_after });
    }
    (Outside::new(links, clock.now()), news)
}

fn outside_settings(
    link: &LinkId,
    configured: &settings::Outside,
    hub: &HubId,
    secrets: &Secrets,
    names: &BTreeSet<String>,
) -> Result<MqttSettings, Why> {
    let login = match &configured.login {
        Some(login) => Some((login.user.clone(), secrets.find(&login.secret)?)),
        None => None,
    };
    let tls = match configured.tls {
        true => Some(mqtt::trust(configured.ca_file.as_deref())?),
        false => None,
    };
    let native = ["event", "state", "status"].map(|leaf| format!("anling/v1/{hub}/+/{leaf}"));
    let mut topics: Vec<String> = if configured.native { native.to_vec() } else { Vec::new() };
    let mut narrow = topics.clone();
    if let Some(base) = &configured.zigbee_base_topic {
        topics.push(format!("{base}/#"));
        let few = ["+", "+/availability", "+/action", "bridge/state"];
        narrow.extend(few.map(|leaf| format!("{base}/{leaf}")));
        for name in names.iter().take(SPELLED_MAX) {
            narrow.extend([format!("{base}/{name}"), format!("{base}/{name}/availability")]);
        }
    }
    Ok(MqttSettings {
        link: link.clone(),
        host: configured.host.clone(),
        port: configured.port,
        client_id: configured.client_id.clone().unwrap_or_else(|| format!("anling-{hub}")),
        login,
        tls,
        topics,
        narrow,
    })
}

/// Registered Zigbee names of several levels, from the record and, at the first start, the files.
fn bridged(settings: &Settings, registry: &Registry) -> BTreeSet<String> {
    let in_files = settings.rows.iter().filter_map(|row| match row {
        Row::Device(device) => Some(device),
        _ => None,
    });
    let is_zigbee = |device: &&crate::registry::Device| {
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

fn reach(reach: &settings::Reach) -> Reach {
    match reach {
        settings::Reach::Device(device) => Reach::Device(device.clone()),
        settings::Reach::Bridge { publish, subscribe } => {
            Reach::Bridge { publish: publish.clone(), subscribe: subscribe.clone() }
        }
        settings::Reach::Local => Reach::Press,
    }
}

/// What [`carriers`] opens.
pub(super) struct Carriers {
    pub(super) handles: Vec<(Carrier, Option<CarrierHandle>)>,
    pub(super) ends: mpsc::Receiver<(OrderId, Ended)>,
    pub(super) out: Vec<Out>,
}

/// Opens the carriers that are set up.
pub(super) fn carriers(settings: &Settings, secrets: &Secrets) -> Carriers {
    let (tell, ends) = mpsc::channel(ENDS_MAX);
    let mut opened = Carriers { handles: Vec::new(), ends, out: Vec::new() };
    if let Some(screen) = &settings.notify.screen {
        let handle = match Screen::open(&screen.path) {
            // One line after the other: a screen is one place.
            Ok(carrier) => Some(post::open(Carrier::Screen, carrier, 1, tell.clone())),
            Err(why) => stays_out("screen", &why, &mut opened.out),
        };
        opened.handles.push((Carrier::Screen, handle));
    }
    if let Some(mail) = &settings.notify.mail {
        let handle = match mail_settings(mail, secrets).and_then(|s| Ok(Mail::open(s)?)) {
            Ok(carrier) => Some(post::open(Carrier::Mail, carrier, PARALLEL, tell)),
            Err(why) => stays_out("mail", why.as_ref(), &mut opened.out),
        };
        opened.handles.push((Carrier::Mail, handle));
    }
    opened
}

type Why = Box<dyn std::error::Error + Send + Sync>;

fn mail_settings(mail: &settings::Mail, secrets: &Secrets) -> Result<MailSettings, Why> {
    let mut relays = Vec::new();
    for relay in &mail.relays {
        let password = match &relay.login {
            Some(login) => Some(secrets.find(&login.secret)?),
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

/// What [`endpoints`] opens.
pub(super) struct Endpoints {
    pub(super) handles: Vec<(EndpointId, Option<EndpointHandle>)>,
    pub(super) reports: mpsc::Receiver<EndpointReport>,
    pub(super) out: Vec<Out>,
}

/// Opens the endpoints that are set up.
pub(super) fn endpoints(settings: &Settings, secrets: &Secrets) -> Endpoints {
    let (tell, reports) = mpsc::channel(ENDS_MAX);
    let mut opened = Endpoints { handles: Vec::new(), reports, out: Vec::new() };
    for (endpoint, webhook) in &settings.notify.webhooks {
        let subject = format!("webhook.{endpoint}");
        let bearer: Result<Option<Secret>, Why> = match &webhook.secret {
            Some(name) => secrets.find(name).map(Some).map_err(Into::into),
            None => Ok(None),
        };
        let handle = bearer.and_then(|bearer| {
            let settings = WebhookSettings {
                endpoint: endpoint.clone(),
                url: webhook.url.clone(),
                bearer,
                time_limit: webhook.time_limit,
                ca_file: None,
            };
            Ok(webhook::open(settings, tell.clone())?)
        });
        let handle = match handle {
            Ok(handle) => Some(handle),
            Err(why) => stays_out(&subject, why.as_ref(), &mut opened.out),
        };
        opened.handles.push((endpoint.clone(), handle));
    }
    opened
}

fn stays_out<T>(subject: &str, why: &dyn std::error::Error, out: &mut Vec<Out>) -> Option<T> {
    error!(subject, %why, "this way out stays closed");
    out.push(subject.to_owned());
    None
}

/// The key of one-tap links: made once and kept in the state directory, readable by the hub alone.
/// When it cannot be kept, links work until the next start.
pub(super) fn page_key(state_dir: &Path) -> Secret {
    const KEY_BYTES: usize = 32;
    let path = state_dir.join("page-key");
    if let Ok(key) = std::fs::read(&path)
        && key.len() == KEY_BYTES
    {
        return Secret::new(key);
    }
    let key = random(KEY_BYTES);
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
