//! A platform over HTTPS: one request under way at a time, with one event or a batch of them.
//!
//! - One at a time, because the record lane keeps its order and nothing else orders requests. A batch
//!   (CloudEvents' `application/cloudevents-batch+json`) makes up for it: up to a hundred events.
//! - What an answer means is judged in `answer`; which of a refused batch is guilty is found in
//!   `batch`. Everything that is not a yes is tried again, with growing pauses or the one asked for;
//!   an event that is answered 500 for ever holds up those behind it, because nobody can tell it from
//!   a platform that is broken, and losing a story is worse than a late one. `status` says so, and a
//!   person may give up what is owed.
//! - An answer may bring messages in a list `down`. Those that are on disk are named in the header
//!   [`HEARD_HEADER`] of the next request that gets through, so that the platform may stop repeating; so
//!   are those that mean nothing and have an id that can be read.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

use super::answer::{Accepted, Verdict, judge};
use super::batch::Batch;
use super::down::{Heard, Told};
use super::ledger::Ledger;
use super::pace::Pace;
use super::window::{Next, Window};
use super::{Ears, Ends, HELD_MAX, PlatformError, PlatformSettings, REPORT_AFTER, UNSTORED_MAX};
use crate::notify::endpoint::{LifeSign, Settled};
use crate::notify::rest::{HURRIED_MAX, Rest};
use crate::notify::wire::{Reply, TlsFiles, Wire};
use crate::terms::{EndpointId, HubId, Receipt, Secret, Seq, Verdict as Stored, Wait};

/// Events in one request where the config names no other number.
pub const BATCH_MAX: usize = 100;
/// Bytes of events in one request; a single longer event goes alone. Own choice: small against the
/// megabyte that servers take by default.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Names the messages of the platform that are on disk, with a blank between.
pub const HEARD_HEADER: &str = "anling-heard";
/// Idle connections are closed by many servers after a minute: leave first.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// `[platform.NAME.https]`, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsSettings {
    /// Where to.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// Whom to trust, and our certificate.
    pub tls: TlsFiles,
    /// How many events a request may hold, as a batch; `None` sends each alone.
    pub batch: Option<usize>,
    /// What a 2xx answer must say.
    pub accepted: Option<Accepted>,
    /// How long one request may take.
    pub time_limit: Wait,
}

/// What requests go through.
pub(super) trait Post: Send + Sync + 'static {
    /// Sends one body, with the ids of the messages that are on disk.
    fn post(&self, body: Bytes, heard: Option<HeaderValue>) -> impl Future<Output = Reply> + Send;
    /// Nothing was sent for a while.
    fn rest(&self) {}
}

impl Post for Wire {
    async fn post(&self, body: Bytes, heard: Option<HeaderValue>) -> Reply {
        let more = heard.map(|value| (HeaderName::from_static(HEARD_HEADER), value));
        self.post_with(body, more).await
    }

    fn rest(&self) {
        self.hang_up();
    }
}

/// The wire to a platform.
pub(super) fn wire(settings: &HttpsSettings) -> Result<Wire, PlatformError> {
    let mut headers = HeaderMap::new();
    let kind = match settings.batch {
        Some(_) => "application/cloudevents-batch+json; charset=utf-8",
        None => "application/cloudevents+json; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(secret) = &settings.bearer {
        let line = [b"Bearer ", secret.expose()].concat();
        let mut bearer = HeaderValue::from_bytes(&line).map_err(|_| PlatformError::Secret)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(Wire::new(&settings.url, headers, settings.time_limit.std(), &settings.tls)?)
}

/// What one request carries.
#[derive(Debug)]
enum Carried {
    Records(Vec<Seq>),
    Life,
}

/// A request under way.
struct Flight {
    task: JoinHandle<Reply>,
    carried: Carried,
    ids: Vec<String>,
    /// How many messages it says are on disk.
    heard: usize,
}

/// One platform being served.
pub(super) struct Https<P> {
    platform: EndpointId,
    hub: HubId,
    may_speak: bool,
    as_batch: bool,
    accepted: Option<Accepted>,
    post: Arc<P>,
    ends: Ends,
    window: Window<Bytes, LifeSign>,
    batch: Batch,
    ledger: Ledger,
    pace: Pace,
    flight: Option<Flight>,
    rest: Option<Rest>,
    /// Alarms that are held and not settled.
    urgent: BTreeSet<Seq>,
    heard: VecDeque<Heard>,
    /// Ids of messages on disk that the platform has not been told of.
    stored: VecDeque<String>,
    say_stored: mpsc::Sender<String>,
    told_stored: mpsc::Receiver<String>,
}

/// Waits for a request that may not be under way.
async fn landing(flight: &mut Option<Flight>) -> Result<Reply, JoinError> {
    match flight {
        Some(flight) => (&mut flight.task).await,
        None => std::future::pending().await,
    }
}

impl<P: Post> Https<P> {
    pub(super) fn new(
        settings: &PlatformSettings,
        way: &HttpsSettings,
        post: P,
        ends: Ends,
    ) -> Self {
        let most = way.batch.unwrap_or(1);
        let (say_stored, told_stored) = mpsc::channel(UNSTORED_MAX);
        Self {
            platform: settings.platform.clone(),
            hub: settings.hub.clone(),
            may_speak: settings.may_speak,
            as_batch: way.batch.is_some(),
            accepted: way.accepted.clone(),
            post: Arc::new(post),
            ends,
            window: Window::new(most),
            batch: Batch::new(most),
            ledger: Ledger::new(settings.platform.clone()),
            pace: Pace::default(),
            flight: None,
            rest: None,
            urgent: BTreeSet::new(),
            heard: VecDeque::new(),
            stored: VecDeque::new(),
            say_stored,
            told_stored,
        }
    }

    pub(super) async fn serve(mut self, ears: Ears) {
        let Ears { mut offers, mut life, mut stopped } = ears;
        let (reports, heard) = (self.ends.reports.clone(), self.ends.heard.clone());
        let mut batch = Vec::new();
        let mut open = true;
        let mut report = Box::pin(sleep(REPORT_AFTER));
        while open || self.window.held() > 0 || self.ledger.has_news() {
            self.take_off();
            let room = HELD_MAX.saturating_sub(self.window.held() + self.ledger.waiting());
            let idle = self.flight.is_none() && self.rest.is_none();
            tokio::select! {
                _ = &mut stopped => break,
                reply = landing(&mut self.flight) => self.land(reply),
                () = Rest::over(&mut self.rest) => self.rest = None,
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
                        if letter.urgent {
                            self.urgent.insert(letter.seq);
                            self.rest.iter_mut().for_each(Rest::hurry);
                        }
                        self.window.add(letter.seq, letter.body);
                    }
                }
                Ok(()) = life.changed() => {
                    if let Some(sign) = life.borrow_and_update().clone() {
                        self.window.put_life(sign);
                    }
                }
                Some(id) = self.told_stored.recv() => self.note_stored(id),
                () = sleep(IDLE_LIMIT), if idle => self.post.rest(),
            }
        }
        self.finish().await;
    }

    fn note_stored(&mut self, id: String) {
        if self.stored.len() < UNSTORED_MAX && !self.stored.contains(&id) {
            self.stored.push_back(id);
        }
    }

    /// Sends what may leave now.
    fn take_off(&mut self) {
        if self.flight.is_some() || self.rest.is_some() {
            return;
        }
        let (carried, ids, body) = match self.window.leave() {
            None => return,
            Some(Next::Life(LifeSign { id, body })) => {
                let body = if self.as_batch { joined(&[body]) } else { body };
                (Carried::Life, vec![id], body)
            }
            Some(Next::Record(seq, body)) => {
                let (seqs, bodies) = self.gather(seq, body);
                let ids = seqs.iter().map(|seq| format!("{}/{seq}", self.hub)).collect();
                let body = match (self.as_batch, bodies.as_slice()) {
                    (false, [one]) => one.clone(),
                    _ => joined(&bodies),
                };
                (Carried::Records(seqs), ids, body)
            }
        };
        let known: Vec<&str> = self.stored.iter().map(String::as_str).collect();
        let said = (!known.is_empty()).then(|| HeaderValue::from_str(&known.join(" ")).ok());
        let (post, heard, said) = (Arc::clone(&self.post), known.len(), said.flatten());
        let task = tokio::spawn(async move { post.post(body, said).await });
        self.flight = Some(Flight { task, carried, ids, heard });
    }

    /// As many further events as one request may hold.
    fn gather(&mut self, seq: Seq, body: Bytes) -> (Vec<Seq>, Vec<Bytes>) {
        let mut bytes = body.len();
        let (mut seqs, mut bodies) = (vec![seq], vec![body]);
        let allowed = self.batch.allowed(|last| self.window.unsettled_through(last));
        while seqs.len() < allowed {
            match self.window.peek() {
                Some((_, body)) if bytes + body.len() <= BATCH_BYTES_MAX => bytes += body.len(),
                _ => break,
            }
            let Some((seq, body)) = self.window.next_record() else { break };
            seqs.push(seq);
            bodies.push(body);
        }
        (seqs, bodies)
    }

    fn land(&mut self, reply: Result<Reply, JoinError>) {
        let Some(flight) = self.flight.take() else { return };
        // A request that could not be made is one that was not answered.
        let reply = reply.unwrap_or(Reply::Broken);
        let answered = matches!(&reply, Reply::Answered { status, .. } if status.is_success());
        if answered {
            self.stored.drain(..flight.heard.min(self.stored.len()));
        }
        let (verdict, down) = judge(&reply, &flight.ids, self.accepted.as_ref());
        if let Some(down) = down.filter(|_| self.may_speak) {
            self.listen(&down);
        }
        match (verdict, flight.carried) {
            (Verdict::Taken(places), Carried::Records(seqs)) => {
                for seq in places.iter().filter_map(|place| seqs.get(*place)) {
                    self.settle(*seq, Settled::HandedOver);
                }
                self.works();
            }
            // Where events wait, a sign of life that is taken does not say that they are.
            (Verdict::Taken(_), Carried::Life) if self.window.held() > 0 => {}
            (Verdict::Taken(_), Carried::Life) => self.works(),
            (Verdict::Blamed { why, too_large }, Carried::Records(seqs)) => {
                if let Some(guilty) = self.batch.blamed(&seqs, too_large) {
                    self.settle(guilty, Settled::DeadLetter { why });
                }
                self.works();
            }
            (Verdict::Blamed { why, .. }, Carried::Life) => {
                tracing::warn!(platform = %self.platform, why, "the sign of life is refused");
            }
            (Verdict::Later { why, after }, _) => {
                tracing::debug!(platform = %self.platform, why, "events stay owed");
                let mut pause = self.pace.failed(after);
                if !self.urgent.is_empty() {
                    pause = pause.min(HURRIED_MAX);
                }
                match after {
                    Some(_) => self.ledger.is_held_back(&why, pause),
                    None => self.ledger.fails(&why),
                }
                self.rest = Some(Rest::new(pause));
            }
        }
        // What was not settled leaves again, first.
        self.window.rewind();
    }

    fn works(&mut self) {
        self.pace.well();
        self.ledger.works();
    }

    fn settle(&mut self, seq: Seq, how: Settled) {
        if self.window.settle(seq) {
            self.urgent.remove(&seq);
            self.ledger.settle(seq, how);
        }
    }

    /// The platform says something.
    fn listen(&mut self, down: &Value) {
        for Told { id, message } in Told::all(down, &self.hub) {
            if self.heard.len() >= UNSTORED_MAX {
                // Not said to be on disk, it comes again.
                return;
            }
            let receipt = match &id {
                None => Receipt::unasked(),
                Some(id) => {
                    let (tell, id) = (self.say_stored.clone(), id.to_string());
                    Receipt::new(move |verdict| {
                        if verdict == Stored::Stored {
                            drop(tell.try_send(id));
                        }
                    })
                }
            };
            let platform = self.platform.clone();
            self.heard.push_back(Heard { platform, id, message, receipt });
        }
    }

    /// Waits for the request under way and reports; whoever stops this sets the limit.
    async fn finish(mut self) {
        if self.flight.is_some() {
            let reply = landing(&mut self.flight).await;
            self.land(reply);
        }
        let reports = self.ends.reports.clone();
        self.ledger.close(&reports).await;
    }
}

/// Events as one JSON list.
fn joined(bodies: &[Bytes]) -> Bytes {
    let length = bodies.iter().map(|body| body.len() + 1).sum::<usize>() + 1;
    let mut list = BytesMut::with_capacity(length);
    for (n, body) in bodies.iter().enumerate() {
        list.put_u8(if n == 0 { b'[' } else { b',' });
        list.extend_from_slice(body);
    }
    list.put_u8(b']');
    list.freeze()
}
