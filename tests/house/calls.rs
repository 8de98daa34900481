//! A press on the wire until people and machines know of it.

use crate::devices::{Listener, press, publish, topic};
use crate::hub::{HUB, Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver};

#[test]
fn a_press_by_mosquitto_pub_reaches_mail_webhook_screen_and_the_buttons_own_light() {
    let (mail, webhook) = (MailServer::open(), Receiver::open(Mood::Takes));
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.with_webhook("platform", &webhook.url());
    hub.start();
    let light = Listener::on(&hub, "B-02", &topic("B-02", "cmd"));
    publish(&hub, "B-02", &topic("B-02", "event"), &press(17, 1042, "sos"));
    light.hears(17, 1042, "stored");
    let got = mail.takes("zhangmin@yunjian.example", &["A01", "3号楼2单元302", "陈秀英"]);
    assert!(got.subject.contains("紧急求助"), "{got:?}");
    hub.screen_says(&["A01", "紧急求助", "3号楼2单元302"]);
    let event = webhook.hears("raised", "A01");
    let raised = hub.facts("raised");
    assert_eq!(raised.len(), 1);
    let id = event["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{HUB}/")), "{id}");
    assert_eq!(event["source"], format!("/hubs/{HUB}"));
    assert_eq!(event["data"]["device"]["id"], "B-02");
    assert_eq!(event["data"]["incident"]["class"], "emergency");
    assert!(event["data"]["resident"].get("name").is_none(), "names are not for this one");
}

#[test]
fn a_zigbee_key_of_a_registered_device_calls_the_first_line() {
    let hub = Hub::open();
    let payload = r#"{"action":"single","battery":96,"linkquality":87}"#;
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/二楼203床头", payload);
    hub.screen_says(&["A01", "紧急求助", "203"]);
    let open = hub.open_on("Z-01");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["people"][0]["id"], "zhangmin");
    assert_eq!(open[0]["people"].as_array().unwrap().len(), 1);
}

#[test]
fn pressed_again_while_calling_is_one_line_on_the_screen() {
    let mut hub = Hub::prepared();
    hub.steps("30s");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 2, "sos"));
    hub.screen_says(&["A01", "再次呼救"]);
    soon("both people's orders settled", || {
        let settled = hub.facts("outcome_heard").len();
        (settled >= 3).then_some(())
    });
    let lines = hub.screen().lines().filter(|line| line.contains("再次呼救")).count();
    assert_eq!(lines, 1, "{}", hub.screen());
}

#[test]
fn smoke_calls_everybody_at_once() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.start();
    let payload = r#"{"smoke":true,"battery":100,"linkquality":120}"#;
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/厨房烟感", payload);
    for person in ["zhangmin", "wangli", "chenjie", "liuqiang"] {
        mail.takes(&format!("{person}@yunjian.example"), &["F01"]);
    }
    assert_eq!(hub.open_on("S-01")[0]["class"], "hazard");
    let card = hub.does(&["incident", "F01"]);
    assert!(card.contains("next      everybody who has not answered is called again"), "{card}");
}

#[test]
fn an_unregistered_button_is_an_emergency_that_says_its_address() {
    let hub = Hub::open();
    publish(&hub, "press", &topic("X-99", "event"), &press(1, 1, "sos"));
    let line = hub.screen_says(&["A01", "X-99"]);
    assert!(line.contains("位置不明"), "{line}");
    assert_eq!(hub.open_on("native-mqtt:X-99").len(), 1);
}

#[test]
fn an_unreadable_signal_pages_for_a_life_safety_device_and_not_for_a_plain_one() {
    let hub = Hub::open();
    publish(&hub, "zigbee2mqtt", "zigbee2mqtt/二楼203水浸", "{\"water_leak\":");
    soon("the plain device's refusal", || (hub.status()["refused"] == 1).then_some(()));
    assert!(hub.json(&["incidents", "--json"]).as_array().unwrap().is_empty());
    publish(&hub, "B-03", &topic("B-03", "event"), "{\"v\":1,\"boot\":");
    hub.screen_says(&["A01", "5号楼1单元102"]);
    assert_eq!(hub.open_on("B-03")[0]["kind"], "unreadable");
    assert_eq!(hub.facts("signal_refused").len(), 2);
}

#[test]
fn a_repeated_event_is_answered_stored_and_makes_no_second_incident() {
    let hub = Hub::open();
    let light = Listener::on(&hub, "B-01", &topic("B-01", "cmd"));
    for _ in 0..3 {
        publish(&hub, "B-01", &topic("B-01", "event"), &press(3, 7, "sos"));
    }
    let stored = || light.heard().iter().filter(|m| m["stage"] == "stored").count();
    soon("three answers", || (stored() >= 3).then_some(()));
    assert_eq!(hub.facts("reported").len(), 1);
    assert_eq!(hub.incidents().len(), 1);
    assert_eq!(hub.incidents()[0]["presses"], 1);
}

#[test]
fn the_light_follows_the_call_and_a_device_that_comes_back_hears_where_it_stands() {
    let hub = Hub::open();
    let light = Listener::on(&hub, "B-04", &topic("B-04", "cmd"));
    publish(&hub, "B-04", &topic("B-04", "event"), &press(5, 1, "sos"));
    light.hears(5, 1, "stored");
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin"]);
    light.hears(5, 1, "accepted");
    drop(light);
    let again = Listener::on(&hub, "B-04", &topic("B-04", "cmd"));
    again.hears(5, 1, "accepted");
    hub.does(&["incident", "A01", "arrive", "--as", "zhangmin"]);
    again.hears(5, 1, "on_scene");
    hub.does(&["incident", "A01", "resolve", "--as", "zhangmin"]);
    again.hears(5, 1, "closed");
}

#[test]
fn a_list_says_what_the_device_has_said_since_and_a_card_who_closed_it() {
    let hub = Hub::open();
    let smoke = |on: bool| {
        publish(&hub, "zigbee2mqtt", "zigbee2mqtt/厨房烟感", &format!("{{\"smoke\":{on}}}"));
    };
    smoke(true);
    assert!(!hub.does(&["incidents"]).contains("back to normal"));
    smoke(false);
    let list = hub.does(&["incidents"]);
    assert!(list.contains("F01") && list.contains("(back to normal)"), "{list}");
    let card = hub.does(&["incident", "F01"]);
    assert!(card.contains("back to normal; it is open until a person closes it"), "{card}");
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 2, "cancel"));
    let list = hub.does(&["incidents"]);
    assert!(list.contains("(the resident cancelled: verify)"), "{list}");
    hub.says("A01", "wangli", &["arrive", "--with-note", "at the door\n\u{1b}[31m of 302"]);
    hub.says("A01", "wangli", &["resolve"]);
    let card = hub.does(&["incident", "A01"]);
    assert!(card.contains("ended     已提供帮助 (王丽)"), "{card}");
    assert!(card.contains("note      at the door  [31m of 302"), "{card:?}");
}
