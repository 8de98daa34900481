//! The archive over lives of incidents that a test writes, and over folders that a test spoils.

mod folders;
mod lives;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::incident::{Entry, Fact, Incident, IncidentBook};
use crate::terms::{At, DeviceId, IncidentId, Seq, Wall};

/// Nothing here takes this many looks of [`NAP`] unless it hangs.
const LOOKS: usize = 6_000;
const NAP: Duration = Duration::from_millis(10);
/// 22 November 2026 in Shanghai.
const BEGAN: i64 = 1_795_280_000_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// A record in memory; every reading counts, and one may be held at an entry.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    entries: Vec<Entry>,
    read: u64,
    held_at: Option<Seq>,
}

impl Kept {
    fn of(entries: Vec<Entry>) -> Self {
        Self(Arc::new(Mutex::new(Inside { entries, ..Inside::default() })))
    }

    fn newest(&self) -> Seq {
        self.0.lock().unwrap().entries.last().map_or(Seq(0), |entry| entry.seq)
    }

    fn read_so_far(&self) -> u64 {
        self.0.lock().unwrap().read
    }

    /// Readings stop there until told otherwise.
    fn hold(&self, at: Option<Seq>) {
        self.0.lock().unwrap().held_at = at;
    }
}

impl Source for Kept {
    fn read(
        &self,
        after: Seq,
        upto: Seq,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let entries = self.0.lock().unwrap().entries.clone();
        for entry in entries.into_iter().filter(|e| e.seq > after && e.seq <= upto) {
            while self.0.lock().unwrap().held_at.is_some_and(|at| entry.seq > at) {
                std::thread::sleep(NAP);
            }
            self.0.lock().unwrap().read += 1;
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Entries in the order of a record, with an engine's book beside them.
#[derive(Default)]
struct Life {
    entries: Vec<Entry>,
    book: IncidentBook,
    at: u64,
}

impl Life {
    fn fact(&mut self, fact: Value) {
        let fact: Fact = serde_json::from_value(fact).unwrap();
        let seq = Seq(self.entries.len() as u64 + 1);
        let wall = Wall(BEGAN + self.at as i64);
        let entry = Entry { seq, at: At(self.at), wall, trusted: true, fact };
        self.book.apply(&entry);
        self.entries.push(entry);
    }

    fn wait(&mut self, ms: u64) {
        self.at += ms;
    }

    fn pressed(&mut self, id: u64, device: &str, code: &str) {
        self.fact(json!({ "reported": { "report": {
            "device": device, "what": { "pulse": "sos" }, "battery": 84, "heard_at": self.at } } }));
        self.fact(json!({ "raised": { "incident": id, "code": code, "class": "emergency",
            "kind": "sos", "device": device, "policy": "0", "needs": 1 } }));
        self.fact(json!({ "called": { "incident": id, "epoch": 0, "rung": 0, "lap": 0,
            "notice": "called", "next": self.at + 60_000,
            "calls": [{ "person": "zhangmin", "by": ["screen", "mail"] },
                      { "person": "wangli", "by": ["screen"] }] } }));
    }

    fn accepted(&mut self, id: u64) {
        self.fact(json!({ "accepted": { "incident": id, "by": "wangli", "enough": true,
            "remind": self.at + 1, "arrive_by": self.at + 900_000 } }));
    }

    fn closed(&mut self, id: u64, note: u64) {
        let answer = json!({ "incident": id, "by": "wangli", "via": "command", "says": "note",
            "note": note });
        self.fact(json!({ "note_kept": { "note": note, "text": format!("第{note}条") } }));
        self.fact(json!({ "answer_heard": { "answer": answer } }));
        let next = self.at + 1_200_000;
        self.fact(json!({ "arrived": { "incident": id, "by": "wangli", "next": next } }));
        self.wait(480_000);
        self.fact(json!({ "resolved": { "incident": id, "by": "wangli", "ending": "helped" } }));
    }

    /// One incident from its press to its filing, a day long.
    fn whole_day(&mut self, id: u64) -> Incident {
        self.pressed(id, &format!("B-{:02}", id % 7), &format!("A{:02}", id % 40 + 1));
        self.wait(30_000);
        self.accepted(id);
        self.wait(240_000);
        self.closed(id, id);
        let over = self.book.incident(IncidentId(id)).unwrap().clone();
        self.wait(DAY_MS - 750_000);
        self.fact(json!({ "filed": { "incident": id } }));
        over
    }

    /// So many whole days, an open incident, and one that is over and not yet filed.
    fn of_days(days: u64) -> Self {
        let mut life = Self { at: 1, ..Self::default() };
        for id in 1..=days {
            life.whole_day(id);
        }
        life.pressed(days + 1, "C-01", "A98");
        life.pressed(days + 2, "C-02", "A99");
        life.accepted(days + 2);
        life.closed(days + 2, days + 2);
        life
    }

    fn page(&self, first: usize, last: usize) -> Page {
        let entries = self.entries[first - 1..last].iter().filter(|e| is_kept(&e.fact));
        Page {
            first: Seq(first as u64),
            last: Seq(last as u64),
            entries: entries.cloned().collect(),
        }
    }
}

fn place(dir: &Path) -> Place {
    Place { dir: dir.join("archive"), min_free: 0 }
}

fn open(dir: &Path, kept: &Kept) -> Archivist {
    Archivist::spawn(place(dir), kept.clone(), kept.newest()).unwrap()
}

fn soon(what: &str, mut look: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if look() {
            return;
        }
        std::thread::sleep(NAP);
    }
    panic!("{what} did not happen");
}

fn level(archivist: &Archivist) {
    soon("the archive's becoming level", || archivist.figures().state == State::Level);
}

fn end(mut archivist: Archivist) {
    archivist.stop().unwrap().join().unwrap();
}

fn ask(archivist: &Archivist, question: Question) -> Answer {
    let (tell, told) = mpsc::channel();
    assert!(archivist.ask(question, move |answer| tell.send(answer).unwrap()), "taken");
    told.recv_timeout(Duration::from_secs(60)).expect("an answer")
}

fn everything() -> Question {
    Question::Span { from: Wall(i64::MIN), to: Wall(i64::MAX), most: usize::MAX }
}

fn found(archivist: &Archivist, question: Question) -> Vec<Past> {
    match ask(archivist, question).found {
        Found::Incidents { incidents, .. } => incidents,
        _ => Vec::new(),
    }
}

fn history(archivist: &Archivist, device: &str) -> Vec<Trace> {
    let device = DeviceId::new(device).unwrap();
    match ask(archivist, Question::History { device, most: usize::MAX }).found {
        Found::Traces(traces) => traces,
        other => panic!("{other:?}"),
    }
}

/// All that can be asked, for comparison.
fn all_of(archivist: &Archivist) -> (Vec<Past>, Vec<Vec<Trace>>, Option<ResponseTimes>) {
    let devices = ["B-00", "B-01", "B-02", "B-03", "B-04", "B-05", "B-06", "C-01", "C-02"];
    let histories = devices.map(|device| history(archivist, device)).to_vec();
    (found(archivist, everything()), histories, archivist.figures().times)
}
