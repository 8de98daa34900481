//! Wall clocks that are wrong: in 1970, and a year ahead.

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{Mood, Receiver};

/// Where Debian puts what `faketime` preloads; the command itself would stand between us and the
/// hub when it is killed.
pub fn preload() -> String {
    let libraries = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found =
        libraries.map(|dir| dir.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    let found = found.expect("this test needs libfaketime: install the Debian package faketime");
    found.display().to_string()
}

fn house_in(when: &str, webhook: &Receiver) -> Hub {
    let mut hub = Hub::prepared();
    hub.args.clear();
    hub.env = [
        ("LD_PRELOAD", preload().as_str()),
        ("FAKETIME", when),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    hub.with_webhook("platform", &webhook.url());
    hub
}

fn pages_in_time(hub: &Hub, webhook: &Receiver) {
    publish(hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助", "3号楼2单元302"]);
    hub.screen_says(&["A01", "升级", "无人接警"]);
    webhook.hears("raised", "A01");
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
}

#[test]
fn in_1970_calls_go_out_flagged_and_the_roster_answers_with_all_who_could_be() {
    let webhook = Receiver::open(Mood::Takes);
    let mut hub = house_in("@1970-01-02 00:00:00", &webhook);
    hub.steps("1s");
    hub.start();
    pages_in_time(&hub, &webhook);
    let status = hub.status();
    assert_eq!(status["clock_trusted"], false);
    assert_eq!(status["on_duty"][0]["by"], "union");
    assert!(hub.does(&["status"]).contains("not trusted"));
    assert_eq!(hub.incident("A01")["clock_trusted"], false);
    assert_eq!(webhook.hears("raised", "A01")["data"]["clock_trusted"], false);
}

#[test]
fn a_clock_of_1970_is_not_believed_even_where_the_host_vouches_for_it() {
    let webhook = Receiver::open(Mood::Takes);
    let mut hub = house_in("@1970-01-02 00:00:00", &webhook);
    hub.args = vec!["--host-clock".into()];
    hub.steps("1s");
    hub.start();
    pages_in_time(&hub, &webhook);
    assert_eq!(hub.incident("A01")["clock_trusted"], false);
}

#[test]
fn a_year_ahead_and_back_the_ladder_keeps_its_pace() {
    let webhook = Receiver::open(Mood::Takes);
    let mut hub = house_in("+365d", &webhook);
    hub.steps("4s");
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    hub.kill();
    hub.env.clear();
    hub.start();
    let next = hub.incident("A01")["next"]["in_ms"].as_u64().unwrap();
    assert!(next <= 4_000, "the next step is due in {next} ms, by hub time and not by the wall");
    hub.screen_says(&["A01", "升级", "无人接警"]);
    assert_eq!(hub.incidents().len(), 1);
}

#[test]
fn a_rule_for_signs_of_life_that_is_new_judges_nobody_and_says_so() {
    let mut hub = Hub::prepared();
    hub.env = [
        ("LD_PRELOAD", preload().as_str()),
        ("FAKETIME", "@2026-11-23 02:59:55"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("TZ", "UTC"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let rule = "[life.day]\nwindows = [\"09:00-11:00\", \"11:00-09:00\"]\nsigns = [\"door\"]\n\
                types = { pull-cord = \"door\", sos-button = \"check_in\" }\n";
    let first = "[type.sos-button]";
    hub.edit("devices.toml", first, &format!("{rule}{first}"));
    hub.start();
    let life = || hub.status()["life"][0].clone();
    let judged = soon("the window that is over at eleven", || {
        Some(life()).filter(|life| !life["until"].is_null())
    });
    assert_eq!(judged["unjudged"], "the rule was new", "{judged}");
    assert!(judged["watched"].as_u64().unwrap() > 0, "{judged}");
    assert!(hub.incidents().is_empty());
    // A press in the next window is a sign; a second one is no news.
    for seq in 1..=2 {
        publish(&hub, "B-02", &topic("B-02", "event"), &press(1, seq, "service"));
    }
    let signs = || {
        let record = hub.does(&["journal", "tail", "-n", "40"]);
        record.matches("sign_of_life").count()
    };
    soon("the sign on disk", || (signs() >= 1).then_some(()));
    assert_eq!(signs(), 1);
    let away = ["away", "R0003", "--until", "2026-12-01T18:00", "--as", "zhangmin"];
    assert!(hub.does(&away).contains("away until 2026-12-01T18:00"));
    assert!(hub.does(&["away", "R0003", "--back", "--as", "zhangmin"]).contains("is back"));
    assert!(hub.does(&["seen", "R0003", "--as", "zhangmin"]).contains("sign of life"));
    let past = hub.cli(&["away", "R0003", "--until", "2020-01-01T00:00", "--as", "zhangmin"]);
    assert_eq!(past.code, 1, "{past:?}");
    assert!(hub.does(&["status"]).contains("life      day: "));
}
