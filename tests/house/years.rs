//! Years on one record: the box is replaced.

use std::path::Path;

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, copy, soon};
use crate::receivers::{Mood, Receiver};

/// A new box of the same centre: the same config, empty state.
fn new_box(webhook: &Receiver) -> Hub {
    let hub = Hub::prepared();
    hub.steps("4s");
    hub.with_webhook("platform", &webhook.url());
    hub
}

fn state(hub: &Hub) -> String {
    hub.state().display().to_string()
}

/// A hub with an open call, killed without a word.
fn dead_box(webhook: &Receiver) -> Hub {
    let mut hub = new_box(webhook);
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(17, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    webhook.hears("raised", "A01");
    hub.kill();
    hub
}

/// The ladder goes on, the acceptance works, and the record is one over both boxes.
fn goes_on(hub: &mut Hub, webhook: &Receiver) {
    hub.start();
    let screen = hub.screen_says(&["A01", "升级"]);
    assert!(!screen.contains("紧急求助"), "{screen}");
    assert_eq!(hub.says("A01", "chenjie", &["accept"]).code, 0);
    webhook.hears("accepted", "A01");
    assert_eq!(webhook.of("raised").len(), 1, "one incident under one name");
    let called: Vec<Value> = hub.facts("called");
    assert_eq!(called.len(), 2, "{called:?}");
    assert_eq!(called[1]["rung"], 1);
    let open = hub.open_on("B-02");
    assert_eq!(open.len(), 1);
    assert_eq!(open[0]["stage"], "accepted");
    assert_eq!(hub.facts("box_replaced").len(), 1);
    let said = hub.does(&["journal", "verify"]);
    assert!(said.ends_with("sound\n") && said.contains("entries 1 to "), "{said}");
}

#[test]
fn a_dead_boxs_folder_on_an_empty_machine_continues_the_open_incidents_ladder() {
    let webhook = Receiver::open(Mood::Takes);
    let old = dead_box(&webhook);
    let mut hub = new_box(&webhook);
    let disk = hub.path("old-disk");
    copy(&old.state(), &disk);
    let said = hub.cli(&["restore", disk.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("entries and") && said.err.contains("must stay off"), "{said:?}");
    let keys = |hub: &Hub| std::fs::read(hub.state().join("page-key")).ok();
    assert_eq!(keys(&hub), None, "links of the old box end with it");
    goes_on(&mut hub, &webhook);
    assert_ne!(keys(&hub), keys(&old));
    // Said once, however often it starts.
    hub.kill();
    hub.start();
    assert_eq!(hub.facts("box_replaced").len(), 1);
    let again = hub.cli(&["restore", disk.to_str().unwrap()]);
    assert_eq!(again.code, 5, "{again:?}");
    assert!(again.err.contains("stands at"), "{again:?}");
}

#[test]
fn an_export_is_enough_to_go_on_from_and_no_events_name_is_used_twice() {
    let webhook = Receiver::open(Mood::Takes);
    let old = dead_box(&webhook);
    let mut hub = new_box(&webhook);
    let file = hub.path("export.jsonl").display().to_string();
    old.does(&["journal", "export", "--out", &file]);
    let said = hub.cli(&["restore", &file, "--state", &state(&hub)]);
    assert_eq!(said.code, 0, "{said:?}");
    goes_on(&mut hub, &webhook);
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    let raised = webhook.hears("raised", "A02");
    let number: u64 = raised["id"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    assert!(number > 1 << 32, "{number}");
}

#[test]
fn what_cannot_be_taken_over_is_refused_in_one_sentence() {
    let hub = Hub::open();
    let other = Hub::prepared();
    let refused = |from: &Path, code: i32, part: &str| {
        let said = other.cli(&["restore", from.to_str().unwrap()]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(part) && said.err.lines().count() == 1, "{said:?}");
        assert!(!other.journal().exists());
    };
    refused(&hub.state(), 5, "a hub runs on that record");
    refused(&hub.config(), 5, ".segment files");
    let export = hub.path("export.jsonl");
    std::fs::write(&export, "not an export\n").unwrap();
    refused(&export, 1, "line 1");
}

#[test]
fn a_hub_begins_no_empty_record_beside_a_restore_that_was_cut() {
    let webhook = Receiver::open(Mood::Takes);
    let old = dead_box(&webhook);
    let mut hub = new_box(&webhook);
    let half = hub.state().join("journal.restoring");
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("00000001-00000000000000000001.segment"), "half").unwrap();
    let said = hub.cli(&["run", "--host-clock"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.err.contains("run `anling restore` again"), "{said:?}");
    hub.does(&["restore", &state(&old)]);
    assert!(!half.exists());
    goes_on(&mut hub, &webhook);
    soon("the note to be gone", || (!hub.journal().join("replaced").exists()).then_some(()));
}
