//! A whole centre at once: a mosquitto with every bridge behind it, and three serial lines. What each
//! device of field.md 4.1 to 4.9 says reaches its class, and one list shows them all.

use crate::hub::{Hub, soon};
use crate::lines::Wire;
use crate::mosquitto::{Mosquitto, heard};

const LINKS: &str = r#"
native = false
[link.mqtt.home.zigbee2mqtt]
[link.mqtt.home.chirpstack]
[link.mqtt.home.tasmota]
[link.mqtt.home.shelly]
[link.mqtt.home.esphome]
[link.mqtt.home.rtl_433]
[link.mqtt.home.json.radar]
topic = "R60AFD1/live"
device = "device_id"
"#;

const TYPES: &str = r#"
[type.z-sos]
family = "zigbee2mqtt"
model = "TS0215A_sos"
label = "紧急按钮"
life_safety = true
[type.z-safety]
family = "zigbee2mqtt"
label = "安全传感器"
life_safety = true
[type.z-other]
family = "zigbee2mqtt"
label = "传感器"
life_safety = false
[type.lora-button]
family = "chirpstack"
model = "WS101"
label = "无线按钮"
life_safety = true
[type.lora-leak]
family = "chirpstack"
model = "WS303"
label = "水浸传感器"
life_safety = false
[type.lora-radar]
family = "chirpstack"
model = "VS373"
label = "跌倒雷达"
life_safety = true
[type.esp-smoke]
family = "esphome"
model = "smoke"
label = "烟感"
life_safety = true
[type.rf-key]
family = "tasmota"
label = "无线按钮"
life_safety = true
actions = { "key=1" = "sos" }
[type.zb-key]
family = "tasmota"
label = "紧急按钮"
life_safety = true
actions = { "zonestatus=alarm2" = "sos" }
[type.shelly-smoke]
family = "shelly"
label = "烟感"
life_safety = true
[type.shelly-flood]
family = "shelly"
label = "水浸传感器"
life_safety = false
[type.shelly-keys]
family = "shelly"
label = "墙上按钮"
life_safety = true
actions = { "input:0=long_push" = "sos" }
[type.panic]
family = "rtl_433"
label = "紧急按钮"
life_safety = true
[type.kerui]
family = "rtl_433"
label = "门磁"
life_safety = false
[type.gs558]
family = "rtl_433"
label = "烟感"
life_safety = true
[type.serial-key]
family = "ev1527"
label = "无线按钮"
life_safety = true
actions = { "key=1" = "sos" }
[type.panel]
family = "contact-id"
label = "报警主机"
life_safety = true
[type.bed-radar]
family = "r60afd1"
label = "跌倒雷达"
life_safety = true
[type.json-radar]
family = "json"
label = "跌倒雷达"
life_safety = true
actions = { "fall_alarm=1" = "fall" }
"#;

const LINES: [(&str, &str); 3] = [
    ("radio", "contract = \"ev1527\""),
    ("alarm", "contract = \"contact-id\""),
    ("bed", "contract = \"r60afd1\""),
];

/// How a message comes.
enum By {
    Topic(&'static str),
    Line(usize),
}

/// A device, what it says, and what has to come of it.
struct Said {
    id: &'static str,
    type_name: &'static str,
    heard_as: &'static str,
    by: By,
    says: &'static [u8],
    /// Kind and class; none where it calls nobody.
    opens: Option<(&'static str, &'static str)>,
    battery: Option<u8>,
}

const fn said(
    (id, type_name, heard_as): (&'static str, &'static str, &'static str),
    by: By,
    says: &'static [u8],
    opens: Option<(&'static str, &'static str)>,
    battery: Option<u8>,
) -> Said {
    Said { id, type_name, heard_as, by, says, opens, battery }
}

const SOS: Option<(&str, &str)> = Some(("sos", "emergency"));
const FALL: Option<(&str, &str)> = Some(("fall", "emergency"));
const SMOKE: Option<(&str, &str)> = Some(("smoke", "hazard"));
const WATER: Option<(&str, &str)> = Some(("water", "welfare"));

#[rustfmt::skip]
const CENTRE: &[Said] = &[
    // 4.1
    said(("ZB-01", "z-sos", "z1"), By::Topic("zigbee2mqtt/z1"), br#"{"action":"emergency","battery":100,"voltage":3000,"linkquality":90}"#, SOS, Some(100)),
    said(("ZB-02", "heiman-button", "z2"), By::Topic("zigbee2mqtt/z2"), br#"{"action":"single","battery":88,"linkquality":120}"#, SOS, Some(88)),
    said(("ZB-03", "z-safety", "z3"), By::Topic("zigbee2mqtt/z3"), br#"{"sos":true,"tamper":false,"battery_low":false,"battery":90,"linkquality":77}"#, SOS, Some(90)),
    said(("ZB-04", "smoke", "z4"), By::Topic("zigbee2mqtt/z4"), br#"{"smoke":true,"tamper":false,"battery_low":false,"battery":100,"test":false,"linkquality":134}"#, SMOKE, Some(100)),
    said(("ZB-05", "smoke", "z5"), By::Topic("zigbee2mqtt/z5"), br#"{"smoke":true,"test":true,"supervision_reports":true,"restore_reports":true,"trouble":false,"ac_status":false,"battery_defect":false}"#, None, None),
    said(("ZB-06", "gas", "z6"), By::Topic("zigbee2mqtt/z6"), br#"{"gas":true,"tamper":false,"battery_low":false,"linkquality":201}"#, Some(("gas", "hazard")), None),
    said(("ZB-07", "gas", "z7"), By::Topic("zigbee2mqtt/z7"), br#"{"carbon_monoxide":true,"gas":false,"trouble":false,"ac_connected":true,"test":false}"#, Some(("co", "hazard")), None),
    said(("ZB-08", "water", "z8"), By::Topic("zigbee2mqtt/z8"), br#"{"water_leak":true,"battery_low":false,"battery":100,"linkquality":60}"#, WATER, Some(100)),
    said(("ZB-09", "z-other", "z9"), By::Topic("zigbee2mqtt/z9"), br#"{"contact":false,"tamper":false,"battery_low":false,"battery":97,"linkquality":99}"#, None, Some(97)),
    said(("ZB-10", "z-other", "z10"), By::Topic("zigbee2mqtt/z10"), br#"{"occupancy":true,"illuminance":12,"battery":80,"linkquality":55}"#, None, Some(80)),
    said(("ZB-11", "z-other", "z11"), By::Topic("zigbee2mqtt/z11"), br#"{"action":"vibration","strength":73,"angle_x":2,"angle_y":-4,"angle_z":88,"battery":91}"#, None, Some(91)),
    said(("ZB-12", "z-other", "z12"), By::Topic("zigbee2mqtt/z12"), br#"{"presence":true,"presence_event":"enter","power_outage_count":3,"device_temperature":28}"#, None, None),
    said(("ZB-13", "z-safety", "z13"), By::Topic("zigbee2mqtt/z13"), br#"{"fall_status":"fall_alarm"}"#, FALL, None),
    said(("ZB-14", "z-safety", "z14"), By::Topic("zigbee2mqtt/z14"), br#"{"status":"falling"}"#, FALL, None),
    said(("ZB-15", "z-safety", "z15"), By::Topic("zigbee2mqtt/z15"), br#"{"fall_down_status":"maybe_fall"}"#, None, None),
    said(("ZB-16", "z-sos", "z16"), By::Topic("zigbee2mqtt/z16"), br#"{"last_seen":"2026-11-21T08:30:05+08:00","linkquality":98,"action":null,"battery":100}"#, Some(("unreadable", "emergency")), None),
    // 4.2
    said(("L-01", "lora-button", "24e124535b310001"), By::Topic("application/17c8/device/24e124535b310001/event/up"), br#"{"deduplicationId":"3f0c11d2-8a41","time":"2026-11-21T00:30:05.120+00:00","deviceInfo":{"tenantName":"Zhongshan","applicationId":"17c8","applicationName":"sos","deviceProfileName":"WS101","deviceName":"3-201-bed","devEui":"24e124535b310001","tags":{"resident":"R0007"}},"devAddr":"00189440","adr":true,"dr":2,"fCnt":118,"fPort":85,"confirmed":true,"data":"AXVk/y4C","object":{"battery":100,"button_event":{"status":"long press"}},"rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-91,"snr":6.5}],"txInfo":{"frequency":486300000,"modulation":{"lora":{"bandwidth":125000,"spreadingFactor":10,"codeRate":"CR_4_5"}}}}"#, SOS, Some(100)),
    said(("L-02", "lora-button", "24e124535b310002"), By::Topic("application/17c8/device/24e124535b310002/event/up"), br#"{"fCnt":1,"data":"AXUQ/y4B"}"#, SOS, Some(16)),
    said(("L-03", "lora-leak", "24e124535b310003"), By::Topic("application/17c8/device/24e124535b310003/event/up"), br#"{"fCnt":1,"data":"AXVkAwAB"}"#, WATER, Some(100)),
    said(("L-04", "lora-radar", "24e124535b310004"), By::Topic("application/17c8/device/24e124535b310004/event/up"), br#"{"fCnt":1,"data":"BvsHAAABAA=="}"#, FALL, None),
    // 4.3
    said(("E-01", "esp-smoke", "hub01/kitchen_smoke"), By::Topic("esphome/hub01/binary_sensor/kitchen_smoke/state"), b"ON", SMOKE, None),
    // 4.4
    said(("T-01", "rf-key", "rf/12345"), By::Topic("tele/bridge/RESULT"), br#"{"Time":"2026-11-21T08:30:05","RfReceived":{"Data":"0x123451","Bits":24,"Protocol":1,"Pulse":350}}"#, SOS, None),
    said(("T-02", "zb-key", "zb/SosButton"), By::Topic("tele/zb/RESULT"), br#"{"ZbReceived":{"0x3DD6":{"Device":"0x3DD6","Name":"SosButton","ZoneStatus":2,"Endpoint":1,"LinkQuality":126}}}"#, SOS, None),
    // 4.5
    said(("Y-01", "shelly-smoke", "shellyplussmoke-80646fd1a001"), By::Topic("shellyplussmoke-80646fd1a001/events/rpc"), br#"{"src":"shellyplussmoke-80646fd1a001","dst":"shellyplussmoke-80646fd1a001/events","method":"NotifyStatus","params":{"ts":1795307405.12,"smoke:0":{"id":0,"alarm":true,"mute":false}}}"#, SMOKE, None),
    said(("Y-02", "shelly-smoke", "shellyplussmoke-80646fd1a002"), By::Topic("shellyplussmoke-80646fd1a002/events/rpc"), br#"{"src":"shellyplussmoke-80646fd1a002","dst":"shellyplussmoke-80646fd1a002/events","method":"NotifyEvent","params":{"ts":1795307405.12,"events":[{"component":"smoke:0","id":0,"event":"alarm_test","ts":1795307405.12}]}}"#, None, None),
    said(("Y-03", "shelly-keys", "shellyplusi4-a8032abe54dc"), By::Topic("shellyplusi4-a8032abe54dc/events/rpc"), br#"{"src":"shellyplusi4-a8032abe54dc","dst":"shellyplusi4-a8032abe54dc/events","method":"NotifyEvent","params":{"ts":1795307406.0,"events":[{"component":"input:0","id":0,"event":"long_push","ts":1795307406.0}]}}"#, SOS, None),
    said(("Y-04", "shelly-flood", "shellyfloodg4-a1b2"), By::Topic("shellyfloodg4-a1b2/events/rpc"), br#"{"src":"shellyfloodg4-a1b2","method":"NotifyFullStatus","params":{"ts":1795307407.0,"flood:0":{"id":0,"alarm":true,"mute":false},"devicepower:0":{"id":0,"battery":{"V":2.9,"percent":41},"external":{"present":false}},"sys":{"wakeup_reason":{"boot":"deepsleep_wake","cause":"alarm"},"wakeup_period":86400}}}"#, WATER, Some(41)),
    // 4.6
    said(("R-01", "kerui", "Kerui-Security/74565"), By::Topic("rtl_433/box/events"), br#"{"time":"2026-11-21T00:30:05Z","model":"Kerui-Security","id":74565,"cmd":15,"battery_ok":0,"state":"battery"}"#, Some(("low_battery", "fault")), None),
    said(("R-02", "panic", "X10-Security/a1b2"), By::Topic("rtl_433/box/events"), br#"{"time":"2026-11-21T00:30:07Z","model":"X10-Security","id":"a1b2","code":"26","event":"KR18 PANIC","mic":"CRC"}"#, SOS, None),
    said(("R-03", "gs558", "Smoke-GS558/1234"), By::Topic("rtl_433/box/events"), br#"{"time":"2026-11-21T00:30:08Z","model":"Smoke-GS558","id":1234,"unit":3,"learn":0,"code":"7b4c23"}"#, SMOKE, None),
    said(("SR-01", "serial-key", "12345"), By::Line(0), &[0xFD, 0x12, 0x34, 0x51, 0x20, 0xDF, 0xFD, 0x12, 0x34, 0x51, 0x21, 0xDF], SOS, None),
    // 4.7
    said(("PN-01", "panel", "1234/007"), By::Line(1), b"5011 181234E10101007\x14", SOS, None),
    // 4.9
    said(("F-01", "bed-radar", "bed"), By::Line(2), &[0x53, 0x59, 0x83, 1, 0, 1, 1, 0x32, 0x54, 0x43], FALL, None),
    said(("F-02", "json-radar", "radar/17"), By::Topic("R60AFD1/live"), br#"{"device_id":17,"presence":1,"fall_alarm":1,"stay_still_alarm":0,"movement_state":1,"body_movement_param":12,"heartbeat":1,"non_presence_time":0}"#, FALL, None),
];

#[test]
fn every_device_of_a_centre_stands_in_one_list_and_each_alarm_reaches_its_class() {
    let broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    hub.append("devices.toml", TYPES);
    for one in CENTRE {
        let row = format!("{},{},{},H-3-2-501,,卧室\n", one.id, one.type_name, one.heard_as);
        hub.append("registry/devices.csv", &row);
    }
    broker.heard_by(&hub, LINKS);
    let wires = LINES.map(|(name, contract)| {
        let path = hub.path(&format!("usb-{name}"));
        let table = format!("\n[link.serial.{name}]\npath = \"{}\"\n{contract}\n", path.display());
        hub.append("links.toml", &table);
        Wire::plug(&path)
    });
    hub.start();
    heard(&hub, 1);
    soon("three open lines", || (hub.log().matches("the line is open").count() == 3).then_some(()));
    for one in CENTRE {
        match one.by {
            By::Topic(topic) => broker.says(topic, str::from_utf8(one.says).unwrap(), &[]),
            By::Line(line) => wires[line].says(one.says),
        }
        if let Some((kind, class)) = one.opens {
            let found = soon(&format!("{kind} on {}", one.id), || hub.open_on(one.id).pop());
            assert_eq!(
                (&found["kind"], &found["class"]),
                (&kind.into(), &class.into()),
                "{}",
                one.id
            );
        }
    }
    // Old versions say the end of a press as an action without a name.
    broker.says("zigbee2mqtt/z1", r#"{"action":"","battery":100,"linkquality":90}"#, &[]);
    let list = soon("every device heard", || {
        let list = hub.json(&["devices", "--json"]).as_array().unwrap().clone();
        let of = |one: &Said| list.iter().find(|row| row["id"] == one.id);
        let heard = |one: &Said| of(one).is_some_and(|row| row["heard"].is_u64());
        CENTRE.iter().all(heard).then_some(list)
    });
    for one in CENTRE {
        let row = list.iter().find(|row| row["id"] == one.id).unwrap();
        assert_eq!(row["place"], "3号楼2单元501卧室", "{row}");
        assert_eq!(row["battery"].as_u64(), one.battery.map(u64::from), "{row}");
        if one.opens.is_none() {
            assert!(hub.open_on(one.id).is_empty(), "{} calls nobody", one.id);
        }
    }
    let open = hub.open_on("ZB-01");
    assert_eq!((open.len(), &open[0]["presses"]), (1, &1.into()), "the end of a press is no press");
    let shown = hub.does(&["devices"]);
    assert!(CENTRE.iter().all(|one| shown.contains(one.id)), "{shown}");
}
