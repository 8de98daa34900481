//! Receivers and radars of others on serial lines, with the real binary and real pseudo-terminals.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::hub::{Hub, soon};
use crate::line::plugged;

/// The other end of a line: what is said on it as it is.
pub struct Wire {
    end: File,
    heard: Arc<Mutex<Vec<u8>>>,
    over: Arc<AtomicBool>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Wire {
    pub fn plug(path: &Path) -> Self {
        let end = plugged(path);
        rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
        let (heard, over): (Arc<Mutex<Vec<u8>>>, Arc<AtomicBool>) = Default::default();
        let (into, until, mut from) = (heard.clone(), over.clone(), end.try_clone().unwrap());
        let reader = std::thread::spawn(move || {
            let mut space = [0; 64];
            while !until.load(Ordering::Acquire) {
                match from.read(&mut space) {
                    Ok(count) => into.lock().unwrap().extend_from_slice(&space[..count]),
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { end, heard, over, reader: Some(reader) }
    }

    pub fn says(&self, bytes: &[u8]) {
        let (mut end, mut left) = (&self.end, bytes);
        while !left.is_empty() {
            match end.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("the line is gone: {error}"),
            }
        }
    }

    /// Says something and waits for so many bytes of an answer.
    fn asks(&self, bytes: &[u8], count: usize) -> Vec<u8> {
        let before = self.heard.lock().unwrap().len();
        self.says(bytes);
        soon("the answer on the line", || {
            let heard = self.heard.lock().unwrap();
            (heard.len() >= before + count).then(|| heard[before..].to_vec())
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = self.reader.take().unwrap().join();
    }
}

/// A hub with one line `front` of this contract, and more types and devices.
fn house(line: &str, types: &str, devices: &str) -> (Hub, Wire) {
    let hub = Hub::prepared();
    let path = hub.path("usb-front");
    hub.append(
        "links.toml",
        &format!("\n[link.serial.front]\npath = \"{}\"\n{line}\n", path.display()),
    );
    hub.append("devices.toml", types);
    hub.append("registry/devices.csv", devices);
    let wire = Wire::plug(&path);
    (hub, wire)
}

fn line_is_open(hub: &Hub) {
    soon("an open line", || hub.log().contains("the line is open").then_some(()));
}

/// The open incident of a kind on a device.
fn open(hub: &Hub, device: &str, kind: &str) -> Value {
    soon(&format!("{kind} on {device}"), || {
        hub.open_on(device).into_iter().find(|incident| incident["kind"] == kind)
    })
}

const PANEL: &str = r#"
[type.panel]
family = "contact-id"
label = "报警主机"
life_safety = true
actions = { e130 = "service" }
"#;
const TEST: &[u8] = b"1011           @    \x14";

fn alarm(account: &str, qualifier: char, event: &str, zone: &str) -> Vec<u8> {
    format!("5011 18{account}{qualifier}{event}01{zone}\x14").into_bytes()
}

#[test]
fn each_event_of_an_alarm_panel_reaches_its_class_and_is_answered_once_it_is_on_disk() {
    let (mut hub, wire) =
        house("contract = \"contact-id\"", PANEL, "P-1,panel,1234/007,,,\nP-2,panel,1234,,,\n");
    hub.start();
    line_is_open(&hub);
    assert_eq!(wire.asks(TEST, 1), [0x06], "the test of the line");
    assert_eq!(wire.asks(&alarm("1234", 'E', "101", "007"), 1), [0x06]);
    let said = hub.facts("reported");
    assert_eq!(said.len(), 1, "what was answered is on disk");
    assert_eq!(said[0]["report"]["device"], "P-1");
    for (account, event, zone, device, kind, class) in [
        ("1234", "101", "007", "P-1", "sos", "emergency"),
        ("1234", "111", "007", "P-1", "smoke", "hazard"),
        ("1234", "154", "007", "P-1", "water", "welfare"),
        ("1234", "384", "007", "P-1", "low_battery", "fault"),
        ("1234", "100", "001", "P-2", "fall", "emergency"),
        ("1234", "130", "001", "P-2", "service", "service"),
        ("9999", "120", "003", "contact-id:9999/003", "sos", "emergency"),
    ] {
        assert_eq!(wire.asks(&alarm(account, 'E', event, zone), 1), [0x06]);
        assert_eq!(open(&hub, device, kind)["class"], class, "{event}");
    }
    // The end of the smoke closes nothing.
    assert_eq!(wire.asks(&alarm("1234", 'R', "111", "007"), 1), [0x06]);
    soon("the end", || (!hub.facts("back_to_normal").is_empty()).then_some(()));
    assert_eq!(open(&hub, "P-1", "smoke")["stage"], "calling");
    // A test calls nobody.
    let before = hub.incidents().len();
    assert_eq!(wire.asks(&alarm("1234", 'E', "602", "001"), 1), [0x06]);
    assert_eq!(hub.incidents().len(), before);
}

#[test]
fn a_broken_line_is_asked_for_again_and_an_event_that_nobody_knows_is_not_and_calls_people() {
    let (mut hub, wire) = house("contract = \"contact-id\"", PANEL, "P-2,panel,1234,,,\n");
    hub.start();
    line_is_open(&hub);
    for broken in [&b"5011 181234E101010\x14"[..], b"5011 1812#4E10101007\x14", b"\x7f\x7f\x14"] {
        assert_eq!(wire.asks(broken, 1), [0x15]);
    }
    assert!(hub.incidents().iter().all(|i| i["class"] != "emergency"), "{:?}", hub.incidents());
    assert_eq!(wire.asks(&alarm("1234", 'E', "987", "001"), 1), [0x06]);
    assert_eq!(open(&hub, "P-2", "unreadable")["class"], "emergency");
    assert_eq!(wire.asks(&alarm("7777", 'E', "987", "001"), 1), [0x06]);
    assert!(hub.open_on("contact-id:7777/001").is_empty(), "no call, but a fact");
}

#[test]
fn a_receiver_that_no_longer_tests_its_line_is_lost_and_comes_back() {
    let (mut hub, wire) = house("contract = \"contact-id\"\nsilent_after = \"2s\"", PANEL, "");
    hub.start();
    line_is_open(&hub);
    wire.asks(TEST, 1);
    soon("a line that hears", || {
        hub.does(&["status"]).contains("serial.front hears").then_some(())
    });
    let lost = || hub.incidents().into_iter().find(|incident| incident["kind"] == "link");
    assert_eq!(soon("the lost line", lost)["class"], "coverage");
    soon("the line's return", || {
        wire.asks(TEST, 1);
        hub.does(&["status"]).contains("serial.front hears").then_some(())
    });
}

const KEYS: &str = r#"
[type.key-433]
family = "ev1527"
label = "无线按钮"
life_safety = true
actions = { "key=1" = "sos", "key=2" = "cancel" }
[type.kerui]
family = "ev1527"
model = "kerui"
label = "门磁"
life_safety = false
[type.chuango]
family = "ev1527"
model = "chuango"
label = "无线按钮"
life_safety = true
"#;
const KEY_DEVICES: &str = "E-1,key-433,12345,,,\nK-1,kerui,abcde,,,\nC-1,chuango,0beef,,,\n";

/// A frame of a learning module.
fn code(code: u32) -> Vec<u8> {
    let [_, a, b, c] = code.to_be_bytes();
    vec![0xFD, a, b, c, 0x20, 0xDF]
}

fn facts_on(hub: &Hub, device: &str) -> usize {
    hub.facts("reported").iter().filter(|fact| fact["report"]["device"] == device).count()
}

#[test]
fn expert_06_forty_equal_frames_are_one_press_and_what_a_key_means_is_its_makers() {
    let (mut hub, wire) = house("contract = \"ev1527\"", KEYS, KEY_DEVICES);
    hub.start();
    line_is_open(&hub);
    // A lone frame, noise around it, and what anybody may send call nobody.
    wire.says(&[&[0x00, 0xFD, 0xFD, 0x11][..], &code(0x12_3451), &[0xFD, 0x99]].concat());
    for _ in 0..5 {
        wire.says(&code(0xFF_FFF1));
    }
    std::thread::sleep(Duration::from_millis(700));
    for _ in 0..40 {
        wire.says(&code(0x12_3451));
        std::thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(open(&hub, "E-1", "sos")["class"], "emergency");
    for word in [0xAB_CDEB, 0x0B_EEFB] {
        wire.says(&[code(word), code(word)].concat());
    }
    assert_eq!(open(&hub, "K-1", "tamper")["class"], "fault", "key B of a Kerui");
    assert_eq!(open(&hub, "C-1", "sos")["class"], "emergency", "key B of a Chuango");
    // A radio cancels nothing.
    wire.says(&[code(0x12_3452), code(0x12_3452)].concat());
    wire.says(&[code(0x12_3453), code(0x12_3453)].concat());
    soon("the key in no table", || (!hub.facts("signal_refused").is_empty()).then_some(()));
    assert_eq!(facts_on(&hub, "E-1"), 1, "forty frames are one press");
    assert_eq!(hub.incidents().len(), 3, "{:?}", hub.incidents());
    assert!(hub.facts("resident_cancelled").is_empty());
    assert!(hub.does(&["status"]).contains("serial.front hears"));
}

#[test]
fn the_bridge_chip_is_answered_and_rflinks_text_is_read() {
    let (mut hub, wire) = house("contract = \"rf-bridge\"", KEYS, KEY_DEVICES);
    let text_path = hub.path("usb-text");
    hub.append(
        "links.toml",
        &format!(
            "[link.serial.text]\npath = \"{}\"\ncontract = \"rflink\"\nrflink = {{ frames = 1 }}\n",
            text_path.display()
        ),
    );
    let text = Wire::plug(&text_path);
    hub.start();
    soon("two open lines", || (hub.log().matches("the line is open").count() == 2).then_some(()));
    let frame = [0xAA, 0xA4, 0x25, 0x6C, 0x00, 0xF0, 0x02, 0xD0, 0x12, 0x34, 0x51, 0x55];
    assert_eq!(wire.asks(&frame, 3), [0xAA, 0xA0, 0x55]);
    assert_eq!(wire.asks(&frame, 3), [0xAA, 0xA0, 0x55]);
    assert_eq!(facts_on(&hub, "E-1"), 1, "what was answered is on disk");
    open(&hub, "E-1", "sos");
    text.says(b"20;00;Nodo RadioFrequencyLink - RFLink Gateway V1.1 - R46;\r\n");
    text.says(b"20;01;EV1527;ID=0BEEF;SWITCH=2;CMD=ON;\r\n");
    open(&hub, "C-1", "sos");
}

#[test]
fn a_jammed_receiver_is_a_fault_and_costs_no_neighbour_a_press() {
    let line = "contract = \"ev1527\"\nev1527 = { frames_a_minute = 300 }";
    let (mut hub, wire) = house(line, KEYS, KEY_DEVICES);
    let other_path = hub.path("usb-other");
    hub.append(
        "links.toml",
        &format!(
            "[link.serial.other]\npath = \"{}\"\ncontract = \"ev1527\"\n",
            other_path.display()
        ),
    );
    let other = Wire::plug(&other_path);
    hub.start();
    soon("two open lines", || (hub.log().matches("the line is open").count() == 2).then_some(()));
    // One transmitter that is stuck, and one after the other of all codes there are: too many frames,
    // though far from too many bytes.
    let jam: Vec<u8> = (0..160u32).flat_map(|n| [code(0x77_7771), code(n << 8)].concat()).collect();
    wire.says(&jam);
    let flooded = || {
        let troubles = hub.facts("hub_trouble").into_iter().map(|fact| fact["trouble"].clone());
        troubles.into_iter().find(|t| t["subject"] == "serial.front.flood")
    };
    assert_eq!(soon("the fault", flooded)["broken"], true);
    // Pressed in the middle of it, on this line and on the other.
    wire.says(&jam);
    wire.says(&[code(0x12_3451), code(0x12_3451)].concat());
    other.says(&[code(0x0B_EEFB), code(0x0B_EEFB)].concat());
    open(&hub, "C-1", "sos");
    open(&hub, "E-1", "sos");
    let calls = hub.incidents().into_iter().filter(|i| i["class"] == "emergency").count();
    assert_eq!(calls, 2, "{:?}", hub.incidents());
}

const RADARS: &str = r#"
[type.radar-60]
family = "r60afd1"
label = "跌倒雷达"
life_safety = true
[type.radar-24]
family = "mr24fdb1"
label = "跌倒雷达"
life_safety = true
"#;

/// The bytes of a named vector.
fn vector(text: &str, name: &str) -> Vec<u8> {
    let file: toml::Table = toml::from_str(text).unwrap();
    let vectors = file["vector"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["name"].as_str() == Some(name)).unwrap();
    let digits = vector["bytes_hex"].as_str().unwrap().split(' ');
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn a_fall_before_either_radar_is_an_emergency_and_a_suspicion_or_noise_is_none() {
    const R60: &str = include_str!("../../firmware-contracts/r60afd1/v1/uplink.toml");
    const MR24: &str = include_str!("../../firmware-contracts/mr24fdb1/v1/uplink.toml");
    let (mut hub, first) =
        house("contract = \"r60afd1\"", RADARS, "D-1,radar-60,front,,,\nD-2,radar-24,back,,,\n");
    let path = hub.path("usb-back");
    hub.append(
        "links.toml",
        &format!("[link.serial.back]\npath = \"{}\"\ncontract = \"mr24fdb1\"\n", path.display()),
    );
    let second = Wire::plug(&path);
    hub.start();
    soon("two open lines", || (hub.log().matches("the line is open").count() == 2).then_some(()));
    first.says(&vector(R60, "heartbeat as documented"));
    second.says(&vector(MR24, "heartbeat with nobody there, as captured"));
    let hears = |line: &str| {
        soon("a radar that is heard", || hub.does(&["status"]).contains(line).then_some(()));
    };
    hears("serial.front hears");
    hears("serial.back hears");
    second.says(&vector(MR24, "00 is a suspected fall"));
    second.says(&vector(MR24, "02 is no fall"));
    let fall = vector(R60, "a fall as documented");
    // Cut, and with a bit turned.
    first.says(&fall[..7]);
    let mut turned = fall.clone();
    turned[6] ^= 2;
    first.says(&turned);
    first.says(&vector(R60, "stays still as documented"));
    assert_eq!(open(&hub, "D-1", "inactivity")["class"], "welfare");
    assert!(hub.incidents().iter().all(|i| i["class"] != "emergency"), "{:?}", hub.incidents());
    // Noise with a false head right before it.
    first.says(&[&[0x53, 0x59, 0x00][..], &fall].concat());
    assert_eq!(open(&hub, "D-1", "fall")["class"], "emergency");
    second.says(&[&[0x55, 0x08][..], &vector(MR24, "a fall")].concat());
    assert_eq!(open(&hub, "D-2", "fall")["class"], "emergency");
    first.says(&vector(R60, "the radar's chip fails as documented"));
    assert_eq!(open(&hub, "D-1", "silent")["class"], "fault");
}

const WARD: &str = r#"contract = "lines"
[link.serial.front.lines.call]
pattern = '^CH(?P<channel>\d+) (?P<word>\w+)( (?P<battery>\d+)%)?$'
device = "ward-{channel}"
[link.serial.front.lines.channel]
pattern = '^(?P<channel>\d{1,3})$'
device = "ward-{channel}"
[link.serial.front.lines.banner]
pattern = '^READY'
ignore = true"#;

const WARD_TYPE: &str = r#"
[type.ward]
family = "lines"
label = "床头呼叫"
life_safety = true
actions = { "word=call" = "sos", "line=channel" = "sos", "word=reset" = "cancel", meal = "service", smoke = "smoke" }
"#;

#[test]
fn a_panel_that_no_code_knows_is_read_by_patterns_alone() {
    let devices = "W-1,ward,ward-12,,,\nW-2,ward,ward-7,,,\nW-3,ward,ward-8,,,\n";
    let (mut hub, wire) = house(WARD, WARD_TYPE, devices);
    hub.start();
    line_is_open(&hub);
    wire.says(b"READY V1.2\r\nHELLO\r\nCH99 CALL\r\n\xff\xfe\r\nCH12 CA");
    wire.says(b"LL 84%\r\n");
    assert_eq!(open(&hub, "W-1", "sos")["class"], "emergency");
    wire.says(b"CH12 SMOKE\r\nCH12 MEAL\r\n7\r\nCH8 FLASH\r\n");
    assert_eq!(open(&hub, "W-1", "smoke")["class"], "hazard");
    assert_eq!(open(&hub, "W-1", "service")["class"], "service");
    assert_eq!(open(&hub, "W-2", "sos")["class"], "emergency");
    assert_eq!(open(&hub, "W-3", "unreadable")["class"], "emergency");
    assert!(hub.does(&["devices"]).contains("84"), "the battery of W-1");
    assert_eq!(hub.incidents().len(), 5, "{:?}", hub.incidents());
}
