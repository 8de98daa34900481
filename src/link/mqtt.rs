//! An MQTT broker that others run: mosquitto beside Zigbee2MQTT, a site's own.
//!
//! What such a broker acknowledges is in its memory and may be gone (386 of 20,000 acknowledged
//! messages were, when a mosquitto was killed); so a device's light follows *our* `stored`, and we
//! acknowledge to the broker only what is on disk. The session is kept by the broker under a fixed
//! client id, acknowledgements are ours, and each connection has a rumqttc of its own
//! (`link::mqtt_client`) that is thrown away at the first error. A message that could not be stored
//! costs the connection: MQTT 3.1.1 brokers send again only to one that comes anew. How soon it comes
//! anew: `link::mqtt_pace`; what is owed across connections: `link::mqtt_ledger`;
//! whether its access rules let anything through, which no acknowledgement says: `link::mqtt_probe`.
//!
//! Of a large message, such as a bridge's list of its devices, only the start is handed on, and it costs
//! no connection. A packet beyond 16 MiB ends one, and would end every one after it: the broker sends it
//! again as long as it is owed, and a kept one comes with every subscription. So after each the session
//! is begun anew (what is said meanwhile may be lost), the first time with the narrow list of topics,
//! which leaves a bridge's own out. Where the same one comes again at once it is a kept one, and only the
//! bare list is heard, without levels; the others are asked for again every ten minutes.
//!
//! MQTT offers no way to ask how much a broker queues for us (mosquitto: 1,000 messages, then it throws
//! away in silence); it is asked for its count of those where it has one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::LinkError;
use super::broker::DownlinkFull;
use super::mqtt_client::{Address, CONNECT_SECONDS, Line, Sitting};
use super::mqtt_ledger::Ledger;
use super::mqtt_pace::{End, KNOCK, Pace};
use super::mqtt_probe::Probe;
pub use super::mqtt_probe::probe_topic;
pub use super::mqtt_session::REGAIN;
use super::mqtt_session::{Ended, Session};
use super::pause::Chance;
use crate::terms::{At, Inbound, LinkId, Secret, Wait};

/// Commands waiting for the broker; beyond it a device asks again by repeating its event.
const DOWNLINK: usize = 4_096;
/// Connections in a row that end as soon as the broker is asked for its counts, or probed; then that is
/// done no more. Some brokers end a connection instead of refusing a topic.
const HURT_MAX: u32 = 3;
/// A packet beyond the limit that comes again so soon after the connection stood came with the
/// subscription. Own choice.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long a knock may take.
const KNOCK_LIMIT: Duration = Duration::from_secs(1);
/// After how many knocks a host's name is looked up anew: about 5 s.
const LOOK_UP: u32 = 200;

/// What an outside broker is spoken to with.
#[derive(Debug, Clone)]
pub struct MqttSettings {
    /// The link's name: `mqtt.home`.
    pub link: LinkId,
    /// Name or IPv4 address of its machine.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The session's name at the broker; never another one's, or each pushes the other out.
    pub client_id: String,
    /// User and password, where the broker asks for them.
    pub login: Option<(String, Secret)>,
    /// TLS, and whom to trust: see [`trust`].
    pub tls: Option<Arc<ClientConfig>>,
    /// What to subscribe to.
    pub topics: Vec<String>,
    /// The same without topics that may hold messages beyond
    /// [`PACKET_MAX`](super::mqtt_client::PACKET_MAX).
    pub narrow: Vec<String>,
    /// The same without what a broker keeps: what is left must be heard whatever it keeps.
    pub bare: Vec<String>,
    /// Where a word of our own goes that must come back: see [`probe_topic`]. One of the topics must
    /// cover it. `None` where the hub may not write there.
    pub probe: Option<String>,
}

/// Which of a broker's topics are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// All.
    Wide,
    /// Those of [`MqttSettings::narrow`].
    Narrow,
    /// Those of [`MqttSettings::bare`], and [`REGAIN`] later the narrow ones again.
    Bare,
}

/// What the desk has to know of an outside broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MqttNews {
    /// Every subscription stands. Commands reach devices from here on.
    Hearing {
        /// Whether the broker had kept the session, and what came meanwhile.
        resumed: bool,
    },
    /// Nothing is heard.
    Lost {
        /// Why, as a fragment.
        why: String,
    },
    /// The broker knew us and does not any more: what it acknowledged meanwhile is gone.
    Forgot,
    /// It refuses to let us hear these topics; it is asked again every 30 s.
    Deaf {
        /// The filters.
        filters: Vec<String>,
    },
    /// What we say there comes back: it lets us hear and be heard.
    Through,
    /// What we say there does not come back: its access rules keep it from us, whatever it
    /// acknowledges.
    Barred {
        /// Whether other messages came meanwhile, so that only our own are kept.
        heard: bool,
    },
    /// A packet was larger than is read; told once for each size and breadth.
    Big {
        /// Its size in bytes.
        bytes: usize,
        /// What is heard from here on.
        heard: Breadth,
    },
    /// The broker says that it has thrown messages away, for us or for others.
    ThrownAway {
        /// How many since it last said so; at least one.
        more: u64,
    },
}

/// A command on its way to a device.
pub(super) struct Command {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// What every connection needs.
pub(super) struct Hearth {
    pub(super) link: LinkId,
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) now: Box<dyn Fn() -> At + Send + Sync>,
    pub(super) news: mpsc::Sender<(LinkId, MqttNews)>,
    /// How long a stop may wait for receipts.
    pub(super) stop_within: watch::Receiver<Wait>,
    /// The topic of the last large message, so that it is named once.
    big: Mutex<String>,
}

impl Hearth {
    pub(super) async fn tell(&self, news: MqttNews) {
        // A stopping desk hears no more.
        let _heard = self.news.send((self.link.clone(), news)).await;
    }

    /// Names the topic of a message that no contract reads whole, once.
    pub(super) fn say_big(&self, topic: &str) {
        let mut big = self.big.lock().unwrap_or_else(PoisonError::into_inner);
        if *big != topic {
            info!(link = %self.link, topic, "a large message is passed over but for its start");
            topic.clone_into(&mut big);
        }
    }
}

/// A broker that is being heard, or tried. Dropping it ends both at once.
pub struct OutsideBroker {
    commands: mpsc::Sender<Command>,
    closing: watch::Sender<bool>,
    stop_within: watch::Sender<Wait>,
    keeper: JoinHandle<()>,
}

impl Drop for OutsideBroker {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl OutsideBroker {
    /// Begins to connect and never ends trying. What is heard goes to `inbox` in the broker's order,
    /// stamped by `now`; `news` hears how the link stands.
    pub fn keep(
        settings: MqttSettings,
        inbox: mpsc::Sender<Inbound>,
        now: impl Fn() -> At + Send + Sync + 'static,
        news: mpsc::Sender<(LinkId, MqttNews)>,
    ) -> Self {
        let (say, commands) = mpsc::channel(DOWNLINK);
        let (closing, closed) = watch::channel(false);
        let (stop_within, limit) = watch::channel(Wait::secs(1));
        let hearth = Hearth {
            link: settings.link.clone(),
            inbox,
            now: Box::new(now),
            news,
            stop_within: limit,
            big: Mutex::default(),
        };
        let address = Address {
            host: settings.host.clone(),
            port: settings.port,
            login: settings.login.clone(),
            tls: settings.tls.clone(),
        };
        let keeper = Keeper {
            settings,
            address,
            hearth,
            ledger: Ledger::new(),
            commands,
            closing: closed,
            heard: Breadth::Wide,
            big: None,
            ask_counts: true,
            counts_hurt: 0,
            probe_hurt: 0,
            known: false,
            dropped: None,
        };
        let keeper = tokio::spawn(keeper.run());
        Self { commands: say, closing, stop_within, keeper }
    }

    /// Sends a command, at QoS 1, as soon as the broker hears us. Never waits.
    ///
    /// # Errors
    /// When too many wait; the device asks again by repeating its event.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), DownlinkFull> {
        let command = Command { topic: topic.to_owned(), payload };
        self.commands.try_send(command).map_err(|_full| DownlinkFull)
    }

    /// Stops in order, within about `limit`: nothing more is heard, the receipts still owed are
    /// awaited and acknowledged, and the broker keeps what comes from here on.
    pub async fn stop(mut self, limit: Wait) {
        self.stop_within.send_replace(limit);
        self.closing.send_replace(true);
        let _in_time = timeout(limit.std() + Duration::from_secs(1), &mut self.keeper).await;
    }
}

/// Whom to trust on a TLS connection: the machine's certificates, and those in `ca_file` (PEM) instead
/// where it is given, because a broker's own authority is then the only one meant.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn trust(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, LinkError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let not_read = |cause: Box<dyn std::error::Error + Send + Sync>| {
                LinkError::Certificates { path: path.to_owned(), cause }
            };
            let pem = std::fs::read(path).map_err(|cause| not_read(cause.into()))?;
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
            roots.add_parsable_certificates(found.map_err(|cause| not_read(cause.into()))?);
            if roots.is_empty() {
                return Err(not_read("no certificate in it".into()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| LinkError::Start(cause.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Tries for ever, one connection after the other.
struct Keeper {
    settings: MqttSettings,
    address: Address,
    hearth: Hearth,
    ledger: Ledger,
    commands: mpsc::Receiver<Command>,
    closing: watch::Receiver<bool>,
    heard: Breadth,
    /// The last packet beyond the limit, in bytes, and what was heard after it was told.
    big: Option<(usize, Breadth)>,
    ask_counts: bool,
    counts_hurt: u32,
    probe_hurt: u32,
    known: bool,
    dropped: Option<u64>,
}

impl Keeper {
    async fn run(mut self) {
        let mut pace = Pace::default();
        let mut said: Option<String> = None;
        let chance = Chance::default();
        for turn in 0_u64.. {
            let ended = self.connect(chance.of(turn)).await;
            if *self.closing.borrow() {
                return;
            }
            if ended.stood || said.as_ref() != Some(&ended.why) {
                warn!(link = %self.hearth.link, why = ended.why, "the outside broker is not heard");
                self.hearth.tell(MqttNews::Lost { why: ended.why.clone() }).await;
            }
            self.known |= ended.stood;
            said = Some(ended.why.clone());
            self.counts_hurt = if ended.counts_hurt { self.counts_hurt + 1 } else { 0 };
            self.ask_counts &= self.counts_hurt < HURT_MAX;
            self.probe_hurt = if ended.probe_hurt { self.probe_hurt + 1 } else { 0 };
            if self.probe_hurt >= HURT_MAX && self.settings.probe.take().is_some() {
                warn!(link = %self.hearth.link, "the broker ends connections that say what must come back: it is asked no more");
                self.hearth.tell(MqttNews::Barred { heard: true }).await;
            }
            match ended.too_big {
                Some(bytes) => self.make_room(bytes, ended.lived).await,
                // Whatever was kept may be gone by now.
                None if ended.stood && self.heard == Breadth::Bare => self.heard = self.most(),
                None => {}
            }
            let pause = pace.after(ended.end, ended.lived, chance.of(turn));
            tokio::select! {
                biased;
                _ = self.closing.wait_for(|closing| *closing) => return,
                () = sleep(pause) => {}
            }
            if ended.end == End::Refused {
                let knocking = knock(&self.address.host, self.address.port);
                tokio::select! {
                    biased;
                    _ = self.closing.wait_for(|closing| *closing) => return,
                    () = knocking => {}
                }
            }
        }
    }

    async fn connect(&mut self, token: u64) -> Ended {
        let line = self.line(false);
        let filters = match self.heard {
            Breadth::Wide => &self.settings.topics,
            Breadth::Narrow => &self.settings.narrow,
            Breadth::Bare => &self.settings.bare,
        };
        let session = Session {
            hearth: &self.hearth,
            ledger: &self.ledger,
            commands: &mut self.commands,
            closing: self.closing.clone(),
            filters,
            is_bare: self.heard == Breadth::Bare,
            ask_counts: self.ask_counts,
            known: self.known,
            dropped: &mut self.dropped,
            probe: self.settings.probe.clone().map(|topic| Probe::new(topic, token)),
        };
        session.run(line).await
    }

    fn line(&self, clean: bool) -> Line {
        let client_id = &self.settings.client_id;
        Line::open(&self.address, Sitting { client_id, clean })
    }

    /// What is heard after a packet that was too large, at most.
    fn most(&self) -> Breadth {
        match self.settings.narrow == self.settings.topics {
            true => Breadth::Wide,
            false => Breadth::Narrow,
        }
    }

    /// A packet was too large: gets rid of it, and leaves its topic out where that may help.
    async fn make_room(&mut self, bytes: usize, lived: Duration) {
        let again = lived < AT_ONCE && self.big.is_some_and(|(last, _)| last == bytes);
        let most = self.most();
        let is_kept = self.heard == Breadth::Bare || again && self.heard == most;
        self.heard = if is_kept { Breadth::Bare } else { most };
        self.forget().await;
        let big = Some((bytes, self.heard));
        if std::mem::replace(&mut self.big, big) != big {
            warn!(link = %self.hearth.link, bytes, heard = ?self.heard, "a message is beyond the limit");
            self.hearth.tell(MqttNews::Big { bytes, heard: self.heard }).await;
        }
    }

    /// Begins the session anew: the broker forgets the topics that are left out, and the message that
    /// it would send again with each connection. What else it holds for us is asked for by no one;
    /// devices that wait for `stored` say it again.
    async fn forget(&mut self) {
        let mut line = self.line(true);
        let forgotten = async {
            if let Some(Ok(_)) = line.next().await {
                line.close().await;
            }
        };
        let _in_time = timeout(Duration::from_secs(CONNECT_SECONDS), forgotten).await;
        self.known = false;
    }
}

/// Returns when somebody listens there, or when only a whole try can tell more.
async fn knock(host: &str, port: u16) {
    let mut found: Vec<SocketAddr> = Vec::new();
    for knocks in 0_u32.. {
        if knocks % LOOK_UP == 0 {
            let Ok(Ok(addresses)) = timeout(KNOCK_LIMIT, lookup_host((host, port))).await else {
                return;
            };
            found = addresses.collect();
        }
        for address in &found {
            match timeout(KNOCK_LIMIT, TcpStream::connect(address)).await {
                Ok(Err(why)) if why.kind() == std::io::ErrorKind::ConnectionRefused => {}
                Ok(_) | Err(_) => return,
            }
        }
        sleep(KNOCK).await;
    }
}
