//! What an expert would try, under the numbers of the field notes' list of acceptance tests.

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};

fn open(hub: &Hub) -> Vec<Value> {
    hub.json(&["incidents", "--json"]).as_array().unwrap().clone()
}

/// Its exit code and what it says.
fn refused(hub: &Hub, args: &[&str]) -> (i32, String) {
    let said = hub.cli(args);
    (said.code, said.err)
}

fn works(hub: &Hub) -> Value {
    serde_json::from_str(&hub.does(&["walk-test", "--json"])).unwrap()
}

fn event(hub: &Hub, device: &str, seq: u32, kind: &str) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, kind));
}

#[test]
fn expert_17_a_listed_device_calls_nobody_in_a_walk_test_and_an_unlisted_one_does() {
    let mut hub = Hub::open();
    hub.does(&["walk-test", "B-01", "--as", "zhaogang", "--for", "30m", "--no-follow"]);
    event(&hub, "B-01", 1, "sos");
    let heard = soon("the point", || {
        let works = works(&hub);
        (works[0]["points"][0]["heard"][0] == "sos").then_some(works)
    });
    assert_eq!(heard[0]["on_disk"], true, "{heard}");
    assert!(hub.does(&["status"]).contains("walk test 1 of B-01 by 赵刚"));
    assert_eq!(open(&hub), [] as [Value; 0], "nobody is called for it");
    event(&hub, "B-02", 1, "sos");
    let called = soon("the other button's call", || open(&hub).pop());
    assert_eq!(called["device"], "B-02");
    // The window outlives a kill, and closes by a word.
    hub.kill();
    hub.start();
    event(&hub, "B-01", 2, "sos");
    soon("the point again", || (works(&hub)[0]["points"][0]["device"] == "B-01").then_some(()));
    let over = hub.does(&["walk-test", "--end", "1", "--as", "zhaogang"]);
    assert!(over.contains("1 of 1 points spoke"), "{over}");
    event(&hub, "B-01", 3, "sos");
    soon("the call after it", || {
        open(&hub).iter().any(|open| open["device"] == "B-01").then_some(())
    });
}

#[test]
fn expert_17_a_walk_test_that_is_followed_names_each_point_and_what_was_not_heard() {
    let hub = Hub::open();
    std::thread::scope(|scope| {
        let presses = scope.spawn(|| {
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            event(&hub, "B-01", 1, "sos");
        });
        let told = hub.does(&["walk-test", "B-01", "--as", "zhaogang"]);
        presses.join().unwrap();
        assert!(told.contains("✓ B-01"), "{told}");
        assert!(told.ends_with("All 1 points were heard.\n"), "{told}");
    });
    assert_eq!(works(&hub), Value::Array(Vec::new()), "it is over when all were heard");
}

#[test]
fn expert_18_a_swap_keeps_the_history_and_the_old_id_is_told_of() {
    let hub = Hub::open();
    event(&hub, "B-01", 1, "sos");
    let code = soon("the call", || open(&hub).pop())["code"].as_str().unwrap().to_owned();
    hub.does(&["incident", &code, "resolve", "--by-phone", "--as", "zhangmin"]);
    let told = hub.does(&["swap", "B-01", "B-01-2026", "--as", "zhaogang"]);
    assert!(told.contains("heard as B-01-2026 from now on, no longer as B-01"), "{told}");
    // Pressed within ten minutes: the same point, so its call is open again.
    publish(&hub, "press", &topic("B-01-2026", "event"), &press(1, 1, "sos"));
    let again = soon("the call of the new device", || open(&hub).pop());
    assert_eq!((&again["device"], &again["code"]), (&"B-01".into(), &code.clone().into()));
    // The old one is found in a drawer, and somebody presses it.
    event(&hub, "B-01", 2, "sos");
    let old = soon("the old button's call", || {
        open(&hub).into_iter().find(|open| open["device"] == "native-mqtt:B-01")
    });
    assert_eq!(old["kind"], "sos", "somebody may have meant it: {old}");
    event(&hub, "B-01", 3, "heartbeat");
    let fault =
        soon("its fault", || open(&hub).into_iter().find(|open| open["kind"] == "old_device"));
    assert_eq!(fault["class"], "fault", "{fault}");
    assert!(fault["place"].as_str().unwrap().contains("号楼"), "where it was: {fault}");
    // It cannot be swapped for one that has a place already.
    let (code, said) = refused(&hub, &["swap", "B-02", "B-01-2026", "--as", "zhaogang"]);
    assert_eq!(code, 1);
    assert!(said.contains("B-01 is heard as B-01-2026 already"), "{said}");
}

#[test]
fn maintenance_wants_a_name_a_reason_and_an_end_and_lets_fire_through() {
    let hub = Hub::open();
    let (code, said) = refused(&hub, &["maintenance", "B-01", "--as", "zhaogang"]);
    assert_eq!((code, said.contains("--reason")), (1, true), "{said}");
    let long = ["maintenance", "B-01", "--as", "zhaogang", "--reason", "换面板", "--for", "5h"];
    let (code, said) = refused(&hub, &long);
    assert_eq!((code, said.contains("1 min to 4 h")), (1, true), "{said}");
    let (code, said) = refused(&hub, &["maintenance", "B-01", "--reason", "换面板"]);
    assert_eq!((code, said.contains("--as PERSON")), (2, true), "{said}");
    let told = hub.does(&["maintenance", "B-01", "--as", "zhaogang", "--reason", "换面板"]);
    assert!(told.contains("fire and gas excepted"), "{told}");
    event(&hub, "B-01", 1, "sos");
    event(&hub, "B-01", 2, "smoke");
    let called = soon("the fire", || open(&hub).pop());
    assert_eq!(called["kind"], "smoke");
    assert_eq!(open(&hub).len(), 1, "the press is held back");
    assert!(hub.does(&["status"]).contains("(换面板)"));
}

#[test]
fn a_home_is_commissioned_in_one_pass_with_a_stranger_registered_and_a_sheet_to_sign() {
    let hub = Hub::open();
    let sheet = hub.path("sheet.html");
    std::thread::scope(|scope| {
        let presses = scope.spawn(|| {
            // A button of a parcel that was opened a moment ago; then both points of the home.
            let parcel = topic("0A17", "event");
            publish(&hub, "press", &parcel, &press(1, 1, "heartbeat"));
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            publish(&hub, "press", &parcel, &press(1, 2, "sos"));
            event(&hub, "B-01", 1, "sos");
        });
        let told = hub.does(&[
            "commission",
            "H-3-2-501",
            "--as",
            "zhaogang",
            "--adopt",
            "0A17=B-21,sos-button,卫生间",
            "--yes",
            "--sheet",
            &sheet.display().to_string(),
        ]);
        presses.join().unwrap();
        assert!(told.contains("✓ registered as B-21"), "{told}");
        let reads = "staff would read: 【紧急求助】3号楼2单元501卫生间";
        assert!(told.contains(reads), "{told}");
        assert!(told.contains("after   0 s: 陈洁 by screen"), "{told}");
        assert!(told.ends_with("PASSED: all 2 points.\n"), "{told}");
    });
    assert_eq!(open(&hub), [] as [Value; 0], "nobody was called for any of it");
    let page = std::fs::read_to_string(sheet).unwrap();
    for part in ["安装验收单：3号楼2单元501", "B-21", "全部合格", "赵刚", "技术员签字"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let (code, said) = refused(&hub, &["commission", "H-9", "--as", "zhaogang"]);
    assert_eq!((code, said.contains("no home is called H-9")), (1, true), "{said}");
}

#[test]
fn a_point_that_was_not_heard_or_whose_words_nobody_read_does_not_pass() {
    let hub = Hub::open();
    let home = ["commission", "H-3-2-501", "--as", "zhaogang"];
    let (code, said) = refused(&hub, &[&home[..], &["--for", "1m", "--adopt", "x=B-9"]].concat());
    assert_eq!((code, said.contains("HEARD_AS=ID,TYPE")), (2, true), "{said}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            event(&hub, "B-01", 1, "sos");
        });
        // No terminal to ask, and nobody said --yes.
        let (code, said) = refused(&hub, &home);
        assert_eq!(code, 1);
        assert!(said.contains("NOT PASSED: B-01 its words were not found right"), "{said}");
    });
}
