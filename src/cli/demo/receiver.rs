//! A pretended receiver on a serial line: the far end of a pseudo-terminal, one radio button behind
//! it, the contract's own frames.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::time::{sleep, timeout};

use crate::clock::Stopwatch;
use crate::contract::{SERIAL_DELIMITER, SerialEvent, SerialFrame};
use crate::terms::{FeedbackStage, Mark};

/// The receiver's own address.
const RECEIVER: u32 = 0x5200_0001;
/// A receiver says so often that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Pause before a line that had nothing to say is looked at again.
const NAP: Duration = Duration::from_millis(1);

/// The receiver's end of the line.
pub(super) struct Receiver {
    end: OwnedFd,
    piece: Vec<u8>,
    alive: (u32, Stopwatch),
}

impl Receiver {
    /// Plugs it in: the hub finds it under `path`, as under a name in `/dev/serial/by-id`.
    pub(super) fn plug(path: &Path) -> io::Result<Self> {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&end)?;
        unlockpt(&end)?;
        // A terminal nobody has opened yet would send back what it is told.
        let mut raw = tcgetattr(&end)?;
        raw.make_raw();
        tcsetattr(&end, OptionalActions::Now, &raw)?;
        let name = ptsname(&end, Vec::new())?.into_string().map_err(io::Error::other)?;
        // A folder that was used before holds the name of a line that is gone.
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(name, path)?;
        rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK)?;
        let alive = (0, Stopwatch::start());
        Ok(Self { end, piece: Vec::new(), alive })
    }

    /// Passes a press of its button on.
    pub(super) async fn press(&mut self, address: u32, mark: Mark) -> io::Result<()> {
        let event = SerialEvent::pressed(address, mark, "sos").map(SerialFrame::Event);
        self.say_alive().await?;
        match event {
            Some(frame) => self.write(&frame).await,
            None => Ok(()),
        }
    }

    /// Waits until a button's event is answered with this stage; whether it was, in time.
    pub(super) async fn hears(
        &mut self,
        address: u32,
        mark: Mark,
        stage: FeedbackStage,
        within: Duration,
    ) -> bool {
        let wanted = SerialFrame::Command { address, mark, stage };
        let hearing = async {
            loop {
                match self.next().await {
                    Ok(frame) if frame == wanted => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        timeout(within, hearing).await.unwrap_or(false)
    }

    /// Goes on saying that it is there, as long as it is not dropped.
    pub(super) async fn stay(&mut self) -> io::Result<()> {
        loop {
            self.say_alive().await?;
            while self.byte().is_some() {}
            sleep(ALIVE_EVERY / 10).await;
        }
    }

    async fn say_alive(&mut self) -> io::Result<()> {
        let (seq, since) = &mut self.alive;
        if *seq > 0 && since.elapsed() < ALIVE_EVERY {
            return Ok(());
        }
        self.alive = (*seq + 1, Stopwatch::start());
        let mark = Mark { boot: 1, seq: self.alive.0 };
        self.write(&SerialFrame::Alive { address: RECEIVER, mark }).await
    }

    async fn write(&self, frame: &SerialFrame) -> io::Result<()> {
        let wire = frame.to_wire();
        let mut left = &wire[..];
        while !left.is_empty() {
            match rustix::io::write(&self.end, left) {
                Ok(count) => left = &left[count..],
                Err(rustix::io::Errno::AGAIN) => sleep(NAP).await,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The next byte from the hub; none when it has said nothing, or does not have the line open.
    fn byte(&self) -> Option<u8> {
        let mut byte = [0];
        let count = rustix::io::read(&self.end, &mut byte).ok()?;
        (count == 1).then_some(byte[0])
    }

    /// The next whole frame from the hub.
    async fn next(&mut self) -> io::Result<SerialFrame> {
        loop {
            self.say_alive().await?;
            match self.byte() {
                None => sleep(NAP).await,
                Some(SERIAL_DELIMITER) => {
                    if let Ok(frame) = SerialFrame::read(&std::mem::take(&mut self.piece)) {
                        return Ok(frame);
                    }
                }
                Some(byte) => self.piece.push(byte),
            }
        }
    }
}
