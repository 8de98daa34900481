//! Buttons behind a receiver on a serial line, with the real binary and real pseudo-terminals.

use std::time::Duration;

use anling::contract::SerialFrame;
use anling::terms::{FeedbackStage, Mark};
use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::line::{Firmware, Radio, plugged, with_line};
use crate::receivers::{MailServer, Mood, Receiver};

const BUTTON: &str = "00A1B2C3";

/// A hub with one line, `front`, and the button R-01 behind it; nothing runs or is plugged in yet.
fn house() -> (Hub, std::path::PathBuf) {
    let hub = Hub::prepared();
    let path = hub.path("usb-receiver");
    with_line(&hub, "front", &path, ("R-01", BUTTON));
    (hub, path)
}

fn of_kind(hub: &Hub, kind: &str) -> Vec<Value> {
    hub.incidents().into_iter().filter(|incident| incident["kind"] == kind).collect()
}

fn line_hears(hub: &Hub) {
    soon("a line that hears", || {
        hub.does(&["status"]).contains("serial.front hears").then_some(())
    });
}

/// The named pieces of a vector file.
fn pieces(vectors: &str) -> Vec<(String, Vec<u8>)> {
    let file: toml::Table = toml::from_str(vectors).unwrap();
    let piece = |vector: &toml::Value| {
        let digits = vector.get("bytes_hex")?.as_str()?.split(' ');
        let bytes = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        Some((vector["name"].as_str()?.to_owned(), bytes))
    };
    file["vector"].as_array().unwrap().iter().filter_map(piece).collect()
}

/// The troubles of a line in their order, as (kind, broken).
fn troubles(hub: &Hub, subject: &str) -> Vec<(String, bool)> {
    let troubles = hub.facts("hub_trouble").into_iter().map(|fact| fact["trouble"].clone());
    let ours = troubles.filter(|trouble| trouble["subject"] == subject);
    let word = |kind: &Value| kind.as_str().unwrap().to_owned();
    ours.map(|t| (word(&t["kind"]), t["broken"].as_bool().unwrap())).collect()
}

#[test]
fn a_press_of_the_c_firmware_becomes_a_mail_and_an_event_and_lights_every_stage_in_turn() {
    let (mail, webhook) = (MailServer::open(), Receiver::open(Mood::Takes));
    let (mut hub, path) = house();
    hub.with_mail(mail.port);
    hub.with_webhook("platform", &webhook.url());
    hub.start();
    let button = Firmware::press(&path, BUTTON, 17, 1);
    let code = soon("the incident", || hub.open_on("R-01").pop())["code"].clone();
    let code = code.as_str().unwrap();
    mail.takes("zhangmin@yunjian.example", &[code, "3号楼2单元302"]);
    assert_eq!(webhook.hears("raised", code)["data"]["device"]["id"], "R-01");
    button.shows(&["light 1"]);
    let moved = |words: &[&str]| assert_eq!(hub.says(code, "zhangmin", words).code, 0, "{words:?}");
    moved(&["accept"]);
    button.shows(&["light 1", "light 2"]);
    moved(&["on-the-way"]);
    moved(&["arrive"]);
    button.shows(&["light 1", "light 2", "light 3"]);
    moved(&["resolve"]);
    button.shows(&["light 1", "light 2", "light 3", "light 4"]);
    webhook.hears("resolved", code);
}

#[test]
fn a_receiver_that_is_missing_or_pulled_out_is_told_and_comes_back_without_a_restart() {
    let (mut hub, path) = house();
    hub.start();
    soon("the alarm for a missing port", || of_kind(&hub, "link").pop());
    hub.screen_says(&["设备线路中断"]);
    let status = hub.does(&["status"]);
    assert!(status.contains("serial.front FAILS") && status.contains("No such file"), "{status}");
    for seq in 1..=2 {
        let radio = Radio::plug(&path);
        line_hears(&hub);
        radio.event(BUTTON, 1, seq, "sos");
        radio.hears(BUTTON, 1, seq, FeedbackStage::Stored);
        drop(radio);
        soon("the alarm for a pulled plug", || {
            (troubles(&hub, "serial.front").len() == 1 + 2 * seq as usize).then_some(())
        });
    }
    let _radio = Radio::plug(&path);
    line_hears(&hub);
    let expected: Vec<(String, bool)> =
        [true, false, true, false, true, false].map(|broken| ("link".to_owned(), broken)).into();
    assert_eq!(troubles(&hub, "serial.front"), expected);
    assert_eq!(of_kind(&hub, "link").len(), 1, "one alarm, as long as nobody has closed it");
}

#[test]
fn a_line_that_moves_to_another_port_hears_there_after_a_reload() {
    let (mut hub, path) = house();
    let first = Radio::plug(&path);
    hub.start();
    line_hears(&hub);
    first.event(BUTTON, 1, 1, "sos");
    first.hears(BUTTON, 1, 1, FeedbackStage::Stored);
    let other = hub.path("usb-receiver-2");
    let second = Radio::plug(&other);
    hub.edit("links.toml", &path.display().to_string(), &other.display().to_string());
    hub.signal("HUP");
    // The call's light is said again on the new line, without a press.
    second.hears(BUTTON, 1, 1, FeedbackStage::Stored);
    second.event(BUTTON, 1, 2, "sos");
    second.hears(BUTTON, 1, 2, FeedbackStage::Stored);
    first.event(BUTTON, 1, 9, "sos");
    let table =
        format!("[link.serial.front]\npath = \"{}\"\nsilent_after = \"3s\"\n", other.display());
    hub.edit("links.toml", &table, "");
    hub.signal("HUP");
    soon("no line left", || (!hub.does(&["status"]).contains("serial.front")).then_some(()));
    assert!(troubles(&hub, "serial.front").is_empty(), "{:?}", troubles(&hub, "serial.front"));
    let marks: Vec<_> =
        hub.facts("reported").iter().map(|f| f["report"]["mark"]["seq"].clone()).collect();
    assert_eq!(marks, [1, 2], "nobody reads the old port");
}

#[test]
fn a_line_at_the_wrong_speed_is_lost_although_its_port_is_open() {
    let (mut hub, path) = house();
    hub.edit("links.toml", "silent_after = \"3s\"", "silent_after = \"2s\"");
    let end = plugged(&path);
    hub.start();
    for _ in 0..10 {
        rustix::io::write(&end, b"\x1c\xe0\0\x99\x1c\x07\0").unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    soon("the alarm", || of_kind(&hub, "link").pop());
    assert!(hub.does(&["status"]).contains("no whole frame"));
    assert!(of_kind(&hub, "unreadable").is_empty(), "noise calls nobody to a resident");
}

#[test]
fn after_a_power_cut_the_lights_are_said_again_without_a_press() {
    let (mut hub, path) = house();
    hub.start();
    let radio = Radio::plug(&path);
    line_hears(&hub);
    radio.event(BUTTON, 3, 9, "sos");
    radio.hears(BUTTON, 3, 9, FeedbackStage::Stored);
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
    radio.hears(BUTTON, 3, 9, FeedbackStage::Accepted);
    hub.kill();
    let before = radio.lights(BUTTON, 3, 9).len();
    hub.start();
    soon("the light again", || {
        let lights = radio.lights(BUTTON, 3, 9);
        (lights.len() > before && lights.ends_with(&[FeedbackStage::Accepted])).then_some(())
    });
    // A repeat that was under way when the power went is the same press.
    radio.event(BUTTON, 3, 9, "sos");
    soon("the answer to the repeat", || {
        (radio.lights(BUTTON, 3, 9).len() > before + 1).then_some(())
    });
    assert_eq!(hub.facts("raised").iter().filter(|f| f["device"] == "R-01").count(), 1);
}

#[test]
fn a_strangers_alarm_calls_people_and_its_battery_does_not() {
    let (mut hub, path) = house();
    hub.start();
    let radio = Radio::plug(&path);
    line_hears(&hub);
    for (seq, word) in [(1, "heartbeat"), (2, "low_battery"), (3, "tamper")] {
        radio.event("77777777", 1, seq, word);
    }
    for seq in [2, 3] {
        radio.hears("77777777", 1, seq, FeedbackStage::Stored);
    }
    assert!(hub.open_on("native-serial:77777777").is_empty(), "{:?}", hub.incidents());
    radio.event("77777777", 1, 4, "sos");
    radio.hears("77777777", 1, 4, FeedbackStage::Stored);
    let raised = hub.open_on("native-serial:77777777");
    assert_eq!((raised.len(), &raised[0]["class"]), (1, &Value::from("emergency")));
    hub.screen_says(&["A01", "未登记"]);
}

#[test]
fn a_frame_of_a_newer_button_calls_people_and_a_broken_one_does_not() {
    let (mut hub, path) = house();
    hub.start();
    let radio = Radio::plug(&path);
    line_hears(&hub);
    let refused = pieces(include_str!("../../firmware-contracts/native-serial/v1/refused.toml"));
    let piece = |name: &str| -> Vec<u8> {
        let (_, piece) = refused.iter().find(|(known, _)| known == name).unwrap();
        [&[0], &piece[..], &[0]].concat()
    };
    for name in ["one bit of the count turned round", "a frame that lost its first byte"] {
        radio.says(&piece(name));
    }
    radio.event(BUTTON, 1, 1, "heartbeat");
    soon("the count", || (hub.status()["refused"] == 2).then_some(()));
    assert!(of_kind(&hub, "unreadable").is_empty());
    radio.says(&piece("a newer version, same fields"));
    soon("the emergency", || of_kind(&hub, "unreadable").pop());
    assert_eq!(hub.open_on("R-01").len(), 1);
    assert_eq!(hub.facts("signal_refused").len(), 2, "one for the noise, one for the button");
}

#[test]
fn a_button_between_two_receivers_is_one_call_and_keeps_its_light_when_one_is_pulled_out() {
    let (mut hub, path) = house();
    let other = hub.path("usb-other");
    with_line(&hub, "other", &other, ("R-02", "00000002"));
    hub.start();
    let (first, second) = (Radio::plug(&path), Radio::plug(&other));
    line_hears(&hub);
    soon("the other line", || hub.does(&["status"]).contains("serial.other hears").then_some(()));
    first.event(BUTTON, 1, 1, "sos");
    first.hears(BUTTON, 1, 1, FeedbackStage::Stored);
    second.event(BUTTON, 1, 1, "sos");
    second.hears(BUTTON, 1, 1, FeedbackStage::Stored);
    assert_eq!(hub.facts("reported").len(), 1, "the same press");
    drop(second);
    soon("the alarm for the other line", || {
        hub.does(&["status"]).contains("serial.other FAILS").then_some(())
    });
    let code = hub.open_on("R-01")[0]["code"].as_str().unwrap().to_owned();
    assert_eq!(hub.says(&code, "zhangmin", &["accept"]).code, 0);
    first.hears(BUTTON, 1, 1, FeedbackStage::Accepted);
}

#[test]
fn every_cut_and_every_turned_bit_of_every_vector_calls_nobody_and_the_next_press_is_stored() {
    let (mut hub, path) = house();
    // Among so much noise the receiver's own frames may be broken for a while, too.
    hub.edit("links.toml", "silent_after = \"3s\"", "silent_after = \"60s\"");
    hub.start();
    let radio = Radio::plug(&path);
    line_hears(&hub);
    let mut ruined = 0;
    let vectors = include_str!("../../firmware-contracts/native-serial/v1/uplink.toml");
    for (_, piece) in pieces(vectors) {
        let cuts = (1..piece.len()).map(|cut| piece[..cut].to_vec());
        let turned = (0..piece.len() * 8).map(|bit| {
            let mut turned = piece.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            turned
        });
        for bytes in cuts.chain(turned) {
            radio.says(&[&[0], &bytes[..], &[0]].concat());
            ruined += 1;
        }
    }
    radio.event(BUTTON, 1, 1, "sos");
    radio.hears(BUTTON, 1, 1, FeedbackStage::Stored);
    let raised: Vec<Value> = hub.facts("raised").iter().map(|f| f["kind"].clone()).collect();
    assert_eq!(raised, ["garbage", "sos"], "a fault for the noise, a call for the press");
    assert!(hub.status()["refused"].as_u64().unwrap() >= ruined, "each was counted");
    assert!(hub.log().contains("the line brings noise"), "{}", hub.log());
    assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
}

#[test]
fn a_line_that_floods_with_noise_is_a_fault_and_costs_no_press_of_another() {
    let (mut hub, quiet) = house();
    let loud = hub.path("usb-loud");
    with_line(&hub, "loud", &loud, ("R-02", "00000002"));
    hub.start();
    let (radio, noisy) = (Radio::plug(&quiet), Radio::plug(&loud));
    line_hears(&hub);
    // Noise, half frames, broken frames, and between them real presses, as fast as the line takes.
    let alive = SerialFrame::Alive { address: 9, mark: Mark { boot: 1, seq: 1 } }.to_wire();
    let mut storm: Vec<u8> = (0..4_000u32).map(|n| (n * n % 251) as u8).collect();
    storm.extend_from_slice(&alive[..9]);
    // The receiver itself is whole: what it says is somewhere in between.
    storm.extend_from_slice(&alive);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Acquire) {
                noisy.says(&storm);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let pressing = || {
            for seq in 1..=40 {
                radio.event(BUTTON, 5, seq, "sos");
                let device = "B-01";
                publish(&hub, device, &topic(device, "event"), &press(5, seq, "sos"));
                radio.hears(BUTTON, 5, seq, FeedbackStage::Stored);
            }
            soon("the fault for the flood", || {
                troubles(&hub, "serial.loud.flood")
                    .contains(&("garbage".into(), true))
                    .then_some(())
            });
        };
        let pressed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(pressing));
        over.store(true, std::sync::atomic::Ordering::Release);
        pressed.unwrap_or_else(|why| std::panic::resume_unwind(why));
    });
    assert_eq!(troubles(&hub, "serial.loud"), [("garbage".to_owned(), true)], "a fault, not lost");
    assert_eq!(troubles(&hub, "serial.front"), [], "the other line is as it was");
    assert!(noisy.lights(BUTTON, 5, 1).is_empty(), "an answer goes to the line of its button");
    let minutes = hub.status()["up_ms"].as_u64().unwrap() / 60_000 + 1;
    let refused = hub.facts("signal_refused").len() as u64;
    assert!(refused <= minutes, "{refused} facts of noise in {minutes} minutes");
    // The noisy line itself still hears: nothing of a button is lost for good.
    noisy.event("00000002", 1, 1, "sos");
    noisy.event("00000002", 1, 1, "sos");
    noisy.hears("00000002", 1, 1, FeedbackStage::Stored);
    soon("the end of the flood", || {
        troubles(&hub, "serial.loud.flood").contains(&("garbage".into(), false)).then_some(())
    });
}
