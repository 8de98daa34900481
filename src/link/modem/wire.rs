//! The open port of a modem: commands go out, replies come back within a time, and what is said unasked
//! is kept until there is time for it.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_serial::{ClearBuffer, SerialPort, SerialPortBuilderExt, SerialStream};

use super::talk::{Reply, Said, Talk};

/// Unasked lines that wait; the oldest goes, because the newest says how things stand.
const UNASKED_MAX: usize = 256;
/// Bytes taken in at once.
const READ_MAX: usize = 512;
/// How long a command may take to go out: a line that takes nothing is as good as gone.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// What follows a message, and what ends it unsent.
const CTRL_Z: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;

/// Why a command has no reply.
#[derive(Debug)]
pub(super) enum Lost {
    /// The port is gone.
    Port(String),
    /// Nothing came in time.
    Mute,
}

/// What a modem says when it is offered a message.
#[derive(Debug)]
pub(super) enum Offered {
    Prompt,
    Answer(Reply),
}

/// An open port.
pub(super) struct Wire {
    from: ReadHalf<SerialStream>,
    to: WriteHalf<SerialStream>,
    talk: Talk,
    said: Vec<Said>,
    unasked: VecDeque<(String, Option<String>)>,
}

impl Wire {
    pub(super) async fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let builder = tokio_serial::new(path.to_string_lossy(), baud);
        let opened = spawn_blocking(move || builder.open_native_async()).await;
        let (from, to) = tokio::io::split(opened.map_err(io::Error::other)??);
        let (talk, said, unasked) = (Talk::default(), Vec::new(), VecDeque::new());
        Ok(Self { from, to, talk, said, unasked })
    }

    /// Closes beside the runtime: a worn-out USB stack may take seconds for it.
    pub(super) async fn close(self) {
        let stream = self.from.unsplit(self.to);
        let closing = spawn_blocking(move || {
            let _ = stream.clear(ClearBuffer::All);
            drop(stream);
        });
        let _ = closing.await;
    }

    /// The oldest of what was said unasked.
    pub(super) fn next_unasked(&mut self) -> Option<(String, Option<String>)> {
        self.unasked.pop_front()
    }

    /// Waits until something is said unasked, or the port is gone.
    pub(super) async fn listen(&mut self) -> Result<(), Lost> {
        while self.unasked.is_empty() {
            self.read().await?;
            // Nobody has asked: what looks like an answer is late.
            self.said.clear();
        }
        Ok(())
    }

    /// The oldest of what was said unasked that `is` this; the rest waits on.
    pub(super) fn take_unasked(&mut self, is: impl Fn(&str) -> bool) -> Option<String> {
        let place = self.unasked.iter().position(|(line, _)| is(line))?;
        self.unasked.remove(place).map(|(line, _)| line)
    }

    /// Forgets what was said unasked and `is` this.
    pub(super) fn forget(&mut self, is: impl Fn(&str) -> bool) {
        self.unasked.retain(|(line, _)| !is(line));
    }

    /// Waits until anything more is said, or the port is gone.
    pub(super) async fn hear(&mut self) -> Result<(), Lost> {
        self.read().await?;
        self.said.clear();
        Ok(())
    }

    /// Says a command and waits for its reply, whose lines begin with `wants`.
    pub(super) async fn ask(
        &mut self,
        command: &str,
        wants: &'static str,
        within: Duration,
    ) -> Result<Reply, Lost> {
        self.calm().await?;
        self.talk.asks(command, wants, false);
        self.write(format!("{command}\r").as_bytes()).await?;
        self.reply(within).await
    }

    /// Says a command that no reply is waited for.
    pub(super) async fn tell(&mut self, command: &str) -> Result<(), Lost> {
        self.talk.gives_up();
        self.write(format!("{command}\r").as_bytes()).await
    }

    /// Offers a message of this length and waits for the prompt.
    pub(super) async fn offer(&mut self, length: usize, within: Duration) -> Result<Offered, Lost> {
        self.calm().await?;
        let command = format!("AT+CMGS={length}");
        self.talk.asks(&command, "+CMGS:", true);
        self.write(format!("{command}\r").as_bytes()).await?;
        let waited = timeout(within, async {
            loop {
                for said in self.said.drain(..) {
                    match said {
                        Said::Prompt => return Ok(Offered::Prompt),
                        Said::Reply(reply) => return Ok(Offered::Answer(reply)),
                        Said::Unasked(..) => {}
                    }
                }
                self.read().await?;
            }
        });
        waited.await.unwrap_or(Err(Lost::Mute))
    }

    /// Takes an offered message back.
    pub(super) async fn withdraw(&mut self) -> Result<(), Lost> {
        self.talk.gives_up();
        self.write(&[ESCAPE, b'\r']).await
    }

    /// Gives the message that was asked for. When this fails, it is not known how much has gone.
    pub(super) async fn give(&mut self, digits: &str) -> Result<(), Lost> {
        self.talk.gives(digits);
        let mut bytes = digits.as_bytes().to_vec();
        bytes.push(CTRL_Z);
        self.write(&bytes).await
    }

    /// Waits for the reply to what was said.
    pub(super) async fn reply(&mut self, within: Duration) -> Result<Reply, Lost> {
        let waited = timeout(within, async {
            loop {
                for said in self.said.drain(..) {
                    if let Said::Reply(reply) = said {
                        return Ok(reply);
                    }
                }
                self.read().await?;
            }
        });
        waited.await.unwrap_or(Err(Lost::Mute))
    }

    /// What of the reply has come.
    pub(super) fn so_far(&self) -> &[String] {
        self.talk.so_far()
    }

    /// Takes in what is there before something new is asked: an answer that is late by now would be
    /// taken for the next one's.
    async fn calm(&mut self) -> Result<(), Lost> {
        while let Ok(read) = timeout(Duration::ZERO, self.read()).await {
            read?;
        }
        self.talk.gives_up();
        self.said.clear();
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        match timeout(WRITE_WITHIN, self.to.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost::Port(error.to_string())),
            Err(_) => Err(Lost::Port("it takes nothing".to_owned())),
        }
    }

    /// Takes in what has come. What is unasked is put aside.
    async fn read(&mut self) -> Result<(), Lost> {
        let mut space = [0; READ_MAX];
        let count = match self.from.read(&mut space).await {
            Ok(0) => return Err(Lost::Port("it was unplugged".to_owned())),
            Ok(count) => count,
            Err(error) => return Err(Lost::Port(error.to_string())),
        };
        let mut said = Vec::new();
        self.talk.takes(&space[..count], &mut said);
        for one in said {
            match one {
                Said::Unasked(line, digits) => {
                    self.unasked.push_back((line, digits));
                    if self.unasked.len() > UNASKED_MAX {
                        self.unasked.pop_front();
                    }
                }
                other => self.said.push(other),
            }
        }
        Ok(())
    }
}
