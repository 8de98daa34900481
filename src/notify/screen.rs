//! The screen in the duty room: one line per order on a terminal, in a file or on standard output.
//!
//! The line is written by a thread of its own that holds one line at a time. A terminal that is
//! stopped (Ctrl-S, a pipe nobody reads, a disk that hangs) then blocks that thread and nothing
//! else: the next letters are told to try later, and a shutdown does not wait for it. Files and
//! terminals are opened anew for each line, non-blocking, so that a terminal that was unplugged or
//! a log that was rotated away is found again by itself. Chosen over the runtime's own blocking
//! threads, which a shutdown waits for.
//!
//! A call to five people is five orders and one line: everybody in the room reads the same one.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::post::Carry;
use super::{Letter, text};
use crate::incident::{Notice, OrderId, Outcome};

/// How long one line may take. Own choice: a person would have seen it by then.
pub const LINE_LIMIT: Duration = Duration::from_secs(2);

const BELL: char = '\u{7}';

/// Why the screen cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    /// The system gave no thread.
    #[error("no thread could be started for the screen: check the service's task limit")]
    Thread(#[source] io::Error),
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Stdout,
    Path(PathBuf),
}

struct Line {
    text: String,
    urgent: bool,
    done: oneshot::Sender<io::Result<()>>,
}

/// The screen carrier.
#[derive(Debug)]
pub struct Screen {
    lines: SyncSender<Line>,
    /// The order whose line was written last, and the line.
    last: Mutex<Option<(OrderId, String)>>,
}

impl Screen {
    /// A screen at a path: a terminal such as `/dev/tty1`, a file that is appended to, or `-` for
    /// standard output. The path need not exist yet.
    pub fn open(path: &str) -> Result<Self, ScreenError> {
        let place = if path == "-" { Place::Stdout } else { Place::Path(path.into()) };
        let (lines, queue) = sync_channel(1);
        std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || write_lines(&place, &queue))
            .map_err(ScreenError::Thread)?;
        Ok(Self { lines, last: Mutex::default() })
    }
}

impl Screen {
    fn last(&self) -> MutexGuard<'_, Option<(OrderId, String)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carry for Screen {
    async fn carry(&self, letter: &Letter) -> Outcome {
        let (done, written) = oneshot::channel();
        let urgent = letter.class.is_urgent();
        let said = (letter.id.clone(), line(letter));
        let same = |(id, text): &(OrderId, String)| {
            id.cause == said.0.cause && id.person != said.0.person && *text == said.1
        };
        if self.last().as_ref().is_some_and(same) {
            return Outcome::HandedOver;
        }
        let line = Line { text: said.1.clone(), urgent, done };
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return later("the screen is stuck"),
            Err(TrySendError::Disconnected(_)) => return later("the screen's writer has ended"),
        }
        match timeout(LINE_LIMIT, written).await {
            Ok(Ok(Ok(()))) => {
                *self.last() = Some(said);
                Outcome::HandedOver
            }
            Ok(Ok(Err(error))) => later(&format!("the screen cannot be written: {}", error.kind())),
            Ok(Err(_)) => later("the screen's writer has ended"),
            Err(_) => Outcome::Unknown { why: "the screen is stuck".to_owned() },
        }
    }
}

fn later(why: &str) -> Outcome {
    Outcome::TryLater { why: why.to_owned(), after: None }
}

/// Time, code and text; the text ends with the code in most notices, but a column of codes is what
/// an eye runs down. What says "you" to one person names that person: the screen is everybody's.
fn line(letter: &Letter) -> String {
    let to = match letter.notice {
        Notice::YouAccepted if !letter.to.name.trim().is_empty() => format!("{}：", letter.to.name),
        _ => String::new(),
    };
    format!("{} {} {to}{}", letter.time.trim(), letter.code, text::short(letter))
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

fn write_lines(place: &Place, lines: &Receiver<Line>) {
    let mut torn = false;
    while let Ok(line) = lines.recv() {
        let result = match place {
            Place::Stdout => {
                let stdout = io::stdout();
                write_line(&mut stdout.lock(), stdout.is_terminal(), &line, &mut torn)
            }
            Place::Path(path) => open(path).and_then(|mut file| {
                let terminal = file.is_terminal();
                write_line(&mut file, terminal, &line, &mut torn)
            }),
        };
        let _ = line.done.send(result);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o640);
    Ok(File::from(rustix::fs::open(path, flags, mode)?))
}

/// Writes one line at once; a line that was cut is ended first, so that the next one stands alone.
fn write_line(
    out: &mut impl Write,
    terminal: bool,
    line: &Line,
    torn: &mut bool,
) -> io::Result<()> {
    let before = if *torn { "\n" } else { "" };
    let bell = if line.urgent && terminal { String::from(BELL) } else { String::new() };
    let text = format!("{before}{bell}{}\n", line.text);
    *torn = true;
    out.write_all(text.as_bytes())?;
    out.flush()?;
    *torn = false;
    Ok(())
}
