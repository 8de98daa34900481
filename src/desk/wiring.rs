//! Settings become running parts: the broker, serial lines, the carriers, the endpoints, with their
//! secrets.
//!
//! A part whose secret is missing or that cannot be opened stays out, loudly, and all else runs: a
//! house with one way out less is better than a silent one.

use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::ports::Ports;
use super::{ENDS_MAX, NEWS_MAX};
use crate::clock::Clock;
use crate::config::Secrets;
use crate::config::settings::{self, SerialContract, Settings};
use crate::contract::{SERIAL_DELIMITER, SERIAL_PIECE_MAX};
use crate::incident::{Carrier, OrderId};
use crate::link::LinkError;
use crate::link::accounts::{Account, Reach};
use crate::link::broker::{Broker, BrokerSettings, SessionNews};
use crate::link::serial::{Port, PortNews, SerialSettings};
use crate::notify::mail::{Mail, MailSettings, MailTls, PARALLEL, RelaySettings};
use crate::notify::post::{self, CarrierHandle, Ended};
use crate::notify::screen::Screen;
use crate::notify::webhook::{self, EndpointHandle, EndpointReport, WebhookSettings};
use crate::terms::{EndpointId, Inbound, LinkId, Secret};

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
    let clock = clock.clone();
    let started = Broker::start(broker, inbox, move || clock.now(), news).await?;
    Ok((Some(started), heard))
}

/// Begins to keep the serial lines open. A port that is not there is no error: it is tried again.
pub(super) fn ports(
    settings: &Settings,
    clock: &Clock,
    inbox: &mpsc::Sender<Inbound>,
) -> (Ports, mpsc::Receiver<(LinkId, PortNews)>) {
    let (tell, news) = mpsc::channel(NEWS_MAX);
    let kept = settings.serial.iter().map(|(link, serial)| {
        let (delimiter, piece_max) = match serial.contract {
            SerialContract::Native => (SERIAL_DELIMITER, SERIAL_PIECE_MAX),
        };
        let (link, path) = (link.clone(), serial.path.clone());
        let opened =
            SerialSettings { link: link.clone(), path, baud: serial.baud, delimiter, piece_max };
        let now = clock.clone();
        let port = Port::keep(opened, inbox.clone(), move || now.now(), tell.clone());
        (link, port, serial.silent_after)
    });
    (Ports::new(kept, clock.now()), news)
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
