//! The log on standard error, written by a thread of its own.
//!
//! Whoever has something to log never waits for whoever reads it: a terminal stopped by Ctrl-S, a
//! journal service that hangs or a pipe nobody empties would otherwise hold up the desk in the
//! middle of a call, and the watchdog with it, which says a word before it ends the process. What
//! does not fit is counted, and the log says so where it goes on.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

/// Lines that wait for their reader; beyond it they are dropped and counted. Own choice: a storm's
/// second, about 1 MB.
const LINES_MAX: usize = 8_192;
/// How long the last lines may take at an end.
const END_WITHIN: Duration = Duration::from_secs(1);

enum Piece {
    Line(Vec<u8>),
    /// Says back that everything before it is written.
    End(SyncSender<()>),
}

/// The way into the log; clones share it. Never waits.
#[derive(Clone)]
pub(super) struct Lines {
    queue: SyncSender<Piece>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// A log that a thread writes to `to`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn to(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, pieces) = sync_channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let missing = Arc::clone(&dropped);
        Builder::new().name("log".to_owned()).spawn(move || write(to, &pieces, &missing))?;
        Ok(Self { queue, dropped })
    }

    /// Waits until what was logged so far is written, or for [`END_WITHIN`].
    pub(super) fn end(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Piece::End(done)).is_ok() {
            let _ = written.recv_timeout(END_WITHIN);
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Piece::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(mut to: impl Write, pieces: &Receiver<Piece>, dropped: &AtomicU64) {
    while let Ok(piece) = pieces.recv() {
        // Where the log itself cannot be written there is nowhere to say so.
        match piece {
            Piece::Line(line) => drop(to.write_all(&line)),
            Piece::End(done) => drop(done.send(())),
        }
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(to, "{missing} lines of the log are missing: nobody read it in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use super::*;

    /// Takes nothing until it is told to.
    struct Stuck {
        go_on: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that it never gets stuck again.
            let _ = self.go_on.recv();
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_holds_up_nobody_and_says_later_what_is_missing() {
        let (go_on, told) = mpsc::channel();
        let taken: Arc<Mutex<Vec<u8>>> = Arc::default();
        let mut lines = Lines::to(Stuck { go_on: told, taken: Arc::clone(&taken) }).unwrap();
        let many = LINES_MAX + 100;
        for n in 0..many {
            lines.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        drop(go_on);
        let all_is_out = || {
            lines.end();
            let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
            let kept = text.lines().filter(|line| line.starts_with("line ")).count();
            let said = format!("{} lines of the log are missing", many - kept);
            (LINES_MAX..many).contains(&kept) && text.contains(&said)
        };
        // Room for the word on the end is there only once some of them are out.
        let soon = (0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            all_is_out()
        });
        assert!(soon, "what was kept and what is missing do not come to {many}");
    }
}
