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

use std::collections::VecDeque;
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
use super::down::Told;
use super::platform::{Held, Protocol};
use super::window::Next;
use super::{PlatformError, UNSTORED_MAX};
use crate::notify::endpoint::{LifeSign, Settled};
use crate::notify::rest::{HURRIED_MAX, Rest};
use crate::notify::wire::{Reply, TlsFiles, Wire};
use crate::terms::{Receipt, Secret, Seq, Verdict as Stored, Wait};

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

/// What comes next.
pub(super) enum Turn {
    Landed(Result<Reply, JoinError>),
    Rested,
    /// A message of this id is on disk.
    Stored(String),
    /// Nothing was sent for a while.
    Idle,
}

/// One platform's line.
pub(super) struct Https<P> {
    as_batch: bool,
    accepted: Option<Accepted>,
    post: Arc<P>,
    batch: Batch,
    flight: Option<Flight>,
    rest: Option<Rest>,
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
    pub(super) fn new(way: &HttpsSettings, post: P) -> Self {
        let (say_stored, told_stored) = mpsc::channel(UNSTORED_MAX);
        Self {
            as_batch: way.batch.is_some(),
            accepted: way.accepted.clone(),
            post: Arc::new(post),
            batch: Batch::new(way.batch.unwrap_or(1)),
            flight: None,
            rest: None,
            stored: VecDeque::new(),
            say_stored,
            told_stored,
        }
    }

    fn note_stored(&mut self, id: String) {
        if self.stored.len() < UNSTORED_MAX && !self.stored.contains(&id) {
            self.stored.push_back(id);
        }
    }

    /// As many further events as one request may hold.
    fn gather(&mut self, held: &mut Held, seq: Seq, body: Bytes) -> (Vec<Seq>, Vec<Bytes>) {
        let mut bytes = body.len();
        let (mut seqs, mut bodies) = (vec![seq], vec![body]);
        let allowed = self.batch.allowed(|last| held.window.unsettled_through(last));
        while seqs.len() < allowed {
            match held.window.peek() {
                Some((_, body)) if bytes + body.len() <= BATCH_BYTES_MAX => bytes += body.len(),
                _ => break,
            }
            let Some((seq, body)) = held.window.next_record() else { break };
            seqs.push(seq);
            bodies.push(body);
        }
        (seqs, bodies)
    }

    fn land(&mut self, held: &mut Held, reply: Result<Reply, JoinError>) {
        let Some(flight) = self.flight.take() else { return };
        // A request that could not be made is one that was not answered.
        let reply = reply.unwrap_or(Reply::Broken);
        let answered = matches!(&reply, Reply::Answered { status, .. } if status.is_success());
        if answered {
            self.stored.drain(..flight.heard.min(self.stored.len()));
        }
        let (verdict, down) = judge(&reply, &flight.ids, self.accepted.as_ref());
        if let Some(down) = down.filter(|_| held.may_speak) {
            self.listen(held, &down);
        }
        match (verdict, flight.carried) {
            (Verdict::Taken(places), Carried::Records(seqs)) => {
                for seq in places.iter().filter_map(|place| seqs.get(*place)) {
                    held.settle(*seq, Settled::HandedOver);
                }
                held.works();
            }
            // Where events wait, a sign of life that is taken does not say that they are.
            (Verdict::Taken(_), Carried::Life) if held.window.held() > 0 => {}
            (Verdict::Taken(_), Carried::Life) => held.works(),
            (Verdict::Blamed { why, too_large }, Carried::Records(seqs)) => {
                if let Some(guilty) = self.batch.blamed(&seqs, too_large) {
                    held.settle(guilty, Settled::DeadLetter { why });
                }
                held.works();
            }
            (Verdict::Blamed { why, .. }, Carried::Life) => {
                tracing::warn!(platform = %held.platform, why, "the sign of life is refused");
            }
            (Verdict::Later { why, after }, _) => {
                tracing::debug!(platform = %held.platform, why, "events stay owed");
                let mut pause = held.pace.failed(after);
                if held.has_alarm() {
                    pause = pause.min(HURRIED_MAX);
                }
                match after {
                    Some(_) => held.ledger.is_held_back(&why, pause),
                    None => held.ledger.fails(&why),
                }
                self.rest = Some(Rest::new(pause));
            }
        }
        // What was not settled leaves again, first.
        held.window.rewind();
    }

    /// The platform says something.
    fn listen(&self, held: &mut Held, down: &Value) {
        for told in Told::all(down, &held.hub) {
            if !held.has_room_to_hear() {
                // Not said to be on disk, it comes again.
                return;
            }
            let receipt = match &told.id {
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
            held.heed(told, receipt);
        }
    }
}

impl<P: Post> Protocol for Https<P> {
    type Turn = Turn;

    fn send_out(&mut self, held: &mut Held) {
        if self.flight.is_some() || self.rest.is_some() {
            return;
        }
        let (carried, ids, body) = match held.window.leave() {
            None => return,
            Some(Next::Life(LifeSign { id, body })) => {
                let body = if self.as_batch { joined(&[body]) } else { body };
                (Carried::Life, vec![id], body)
            }
            Some(Next::Record(seq, body)) => {
                let (seqs, bodies) = self.gather(held, seq, body);
                let ids = seqs.iter().map(|seq| format!("{}/{seq}", held.hub)).collect();
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

    async fn next(&mut self) -> Turn {
        let idle = self.flight.is_none() && self.rest.is_none();
        tokio::select! {
            reply = landing(&mut self.flight) => Turn::Landed(reply),
            () = Rest::over(&mut self.rest) => Turn::Rested,
            Some(id) = self.told_stored.recv() => Turn::Stored(id),
            () = sleep(IDLE_LIMIT), if idle => Turn::Idle,
        }
    }

    fn take(&mut self, held: &mut Held, turn: Turn) {
        match turn {
            Turn::Landed(reply) => self.land(held, reply),
            Turn::Rested => self.rest = None,
            Turn::Stored(id) => self.note_stored(id),
            Turn::Idle => self.post.rest(),
        }
    }

    fn hurry(&mut self) {
        self.rest.iter_mut().for_each(Rest::hurry);
    }

    async fn finish(&mut self, held: &mut Held) {
        if self.flight.is_some() {
            let reply = landing(&mut self.flight).await;
            self.land(held, reply);
        }
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
