//! Three days without the district: every event is owed over restarts, and arrives once and in order
//! when the district is back, however badly it answers.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anling::district::{self, Ends, HttpsSettings, PlatformSettings, Way};
use anling::incident::{Effect, Move, Stimulus};
use anling::notify::endpoint::{EndpointHandle, EndpointReport, Settled, StoryLetter};
use anling::notify::wire::TlsFiles;
use anling::terms::{HubId, Seq, Wait};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::house::{HELPED, House};
use crate::plan::endpoint;

const HANGS: Duration = Duration::from_secs(60);

/// The district's own table: ids as they came, repeats included.
type Came = Arc<Mutex<Vec<u64>>>;

/// A district that takes, but whose answers get lost, that errs, and that is too busy at times.
fn district() -> (String, Came) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/events", listener.local_addr().unwrap());
    let came = Came::default();
    let table = Arc::clone(&came);
    std::thread::spawn(move || {
        let mut requests = 0_u32;
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, &table, &mut requests);
        }
    });
    (url, came)
}

fn serve(stream: TcpStream, came: &Came, requests: &mut u32) {
    let mut answers = stream.try_clone().unwrap();
    let mut questions = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if !questions.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if questions.read_exact(&mut body).is_err() {
            return;
        }
        *requests += 1;
        let takes = !requests.is_multiple_of(7) && !requests.is_multiple_of(11);
        if takes {
            let events: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
            let number = |event: &serde_json::Value| {
                event["id"].as_str().unwrap().strip_prefix("hub/").unwrap().parse::<u64>().unwrap()
            };
            came.lock().unwrap().extend(events.iter().map(number));
        }
        let status = match *requests {
            n if n.is_multiple_of(7) => "500 Oops",
            n if n.is_multiple_of(11) => "429 Busy",
            // Taken, and nobody ever hears of it.
            n if n.is_multiple_of(5) => return,
            _ => "200 OK",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn open(url: &str) -> (EndpointHandle, mpsc::Receiver<EndpointReport>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (reports, reported) = mpsc::channel(64);
    let (heard, _) = mpsc::channel(1);
    let https = HttpsSettings {
        url: url.to_owned(),
        bearer: None,
        tls: TlsFiles::default(),
        batch: Some(40),
        accepted: None,
        time_limit: Wait::secs(5),
    };
    let settings = PlatformSettings {
        platform: endpoint("district"),
        hub: HubId::new("hub").unwrap(),
        may_speak: false,
        way: Way::Https(https),
    };
    (district::open(settings, Ends { reports, heard }).unwrap(), reported)
}

/// Offers what is owed, as the desk does after a start.
fn offer_all(house: &House, handle: &EndpointHandle) {
    let owed: Vec<StoryLetter> = house
        .book
        .owed(&endpoint("district"))
        .map(|story| StoryLetter {
            seq: story.seq,
            incident: story.incident,
            body: format!("{{\"id\":\"hub/{}\"}}", story.seq).into(),
            urgent: false,
        })
        .collect();
    let offer = handle.offer.clone();
    tokio::spawn(async move {
        for letter in owed {
            if offer.send(letter).await.is_err() {
                return;
            }
        }
    });
}

async fn hear(house: &mut House, reports: &mut mpsc::Receiver<EndpointReport>) {
    let report = timeout(HANGS, reports.recv()).await.unwrap().unwrap();
    let taken = |(seq, how): &(Seq, Settled)| (*how == Settled::HandedOver).then_some(*seq);
    let took: Vec<Seq> = report.settled.iter().filter_map(taken).collect();
    assert_eq!(took.len(), report.settled.len(), "nothing is a dead letter here");
    house.takes(&Stimulus::Delivered { endpoint: report.endpoint, took, refused: Vec::new() });
}

/// Three days of calls, with a power cut every twelve hours; the events that the district is owed.
fn three_days(house: &mut House) -> BTreeSet<u64> {
    let mut told = BTreeSet::new();
    let note = |house: &House, told: &mut BTreeSet<u64>| {
        told.extend(house.effects.iter().filter_map(|effect| match effect {
            Effect::Story(seq, to) if *to == endpoint("district") => Some(seq.0),
            _ => None,
        }));
    };
    for half_hour in 0..72 * 2 {
        house.press(if half_hour % 2 == 0 { "B-14" } else { "B-15" });
        note(house, &mut told);
        house.minutes(2);
        note(house, &mut told);
        for (says, minutes) in [(Move::Accept, 4), (Move::Arrive, 7), (HELPED, 17)] {
            house.says("lina", says);
            note(house, &mut told);
            house.minutes(minutes);
            note(house, &mut told);
        }
        if half_hour % 24 == 23 {
            house.restarts();
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seventy_two_hours_without_the_district_and_every_event_arrives_once_and_in_order() {
    let mut house = House::new();
    let begins = house.now;
    let told = three_days(&mut house);
    assert_eq!(house.now - begins, Wait::hours(72));
    let owed: BTreeSet<u64> =
        house.book.owed(&endpoint("district")).map(|story| story.seq.0).collect();
    assert_eq!(owed, told, "what was told in three days is owed, and nothing else");
    assert!(owed.len() > 700, "{}", owed.len());

    let (url, came) = district();
    let (handle, mut reports) = open(&url);
    offer_all(&house, &handle);
    while house.book.owed_to(&endpoint("district")) > owed.len() / 2 {
        hear(&mut house, &mut reports).await;
    }
    // The power fails in the middle of it: what was taken and not written down goes again.
    drop((handle, reports));
    house.restarts();
    let (handle, mut reports) = open(&url);
    offer_all(&house, &handle);
    while house.book.owed_to(&endpoint("district")) > 0 {
        hear(&mut house, &mut reports).await;
    }
    handle.stop(Duration::from_secs(5)).await;

    let came = came.lock().unwrap().clone();
    let mut seen = BTreeSet::new();
    let once: Vec<u64> = came.iter().copied().filter(|id| seen.insert(*id)).collect();
    assert_eq!(once, owed.into_iter().collect::<Vec<_>>());
    assert!(came.len() > once.len(), "answers were lost, so there were repeats");
    house.replays();
}
