//! A platform over MQTT 3.1.1, QoS 1: events to `anling/v1/<hub>/up`, messages from `…/down`.
//!
//! - One client a connection (`link::mqtt_client`), thrown away at the first error; this loop hears what
//!   it brings and never waits for it.
//! - At most [`WINDOW`] events are unacknowledged. Packet numbers are given in the order of
//!   publishing, so each number taken names the next event handed in, and its PUBACK settles that one;
//!   numbers nobody knows are passed over. No acknowledgement for [`STUCK`] ends the connection.
//! - The session is kept by the broker (`clean_session` off, a fixed client id): nothing of the uplink
//!   hangs on it, since our record is the session there, but a take-over that is said while the line
//!   is away would else be acknowledged to the district and heard by nobody.
//! - A message is acknowledged once it is on disk. One that the desk cannot store ends the connection,
//!   so that it comes again. One that is too long is read, named and acknowledged like any that means
//!   nothing; only one beyond the largest packet (16 MiB) would come with every connection, and is got
//!   rid of by beginning the session anew.
//! - A broker that refuses us the platform's topic is asked again every [`ASK_AGAIN`] looks, and the desk
//!   is told.
//! - MQTT 3.1.1 knows no refusal of a publish: there are no dead letters here. A broker whose access rules
//!   forbid the topic acknowledges and throws away, and many answer a forbidden subscription with a yes;
//!   see to its rules before trusting the counts. That what we say arrives is proven by the platform's
//!   own software alone, which can answer a sign of life by a note.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{Event, Outgoing, Packet, Publish, QoS, SubscribeReasonCode};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

use super::down::{Told, down_topic, up_topic};
use super::platform::{Held, Protocol};
use super::window::Next;
use super::{PlatformError, PlatformSettings, UNSTORED_MAX};
use crate::link::mqtt_client::{Address, Line, Polled, Sitting, said, too_big};
use crate::notify::endpoint::{Hearing, Settled};
use crate::notify::wire::{TlsFiles, client_tls};
use crate::terms::{Receipt, Secret, Seq, Verdict};

/// Events sent and not acknowledged: the measured recipe of the project.
pub const WINDOW: usize = 64;
/// How often progress is looked at, …
const LOOK: Duration = Duration::from_secs(5);
/// … and how many looks in a row may see none while something is under way: 10 to 15 s.
const STUCK: u32 = 3;
/// After how many looks a refused subscription is asked for again: 10 to 15 s. Own choice.
const ASK_AGAIN: u32 = 3;

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

struct Connection {
    line: Line,
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
    /// Looks until a refused subscription is asked for again.
    ask_in: Option<u32>,
}

/// The way to the broker.
enum Road {
    /// After a failure.
    Resting(Pin<Box<Sleep>>),
    Open(Box<Connection>),
}

/// What a road brings next.
pub(super) enum Turn {
    Rested,
    Polled(Option<Polled>),
    Stored(Publish, Verdict),
    Look,
}

impl Road {
    async fn next(&mut self) -> Turn {
        match self {
            Self::Resting(rest) => {
                rest.await;
                Turn::Rested
            }
            Self::Open(open) => tokio::select! {
                polled = open.line.next() => Turn::Polled(polled),
                Some((publish, verdict)) = open.stored.recv() => Turn::Stored(publish, verdict),
                () = &mut open.look => Turn::Look,
            },
        }
    }
}

fn is_busy(held: &Held, open: &Connection) -> bool {
    !open.unnumbered.is_empty() || !open.numbered.is_empty() || held.window.under_way() > 0
}

/// One platform's line.
pub(super) struct Mqtt {
    up: String,
    down: String,
    client_id: String,
    address: Address,
    /// The next session is to be begun anew.
    anew: bool,
    road: Road,
}

impl Mqtt {
    pub(super) fn new(
        settings: &PlatformSettings,
        way: &MqttSettings,
    ) -> Result<Self, PlatformError> {
        let tls = way.tls.as_ref().map(client_tls).transpose()?.map(Arc::new);
        let readable = |secret: &Secret| std::str::from_utf8(secret.expose()).is_ok();
        if way.login.as_ref().is_some_and(|(_, secret)| !readable(secret)) {
            return Err(PlatformError::Secret);
        }
        Ok(Self {
            up: up_topic(&settings.hub),
            down: down_topic(&settings.hub),
            client_id: format!("anling-{}-{}", settings.hub, settings.platform),
            address: Address {
                host: way.host.clone(),
                port: way.port,
                login: way.login.clone(),
                tls,
            },
            anew: false,
            road: Road::Resting(Box::pin(sleep(Duration::ZERO))),
        })
    }

    fn connect(&self, held: &Held) -> Connection {
        let clean = self.anew || !held.may_speak;
        let sitting = Sitting { client_id: &self.client_id, clean };
        let (say_stored, stored) = mpsc::channel(UNSTORED_MAX);
        Connection {
            line: Line::open(&self.address, sitting),
            stands: false,
            unnumbered: VecDeque::new(),
            numbered: BTreeMap::new(),
            stored,
            say_stored,
            unstored: 0,
            look: Box::pin(sleep(LOOK)),
            looks: 0,
            ask_in: None,
        }
    }

    /// Looks for progress, and asks again for what was refused.
    fn look(&self, held: &Held, open: &mut Connection) -> Option<Over> {
        open.look = Box::pin(sleep(LOOK));
        open.looks = if is_busy(held, open) { open.looks + 1 } else { 0 };
        open.ask_in = open.ask_in.map(|looks| looks.saturating_sub(1));
        if open.ask_in == Some(0) {
            self.ask(open);
        }
        (open.looks >= STUCK).then(|| Over::failed("it acknowledges nothing"))
    }

    /// The connection is over: what is unsettled leaves again on the next.
    fn give_up(held: &mut Held, over: &Over) -> Road {
        let why = &over.why;
        held.window.rewind();
        if over.failed {
            held.ledger.fails(why);
        }
        let pause = held.pace.failed(None);
        tracing::debug!(platform = %held.platform, why, ?pause, "the line to the platform is over");
        Road::Resting(Box::pin(sleep(pause)))
    }

    /// One thing that polling told; how the connection is over, if it is.
    fn hear(
        &mut self,
        held: &mut Held,
        open: &mut Connection,
        polled: Option<Polled>,
    ) -> Option<Over> {
        let event = match polled {
            Some(Ok(event)) => event,
            Some(Err(why)) => {
                let large = too_big(&why).is_some();
                if large {
                    // The broker would send it with each connection for ever.
                    self.anew = true;
                    held.heed(Told::unread(), Receipt::unasked());
                }
                return Some(Over { why: said(&why), failed: !large });
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
                match held.may_speak {
                    true => self.ask(open),
                    false => held.ledger.hears(Hearing::Granted),
                }
                if held.window.held() == 0 {
                    held.ledger.works();
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                if let Some(sent) = open.numbered.remove(&ack.pkid) {
                    open.looks = 0;
                    held.works();
                    Self::settle(held, sent);
                }
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                // Without acknowledgements of ours a message is lost with the connection.
                let granted = SubscribeReasonCode::Success(QoS::AtLeastOnce);
                let refused = answer.return_codes.iter().any(|code| *code != granted);
                open.ask_in = refused.then_some(ASK_AGAIN);
                held.ledger.hears(match refused {
                    true => Hearing::Refused { topic: self.down.clone() },
                    false => Hearing::Granted,
                });
            }
            Event::Incoming(Packet::Publish(publish)) => self.listen(held, open, publish),
            Event::Outgoing(Outgoing::Publish(number)) => {
                if let Some(sent) = open.unnumbered.pop_front() {
                    open.numbered.insert(number, sent);
                }
            }
            _ => {}
        }
        None
    }

    /// Asks to hear what the platform says.
    fn ask(&self, open: &mut Connection) {
        open.ask_in = None;
        // A full queue is impossible here, and would show as silence.
        let _asked = open.line.client.try_subscribe(&self.down, QoS::AtLeastOnce);
    }

    fn settle(held: &mut Held, sent: Sent) {
        match sent {
            Sent::Record(seq) => held.settle(seq, Settled::HandedOver),
            Sent::Life => tracing::debug!(platform = %held.platform, "sign of life taken"),
        }
    }

    /// The platform says something.
    fn listen(&self, held: &mut Held, open: &mut Connection, publish: Publish) {
        if !held.may_speak || publish.topic != self.down {
            return;
        }
        let told = Told::read(&publish.payload, &held.hub);
        if publish.qos == QoS::AtMostOnce {
            return held.heed(told, Receipt::unasked());
        }
        if open.unstored >= UNSTORED_MAX {
            // Unacknowledged, it comes with the next connection.
            return;
        }
        open.unstored += 1;
        let tell = open.say_stored.clone();
        // A connection that is gone hears no more: the message comes again.
        let receipt = Receipt::new(move |verdict| drop(tell.try_send((publish, verdict))));
        held.heed(told, receipt);
    }

    fn acknowledge(open: &mut Connection, publish: &Publish, verdict: Verdict) -> Option<Over> {
        open.unstored = open.unstored.saturating_sub(1);
        let left = verdict == Verdict::Stored && open.line.client.try_ack(publish).is_ok();
        (!left).then(|| Over::failed("a message could not be stored"))
    }
}

impl Protocol for Mqtt {
    type Turn = Turn;

    fn send_out(&mut self, held: &mut Held) {
        let Road::Open(open) = &mut self.road else { return };
        while open.stands
            && open.unnumbered.len() + open.numbered.len() <= WINDOW
            && let Some(next) = held.window.leave()
        {
            let (sent, body) = match next {
                Next::Record(seq, body) => (Sent::Record(seq), body),
                Next::Life(sign) => (Sent::Life, sign.body),
            };
            let handed = open.line.client.try_publish(&self.up, QoS::AtLeastOnce, false, body);
            if handed.is_err() {
                // More requests than can be: seen as no progress, and sent again.
                tracing::debug!(platform = %held.platform, "the client takes nothing");
                return;
            }
            open.unnumbered.push_back(sent);
        }
    }

    fn next(&mut self) -> impl Future<Output = Turn> + Send {
        self.road.next()
    }

    fn take(&mut self, held: &mut Held, turn: Turn) {
        let rests = Road::Resting(Box::pin(sleep(Duration::ZERO)));
        let Road::Open(mut open) = std::mem::replace(&mut self.road, rests) else {
            self.road = Road::Open(Box::new(self.connect(held)));
            return;
        };
        let mut broken = match turn {
            Turn::Rested => None,
            Turn::Polled(polled) => self.hear(held, &mut open, polled),
            Turn::Stored(publish, verdict) => Self::acknowledge(&mut open, &publish, verdict),
            Turn::Look => self.look(held, &mut open),
        };
        // What has come meanwhile is heard before anything else is done.
        for _ in 0..WINDOW {
            let Some(Some(polled)) = broken.is_none().then(|| open.line.come()) else { break };
            broken = self.hear(held, &mut open, Some(polled));
        }
        self.road = match broken {
            None => Road::Open(open),
            Some(over) => Self::give_up(held, &over),
        };
    }

    /// Hears what is still acknowledged, and says goodbye.
    async fn finish(&mut self, held: &mut Held) {
        while let Road::Open(open) = &self.road
            && open.stands
            && is_busy(held, open)
        {
            let turn = self.road.next().await;
            self.take(held, turn);
        }
        if let Road::Open(open) = &mut self.road
            && open.stands
        {
            open.line.close().await;
        }
    }
}
