//! A hub's years, lived through the library in a minute: presses, calls, acceptance, arrival, the
//! end, deliveries, filing; every fact as the desk would have written it, snapshots included.

use std::path::Path;
use std::sync::Arc;

use anling::clock::{Clock, Vouch};
use anling::config::{self, Settings};
use anling::incident::{
    Answer, Contact, Ending, Entry, IncidentBook, Move, Outcome, Standing, Stimulus, Via,
};
use anling::journal::{
    Batch, Committer, CommitterHandle, Draft, FRAME_ENTRIES_MAX, Journal, Limits, OsDisk, Urgency,
};
use anling::registry::changes;
use anling::registry::csv::Table;
use anling::terms::{
    At, BootMark, DeviceId, EndpointId, HubId, Kind, Mark, PersonId, Report, Resumed, Seq, Wait,
    Wall, WallReading, What,
};

/// Between two presses: 40 a day, twice the busiest centre.
const BETWEEN: Wait = Wait::mins(36);
/// The desk's own snapshot distances: the last one lies as far back as a quiet house leaves it.
const SNAPSHOTS_BACK: [u64; 2] = [120_000, 20_000];
/// Events that one fact names, as in the desk's outbox.
const SETTLED_PER_FACT: usize = 512;
/// Fewer facts than one incident leads to, so that the past ends before now.
const FACTS_OF_ONE: u64 = 12;

/// A book with everything that decisions look at.
pub struct Past {
    settings: Settings,
    pub book: IncidentBook,
    at: At,
    began: Wall,
    pressed: u32,
    drafts: Vec<Draft>,
}

impl Past {
    /// A hub that has just taken in its registry, in a house furnished in `dir`.
    pub fn begin(dir: &Path, began: Wall) -> Self {
        let settings = config::check(&config::read(&dir.join("config"))).settings.unwrap();
        let book = IncidentBook::default();
        let mut past = Self { settings, book, at: At(1), began, pressed: 0, drafts: Vec::new() };
        past.decide(&Stimulus::Started {
            version: "0.0.0".to_owned(),
            hub: HubId::new("zs-yunjian").unwrap(),
            clean: true,
            gap: Wait::ZERO,
            how: Resumed::Unknown,
            boot: BootMark { id: "past".to_owned(), ms: 1 },
        });
        let rows = changes(past.book.registry(), &Table::ALL, &past.settings.rows);
        past.decide(&Stimulus::Registry(rows));
        past.decide(&Stimulus::Policy(Box::new(past.settings.policy.clone())));
        past.decide(&Stimulus::Roster(Box::new(past.settings.roster.clone())));
        past
    }

    /// Decides, applies and writes the entries' bytes, as the desk does before it forces.
    pub fn decide(&mut self, stimulus: &Stimulus) {
        let wall = WallReading { wall: Wall(self.began.0 + self.at.0 as i64), trusted: true };
        let standing = Standing {
            wall,
            roster: &self.settings.roster,
            types: &self.settings.device_types,
            safe: true,
        };
        for fact in self.book.decide(self.at, &standing, stimulus) {
            let seq = self.book.last_seq().next();
            let entry = Entry { seq, at: self.at, wall: wall.wall, trusted: true, fact };
            self.drafts.push(Draft::new(self.at, wall.wall, entry.to_body()).unwrap());
            self.book.apply(&entry);
        }
    }

    /// One press of a device that has not been pressed in this boot with this number.
    pub fn press(&mut self, device: usize) {
        self.pressed += 1;
        self.decide(&Stimulus::Heard(Report {
            device: DeviceId::new(&format!("D-{device:05}")).unwrap(),
            mark: Some(Mark { boot: 1, seq: self.pressed }),
            what: What::Pulse(Kind::Sos),
            test: false,
            retained: false,
            found: false,
            hold_ms: Some(1_200),
            battery: Some(84),
            said_at: None,
            heard_at: self.at,
        }));
    }

    /// Forgets the bytes of what was decided so far.
    pub fn forget_bytes(&mut self) {
        self.drafts.clear();
    }

    fn go_on(&mut self, wait: Wait) {
        let target = self.at + wait;
        while let Some((due, _, _)) = self.book.next_deadline().filter(|(due, ..)| *due <= target) {
            self.at = self.at.max(due);
            self.decide(&Stimulus::Due);
            self.hand_over();
        }
        self.at = target;
    }

    /// Carriers and endpoints take everything.
    fn hand_over(&mut self) {
        let orders: Vec<_> = self.book.outstanding().map(|order| order.id.clone()).collect();
        for order in orders {
            self.decide(&Stimulus::Outcome(order, Outcome::HandedOver));
        }
        let endpoint = EndpointId::new("hall").unwrap();
        let took: Vec<Seq> = self.book.owed(&endpoint).map(|story| story.seq).collect();
        for took in took.chunks(SETTLED_PER_FACT) {
            let (endpoint, took) = (endpoint.clone(), took.to_vec());
            self.decide(&Stimulus::Delivered { endpoint, took, refused: Vec::new() });
        }
    }

    fn say(&mut self, says: Move) {
        let Some(incident) = self.book.open().next_back().map(|incident| incident.id) else {
            return;
        };
        let by = PersonId::new("wangli").unwrap();
        let answer =
            Answer { incident, by, via: Via::Command, epoch: None, says, note: None, word: None };
        self.decide(&Stimulus::Answered(answer, None));
        self.hand_over();
    }

    /// Closes the newest open incidents, each with a word on the telephone.
    pub fn close_newest(&mut self, count: usize) {
        for _ in 0..count {
            let contact = Some(Contact::Voice);
            self.say(Move::Resolve { ending: Ending::Helped, contact });
        }
    }

    /// From a press to its end.
    fn live_through(&mut self, device: usize) {
        self.press(device);
        self.hand_over();
        self.go_on(Wait::secs(30));
        self.say(Move::Accept);
        self.go_on(Wait::mins(4));
        self.say(Move::Arrive);
        self.go_on(Wait::mins(8));
        self.say(Move::Resolve { ending: Ending::Helped, contact: None });
        self.go_on(BETWEEN);
    }
}

/// Writes a journal of at least that many records into the house's state; how many there are.
pub fn write(dir: &Path, records: u64, devices: usize) -> u64 {
    let snapshots = SNAPSHOTS_BACK.iter().map(|back| records.saturating_sub(*back)).collect();
    let enough = |book: &IncidentBook| book.last_seq() >= Seq(records);
    live(dir, records, devices, (snapshots, enough)).last_seq().0
}

/// Writes a life in which an endpoint was told nothing, until it is owed at least that many events; how
/// many those are.
pub fn write_owing(dir: &Path, endpoint: &EndpointId, events: usize, devices: usize) -> usize {
    let enough = |book: &IncidentBook| book.owed_to(endpoint) >= events;
    // An incident has more facts than events; a snapshot on the way keeps the start short.
    let records = events as u64 * 4;
    live(dir, records, devices, (vec![events as u64 * 2], enough)).owed_to(endpoint)
}

fn live(
    dir: &Path,
    records: u64,
    devices: usize,
    (mut snapshots, enough): (Vec<u64>, impl Fn(&IncidentBook) -> bool),
) -> IncidentBook {
    let (clock, _) = Clock::resume(None, Vouch::Host);
    let span = records / FACTS_OF_ONE * (BETWEEN.0 + Wait::mins(13).0);
    let mut past = Past::begin(dir, Wall(clock.wall().wall.0 - span as i64));
    let journal = dir.join("state/journal");
    std::fs::create_dir_all(&journal).unwrap();
    let opening = Journal::open(Arc::new(OsDisk), &journal, Limits::default()).unwrap();
    let handle = Committer::spawn(opening.replay(|_| {}).journal).unwrap();
    let mut device = 0;
    while !enough(&past.book) {
        past.live_through(device % devices);
        device += 1;
        // As the desk does: a turn's facts at a time, not a year's.
        for part in past.drafts.chunks(FRAME_ENTRIES_MAX) {
            commit(&handle, part.to_vec());
        }
        past.drafts.clear();
        if snapshots.first().is_some_and(|at| past.book.last_seq() >= Seq(*at)) {
            snapshots.remove(0);
            let bytes = serde_json::to_vec(&past.book).unwrap();
            handle.write_snapshot(past.book.last_seq(), &bytes).unwrap();
        }
    }
    past.book
}

fn commit(handle: &CommitterHandle, drafts: Vec<Draft>) {
    let batch = Batch::new(drafts, Urgency::Unhurried).unwrap();
    drop(handle.commit_blocking(batch).unwrap());
}
