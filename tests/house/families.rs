//! Bridged families over a real mosquitto: each kind of alarm reaches its class, what is history or a
//! test calls nobody, and a LoRaWAN button hears through ChirpStack's queue how far its call has come.

use rumqttc::Packet;
use serde_json::{Value, json};

use crate::devices::{Device, Listener, publish};
use crate::hub::{HANG_GUARD, Hub, password, soon};
use crate::mosquitto::{Mosquitto, heard};

const LINKS: &str = r#"
native = false
[link.mqtt.home.chirpstack]
[link.mqtt.home.tasmota]
[link.mqtt.home.shelly]
[link.mqtt.home.esphome]
[link.mqtt.home.rtl_433]
[link.mqtt.home.json.watch]
topic = "info/+/alarm"
keys = ["alarm_type"]
time = "timestamp"
time_form = "seconds"
"#;

const TYPES: &str = r#"
[type.lora-button]
family = "chirpstack"
model = "WS101"
label = "无线按钮"
life_safety = true
feedback = { stored = "FF3E01", accepted = "FF2F01" }
[type.lora-radar]
family = "chirpstack"
model = "VS373"
label = "跌倒雷达"
life_safety = true
[type.lora-leak]
family = "chirpstack"
model = "WS303"
label = "水浸传感器"
life_safety = false
[type.key-433]
family = "tasmota"
label = "无线按钮"
life_safety = true
actions = { "key=1" = "sos", "key=2" = "cancel", "key=3" = "gas" }
[type.shelly-smoke]
family = "shelly"
label = "烟感"
life_safety = true
[type.shelly-keys]
family = "shelly"
label = "服务按钮"
life_safety = true
actions = { "input:0=long_push" = "sos", "input:0=single_push" = "service" }
[type.panic]
family = "rtl_433"
label = "紧急按钮"
life_safety = true
[type.kerui]
family = "rtl_433"
label = "门磁"
life_safety = false
[type.esp-smoke]
family = "esphome"
model = "smoke"
label = "烟感"
life_safety = true
[type.watch]
family = "json"
label = "手环"
life_safety = true
actions = { "alarm_type=co" = "co", "alarm_type=sos" = "sos" }
"#;

const DEVICES: &str = "L-1,lora-button,24e124535b310001,,,
L-2,lora-leak,24e124535b310002,,,
L-3,lora-radar,24e124535b310003,,,
L-4,lora-button,24e124535b310004,,,
T-1,key-433,rf/12345,,,
Y-1,shelly-smoke,shellyplussmoke-80646fd1a001,,,
Y-2,shelly-keys,shellyplusi4-a8032abe54dc,,,
X-1,panic,X10-Security/a1b2,,,
K-1,kerui,Kerui-Security/74565,,,
K-2,kerui,Kerui-Security/74566,,,
E-1,esp-smoke,hub01/kitchen_smoke,,,
J-1,watch,watch/7,,,
";

const UP: &str = "event/up";

fn lora(n: u8, leaf: &str) -> String {
    format!("application/17c8/device/24e124535b31000{n}/{leaf}")
}

fn furnished(broker: &Mosquitto) -> Hub {
    let hub = Hub::prepared();
    hub.append("devices.toml", TYPES);
    hub.append("registry/devices.csv", DEVICES);
    broker.heard_by(&hub, LINKS);
    hub
}

/// The open incident of a kind on a device.
fn open(hub: &Hub, device: &str, kind: &str) -> Value {
    soon(&format!("{kind} on {device}"), || {
        hub.open_on(device).into_iter().find(|incident| incident["kind"] == kind)
    })
}

#[test]
fn each_kind_of_alarm_of_each_family_reaches_its_class() {
    let broker = Mosquitto::open("");
    let mut hub = furnished(&broker);
    hub.start();
    heard(&hub, 1);
    let (leak, radar) = (lora(2, UP), lora(3, UP));
    let rf = |key: u8| format!(r#"{{"RfReceived":{{"Data":"0x12345{key}","Bits":24}}}}"#);
    let (gas, key) = (rf(3), rf(1));
    for (device, topic, payload, kind, class) in [
        ("L-1", lora(1, UP).as_str(), r#"{"fCnt":1,"data":"AXVk/y4C"}"#, "sos", "emergency"),
        ("L-2", &leak, r#"{"data":"AXVkAwAB"}"#, "water", "welfare"),
        ("L-3", &radar, r#"{"data":"BvsHAAABAA=="}"#, "fall", "emergency"),
        ("L-3", &radar, r#"{"data":"BvsHAAEBAA=="}"#, "inactivity", "welfare"),
        ("T-1", "tele/bridge/RESULT", &gas, "gas", "hazard"),
        ("T-1", "tele/bridge/RESULT", &key, "sos", "emergency"),
        (
            "Y-1",
            "shellyplussmoke-80646fd1a001/events/rpc",
            r#"{"method":"NotifyStatus","params":{"smoke:0":{"id":0,"alarm":true}}}"#,
            "smoke",
            "hazard",
        ),
        (
            "Y-2",
            "shellyplusi4-a8032abe54dc/events/rpc",
            r#"{"method":"NotifyEvent","params":{"events":[{"component":"input:0","event":"single_push"}]}}"#,
            "service",
            "service",
        ),
        (
            "X-1",
            "rtl_433/box/events",
            r#"{"model":"X10-Security","id":"a1b2","event":"KR18 PANIC"}"#,
            "sos",
            "emergency",
        ),
        (
            "K-1",
            "rtl_433/box/events",
            r#"{"model":"Kerui-Security","id":74565,"cmd":11}"#,
            "tamper",
            "fault",
        ),
        (
            "K-2",
            "rtl_433/box/events",
            r#"{"model":"Kerui-Security","id":74566,"cmd":15,"battery_ok":0}"#,
            "low_battery",
            "fault",
        ),
        ("E-1", "esphome/hub01/binary_sensor/kitchen_smoke/state", "ON", "smoke", "hazard"),
        ("J-1", "info/7/alarm", r#"{"alarm_type":"CO","timestamp":1608618462}"#, "co", "hazard"),
        ("J-1", "info/7/alarm", r#"{"alarm_type":"SOS"}"#, "sos", "emergency"),
        ("L-4", &lora(4, UP), r#"{"fCnt":2,"data":"/y4J"}"#, "unreadable", "emergency"),
    ] {
        broker.says(topic, payload, &[]);
        assert_eq!(open(&hub, device, kind)["class"], class, "{device} {payload}");
    }
    let said = hub.facts("reported");
    let watch = said.iter().find(|fact| fact["report"]["device"] == "J-1").unwrap();
    assert_eq!(watch["report"]["said_at"], 1_608_618_462_000_u64, "beside the hub's own time");
}

#[test]
fn history_tests_and_what_a_radio_may_not_say_call_nobody_and_a_kept_level_does() {
    let broker = Mosquitto::open("");
    broker.says(&lora(1, UP), r#"{"fCnt":1,"data":"AXVk/y4C"}"#, &["-r"]);
    let smoke = "shellyplussmoke-80646fd1a001";
    broker.says(&format!("{smoke}/status/smoke:0"), r#"{"id":0,"alarm":true}"#, &["-r"]);
    let mut hub = furnished(&broker);
    hub.start();
    heard(&hub, 1);
    assert_eq!(open(&hub, "Y-1", "smoke")["class"], "hazard");
    let raised = hub.facts("raised");
    assert!(raised.iter().any(|fact| fact["found_at_start"] == true), "{raised:?}");
    hub.screen_says(&["烟感报警（恢复接收时已在报警）"]);
    broker.says(
        "shellyplussmoke-ffffffffffff/events/rpc",
        r#"{"method":"NotifyEvent","params":{"events":[{"component":"smoke:0","event":"alarm_test"}]}}"#,
        &[],
    );
    broker.says("tele/bridge/RESULT", r#"{"RfReceived":{"Data":"0x123451","Bits":24}}"#, &[]);
    open(&hub, "T-1", "sos");
    broker.says("tele/bridge/RESULT", r#"{"RfReceived":{"Data":"0x123452","Bits":24}}"#, &[]);
    broker.says("info/7/alarm", r#"{"alarm_type":"SOS"}"#, &[]);
    open(&hub, "J-1", "sos");
    assert!(hub.open_on("L-1").is_empty(), "an old press is no call");
    assert!(hub.open_on("shelly:shellyplussmoke-ffffffffffff").is_empty(), "a test is none");
    assert!(hub.facts("resident_cancelled").is_empty(), "a radio cancels nothing");
    assert_eq!(hub.incidents().len(), 3);
}

#[test]
fn a_lorawan_button_hears_in_chirpstacks_queue_how_far_its_call_has_come() {
    let broker = Mosquitto::open("");
    let mut hub = furnished(&broker);
    hub.start();
    heard(&hub, 1);
    let network = Device::connect(broker.port, "chirpstack", "chirpstack").unwrap();
    network.listen("application/+/device/+/command/down");
    while !matches!(network.next(HANG_GUARD), Some(Packet::SubAck(_))) {}
    let uplink = r#"{"deduplicationId":"3f0c11d2-8a41","fCnt":118,"data":"AXVk/y4C"}"#;
    broker.says(&lora(1, UP), uplink, &[]);
    let queued = |data: &str| loop {
        let Some(Packet::Publish(said)) = network.next(HANG_GUARD) else { continue };
        assert_eq!(said.topic, lora(1, "command/down"));
        let payload: Value = serde_json::from_slice(&said.payload).unwrap();
        let eui = "24e124535b310001";
        let wanted = json!({"devEui": eui, "confirmed": false, "fPort": 85, "data": data});
        if payload == wanted {
            return;
        }
    };
    queued("/z4B");
    let code = open(&hub, "L-1", "sos")["code"].as_str().unwrap().to_owned();
    broker.says(&lora(1, UP), uplink, &[]);
    hub.does(&["incident", &code, "accept", "--as", "zhangmin"]);
    queued("/y8B");
    assert_eq!(hub.incidents()[0]["presses"], 1, "the same uplink twice is one press");
}

#[test]
fn a_family_that_a_reload_adds_to_the_built_in_broker_is_heard_and_answered_there() {
    let mut hub = Hub::prepared();
    hub.append("devices.toml", TYPES);
    let rows: Vec<&str> = DEVICES.lines().filter(|row| row.starts_with("L-1")).collect();
    hub.append("registry/devices.csv", &format!("{}\n", rows.concat()));
    let account = "publish = [\"application/#\"]\n\
                   subscribe = [\"application/+/device/+/command/down\"]\n\
                   secret = \"mqtt-chirpstack\"\n";
    hub.append("links.toml", &format!("\n[link.broker.account.chirpstack]\n{account}"));
    hub.secret("mqtt-chirpstack", &password("chirpstack"));
    hub.start();
    let press = r#"{"fCnt":1,"data":"AXVk/y4C"}"#;
    publish(&hub, "chirpstack", &lora(1, UP), press);
    assert!(hub.open_on("L-1").is_empty(), "nobody reads it so far");
    hub.append("links.toml", "[link.broker.chirpstack]\n");
    hub.signal("HUP");
    let queue = Listener::on(&hub, "chirpstack", "application/+/device/+/command/down");
    soon("the press", || {
        publish(&hub, "chirpstack", &lora(1, UP), press);
        (!hub.open_on("L-1").is_empty()).then_some(())
    });
    soon("the downlink", || queue.heard().iter().any(|m| m["data"] == "/z4B").then_some(()));
}
