//! A serial line: read in pieces and written frame by frame, for as long as its plug holds
//! ([`super::plug`]).
//!
//! Each port is a task of its own, so that one that hangs, floods or is pulled out holds up no other.
//! What the bytes mean is not known here; how they are cut is data ([`super::pieces`]).
//!
//! A line has no acknowledgement of its own: a receipt makes room for the next piece. Where the contract
//! names an answer ([`Answers`]), the receipt's verdict sends it, and a refused one sends nothing, so
//! that the sender says it again. A sender that waits for its answer says nothing else before: so the same
//! piece again while the first is at the desk is dropped, since one answer settles both, and the same
//! soon after a refusal is handed in as owed again.
//!
//! With [`IN_WORK`] pieces at the desk a port reads no further, and it never reads faster than its speed
//! allows, because a USB device ignores the speed: so a flood waits in front of its own port. What the
//! system then drops is broken at one frame, and its sender repeats.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_serial::SerialStream;
use tracing::warn;

use super::pieces::{Cutter, Pieces, QUIET};
use super::plug::{News, Plug, PortNews, Served, told};
use crate::terms::{At, Framing, Inbound, LinkId, Receipt, Verdict, Wait};

/// Pieces of one port at the desk. Own choice: a sixty-fourth of the desk's inbox, and more than a
/// full line brings in the time of one turn.
const IN_WORK: usize = 64;
/// Frames waiting to be written; what does not fit is dropped, and asked for by the device's repeat.
/// Own choice: 2,000 calls told anew with two stages each, 7 s of a line at 115,200 baud.
const DOWNLINK: usize = 4_096;
/// How long one frame may take to go out; then it and all that wait are dropped, because the other
/// end takes nothing. Own choice: the slowest speed needs 40 ms.
const WRITE_WITHIN: Wait = Wait::secs(2);
/// Bytes taken in at once.
const READ_MAX: usize = 512;
/// Reading is paced in slices of this length …
const SLICE: Wait = Wait(100);
/// … with a quarter more than the line's speed can bring.
const PACE_PERCENT: u64 = 125;
/// A line is flooded when it is at least half busy over a whole window. Own choice: 500 buttons that
/// repeat at once when power returns keep 115,200 baud busy for a tenth of it.
const FLOOD_WINDOW: Wait = Wait::secs(10);
const FLOOD_PERCENT: u64 = 50;
/// The same piece later than this is another one, answered or not: its sender has long given up. Own
/// choice: alarm receivers say a line four times within 16 s.
const AGAIN_WITHIN: Wait = Wait::secs(30);
/// Pieces are counted by the minute where their number has a limit.
const PIECES_PER: Wait = Wait::mins(1);

/// What a port is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialSettings {
    /// The link's name, `serial.front`.
    pub link: LinkId,
    /// The device, by a path that stays the same when it is plugged in again.
    pub path: PathBuf,
    /// Speed in baud; no flow control.
    pub baud: u32,
    /// Data bits, parity and stop bits.
    pub framing: Framing,
    /// How its bytes are cut.
    pub pieces: Pieces,
    /// What is said to each piece, where the sender waits for it.
    pub answers: Option<Answers>,
    /// More pieces in a minute are a jam or a flood.
    pub pieces_a_minute: Option<u32>,
}

/// What a line says to a piece that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// To one that is on disk, or needs no disk.
    pub stored: Vec<u8>,
    /// To one that has not the form that was agreed on.
    pub unread: Vec<u8>,
    /// Whether the sender repeats the same until it is answered, and says nothing else before.
    pub in_turn: bool,
}

impl SerialSettings {
    fn bytes_in(&self, wait: Wait, percent: u64) -> usize {
        let bits = self.framing.bits_a_byte();
        let bytes = u64::from(self.baud) / bits * wait.0 / 1_000 * percent / 100;
        usize::try_from(bytes).unwrap_or(usize::MAX).max(READ_MAX)
    }
}

/// Too many frames wait for the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many frames are waiting for the line: send this one again when its stage is asked for"
)]
pub struct LineFull;

/// A port that is kept open. Dropping it closes it at once.
#[derive(Debug)]
pub struct Port {
    downlink: mpsc::Sender<Vec<u8>>,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Port {
    /// Keeps a port open from now on. Pieces go to `inbox` in their order, stamped by `now`; what
    /// happens to the port goes to `news`.
    pub fn keep(
        settings: SerialSettings,
        inbox: mpsc::Sender<Inbound>,
        now: impl Fn() -> At + Send + Sync + 'static,
        news: mpsc::Sender<(LinkId, PortNews)>,
    ) -> Self {
        let (downlink, frames) = mpsc::channel(DOWNLINK);
        let (closing, closed) = watch::channel(false);
        let plug = Plug {
            link: settings.link.clone(),
            path: settings.path.clone(),
            baud: settings.baud,
            framing: settings.framing,
        };
        let keeper = Keeper {
            topic: Arc::from(settings.link.as_str()),
            settings,
            inbox,
            now: Box::new(now),
            news: news.clone(),
            in_work: Arc::new(Semaphore::new(IN_WORK)),
            // Held weakly: what is still at the desk keeps no line from ending.
            answers: downlink.downgrade(),
            closed: closed.clone(),
            frames,
        };
        Self { downlink, closing, task: tokio::spawn(plug.keep_open(news, closed, keeper)) }
    }

    /// Puts a frame on its way, if there is room. Never waits.
    ///
    /// # Errors
    /// When [`LineFull`].
    pub fn write(&self, frame: Vec<u8>) -> Result<(), LineFull> {
        self.downlink.try_send(frame).map_err(|_| LineFull)
    }

    /// Reads no more; frames are still written.
    pub fn stop_reading(&self) {
        self.closing.send_replace(true);
    }

    /// Writes what waits, within `limit`, and closes.
    pub async fn stop(mut self, limit: Wait) {
        self.stop_reading();
        let (nobody, _) = mpsc::channel(1);
        self.downlink = nobody;
        // What does not go out in time is told again when the port is next opened.
        let _ = timeout(limit.std(), &mut self.task).await;
    }
}

/// One port's task.
struct Keeper {
    settings: SerialSettings,
    topic: Arc<str>,
    inbox: mpsc::Sender<Inbound>,
    now: Box<dyn Fn() -> At + Send + Sync>,
    news: News,
    in_work: Arc<Semaphore>,
    answers: mpsc::WeakSender<Vec<u8>>,
    closed: watch::Receiver<bool>,
    frames: mpsc::Receiver<Vec<u8>>,
}

/// The last piece of a sender that waits for its answer, and how it stands.
struct Last {
    bytes: Vec<u8>,
    at: At,
    stands: Arc<AtomicU8>,
}

/// What a piece is to the last one of a sender that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Another one.
    Nothing,
    /// The same, and the first is still at the desk.
    UnderWay,
    /// The same, since the first got no answer.
    Unanswered,
}

impl Last {
    fn again(&self, bytes: &[u8], now: At) -> Repeats {
        if self.bytes != bytes || now - self.at >= AGAIN_WITHIN {
            return Repeats::Nothing;
        }
        match self.stands.load(Ordering::Acquire) {
            AT_THE_DESK => Repeats::UnderWay,
            REFUSED => Repeats::Unanswered,
            _ => Repeats::Nothing,
        }
    }
}

/// How a piece stands that is owed an answer.
const AT_THE_DESK: u8 = 0;
const ANSWERED: u8 = 1;
const REFUSED: u8 = 2;

impl Served for Keeper {
    fn opened(&mut self) {
        // From before it was gone: the desk says anew what still holds.
        while self.frames.try_recv().is_ok() {}
    }

    /// Reads and writes until the port is gone or is to be closed.
    async fn serve(&mut self, stream: SerialStream) -> (SerialStream, io::Error) {
        let mut closed = self.closed.clone();
        let mut frames = std::mem::replace(&mut self.frames, mpsc::channel(1).1);
        let (mut from, mut to) = tokio::io::split(stream);
        let error = {
            let writing = self.write(&mut to, &mut frames);
            tokio::pin!(writing);
            tokio::select! {
                error = self.read(&mut from) => error,
                error = &mut writing => error,
                () = told(&mut closed) => writing.await,
            }
        };
        self.frames = frames;
        (from.unsplit(to), error)
    }

    fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }
}

impl Keeper {
    async fn say(&self, news: PortNews) {
        // A desk that has ended hears no more.
        let _ = self.news.send((self.settings.link.clone(), news)).await;
    }

    /// Hands in pieces until reading fails.
    async fn read(&self, from: &mut ReadHalf<SerialStream>) -> io::Error {
        let mut space = [0; READ_MAX];
        let (mut cutter, mut pieces) = (Cutter::new(self.settings.pieces.clone()), Vec::new());
        let mut last = None;
        let mut pace = Pace::new((self.now)(), self.settings.bytes_in(SLICE, PACE_PERCENT));
        let mut flood = Flood::new((self.now)(), self.settings.pieces_a_minute);
        let mut window = interval(FLOOD_WINDOW.std());
        window.reset();
        // A stall is one long window, not many empty ones.
        window.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let count = tokio::select! {
                read = from.read(&mut space) => match read {
                    Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                    Ok(count) => count,
                    Err(error) => return error,
                },
                _ = window.tick() => {
                    let most = self.settings.bytes_in(FLOOD_WINDOW, FLOOD_PERCENT);
                    if let Some(news) = flood.window((self.now)(), most) {
                        self.say(news).await;
                    }
                    continue;
                }
                () = sleep(QUIET.std()), if cutter.waits() => {
                    cutter.quiet(&mut pieces);
                    0
                }
            };
            flood.bytes += count;
            for byte in &space[..count] {
                cutter.take(*byte, &mut pieces);
            }
            for bytes in pieces.drain(..) {
                if let Some(news) = flood.piece((self.now)()) {
                    self.say(news).await;
                }
                if self.hand_in(bytes, &mut last).await.is_none() {
                    return io::ErrorKind::BrokenPipe.into();
                }
            }
            if let Some(rest) = pace.after((self.now)(), count) {
                sleep(rest.std()).await;
            }
        }
    }

    /// `None` when the desk has ended.
    async fn hand_in(&self, bytes: Vec<u8>, last: &mut Option<Last>) -> Option<()> {
        let place = Arc::clone(&self.in_work).acquire_owned().await.ok()?;
        let stands = Arc::new(AtomicU8::new(AT_THE_DESK));
        let mut again = false;
        if self.settings.answers.as_ref().is_some_and(|answers| answers.in_turn) {
            let now = (self.now)();
            match last.as_ref().map_or(Repeats::Nothing, |last| last.again(&bytes, now)) {
                Repeats::UnderWay => return Some(()),
                repeats => again = repeats == Repeats::Unanswered,
            }
            *last = Some(Last { bytes: bytes.clone(), at: now, stands: Arc::clone(&stands) });
        }
        let (answers, to) = (self.settings.answers.clone(), self.answers.clone());
        let settle = move |verdict| {
            drop(place);
            let Some(answers) = answers else { return };
            let answer = match verdict {
                Verdict::Stored => answers.stored,
                Verdict::Unread => answers.unread,
                Verdict::Refused => return stands.store(REFUSED, Ordering::Release),
            };
            // Before it is sent: whoever has the answer may say the next one at once.
            stands.store(ANSWERED, Ordering::Release);
            let unsent = || to.upgrade().is_none_or(|to| to.try_send(answer.clone()).is_err());
            if !answer.is_empty() && unsent() {
                stands.store(REFUSED, Ordering::Release);
            }
        };
        let receipt = if again { Receipt::owed_again(settle) } else { Receipt::new(settle) };
        let inbound = Inbound {
            link: self.settings.link.clone(),
            topic: Arc::clone(&self.topic),
            retained: false,
            received: (self.now)(),
            bytes,
            receipt,
        };
        self.inbox.send(inbound).await.ok()
    }

    /// Writes frames until writing fails, or nobody can send any more.
    async fn write(
        &self,
        to: &mut WriteHalf<SerialStream>,
        frames: &mut mpsc::Receiver<Vec<u8>>,
    ) -> io::Error {
        let mut stuck = false;
        while let Some(frame) = frames.recv().await {
            match timeout(WRITE_WITHIN.std(), to.write_all(&frame)).await {
                Ok(Ok(())) => stuck = false,
                Ok(Err(error)) => return error,
                Err(_) => {
                    let mut dropped = 1;
                    while frames.try_recv().is_ok() {
                        dropped += 1;
                    }
                    if !stuck {
                        let link = &self.settings.link;
                        warn!(%link, dropped, "the line takes nothing: what waited for it is dropped");
                    }
                    stuck = true;
                }
            }
        }
        io::ErrorKind::BrokenPipe.into()
    }
}

/// Keeps reading within what the line's speed allows.
struct Pace {
    began: At,
    bytes: usize,
    most: usize,
}

impl Pace {
    fn new(now: At, most: usize) -> Self {
        Self { began: now, bytes: 0, most }
    }

    /// How long to read nothing after `count` more bytes.
    fn after(&mut self, now: At, count: usize) -> Option<Wait> {
        if now - self.began >= SLICE {
            (self.began, self.bytes) = (now, 0);
        }
        self.bytes += count;
        let rest = SLICE.0.saturating_sub((now - self.began).0);
        (self.bytes >= self.most && rest > 0).then_some(Wait(rest))
    }
}

/// Counts what a line brings.
struct Flood {
    bytes: usize,
    /// Whether the last window was full.
    full: bool,
    since: At,
    pieces: u32,
    most: Option<u32>,
    /// Whether this minute or the last had too many pieces.
    many: bool,
    said: bool,
}

impl Flood {
    fn new(now: At, most: Option<u32>) -> Self {
        Self { bytes: 0, full: false, since: now, pieces: 0, most, many: false, said: false }
    }

    /// One more piece; news if it is the one too many.
    fn piece(&mut self, now: At) -> Option<PortNews> {
        self.roll(now);
        self.pieces = self.pieces.saturating_add(1);
        self.many |= self.most.is_some_and(|most| self.pieces > most);
        self.news()
    }

    /// News at the end of a window, if it differs from the last.
    fn window(&mut self, now: At, most: usize) -> Option<PortNews> {
        self.full = std::mem::take(&mut self.bytes) >= most;
        self.roll(now);
        self.news()
    }

    fn roll(&mut self, now: At) {
        if now - self.since >= PIECES_PER {
            self.many &= self.most.is_some_and(|most| self.pieces > most);
            (self.since, self.pieces) = (now, 0);
        }
    }

    fn news(&mut self) -> Option<PortNews> {
        let flooded = self.full || self.many;
        let is_news = flooded != self.said;
        self.said = flooded;
        is_news.then_some(PortNews::Flooded(flooded))
    }
}

#[cfg(test)]
#[path = "serial_tests.rs"]
mod tests;
