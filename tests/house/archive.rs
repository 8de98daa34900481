//! The archive from outside: everything beside the record may be lost, and calls are never held up.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anling::clock::{Clock, Vouch};
use anling::incident::{Entry, Fact};
use anling::journal::{
    Batch, Committer, Draft, FRAME_ENTRIES_MAX, Journal, Limits, OsDisk, Urgency,
};
use anling::terms::{At, Seq, Wall};
use serde_json::{Value, json};

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, let_go, soon};

const HOUR_MS: u64 = 3_600_000;

/// Writes a record of incidents that are long over and filed: one every two hours, the last a minute
/// ago; codes from A201 on.
fn lived(hub: &Hub, incidents: u64) {
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let span = incidents * 2 * HOUR_MS + 60_000;
    let began = clock.wall().wall.0 - span as i64;
    let mut drafts = Vec::new();
    for id in 1..=incidents {
        let at = id * 2 * HOUR_MS;
        for (after, fact) in life(id, at) {
            let fact: Fact = serde_json::from_value(fact).unwrap();
            let (at, wall) = (At(at + after), Wall(began + (at + after) as i64));
            let entry = Entry { seq: Seq(1), at, wall, trusted: true, fact };
            drafts.push(Draft::new(at, wall, entry.to_body()).unwrap());
        }
    }
    let opening = Journal::open(Arc::new(OsDisk), &hub.journal(), Limits::default()).unwrap();
    let handle = Committer::spawn(opening.replay(|_| {}).journal).unwrap();
    for part in drafts.chunks(FRAME_ENTRIES_MAX) {
        let batch = Batch::new(part.to_vec(), Urgency::Urgent).unwrap();
        handle.commit_blocking(batch).unwrap().wait().unwrap();
    }
    drop(handle);
    let_go(&hub.journal());
}

/// From the press to the filing, each fact with its time after the press.
fn life(id: u64, at: u64) -> [(u64, Value); 9] {
    let (device, code) = (format!("B-0{}", id % 5 + 1), format!("A{}", id % 9_000 + 200));
    let called = json!([{ "person": "zhangmin", "by": ["screen"] }]);
    let note =
        json!({ "incident": id, "by": "wangli", "via": "command", "says": "note", "note": id });
    [
        (
            0,
            json!({ "reported": { "report": { "device": device, "what": { "pulse": "sos" },
                    "heard_at": at } } }),
        ),
        (
            0,
            json!({ "raised": { "incident": id, "code": code, "class": "emergency",
                    "kind": "sos", "device": device, "policy": "0", "needs": 1 } }),
        ),
        (
            0,
            json!({ "called": { "incident": id, "epoch": 0, "rung": 0, "lap": 0,
                    "notice": "called", "next": at + 60_000, "calls": called } }),
        ),
        (
            30_000,
            json!({ "accepted": { "incident": id, "by": "wangli", "enough": true,
                    "remind": at + 500_000, "arrive_by": at + 900_000 } }),
        ),
        (31_000, json!({ "note_kept": { "note": id, "text": format!("门锁着，第{id}次") } })),
        (31_000, json!({ "answer_heard": { "answer": note } })),
        (240_000, json!({ "arrived": { "incident": id, "by": "wangli", "next": at + HOUR_MS } })),
        (600_000, json!({ "resolved": { "incident": id, "by": "wangli", "ending": "helped" } })),
        (HOUR_MS, json!({ "filed": { "incident": id } })),
    ]
}

fn state(hub: &Hub) -> Value {
    hub.status()["archive"]["state"].clone()
}

/// Waits longer than for anything else: the archive stands back behind everything that runs here.
fn level(hub: &Hub) {
    for _ in 0..1_200 {
        if state(hub) == "level" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("the archive never became level");
}

/// A view without what the passing of time changes; its deadline by hub time since the press.
fn timeless(mut view: Value) -> Value {
    let age = view["age_ms"].take().as_u64().unwrap();
    if let Some(next) = view["next"].as_object_mut() {
        let left = next.remove("in_ms").unwrap().as_u64().unwrap();
        next.insert("due".to_owned(), json!(age + left));
    }
    view
}

fn all(hub: &Hub, args: &[&str]) -> Vec<Value> {
    hub.json(args).as_array().unwrap().iter().cloned().map(timeless).collect()
}

/// Everything a hub knows, as far as anybody can ask.
fn known(hub: &Hub) -> Value {
    let status = hub.status();
    let cards = ["A01", "A02", "A03", "A205", "A212"].map(|code| timeless(hub.incident(code)));
    let texts = ["A01", "A205"].map(|code| hub.does(&["incident", code]));
    json!({
        "open": all(hub, &["incidents", "--json"]),
        "all": all(hub, &["incidents", "--all", "--json"]),
        "span": hub.does(&["incidents", "--all", "--from", "2020-01-01T00:00"]),
        "cards": cards,
        "texts": texts,
        "classes": status["open"],
        "unanswered": status["unanswered"],
        "response": status["response"],
        "registered": status["devices"]["registered"],
        "never heard": status["devices"]["never"],
        "roster": hub.json(&["roster", "--json", "--at", "2026-11-23T03:00"]),
    })
}

#[test]
fn everything_beside_the_record_may_be_deleted_and_the_hub_knows_what_it_knew() {
    let mut hub = Hub::prepared();
    hub.steps("120s");
    lived(&hub, 20);
    hub.start();
    for device in ["B-01", "B-02", "B-03"] {
        publish(&hub, device, &topic(device, "event"), &press(1, 1, "sos"));
    }
    hub.says("A01", "zhangmin", &["arrive"]);
    hub.says("A01", "zhangmin", &["note", "老人起身时滑倒"]);
    assert_eq!(hub.says("A01", "zhangmin", &["resolve"]).code, 0);
    assert_eq!(hub.says("A02", "wangli", &["accept"]).code, 0);
    level(&hub);
    soon("the figures", || (hub.status()["response"]["incidents"] == 23).then_some(()));
    let before = known(&hub);
    assert_eq!(before["all"].as_array().unwrap().len(), 23);
    assert_eq!(before["cards"][3]["notes"], json!(["门锁着，第5次"]));
    assert_eq!(before["cards"][3]["filed"], true);
    assert_eq!(hub.stop(), 0);
    for entry in std::fs::read_dir(hub.state()).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.file_name().unwrap().to_str().unwrap() {
            "journal" => {}
            _ if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
            _ => std::fs::remove_file(path).unwrap(),
        }
    }
    hub.start();
    level(&hub);
    let after = known(&hub);
    for (what, known) in before.as_object().unwrap() {
        assert_eq!(known, &after[what], "{what}");
    }
    // The config is accepted again; the key of links lies in the record's folder and stays.
    for name in ["archive", "accepted-config.json"] {
        assert!(hub.state().join(name).exists(), "{name}");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => left.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found
}

#[test]
fn an_archive_full_of_zeros_is_a_fault_that_mends_itself_while_calls_are_heard() {
    let mut hub = Hub::prepared();
    lived(&hub, 20);
    hub.start();
    level(&hub);
    assert_eq!(hub.stop(), 0);
    for file in files(&hub.state().join("archive")) {
        let length = std::fs::metadata(&file).unwrap().len();
        std::fs::write(file, vec![0; length as usize]).unwrap();
    }
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "3号楼2单元302"]);
    let fault = || hub.incidents().into_iter().find(|i| i["device"] == "hub:record.archive");
    let raised = soon("the fault", fault);
    assert_eq!((&raised["class"], &raised["kind"]), (&json!("fault"), &json!("record")));
    soon("its end", || (fault()?["back_to_normal"] == true).then_some(()));
    level(&hub);
    assert_eq!(hub.incident("A205")["ending"], "已提供帮助");
    assert!(hub.state().join("archive.damaged").exists(), "what was there is kept");
}

#[test]
fn while_the_archive_is_rebuilt_calls_are_answered_and_questions_told_how_far_it_is() {
    let mut hub = Hub::prepared();
    lived(&hub, 2_500);
    hub.start();
    soon("the rebuild's beginning", || (state(&hub) == "rebuilding").then_some(()));
    let mut pressed_meanwhile = 0;
    for seq in 1..=10 {
        let rebuilding = state(&hub) == "rebuilding";
        publish(&hub, "B-02", &topic("B-02", "event"), &press(1, seq, "sos"));
        if !(rebuilding && state(&hub) == "rebuilding") {
            break;
        }
        pressed_meanwhile += 1;
        if pressed_meanwhile == 1 {
            let said = hub.cli(&["incidents", "--all"]);
            assert!(said.code == 0 && said.out.contains("A01"), "{said:?}");
            assert!(said.err.contains("being rebuilt") && said.err.contains('%'), "{said:?}");
            let said = hub.cli(&["incident", "A2699"]);
            assert!(said.code == 1 && said.err.contains("being rebuilt"), "{said:?}");
            let status = hub.does(&["status"]);
            assert!(status.contains("archive   being rebuilt"), "{status}");
        }
    }
    assert!(pressed_meanwhile > 0, "it was level before anybody could press");
    level(&hub);
    let all = hub.json(&["incidents", "--all", "--days", "3660", "--json"]);
    assert_eq!(all.as_array().unwrap().len(), 2_501);
    assert_eq!(hub.incident("A2699")["filed"], true);
    assert_eq!(hub.cli(&["incidents", "--all"]).err, "", "nothing more to remark");
    hub.kill();
    hub.start();
    level(&hub);
    assert!(
        hub.incidents().iter().all(|i| i["device"] != "hub:record.archive"),
        "a kill is no damage"
    );
}
