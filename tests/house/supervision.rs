//! Devices that fall silent: one is a fault, many are a trouble of the site, and a word of theirs ends it.

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};

const SHORT: &str = "silent_after = \"10s\"";

fn silent(hub: &Hub) -> Vec<Value> {
    hub.incidents().into_iter().filter(|incident| incident["kind"] == "silent").collect()
}

/// The line of a device in `anling devices`.
fn listed(hub: &Hub, device: &str) -> String {
    let all = hub.does(&["devices"]);
    all.lines().find(|line| line.starts_with(device)).unwrap_or_default().to_owned()
}

#[test]
fn a_cord_that_falls_silent_is_a_fault_until_it_speaks_also_over_a_restart() {
    let mut hub = Hub::prepared();
    hub.edit("devices.toml", "label = \"紧急拉绳\"", &format!("label = \"紧急拉绳\"\n{SHORT}"));
    hub.start();
    publish(&hub, "C-01", &topic("C-01", "event"), &press(1, 1, "sos"));
    assert!(listed(&hub, "C-01").contains(" s ago, battery 84 %"), "{}", listed(&hub, "C-01"));
    let found = soon("the silent cord", || silent(&hub).pop());
    assert!(hub.does(&["devices"]).starts_with("C-01"), "what needs a technician stands first");
    assert!(listed(&hub, "C-01").contains("SILENT"), "{}", listed(&hub, "C-01"));
    assert_eq!((&found["class"], &found["device"]), (&"fault".into(), &"C-01".into()), "{found}");
    hub.kill();
    hub.start();
    publish(&hub, "C-01", &topic("C-01", "event"), &press(2, 1, "sos"));
    let settled = soon("its word", || silent(&hub).pop().filter(|i| i["back_to_normal"] == true));
    assert_eq!(settled["code"], found["code"], "one fault from the silence to the word");
}

#[test]
fn many_silent_buttons_are_one_trouble_of_the_site_and_none_of_each() {
    let mut hub = Hub::prepared();
    hub.edit("devices.toml", "silent_after = \"25h\"", SHORT);
    hub.start();
    let site = soon("the trouble of the site", || silent(&hub).pop());
    assert_eq!(site["class"], "coverage", "{site}");
    hub.screen_says(&["起多台设备失联（5台）"]);
    assert_eq!(silent(&hub).len(), 1, "{:?}", silent(&hub));
    let mut seq = 0;
    soon("the end of it", || {
        // They go on speaking, or they would be silent again by the next look.
        seq += 1;
        for device in ["B-01", "B-02", "B-03", "B-04", "B-05"] {
            publish(&hub, device, &topic(device, "event"), &press(1, seq, "sos"));
        }
        let over = |i: &Value| i["class"] == "coverage" && i["back_to_normal"] == true;
        silent(&hub).iter().any(over).then_some(())
    });
}

#[test]
fn many_devices_that_a_bridge_calls_gone_are_one_trouble_of_the_site() {
    let mut hub = Hub::prepared();
    for n in 0..20 {
        hub.append("registry/devices.csv", &format!("ZZ-{n:02},zigbee-sos,z{n},H-3-2-501,,\n"));
    }
    hub.start();
    for n in 0..12 {
        let topic = format!("zigbee2mqtt/z{n}/availability");
        publish(&hub, "zigbee2mqtt", &topic, r#"{"state":"offline"}"#);
    }
    let is_site = |incident: &Value| incident["class"] == "coverage";
    soon("the trouble of the site", || silent(&hub).into_iter().find(is_site));
    hub.screen_says(&["起多台设备失联（12台）"]);
}

#[test]
fn a_cord_whose_messages_get_lost_says_so_in_the_list_and_in_its_history() {
    let hub = Hub::open();
    // So many gaps at once that the oldest is told before its device has stopped repeating.
    for n in 0..18 {
        publish(&hub, "C-01", &topic("C-01", "event"), &press(1, 1 + 4 * n, "sos"));
    }
    let line = listed(&hub, "C-01");
    assert!(line.contains("3 messages missed"), "{line}");
    let view = hub.json(&["devices", "--json"]);
    let cord = view.as_array().unwrap().iter().find(|one| one["id"] == "C-01").unwrap();
    assert_eq!(cord["missed"]["count"], 3, "{cord}");
    let missed = soon("its history", || {
        let history = hub.has("/api/v1/devices/C-01/history");
        let traces = history["traces"].as_array().cloned().unwrap_or_default();
        traces.into_iter().find(|trace| !trace["missed"].is_null())
    });
    assert_eq!(missed["missed"], 3, "{missed}");
}

#[test]
fn a_round_for_batteries_begins_with_the_one_that_says_it_is_low_and_outlives_a_restart() {
    let mut hub = Hub::open();
    publish(&hub, "C-01", &topic("C-01", "event"), &press(1, 1, "sos"));
    let low = r#"{"battery_low":true,"battery":3}"#;
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/二楼205床头", low);
    let first = |hub: &Hub| {
        let all = hub.does(&["devices", "--batteries"]);
        all.lines().next().unwrap_or_default().to_owned()
    };
    soon("the low one first", || first(&hub).contains("Z-02").then_some(()));
    assert!(first(&hub).contains("3 %") && first(&hub).contains("LOW"), "{}", first(&hub));
    hub.kill();
    hub.start();
    assert!(first(&hub).contains("Z-02"), "{}", first(&hub));
    let all = hub.json(&["devices", "--batteries", "--json"]);
    let cord = all.as_array().unwrap().iter().find(|one| one["id"] == "C-01").unwrap();
    assert_eq!(cord["power"]["percent"], 84, "{cord}");
    assert!(cord["power"]["installed"].is_i64(), "{cord}");
}

#[test]
fn a_bridge_that_is_down_is_no_fault_of_each_device_behind_it() {
    let hub = Hub::open();
    let devices = ["二楼203床头", "二楼205床头", "厨房烟感", "二楼走廊烟感"];
    let says = |topic: &str, state: &str| {
        let payload = format!("{{\"state\":\"{state}\"}}");
        publish(&hub, "zigbee2mqtt", &format!("zigbee2mqtt/{topic}"), &payload);
    };
    says("bridge/state", "online");
    for device in devices {
        says(&format!("{device}/availability"), "online");
    }
    says("bridge/state", "offline");
    for device in devices {
        says(&format!("{device}/availability"), "offline");
    }
    let of_kind = |kind: &str| {
        hub.incidents().into_iter().filter(|incident| incident["kind"] == kind).count()
    };
    // Its own trouble is told after a minute; nothing of it is told meanwhile.
    hub.does(&["press", "B-01"]);
    assert_eq!(of_kind("silent"), 0, "{:?}", hub.incidents());
    // Somebody behind it presses all the same: nothing folds that in.
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/二楼203床头", r#"{"action":"single"}"#);
    soon("the press", || (of_kind("sos") == 2).then_some(()));
    says("bridge/state", "online");
    says("二楼205床头/availability", "offline");
    soon("the one that stays away", || (of_kind("silent") == 1).then_some(()));
}
