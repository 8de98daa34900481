//! How fast each family's messages are read, on one core, without wire, desk or disk.

use std::sync::Arc;

use anling::contract::{
    ChirpStack, ContactId, EspHome, FieldDevice, FieldSettings, Modbus, Mr24fdb1, NativeMqtt,
    NativeSerial, R60afd1, Radio433, Receiver433, Rtl433, SerialEvent, SerialFrame, Shelly,
    Tasmota, TextLines, Words, Z2mSettings, Zigbee2Mqtt,
};
use anling::terms::{
    At, CodeForm, ContactIdForm, Decoder, DeviceId, Dialect, HubId, Inbound, LinePattern, LinkId,
    Mark, Means, ModbusOn, ModbusPoint, ModbusTable, Radio, Receipt,
};

use super::Run;
use super::machine::{median, now};
use super::table::Table;

const UPLINK: &str = r#"{"deduplicationId":"3f0c11d2-8a41-4c0e-9d1a-5b8e4e1f2a30","time":"2026-11-21T00:30:05.120+00:00","deviceInfo":{"tenantName":"Zhongshan","applicationId":"17c8","applicationName":"sos","deviceProfileName":"WS101","deviceName":"3-201-bed","devEui":"24e124535b310001"},"devAddr":"00189440","adr":true,"dr":2,"fCnt":118,"fPort":85,"data":"AXVk/y4C","object":{"battery":100,"button_event":{"status":"long press"}},"rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-91,"snr":6.5}]}"#;

/// What is read, on which topic, and how often a second it has to be.
struct Read {
    name: &'static str,
    reader: Box<dyn Decoder>,
    topic: &'static str,
    bytes: Vec<u8>,
    floor: &'static str,
}

/// One registered device with a word that calls.
fn one(name: &str, word: &str, means: &str) -> FieldSettings {
    let mut words = Words { life_safety: true, ..Words::default() };
    words.add(word, Means::from_word(means).expect("a meaning"));
    let id = DeviceId::new("B-1").expect("an id");
    let names = [(name.to_owned(), FieldDevice { id, words })].into();
    FieldSettings { names, ..FieldSettings::default() }
}

/// What comes on serial lines.
fn on_lines() -> Vec<Read> {
    const BINARY: &str = "≥ 1,000,000 /s";
    const TEXT: &str = "≥ 300,000 /s";
    let radio = |receiver| {
        let settings = one("12345", "key=1", "sos");
        Box::new(Radio433::new(receiver, Radio::default().frames, settings))
    };
    let pattern = LinePattern {
        name: "call".to_owned(),
        pattern: r"^CH(?P<channel>\d+) (?P<word>\w+)$".to_owned(),
        device: "ward-{channel}".to_owned(),
        ignore: false,
    };
    let line = |name, reader: Box<dyn Decoder>, bytes: &[u8], floor| {
        let (topic, bytes) = ("serial.bed-3", bytes.to_vec());
        Read { name, reader, topic, bytes, floor }
    };
    let event = SerialEvent::pressed(0x00A1_B2C3, Mark { boot: 17, seq: 1042 }, "sos");
    let event = SerialFrame::Event(event.expect("a word of the table")).to_wire();
    let event = &event[1..event.len() - 1];
    vec![
        line("native frame", Box::new(NativeSerial), event, BINARY),
        line("FD…DF code", radio(Receiver433::Module(CodeForm::default())), &CODE, BINARY),
        line("bridge chip", radio(Receiver433::Bridge), &BRIDGE, BINARY),
        line("R60AFD1", Box::new(R60afd1::new(one("bed-3", "fall=1", "fall"))), &FALL_60, BINARY),
        line("MR24FDB1", Box::new(Mr24fdb1::new(one("bed-3", "fall=1", "fall"))), &FALL_24, BINARY),
        line("RFLink", radio(Receiver433::Rflink), RFLINK, TEXT),
        line(
            "Contact ID",
            Box::new(ContactId::new(
                ContactIdForm::of(Dialect::SurGard),
                one("1234/007", "e101", "sos"),
            )),
            b"5011 181234E10101007",
            TEXT,
        ),
        line(
            "line of text",
            Box::new(TextLines::new(&[pattern], one("ward-12", "word=call", "sos"))),
            b"CH12 CALL",
            TEXT,
        ),
        Read {
            name: "Modbus RTU",
            reader: Box::new(panel()),
            topic: "1/2/0/16",
            bytes: vec![1, 2, 2, 4, 0, 0xBB, 0x78],
            floor: BINARY,
        },
    ]
}

/// A panel with one point.
fn panel() -> Modbus {
    let point = ModbusPoint {
        name: "bed".to_owned(),
        slave: 1,
        table: ModbusTable::Inputs,
        address: 2,
        on: ModbusOn::Set,
        means: Means::from_word("sos").expect("a meaning"),
        lamp: None,
    };
    Modbus::new("ward", vec![point], one("ward/bed", "on", "sos"))
}

const CODE: [u8; 6] = [0xFD, 0x12, 0x34, 0x51, 0x20, 0xDF];
const BRIDGE: [u8; 12] = [0xAA, 0xA4, 0x25, 0x6C, 0, 0xF0, 2, 0xD0, 0x12, 0x34, 0x51, 0x55];
const FALL_60: [u8; 10] = [0x53, 0x59, 0x83, 1, 0, 1, 1, 0x32, 0x54, 0x43];
const FALL_24: [u8; 9] = [0x55, 8, 0, 6, 1, 1, 1, 0x55, 0x8E];
const RFLINK: &[u8] = b"20;45;EV1527;ID=12345;SWITCH=1;CMD=ON;";

pub fn measure(run: &Run, table: &mut Table) {
    let settings = |base: &str| FieldSettings { base_topic: base.to_owned(), ..Default::default() };
    let hub = HubId::new("bench").unwrap();
    let z2m = Z2mSettings { base_topic: "zigbee2mqtt".to_owned(), names: Default::default() };
    let event = r#"{"v":1,"boot":17,"seq":1042,"kind":"sos","edge":"press","batt_pct":84}"#;
    let readers: [(&str, Box<dyn Decoder>, &str, &str); 7] = [
        ("native", Box::new(NativeMqtt::new(hub)), "anling/v1/bench/B-1/event", event),
        (
            "Zigbee2MQTT",
            Box::new(Zigbee2Mqtt::new(z2m)),
            "zigbee2mqtt/B-1",
            r#"{"action":"emergency","battery":100,"voltage":3000,"linkquality":90}"#,
        ),
        (
            "ChirpStack",
            Box::new(ChirpStack::new(settings("application"))),
            "application/17c8/device/24e124535b310001/event/up",
            UPLINK,
        ),
        (
            "Tasmota",
            Box::new(Tasmota::new(settings(""))),
            "tele/bridge/RESULT",
            r#"{"Time":"2026-11-21T08:30:05","RfReceived":{"Data":"0x123451","Bits":24}}"#,
        ),
        (
            "Shelly",
            Box::new(Shelly::new(settings("shellies"))),
            "shellyplussmoke-80646fd1a001/events/rpc",
            r#"{"method":"NotifyStatus","params":{"ts":1.5,"smoke:0":{"id":0,"alarm":true}}}"#,
        ),
        (
            "ESPHome",
            Box::new(EspHome::new(settings("esphome"))),
            "esphome/hub01/binary_sensor/smoke/state",
            "ON",
        ),
        (
            "rtl_433",
            Box::new(Rtl433::new(settings("rtl_433"))),
            "rtl_433/box/events",
            r#"{"time":"2026-11-21T00:30:05Z","model":"Kerui-Security","id":74565,"cmd":10}"#,
        ),
    ];
    let on_brokers = readers.into_iter().map(|(name, reader, topic, payload)| {
        let bytes = payload.as_bytes().to_vec();
        Read { name, reader, topic, bytes, floor: "≥ 300,000 /s" }
    });
    let (rounds, messages) = run.pick((11, 50_000), (5, 10_000));
    for Read { name, mut reader, topic, bytes, floor } in on_brokers.chain(on_lines()) {
        let mut rates = Vec::new();
        for round in 0..rounds {
            let inbound = Inbound {
                link: LinkId::new("broker").unwrap(),
                topic: Arc::from(topic),
                retained: false,
                received: At(round),
                bytes: bytes.clone(),
                receipt: Receipt::unasked(),
            };
            let began = now();
            let mut said = 0;
            for n in 0..messages {
                said += reader.take(At(round * messages + n), &inbound).len();
            }
            assert!(said > 0, "{name} says nothing");
            rates.push(messages as f64 * 1e9 / (now() - began) as f64);
        }
        let row = format!("read, {name}, {} B: messages a second", bytes.len());
        match parsed(&bytes, (rounds, messages)) {
            Some(tree) => table.beside(&row, (median(rates), tree), "/s", floor),
            None => table.row(&row, &format!("{:.0} /s", median(rates)), floor),
        }
    }
}

/// How often a second a tree is made of the same JSON, and nothing else; none of what is no JSON.
fn parsed(bytes: &[u8], (rounds, messages): (u64, u64)) -> Option<f64> {
    let tree = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    tree(bytes).filter(serde_json::Value::is_object)?;
    let rates = (0..rounds).map(|_| {
        let began = now();
        for _ in 0..messages {
            std::hint::black_box(tree(std::hint::black_box(bytes)));
        }
        messages as f64 * 1e9 / (now() - began) as f64
    });
    Some(median(rates.collect()))
}
