//! A 4G modem on a pseudo-terminal that behaves as badly as the field does, with a SIM, a network and
//! telephones behind it. Its messages are read and written here by hand, apart from the hub's own code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use anling::clock::Stopwatch;

use crate::hub::{Hub, soon};
use crate::line::plugged;
use crate::telephones::{Telephone, Telephones};

/// How it takes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Works,
    /// The prompt comes after this long.
    LatePrompt(Duration),
    NoPrompt,
    /// It sends, and says neither number nor `OK`.
    LosesAnswer,
    /// It sends, and says the number without `OK`.
    LosesOk,
    /// It rings and tells of messages between everything.
    Rings,
    /// It refuses with this `+CMS ERROR`.
    Refuses(u16),
    /// It says nothing to anything.
    Mute,
}

/// A message that the network took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    pub to: String,
    pub text: String,
    pub hex: String,
    pub number: u8,
}

/// How it is, and what happened to it.
#[derive(Debug)]
pub struct Inside {
    pub mood: Mood,
    pub echo: bool,
    pub sim: bool,
    pub network: bool,
    /// Whether messages can be deleted.
    pub deletes: bool,
    pub store: BTreeMap<u16, String>,
    pub places: u16,
    pub sent: Vec<Sms>,
    pub asked: Vec<String>,
    pub telephones: Telephones,
    number: u8,
    came: u32,
}

pub struct ModemSim {
    inside: Arc<Mutex<Inside>>,
    end: Arc<Mutex<File>>,
    path: PathBuf,
    pulled: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ModemSim {
    pub fn plug(path: &Path) -> Self {
        let end = plugged(path);
        rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
        let inside = Arc::new(Mutex::new(Inside {
            mood: Mood::Works,
            echo: true,
            sim: true,
            network: true,
            deletes: true,
            store: BTreeMap::new(),
            places: 20,
            sent: Vec::new(),
            asked: Vec::new(),
            telephones: Telephones::default(),
            number: 40,
            came: 0,
        }));
        let pulled = Arc::new(AtomicBool::new(false));
        let (from, end) = (end.try_clone().unwrap(), Arc::new(Mutex::new(end)));
        let (state, to, until) = (inside.clone(), end.clone(), pulled.clone());
        let thread = std::thread::spawn(move || live(from, &to, &state, &until));
        Self { inside, end, path: path.to_owned(), pulled, thread: Some(thread) }
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub fn becomes(&self, mood: Mood) {
        self.inside().mood = mood;
    }

    /// Pulls its plug.
    pub fn pull(&self) {
        let _ = std::fs::remove_file(&self.path);
        self.pulled.store(true, Ordering::Release);
        // The last handle of this end: whoever has the port open loses it.
        *self.end.lock().unwrap() = File::open("/dev/null").unwrap();
    }

    /// Says something unasked.
    pub fn says(&self, text: &str) {
        say(&self.end, &format!("\r\n{text}\r\n"));
    }

    /// Waits for a message to this number that contains all of these.
    pub fn takes(&self, to: &str, parts: &[&str]) -> Sms {
        soon(&format!("a message to {to} with {parts:?}, not {:?}", self.inside().sent), || {
            let inside = self.inside();
            let fits =
                |sms: &&Sms| sms.to == to && parts.iter().all(|part| sms.text.contains(part));
            inside.sent.iter().find(fits).cloned()
        })
    }

    pub fn count(&self, to: &str) -> usize {
        self.inside().sent.iter().filter(|sms| sms.to == to).count()
    }

    /// From now on this telephone does this when it rings.
    pub fn telephone(&self, number: &str, does: Telephone) {
        self.inside().telephones.of.insert(number.to_owned(), does);
    }

    /// Waits until this number was dialled so often.
    pub fn dials(&self, number: &str, times: usize) {
        soon(&format!("call {times} to {number}"), || {
            let inside = self.inside();
            let count = inside.telephones.dialled.iter().filter(|one| *one == number).count();
            (count >= times).then_some(())
        });
    }

    /// A message comes in and lies in the store; the hub is told.
    pub fn receives(&self, from: &str, text: &str) {
        let place = self.stores(from, text, "");
        self.says(&format!("+CMTI: \"ME\",{place}"));
    }

    /// The same in two parts, the second one first.
    pub fn receives_turned_round(&self, from: &str, parts: [&str; 2]) {
        for (number, text) in [(2, parts[1]), (1, parts[0])] {
            let place = self.stores(from, text, &format!("0500032A02{number:02X}"));
            self.says(&format!("+CMTI: \"ME\",{place}"));
        }
    }

    fn stores(&self, from: &str, text: &str, header: &str) -> u16 {
        let mut inside = self.inside();
        inside.came += 1;
        let stamp = format!("62112241{:02}{:02}23", inside.came % 60, inside.came / 60);
        let hex = delivered(from, text, header, &stamp);
        let place = (1..).find(|place| !inside.store.contains_key(place)).unwrap();
        inside.store.insert(place, hex);
        place
    }

    /// The network says what became of a message.
    pub fn reports(&self, sms: &Sms, status: &str) {
        let tpdu =
            format!("06{:02X}{}6211224100002362112241001023{status}", sms.number, address(&sms.to));
        self.says(&format!("+CDS: {}\r\n00{tpdu}", tpdu.len() / 2));
    }
}

impl Drop for ModemSim {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        self.pulled.store(true, Ordering::Release);
        let _ = self.thread.take().unwrap().join();
    }
}

fn say(end: &Mutex<File>, text: &str) {
    let mut left = text.as_bytes();
    for _ in 0..1_000 {
        match (&*end.lock().unwrap()).write(left) {
            Ok(count) => left = &left[count..],
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        if left.is_empty() {
            return;
        }
    }
}

fn live(mut from: File, to: &Mutex<File>, inside: &Mutex<Inside>, pulled: &AtomicBool) {
    let (mut line, mut space, mut gives) = (Vec::new(), [0; 512], false);
    let since = Stopwatch::start();
    while !pulled.load(Ordering::Acquire) {
        let due = inside.lock().unwrap().telephones.due(since.elapsed());
        for line in due {
            say(to, &format!("\r\n{line}\r\n"));
        }
        // An error means that nobody has the line open, or has nothing to say.
        let Ok(count) = from.read(&mut space) else {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        for byte in &space[..count] {
            match (byte, gives) {
                (b'\r', false) => {
                    let command = String::from_utf8(std::mem::take(&mut line)).unwrap();
                    gives = answers(&command, since.elapsed(), to, inside);
                }
                (0x1a, true) => {
                    let digits = String::from_utf8(std::mem::take(&mut line)).unwrap();
                    gives = false;
                    takes(&digits, to, inside);
                }
                (0x1b, _) => (line, gives) = (Vec::new(), false),
                _ => line.push(*byte),
            }
        }
    }
}

/// Answers a command; whether it waits for a message now.
fn answers(command: &str, now: Duration, to: &Mutex<File>, inside: &Mutex<Inside>) -> bool {
    let (mood, echo, said) = {
        let mut inside = inside.lock().unwrap();
        inside.asked.push(command.to_owned());
        let of_a_call = inside.telephones.hears(command, now);
        let said = of_a_call.unwrap_or_else(|| reply(command, &mut inside));
        (inside.mood, inside.echo, said)
    };
    if mood == Mood::Mute {
        return false;
    }
    if echo {
        say(to, &format!("{command}\r"));
    }
    if mood == Mood::Rings {
        say(to, "\r\nRING\r\n\r\n+CLIP: \"01012345678\",129\r\n");
    }
    if !command.starts_with("AT+CMGS=") {
        for line in said.split('|') {
            say(to, &format!("\r\n{line}\r\n"));
        }
        return false;
    }
    match mood {
        Mood::NoPrompt => false,
        Mood::LatePrompt(wait) => {
            std::thread::sleep(wait);
            say(to, "\r\n> ");
            true
        }
        _ => {
            say(to, "\r\n> ");
            true
        }
    }
}

fn reply(command: &str, inside: &mut Inside) -> String {
    let (used, places) = (inside.store.len(), inside.places);
    let no_sim = "+CME ERROR: 10".to_owned();
    match command {
        "ATE0" => {
            inside.echo = false;
            "OK".to_owned()
        }
        "AT+CPIN?" if !inside.sim => no_sim,
        "AT+CPIN?" => "+CPIN: READY|OK".to_owned(),
        _ if command.starts_with("AT+CSCA") && !inside.sim => no_sim,
        "AT+CSCA?" => "+CSCA: \"+8613800210500\",145|OK".to_owned(),
        "AT+CPMS?" => format!(
            "+CPMS: \"ME\",{used},{places},\"ME\",{used},{places},\"ME\",{used},{places}|OK"
        ),
        "AT+CEREG?" => format!("+CEREG: 0,{}|OK", if inside.network { 1 } else { 2 }),
        "AT+CREG?" => format!("+CREG: 0,{}|OK", if inside.network { 1 } else { 2 }),
        "AT+CSQ" => "+CSQ: 21,99|OK".to_owned(),
        "AT+COPS?" => "+COPS: 0,0,\"CHINA MOBILE\",7|OK".to_owned(),
        "AT+CMGL=4" => {
            let one = |(place, hex): (&u16, &String)| {
                format!("+CMGL: {place},1,,{}|{hex}|", hex.len() / 2 - 1)
            };
            inside.store.iter().map(one).collect::<String>() + "OK"
        }
        _ => {
            let deleted = command.strip_prefix("AT+CMGD=").and_then(|place| place.parse().ok());
            match deleted {
                Some(_) if !inside.deletes => return "ERROR".to_owned(),
                Some(place) => drop(inside.store.remove::<u16>(&place)),
                None => {}
            }
            "OK".to_owned()
        }
    }
}

/// The network takes a message.
fn takes(digits: &str, to: &Mutex<File>, inside: &Mutex<Inside>) {
    let (mood, number) = {
        let mut inside = inside.lock().unwrap();
        inside.number = inside.number.wrapping_add(1);
        let number = inside.number;
        // 310 and 331 of 27.005.
        let mood = match (inside.sim, inside.network) {
            (false, _) => Mood::Refuses(310),
            (_, false) => Mood::Refuses(331),
            _ => inside.mood,
        };
        inside.telephones.disturbed |= inside.telephones.is_calling();
        if !matches!(mood, Mood::Refuses(_)) {
            let (to, text) = submitted(digits);
            inside.sent.push(Sms { to, text, hex: digits.to_owned(), number });
        }
        (mood, number)
    };
    match mood {
        Mood::Refuses(error) => say(to, &format!("\r\n+CMS ERROR: {error}\r\n")),
        Mood::LosesAnswer => {}
        Mood::LosesOk => say(to, &format!("\r\n+CMGS: {number}\r\n")),
        Mood::Rings => {
            let between = "\r\n+CMTI: \"ME\",19\r\nRING\r\n";
            say(to, &format!("{between}\r\n+CMGS: {number}\r\n{between}\r\nOK\r\n"));
        }
        _ => say(to, &format!("\r\n+CMGS: {number}\r\n\r\nOK\r\n")),
    }
}

/// Number and text of an SMS-SUBMIT in UCS-2 as the hub writes it.
fn submitted(digits: &str) -> (String, String) {
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    let start = 1 + usize::from(bytes[0]);
    let (first, length) = (bytes[start], usize::from(bytes[start + 2]));
    assert_eq!(first & 0x03, 0x01, "no SMS-SUBMIT: {digits}");
    let end = start + 4 + length.div_ceil(2);
    let mut number: String = bytes[start + 4..end]
        .iter()
        .flat_map(|b| [b & 0xf, b >> 4])
        .map(|d| format!("{d:x}"))
        .collect();
    number.truncate(length);
    assert_eq!(bytes[end + 1], 0x08, "not UCS-2: {digits}");
    let text = end + 2 + usize::from(first & 0x10 != 0);
    let (size, text) = (usize::from(bytes[text]), &bytes[text + 1..]);
    assert_eq!(size, text.len(), "{digits}");
    assert!(size <= 140, "more than one part: {digits}");
    let units = text.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let plus = if bytes[start + 3] == 0x91 { "+" } else { "" };
    (format!("{plus}{number}"), String::from_utf16(&units.collect::<Vec<_>>()).unwrap())
}

/// Length, type and digits of a number.
fn address(number: &str) -> String {
    let (kind, digits) = match number.strip_prefix('+') {
        Some(digits) => ("91", digits),
        None => ("81", number),
    };
    let mut padded = digits.to_owned();
    if padded.len() % 2 == 1 {
        padded.push('F');
    }
    let swapped: String = padded
        .as_bytes()
        .chunks(2)
        .map(|p| format!("{}{}", char::from(p[1]), char::from(p[0])))
        .collect();
    format!("{:02X}{kind}{swapped}", digits.len())
}

/// An SMS-DELIVER in UCS-2.
fn delivered(from: &str, text: &str, header: &str, stamp: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
    let data = format!("{header}{units}");
    let first = if header.is_empty() { "04" } else { "44" };
    format!("00{first}{}0008{stamp}{:02X}{data}", address(from), data.len() / 2)
}

/// Everybody has a mobile number and is called by it as well, over these modems in their order. The
/// numbers are 13800138001 and on, in the order of the shipped list.
pub fn with_modems(hub: &Hub, modems: &[&str]) -> Vec<PathBuf> {
    hub.edit("registry/people.csv", ",0000000000", ",1380013800");
    hub.edit("ladders.toml", "by = [\"screen\"]", "by = [\"screen\", \"sms\"]");
    let paths: Vec<PathBuf> =
        modems.iter().map(|name| hub.path(&format!("modem-{name}"))).collect();
    for (name, path) in modems.iter().zip(&paths) {
        hub.append(
            "links.toml",
            &format!(
                "\n[link.modem.{name}]\npath = \"{}\"\nprofile = \"sim7600\"\nprobe = \"1s\"\n\
                 lost_after = \"2s\"\n",
                path.display()
            ),
        );
    }
    hub.append("notify.toml", &format!("\n[sms]\nmodems = {modems:?}\n"));
    paths
}

/// The same, and everybody is rung up as well, by these ways in the first step of an emergency.
pub fn with_voice(hub: &Hub, modems: &[&str], by: &str) -> Vec<PathBuf> {
    let paths = with_modems(hub, modems);
    for line in ["line:first", "line:second"] {
        let step = |by: &str| format!("{{ who = [\"{line}\"], by = {by}, wait = \"60s\" }}");
        hub.edit("ladders.toml", &step("[\"screen\", \"sms\"]"), &step(by));
    }
    hub.append("notify.toml", &format!("\n[voice]\nmodems = {modems:?}\nring = \"5s\"\n"));
    paths
}

/// Waits until a modem can send.
pub fn works(hub: &Hub, name: &str) {
    soon(&format!("modem {name} at work"), || {
        hub.does(&["status"]).contains(&format!("{name} works")).then_some(())
    });
}
