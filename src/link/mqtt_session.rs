//! One connection to an outside broker, from CONNECT to its first error.
//!
//! The connection itself is `link::mqtt_client`'s; this file's loop hears what it brings, and never
//! waits for it. Every CONNACK is followed by a SUBSCRIBE, whatever the broker remembers, and by a look
//! at each of its answers.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::mqttbytes::Error as BytesError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, Outgoing, Packet, Publish, QoS, StateError,
    SubscribeFilter, SubscribeReasonCode,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::mqtt::{Command, Hearth, MqttNews};
use super::mqtt_client::{Line, NO_BROKER, PAYLOAD_MAX, is_no_broker, said, too_big};
use super::mqtt_ledger::{Ledger, Taken};
use super::mqtt_pace::End;
use super::mqtt_probe::{Finding, Probe};
use crate::terms::{At, Inbound, Receipt, Wait};

/// Commands sent and not acknowledged; more would stop rumqttc's queue, acknowledgements included.
const COMMANDS_UNDER_WAY: usize = 64;
/// How long the broker may leave a subscription or a command unanswered.
const UNANSWERED: Wait = Wait::secs(10);
/// How soon a refused subscription is asked for again.
const ASK_AGAIN: Wait = Wait::secs(30);
/// How long only the bare topics are heard; then the connection is begun anew with more, and the session
/// holds what comes meanwhile. Own choice.
pub const REGAIN: Wait = Wait::mins(10);
/// A connection that ends so soon after asking for the broker's own counts ended because of that.
const COUNTS_HURT: Wait = Wait::secs(1);
/// mosquitto's count of messages it threw away because a queue was full.
pub(super) const DROPPED: &str = "$SYS/broker/publish/messages/dropped";

/// How a connection ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    /// Why, as a fragment.
    pub(super) why: String,
    /// Whether there was one: the broker took the sign-in.
    pub(super) stood: bool,
    /// How long it stood.
    pub(super) lived: Duration,
    /// The packet that was larger than allowed, in bytes.
    pub(super) too_big: Option<usize>,
    /// Whether the broker may not be asked for its counts.
    pub(super) counts_hurt: bool,
    /// Whether it may not be probed.
    pub(super) probe_hurt: bool,
}

/// One try.
pub(super) struct Session<'k> {
    pub(super) hearth: &'k Hearth,
    pub(super) ledger: &'k Ledger,
    pub(super) commands: &'k mut mpsc::Receiver<Command>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) filters: &'k [String],
    /// Whether these are the bare ones.
    pub(super) is_bare: bool,
    pub(super) ask_counts: bool,
    /// Whether an earlier connection of this run stood, so that the broker should know us.
    pub(super) known: bool,
    /// The broker's count of thrown away messages, as it was last heard.
    pub(super) dropped: &'k mut Option<u64>,
    /// Whether it lets anything through.
    pub(super) probe: Option<Probe>,
}

/// Where a standing connection is.
struct Standing {
    client: AsyncClient,
    since: At,
    subscribed: Option<u16>,
    /// Until when the broker has to answer.
    due: Option<At>,
    ask_again: Option<At>,
    /// When more than the bare topics is asked for.
    regain: Option<At>,
    hearing: bool,
    counts_asked: Option<At>,
    under_way: usize,
    /// When a command was last acknowledged, or the first of those under way was sent.
    progress: At,
}

impl Session<'_> {
    /// Connects and hears until the connection ends.
    pub(super) async fn run(mut self, mut line: Line) -> Ended {
        let resumed = match line.next().await {
            Some(Ok(Event::Incoming(Packet::ConnAck(said)))) => said.session_present,
            Some(Err(why)) => return unconnected(&why),
            Some(Ok(_)) | None => return Ended::of(End::TurnedAway, NO_BROKER),
        };
        self.ledger.begin(line.client.clone(), resumed);
        if self.known && !resumed {
            self.hearth.tell(MqttNews::Forgot).await;
        }
        let now = self.now();
        let mut standing = Standing::new(line.client.clone(), now);
        standing.regain = self.is_bare.then(|| now + REGAIN);
        let ended = self.hear(&mut standing, &mut line, resumed).await;
        self.ledger.end();
        let now = self.now();
        let lived = (now - standing.since).std();
        let counts_hurt = standing.counts_asked.is_some_and(|at| now - at < COUNTS_HURT);
        let probe_hurt = self.probe.as_ref().is_some_and(|probe| probe.hurts(now));
        Ended { stood: true, lived, counts_hurt, probe_hurt, ..ended }
    }

    fn now(&self) -> At {
        (self.hearth.now)()
    }

    async fn hear(&mut self, at: &mut Standing, line: &mut Line, resumed: bool) -> Ended {
        let mut refusals = self.ledger.refusals();
        refusals.mark_unchanged();
        let mut closing = self.closing.clone();
        self.subscribe(at);
        loop {
            let room = at.hearing && at.under_way < COMMANDS_UNDER_WAY;
            let now = self.now();
            let probed = self.probe.as_ref().and_then(Probe::due);
            let due = at.next_due().into_iter().chain(probed).min().map(|due| (due - now).std());
            tokio::select! {
                closed = async { closing.wait_for(|closing| *closing).await.is_ok() } => {
                    if closed {
                        self.settle(line).await;
                        line.close().await;
                    }
                    return cut("the hub stops");
                }
                event = line.next() => match event {
                    Some(Ok(event)) => self.take(at, event, resumed).await,
                    Some(Err(why)) => return broken(&why),
                    None => return cut("the hub was too busy to read it"),
                },
                Ok(()) = refusals.changed() => {
                    return Ended::of(End::Unstored, "a message could not be stored");
                }
                Some(command) = self.commands.recv(), if room => at.send(&command, now),
                () = sleep(due.unwrap_or_default()), if due.is_some() => {
                    let now = self.now();
                    if at.is_unanswered(now) {
                        return Ended::of(End::TurnedAway, "it leaves what we ask unanswered");
                    }
                    if at.regain.is_some_and(|due| due <= now) {
                        return cut("all of its topics are asked for again");
                    }
                    if at.ask_again.is_some_and(|due| due <= now) {
                        self.subscribe(at);
                    }
                    self.probe(at, now).await;
                }
            }
        }
    }

    fn subscribe(&self, at: &mut Standing) {
        let wanted = |topic: &String| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce);
        // A full queue shows as an unanswered question.
        let _asked = at.client.try_subscribe_many(self.filters.iter().map(wanted));
        (at.subscribed, at.ask_again) = (None, None);
        at.due = Some(self.now() + UNANSWERED);
    }

    async fn take(&mut self, at: &mut Standing, event: Event, resumed: bool) {
        match event {
            Event::Incoming(Packet::Publish(publish)) if publish.topic == DROPPED => {
                self.count_dropped(&publish).await;
            }
            Event::Incoming(Packet::Publish(publish)) if self.is_probe(&publish) => {
                self.probed(at, &publish).await;
            }
            Event::Incoming(Packet::Publish(publish)) => self.hand_on(publish).await,
            Event::Incoming(Packet::SubAck(answer)) if at.subscribed == Some(answer.pkid) => {
                self.answered(at, &answer.return_codes, resumed).await;
            }
            Event::Incoming(Packet::PubAck(_)) => {
                at.under_way = at.under_way.saturating_sub(1);
                at.progress = self.now();
            }
            Event::Outgoing(Outgoing::Subscribe(pkid)) if at.counts_asked.is_none() => {
                at.subscribed = Some(pkid);
            }
            Event::Outgoing(Outgoing::PubAck(pkid) | Outgoing::PubRec(pkid)) => {
                self.ledger.left(pkid);
            }
            _ => {}
        }
    }

    async fn answered(&mut self, at: &mut Standing, codes: &[SubscribeReasonCode], resumed: bool) {
        at.due = None;
        let granted = |code: Option<&SubscribeReasonCode>| matches!(code, Some(SubscribeReasonCode::Success(qos)) if *qos != QoS::AtMostOnce);
        let pairs = self.filters.iter().enumerate();
        let refused: Vec<String> = pairs
            .filter(|(n, _)| !granted(codes.get(*n)))
            .map(|(_, filter)| filter.clone())
            .collect();
        // What it does grant is heard, and commands may go.
        at.hearing = true;
        if !refused.is_empty() {
            at.hearing = refused.len() < self.filters.len();
            at.ask_again = Some(self.now() + ASK_AGAIN);
            self.hearth.tell(MqttNews::Deaf { filters: refused }).await;
            return;
        }
        self.hearth.tell(MqttNews::Hearing { resumed }).await;
        let now = self.now();
        if let Some(probe) = &mut self.probe {
            probe.begin(now);
        }
        if self.ask_counts && at.counts_asked.is_none() {
            at.counts_asked = Some(self.now());
            let _not_needed = at.client.try_subscribe(DROPPED, QoS::AtMostOnce);
        }
    }

    /// Sends a probe when it is time, and tells what became of the last one.
    async fn probe(&mut self, at: &Standing, now: At) {
        let Some(probe) = &mut self.probe else { return };
        let owed = *self.ledger.open().borrow() > 0;
        let Some((said, found)) = probe.look(now, owed) else { return };
        // One that finds no room does not come back, and is sent again.
        let _sent = at.client.try_publish(&probe.topic, QoS::AtMostOnce, false, said);
        self.tell_found(found).await;
    }

    fn is_probe(&self, publish: &Publish) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.topic == publish.topic)
    }

    /// A probe of ours, on this connection or an earlier one: no device's event.
    async fn probed(&mut self, at: &Standing, publish: &Publish) {
        if publish.qos != QoS::AtMostOnce {
            // Some brokers raise a message to the level of the subscription.
            let _acknowledged = at.client.try_ack(publish);
        }
        let now = self.now();
        let found = self.probe.as_mut().and_then(|probe| probe.came(&publish.payload, now));
        self.tell_found(found).await;
    }

    async fn tell_found(&self, found: Option<Finding>) {
        match found {
            None => {}
            Some(Finding::Through) => self.hearth.tell(MqttNews::Through).await,
            Some(Finding::Barred { heard }) => self.hearth.tell(MqttNews::Barred { heard }).await,
        }
    }

    /// Hands a message to the desk; waits while the desk has no room.
    async fn hand_on(&mut self, publish: Publish) {
        if let Some(probe) = &mut self.probe {
            probe.heard_another();
        }
        let receipt = match publish.qos {
            QoS::AtMostOnce => Receipt::unasked(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => match self.ledger.take(&publish) {
                Taken::New(receipt) => receipt,
                Taken::Again => return,
            },
        };
        if publish.payload.len() > PAYLOAD_MAX {
            self.hearth.say_big(&publish.topic);
        }
        let inbound = Inbound {
            link: self.hearth.link.clone(),
            topic: Arc::from(publish.topic),
            retained: publish.retain,
            received: self.now(),
            bytes: publish.payload[..publish.payload.len().min(PAYLOAD_MAX)].to_vec(),
            receipt,
        };
        // A desk that has ended refuses by dropping.
        let _taken = self.hearth.inbox.send(inbound).await;
    }

    /// Other software's messages count as well, and the count begins anew with the broker.
    async fn count_dropped(&mut self, publish: &Publish) {
        let said = std::str::from_utf8(&publish.payload).ok();
        let Some(now) = said.and_then(|text| text.trim().parse::<u64>().ok()) else { return };
        let more = self.dropped.map_or(0, |before| now.saturating_sub(before));
        *self.dropped = Some(now);
        if more > 0 {
            self.hearth.tell(MqttNews::ThrownAway { more }).await;
        }
    }

    /// Hears nothing more and lets out what is still acknowledged; the broker keeps the session and
    /// what comes meanwhile.
    async fn settle(&self, line: &mut Line) {
        let mut open = self.ledger.open();
        let settled = async {
            loop {
                tokio::select! {
                    biased;
                    _ = open.wait_for(|count| *count == 0) => return,
                    event = line.next() => match event {
                        Some(Ok(Event::Outgoing(Outgoing::PubAck(pkid)))) => self.ledger.left(pkid),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return,
                    },
                }
            }
        };
        let limit = *self.hearth.stop_within.borrow();
        let _in_time = timeout(limit.std(), settled).await;
    }
}

impl Standing {
    fn new(client: AsyncClient, now: At) -> Self {
        Self {
            client,
            since: now,
            subscribed: None,
            due: None,
            ask_again: None,
            regain: None,
            hearing: false,
            counts_asked: None,
            under_way: 0,
            progress: now,
        }
    }

    fn next_due(&self) -> Option<At> {
        let stuck = (self.under_way > 0).then(|| self.progress + UNANSWERED);
        [self.due, self.ask_again, self.regain, stuck].into_iter().flatten().min()
    }

    fn is_unanswered(&self, now: At) -> bool {
        let stuck = self.under_way > 0 && self.progress + UNANSWERED <= now;
        stuck || self.due.is_some_and(|due| due <= now)
    }

    /// A command that finds rumqttc's queue full is asked for again by its device.
    fn send(&mut self, command: &Command, now: At) {
        let Command { topic, payload } = command;
        if self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.clone()).is_ok() {
            if self.under_way == 0 {
                self.progress = now;
            }
            self.under_way += 1;
        }
    }
}

/// A connection that stood is gone.
fn cut(why: impl Into<String>) -> Ended {
    Ended::of(End::Cut, why)
}

fn broken(why: &ConnectionError) -> Ended {
    Ended { too_big: too_big(why), ..cut(said(why)) }
}

impl Ended {
    fn of(end: End, why: impl Into<String>) -> Self {
        Self {
            end,
            why: why.into(),
            stood: false,
            lived: Duration::ZERO,
            too_big: None,
            counts_hurt: false,
            probe_hurt: false,
        }
    }
}

/// Why no connection came about. A connection that broke during CONNECT is a broker just ending or
/// just beginning, not one that wants nothing of us.
fn unconnected(why: &ConnectionError) -> Ended {
    use std::io::ErrorKind;
    let end = match why {
        _ if is_no_broker(why) => End::TurnedAway,
        ConnectionError::Io(cause) => match cause.kind() {
            ErrorKind::ConnectionRefused => End::Refused,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => End::Cut,
            _ => End::Unreached,
        },
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::Io(_)) => End::Cut,
        ConnectionError::MqttState(StateError::Deserialization(BytesError::Io(_))) => End::Cut,
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => End::Unreached,
        _ => End::TurnedAway,
    };
    Ended::of(end, said(why))
}
