//! A Modbus RTU line: panels that say nothing unasked are polled, and their lamps are switched.
//!
//! Each line is a task of its own, for as long as its plug holds ([`super::plug`]); which question comes
//! when is decided in [`super::polling`]. One request is outstanding at a time. Before it the line must
//! have been quiet for 3.5 characters, and what came unasked is dropped, so that a late answer meets no
//! other question. Whatever a panel does (nothing, half a frame, a broken sum, another's answer, an
//! exception) is the end of that one question and never of the loop. An adapter that hears itself is
//! known by the request in front of its answer. A line that takes nothing is closed and opened again.
//!
//! An answer is handed in when it differs from the last one, and else now and then as a sign of life;
//! one that was not stored is handed in again, marked, so that its reader forgets what it made of it.
//! What a lamp shall show is state and no message: the last word counts, it is said until the panel
//! echoes it, and said anew when the panel or the port was away. A library's client was rejected: it
//! would own the port, and hide stale bytes, echoes and broken frames alike behind one timeout.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_serial::SerialStream;
use tracing::warn;

use super::pieces::Sum;
use super::plug::{News, Plug, PortNews, Served, told};
pub use super::polling::Question;
use super::polling::{Came, Lamps, Plan, Wanted};
use crate::terms::{At, Framing, Inbound, LinkId, Receipt, Verdict, Wait};

/// How long a panel may think about its answer, beside the time that both frames take on the line. Own
/// choice: panels answer within 50 ms, and a USB adapter adds 16 ms.
const ANSWER_WITHIN: Wait = Wait(200);
/// How long a request may take to go out; then the port is opened anew. Own choice: the slowest speed
/// needs 70 ms.
const WRITE_WITHIN: Wait = Wait::secs(1);
/// Bytes that came unasked and are dropped before a question; with more the line is never quiet, and the
/// question has failed. Two of the longest frames.
const STALE_MAX: usize = 512;
/// Bytes that are looked through for one answer: an echo, a frame of somebody else, and the answer.
const HEARD_MAX: usize = 768;
/// Above this speed the silence between two frames is [`QUIET_FAST`] (Modbus over serial line, 2.5.1.1).
const FAST_BAUD: u32 = 19_200;
const QUIET_FAST: Wait = Wait(2);
/// Answers of one line at the desk. Own choice: more than a line brings while the desk writes one batch.
const IN_WORK: usize = 64;
/// Longest sleep: the runtime's timers stand still while a box sleeps, hub time does not.
const NAP_MAX: Wait = Wait::secs(1);
/// Failures in a row after which the log names a lamp.
const LAMP_NAMED: u32 = 3;
/// The bit that an exception sets in its function, and how long it is.
const EXCEPTION: u8 = 0x80;
const EXCEPTION_LEN: usize = 5;

/// What a polled line is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledSettings {
    /// The link's name, `modbus.ward`.
    pub link: LinkId,
    /// The device, by a path that stays the same when it is plugged in again.
    pub path: PathBuf,
    /// Speed in baud; no flow control.
    pub baud: u32,
    /// Data bits, parity and stop bits.
    pub framing: Framing,
    /// What is asked on it.
    pub asks: Asks,
}

/// What is asked on a line, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// From one asking of a question to the next.
    pub poll: Wait,
    /// In the order in which they are asked.
    pub questions: Vec<Question>,
}

/// How a lamp shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lamp {
    /// Its panel.
    pub slave: u8,
    /// Its coil.
    pub coil: u16,
    /// The frame that says so; the panel answers with the same.
    pub frame: Vec<u8>,
}

/// A polled line that is kept open. Dropping it closes it at once.
#[derive(Debug)]
pub struct Polled {
    asks: watch::Sender<Asks>,
    lamps: watch::Sender<Wanted>,
    closing: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Polled {
    /// Keeps a line open and asks from now on. Answers go to `inbox`, stamped by `now`; what happens to
    /// the port and its panels goes to `news`.
    pub fn keep(
        settings: PolledSettings,
        inbox: mpsc::Sender<Inbound>,
        now: impl Fn() -> At + Send + Sync + 'static,
        news: mpsc::Sender<(LinkId, PortNews)>,
    ) -> Self {
        let PolledSettings { link, path, baud, framing, asks } = settings;
        let plan = Plan::new(asks.poll, asks.questions.clone(), now());
        let ((asks, asked), (lamps, wanted)) =
            (watch::channel(asks), watch::channel(Wanted::new()));
        let (closing, closed) = watch::channel(false);
        let plug = Plug { link: link.clone(), path, baud, framing };
        let poller = Poller {
            link,
            speed: Speed { baud, framing },
            plan,
            lamps: Lamps::default(),
            asked,
            wanted,
            echoes: false,
            inbox,
            now: Box::new(now),
            news: news.clone(),
            in_work: Arc::new(Semaphore::new(IN_WORK)),
            closed: closed.clone(),
        };
        let task = tokio::spawn(plug.keep_open(news, closed, poller));
        Self { asks, lamps, closing, task }
    }

    /// Asks this from now on; the port stays open.
    pub fn ask(&self, asks: Asks) {
        self.asks.send_replace(asks);
    }

    /// From now on the lamp shall be so. Never waits.
    pub fn show(&self, lamp: Lamp) {
        let Lamp { slave, coil, frame } = lamp;
        self.lamps.send_if_modified(|wanted| {
            wanted.insert((slave, coil), frame.clone()).as_ref() != Some(&frame)
        });
    }

    /// Tells nothing more to lamps that are not among these.
    pub fn keep_lamps(&self, mut is_one: impl FnMut(u8, u16) -> bool) {
        self.lamps.send_modify(|wanted| wanted.retain(|(slave, coil), _| is_one(*slave, *coil)));
    }

    /// Asks no more.
    pub fn stop_reading(&self) {
        self.closing.send_replace(true);
    }

    /// Closes, within `limit`. What a lamp has not been told is told when the line is next opened.
    pub async fn stop(mut self, limit: Wait) {
        self.stop_reading();
        let _ = timeout(limit.std(), &mut self.task).await;
    }
}

/// How fast a line is.
#[derive(Debug, Clone, Copy)]
struct Speed {
    baud: u32,
    framing: Framing,
}

impl Speed {
    /// How long so many bytes take on the line, rounded up.
    fn time_of(self, bytes: usize) -> Wait {
        let bits = self.framing.bits_a_byte() * u64::try_from(bytes).unwrap_or(u64::MAX);
        Wait((bits * 1_000).div_ceil(u64::from(self.baud.max(1))))
    }

    /// How long an answer may take that has so many bytes with its request.
    fn limit(self, bytes: usize) -> Wait {
        Wait(ANSWER_WITHIN.0 + self.time_of(bytes).0)
    }

    /// The silence that ends a frame: 3.5 characters.
    fn quiet(self) -> Wait {
        match self.baud {
            fast if fast > FAST_BAUD => QUIET_FAST,
            _ => Wait(self.time_of(7).0.div_ceil(2)).max(QUIET_FAST),
        }
    }
}

/// One line's task.
struct Poller {
    link: LinkId,
    speed: Speed,
    plan: Plan,
    lamps: Lamps,
    asked: watch::Receiver<Asks>,
    wanted: watch::Receiver<Wanted>,
    /// Whether the adapter hears what the hub says itself.
    echoes: bool,
    inbox: mpsc::Sender<Inbound>,
    now: Box<dyn Fn() -> At + Send + Sync>,
    news: News,
    in_work: Arc<Semaphore>,
    closed: watch::Receiver<bool>,
}

impl Served for Poller {
    fn opened(&mut self) {
        self.plan.begin((self.now)());
        self.lamps.forget(None);
        self.echoes = false;
    }

    async fn serve(&mut self, mut stream: SerialStream) -> (SerialStream, io::Error) {
        let mut closed = self.closed.clone();
        let error = tokio::select! {
            error = self.poll(&mut stream) => error,
            () = told(&mut closed) => io::ErrorKind::Interrupted.into(),
        };
        (stream, error)
    }

    fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }
}

impl Poller {
    /// Asks in turn until the port is gone; why it is gone.
    async fn poll(&mut self, stream: &mut SerialStream) -> io::Error {
        loop {
            if self.asked.has_changed().unwrap_or(false) {
                let Asks { poll, questions } = self.asked.borrow_and_update().clone();
                self.plan.renew(poll, questions, (self.now)());
            }
            if let Err(error) = self.light(stream).await {
                return error;
            }
            let next = self.plan.next((self.now)()).map(|(at, question)| (at, question.clone()));
            let wait = match next {
                Ok((at, question)) => match self.ask(stream, at, &question).await {
                    Ok(()) => continue,
                    Err(error) => return error,
                },
                Err(wait) => wait.min(NAP_MAX),
            };
            tokio::select! {
                () = sleep(wait.std()) => {}
                Ok(()) = self.wanted.changed() => {}
                Ok(()) = self.asked.changed() => self.asked.mark_changed(),
            }
        }
    }

    /// Asks one question. Only a port that is gone is an error.
    async fn ask(
        &mut self,
        stream: &mut SerialStream,
        at: usize,
        question: &Question,
    ) -> io::Result<()> {
        let began = (self.now)();
        let limit = self.speed.limit(question.wire.len() + question.answer_len);
        let look = |heard: &[u8], _| read_answer(question, heard);
        let (came, echo) = self.exchange(stream, &question.wire, limit, look).await?;
        let now = (self.now)();
        if matches!(came, Came::Answer(_) | Came::Exception(_)) {
            self.echoes = echo;
        }
        if let Some(news) = self.plan.ended(at, (began, now), &came) {
            if let PortNews::Panel { slave, lost: None } = &news {
                self.lamps.forget(Some(*slave));
            }
            self.say(news).await;
        }
        let Came::Answer(answer) = came else { return Ok(()) };
        self.hand_in(at, now, answer).await
    }

    /// Tells one lamp how it shall be, if one has to be told.
    async fn light(&mut self, stream: &mut SerialStream) -> io::Result<()> {
        let wanted = self.wanted.borrow_and_update().clone();
        self.lamps.keep(&wanted);
        let plan = &self.plan;
        let next = self.lamps.next((self.now)(), &wanted, |slave| plan.answers(slave));
        let Some(((slave, coil), frame)) = next else { return Ok(()) };
        let limit = self.speed.limit(2 * frame.len());
        let look = |heard: &[u8], echoes| read_echo(frame, heard, echoes);
        let (came, _) = self.exchange(stream, frame, limit, look).await?;
        let echoed = matches!(came, Came::Answer(_));
        let failed = self.lamps.ended((slave, coil), frame.clone(), (self.now)(), echoed);
        if failed == LAMP_NAMED {
            let link = &self.link;
            warn!(%link, slave, coil, ?came, "a lamp does not answer and may show the wrong thing");
        }
        Ok(())
    }

    /// Says a frame on a quiet line and looks for its answer; also whether the frame came back first.
    async fn exchange(
        &mut self,
        stream: &mut SerialStream,
        frame: &[u8],
        limit: Wait,
        look: impl Fn(&[u8], bool) -> Option<Came>,
    ) -> io::Result<(Came, bool)> {
        if !self.quieten(stream).await? {
            return Ok((
                Came::Nothing("the line is never quiet: see its cable and its end"),
                false,
            ));
        }
        match timeout(WRITE_WITHIN.std(), stream.write_all(frame)).await {
            Ok(written) => written?,
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes nothing")),
        }
        let (mut heard, mut space) = (Vec::new(), [0; 256]);
        let echoes = self.echoes;
        let listening = async {
            loop {
                match stream.read(&mut space).await? {
                    0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                    count => heard.extend_from_slice(&space[..count]),
                }
                if let Some(came) = look(&heard, echoes) {
                    return Ok(came);
                }
                if heard.len() > HEARD_MAX {
                    return Ok(Came::Nothing("it says more than any answer"));
                }
            }
        };
        let came = match timeout(limit.std(), listening).await {
            Ok(came) => came?,
            Err(_) if heard.strip_prefix(frame).unwrap_or(&heard).is_empty() => {
                Came::Nothing("it does not answer: see its power, its cable and its address")
            }
            Err(_) => Came::Nothing("its answers cannot be read: see the cable and the speed"),
        };
        Ok((came, heard.starts_with(frame)))
    }

    /// Drops what came unasked until the line has been quiet for the silence between two frames; false
    /// when it does not become quiet.
    async fn quieten(&self, stream: &mut SerialStream) -> io::Result<bool> {
        let (mut space, mut dropped) = ([0; 256], 0);
        loop {
            match timeout(self.speed.quiet().std(), stream.read(&mut space)).await {
                Err(_) => return Ok(true),
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => dropped += count?,
            }
            if dropped > STALE_MAX {
                return Ok(false);
            }
        }
    }

    /// Hands an answer in, if it says something or is a sign of life that is due.
    async fn hand_in(&mut self, at: usize, now: At, answer: Vec<u8>) -> io::Result<()> {
        let Some(said) = self.plan.said(at, now, &answer) else { return Ok(()) };
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let in_work = Arc::clone(&self.in_work).acquire_owned().await;
        let receipt = receipt(in_work.map_err(io::Error::other)?, said.refused);
        let (link, topic) = (self.link.clone(), said.topic);
        let inbound =
            Inbound { link, topic, retained: false, received: now, bytes: answer, receipt };
        self.inbox.send(inbound).await.map_err(gone)
    }

    async fn say(&self, news: PortNews) {
        // A desk that has ended hears no more.
        let _ = self.news.send((self.link.clone(), news)).await;
    }
}

/// A receipt that gives its place back, and marks what is not stored.
fn receipt(place: OwnedSemaphorePermit, refused: Arc<AtomicBool>) -> Receipt {
    Receipt::new(move |verdict| {
        drop(place);
        if verdict == Verdict::Refused {
            refused.store(true, Ordering::Release);
        }
    })
}

/// The answer to a question in what was heard; `None` while it may still come. What stands before it is
/// an echo of the question, noise, or somebody else's.
fn read_answer(question: &Question, heard: &[u8]) -> Option<Came> {
    let heard = heard.strip_prefix(question.wire.as_slice()).unwrap_or(heard);
    let function = *question.wire.get(1)?;
    let data = question.answer_len.checked_sub(EXCEPTION_LEN)?;
    (0..heard.len()).find_map(|from| {
        let rest = &heard[from..];
        let answer = rest.get(..question.answer_len).filter(|frame| {
            frame.starts_with(&[question.slave, function])
                && usize::from(frame[2]) == data
                && Sum::Modbus.fits(frame)
        });
        let came = answer.map(|frame| Came::Answer(frame.to_vec()));
        came.or_else(|| read_exception(question.slave, function, rest))
    })
}

/// The echo with which a panel answers a coil's frame. Where the adapter hears itself, the first copy is
/// its own.
fn read_echo(frame: &[u8], heard: &[u8], echoes: bool) -> Option<Came> {
    let heard = if echoes { heard.strip_prefix(frame)? } else { heard };
    (0..heard.len()).find_map(|from| match heard[from..].starts_with(frame) {
        true => Some(Came::Answer(frame.to_vec())),
        false => read_exception(*frame.first()?, *frame.get(1)?, &heard[from..]),
    })
}

fn read_exception(slave: u8, function: u8, rest: &[u8]) -> Option<Came> {
    let frame = rest.get(..EXCEPTION_LEN)?;
    let is_one = frame.starts_with(&[slave, function | EXCEPTION]) && Sum::Modbus.fits(frame);
    is_one.then(|| Came::Exception(frame[2]))
}

#[cfg(test)]
#[path = "modbus_tests.rs"]
mod tests;
