//! Modems on real pseudo-terminals: a scripted one that answers as it is told, in this process.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::profile::Profile;
use super::*;

/// Nothing here takes this long unless it hangs.
pub(super) const HANG_GUARD: Duration = Duration::from_secs(30);

/// What the modem answers to a command that begins so; the first that fits. `{}` is an empty answer.
type Script = Arc<Mutex<Vec<(String, String)>>>;

/// Impatient as well.
static SPOKEN: voice::Voice = voice::Voice {
    init: &["AT+CLCC=1"],
    words: voice::SIM7600.words,
    speech: voice::Saying { before: "AT+CTTS=1,\"", behind: "\"" },
    wav: voice::Saying { before: "AT+CCMXPLAYWAV=\"", behind: "\",1" },
    rejects: true,
    rings_within: Duration::from_secs(2),
    key_within: Duration::from_millis(200),
};

/// Impatient, and without words of its own.
static QUICK: Profile = Profile {
    word: "quick",
    init: &["AT+NONE"],
    started: &["RDY"],
    sim: &["+CPIN:"],
    stores: ["ME", "SM"],
    reset: "AT+CFUN=1,1",
    boots_within: Duration::from_secs(2),
    prompt_within: Duration::from_millis(200),
    sent_within: Duration::from_millis(600),
    voice: &SPOKEN,
};

/// The other end: answers from its script, and remembers what it was told.
pub(super) struct Fake {
    script: Script,
    told: Arc<Mutex<Vec<String>>>,
    end: File,
    pulled: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const USUAL: [(&str, &str); 12] = [
    ("AT+NONE", "ERROR"),
    ("AT+CPIN?", "+CPIN: READY|OK"),
    ("AT+CSCA?", "+CSCA: \"+8613800210500\",145|OK"),
    ("AT+CPMS=", "+CPMS: 0,50,0,50,0,50|OK"),
    ("AT+CPMS?", "+CPMS: \"ME\",0,50,\"ME\",0,50|OK"),
    ("AT+CEREG?", "+CEREG: 0,1|OK"),
    ("AT+CSQ", "+CSQ: 21,99|OK"),
    ("AT+COPS?", "+COPS: 0,0,\"CHINA MOBILE\",7|OK"),
    ("AT+CMGL", "OK"),
    ("AT+CMGS=", "> "),
    ("00", "+CMGS: 7|OK"),
    ("AT", "OK"),
];

impl Fake {
    pub(super) fn at(path: &Path) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let end = openpt(flags).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let mut raw = rustix::termios::tcgetattr(&end).unwrap();
        raw.make_raw();
        rustix::termios::tcsetattr(&end, rustix::termios::OptionalActions::Now, &raw).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(name, path).unwrap();
        let end = File::from(end);
        rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
        let usual = USUAL.map(|(command, answer)| (command.to_owned(), answer.to_owned()));
        let script: Script = Arc::new(Mutex::new(usual.into()));
        let (told, pulled) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (answers, into, until) = (script.clone(), told.clone(), pulled.clone());
        let from = end.try_clone().unwrap();
        let thread = std::thread::spawn(move || serve(&from, &answers, &into, &until));
        Self { script, told, end, pulled, thread: Some(thread) }
    }

    /// From now on a command that begins so is answered in this way.
    pub(super) fn answers(&self, command: &str, answer: &str) {
        self.script.lock().unwrap().insert(0, (command.to_owned(), answer.to_owned()));
    }

    pub(super) fn says(&self, text: &str) {
        (&self.end).write_all(text.as_bytes()).unwrap();
    }

    pub(super) fn told(&self, command: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.starts_with(command)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.pulled.store(true, Ordering::Release);
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(mut end: &File, script: &Script, told: &Mutex<Vec<String>>, until: &AtomicBool) {
    let (mut line, mut space) = (Vec::new(), [0; 256]);
    while !until.load(Ordering::Acquire) {
        let count = match end.read(&mut space) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => 0,
        };
        if count == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        for byte in &space[..count] {
            if !matches!(byte, b'\r' | 0x1a | 0x1b) {
                line.push(*byte);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut line)).unwrap();
            told.lock().unwrap().push(command.clone());
            let script = script.lock().unwrap();
            let answer = script.iter().find(|(begins, _)| command.starts_with(begins.as_str()));
            let Some((_, answer)) = answer else { continue };
            if answer == "> " {
                let _ = end.write_all(b"\r\n> ");
            } else {
                for part in answer.split('|').filter(|part| !part.is_empty()) {
                    let _ = end.write_all(format!("\r\n{part}\r\n").as_bytes());
                }
            }
        }
    }
}

pub(super) struct House {
    dir: TempDir,
    pub(super) modem: Modem,
    news: mpsc::Receiver<(LinkId, ModemNews)>,
}

impl House {
    pub(super) fn open(change: impl FnOnce(&mut ModemSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = ModemSettings {
            link: LinkId::new("modem.a").unwrap(),
            path: dir.path().join("modem"),
            baud: 115_200,
            profile: &QUICK,
            pin: None,
            centre: None,
            power_cycle: Vec::new(),
            probe: Wait(150),
        };
        change(&mut settings);
        let (tell, news) = mpsc::channel(256);
        let time = AtomicU64::new(0);
        let now = move || At(time.fetch_add(1, Ordering::Relaxed));
        Self { dir, modem: Modem::keep(settings, now, tell), news }
    }

    pub(super) fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("modem")
    }

    /// Waits until the modem stands so.
    async fn stands(&mut self, is: impl Fn(&Standing) -> bool) -> ModemState {
        let waited = timeout(HANG_GUARD, async {
            loop {
                let state = self.modem.line().state();
                if is(&state.standing) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("it stands at {:?}", self.modem.line().state()))
    }

    pub(super) async fn ready(&mut self) {
        self.stands(|standing| *standing == Standing::Ready).await;
    }

    async fn text(&mut self) -> Text {
        let waited = timeout(HANG_GUARD, async {
            loop {
                if let ModemNews::Text(text) = self.news.recv().await.unwrap().1 {
                    return text;
                }
            }
        });
        waited.await.expect("a text")
    }

    /// Sends one message; its end, and where its report will be told.
    pub(super) async fn sends(&self) -> (Sent, mpsc::Receiver<bool>) {
        let (done, mut ends) = mpsc::channel(1);
        let (tell, told) = mpsc::channel(1);
        let job = Job {
            to: Phone::parse("13800138000").unwrap(),
            text: "紧急".to_owned(),
            report: Box::new(move |arrived| tell.try_send(arrived).unwrap()),
            done,
            tag: 0,
        };
        self.modem.line().hand_in(job).unwrap();
        (timeout(HANG_GUARD, ends.recv()).await.expect("an end").unwrap().1, told)
    }
}

fn not(sent: &Sent) -> Fault {
    let Sent::Not { fault, .. } = sent else { panic!("{sent:?}") };
    *fault
}

const ANSWER: &str = "0891683108200105F0040D91683108108300F00008621122410000230465365230";

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_out_and_its_report_comes_back() {
    let mut house = House::open(|_| {});
    let fake = Fake::at(&house.path());
    house.ready().await;
    let state = house.modem.line().state();
    assert_eq!((state.signal, state.operator.as_deref()), (Some(21), Some("CHINA MOBILE")));
    let (sent, mut report) = house.sends().await;
    assert_eq!(sent, Sent::Taken);
    assert_eq!(fake.told("0031000B813108108300F000080B047D276025"), 1);
    fake.says(
        "\r\nRING\r\n\r\n+CDS: 26\r\n0006070D91683108108300F0621122410000236211224100102300\r\n",
    );
    assert_eq!(timeout(HANG_GUARD, report.recv()).await.unwrap(), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_break_of_a_send_says_whether_the_message_may_be_out() {
    let mut house = House::open(|_| {});
    let fake = Fake::at(&house.path());
    house.ready().await;
    fake.answers("AT+CMGS=", "");
    assert_eq!(not(&house.sends().await.0), Fault::Modem, "no prompt: nothing was sent");
    assert_eq!(fake.told("0031"), 0);
    for (answer, fault) in [
        ("+CMS ERROR: 331", Fault::Later),
        ("+CMS ERROR: 28", Fault::Number),
        ("+CMS ERROR: 304", Fault::Form),
        ("+CMS ERROR: 310", Fault::Modem),
        ("+CMS ERROR: 10", Fault::Barred),
    ] {
        fake.answers("AT+CMGS=", "> ");
        fake.answers("00", answer);
        assert_eq!(not(&house.sends().await.0), fault, "{answer}");
        house.ready().await;
    }
    assert!(house.modem.line().state().barred);
    fake.answers("00", "RING|+CMTI: \"ME\",1|+CMGS: 9");
    assert_eq!(house.sends().await.0, Sent::Taken, "its number is there, its OK is lost");
    fake.answers("00", "RING");
    assert!(matches!(house.sends().await.0, Sent::Unknown { .. }), "its answer is lost");
    let state = house.modem.line().state();
    assert!(!state.barred, "one was carried since");
    assert!(state.trouble().unwrap().contains("did not get out"), "{state:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_deleted_once_it_is_on_disk_and_not_before() {
    let mut house = House::open(|_| {});
    let fake = Fake::at(&house.path());
    fake.answers("AT+CMGL", &format!("+CMGL: 3,1,,24|{ANSWER}|OK"));
    house.ready().await;
    let text = house.text().await;
    assert_eq!((text.from.as_str(), text.text.as_str()), ("+8613800138000", "收到"));
    // The desk cannot write it down: it is handed in again.
    text.receipt.refused();
    fake.says("\r\n+CMTI: \"ME\",3\r\n");
    let again = house.text().await;
    assert_eq!(again.sent, text.sent);
    assert_eq!(fake.told("AT+CMGD"), 0);
    again.receipt.stored();
    fake.answers("AT+CMGL", "OK");
    timeout(HANG_GUARD, async {
        while fake.told("AT+CMGD=3") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the deletion");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named_and_goes_by_itself() {
    let mut house = House::open(|_| {});
    house.stands(|s| matches!(s, Standing::Closed(why) if why.contains("opened"))).await;
    let fake = Fake::at(&house.path());
    fake.answers("AT+CPIN?", "+CME ERROR: 10");
    house.stands(|s| *s == Standing::NoSim).await;
    assert_eq!(not(&house.sends().await.0), Fault::Modem, "given back at once");
    fake.answers("AT+CPIN?", "+CPIN: SIM PIN|OK");
    house.stands(|s| matches!(s, Standing::Locked(_))).await;
    assert_eq!(fake.told("AT+CPIN=\""), 0, "no PIN is guessed");
    fake.answers("AT+CPIN?", "+CPIN: READY|OK");
    fake.answers("AT+CEREG?", "+CEREG: 0,2|OK");
    fake.answers("AT+CREG?", "+CREG: 0,3|OK");
    house.stands(|s| *s == Standing::Denied).await;
    fake.answers("AT+CREG?", "+CREG: 0,5|OK");
    house.ready().await;
    drop(fake);
    house.stands(|s| matches!(s, Standing::Closed(_))).await;
    let _fake = Fake::at(&house.path());
    house.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_tried_once() {
    let mut house = House::open(|settings| settings.pin = Some(Secret::new("1234")));
    let fake = Fake::at(&house.path());
    fake.answers("AT+CPIN?", "+CPIN: SIM PIN|OK");
    fake.answers("AT+CPIN=", "+CME ERROR: 16");
    house.stands(|s| matches!(s, Standing::Locked(how) if how.contains("wrong"))).await;
    let looks = fake.told("AT+CPIN?");
    timeout(HANG_GUARD, async {
        while fake.told("AT+CPIN?") < looks + 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("further looks");
    assert_eq!(fake.told("AT+CPIN=\"1234\""), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_that_hangs_is_reset_and_its_power_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("cycled");
    let program = vec!["/usr/bin/touch".to_owned(), mark.display().to_string()];
    let mut house = House::open(move |settings| settings.power_cycle = program);
    let fake = Fake::at(&house.path());
    house.ready().await;
    // From here on it takes everything and says nothing.
    fake.answers("", "");
    house.stands(|s| *s == Standing::Mute).await;
    timeout(HANG_GUARD, async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the power cycle");
    assert!(fake.told("AT+CFUN=1,1") >= 1, "reset before that");
    fake.script.lock().unwrap().remove(0);
    house.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_that_starts_by_itself_is_set_up_anew() {
    let mut house = House::open(|_| {});
    let fake = Fake::at(&house.path());
    house.ready().await;
    let before = fake.told("AT+CNMI=");
    fake.says("\r\nRDY\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE\r\n");
    timeout(HANG_GUARD, async {
        while fake.told("AT+CNMI=") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the settings");
    house.ready().await;
}
