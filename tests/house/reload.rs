//! SIGHUP: another config while the hub runs. What changed is replaced, nothing owed is lost, and a
//! broken directory changes nothing.

use std::time::Duration;

use rumqttc::Packet;

use crate::devices::{Device, press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver};

const WAIT: Duration = Duration::from_secs(20);

/// Reloads and waits until the hub says that it did.
pub fn reload(hub: &Hub) {
    let done = |hub: &Hub| hub.log().matches("the config is taken into use").count();
    let before = done(hub);
    hub.signal("HUP");
    soon("the reload", || (done(hub) > before).then_some(()));
}

/// Reloads a directory that cannot be used.
fn reload_in_vain(hub: &Hub) {
    let refused = |hub: &Hub| hub.log().matches("the old one goes on").count();
    let before = refused(hub);
    hub.signal("HUP");
    soon("the refusal", || (refused(hub) > before).then_some(()));
}

fn config_fault(hub: &Hub) -> Option<serde_json::Value> {
    hub.incidents().into_iter().find(|incident| incident["kind"] == "config")
}

#[test]
fn a_broken_directory_changes_nothing_and_is_a_fault_until_a_good_one_comes() {
    let mut hub = Hub::open();
    let line = Device::connect(hub.broker_port(), "B-01", "b01").unwrap();
    hub.edit("ladders.toml", "line:second", "line:secnd");
    hub.edit("roster.toml", "people = [\"zhangmin\"]", "people = [\"zhaogang\"]");
    reload_in_vain(&hub);
    let log = hub.log();
    assert!(log.contains("ladders.toml:") && log.contains("unknown-line"), "{log}");
    let fault = soon("the fault", || config_fault(&hub));
    assert_eq!(fault["class"], "fault", "{fault}");
    assert!(hub.does(&["status"]).contains("the one on disk is broken"));
    let wait = Duration::from_secs(10);
    assert!(line.acknowledged(&topic("B-01", "event"), &press(1, 1, "sos"), wait), "{log}");
    hub.screen_says(&["A01", "紧急求助"]);
    soon("the first line of the old roster", || {
        let people = hub.incident("A01")["people"].clone();
        people.as_array().unwrap().iter().any(|p| p["id"] == "zhangmin").then_some(())
    });

    hub.edit("ladders.toml", "line:secnd", "line:second");
    reload(&hub);
    assert!(!hub.does(&["status"]).contains("broken"));
    let fault = config_fault(&hub).unwrap();
    assert_eq!(fault["back_to_normal"], true, "{fault}");
    // The connection has lived through both.
    assert!(line.acknowledged(&topic("B-01", "event"), &press(1, 2, "sos"), wait));
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let of_b02 = soon("the second call", || hub.open_on("B-02").pop());
    let people = of_b02["people"].as_array().unwrap();
    assert!(people.iter().any(|p| p["id"] == "zhaogang"), "the new roster: {people:?}");
    assert_eq!(hub.stop(), 0);
}

#[test]
fn what_was_accepted_last_is_what_a_start_falls_back_on() {
    let mut hub = Hub::open();
    hub.edit("gateway.toml", "云建社区养老服务中心", "新云建服务中心");
    reload(&hub);
    assert!(hub.does(&["status"]).starts_with("新云建服务中心"), "it counts at once");
    hub.edit("gateway.toml", "新云建服务中心", "");
    reload_in_vain(&hub);
    assert_eq!(hub.stop(), 0);
    hub.start();
    let status = hub.does(&["status"]);
    assert!(status.starts_with("新云建服务中心") && status.contains("broken"), "{status}");
}

#[test]
fn an_account_that_is_gone_is_closed_and_a_changed_password_counts_at_the_next_sign_in() {
    let hub = Hub::open();
    let port = hub.broker_port();
    let stays = Device::connect(port, "B-01", "b01").unwrap();
    let goes = Device::connect(port, "B-05", "b05").unwrap();
    hub.edit(
        "links.toml",
        "[link.broker.account.B-05]\ndevice = \"B-05\"\nsecret = \"mqtt-B-05\"\n",
        "",
    );
    hub.secret("mqtt-B-01", "another");
    reload(&hub);
    soon("the end of the closed session", || {
        (!goes.acknowledged(&topic("B-05", "event"), &press(1, 1, "sos"), WAIT)).then_some(())
    });
    assert!(Device::connect(port, "B-05", "b05").is_none(), "its account is gone");
    assert!(stays.acknowledged(&topic("B-01", "event"), &press(1, 1, "sos"), WAIT));
    assert!(Device::connect(port, "B-01", "b01-again").is_none(), "the old password");
    assert!(hub.open_on("B-05").is_empty(), "a closed account has said nothing");
    let said = |packet: Option<Packet>| format!("{packet:?}");
    assert!(!said(goes.next(Duration::from_millis(1))).contains("PubAck"));
}

#[test]
fn what_is_owed_to_an_endpoint_goes_to_its_new_address() {
    let (old, new) = (Receiver::open(Mood::NeverAnswers), Receiver::open(Mood::Takes));
    let mut hub = Hub::prepared();
    hub.with_webhook("platform", &old.url());
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("a try at the old address", || (old.asked() > 0).then_some(()));
    hub.edit("notify.toml", &old.url(), &new.url());
    reload(&hub);
    new.hears("raised", "A01");
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    new.hears("raised", "A02");
    assert_eq!(new.of("raised").len(), 2, "each once");
    let owed = || hub.status()["endpoints"][0]["owed"].as_u64();
    soon("nothing owed", || (owed() == Some(0)).then_some(()));
}

#[test]
fn a_mail_in_the_hands_of_a_server_that_is_replaced_goes_to_the_next_one() {
    let (stuck, next) = (MailServer::open(), MailServer::open());
    let mut hub = Hub::prepared();
    hub.with_mail(stuck.port);
    stuck.trouble("{\"DATA\": 25}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the mail under way", || (!stuck.mails().is_empty()).then_some(()));
    hub.edit("notify.toml", &format!("port = {}", stuck.port), &format!("port = {}", next.port));
    reload(&hub);
    let got = next.takes("zhangmin@yunjian.example", &["A01", "3号楼2单元302"]);
    let whole = format!("{}{}", got.subject, got.text);
    assert!(whole.contains("重发"), "the first may have arrived: {whole}");
}

#[test]
fn a_way_out_is_set_up_and_taken_away_while_calls_are_open() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.steps("2s");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    hub.with_mail(mail.port);
    reload(&hub);
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    mail.takes("zhangmin@yunjian.example", &["A02"]);
    let carriers = |hub: &Hub| hub.status()["carriers"].as_array().unwrap().len();
    assert_eq!(carriers(&hub), 2);
    hub.edit("ladders.toml", "by = [\"screen\", \"mail\"]", "by = [\"screen\"]");
    let notify = hub.config().join("notify.toml");
    let text = std::fs::read_to_string(&notify).unwrap();
    std::fs::write(&notify, text.split("\n[mail]").next().unwrap()).unwrap();
    reload(&hub);
    assert_eq!(carriers(&hub), 1);
    publish(&hub, "B-03", &topic("B-03", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A03", "紧急求助"]);
}

#[test]
fn an_address_that_changed_waits_for_a_restart_and_says_so() {
    let mut hub = Hub::open();
    let port = hub.broker_port();
    hub.edit("links.toml", "127.0.0.1:0", "127.0.0.1:1");
    reload(&hub);
    assert!(hub.log().contains("link.broker.listen"), "{}", hub.log());
    let status = hub.does(&["status"]);
    assert!(status.contains("needs a restart for link.broker.listen"), "{status}");
    assert!(Device::connect(port, "B-01", "b01").is_some(), "it listens where it did");
    hub.edit("links.toml", "127.0.0.1:1", "127.0.0.1:0");
    reload(&hub);
    assert!(!hub.does(&["status"]).contains("restart"));
    assert_eq!(hub.stop(), 0);
}
