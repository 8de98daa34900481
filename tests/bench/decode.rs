//! How fast each family's messages are read, on one core, without wire, desk or disk.

use std::sync::Arc;

use anling::contract::{
    ChirpStack, EspHome, FieldSettings, NativeMqtt, Rtl433, Shelly, Tasmota, Z2mSettings,
    Zigbee2Mqtt,
};
use anling::terms::{At, Decoder, HubId, Inbound, LinkId, Receipt};

use super::Run;
use super::machine::{median, now};
use super::table::Table;

const UPLINK: &str = r#"{"deduplicationId":"3f0c11d2-8a41-4c0e-9d1a-5b8e4e1f2a30","time":"2026-11-21T00:30:05.120+00:00","deviceInfo":{"tenantName":"Zhongshan","applicationId":"17c8","applicationName":"sos","deviceProfileName":"WS101","deviceName":"3-201-bed","devEui":"24e124535b310001"},"devAddr":"00189440","adr":true,"dr":2,"fCnt":118,"fPort":85,"data":"AXVk/y4C","object":{"battery":100,"button_event":{"status":"long press"}},"rxInfo":[{"gatewayId":"0016c001f153a14c","uplinkId":4217106255,"rssi":-91,"snr":6.5}]}"#;

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
    let (rounds, messages) = run.pick((11, 50_000), (5, 10_000));
    for (name, mut reader, topic, payload) in readers {
        let mut rates = Vec::new();
        for round in 0..rounds {
            let inbound = Inbound {
                link: LinkId::new("broker").unwrap(),
                topic: Arc::from(topic),
                retained: false,
                received: At(round),
                bytes: payload.as_bytes().to_vec(),
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
        let row = format!("read, {name}, {} B: messages a second", payload.len());
        table.row(&row, &format!("{:.0} /s", median(rates)), "≥ 300,000 /s");
    }
}
