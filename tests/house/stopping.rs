//! Signals, broken config, and whether the hub is alive and ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::devices::{Device, press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver, http};

#[test]
fn sigterm_closes_the_record_and_leaves_what_is_not_acknowledged_with_its_sender() {
    let mut hub = Hub::open();
    let port = hub.broker_port();
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let presses = std::thread::spawn(move || {
        let line = Device::connect(port, "B-01", "b01").unwrap();
        let mut acknowledged = Vec::new();
        for seq in 1.. {
            let payload = press(1, seq, "sos");
            if !line.acknowledged(&topic("B-01", "event"), &payload, Duration::from_secs(10)) {
                return (acknowledged, seq);
            }
            acknowledged.push(u64::from(seq));
            assert!(!seen.load(Ordering::Acquire), "acknowledged after the end");
        }
        unreachable!()
    });
    soon("some presses", || (hub.facts("reported").len() > 20).then_some(()));
    assert_eq!(hub.stop(), 0, "{}", hub.log());
    over.store(true, Ordering::Release);
    let (acknowledged, left) = presses.join().unwrap();
    let stored: Vec<u64> = hub
        .facts("reported")
        .iter()
        .map(|fact| fact["report"]["mark"]["seq"].as_u64().unwrap())
        .collect();
    assert!(acknowledged.iter().all(|seq| stored.contains(seq)), "up to {left}: {stored:?}");
    let said = hub.does(&["journal", "verify"]);
    assert!(said.contains("closed in order") && said.ends_with("sound\n"), "{said}");
    hub.start();
    let again = hub.facts("hub_started");
    assert_eq!(again.last().unwrap()["clean"], true, "{again:?}");
}

#[test]
fn a_second_signal_leaves_at_once_and_the_record_is_whole() {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    mail.trouble("{\"DATA\": 25}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the mail under way", || (!mail.mails().is_empty()).then_some(()));
    hub.signal("TERM");
    soon("the first signal", || hub.log().contains("stopping").then_some(()));
    hub.signal("INT");
    assert_eq!(hub.ended(), 0);
    assert!(hub.log().contains("stopped at once"), "{}", hub.log());
    let said = hub.does(&["journal", "verify"]);
    assert!(said.contains("not closed") && said.ends_with("sound\n"), "{said}");
}

#[test]
fn a_stop_with_every_way_out_stuck_still_ends_in_order() {
    let (mail, webhook) = (MailServer::open(), Receiver::open(Mood::NeverAnswers));
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.with_webhook("platform", &webhook.url());
    mail.trouble("{\"DATA\": 25}");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the mail under way", || (!mail.mails().is_empty()).then_some(()));
    assert_eq!(hub.stop(), 0, "{}", hub.log());
    assert!(hub.does(&["journal", "verify"]).contains("closed in order"));
}

#[test]
fn a_killed_hub_leaves_a_sound_record_that_says_it_was_not_closed() {
    let mut hub = Hub::open();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.kill();
    let said = hub.does(&["journal", "verify"]);
    assert!(said.contains("not closed") && said.ends_with("sound\n"), "{said}");
}

#[test]
fn it_is_healthy_and_ready_and_knows_no_other_page() {
    let hub = Hub::open();
    let port = hub.console_port();
    assert_eq!(http(port, "GET", "/healthz", ""), (200, "ok\n".to_owned()));
    assert_eq!(http(port, "GET", "/readyz", ""), (200, "ready\n".to_owned()));
    assert_eq!(http(port, "GET", "/etc/passwd", "").0, 404);
    assert_eq!(http(port, "POST", "/readyz", "").0, 405);
}

/// Ten slips of a tired technician.
fn ten_mistakes(hub: &Hub) {
    hub.edit("ladders.toml", "line:second", "line:secnd");
    hub.edit("ladders.toml", "remind = \"10min\"", "remind = \"30min\"");
    hub.edit("ladders.toml", "lap = \"120s\"", "lap = \"2h\"");
    hub.edit("gateway.toml", "link_valid = \"30min\"", "link_valid = \"soon\"");
    hub.edit("gateway.toml", "segment = \"16MiB\"", "segmnt = \"16MiB\"");
    hub.edit("links.toml", "max_connections = 9000", "max_connections = \"many\"");
    hub.edit("links.toml", "device = \"B-05\"", "device = \"B-55\"");
    hub.edit(
        "devices.toml",
        "[type.gas]\nfamily = \"zigbee2mqtt\"",
        "[type.gas]\nfamily = \"zwave\"",
    );
    hub.edit("registry/homes.csv", "H-3-2-302,", "H-3-2-303,");
    hub.edit("roster.toml", "people = [\"zhangmin\"]", "people = [\"zhangming\"]");
}

#[test]
fn ten_mistakes_are_shown_at_once_and_the_last_accepted_config_carries_on() {
    let hub = Hub::prepared();
    ten_mistakes(&hub);
    let said = hub.cli(&["check", "--json"]);
    assert_eq!(said.code, 1);
    let problems: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
    let grave: Vec<_> = problems.iter().filter(|p| p["severity"] == "problem").collect();
    assert!(grave.len() >= 10, "{grave:#?}");
    for file in ["ladders", "gateway", "links", "devices", "roster"] {
        assert!(grave.iter().any(|p| p["file"] == format!("{file}.toml")), "{file}: {grave:#?}");
    }
    assert!(grave.iter().all(|p| !p["help"].as_str().unwrap().is_empty()));
    let said = hub.cli(&["run", "--host-clock"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");

    let mut hub = Hub::open();
    assert_eq!(hub.stop(), 0);
    ten_mistakes(&hub);
    hub.start();
    let warned = hub.log();
    assert!(warned.contains("running on the last accepted one"), "{warned}");
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["紧急求助", "3号楼2单元302", "陈秀英"]);
    assert!(hub.does(&["status"]).contains("the one on disk is broken"));
    let fault = soon("the fault", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "config")
    });
    assert_eq!(fault["class"], "fault");
}
