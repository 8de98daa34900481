//! The built-in MQTT broker: rmqtt 0.24.0, pinned, behind a door of our own.
//!
//! A PUBACK from it means "on this hub's disk" (measured with its awaited hook: 20,000 messages, 7 server
//! and 3 client SIGKILLs, none lost). rumqttd was rejected because it acknowledges before the event
//! is seen, mosquitto because its acknowledgement means "in memory"; with a whole broker inside,
//! Zigbee2MQTT and ESPHome need no second one. It runs on a runtime of its own, because rmqtt leaves
//! tasks behind that only the end of their runtime ends, and so that a storm of connections does not
//! take the desk's threads. Ways in: `link::broker_door`; what is asked at each step:
//! `link::broker_hooks`. rmqtt writes through the `log` crate and prints whole packets below its
//! level `info`: keep it at `warn`.

use std::error::Error;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rmqtt::codec::types::Publish;
use rmqtt::context::ServerContext;
use rmqtt::net::{Builder, Listener};
use rmqtt::router::DefaultRouter;
use rmqtt::server::MqttServer;
use rmqtt::session::SessionState;
use rmqtt::shared::DefaultShared;
use rmqtt::types::{From, Id, QoS};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::LinkError;
use super::accounts::{Account, Accounts};
pub use super::broker_counts::BrokerCounts;
use super::broker_door::{Door, DoorLimits, Guests};
pub use super::broker_hooks::SessionNews;
use super::broker_hooks::{HOOKS, Hearth, Hook};
use super::broker_kept::Kept;
use super::broker_tls::Tls;
pub use super::broker_tls::TlsSettings;
use crate::terms::{At, HubId, Inbound, LinkId, Wait, Wall};

/// Threads of the broker's runtime. Own choice: rmqtt gave 32,700 acknowledgements a second on two
/// cores, a hundred times the worst storm.
const THREADS: usize = 2;
/// Connections the kernel holds ready. Own choice; the system's `somaxconn` may lower it.
const BACKLOG: u32 = 1_024;
/// Commands waiting to go to devices. Own choice: a storm of 2,000 incidents with two stages each.
const DOWNLINK: usize = 4_096;
/// Commands waiting for one client; the oldest goes first. Own choice: sixteen times what a bridge
/// for 16 homes has open, and a session's queue costs memory only when used.
const CLIENT_QUEUE: usize = 256;
/// Commands on their way to one client without an answer; rmqtt's own default.
const INFLIGHT: NonZeroU16 = NonZeroU16::new(16).unwrap();
/// How long the broker remembers a client that left. Own choice: a Wi-Fi outage; after it the client
/// subscribes anew and the desk sends current stages again. MQTT 5 clients may ask for less only.
const SESSION_KEPT: Duration = Duration::from_secs(10 * 60);
/// Pause before an unanswered command is sent again; rmqtt's own default.
const COMMAND_REPEAT: Duration = Duration::from_secs(20);
/// Longest client id in bytes. Own choice: twice the longest device id.
const CLIENT_ID_MAX: usize = 256;
/// Sign-ins in work at once. Each needs microseconds; rmqtt's default of 1,000 only costs memory.
const SIGN_INS: usize = 128;
/// Subscriptions of one client. Own choice: a bridge uses a dozen.
const SUBSCRIPTIONS: usize = 256;
/// Time for the last acknowledgements to leave after the last receipt is settled.
const LAST_ACKS: Duration = Duration::from_millis(100);
/// The link's name in [`Inbound`].
pub const LINK: &str = "broker";
/// The client id under which the hub publishes; it names no session.
const HUB_CLIENT: &str = "anling";

/// What the broker is started with.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// Where clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may sign in. Nobody else may: there is no anonymous access.
    pub accounts: Vec<Account>,
    /// This hub, the third part of every native topic.
    pub hub: HubId,
    /// Most connections, 9,000 by default (5,000 clients were measured at 95 MB). Each takes three
    /// file handles.
    pub max_connections: usize,
    /// Most connections that have not signed in; above it the oldest is closed. 4,096 by default:
    /// own choice, every device of a full hub connecting in the same instant.
    pub max_unsigned: usize,
    /// Largest packet in bytes, 65,536 by default. Zigbee2MQTT's retained device list grows with the
    /// house and passes that: the desk raises it where such a bridge signs in.
    pub max_packet: u32,
    /// Time from the TCP connection to CONNACK, 10 s by default.
    pub handshake: Wait,
    /// How long a publish waits for its receipt before it is refused, 2 s by default.
    pub receipt_wait: Wait,
}

impl BrokerSettings {
    /// The defaults for a hub: all limits as their fields say.
    pub fn new(listen: SocketAddr, hub: HubId, accounts: Vec<Account>) -> Self {
        Self {
            listen,
            accounts,
            hub,
            max_connections: 9_000,
            max_unsigned: 4_096,
            max_packet: 65_536,
            handshake: Wait::secs(10),
            receipt_wait: Wait::secs(2),
        }
    }
}

/// The queue of commands is full; the device asks again by repeating its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many commands are waiting for devices: send this one again when its stage is asked for"
)]
pub struct DownlinkFull;

/// The running broker. Dropping it closes everything at once; [`Broker::stop`] does it in order.
pub struct Broker {
    engine: Engine,
    hearth: Arc<Hearth>,
    hub: HubId,
    downlink: mpsc::Sender<Command>,
    closing: watch::Sender<bool>,
    door: JoinHandle<()>,
    entrance: Arc<Door>,
    tls: Option<(Arc<Tls>, JoinHandle<()>)>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.hearth.part());
    }
}

/// A runtime that may be dropped anywhere.
struct Engine(Option<Runtime>);

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Command {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
}

impl Broker {
    /// Starts the broker and says where it listens. What is heard goes to `inbox`, in order per
    /// connection, stamped by `now`; `sessions` hears of clients, without anybody waiting for it.
    pub async fn start(
        settings: BrokerSettings,
        inbox: mpsc::Sender<Inbound>,
        now: impl Fn() -> At + Send + Sync + 'static,
        sessions: mpsc::Sender<SessionNews>,
    ) -> Result<(Self, SocketAddr), LinkError> {
        let accounts = Accounts::new(&settings.hub, settings.accounts.clone())?;
        #[expect(clippy::expect_used, reason = "a constant that is an id, as a test shows")]
        let link = LinkId::new(LINK).expect("LINK is an id");
        let hearth = Arc::new(Hearth {
            link,
            accounts: RwLock::new(Arc::new(accounts)),
            inbox,
            sessions,
            now: Box::new(now),
            receipt_wait: settings.receipt_wait.std(),
            guests: Guests::default(),
            counts: Arc::default(),
            awaited: watch::Sender::new(0),
            deaf: AtomicBool::new(false),
            complaints: Mutex::default(),
            context: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(LINK)
            .enable_all()
            .build()
            .map_err(not_started)?;
        let engine = Engine(Some(runtime));
        let (closing, closed) = watch::channel(false);
        let (downlink, commands) = mpsc::channel(DOWNLINK);
        let hub = settings.hub.clone();
        let opening = open(settings, Arc::clone(&hearth), commands, closed);
        let (door, entrance, address) = engine.run(opening).await??;
        info!(%address, "the built-in broker listens");
        let tls = None;
        Ok((Self { engine, hearth, hub, downlink, closing, door, entrance, tls }, address))
    }

    /// Opens the way in behind TLS, once; where it listens.
    ///
    /// # Errors
    /// When a file cannot be used or the address is taken; the plain way in goes on.
    pub async fn open_tls(&mut self, settings: &TlsSettings) -> Result<SocketAddr, LinkError> {
        let tls = Arc::new(Tls::open(settings)?);
        let (door, shown, address) =
            (Arc::clone(&self.entrance), Arc::clone(&tls), settings.listen);
        let opening = async move {
            let listener = listen(address).map_err(|cause| LinkError::Listen { address, cause })?;
            let address = listener.local_addr().map_err(not_started)?;
            Ok::<_, LinkError>((tokio::spawn(door.keep(listener, Some(shown))), address))
        };
        let (task, address) = self.engine.run(opening).await??;
        info!(%address, "the built-in broker listens behind TLS");
        self.tls = Some((tls, task));
        Ok(address)
    }

    /// Reads the files of TLS anew, for connections from now on; without TLS nothing happens.
    ///
    /// # Errors
    /// When a file cannot be used; then the former ones go on.
    pub fn renew_tls(&self, settings: &TlsSettings) -> Result<(), LinkError> {
        self.tls.as_ref().map_or(Ok(()), |(tls, _)| tls.renew(settings))
    }

    /// The last moment the certificate holds that clients are shown; none without TLS.
    pub fn tls_until(&self) -> Option<Wall> {
        self.tls.as_ref().map(|(tls, _)| tls.until())
    }

    /// Sends a command or another message to whoever subscribed, at QoS 1. Never waits; with `retain`
    /// the broker also keeps it for those who subscribe later.
    pub fn publish(&self, topic: &str, payload: Vec<u8>, retain: bool) -> Result<(), DownlinkFull> {
        let command = Command { topic: topic.to_owned(), payload, retain };
        self.downlink.try_send(command).map_err(|_full| {
            self.hearth.counts.unsent.one();
            DownlinkFull
        })
    }

    /// Takes other accounts into use; connections go on. Sessions of accounts that are gone or reach
    /// elsewhere are closed; a changed password counts from the next sign-in.
    ///
    /// # Errors
    /// When an account cannot be used; then all stay as they were.
    pub fn renew_accounts(&self, accounts: Vec<Account>) -> Result<(), LinkError> {
        let ended = self.hearth.renew_accounts(Accounts::new(&self.hub, accounts)?);
        if let (false, Some(runtime)) = (ended.is_empty(), &self.engine.0) {
            let hearth = Arc::clone(&self.hearth);
            runtime.spawn(async move { hearth.close_sessions(ended).await });
        }
        Ok(())
    }

    /// What has happened since the start.
    pub fn counts(&self) -> BrokerCounts {
        self.hearth.counts.read()
    }

    /// Stops in order, within about `limit`: no new connections and no new bytes; the receipts still
    /// owed are awaited and acknowledged; then every connection is closed. Clients see a lost
    /// connection and repeat what was not acknowledged; wills are not reported.
    pub async fn stop(mut self, limit: Wait) {
        self.closing.send_replace(true);
        let mut awaited = self.hearth.awaited.subscribe();
        let settled = async {
            let _accepts_no_more = (&mut self.door).await;
            if let Some((_, door)) = &mut self.tls {
                let _nor_there = door.await;
            }
            if awaited.wait_for(|count| *count == 0).await.is_ok() {
                self.hearth.deaf.store(true, Ordering::Release);
                sleep(LAST_ACKS).await;
            }
        };
        let _in_time = timeout(limit.std(), settled).await;
        self.hearth.deaf.store(true, Ordering::Release);
        self.door.abort();
        if let Some((_, door)) = &self.tls {
            door.abort();
        }
        if let Some(runtime) = self.engine.0.take() {
            let ended = move || runtime.shutdown_timeout(limit.std());
            let _ended = tokio::task::spawn_blocking(ended).await;
        }
        if let Some(context) = self.hearth.part() {
            part(&context).await;
        }
    }
}

impl Engine {
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, LinkError> {
        let Some(runtime) = &self.0 else {
            return Err(not_started("the broker has stopped"));
        };
        runtime.spawn(work).await.map_err(not_started)
    }
}

fn not_started(cause: impl Into<Box<dyn Error + Send + Sync>>) -> LinkError {
    LinkError::Start(cause.into())
}

/// Opens everything on the broker's runtime: the door's port, rmqtt on loopback, and the downlink.
async fn open(
    settings: BrokerSettings,
    hearth: Arc<Hearth>,
    commands: mpsc::Receiver<Command>,
    closing: watch::Receiver<bool>,
) -> Result<(JoinHandle<()>, Arc<Door>, SocketAddr), LinkError> {
    let listener = listen(settings.listen)
        .map_err(|cause| LinkError::Listen { address: settings.listen, cause })?;
    let address = listener.local_addr().map_err(not_started)?;
    let behind = inner_listener(&settings).map_err(not_started)?;
    let inner = behind.local_addr().map_err(not_started)?;

    let sessions = isize::try_from(settings.max_connections).unwrap_or(isize::MAX);
    // rmqtt's own check would refuse clients while the processor is busy: the very moment of a storm.
    let context =
        ServerContext::new().busy_check_enable(false).mqtt_max_sessions(sessions).build().await;
    *context.extends.retain_mut().await = Box::new(Kept::new(Arc::clone(&hearth.counts)));
    let register = context.extends.hook_mgr().register();
    for hook in HOOKS {
        register.add(hook, Box::new(Hook(Arc::clone(&hearth)))).await;
    }
    register.start().await;
    *hearth.context.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.clone());
    tokio::spawn(
        MqttServer::new(context.clone()).listener_by_id(behind, inner.port()).build().run(),
    );
    tokio::spawn(send_commands(context, commands));

    let limits = DoorLimits {
        handshake: settings.handshake.std(),
        unsigned: settings.max_unsigned.max(1),
        connections: settings.max_connections,
    };
    let (guests, counts) = (Arc::clone(&hearth.guests), Arc::clone(&hearth.counts));
    let door = Arc::new(Door::new(inner, limits, guests, counts, closing));
    Ok((tokio::spawn(Arc::clone(&door).keep(listener, None)), door, address))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Without it a restart finds the port taken by the connections of the last run.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn inner_listener(settings: &BrokerSettings) -> rmqtt::Result<Listener> {
    Builder::new()
        .name(LINK)
        .laddr((Ipv4Addr::LOCALHOST, 0).into())
        .backlog(i32::try_from(BACKLOG).unwrap_or(i32::MAX))
        .nodelay(true)
        .tcp_keepalive(false)
        .allow_anonymous(false)
        .max_connections(settings.max_connections)
        .max_handshaking_limit(SIGN_INS)
        .handshake_timeout(settings.handshake.std())
        .max_packet_size(settings.max_packet)
        .max_clientid_len(CLIENT_ID_MAX)
        .max_subscriptions(SUBSCRIPTIONS)
        .max_mqueue_len(CLIENT_QUEUE)
        .max_inflight(INFLIGHT)
        .message_retry_interval(COMMAND_REPEAT)
        // 0 is "never": a level that Zigbee2MQTT retained must not fade.
        .message_expiry_interval(Duration::ZERO)
        .session_expiry_interval(SESSION_KEPT)
        .max_session_expiry_interval(SESSION_KEPT)
        .bind()?
        .tcp()
}

/// Carries commands to sessions until the broker is dropped.
async fn send_commands(context: ServerContext, mut commands: mpsc::Receiver<Command>) {
    let hub = From::from_system(Id::from(context.node.id(), HUB_CLIENT.into()));
    while let Some(Command { topic, payload, retain }) = commands.recv().await {
        let publish = Publish {
            dup: false,
            retain,
            qos: QoS::AtLeastOnce,
            topic: topic.into(),
            packet_id: None,
            payload: payload.into(),
            properties: None,
        };
        let sent = SessionState::forwards(&context, hub.clone(), publish.into(), false, None).await;
        if let Err(cause) = sent {
            tracing::warn!(%cause, "a command did not reach the broker's sessions");
        }
    }
}

/// Parts rmqtt's context from its session table: they own each other and would never be freed. Only
/// when nothing runs any more, because an empty table panics when it is asked.
async fn part(context: &ServerContext) {
    *context.extends.shared_mut().await = Box::new(DefaultShared::new(None));
    *context.extends.router_mut().await = Box::new(DefaultRouter::new(None));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_s_name_is_an_id() {
        assert!(LinkId::new(LINK).is_ok());
    }
}
