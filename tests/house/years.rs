//! Years on one record: the box is replaced, the oldest part is retired.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anling::clock::{Clock, Vouch};
use anling::incident::{Entry, Fact, IncidentBook};
use anling::journal::{Batch, Committer, Draft, Journal, Limits, OsDisk, Urgency};
use anling::terms::{At, Seq, Wait, Wall};
use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, copy, let_go, soon};
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
    goes_on(&mut hub, &webhook);
    let key = |hub: &Hub| std::fs::read(hub.journal().join("page-key")).unwrap();
    assert_eq!(key(&hub), key(&old), "links that the old box sent work here");
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
    let entries = hub.status()["entries"].as_u64().unwrap();
    assert!((1..1_000).contains(&entries), "what was left out is no entry: {entries}");
    let shown = hub.does(&["status"]);
    assert!(shown.contains("on disk, ") && !shown.contains("429496"), "{shown}");
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

/// Entries of four years ago, and some of an hour ago.
const OLD: u64 = 3_000;
const YOUNG: u64 = 1_200;

/// A record that began four years ago, in small files, with two snapshots.
fn four_years(hub: &Hub) {
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let (now, ago) = (clock.wall().wall, Wait::hours(4 * 366 * 24));
    let limits = Limits { ballast_bytes: 0, segment_max_bytes: 20_000, ..Limits::default() };
    let opening = Journal::open(Arc::new(OsDisk), &hub.journal(), limits).unwrap();
    let handle = Committer::spawn(opening.replay(|_| {}).journal).unwrap();
    let mut book = IncidentBook::default();
    for n in 1..=OLD + YOUNG {
        let since = Wait(n * 1_000);
        let (at, wall) = match n <= OLD {
            true => (At(0) + since, Wall(now.0 - ago.0 as i64 + since.0 as i64)),
            false => (At(ago.0) + since, Wall(now.0 - 10_000_000 + since.0 as i64)),
        };
        let fact = Fact::Found { finding: format!("entry {n} of a long life") };
        let entry = Entry { seq: Seq(n), at, wall, trusted: true, fact };
        book.apply(&entry);
        let draft = Draft::new(at, wall, entry.to_body()).unwrap();
        let batch = Batch::new(vec![draft], Urgency::Unhurried).unwrap();
        drop(handle.commit_blocking(batch).unwrap());
        if [OLD + 300, OLD + 600].contains(&n) {
            handle.write_snapshot(Seq(n), &serde_json::to_vec(&book).unwrap()).unwrap();
        }
    }
    drop(handle);
    let_go(&hub.journal());
}

fn segments(hub: &Hub) -> Vec<PathBuf> {
    let files = std::fs::read_dir(hub.journal()).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort();
    segments
}

#[test]
fn a_record_of_four_years_loses_its_beginning_and_says_when_and_why() {
    let mut hub = Hub::prepared();
    hub.edit("gateway.toml", "keep_entries = 100000", "keep_entries = 1000");
    four_years(&hub);
    let before = segments(&hub).len();
    hub.start();
    soon("the retiring", || hub.log().contains("retired files=").then_some(()));
    let retired = hub.facts("segments_retired");
    let through = retired[0]["retired"]["through"].as_u64().unwrap();
    assert!(through <= OLD && through + 600 > OLD, "{retired:?}");
    assert!(segments(&hub).len() < before);
    let said = hub.does(&["journal", "verify"]);
    assert!(said.contains(&format!("entries 1 to {through} were retired on 20")), "{said}");
    assert!(said.contains("older than 1096 days") && said.ends_with("sound\n"), "{said}");
    let export = hub.path("export.jsonl").display().to_string();
    hub.does(&["journal", "export", "--out", &export]);
    hub.kill();
    hub.start();
    assert_eq!(hub.facts("segments_retired").len(), 1);
    assert!(hub.incidents().iter().all(|incident| incident["kind"] != "record"));
    hub.kill();
    // Without its beginning it is enough to go on from.
    let other = Hub::prepared();
    other.does(&["restore", &export]);
    assert_eq!(other.cli(&["journal", "verify"]).code, 0);
    // A file that is taken away is no retiring.
    std::fs::remove_file(&segments(&hub)[0]).unwrap();
    let said = hub.cli(&["journal", "verify"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("nothing says that they were retired"), "{said:?}");
    hub.start();
    soon("the fault", || hub.incidents().iter().find(|i| i["kind"] == "record").map(|_| ()));
}

#[test]
fn what_an_endpoint_is_owed_is_given_up_by_a_named_person_only() {
    let webhook = Receiver::open(Mood::NeverAnswers);
    let mut hub = new_box(&webhook);
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let give_up = |hub: &Hub, endpoint: &str, by: &str| {
        hub.cli(&["journal", "give-up", endpoint, "--as", by])
    };
    assert_eq!(give_up(&hub, "platform", "nobody").code, 1);
    assert_eq!(give_up(&hub, "hall", "liuqiang").code, 1);
    assert!(hub.facts("endpoint_given_up").is_empty());
    let said = give_up(&hub, "platform", "刘强");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("events given up"), "{said:?}");
    let fact = &hub.facts("endpoint_given_up")[0];
    assert_eq!((&fact["by"], &fact["endpoint"]), (&"liuqiang".into(), &"platform".into()));
}
