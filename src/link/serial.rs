//! A serial line: opened by its stable path, read in pieces, written frame by frame, opened again
//! whenever it goes.
//!
//! Each port is a task of its own, so that one that hangs, floods or is pulled out holds up no other.
//! A port that is not there is no error of a start: it is tried again, after 0.5 s up to every 10 s,
//! and the desk hears of it as news. What the bytes mean is not known here but for the one byte that
//! ends a piece; a piece without an end is cut, so that memory has a limit.
//!
//! A line has no acknowledgement of its own: a receipt only makes room for the next piece. With
//! [`IN_WORK`] pieces at the desk a port reads no further, and it never reads faster than its speed
//! allows, because a USB device ignores the speed: so a flood waits in front of its own port. What the
//! system then drops is broken at one frame, and its sender repeats. Opening and closing are done
//! beside the runtime: a worn-out USB stack may take seconds for either. Raw file descriptors were
//! rejected for tokio-serial, which knows the kernel's termios.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_serial::{ClearBuffer, SerialPort, SerialPortBuilderExt, SerialStream};
use tracing::warn;

use crate::terms::{At, Inbound, LinkId, Receipt, Wait};

/// First pause before a port is tried again; each following one is twice as long.
const REOPEN_FIRST: Wait = Wait(500);
/// Longest pause: a cable put back is heard within it.
const REOPEN_MOST: Wait = Wait::secs(10);
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
/// Bits of a byte on the line with its start and stop bit (8N1).
const BITS_A_BYTE: u64 = 10;

/// What a port is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerialSettings {
    /// The link's name, `serial.front`.
    pub link: LinkId,
    /// The device, by a path that stays the same when it is plugged in again.
    pub path: PathBuf,
    /// Speed in baud; 8N1, no flow control.
    pub baud: u32,
    /// The byte that ends a piece.
    pub delimiter: u8,
    /// Longest piece; of a longer one so many bytes and one more are handed in.
    pub piece_max: usize,
}

impl SerialSettings {
    fn bytes_in(&self, wait: Wait, percent: u64) -> usize {
        let bytes = u64::from(self.baud) / BITS_A_BYTE * wait.0 / 1_000 * percent / 100;
        usize::try_from(bytes).unwrap_or(usize::MAX).max(READ_MAX)
    }
}

/// What happened to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortNews {
    /// It is open: whoever listens behind it has to be told anew.
    Opened,
    /// It is not, and is tried again and again; said at every try.
    Closed {
        /// Why, one fragment.
        why: String,
    },
    /// It brings more than a line of buttons can mean, or does so no longer.
    Flooded(bool),
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
        let keeper = Keeper {
            topic: Arc::from(settings.link.as_str()),
            settings,
            inbox,
            now: Box::new(now),
            news,
            in_work: Arc::new(Semaphore::new(IN_WORK)),
            closed,
        };
        Self { downlink, closing, task: tokio::spawn(keeper.run(frames)) }
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
    news: mpsc::Sender<(LinkId, PortNews)>,
    in_work: Arc<Semaphore>,
    closed: watch::Receiver<bool>,
}

impl Keeper {
    async fn run(self, mut frames: mpsc::Receiver<Vec<u8>>) {
        let mut closed = self.closed.clone();
        let mut pause = REOPEN_FIRST;
        loop {
            let why = match self.open().await {
                Ok(stream) => {
                    pause = REOPEN_FIRST;
                    // From before it was gone: the desk says anew what still holds.
                    while frames.try_recv().is_ok() {}
                    self.say(PortNews::Opened).await;
                    self.serve(stream, &mut frames).await
                }
                Err(why) => format!("it cannot be opened: {why}"),
            };
            if *self.closed.borrow() || self.inbox.is_closed() {
                return;
            }
            self.say(PortNews::Closed { why }).await;
            tokio::select! {
                () = told(&mut closed) => return,
                () = sleep(pause.std()) => {}
            }
            pause = Wait(pause.0 * 2).min(REOPEN_MOST);
        }
    }

    async fn say(&self, news: PortNews) {
        // A desk that has ended hears no more.
        let _ = self.news.send((self.settings.link.clone(), news)).await;
    }

    async fn open(&self) -> io::Result<SerialStream> {
        let path = self.settings.path.to_string_lossy().into_owned();
        let builder = tokio_serial::new(path, self.settings.baud);
        let opened = spawn_blocking(move || builder.open_native_async()).await;
        Ok(opened.map_err(io::Error::other)??)
    }

    /// Reads and writes until the port is gone or is to be closed; why it is gone.
    async fn serve(&self, stream: SerialStream, frames: &mut mpsc::Receiver<Vec<u8>>) -> String {
        let mut closed = self.closed.clone();
        let (mut from, mut to) = tokio::io::split(stream);
        let error = {
            let writing = self.write(&mut to, frames);
            tokio::pin!(writing);
            tokio::select! {
                error = self.read(&mut from) => error,
                error = &mut writing => error,
                () = told(&mut closed) => writing.await,
            }
        };
        let stream = from.unsplit(to);
        let is_stop = *self.closed.borrow();
        let closing = spawn_blocking(move || {
            // Closing waits for what has not gone out: right at a stop, for nothing at a lost port.
            if !is_stop {
                let _ = stream.clear(ClearBuffer::All);
            }
            drop(stream);
        });
        let _ = closing.await;
        error.to_string()
    }

    /// Hands in pieces until reading fails.
    async fn read(&self, from: &mut ReadHalf<SerialStream>) -> io::Error {
        let mut space = [0; READ_MAX];
        let mut piece = Piece::new(&self.settings);
        let mut pace = Pace::new((self.now)(), self.settings.bytes_in(SLICE, PACE_PERCENT));
        let mut flood = Flood { bytes: 0, said: false };
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
                    if let Some(news) = flood.window(most) {
                        self.say(news).await;
                    }
                    continue;
                }
            };
            flood.bytes += count;
            for byte in &space[..count] {
                if let Some(bytes) = piece.take(*byte)
                    && self.hand_in(bytes).await.is_none()
                {
                    return io::ErrorKind::BrokenPipe.into();
                }
            }
            if let Some(rest) = pace.after((self.now)(), count) {
                sleep(rest.std()).await;
            }
        }
    }

    /// `None` when the desk has ended.
    async fn hand_in(&self, bytes: Vec<u8>) -> Option<()> {
        let place = Arc::clone(&self.in_work).acquire_owned().await.ok()?;
        let inbound = Inbound {
            link: self.settings.link.clone(),
            topic: Arc::clone(&self.topic),
            retained: false,
            received: (self.now)(),
            bytes,
            receipt: Receipt::new(move |_| drop(place)),
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

/// Waits until the port is to be closed.
async fn told(closed: &mut watch::Receiver<bool>) {
    // Nobody is left to say it: the port itself is gone.
    let _ = closed.wait_for(|closed| *closed).await;
}

/// The piece that is being read.
struct Piece {
    bytes: Vec<u8>,
    delimiter: u8,
    most: usize,
}

impl Piece {
    fn new(settings: &SerialSettings) -> Self {
        Self { bytes: Vec::new(), delimiter: settings.delimiter, most: settings.piece_max + 1 }
    }

    /// The piece that this byte ends, if it ends one that is not empty.
    fn take(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == self.delimiter {
            return Some(std::mem::take(&mut self.bytes)).filter(|bytes| !bytes.is_empty());
        }
        if self.bytes.len() < self.most {
            self.bytes.push(byte);
        }
        None
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
    said: bool,
}

impl Flood {
    /// News at the end of a window, if it differs from the last.
    fn window(&mut self, most: usize) -> Option<PortNews> {
        let flooded = std::mem::take(&mut self.bytes) >= most;
        let is_news = flooded != self.said;
        self.said = flooded;
        is_news.then_some(PortNews::Flooded(flooded))
    }
}

#[cfg(test)]
#[path = "serial_tests.rs"]
mod tests;
