//! A hub that hears a mosquitto: presses and levels through it, answers back, and what is left when it
//! is killed under a storm.
//!
//! The long form, which the promise is measured by:
//! `ANLING_BROKER_PRESSES=10000 ANLING_BROKER_KILLS=10 cargo test --test house mosquitto_is_killed`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anling::clock::Stopwatch;
use rumqttc::Packet;
use serde_json::Value;

use crate::devices::{Device, press, topic};
use crate::hub::{HUB, Hub, soon};
use crate::mosquitto::{Mosquitto, heard};

const ZIGBEE: &str = "[link.mqtt.home.zigbee2mqtt]\nbase_topic = \"z2m\"";

#[test]
fn a_press_through_another_broker_is_answered_there() {
    let broker = Mosquitto::open("");
    let hub = Hub::prepared();
    broker.heard_by(&hub, "");
    let mut hub = hub;
    hub.start();
    heard(&hub, 1);
    let button = Device::connect(broker.port, "B-02", "B-02").unwrap();
    button.listen(&topic("B-02", "cmd"));
    button.send(&topic("B-02", "event"), press(3, 9, "sos"));
    answered(&button, 9, "stored");
    let code = hub.open_on("B-02")[0]["code"].as_str().unwrap().to_owned();
    hub.does(&["incident", &code, "accept", "--as", "zhangmin"]);
    answered(&button, 9, "accepted");
}

#[test]
fn what_a_broker_kept_is_history_for_a_press_and_an_alarm_for_smoke() {
    let broker = Mosquitto::open("");
    broker.says("z2m/3号楼1单元101/按钮", r#"{"action":"single"}"#, &["-r"]);
    broker.says("z2m/smoke", r#"{"smoke":true,"battery":80}"#, &["-r"]);
    broker.says("z2m/bridge/devices", &format!("[\"{}\"]", "x".repeat(60_000)), &["-r"]);
    let hub = Hub::prepared();
    hub.append("registry/devices.csv", "Z-03,zigbee-sos,3号楼1单元101/按钮,,,\n");
    hub.append("registry/devices.csv", "S-03,smoke,smoke,,,\n");
    broker.heard_by(&hub, ZIGBEE);
    let mut hub = hub;
    hub.start();
    heard(&hub, 1);
    let smoke = soon("the smoke", || hub.open_on("S-03").first().cloned());
    assert_eq!(smoke["class"], "hazard");
    let raised = hub.facts("raised");
    assert!(raised.iter().any(|fact| fact["found_at_start"] == true), "{raised:?}");
    assert!(hub.open_on("Z-03").is_empty(), "an old press is no call");
    broker.says("z2m/3号楼1单元101/按钮", r#"{"action":"single"}"#, &[]);
    soon("the press", || (!hub.open_on("Z-03").is_empty()).then_some(()));
    broker.says("z2m/smoke", r#"{"smoke":true,"battery":79}"#, &["-r"]);
    assert_eq!(hub.open_on("S-03").len(), 1);
}

#[test]
fn a_broker_that_is_gone_calls_people_and_its_return_settles_it() {
    let mut broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, "lost_after = \"10s\"");
    hub.start();
    heard(&hub, 1);
    broker.kill();
    status_says(&hub, "refused");
    hub.screen_says(&["设备线路中断"]);
    let lost = hub.open_on("hub:link.mqtt.home");
    assert_eq!((&lost[0]["class"], lost.len()), (&"coverage".into(), 1));
    broker.start();
    heard(&hub, 2);
    soon("the end of the trouble", || {
        let told = hub.facts("hub_trouble");
        told.iter().any(|fact| fact["trouble"]["broken"] == false).then_some(())
    });
    assert!(hub.log().contains("has forgotten this hub"), "{}", hub.log());
}

/// Reloads and waits until `status` says this of the brokers that others run.
fn status_says(hub: &Hub, words: &str) {
    soon(words, || hub.does(&["status"]).contains(words).then_some(()));
}

#[test]
fn a_broker_comes_moves_and_goes_while_the_hub_runs() {
    let (first, second) = (Mosquitto::open(""), Mosquitto::open(""));
    let hub = Hub::open();
    assert!(!hub.does(&["status"]).contains("brokers"));
    first.heard_by(&hub, "");
    hub.signal("HUP");
    status_says(&hub, "mqtt.home hears");
    let button = Device::connect(first.port, "B-02", "B-02").unwrap();
    button.listen(&topic("B-02", "cmd"));
    button.send(&topic("B-02", "event"), press(3, 1, "sos"));
    answered(&button, 1, "stored");

    // Its Zigbee2MQTT is read from now on, and it is another broker.
    let (old, new) =
        (format!("port = {}", first.port), format!("port = {}\n{ZIGBEE}", second.port));
    hub.edit("links.toml", &old, &new);
    hub.signal("HUP");
    heard(&hub, 2);
    status_says(&hub, "mqtt.home hears");
    let moved = Device::connect(second.port, "B-02", "B-02").unwrap();
    moved.listen(&topic("B-02", "cmd"));
    moved.send(&topic("B-02", "event"), press(3, 2, "sos"));
    answered(&moved, 2, "stored");
    second.says("z2m/bridge/state", r#"{"state":"offline"}"#, &["-r"]);
    status_says(&hub, "mqtt.home FAILS (its Zigbee2MQTT is offline)");
    second.says("z2m/bridge/state", r#"{"state":"online"}"#, &["-r"]);
    status_says(&hub, "mqtt.home hears");
    // Nobody hears the first one any more.
    button.send(&topic("B-02", "event"), press(3, 9, "sos"));
    moved.send(&topic("B-02", "event"), press(3, 3, "sos"));
    answered(&moved, 3, "stored");
    let reported = hub.facts("reported");
    assert!(reported.iter().all(|fact| fact["report"]["mark"]["seq"] != 9), "{reported:?}");

    let table = format!("[link.mqtt.home]\nhost = \"127.0.0.1\"\n{new}\n");
    hub.edit("links.toml", &table, "");
    hub.signal("HUP");
    soon("no broker left", || (!hub.does(&["status"]).contains("mqtt.home")).then_some(()));
    assert!(hub.open_on("hub:link.mqtt.home").is_empty(), "given up by people is no trouble");
}

#[test]
fn a_broker_whose_rules_let_nothing_through_is_coverage_until_they_do() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("acl");
    std::fs::write(&rules, "topic write #\n").unwrap();
    let broker = Mosquitto::open(&format!("acl_file {}", rules.display()));
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, "");
    hub.start();
    heard(&hub, 1);
    let name = "hub:link.mqtt.home.access";
    let shut = soon("the trouble", || hub.open_on(name).first().cloned());
    assert_eq!(shut["class"], "coverage");
    status_says(&hub, "mqtt.home FAILS (nothing comes through: its access rules must let this hub");
    status_says(&hub, &format!("anling/v1/{HUB}/hub:probe/event"));
    hub.screen_says(&["设备线路中断"]);
    std::fs::write(&rules, "topic readwrite #\n").unwrap();
    broker.rereads();
    status_says(&hub, "mqtt.home hears");
    soon("the end of the trouble", || {
        let told = hub.facts("hub_trouble");
        told.iter().any(|fact| fact["trouble"]["broken"] == false).then_some(())
    });
    let reported = hub.facts("reported");
    assert!(reported.is_empty(), "a probe is no event: {reported:?}");
}

#[test]
fn a_broker_that_keeps_only_our_own_word_is_a_fault_and_need_not_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("acl");
    std::fs::write(&rules, "topic read #\nuser B-02\ntopic readwrite #\n").unwrap();
    let broker = Mosquitto::open(&format!("acl_file {}", rules.display()));
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, "");
    hub.start();
    heard(&hub, 1);
    let button = Device::connect(broker.port, "B-02", "B-02").unwrap();
    button.send(&topic("B-02", "event"), press(3, 1, "sos"));
    soon("the press", || (!hub.open_on("B-02").is_empty()).then_some(()));
    let name = "hub:access.mqtt.home";
    let fault = soon("the fault", || hub.open_on(name).first().cloned());
    assert_eq!(fault["class"], "fault");
    status_says(&hub, "our own word does not come back");
    assert!(hub.open_on("hub:link.mqtt.home.access").is_empty(), "presses come");
    let port = format!("port = {}", broker.port);
    hub.edit("links.toml", &port, &format!("{port}\nprobe = false"));
    hub.signal("HUP");
    status_says(&hub, "mqtt.home hears");
    soon("the end of the trouble", || {
        let told = hub.facts("hub_trouble");
        told.iter().any(|fact| fact["trouble"]["broken"] == false).then_some(())
    });
}

#[test]
fn messages_beyond_the_limit_deafen_the_hub_to_no_press() {
    let broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, ZIGBEE);
    hub.start();
    heard(&hub, 1);
    broker.says_a_film("z2m/x", 17, &[]);
    heard(&hub, 2);
    broker.says_a_film(&topic("B-03", "event"), 17, &[]);
    heard(&hub, 3);
    presses_until_stored(&broker, "B-04", 1);
    // One that is kept comes with every subscription.
    broker.says_a_film(&topic("B-03", "state"), 18, &["-r"]);
    soon("the word of it", || hub.log().contains("clear the message that it keeps").then_some(()));
    presses_until_stored(&broker, "B-04", 2);
    let said = "the broker mqtt.home sent 188";
    assert_eq!(hub.log().matches(said).count(), 2, "{}", hub.log());
}

/// A button presses and repeats its press until it is answered, as its firmware does.
fn presses_until_stored(broker: &Mosquitto, device: &str, seq: u32) {
    let button = Device::connect(broker.port, device, device).unwrap();
    button.listen(&topic(device, "cmd"));
    soon("an answered press", || {
        button.send(&topic(device, "event"), press(3, seq, "sos"));
        matches!(told_stored(&button, u64::from(seq)), Told::Stored).then_some(())
    });
}

#[test]
fn the_settings_of_a_mosquitto_are_checked_where_they_are_named() {
    let broker = Mosquitto::open("");
    let hub = Hub::prepared();
    broker.heard_by(&hub, &format!("mosquitto_conf = \"{}\"", broker.conf().display()));
    let told = hub.does(&["check"]);
    assert!(told.contains("broker-queue") && told.contains("broker-forgets"), "{told}");
    assert!(told.contains("max_queued_messages 0"), "{told}");
}

fn answered(button: &Device, seq: u64, stage: &str) {
    soon(&format!("{stage} for {seq}"), || match button.next(Duration::from_millis(50)) {
        Some(Packet::Publish(said)) => is_answer(&said.payload, seq, stage).then_some(()),
        _ => None,
    });
}

fn is_answer(payload: &[u8], seq: u64, stage: &str) -> bool {
    let said: Value = serde_json::from_slice(payload).unwrap();
    said["ack"] == seq && said["stage"] == stage
}

/// A button that is pressed `count` times and repeats each press until it is told `stored`, as its
/// firmware does, only sooner.
fn presses(port: u16, home: u32, count: u32, stored: &AtomicUsize) {
    let device = format!("M-{home}");
    let (event, cmd) = (topic(&device, "event"), topic(&device, "cmd"));
    let mut line: Option<Device> = None;
    for seq in 1..=count {
        let payload = press(home, seq, "sos");
        loop {
            let open = line.take().or_else(|| {
                let open = Device::connect(port, &device, &device)?;
                open.listen(&cmd);
                Some(open)
            });
            let Some(open) = open else {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            open.send(&event, payload.clone());
            match told_stored(&open, u64::from(seq)) {
                Told::Stored => {
                    line = Some(open);
                    break;
                }
                Told::Nothing => line = Some(open),
                Told::LineGone => {}
            }
        }
        stored.fetch_add(1, Ordering::AcqRel);
    }
}

enum Told {
    Stored,
    Nothing,
    LineGone,
}

fn told_stored(line: &Device, seq: u64) -> Told {
    /// Firmware waits 2 s at first.
    const REPEAT: Duration = Duration::from_millis(500);
    let waited = Stopwatch::start();
    while let Some(left) = REPEAT.checked_sub(waited.elapsed()) {
        match line.heard(left) {
            Ok(Packet::Publish(said)) if is_answer(&said.payload, seq, "stored") => {
                return Told::Stored;
            }
            Ok(_) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return Told::Nothing,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Told::LineGone,
        }
    }
    Told::Nothing
}

#[test]
fn no_press_is_lost_when_mosquitto_is_killed_again_and_again_and_the_hub_too() {
    const HOMES: u32 = 50;
    let number = |name: &str, absent: u32| {
        std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok()).unwrap_or(absent)
    };
    let each = number("ANLING_BROKER_PRESSES", 1_000).div_ceil(HOMES);
    let kills = number("ANLING_BROKER_KILLS", 4);
    let all = usize::try_from(each * HOMES).unwrap();
    let mut broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, "");
    hub.start();
    heard(&hub, 1);
    let stored: Arc<AtomicUsize> = Arc::default();
    let port = broker.port;
    let homes: Vec<_> = (1..=HOMES)
        .map(|home| {
            let stored = Arc::clone(&stored);
            std::thread::spawn(move || presses(port, home, each, &stored))
        })
        .collect();
    for kill in 1..=kills {
        let share = all * usize::try_from(kill).unwrap() / usize::try_from(kills + 1).unwrap();
        // Longer than one wait of `soon`: the long form takes minutes.
        while stored.load(Ordering::Acquire) < share {
            std::thread::sleep(Duration::from_millis(5));
        }
        broker.kill();
        std::thread::sleep(Duration::from_millis(u64::from(kill % 3) * 150));
        broker.start();
        if kill % 3 == 2 {
            hub.kill();
            hub.start();
        }
    }
    homes.into_iter().for_each(|home| home.join().unwrap());

    let reported = hub.facts("reported");
    let mark = |fact: &Value| {
        let mark = &fact["report"]["mark"];
        (mark["boot"].as_u64()?, mark["seq"].as_u64()?).into()
    };
    let marks: Vec<(u64, u64)> = reported.iter().filter_map(mark).collect();
    let distinct: BTreeSet<_> = marks.iter().copied().collect();
    let pressed: BTreeSet<_> = (1..=u64::from(HOMES))
        .flat_map(|home| (1..=u64::from(each)).map(move |seq| (home, seq)))
        .collect();
    assert_eq!(distinct, pressed, "a press is missing");
    assert_eq!(marks.len(), distinct.len(), "a press was written down twice");
    println!("{} presses, {kills} kills of mosquitto, none lost", pressed.len());
}
