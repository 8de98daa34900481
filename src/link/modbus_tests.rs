//! A polled line on a pseudo-terminal, with a panel at its other end that misbehaves on purpose.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::*;
use crate::link::pieces;

/// Nothing here takes this long unless it hangs.
const HANG_GUARD: Duration = Duration::from_secs(30);
const POLL: Wait = Wait(100);

fn sealed(body: &[u8]) -> Vec<u8> {
    [body, &pieces::modbus(body).to_le_bytes()].concat()
}

/// Eight inputs of a panel.
fn question(slave: u8) -> Question {
    let wire = sealed(&[slave, 2, 0, 0, 0, 8]);
    Question { slave, wire, answer_len: 6, topic: format!("{slave}/2/0/8").into() }
}

fn inputs(slave: u8, bits: u8) -> Vec<u8> {
    sealed(&[slave, 2, 1, bits])
}

fn lamp(slave: u8, on: bool) -> Lamp {
    let frame = sealed(&[slave, 5, 0, 2, if on { 0xFF } else { 0 }, 0]);
    Lamp { slave, coil: 2, frame }
}

/// The other end: what it says to each frame of eight bytes that it is told.
struct Bus {
    _dir: TempDir,
    path: PathBuf,
    told: Told,
    over: Arc<AtomicBool>,
    task: Option<std::thread::JoinHandle<()>>,
}

/// Frames that were told.
type Told = Arc<Mutex<Vec<Vec<u8>>>>;
/// What a panel says, piece by piece, each after a pause in milliseconds.
type Says = Vec<(u64, Vec<u8>)>;

fn at_once(frame: Vec<u8>) -> Says {
    vec![(0, frame)]
}

impl Bus {
    fn plug(mut says: impl FnMut(&[u8]) -> Says + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("usb-bus");
        let mut end = plugged(&path);
        let (told, over): (Told, Arc<AtomicBool>) = Default::default();
        let (into, until) = (told.clone(), over.clone());
        let task = std::thread::spawn(move || {
            let (mut heard, mut space) = (Vec::new(), [0; 64]);
            while !until.load(Ordering::Acquire) {
                match end.read(&mut space) {
                    Ok(count) => heard.extend_from_slice(&space[..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    // Nobody has it open at the moment.
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
                while heard.len() >= 8 {
                    let frame: Vec<u8> = heard.drain(..8).collect();
                    into.lock().unwrap().push(frame.clone());
                    for (pause, piece) in says(&frame) {
                        std::thread::sleep(Duration::from_millis(pause));
                        let _ = end.write_all(&piece);
                    }
                }
            }
        });
        Self { _dir: dir, path, told, over, task: Some(task) }
    }

    fn told(&self, frame: &[u8]) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.as_slice() == frame).count()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = self.task.take().unwrap().join();
    }
}

fn plugged(path: &Path) -> File {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let end = openpt(flags).unwrap();
    grantpt(&end).unwrap();
    unlockpt(&end).unwrap();
    let mut raw = rustix::termios::tcgetattr(&end).unwrap();
    raw.make_raw();
    rustix::termios::tcsetattr(&end, rustix::termios::OptionalActions::Now, &raw).unwrap();
    rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
    let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
    let _ = std::fs::remove_file(path);
    std::os::unix::fs::symlink(name, path).unwrap();
    File::from(end)
}

/// The hub's end, with what the desk would hear of it.
struct Line {
    polled: Polled,
    inbox: mpsc::Receiver<Inbound>,
    news: mpsc::Receiver<(LinkId, PortNews)>,
}

impl Line {
    fn open(path: &Path, slaves: &[u8]) -> Self {
        Self::open_at(path, slaves, POLL)
    }

    fn open_at(path: &Path, slaves: &[u8], poll: Wait) -> Self {
        let (to_desk, inbox) = mpsc::channel(256);
        let (tell, news) = mpsc::channel(256);
        let settings = PolledSettings {
            link: LinkId::new("modbus.ward").unwrap(),
            path: path.to_owned(),
            baud: 115_200,
            framing: Framing::Eight,
            asks: Asks { poll, questions: slaves.iter().copied().map(question).collect() },
        };
        let time = Arc::new(AtomicU64::new(0));
        let ticking = time.clone();
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_millis(5)).await;
                ticking.fetch_add(5, Ordering::AcqRel);
            }
        });
        let now = move || At(time.load(Ordering::Acquire));
        Self { polled: Polled::keep(settings, to_desk, now, tell), inbox, news }
    }

    /// The next answer, stored: its topic and its data.
    async fn hears(&mut self) -> (String, u8) {
        let inbound = timeout(HANG_GUARD, self.inbox.recv()).await.expect("an answer").unwrap();
        let said = (inbound.topic.to_string(), inbound.bytes[3]);
        inbound.receipt.stored();
        said
    }

    async fn news(&mut self) -> PortNews {
        timeout(HANG_GUARD, self.news.recv()).await.expect("news").unwrap().1
    }

    /// The next news of a panel: its address, and whether it is lost.
    async fn panel(&mut self) -> (u8, bool) {
        loop {
            if let PortNews::Panel { slave, lost } = self.news().await {
                return (slave, lost.is_some());
            }
        }
    }
}

async fn until(mut look: impl FnMut() -> bool) {
    let looking = async {
        while !look() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(HANG_GUARD, looking).await.expect("what was waited for");
}

#[tokio::test]
async fn a_change_is_handed_in_once_and_one_that_was_not_stored_again() {
    let bits = Arc::new(AtomicU64::new(0));
    let of = bits.clone();
    let bus = Bus::plug(move |frame| {
        at_once(inputs(frame[0], u8::try_from(of.load(Ordering::Acquire)).unwrap()))
    });
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.hears().await, ("1/2/0/8".to_owned(), 0));
    let asked = bus.told(&question(1).wire);
    until(|| bus.told(&question(1).wire) > asked + 5).await;
    assert!(line.inbox.try_recv().is_err(), "the same again says nothing");
    bits.store(4, Ordering::Release);
    let inbound = timeout(HANG_GUARD, line.inbox.recv()).await.unwrap().unwrap();
    assert_eq!((inbound.topic.as_ref(), inbound.bytes[3]), ("1/2/0/8", 4));
    inbound.receipt.refused();
    assert_eq!(line.hears().await, ("1/2/0/8/anew".to_owned(), 4));
}

/// What a panel that is out of order says in its n-th answer; whether that is an answer.
fn wrong(nth: usize) -> (Says, bool) {
    let right = inputs(1, 1);
    let mut turned = right.clone();
    turned[3] ^= 1;
    let echo = question(1).wire;
    match nth % 10 {
        0 => (at_once(turned), false),
        1 => (at_once(right[..4].to_vec()), false),
        2 => (at_once(inputs(2, 1)), false),
        3 => (at_once(sealed(&[1, 0x82, 2])), false),
        4 => (vec![(400, right)], false),
        5 => (vec![(0, right[..2].to_vec()), (20, right[2..].to_vec())], true),
        6 => (at_once([&[0xFF, 0x00, 1, 2][..], &right].concat()), true),
        7 => (at_once([inputs(3, 7), right].concat()), true),
        8 => (at_once([echo, right].concat()), true),
        _ => (Says::new(), false),
    }
}

#[tokio::test]
async fn whatever_one_panel_says_the_other_is_heard_and_the_loop_goes_on() {
    let mut count = 0;
    let bits = Arc::new(AtomicU64::new(0));
    let of = bits.clone();
    let bus = Bus::plug(move |frame| match frame[0] {
        1 => {
            count += 1;
            wrong(count - 1).0
        }
        slave => at_once(inputs(slave, u8::try_from(of.load(Ordering::Acquire)).unwrap())),
    });
    let mut line = Line::open(&bus.path, &[1, 2]);
    for bit in 1..=12_u64 {
        bits.store(bit, Ordering::Release);
        loop {
            let (topic, data) = line.hears().await;
            if topic == "2/2/0/8" {
                if u64::from(data) == bit {
                    break;
                }
            } else {
                assert!(topic.starts_with("1/2/0/8"), "{topic}");
                assert_eq!(data, 1, "nothing wrong is ever taken for an answer");
            }
        }
    }
    while let Ok((_, news)) = line.news.try_recv() {
        assert!(!matches!(news, PortNews::Closed { .. }), "{news:?}");
    }
}

#[test]
fn each_kind_of_wrong_answer_is_told_from_a_right_one() {
    for nth in 0..10 {
        let (says, is_answer) = wrong(nth);
        let all: Vec<u8> = says.iter().flat_map(|(_, piece)| piece.clone()).collect();
        let late = says.iter().any(|(pause, _)| *pause > ANSWER_WITHIN.0);
        let came = read_answer(&question(1), &all);
        let expected = match nth {
            3 => Some(Came::Exception(2)),
            _ if is_answer || late => Some(Came::Answer(inputs(1, 1))),
            _ => None,
        };
        assert_eq!(came, expected, "{nth}");
    }
}

#[tokio::test]
async fn what_came_unasked_is_dropped_before_the_next_question() {
    // Long after its answer and long before the next question, a frame that would fit.
    let bus = Bus::plug(|frame| vec![(0, inputs(frame[0], 1)), (50, inputs(frame[0], 7))]);
    let mut line = Line::open_at(&bus.path, &[1], Wait::secs(1));
    until(|| bus.told(&question(1).wire) == 4).await;
    assert_eq!(line.hears().await.1, 1);
    while let Ok(inbound) = line.inbox.try_recv() {
        assert_eq!(inbound.bytes[3], 1);
    }
}

#[tokio::test]
async fn a_late_answer_of_one_panel_is_no_answer_of_the_next() {
    // The second panel is dead; what comes in its time is the first one's, late.
    let bus = Bus::plug(move |frame| match frame[0] {
        1 => vec![(300, inputs(1, 1))],
        _ => Says::new(),
    });
    let mut line = Line::open(&bus.path, &[1, 2]);
    let lost = [line.panel().await, line.panel().await];
    assert!(lost.contains(&(1, true)) && lost.contains(&(2, true)), "{lost:?}");
    while let Ok(inbound) = line.inbox.try_recv() {
        assert!(inbound.topic.starts_with("1/"), "{inbound:?}");
    }
}

#[tokio::test]
async fn a_panel_that_was_away_is_told_of_once_and_its_first_answer_is_marked() {
    let (away, bits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (is_away, of) = (away.clone(), bits.clone());
    let bus = Bus::plug(move |frame| match is_away.load(Ordering::Acquire) {
        true => Says::new(),
        false => at_once(inputs(frame[0], u8::try_from(of.load(Ordering::Acquire)).unwrap())),
    });
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.panel().await, (1, false));
    assert_eq!(line.hears().await.0, "1/2/0/8");
    away.store(true, Ordering::Release);
    assert_eq!(line.panel().await, (1, true));
    bits.store(4, Ordering::Release);
    let asked = bus.told(&question(1).wire);
    until(|| bus.told(&question(1).wire) > asked).await;
    assert!(line.news.try_recv().is_err(), "told once");
    away.store(false, Ordering::Release);
    assert_eq!(line.panel().await, (1, false));
    assert_eq!(line.hears().await, ("1/2/0/8/outage".to_owned(), 4));
}

#[tokio::test]
async fn a_lamp_is_told_until_it_echoes_and_again_after_the_panel_was_away() {
    let (deaf, away) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (is_deaf, is_away) = (deaf.clone(), away.clone());
    let bus = Bus::plug(move |frame| match frame[1] {
        _ if is_away.load(Ordering::Acquire) => Says::new(),
        5 if is_deaf.load(Ordering::Acquire) => Says::new(),
        5 => at_once(frame.to_vec()),
        _ => at_once(inputs(frame[0], 0)),
    });
    let mut line = Line::open(&bus.path, &[1]);
    let (on, off) = (lamp(1, true), lamp(1, false));
    line.polled.show(on.clone());
    until(|| bus.told(&on.frame) == 2).await;
    deaf.store(false, Ordering::Release);
    until(|| bus.told(&on.frame) == 3).await;
    line.polled.show(off.clone());
    until(|| bus.told(&off.frame) == 1).await;
    let asked = bus.told(&question(1).wire);
    until(|| bus.told(&question(1).wire) > asked + 5).await;
    assert_eq!((bus.told(&on.frame), bus.told(&off.frame)), (3, 1), "an echo is enough");
    away.store(true, Ordering::Release);
    while line.panel().await != (1, true) {}
    away.store(false, Ordering::Release);
    until(|| bus.told(&off.frame) == 2).await;
}

#[tokio::test]
async fn an_adapter_that_hears_itself_is_known_by_the_question_before_the_answer() {
    let deaf = Arc::new(AtomicBool::new(true));
    let is_deaf = deaf.clone();
    let bus = Bus::plug(move |frame| {
        let answer = match frame[1] {
            5 if is_deaf.load(Ordering::Acquire) => Vec::new(),
            5 => frame.to_vec(),
            _ => inputs(frame[0], 4),
        };
        at_once([frame, &answer].concat())
    });
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.hears().await, ("1/2/0/8".to_owned(), 4));
    let on = lamp(1, true);
    line.polled.show(on.clone());
    // Its own words are no echo of the panel's.
    until(|| bus.told(&on.frame) >= 2).await;
    deaf.store(false, Ordering::Release);
    let before = bus.told(&on.frame);
    until(|| bus.told(&on.frame) > before).await;
    let asked = bus.told(&question(1).wire);
    until(|| bus.told(&question(1).wire) > asked + 20).await;
    assert!(bus.told(&on.frame) <= before + 1);
}

#[tokio::test]
async fn a_port_that_is_pulled_out_is_opened_again_and_its_first_answers_are_marked() {
    let bus = Bus::plug(|frame| at_once(inputs(frame[0], 4)));
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.hears().await.0, "1/2/0/8");
    let path = bus.path.clone();
    drop(bus);
    while !matches!(line.news().await, PortNews::Closed { .. }) {}
    let second = Bus::plug(|frame| at_once(inputs(frame[0], 6)));
    let name = std::fs::read_link(&second.path).unwrap();
    let _ = std::fs::remove_file(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(name, &path).unwrap();
    loop {
        let (topic, data) = line.hears().await;
        if topic.ends_with("/outage") {
            assert_eq!(data, 6);
            break;
        }
    }
    let _ = std::fs::remove_dir_all(path.parent().unwrap());
}

#[tokio::test]
async fn other_questions_are_asked_on_the_open_port() {
    let bus = Bus::plug(|frame| at_once(inputs(frame[0], 4)));
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.hears().await.0, "1/2/0/8");
    line.polled.ask(Asks { poll: POLL, questions: vec![question(2)] });
    while line.hears().await.0 != "2/2/0/8" {}
    let asked = bus.told(&question(1).wire);
    let others = bus.told(&question(2).wire);
    until(|| bus.told(&question(2).wire) > others + 5).await;
    assert_eq!(bus.told(&question(1).wire), asked);
    while let Ok((_, news)) = line.news.try_recv() {
        assert!(!matches!(news, PortNews::Closed { .. }), "{news:?}");
    }
}

#[tokio::test]
async fn a_port_that_takes_nothing_is_closed_and_opened_again() {
    use rustix::termios::{Action, tcflow};
    let bus = Bus::plug(|frame| at_once(inputs(frame[0], 4)));
    let mut line = Line::open(&bus.path, &[1]);
    assert_eq!(line.hears().await.0, "1/2/0/8");
    let port = File::options().read(true).write(true).open(&bus.path).unwrap();
    tcflow(&port, Action::OOff).unwrap();
    loop {
        if let PortNews::Closed { why } = line.news().await {
            assert_eq!(why, "it takes nothing");
            break;
        }
    }
    tcflow(&port, Action::OOn).unwrap();
    while line.hears().await != ("1/2/0/8/outage".to_owned(), 4) {}
}
