//! Those who follow events: cut, killed, late, slow, and what they have at the end.

use std::io::Read as _;

use crate::client::Reader;
use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::record::{confined, files_may_grow_to};

fn pressed(hub: &Hub, device: &str, seq: u32) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, "sos"));
}

/// The sequences in the record.
fn newest(hub: &Hub) -> u64 {
    hub.status()["last_seq"].as_u64().unwrap()
}

/// Follows until the reader has the fact of this sequence.
fn follow(reader: &mut Reader, upto: u64, seen: &mut Vec<u64>) {
    while seen.last().is_none_or(|last| *last < upto) {
        let event = reader.fact().expect("the stream goes on");
        assert_ne!(event.name, "gap", "{event:?}");
        let id = event.id.unwrap();
        assert_eq!(event.data["data"]["seq"], id);
        seen.push(id);
    }
}

#[test]
fn a_reader_that_is_cut_stopped_and_killed_away_has_every_fact_once_and_in_order() {
    let mut hub = Hub::open();
    let mut seen = Vec::new();
    let mut reader = Reader::open(hub.console_port(), "?after=0", None);
    pressed(&hub, "B-01", 1);
    let upto = newest(&hub);
    follow(&mut reader, upto, &mut seen);
    assert_eq!(reader.retry, Some(2_000));
    // Cut between two facts; what happens meanwhile is read from the record.
    let last = reader.last;
    drop(reader);
    pressed(&hub, "B-02", 1);
    let mut reader = Reader::open(hub.console_port(), "?after=0", last);
    pressed(&hub, "B-03", 1);
    let upto = newest(&hub);
    follow(&mut reader, upto, &mut seen);
    // Killed while facts come.
    pressed(&hub, "B-04", 1);
    hub.kill();
    while let Some(event) = reader.fact() {
        seen.push(event.id.unwrap());
    }
    hub.start();
    let mut reader = Reader::open(hub.console_port(), "", reader.last);
    let upto = newest(&hub);
    follow(&mut reader, upto, &mut seen);
    // Stopped in order: the stream ends by itself, and says when to come again.
    reader.retry = None;
    assert_eq!(hub.stop(), 0);
    while let Some(event) = reader.fact() {
        seen.push(event.id.unwrap());
    }
    assert_eq!(reader.retry, Some(2_000));
    hub.start();
    let mut reader = Reader::open(hub.console_port(), "", reader.last);
    pressed(&hub, "B-05", 1);
    let upto = newest(&hub);
    follow(&mut reader, upto, &mut seen);
    let all: Vec<u64> = (1..=*seen.last().unwrap()).collect();
    let doubled = seen.windows(2).find(|two| two[0] + 1 != two[1]);
    assert_eq!(seen, all, "{doubled:?}");
}

#[test]
fn a_beat_says_the_hubs_time_and_the_digest_of_what_is_open() {
    let hub = Hub::open();
    let mut reader = Reader::open(hub.console_port(), "", None);
    let first = reader.next().unwrap();
    assert_eq!((first.name.as_str(), first.data["open"].as_u64()), ("beat", Some(0)));
    assert_eq!(first.id, first.data["seq"].as_u64(), "who was cut before any fact misses none");
    let second = reader.next().unwrap();
    assert_eq!(second.name, "beat");
    assert!(second.data["at"].as_u64() > first.data["at"].as_u64());
    assert_eq!(second.data["digest"], first.data["digest"]);
    pressed(&hub, "B-02", 1);
    let open = hub.has("/api/v1/incidents");
    soon("a beat with the call", || {
        let event = reader.next().unwrap();
        (event.name == "beat" && event.data["digest"] == open["digest"]).then_some(())
    });
}

#[test]
fn while_the_disk_fails_no_fact_is_told_the_beat_says_why_and_afterwards_none_is_missing() {
    let mut hub = confined();
    hub.start();
    pressed(&hub, "B-02", 1);
    let mut reader = Reader::open(hub.console_port(), "", None);
    let before = reader.next().unwrap();
    assert_eq!((before.name.as_str(), &before.data["record"]["state"]), ("beat", &"safe".into()));
    files_may_grow_to(&hub, "0");
    let told = hub.posts("/api/v1/incidents/A01/accept", "k", r#"{"as": "zhangmin"}"#);
    let moved = told.json();
    assert_eq!((told.status, &moved["stage"]), (200, &"accepted".into()), "it counts: {told:?}");
    assert!(moved.get("stored_at").is_none(), "and is not on disk: {moved}");
    assert_eq!(hub.has("/api/v1/incidents")["incidents"][0]["on_disk"], false);
    assert!(hub.gets("/metrics").body.contains("\nanling_journal_volatile 1\n"));
    let volatile = loop {
        let event = reader.next().unwrap();
        assert_eq!(event.name, "beat", "told before it was on disk: {event:?}");
        if event.data["record"]["state"] == "volatile" {
            break event;
        }
    };
    assert_eq!(volatile.id, before.id);
    files_may_grow_to(&hub, "unlimited");
    let mut seen = vec![before.id.unwrap()];
    loop {
        let event = reader.fact().unwrap();
        seen.push(event.id.unwrap());
        if event.name == "accepted" {
            break;
        }
    }
    assert!(seen.windows(2).all(|two| two[0] + 1 == two[1]), "{seen:?}");
    let again = hub.posts("/api/v1/incidents/A01/accept", "k", r#"{"as": "zhangmin"}"#);
    assert!(again.json()["stored_at"].is_i64() && again.json()["repeated"] == true, "{again:?}");
}

#[test]
fn what_a_person_says_arrives_as_an_event_once_it_is_on_disk() {
    let hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let mut reader = Reader::open(hub.console_port(), "", None);
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
    let accepted = soon("the fact", || {
        let event = reader.fact().unwrap();
        (event.name == "accepted").then_some(event)
    });
    assert_eq!(accepted.data["type"], "anling.fact.accepted");
    assert_eq!(accepted.data["subject"], "1");
    assert_eq!(accepted.data["id"], format!("zs-yunjian/{}", accepted.id.unwrap()));
    assert_eq!(accepted.data["data"]["fact"]["accepted"]["by"], "zhangmin");
}

#[test]
fn an_id_that_this_record_does_not_know_is_told_as_a_gap() {
    let hub = Hub::open();
    let newest = newest(&hub);
    let mut reader = Reader::open(hub.console_port(), "", Some(newest + 1_000_000));
    let gap = reader.fact().unwrap();
    assert_eq!(gap.name, "gap");
    assert_eq!(gap.data["after"], newest + 1_000_000);
    let next = gap.data["next"].as_u64().unwrap();
    pressed(&hub, "B-02", 1);
    assert_eq!(reader.fact().unwrap().id, Some(next));
}

#[test]
fn at_the_limit_of_readers_the_next_is_told_so_and_let_in_when_one_goes() {
    let hub = Hub::open();
    let port = hub.console_port();
    let mut all: Vec<Reader> = (0..32).map(|_| Reader::open(port, "", None)).collect();
    let told = hub.gets("/api/v1/events");
    assert_eq!((told.status, told.problem().as_str()), (503, "too-many-follow"));
    assert!(told.header("retry-after").is_some());
    // The rest of the API is as it was.
    assert_eq!(hub.gets("/api/v1/incidents").status, 200);
    all.truncate(31);
    soon("a place", || (try_open(port)).then_some(()));
}

/// Whether a stream is opened.
fn try_open(port: u16) -> bool {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /api/v1/events HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    head.ends_with(b"200")
}
