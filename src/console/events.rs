//! Server-sent events: every fact once and in order, and a beat every 2 s.
//!
//! `id` is the fact's sequence, so that a reader that was cut says the last one it had
//! (`Last-Event-ID`, or `?after=` at the first time) and goes on behind it, however long it was away
//! and whatever happened to the hub in between. A beat has the `id` of the last fact before it: a
//! reader that has seen no fact so far is behind none either. What the record no longer has is told as
//! a `gap`, never passed over.
//!
//! Old facts are read from the record, at most [`REPLAY_MAX`] for one connection; then the stream ends
//! and the reader comes again by its last event. A reader that takes nothing for [`STALLED`] is closed
//! and does the same. When the hub stops, the stream ends cleanly with a `retry`.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Counter;
use super::answer::typed;
use super::door::Stay;
use super::entries::event;
use super::params::Params;
use super::problem::{Problem, Wrong};
use crate::counter::{Ask, Beat, EntryView, Follower, Reply, Step};
use crate::terms::Seq;

/// Facts taken and sent at a time.
const CHUNK: usize = 128;
/// Facts read from the record for one connection. Own choice: a month of a busy centre, a few seconds
/// of reading.
const REPLAY_MAX: usize = 20_000;
/// How long a reader may take nothing. Own choice: what a phone needs to change its network.
const STALLED: std::time::Duration = std::time::Duration::from_secs(20);
/// Pieces that wait for a reader beside what the system holds: with [`CHUNK`], below 1 MB each, however
/// slow.
const WAITING_MAX: usize = 4;
/// How soon to come again, in ms.
const RETRY_MS: u32 = 2_000;

/// `GET /api/v1/events`.
pub(super) async fn follow(
    State(counter): State<Counter>,
    Extension(stay): Extension<Stay>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::read(query.as_deref(), &["after"])?;
    let asked = params.number("after", 0..=u64::MAX)?.map(Seq);
    // The header is the newer word: a browser sends it when it comes again, with the old address.
    let after = last_event(&headers)?.or(asked);
    let newest = counter.feed.newest();
    let Some(follower) = counter.feed.follow(after.map(|after| after.min(newest))) else {
        let detail = "as many follow as may: ask again when another has gone";
        return Err(Wrong::TooManyFollow.because(detail));
    };
    let (out, waiting) = mpsc::channel(WAITING_MAX);
    stay.ask();
    let mut teller = Teller { counter, follower, out, replayed: 0, limits: LIMITS };
    tokio::spawn(async move {
        // Either way the reader comes again by the last event it has.
        let _ = teller.tell(after.filter(|after| *after > newest)).await;
        drop(teller);
        stay.over();
    });
    let mut response = typed("text/event-stream", Body::new(Pieces(waiting)));
    // A proxy that gathers an answer before it passes it on would hold every event back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event(headers: &HeaderMap) -> Result<Option<Seq>, Problem> {
    let Some(said) = headers.get("last-event-id") else { return Ok(None) };
    let read = said.to_str().ok().map(str::trim).and_then(|said| said.parse().ok());
    let wrong = || Wrong::BadQuery.because("Last-Event-ID is the id of an event: a number");
    read.map(|seq| Some(Seq(seq))).ok_or_else(wrong)
}

/// What is on its way to one reader.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Why a stream ends; the reader comes again by its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody reads any more, or too slowly.
    Unread,
    /// The hub stops, the record cannot be read at the moment, or enough of it was read.
    Again,
}

/// What one stream may.
#[derive(Debug, Clone, Copy)]
struct Limits {
    replay: usize,
    stalled: std::time::Duration,
}

const LIMITS: Limits = Limits { replay: REPLAY_MAX, stalled: STALLED };

/// One stream.
struct Teller {
    counter: Counter,
    follower: Follower,
    out: mpsc::Sender<Bytes>,
    replayed: usize,
    limits: Limits,
}

impl Teller {
    /// Tells until there is a reason to end. `unknown` is what the reader says it has, where this
    /// record does not know it.
    async fn tell(&mut self, unknown: Option<Seq>) -> Result<(), End> {
        self.send(format!("retry: {RETRY_MS}\n\n")).await?;
        if let Some(after) = unknown {
            self.gap(after, self.follower.cursor().next()).await?;
        }
        let mut beats = self.counter.pulse.listen();
        if let Some(beat) = self.counter.pulse.now().await {
            self.beat(&beat).await?;
        }
        loop {
            if beats.has_changed().unwrap_or(false) {
                self.newest_beat(&mut beats).await?;
            }
            match self.follower.step(CHUNK) {
                Step::Take(entries) => self.facts(entries.iter().map(Arc::as_ref)).await?,
                Step::Read => self.replay().await?,
                Step::Wait => tokio::select! {
                    () = self.follower.news() => {}
                    _ = beats.changed() => self.newest_beat(&mut beats).await?,
                    () = self.out.closed() => return Err(End::Unread),
                },
                Step::Go => {
                    let word = "the hub stops: come again";
                    return self.send(format!(": {word}\nretry: {RETRY_MS}\n\n")).await;
                }
            }
        }
    }

    /// Tells what the record has behind the cursor.
    async fn replay(&mut self) -> Result<(), End> {
        let after = self.follower.cursor();
        let ask = Ask::Entries { after, most: CHUNK };
        let Some(Reply::Entries(read)) = self.counter.ask(ask).await else {
            return Err(End::Again);
        };
        self.replayed += read.entries.len();
        let mut last = after;
        for run in read.entries.chunk_by(|one, other| one.seq.next() == other.seq) {
            let [first, ..] = run else { continue };
            if first.seq > last.next() {
                self.gap(last, first.seq).await?;
            }
            self.facts(run.iter()).await?;
            last = run.last().map_or(last, |one| one.seq);
        }
        if read.upto > last {
            self.gap(last, read.upto.next()).await?;
        }
        self.follower.pass(read.upto);
        match self.replayed < self.limits.replay || self.follower.cursor() >= self.follower.newest()
        {
            true => Ok(()),
            false => Err(End::Again),
        }
    }

    async fn facts(&self, entries: impl Iterator<Item = &EntryView>) -> Result<(), End> {
        let mut text = String::new();
        for one in entries {
            let (seq, name) = (one.seq, one.fact.name());
            let data = event(&self.counter.hub, one);
            text.push_str(&format!("id: {seq}\nevent: {name}\ndata: {data}\n\n"));
        }
        self.send(text).await
    }

    /// Nothing is known of what lies between.
    async fn gap(&self, after: Seq, next: Seq) -> Result<(), End> {
        let data = json!({ "after": after, "next": next });
        self.send(format!("event: gap\ndata: {data}\n\n")).await
    }

    async fn newest_beat(&self, beats: &mut watch::Receiver<Option<Arc<Beat>>>) -> Result<(), End> {
        let beat = beats.borrow_and_update().clone();
        match beat {
            Some(beat) => self.beat(&beat).await,
            None => Ok(()),
        }
    }

    async fn beat(&self, beat: &Beat) -> Result<(), End> {
        let data = serde_json::to_string(beat).unwrap_or_default();
        self.send(format!("id: {}\nevent: beat\ndata: {data}\n\n", self.follower.cursor())).await
    }

    async fn send(&self, text: String) -> Result<(), End> {
        match timeout(self.limits.stalled, self.out.send(Bytes::from(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Unread),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::console::pulse::Pulse;
    use crate::counter::{Asked, EntriesView, Feed};
    use crate::incident::Fact;
    use crate::terms::{At, HubId, Secret, Wall};

    /// A desk whose record holds these, all of them on disk.
    fn desk(held: Vec<u64>) -> (Feed, Counter) {
        let newest = Seq(held.last().copied().unwrap_or_default());
        let (asks, mut asked) = mpsc::channel::<Asked>(8);
        tokio::spawn(async move {
            while let Some(Asked { ask, reply }) = asked.recv().await {
                let Ask::Entries { after, most } = ask else { continue };
                let view = |seq: u64| EntryView {
                    seq: Seq(seq),
                    at: At(seq),
                    wall: Wall(0),
                    clock_trusted: true,
                    fact: Fact::HubStopped,
                };
                let behind = held.iter().copied().filter(|seq| *seq > after.0);
                let entries: Vec<_> = behind.take(most).map(view).collect();
                let last = entries.last().filter(|_| entries.len() == most);
                let upto = last.map_or(newest, |one| one.seq);
                let _ = reply.send(Reply::Entries(Box::new(EntriesView { entries, upto, newest })));
            }
        });
        let feed = Feed::new(newest);
        let counter = Counter {
            asks: asks.clone(),
            key: Secret::new("k"),
            now: Arc::new(|| Wall(0)),
            feed: feed.door(),
            hub: HubId::new("hub").unwrap(),
            pulse: Pulse::new(asks),
            signals: crate::console::Signals::new(mpsc::channel(1).0, || crate::terms::At(0)),
        };
        (feed, counter)
    }

    fn teller(counter: &Counter, after: u64, limits: Limits) -> (Teller, mpsc::Receiver<Bytes>) {
        let follower = counter.feed.follow(Some(Seq(after))).unwrap();
        let (out, waiting) = mpsc::channel(WAITING_MAX);
        (Teller { counter: counter.clone(), follower, out, replayed: 0, limits }, waiting)
    }

    /// Everything that is told until the end, and the end.
    async fn told(counter: &Counter, after: u64, limits: Limits) -> (String, Result<(), End>) {
        let (mut teller, mut waiting) = teller(counter, after, limits);
        let telling = tokio::spawn(async move { teller.tell(None).await });
        let mut text = String::new();
        while let Some(piece) = waiting.recv().await {
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
        (text, telling.await.unwrap())
    }

    fn ids(text: &str) -> Vec<u64> {
        text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }

    const PATIENT: Limits = Limits { replay: 600, stalled: Duration::from_secs(600) };

    #[tokio::test]
    async fn a_long_way_back_is_told_in_several_connections_each_from_where_the_last_ended() {
        let (feed, counter) = desk((1..=1_500).collect());
        feed.end();
        let (mut seen, mut ends) = (Vec::new(), Vec::new());
        while seen.len() < 1_500 {
            let last = seen.last().copied().unwrap_or_default();
            let (text, end) = told(&counter, last, PATIENT).await;
            seen.extend(ids(&text));
            ends.push(end);
        }
        assert_eq!(seen, (1..=1_500).collect::<Vec<_>>());
        assert_eq!(ends, [Err(End::Again), Err(End::Again), Ok(())]);
    }

    #[tokio::test]
    async fn what_the_record_no_longer_has_is_told_as_a_gap() {
        let (feed, counter) = desk(vec![4, 5, 9]);
        feed.end();
        let (text, end) = told(&counter, 0, PATIENT).await;
        assert_eq!((ids(&text), end), (vec![4, 5, 9], Ok(())));
        let gaps: Vec<&str> = text.lines().filter(|line| line.contains("\"after\"")).collect();
        assert_eq!(gaps, [r#"data: {"after":0,"next":4}"#, r#"data: {"after":5,"next":9}"#]);
        assert!(text.ends_with("come again\nretry: 2000\n\n"), "{text}");
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_closed() {
        let (_feed, counter) = desk((1..=2_000).collect());
        let limits = Limits { replay: 2_000, stalled: Duration::from_millis(20) };
        let (mut teller, _waiting) = teller(&counter, 0, limits);
        assert_eq!(teller.tell(None).await, Err(End::Unread));
    }
}
