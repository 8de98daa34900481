//! A platform over MQTT 3.1.1, QoS 1: events to `anling/v1/<hub>/up`, messages from `…/down`.
//!
//! - One rumqttc a connection, thrown away at the first error, because across connections it loses
//!   what was queued. One task only polls it; this loop does the rest and never waits for it.
//! - At most [`WINDOW`] events are unacknowledged. Packet numbers are given in the order of
//!   publishing, so each number taken names the next event handed in, and its PUBACK settles that one;
//!   numbers nobody knows are passed over. No acknowledgement for [`STUCK`] ends the connection.
//! - The session is kept by the broker (`clean_session` off, a fixed client id): nothing of the uplink
//!   hangs on it, since our record is the session there, but a take-over that is said while the line
//!   is away would else be acknowledged to the district and heard by nobody.
//! - A message is acknowledged once it is on disk. One that the desk cannot store ends the connection,
//!   so that it comes again; one too large for a packet would come with every connection, and is got
//!   rid of by beginning the session anew.
//! - MQTT 3.1.1 knows no refusal: there are no dead letters here. A broker whose access rules forbid
//!   the topic acknowledges and throws away; see to its rules before trusting the counts.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::Error as BytesError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet,
    Publish, QoS, StateError, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

use super::down::{Heard, Message, Misfit, down_topic, up_topic};
use super::ledger::Ledger;
use super::pace::Pace;
use super::window::{Next, Window};
use super::{Ears, Ends, HELD_MAX, PlatformError, PlatformSettings, REPORT_AFTER, UNSTORED_MAX};
use crate::notify::webhook::{LifeSign, Settled};
use crate::notify::wire::{TlsFiles, client_tls};
use crate::terms::{EndpointId, HubId, Receipt, Secret, Seq, Verdict};

/// Events sent and not acknowledged: the measured recipe of the project.
pub const WINDOW: usize = 64;
/// Sign of life to the broker; it holds us for gone after one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Limit of connecting, TLS and CONNACK included, in seconds.
const CONNECT_SECONDS: u64 = 5;
/// Largest packet in bytes, both ways.
const PACKET_MAX: usize = 262_144;
/// Publishes under way as rumqttc counts them; the window stays below it.
const INFLIGHT: u16 = 100;
/// Requests waiting for rumqttc: the window, a sign of life, and acknowledgements.
const REQUESTS: usize = 256;
/// Packets waiting between polling and handling; when full, polling waits.
const PACKETS: usize = 256;
/// How long polling may wait before the connection is given up.
const HELD_UP: Duration = Duration::from_secs(5);
/// How often progress is looked at, …
const LOOK: Duration = Duration::from_secs(5);
/// … and how many looks in a row may see none while something is under way: 10 to 15 s.
const STUCK: u32 = 3;
/// Time for the last packets to leave.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// `[platform.NAME.mqtt]`, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSettings {
    /// Name or IPv4 address of the broker's machine.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, where the broker asks for them.
    pub login: Option<(String, Secret)>,
    /// TLS, where it is wanted.
    pub tls: Option<TlsFiles>,
}

/// What polling says: packets, and at last why it ended.
type Polled = Result<Event, Box<ConnectionError>>;

/// What was handed in under one packet number.
#[derive(Debug, Clone, Copy)]
enum Sent {
    Record(Seq),
    Life,
}

/// A connection that is over.
struct Over {
    why: String,
    /// Whether the broker is to blame; else we began the session anew.
    failed: bool,
}

impl Over {
    fn failed(why: impl Into<String>) -> Self {
        Self { why: why.into(), failed: true }
    }
}

/// A polling task that ends with whoever waits for it.
struct Polling(JoinHandle<()>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Connection {
    client: AsyncClient,
    polled: mpsc::Receiver<Polled>,
    _polling: Polling,
    /// Whether the broker took the sign-in.
    stands: bool,
    /// Handed in and not yet numbered, in order.
    unnumbered: VecDeque<Sent>,
    numbered: BTreeMap<u16, Sent>,
    /// Messages whose fate the desk has told.
    stored: mpsc::Receiver<(Publish, Verdict)>,
    say_stored: mpsc::Sender<(Publish, Verdict)>,
    /// Messages whose fate it has not told.
    unstored: usize,
    look: Pin<Box<Sleep>>,
    looks: u32,
}

/// The line to the broker.
enum Line {
    /// After a failure.
    Resting(Pin<Box<Sleep>>),
    Open(Box<Connection>),
}

/// What a line brings next.
enum Turn {
    Rested,
    Polled(Option<Polled>),
    Stored(Publish, Verdict),
    Look,
}

impl Line {
    async fn next(&mut self) -> Turn {
        match self {
            Self::Resting(rest) => {
                rest.await;
                Turn::Rested
            }
            Self::Open(open) => tokio::select! {
                polled = open.polled.recv() => Turn::Polled(polled),
                Some((publish, verdict)) = open.stored.recv() => Turn::Stored(publish, verdict),
                () = &mut open.look => Turn::Look,
            },
        }
    }
}

/// One platform being served.
pub(super) struct Mqtt {
    platform: EndpointId,
    hub: HubId,
    up: String,
    down: String,
    may_speak: bool,
    settings: MqttSettings,
    tls: Option<Arc<ClientConfig>>,
    ends: Ends,
    window: Window<Bytes, Bytes>,
    ledger: Ledger,
    pace: Pace,
    heard: VecDeque<Heard>,
    /// The next session is to be begun anew.
    anew: bool,
}

async fn poll(mut line: EventLoop, tell: mpsc::Sender<Polled>) {
    loop {
        match line.poll().await {
            Ok(event) => match timeout(HELD_UP, tell.send(Ok(event))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            },
            Err(why) => {
                // Acknowledgements that were read before the error count.
                for event in line.state.events.drain(..) {
                    if tell.send(Ok(event)).await.is_err() {
                        return;
                    }
                }
                let _nobody_waits = tell.send(Err(Box::new(why))).await;
                return;
            }
        }
    }
}

impl Mqtt {
    pub(super) fn new(
        settings: &PlatformSettings,
        way: &MqttSettings,
        ends: Ends,
    ) -> Result<Self, PlatformError> {
        let tls = way.tls.as_ref().map(client_tls).transpose()?.map(Arc::new);
        let readable = |secret: &Secret| std::str::from_utf8(secret.expose()).is_ok();
        if way.login.as_ref().is_some_and(|(_, secret)| !readable(secret)) {
            return Err(PlatformError::Secret);
        }
        Ok(Self {
            platform: settings.platform.clone(),
            up: up_topic(&settings.hub),
            down: down_topic(&settings.hub),
            hub: settings.hub.clone(),
            may_speak: settings.may_speak,
            settings: way.clone(),
            tls,
            ends,
            window: Window::new(WINDOW),
            ledger: Ledger::new(settings.platform.clone()),
            pace: Pace::default(),
            heard: VecDeque::new(),
            anew: false,
        })
    }

    pub(super) async fn serve(mut self, ears: Ears) {
        let Ears { mut offers, mut life, mut stopped } = ears;
        let (reports, heard) = (self.ends.reports.clone(), self.ends.heard.clone());
        let mut line = Line::Open(Box::new(self.connect()));
        let mut batch = Vec::new();
        let mut open = true;
        let mut report = Box::pin(sleep(REPORT_AFTER));
        while open || self.window.held() > 0 || self.ledger.has_news() {
            self.send_out(&mut line);
            let room = HELD_MAX.saturating_sub(self.window.held() + self.ledger.waiting());
            tokio::select! {
                _ = &mut stopped => break,
                turn = line.next() => line = self.take(line, turn),
                () = &mut report, if self.ledger.has_news() => {
                    let Ok(permit) = reports.reserve().await else { return };
                    permit.send(self.ledger.report());
                    report = Box::pin(sleep(REPORT_AFTER));
                }
                permit = heard.reserve(), if !self.heard.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(message) = self.heard.pop_front() {
                        permit.send(message);
                    }
                }
                taken = offers.recv_many(&mut batch, room), if open && room > 0 => {
                    open = taken > 0;
                    for letter in batch.drain(..) {
                        self.window.add(letter.seq, letter.body);
                    }
                }
                Ok(()) = life.changed() => {
                    if let Some(LifeSign { body, .. }) = life.borrow_and_update().clone() {
                        self.window.put_life(body);
                    }
                }
            }
        }
        self.finish(line).await;
    }

    fn connect(&self) -> Connection {
        let client_id = format!("anling-{}-{}", self.hub, self.platform);
        let settings = &self.settings;
        let mut options = MqttOptions::new(client_id, &settings.host, settings.port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_session(self.anew || !self.may_speak);
        options.set_manual_acks(true);
        options.set_max_packet_size(PACKET_MAX, PACKET_MAX);
        options.set_inflight(INFLIGHT);
        if let Some((user, password)) = &settings.login {
            options.set_credentials(user, String::from_utf8_lossy(password.expose()));
        }
        if let Some(tls) = &self.tls {
            let tls = TlsConfiguration::Rustls(Arc::clone(tls));
            options.set_transport(Transport::Tls(tls));
        }
        let (client, mut line) = AsyncClient::new(options, REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(CONNECT_SECONDS);
        network.set_tcp_nodelay(true);
        line.set_network_options(network);
        let (tell, polled) = mpsc::channel(PACKETS);
        let (say_stored, stored) = mpsc::channel(UNSTORED_MAX);
        Connection {
            client,
            polled,
            _polling: Polling(tokio::spawn(poll(line, tell))),
            stands: false,
            unnumbered: VecDeque::new(),
            numbered: BTreeMap::new(),
            stored,
            say_stored,
            unstored: 0,
            look: Box::pin(sleep(LOOK)),
            looks: 0,
        }
    }

    /// Hands in what may leave now.
    fn send_out(&mut self, line: &mut Line) {
        let Line::Open(open) = line else { return };
        while open.stands
            && open.unnumbered.len() + open.numbered.len() <= WINDOW
            && let Some(next) = self.window.leave()
        {
            let (sent, body) = match next {
                Next::Record(seq, body) => (Sent::Record(seq), body),
                Next::Life(body) => (Sent::Life, body),
            };
            let handed = open.client.try_publish(&self.up, QoS::AtLeastOnce, false, body);
            if handed.is_err() {
                // More requests than can be: seen as no progress, and sent again.
                tracing::debug!(platform = %self.platform, "the client takes nothing");
                return;
            }
            open.unnumbered.push_back(sent);
        }
    }

    fn take(&mut self, line: Line, turn: Turn) -> Line {
        let Line::Open(mut open) = line else { return Line::Open(Box::new(self.connect())) };
        let mut broken = match turn {
            Turn::Rested => None,
            Turn::Polled(polled) => self.hear(&mut open, polled),
            Turn::Stored(publish, verdict) => Self::acknowledge(&mut open, &publish, verdict),
            Turn::Look => {
                open.look = Box::pin(sleep(LOOK));
                open.looks = if self.is_busy(&open) { open.looks + 1 } else { 0 };
                (open.looks >= STUCK).then(|| Over::failed("it acknowledges nothing"))
            }
        };
        // What has come meanwhile is heard before anything else is done.
        for _ in 0..WINDOW {
            let Some(Ok(polled)) = broken.is_none().then(|| open.polled.try_recv()) else { break };
            broken = self.hear(&mut open, Some(polled));
        }
        match broken {
            None => Line::Open(open),
            Some(over) => self.give_up(&over),
        }
    }

    fn is_busy(&self, open: &Connection) -> bool {
        !open.unnumbered.is_empty() || !open.numbered.is_empty() || self.window.under_way() > 0
    }

    /// The connection is over: what is unsettled leaves again on the next.
    fn give_up(&mut self, over: &Over) -> Line {
        let why = &over.why;
        self.window.rewind();
        if over.failed {
            self.ledger.fails(why);
        }
        let pause = self.pace.failed(None);
        tracing::debug!(platform = %self.platform, why, ?pause, "the line to the platform is over");
        Line::Resting(Box::pin(sleep(pause)))
    }

    /// One thing that polling told; how the connection is over, if it is.
    fn hear(&mut self, open: &mut Connection, polled: Option<Polled>) -> Option<Over> {
        let event = match polled {
            Some(Ok(event)) => event,
            Some(Err(why)) => {
                if is_too_big(&why) {
                    // The broker would send it with each connection for ever.
                    self.anew = true;
                    self.heed(Err(Misfit::NoPacket), Receipt::unasked());
                }
                return Some(Over { why: said(&why), failed: !self.anew });
            }
            None => return Some(Over::failed("the hub was too busy to read it")),
        };
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                if std::mem::take(&mut self.anew) {
                    let why = "the session is begun anew".to_owned();
                    return Some(Over { why, failed: false });
                }
                open.stands = true;
                if self.may_speak {
                    // A full queue is impossible here, and would show as silence.
                    let _asked = open.client.try_subscribe(&self.down, QoS::AtLeastOnce);
                }
                if self.window.held() == 0 {
                    self.ledger.works();
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                if let Some(sent) = open.numbered.remove(&ack.pkid) {
                    open.looks = 0;
                    self.pace.well();
                    self.ledger.works();
                    self.settle(sent);
                }
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                use rumqttc::SubscribeReasonCode::Failure;
                if answer.return_codes.contains(&Failure) {
                    tracing::warn!(platform = %self.platform, topic = self.down, "the broker does not let us hear what the platform says: see its access rules");
                }
            }
            Event::Incoming(Packet::Publish(publish)) => self.listen(open, publish),
            Event::Outgoing(Outgoing::Publish(number)) => {
                if let Some(sent) = open.unnumbered.pop_front() {
                    open.numbered.insert(number, sent);
                }
            }
            _ => {}
        }
        None
    }

    fn settle(&mut self, sent: Sent) {
        match sent {
            Sent::Record(seq) => {
                if self.window.settle(seq) {
                    self.ledger.settle(seq, Settled::HandedOver);
                }
            }
            Sent::Life => tracing::debug!(platform = %self.platform, "sign of life taken"),
        }
    }

    /// The platform says something.
    fn listen(&mut self, open: &mut Connection, publish: Publish) {
        if !self.may_speak || publish.topic != self.down {
            return;
        }
        let message = Message::read(&publish.payload, &self.hub);
        if publish.qos == QoS::AtMostOnce {
            return self.heed(message, Receipt::unasked());
        }
        if open.unstored >= UNSTORED_MAX {
            // Unacknowledged, it comes with the next connection.
            return;
        }
        open.unstored += 1;
        let tell = open.say_stored.clone();
        // A connection that is gone hears no more: the message comes again.
        let receipt = Receipt::new(move |verdict| drop(tell.try_send((publish, verdict))));
        self.heed(message, receipt);
    }

    fn heed(&mut self, message: Result<Message, Misfit>, receipt: Receipt) {
        if self.heard.len() < UNSTORED_MAX {
            let platform = self.platform.clone();
            self.heard.push_back(Heard { platform, message, receipt });
        }
    }

    fn acknowledge(open: &mut Connection, publish: &Publish, verdict: Verdict) -> Option<Over> {
        open.unstored = open.unstored.saturating_sub(1);
        let left = verdict == Verdict::Stored && open.client.try_ack(publish).is_ok();
        (!left).then(|| Over::failed("a message could not be stored"))
    }

    /// Hears what is still acknowledged, says goodbye and reports; whoever stops this sets the limit.
    async fn finish(mut self, mut line: Line) {
        while let Line::Open(open) = &line
            && open.stands
            && self.is_busy(open)
        {
            let turn = line.next().await;
            line = self.take(line, turn);
        }
        if let Line::Open(open) = &mut line
            && open.stands
            && open.client.try_disconnect().is_ok()
        {
            let said = async { while let Some(Ok(_)) = open.polled.recv().await {} };
            let _said = timeout(LAST_WORDS, said).await;
        }
        let reports = self.ends.reports.clone();
        self.ledger.close(&reports).await;
    }
}

fn is_too_big(why: &ConnectionError) -> bool {
    matches!(
        why,
        ConnectionError::MqttState(StateError::Deserialization(
            BytesError::PayloadSizeLimitExceeded(_)
        ))
    )
}

/// An error with its causes, as one fragment.
fn said(why: &ConnectionError) -> String {
    match why {
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "it closed the connection".to_owned()
        }
        ConnectionError::NetworkTimeout => "it did not answer in 5 s".to_owned(),
        ConnectionError::ConnectionRefused(code) => format!("it refused the sign-in: {code:?}"),
        ConnectionError::Io(cause) => cause.to_string(),
        ConnectionError::Tls(cause) => format!("no TLS connection: {cause}"),
        other => other.to_string(),
    }
}
