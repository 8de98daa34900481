//! Ports on real pseudo-terminals: a folder with a stable name in it that can be plugged and pulled.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::*;
use crate::link::pieces::Form;

/// Nothing here takes this long unless it hangs.
const HANG_GUARD: Duration = Duration::from_secs(30);

/// The other end of a line.
struct Plug {
    end: File,
}

impl Plug {
    /// Plugs a new one in under this name.
    fn at(path: &Path) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = openpt(flags).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(name, path).unwrap();
        Self { end: File::from(end) }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.end.write_all(bytes).unwrap();
    }

    /// Reads so many bytes.
    fn hear(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.end.read_exact(&mut bytes).unwrap();
        bytes
    }
}

struct Line {
    port: Port,
    inbox: mpsc::Receiver<Inbound>,
    news: mpsc::Receiver<(LinkId, PortNews)>,
}

/// A port whose clock runs by itself, a millisecond at each look.
fn line(path: &Path, inbox_size: usize) -> Line {
    let settings = SerialSettings {
        link: LinkId::new("serial.front").unwrap(),
        path: path.to_owned(),
        baud: 115_200,
        framing: Framing::Eight,
        pieces: Pieces { form: Form::Ended(vec![0]), most: 254 },
        answers: None,
        pieces_a_minute: None,
    };
    line_of(settings, inbox_size)
}

fn line_of(settings: SerialSettings, inbox_size: usize) -> Line {
    let (to_desk, inbox) = mpsc::channel(inbox_size);
    let (tell, news) = mpsc::channel(64);
    let time = AtomicU64::new(0);
    let now = move || At(time.fetch_add(1, Ordering::Relaxed));
    Line { port: Port::keep(settings, to_desk, now, tell), inbox, news }
}

impl Line {
    async fn news(&mut self) -> PortNews {
        timeout(HANG_GUARD, self.news.recv()).await.expect("news of the port").unwrap().1
    }

    async fn opened(&mut self) {
        while self.news().await != PortNews::Opened {}
    }

    async fn piece(&mut self) -> Vec<u8> {
        let inbound = timeout(HANG_GUARD, self.inbox.recv()).await.expect("a piece").unwrap();
        inbound.receipt.stored();
        inbound.bytes
    }
}

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("usb-receiver");
    (dir, path)
}

#[tokio::test]
async fn pieces_come_in_order_and_frames_go_out_as_they_are() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = line(&path, 16);
    line.opened().await;
    plug.send(b"\0one\0\0two\0thr");
    plug.send(b"ee\0");
    for piece in ["one", "two", "three"] {
        assert_eq!(line.piece().await, piece.as_bytes());
    }
    // Bytes that a terminal would change are not changed on their way out.
    line.port.write(vec![0, 3, 4, 10, 13, 17, 26, 255, 0]).unwrap();
    let heard = tokio::task::spawn_blocking(move || plug.hear(9)).await.unwrap();
    assert_eq!(heard, [0, 3, 4, 10, 13, 17, 26, 255, 0]);
}

#[tokio::test]
async fn a_piece_without_an_end_is_cut_and_the_next_one_is_whole() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = line(&path, 16);
    line.opened().await;
    plug.send(&[7; 2_000]);
    plug.send(b"\0next\0");
    assert_eq!(line.piece().await, [7; 255]);
    assert_eq!(line.piece().await, b"next");
}

#[tokio::test]
async fn a_port_that_is_missing_or_pulled_out_is_opened_as_soon_as_it_is_there() {
    let (_dir, path) = folder();
    let mut line = line(&path, 16);
    let PortNews::Closed { why } = line.news().await else { panic!("it is not there") };
    assert!(why.contains("No such file"), "{why}");
    for word in ["one", "two"] {
        let mut plug = Plug::at(&path);
        line.opened().await;
        plug.send(format!("\0{word}\0").as_bytes());
        assert_eq!(line.piece().await, word.as_bytes());
        drop(plug);
        assert!(matches!(line.news().await, PortNews::Closed { .. }), "it was pulled out");
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn what_is_no_port_is_told_and_looked_at_again() {
    let (_dir, path) = folder();
    std::fs::write(&path, "").unwrap();
    let mut line = line(&path, 16);
    let PortNews::Closed { why } = line.news().await else { panic!("it is a file") };
    assert!(why.starts_with("it cannot be opened: "), "{why}");
    let _plug = Plug::at(&path);
    line.opened().await;
}

#[tokio::test]
async fn what_waited_for_a_port_that_was_away_is_not_sent_late() {
    let (_dir, path) = folder();
    let mut line = line(&path, 16);
    assert!(matches!(line.news().await, PortNews::Closed { .. }));
    line.port.write(b"old".to_vec()).unwrap();
    let mut plug = Plug::at(&path);
    line.opened().await;
    line.port.write(b"new".to_vec()).unwrap();
    let heard = tokio::task::spawn_blocking(move || plug.hear(3)).await.unwrap();
    assert_eq!(heard, b"new");
}

#[tokio::test]
async fn with_64_pieces_at_the_desk_a_port_reads_no_further_until_one_is_done() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = line(&path, 1_000);
    line.opened().await;
    plug.send(&b"a\0".repeat(200));
    let mut held = Vec::new();
    for _ in 0..IN_WORK {
        held.push(timeout(HANG_GUARD, line.inbox.recv()).await.unwrap().unwrap());
    }
    sleep(Duration::from_millis(300)).await;
    assert!(line.inbox.try_recv().is_err(), "the 65th waits");
    held.pop().unwrap().receipt.refused();
    held.push(timeout(HANG_GUARD, line.inbox.recv()).await.unwrap().unwrap());
    assert!(line.inbox.try_recv().is_err());
}

#[tokio::test]
async fn an_orderly_stop_writes_what_waits_and_reads_nothing_more() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = line(&path, 16);
    line.opened().await;
    line.port.stop_reading();
    sleep(Duration::from_millis(100)).await;
    plug.send(b"late\0");
    let frame: Vec<u8> = (0..=255).cycle().take(2_000).collect();
    line.port.write(frame.clone()).unwrap();
    let hearing = tokio::task::spawn_blocking(move || plug.hear(2_000));
    line.port.stop(Wait::secs(20)).await;
    assert_eq!(hearing.await.unwrap(), frame);
    assert!(line.inbox.recv().await.is_none(), "a piece after the stop");
}

#[tokio::test]
async fn two_hubs_do_not_share_a_port() {
    let (_dir, path) = folder();
    let _plug = Plug::at(&path);
    let mut first = line(&path, 16);
    first.opened().await;
    let mut second = line(&path, 16);
    assert!(matches!(second.news().await, PortNews::Closed { .. }));
}

#[test]
fn a_line_is_read_no_faster_than_its_speed_allows() {
    let mut pace = Pace::new(At(0), 1_440);
    assert_eq!(pace.after(At(10), 1_000), None);
    assert_eq!(pace.after(At(20), 500), Some(Wait(80)));
    assert_eq!(pace.after(At(100), 500), None, "a new slice");
}

#[test]
fn a_flood_is_told_when_it_begins_and_when_it_ends() {
    let mut flood = Flood::new(At(0), None);
    let mut told = Vec::new();
    for bytes in [10, 100, 100, 10, 0] {
        flood.bytes = bytes;
        told.extend(flood.window(At(0), 100));
    }
    assert_eq!(told, [PortNews::Flooded(true), PortNews::Flooded(false)]);
}

#[test]
fn too_many_pieces_in_a_minute_are_told_at_once_and_end_after_a_better_minute() {
    let mut flood = Flood::new(At(0), Some(10));
    let mut told = Vec::new();
    for ms in (0..240_000).step_by(1_000) {
        let many = (60_000..75_000).contains(&ms);
        let news = if many { flood.piece(At(ms)) } else { flood.window(At(ms), 1) };
        told.extend(news.map(|news| (ms, news)));
    }
    let expected = [(70_000, PortNews::Flooded(true)), (180_000, PortNews::Flooded(false))];
    assert_eq!(told, expected);
}

/// A line whose sender waits for `+` or `-`.
fn answering(path: &Path) -> Line {
    let answers = Answers { stored: b"+".into(), unread: b"-".into(), in_turn: true };
    let settings = SerialSettings {
        link: LinkId::new("serial.front").unwrap(),
        path: path.to_owned(),
        baud: 9_600,
        framing: Framing::SevenEven,
        pieces: Pieces { form: Form::Ended(b"\r".into()), most: 64 },
        answers: Some(answers),
        pieces_a_minute: None,
    };
    line_of(settings, 16)
}

#[test]
fn the_same_piece_is_a_repeat_only_soon_after_one_that_got_no_answer() {
    let again = |stands, bytes: &[u8], now| {
        let stands = Arc::new(AtomicU8::new(stands));
        Last { bytes: b"fire".into(), at: At(1_000), stands }.again(bytes, At(now))
    };
    assert_eq!(again(REFUSED, b"fire", 30_999), Repeats::Unanswered);
    assert_eq!(again(REFUSED, b"fire", 31_000), Repeats::Nothing, "the next morning's press");
    assert_eq!(again(AT_THE_DESK, b"fire", 5_000), Repeats::UnderWay);
    assert_eq!(again(AT_THE_DESK, b"flood", 5_000), Repeats::Nothing);
    assert_eq!(again(ANSWERED, b"fire", 5_000), Repeats::Nothing);
}

async fn next(line: &mut Line) -> Inbound {
    timeout(HANG_GUARD, line.inbox.recv()).await.expect("a piece").unwrap()
}

#[tokio::test]
async fn the_receipts_verdict_is_the_answer_and_a_refused_piece_gets_none() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = answering(&path);
    line.opened().await;
    plug.send(b"one\rtwo\rthree\r");
    next(&mut line).await.receipt.refused();
    next(&mut line).await.receipt.unread();
    next(&mut line).await.receipt.stored();
    let heard = tokio::task::spawn_blocking(move || plug.hear(2)).await.unwrap();
    assert_eq!(heard, b"-+");
}

#[tokio::test]
async fn what_is_said_again_unanswered_is_owed_again_and_what_was_answered_is_said_anew() {
    let (_dir, path) = folder();
    let mut plug = Plug::at(&path);
    let mut line = answering(&path);
    line.opened().await;
    plug.send(b"fire\r");
    let first = next(&mut line).await;
    assert!(!first.receipt.is_owed_again());
    // While the first is at the desk its repeat is no second piece: one answer settles both.
    plug.send(b"fire\r");
    sleep(Duration::from_millis(200)).await;
    assert!(line.inbox.try_recv().is_err());
    first.receipt.refused();
    plug.send(b"fire\r");
    let second = next(&mut line).await;
    assert!(second.receipt.is_owed_again());
    second.receipt.stored();
    plug.send(b"fire\r");
    let third = next(&mut line).await;
    assert!(!third.receipt.is_owed_again(), "the sender had its answer: this is another");
    third.receipt.stored();
    let heard = tokio::task::spawn_blocking(move || plug.hear(2)).await.unwrap();
    assert_eq!(heard, b"++");
}

#[test]
fn reading_a_line_that_hangs_up_is_an_error_and_no_silence() {
    // The promise that reading relies on: a pulled plug is EIO or an end, never "try again".
    let (_dir, path) = folder();
    let plug = Plug::at(&path);
    let mut end = File::options().read(true).write(true).open(&path).unwrap();
    drop(plug);
    match end.read(&mut [0; 1]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_ne!(error.kind(), ErrorKind::WouldBlock),
    }
}
