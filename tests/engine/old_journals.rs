//! Journals of earlier versions: today's code reads them to the same state as on the day they were
//! written.
//!
//! `tests/old_journals/vN/` holds a journal as a hub leaves it, `summary.json` with the state it
//! stands for, and `frozen.toml` names the digest of every file. A frozen journal is never written
//! again: when its test fails, the code is wrong. A fact that is new, or has a new shape, gets a
//! further folder: tell a story with it in `story`, raise `NEWEST`, and write that folder once with
//! `ANLING_OLD_JOURNALS=write cargo test --test engine old_journals`. What a summary leaves out is
//! not promised: it holds what a person or another system is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anling::incident::{
    Carrier, DutyAsked, Ending, Entry, Fact, Incident, IncidentBook, LifeLook, LifeRule, LifeSign,
    Move, Order, Outcome, Resumed, Retired, Rung, Scope, Stimulus, Supply, TakenOver, Who,
    WorkAsked, WorkKind,
};
use anling::journal::{Draft, Journal, Limits, OsDisk, tail, verify};
use anling::registry::{Bed, Change, Contact, Relation, Row, RowId};
use anling::roster::{DutyChanged, Hours};
use anling::terms::{
    Class, DutyChangeId, HomeId, Kind, LineId, ResidentId, Seq, Wait, Wall, WallReading, WorkId,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::house::{BY_PHONE, HELPED, House};
use crate::plan;

/// The journal that today's code writes.
const NEWEST: &str = "v5";
/// How many kinds of facts there are in it.
const FACTS: usize = 61;
/// Entries in one frame, as a small turn makes them.
const FRAME: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/old_journals")
}

fn versions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut versions: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    versions.sort();
    assert!(!versions.is_empty(), "no frozen journal at all");
    versions
}

/// A week in which everything happens that a record can hold.
fn story() -> House {
    let mut house = House::new();
    house.takes(&Stimulus::Roster(Box::new(plan::roster())));
    house.takes(&Stimulus::Found("a torn tail of 17 bytes was set aside".to_owned()));
    emergencies(&mut house);
    the_rest(&mut house);
    house.endpoints_take_everything();
    house.takes(&Stimulus::Stopping);
    house.starts(Resumed::ByWall);
    years(&mut house);
    technicians(&mut house);
    the_plan(&mut house);
    signs_of_life(&mut house);
    the_mains(&mut house);
    agreements(&mut house);
    // What is open at the end: a call nobody has answered, one that is accepted, one that waits.
    house.press("B-14");
    house.pulse("bed-7", Kind::Inactivity);
    house.says("lina", Move::Accept);
    house.pulse("B-20", Kind::Service);
    house.press("B-99");
    house.passes(30);
    house.takes(&Stimulus::Stopping);
    house
}

/// Somebody steps in, two trade their shifts, and one of these is taken back.
fn the_plan(house: &mut House) {
    let (from, to) = (house.wall, Wall(house.wall.0 + 8 * 3_600_000));
    let [lina, zhangmin, by] = ["lina", "zhangmin", "zhaolei"].map(plan::person);
    let line = LineId::new("first").unwrap();
    let people = vec![lina.clone()];
    for what in [
        DutyChanged::Override { line, people },
        DutyChanged::Swap { one: lina.clone(), other: zhangmin },
        DutyChanged::Leave { who: lina },
    ] {
        house.takes(&Stimulus::Duty(Box::new(DutyAsked { from, to, what, by: by.clone() })));
    }
    house.takes(&Stimulus::DutyUndone { change: DutyChangeId(2), by });
}

/// A list is imported, the record grows old, a platform is given up, and the box is replaced.
fn years(house: &mut House) {
    let import = house.book.next_import();
    let row = json!({ "id": "B-77", "type": "button", "home": "H-9-9-9" });
    let device = Change::Set(Row::Device(serde_json::from_value(row).unwrap()));
    house.takes(&Stimulus::Bring { import, changes: vec![device] });
    house.takes(&Stimulus::Take { import, rows: 1 });
    house.press("B-15");
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
    let (endpoint, by) = (plan::endpoint("district"), plan::person("zhaolei"));
    house.takes(&Stimulus::GivenUp { endpoint, by });
    house.takes(&Stimulus::Retired(Retired {
        through: Seq(40),
        chain: "5e".repeat(32),
        older_than: Wait::hours(24 * 1_096),
        newest: 100_000,
    }));
    house.level("smoke-1", Kind::Smoke, true);
    house.level("smoke-1", Kind::Gas, true);
    house.press("B-16");
    house.says_named("quzhi", "district-1", Move::Note, Some("已通知社区医院"));
    house.says_named("lina", "5f0c", Move::Accept, None);
    house.says_named("lina", "5f0d", Move::FalseAlarm { contact: BY_PHONE }, None);
    house.starts_as("another-hub");
    house.trouble(Kind::HubId, "hub.id", true);
    house.says("lina", Move::FalseAlarm { contact: BY_PHONE });
    let chain = "c4".repeat(32);
    house.takes(&Stimulus::BoxReplaced(TakenOver { through: Seq(300), chain, left_out: 1 << 32 }));
}

/// A walk test, maintenance that goes on, a swap, a transmitter that is stuck, and lost messages.
fn technicians(house: &mut House) {
    let begins = |house: &mut House, kind, scope| {
        let (by, lasts, reason) = (plan::person("sunwei"), Wait::hours(1), Some("季检".to_owned()));
        let asked = WorkAsked { kind, scope: vec![scope], by, lasts, reason };
        house.takes(&Stimulus::Work(Box::new(asked)));
    };
    begins(house, WorkKind::WalkTest, Scope::Home(HomeId::new("day-room").unwrap()));
    house.press("B-20");
    house.passes(60);
    house.takes(&Stimulus::WorkOver { work: WorkId(1), by: plan::person("sunwei") });
    let (device, by) = (plan::device("B-20"), plan::person("sunwei"));
    house.takes(&Stimulus::Swapped { device, heard_as: "B-20b".to_owned(), by });
    begins(house, WorkKind::Maintenance, Scope::Device(plan::device("temp-3")));
    house.level("temp-3", Kind::Tamper, true);
    house.takes(&Stimulus::Missed { device: plan::device("B-20"), count: 3 });
    house.takes(&Stimulus::Battery { device: plan::device("B-20"), percent: 84 });
    for _ in 0..22 {
        house.press("B-15");
        house.passes(2);
    }
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
}

/// A resident who is not heard of, gives a sign, and is then away.
fn signs_of_life(house: &mut House) {
    let minute = |after: i64| u16::try_from((house.wall.0 / 60_000 + 480 + after) % 1_440).unwrap();
    let window = |from, to| Hours { from: minute(from), to: minute(to) };
    let rule = LifeRule {
        windows: vec![window(2, 5), window(6, 9)],
        signs: [LifeSign::Door, LifeSign::Meal].into(),
        types: [("smoke".to_owned(), LifeSign::Door)].into(),
        homes: [HomeId::new("3-2-501").unwrap()].into(),
        without: [ResidentId::new("R4").unwrap()].into(),
        owner: Some(plan::person("zhaolei")),
    };
    house.takes(&Stimulus::LifePlan([("morning".to_owned(), rule)].into()));
    house.minutes(5);
    house.looks(&LifeLook::default());
    house.minutes(4);
    house.looks(&LifeLook::default());
    let resident = ResidentId::new("R1").unwrap();
    house.takes(&Stimulus::Sign { resident: resident.clone(), sign: LifeSign::CallBack });
    let until = Some(Wall(house.wall.0 + 86_400_000));
    house.takes(&Stimulus::Away { resident, until, by: plan::person("lina") });
    for kind in [Kind::NoSign, Kind::Inactivity] {
        let open = house.book.open().find(|incident| incident.kind == kind).map(|it| it.id);
        let done = Move::Resolve { ending: Ending::Helped, contact: BY_PHONE };
        house.says_about(open.unwrap(), "lina", done);
    }
}

/// The plug of the box is out until its battery is nearly empty.
fn the_mains(house: &mut House) {
    let supply = |on_battery, percent| {
        let (battery, runtime, low) = (Some(percent), Some(Wait::mins(9)), false);
        Stimulus::Supply(Supply { on_battery, battery, runtime, low, patience: Wait::mins(5) })
    };
    house.takes(&supply(true, 50));
    house.minutes(5);
    house.takes(&supply(true, 40));
    house.takes(&supply(true, 19));
    house.minutes(5);
    house.takes(&supply(false, 20));
    house.says("zhaolei", Move::Resolve { ending: Ending::DeviceFault, contact: BY_PHONE });
}

/// A contact is called and comes, takes their word back, and a bed's contract ends.
fn agreements(house: &mut House) {
    let contact = json!({
        "id": "aunt-li", "name": "李阿姨", "relation": "neighbour", "phone": "1", "home": "3-2-502",
        "consent": "2026-10-01", "consent_until": "2099-12-31", "order": 1,
    });
    let contact: Contact = serde_json::from_value(contact).unwrap();
    let today = house.roster.day(WallReading { wall: house.wall, trusted: true }).unwrap();
    let bed = json!({
        "id": "HB-1", "resident": "R4", "home": "3-2-503", "from": "2026-01-01",
        "until": today.tomorrow().unwrap(), "plan": "每周两次",
    });
    let bed: Bed = serde_json::from_value(bed).unwrap();
    let rows = vec![Change::Set(Row::Contact(contact.clone())), Change::Set(Row::Bed(bed.clone()))];
    house.takes(&Stimulus::Registry(rows));
    let mut policy = plan::policy();
    let who = vec![Who::Contact(Relation::Neighbour)];
    let rung = Rung { who, by: plan::BOTH.to_vec(), wait: Wait::secs(60) };
    policy.ladders.get_mut(&Class::Emergency).unwrap().rungs.insert(1, rung);
    house.takes(&Stimulus::Policy(Box::new(policy)));
    house.press("B-15");
    house.passes(60);
    house.says("aunt-li", Move::Accept);
    house.says("aunt-li", HELPED);
    let withdrawn = Contact { consent: None, ..contact };
    house.takes(&Stimulus::Registry(vec![Change::Set(Row::Contact(withdrawn))]));
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
    house.takes(&Stimulus::BedLook);
    house.press("B-16");
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
    let gone = Change::Removed(RowId::Bed(bed.id));
    house.takes(&Stimulus::Registry(vec![gone]));
}

/// Ladders, answers, arrivals, and what comes after them.
fn emergencies(house: &mut House) {
    // Nobody answers, to the ladder's end; pressed again; the resident cancels.
    house.press("B-14");
    let refused = Outcome::Refused { why: "550 no such mailbox".to_owned() };
    house.carrier_says(&house.order_to("zhangmin", Carrier::Mail), refused);
    let later = Outcome::TryLater { why: "451 not now".to_owned(), after: Some(Wait::secs(5)) };
    house.carrier_says(&house.order_to("zhangmin", Carrier::Screen), later);
    house.passes(10);
    house.carrier_says(&house.order_to("zhangmin", Carrier::Screen), Outcome::HandedOver);
    house.passes(60);
    house.press("B-14");
    house.cancel("B-14");
    house.passes(600);
    house.says("lina", Move::Accept);
    house.says("lina", Move::OnTheWay);
    house.says("lina", Move::Arrive);
    house.minutes(40);
    house.says("lina", Move::NeedHelp);
    house.notes("lina", "左膝擦伤，已消毒");
    house.says("lina", HELPED);
    // Pressed soon after: open again, and closed by phone; then followed up.
    house.minutes(5);
    house.press("B-14");
    house.says("zhangmin", Move::Decline);
    house.says("wangqiang", Move::TakeOver);
    house.says("wangqiang", Move::Resolve { ending: Ending::Helped, contact: BY_PHONE });
    house.says("zhaolei", Move::FollowUp { score: Some(5), complaint: false });
    // Accepted, reminded, and nobody arrives.
    house.press("B-15");
    house.says("zhangmin", Move::Accept);
    house.minutes(20);
    house.says("zhangmin", Move::Silence);
    house.minutes(5);
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
    // A fall, asked after twice without an answer; then all of these leave memory.
    house.pulse("B-16", Kind::Fall);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.minutes(60 * 24 * 9);
}

/// Hazards, checks, faults, services, and the hub's own troubles.
fn the_rest(house: &mut House) {
    house.level("smoke-1", Kind::Smoke, true);
    let fire = plan::endpoint("fire");
    let refused = house.book.owed(&fire).map(|story| (story.seq, "422 no".to_owned())).collect();
    house.takes(&Stimulus::Delivered { endpoint: fire, took: Vec::new(), refused });
    house.minutes(3);
    house.says("zhangmin", Move::Arrive);
    house.says("lina", Move::Arrive);
    house.level("smoke-1", Kind::Smoke, false);
    house.says("lina", Move::Resolve { ending: Ending::Drill, contact: None });
    house.pulse("bed-7", Kind::Inactivity);
    house.minutes(90);
    house.says("zhaolei", Move::Arrive);
    house.says("zhaolei", HELPED);
    house.says("quzhi", Move::FollowUp { score: None, complaint: true });
    house.says("zhaolei", Move::FollowUp { score: Some(2), complaint: true });
    house.garbage("B-20");
    house.says("zhangmin", Move::FalseAlarm { contact: BY_PHONE });
    house.garbage("temp-3");
    house.pulse("B-20", Kind::Service);
    house.says("zhangmin", Move::Accept);
    house.says("zhangmin", Move::Resolve { ending: Ending::Done, contact: None });
    house.trouble(Kind::Carrier, "mail", true);
    house.trouble(Kind::Carrier, "mail", false);
    house.trouble(Kind::Memory, "journal", true);
    house.says("zhaolei", Move::Accept);
    house.says("quzhi", Move::TakeOver);
    house.trouble(Kind::Memory, "journal", false);
    house.notes("zhaolei", "换了新的存储卡");
    house.says("zhaolei", Move::Resolve { ending: Ending::DeviceFault, contact: None });
    house.leaves("wangqiang");
    house.trusted = false;
    house.press("cord");
    house.trusted = true;
    house.says("nobody", Move::Accept);
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
}

/// Writes the story as a hub would have.
fn write(dir: &Path, house: &House) {
    let limits = Limits { ballast_bytes: 0, segment_max_bytes: 48 << 10, ..Limits::default() };
    let opened = Journal::open(Arc::new(OsDisk), dir, limits).unwrap().replay(|_| {});
    let mut journal = opened.journal;
    for turn in house.record().chunks(FRAME) {
        let draft = |(_, at, wall, body): &_| Draft::new(*at, *wall, Vec::clone(body)).unwrap();
        journal.append(&mut turn.iter().map(draft).collect());
        journal.force();
    }
    let last = house.record().last().unwrap();
    assert!(journal.close(last.1, last.2).covers(last.0));
}

/// The state that a journal stands for, read by today's code from a copy.
fn summary(journal: &Path) -> String {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(journal).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let limits = Limits { ballast_bytes: 0, ..Limits::default() };
    let mut book = IncidentBook::default();
    let mut facts: BTreeMap<&'static str, u32> = BTreeMap::new();
    let opening = Journal::open(Arc::new(OsDisk), copy.path(), limits).unwrap();
    let opened = opening.replay(|record| {
        let entry = Entry::from_body(record.seq, record.at, record.wall, &record.body).unwrap();
        *facts.entry(Fact::name(&entry.fact)).or_default() += 1;
        book.apply(&entry);
    });
    assert!(opened.clean_stop && opened.findings.is_empty(), "{:?}", opened.findings);
    let head = opened.journal.durable().head;
    let mut value = json!({
        "chain": { "last": head.seq, "hash": head.hash.to_string() },
        "facts": facts,
        "incidents": book.incidents().map(|it| incident(&book, it)).collect::<Vec<_>>(),
        "registry": {
            "residents": book.registry().residents().count(),
            "homes": book.registry().homes().count(),
            "devices": book.registry().devices().count(),
            "people": book.registry().people().map(|person| &person.id).collect::<Vec<_>>(),
        },
        "policy": book.policy().ladders.keys().collect::<Vec<_>>(),
        "outstanding": book.outstanding().map(|order: &Order| order.id.to_string()).collect::<Vec<_>>(),
        "owed": book.owed_counts().collect::<Vec<_>>(),
        "next": book.next_deadline().map(|(at, id, why)| json!([at, id, why])),
        "last": [json!(book.last_seq()), json!(book.last_at()), json!(book.last_wall())],
        "last_trusted": book.last_trusted(),
    });
    // Older summaries were written before there were contacts and beds.
    if book.registry().contacts().next().is_some() {
        value["contacts"] = json!(book.registry().contacts().collect::<Vec<_>>());
        let with_bed = book.incidents().filter(|it| it.bed.is_some());
        value["beds"] = json!(with_bed.map(|it| json!([it.id, it.bed])).collect::<Vec<_>>());
    }
    // … before people could change the plan.
    if book.duty_changes().next().is_some() {
        value["duty"] = json!(book.duty_changes().collect::<Vec<_>>());
    }
    // Older summaries were written before there was any work.
    if book.works().next().is_some() {
        value["work"] = json!(book.works().collect::<Vec<_>>());
    }
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn incident(book: &IncidentBook, it: &Incident) -> Value {
    json!({
        "id": it.id, "code": it.code, "class": it.class, "kind": it.kind, "device": it.device,
        "home": it.home, "resident": it.resident, "night": it.night, "raised_at": it.raised_at,
        "clock_trusted": it.clock_trusted, "linked": it.linked, "stage": it.stage.name(),
        "epoch": it.epoch, "rung": it.rung(), "needs": it.needs, "responders": it.responders,
        "exhausted": it.exhausted, "cancelled": it.cancelled, "back_to_normal": it.back_to_normal,
        "presses": it.presses, "mark": it.mark, "times": it.times,
        "next": it.next_deadline().map(|(at, why)| json!([at, why])),
        "notes": book.notes_of(it.id).collect::<Vec<_>>(),
    })
}

/// The digest of every file of every version, as `frozen.toml` holds it.
fn digests() -> String {
    let mut text = String::new();
    for version in versions() {
        let journal = std::fs::read_dir(version.join("journal")).unwrap();
        let mut files: Vec<PathBuf> = journal.map(|entry| entry.unwrap().path()).collect();
        files.push(version.join("summary.json"));
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
            let name = file.strip_prefix(folder()).unwrap().display().to_string();
            writeln!(text, "\"{name}\" = \"{hex}\"").unwrap();
        }
    }
    text
}

#[test]
fn yesterdays_record_is_read_to_the_same_state() {
    for version in versions() {
        let expected = std::fs::read_to_string(version.join("summary.json")).unwrap();
        let found = summary(&version.join("journal"));
        assert!(expected == found, "{} is read otherwise:\n{found}", version.display());
    }
}

#[test]
fn yesterdays_chain_is_whole() {
    for version in versions() {
        let report = verify(&OsDisk, &version.join("journal")).unwrap();
        assert!(report.is_sound() && report.closed, "{report}");
        let last = tail(&OsDisk, &version.join("journal"), 1).unwrap().pop().unwrap();
        assert_eq!(Some(last.seq), report.last.map(|end| end.seq));
    }
}

#[test]
fn no_frozen_byte_has_changed() {
    let frozen = std::fs::read_to_string(folder().join("frozen.toml")).unwrap();
    assert_eq!(frozen, digests(), "a frozen journal is never written again");
}

#[test]
fn every_kind_of_fact_stands_in_the_newest_frozen_journal() {
    let text = std::fs::read_to_string(folder().join(NEWEST).join("summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = summary["facts"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), FACTS, "{names:?}");
}

#[test]
fn a_version_is_written_once() {
    let dir = folder().join(NEWEST);
    let house = story();
    assert!(house.record().len() > 100 && house.record()[0].0 == Seq(1));
    if std::env::var("ANLING_OLD_JOURNALS").is_ok_and(|wish| wish == "write") {
        assert!(!dir.join("journal").exists(), "{} is frozen", dir.display());
        write(&dir.join("journal"), &house);
        std::fs::write(dir.join("summary.json"), summary(&dir.join("journal"))).unwrap();
        std::fs::write(folder().join("frozen.toml"), digests()).unwrap();
    }
}
