//! The plug of a line: opened by its stable path, and opened again whenever it goes.
//!
//! A port that is not there is no error of a start: it is tried again, after 0.5 s up to every 10 s, and
//! the desk hears of it as news. Opening and closing are done beside the runtime: a worn-out USB stack
//! may take seconds for either. What is done with an open port is its wire's own ([`Served`]): a line
//! that is heard ([`super::serial`]) and one that is asked ([`super::modbus`]) share nothing else. Raw
//! file descriptors were rejected for tokio-serial, which knows the kernel's termios.

use std::io;
use std::path::PathBuf;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_serial::{ClearBuffer, DataBits, Parity, SerialPort, SerialPortBuilderExt, SerialStream};

use crate::terms::{Framing, LinkId, Wait};

/// First pause before a port is tried again; each following one is twice as long.
const REOPEN_FIRST: Wait = Wait(500);
/// Longest pause: a cable put back is heard within it.
const REOPEN_MOST: Wait = Wait::secs(10);

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
    /// A panel that is asked on it has stopped answering, or answers all that it is asked.
    Panel {
        /// Its address on the line, 1 to 247.
        slave: u8,
        /// Why it is held for lost, one fragment; `None` when it answers.
        lost: Option<String>,
    },
}

/// Where a line's news go.
pub(super) type News = mpsc::Sender<(LinkId, PortNews)>;

/// What a port is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plug {
    pub(super) link: LinkId,
    /// The device, by a path that stays the same when it is plugged in again.
    pub(super) path: PathBuf,
    /// Speed in baud; no flow control.
    pub(super) baud: u32,
    pub(super) framing: Framing,
}

/// What uses a port while it is open.
pub(super) trait Served: Send {
    /// It is open, and nobody has been told so far.
    fn opened(&mut self);

    /// Uses it until it is gone or is to be closed; gives it back, with why.
    fn serve(
        &mut self,
        stream: SerialStream,
    ) -> impl Future<Output = (SerialStream, io::Error)> + Send;

    /// Whether nobody listens any more.
    fn is_over(&self) -> bool;
}

impl Plug {
    /// Keeps it open until it is to be closed.
    pub(super) async fn keep_open(
        self,
        news: News,
        mut closed: watch::Receiver<bool>,
        mut served: impl Served,
    ) {
        // A desk that has ended hears no more.
        let say = async |said| drop(news.send((self.link.clone(), said)).await);
        let mut pause = REOPEN_FIRST;
        loop {
            let why = match self.open().await {
                Ok(stream) => {
                    pause = REOPEN_FIRST;
                    served.opened();
                    say(PortNews::Opened).await;
                    let (stream, why) = served.serve(stream).await;
                    let is_stop = *closed.borrow();
                    close(stream, is_stop).await;
                    why.to_string()
                }
                Err(why) => format!("it cannot be opened: {why}"),
            };
            if *closed.borrow() || served.is_over() {
                return;
            }
            say(PortNews::Closed { why }).await;
            tokio::select! {
                () = told(&mut closed) => return,
                () = sleep(pause.std()) => {}
            }
            pause = Wait(pause.0 * 2).min(REOPEN_MOST);
        }
    }

    async fn open(&self) -> io::Result<SerialStream> {
        let path = self.path.to_string_lossy().into_owned();
        let (bits, parity) = match self.framing {
            Framing::Eight => (DataBits::Eight, Parity::None),
            Framing::EightEven => (DataBits::Eight, Parity::Even),
            Framing::EightOdd => (DataBits::Eight, Parity::Odd),
            Framing::SevenEven => (DataBits::Seven, Parity::Even),
            Framing::SevenOdd => (DataBits::Seven, Parity::Odd),
        };
        let builder = tokio_serial::new(path, self.baud).data_bits(bits).parity(parity);
        let opened = spawn_blocking(move || builder.open_native_async()).await;
        Ok(opened.map_err(io::Error::other)??)
    }
}

async fn close(stream: SerialStream, is_stop: bool) {
    let closing = spawn_blocking(move || {
        // Closing waits for what has not gone out: right at a stop, for nothing at a lost port.
        if !is_stop {
            let _ = stream.clear(ClearBuffer::All);
        }
        drop(stream);
    });
    let _ = closing.await;
}

/// Waits until the port is to be closed.
pub(super) async fn told(closed: &mut watch::Receiver<bool>) {
    // Nobody is left to say it: the port itself is gone.
    let _ = closed.wait_for(|closed| *closed).await;
}
