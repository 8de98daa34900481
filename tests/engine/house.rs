//! One hub and a clock that the test turns. A verb is a step of the story; after each one the
//! record is replayed and the laws are checked.

use std::collections::BTreeMap;

use anling::incident::{
    Answer, Carrier, Contact, Effect, Ending, Entry, Fact, Ignored, Incident, IncidentBook,
    LifeLook, Move, Notice, Order, OrderId, Outcome, Policy, Resumed, Stage, StageName, Standing,
    Stimulus, StoryKind, Trouble, Via, WordId,
};
use anling::registry::{Change, DeviceTypes, RowId};
use anling::roster::Roster;
use anling::terms::{
    At, BootMark, Command, DeviceId, FeedbackStage, HubId, IncidentId, Kind, LinkId, Mark,
    PersonId, Refusal, RefusalReason, Report, Seq, Wait, Wall, WallReading, What,
};

use crate::laws::Laws;
use crate::plan;

/// Monday, 23 November 2026, 10:00 in Shanghai.
const BEGIN: Wall = Wall(1_795_399_200_000);

pub const BY_PHONE: Option<Contact> = Some(Contact::Voice);
pub const HELPED: Move = Move::Resolve { ending: Ending::Helped, contact: None };

/// A message that was given out: to whom, by what, why.
pub type Given = (PersonId, Carrier, Notice);

pub struct House {
    pub book: IncidentBook,
    pub now: At,
    pub wall: Wall,
    pub trusted: bool,
    pub safe: bool,
    pub roster: Roster,
    types: DeviceTypes,
    seq: Seq,
    /// The record, as the journal keeps it.
    record: Vec<(Seq, At, Wall, Vec<u8>)>,
    /// A second book that only ever sees the record.
    replayed: IncidentBook,
    marks: BTreeMap<DeviceId, u32>,
    laws: Laws,
    /// Whether each step is replayed and held to the laws; a storm is only looked at in the end.
    watched: bool,
    /// What the last verb led to.
    pub facts: Vec<Fact>,
    pub given: Vec<Given>,
    pub effects: Vec<Effect>,
}

impl House {
    /// The centre of `plan.rs` on a Monday morning.
    pub fn new() -> Self {
        Self::with(&plan::policy())
    }

    pub fn with(policy: &Policy) -> Self {
        let mut house = Self::bare();
        house.takes(&Stimulus::Registry(plan::registry()));
        house.takes(&Stimulus::Policy(Box::new(policy.clone())));
        house
    }

    /// A centre whose steps are not checked one by one.
    pub fn unwatched() -> Self {
        let mut house = Self::new();
        house.watched = false;
        house
    }

    /// Nobody registered, no policy.
    pub fn bare() -> Self {
        let mut house = Self {
            book: IncidentBook::default(),
            now: At(1_000_000),
            wall: BEGIN,
            trusted: true,
            safe: true,
            roster: plan::roster(),
            types: plan::types(),
            seq: Seq(0),
            record: Vec::new(),
            replayed: IncidentBook::default(),
            marks: BTreeMap::new(),
            laws: Laws::default(),
            watched: true,
            facts: Vec::new(),
            given: Vec::new(),
            effects: Vec::new(),
        };
        house.starts(Resumed::SameBoot);
        house
    }

    /// Decides about a stimulus and applies what came of it, without forgetting the verb's facts.
    pub fn adds(&mut self, stimulus: &Stimulus) {
        let roster = self.roster.clone();
        let types = self.types.clone();
        let wall = WallReading { wall: self.wall, trusted: self.trusted };
        let standing = Standing { wall, roster: &roster, types: &types, safe: self.safe };
        let facts = self.book.decide(self.now, &standing, stimulus);
        if !self.watched {
            facts.iter().for_each(|fact| drop(self.enters(fact.clone())));
            self.facts = facts;
            return;
        }
        let before = self.book.clone();
        let mut effects = Vec::new();
        for fact in &facts {
            effects.extend(self.enters(fact.clone()));
        }
        self.laws.hold(&before, &self.book, self.now, stimulus, &facts, &effects);
        self.facts.extend(facts);
        self.effects.extend(effects);
    }

    fn enters(&mut self, fact: Fact) -> Vec<Effect> {
        self.seq = self.seq.next();
        let (seq, at, wall) = (self.seq, self.now, self.wall);
        let entry = Entry { seq, at, wall, trusted: self.trusted, fact };
        let body = entry.to_body();
        let read = Entry::from_body(seq, at, wall, &body).unwrap();
        assert_eq!(read, entry, "the journal's form is another");
        self.replayed.apply(&read);
        self.record.push((seq, at, wall, body));
        let effects = self.book.apply(&entry);
        for effect in &effects {
            if let Effect::Order(id) = effect {
                let order = self.book.order(id).unwrap();
                self.given.push((id.person.clone(), id.carrier, order.notice.clone()));
            }
        }
        effects
    }

    /// One verb: what the last one led to is forgotten.
    pub fn takes(&mut self, stimulus: &Stimulus) {
        self.facts.clear();
        self.given.clear();
        self.effects.clear();
        self.adds(stimulus);
        assert!(
            !self.watched || self.book == self.replayed,
            "a replay ends elsewhere after {stimulus:?}"
        );
    }

    // ---- devices ----

    pub fn report(&mut self, device: &DeviceId, what: What) -> Report {
        let seq = self.marks.entry(device.clone()).or_default();
        *seq += 1;
        let mark = Some(Mark { boot: 1, seq: *seq });
        let (test, retained, heard_at) = (false, false, self.now);
        let device = device.clone();
        Report {
            device,
            mark,
            what,
            test,
            retained,
            found: false,
            hold_ms: None,
            battery: None,
            said_at: None,
            heard_at,
        }
    }

    /// The device says something under the next number of its own count.
    pub fn says_of(&mut self, device: &str, what: What) {
        let report = self.report(&plan::device(device), what);
        self.hears(report);
    }

    pub fn hears(&mut self, report: Report) {
        self.takes(&Stimulus::Heard(report));
    }

    pub fn press(&mut self, device: &str) {
        self.says_of(device, What::Pulse(Kind::Sos));
    }

    pub fn pulse(&mut self, device: &str, kind: Kind) {
        self.says_of(device, What::Pulse(kind));
    }

    pub fn level(&mut self, device: &str, kind: Kind, on: bool) {
        self.says_of(device, What::Level { kind, on });
    }

    pub fn cancel(&mut self, device: &str) {
        self.says_of(device, What::Cancel);
    }

    pub fn garbage(&mut self, device: &str) {
        self.takes(&Stimulus::Unread {
            link: LinkId::new("broker").unwrap(),
            refusal: Refusal {
                device: Some(plan::device(device)),
                reason: RefusalReason::Malformed,
                sample: "?".to_owned(),
                heard_at: self.now,
            },
            count: 1,
        });
    }

    // ---- signs of life ----

    /// A device says something that may be a sign of life; whether it was news.
    pub fn lives(&mut self, device: &str, what: What) -> bool {
        let (roster, types) = (self.roster.clone(), self.types.clone());
        let wall = WallReading { wall: self.wall, trusted: self.trusted };
        let standing = Standing { wall, roster: &roster, types: &types, safe: self.safe };
        let signs = self.book.signs_of(self.now, &standing, &plan::device(device), what);
        for (resident, sign) in &signs {
            let (resident, sign) = (resident.clone(), *sign);
            self.takes(&Stimulus::Sign { resident, sign });
        }
        !signs.is_empty()
    }

    /// Windows that are over are judged; the facts of all of them.
    pub fn looks(&mut self, look: &LifeLook) -> Vec<Fact> {
        let mut all = Vec::new();
        loop {
            self.takes(&Stimulus::LifeLook(look.clone()));
            if self.facts.is_empty() {
                return all;
            }
            all.append(&mut self.facts);
        }
    }

    // ---- people ----

    /// About the newest incident in memory.
    pub fn says(&mut self, who: &str, says: Move) {
        let incident = self.it().id;
        self.says_about(incident, who, says);
    }

    pub fn says_about(&mut self, incident: IncidentId, who: &str, says: Move) {
        self.answers(incident, who, says, None, Via::Command);
    }

    pub fn answers(
        &mut self,
        incident: IncidentId,
        who: &str,
        says: Move,
        epoch: Option<u32>,
        via: Via,
    ) {
        let by = plan::person(who);
        let answer = Answer { incident, by, via, epoch, says, note: None, word: None };
        self.takes(&Stimulus::Answered(answer, None));
    }

    /// What a program says for somebody, under a name of its own.
    pub fn says_named(&mut self, who: &str, word: &str, says: Move, text: Option<&str>) {
        let (incident, by) = (self.it().id, plan::person(who));
        let word = Some(WordId::new(word).unwrap());
        let answer = Answer { incident, by, via: Via::Http, epoch: None, says, note: None, word };
        self.takes(&Stimulus::Answered(answer, text.map(str::to_owned)));
    }

    pub fn notes(&mut self, who: &str, words: &str) {
        let (incident, by) = (self.it().id, plan::person(who));
        let (via, epoch) = (Via::Command, None);
        let answer = Answer { incident, by, via, epoch, says: Move::Note, note: None, word: None };
        self.takes(&Stimulus::Answered(answer, Some(words.to_owned())));
    }

    /// Removes a person from the registry.
    pub fn leaves(&mut self, who: &str) {
        let gone = Change::Removed(RowId::Person(plan::person(who)));
        self.takes(&Stimulus::Registry(vec![gone]));
    }

    // ---- carriers and machines ----

    pub fn carrier_says(&mut self, order: &OrderId, outcome: Outcome) {
        self.takes(&Stimulus::Outcome(order.clone(), outcome));
    }

    /// The outstanding order to this person by this carrier.
    pub fn order_to(&self, who: &str, by: Carrier) -> OrderId {
        let who = plan::person(who);
        let fits = |o: &&Order| o.id.person == who && o.id.carrier == by;
        match self.book.outstanding().filter(fits).last() {
            Some(order) => order.id.clone(),
            None => panic!("nothing waits for {who}"),
        }
    }

    pub fn trouble(&mut self, kind: Kind, subject: &str, broken: bool) {
        let subject = subject.to_owned();
        self.takes(&Stimulus::Trouble(Trouble { kind, subject, broken }));
    }

    // ---- time ----

    /// Time passes; every deadline is taken when it comes.
    pub fn passes(&mut self, secs: u64) {
        self.facts.clear();
        self.given.clear();
        self.effects.clear();
        let end = self.now + Wait::secs(secs);
        let next = |book: &IncidentBook| (book.next_due(), book.next_deadline());
        while let Some(due) = self.book.next_due().filter(|due| *due <= end) {
            let before = next(&self.book);
            self.turns_to(self.now.max(due));
            self.adds(&Stimulus::Due);
            assert_ne!(next(&self.book), before, "a deadline that came stays");
        }
        self.turns_to(end);
        assert!(self.book == self.replayed, "a replay ends elsewhere after {secs} s");
        self.laws.nobody_waits_in_silence(&self.book, self.now);
    }

    pub fn turns_to(&mut self, at: At) {
        self.wall = Wall(self.wall.0 + i64::try_from((at - self.now).0).unwrap());
        self.now = at;
    }

    pub fn minutes(&mut self, minutes: u64) {
        self.passes(minutes * 60);
    }

    /// A fact enters the record alone, as another version might have written it.
    pub fn enters_alone(&mut self, fact: Fact) {
        self.enters(fact);
        self.facts.clear();
        self.given.clear();
        self.effects.clear();
    }

    /// The record ends after the last incident's first fact.
    pub fn loses_what_follows_the_raising(&mut self) {
        let raised = |body: &[u8]| String::from_utf8_lossy(body).contains("\"raised\"");
        let last = self.record.iter().rposition(|(.., body)| raised(body)).unwrap();
        self.record.truncate(last + 1);
        self.seq = self.record[last].0;
        for book in [&mut self.book, &mut self.replayed] {
            *book = IncidentBook::default();
            for (seq, at, wall, body) in &self.record {
                book.apply(&Entry::from_body(*seq, *at, *wall, body).unwrap());
            }
        }
    }

    /// Applies the record from its n-th entry on to an empty book.
    pub fn reads_from(&self, from: usize) {
        let mut book = IncidentBook::default();
        for (seq, at, wall, body) in self.record.iter().skip(from) {
            book.apply(&Entry::from_body(*seq, *at, *wall, body).unwrap());
        }
        let kept = serde_json::to_vec(&book).unwrap();
        assert!(serde_json::from_slice::<IncidentBook>(&kept).unwrap() == book);
    }

    pub fn forgets_types(&mut self) {
        self.types.clear();
    }

    /// Every endpoint takes all that it is owed.
    pub fn endpoints_take_everything(&mut self) {
        let endpoints: Vec<_> = self.book.owed_counts().map(|(to, _)| to.clone()).collect();
        for endpoint in endpoints {
            let took = self.book.owed(&endpoint).map(|story| story.seq).collect();
            self.takes(&Stimulus::Delivered { endpoint, took, refused: Vec::new() });
        }
    }

    /// The hub starts; what it is told about the gap is what it knows.
    pub fn starts(&mut self, how: Resumed) {
        self.started("hub-1", how, Wait::ZERO);
    }

    /// The same with another id in its config.
    pub fn starts_as(&mut self, hub: &str) {
        self.started(hub, Resumed::SameBoot, Wait::ZERO);
    }

    /// The plug is out for so long; nobody knows for how long where the boot and the clock do not say.
    pub fn away_for(&mut self, gap: Wait, how: Resumed) {
        self.turns_to(self.now + gap);
        self.replays();
        let known = if how == Resumed::Unknown { Wait::ZERO } else { gap };
        self.started("hub-1", how, known);
    }

    fn started(&mut self, hub: &str, how: Resumed, gap: Wait) {
        let version = "0.1.0".to_owned();
        self.takes(&Stimulus::Started {
            version,
            hub: HubId::new(hub).unwrap(),
            clean: false,
            gap,
            how,
            boot: BootMark::default(),
        });
    }

    /// The power fails: everything is read back from the record; in another life the same is read
    /// from a snapshot taken now. Both must be what was lost.
    pub fn restarts(&mut self) {
        self.replays();
        self.starts(Resumed::SameBoot);
    }

    pub fn replays(&mut self) {
        let mut again = IncidentBook::default();
        for (seq, at, wall, body) in &self.record {
            again.apply(&Entry::from_body(*seq, *at, *wall, body).unwrap());
        }
        assert!(again == self.book, "the record tells another story");
        let kept = serde_json::to_vec(&self.book).unwrap();
        let read: IncidentBook = serde_json::from_slice(&kept).unwrap();
        assert!(read == self.book, "the snapshot tells another story");
        // From here on one book goes on from the snapshot, the other from the record.
        self.book = again;
        self.replayed = read;
    }

    /// The record so far, as the journal keeps it.
    pub fn record(&self) -> &[(Seq, At, Wall, Vec<u8>)] {
        &self.record
    }

    // ---- expectations ----

    /// The newest incident in memory.
    pub fn it(&self) -> &Incident {
        self.book.incidents().next_back().unwrap()
    }

    pub fn nth(&self, id: u64) -> &Incident {
        self.book.incident(IncidentId(id)).unwrap()
    }

    pub fn stage(&self) -> StageName {
        self.it().stage.name()
    }

    /// The person was told this by the last verb, by each carrier that can reach them, once.
    pub fn called(&self, who: &str, notice: &Notice) {
        let id = plan::person(who);
        let by: Vec<Carrier> =
            self.given.iter().filter(|g| g.0 == id && g.2 == *notice).map(|g| g.1).collect();
        let mail = plan::PEOPLE.iter().any(|(p, _, mail)| *p == who && *mail);
        let ways: &[Carrier] = if mail { &plan::BOTH } else { &[Carrier::Screen] };
        assert_eq!(by, ways, "{who} {notice:?}, but given was {:#?}", self.given);
    }

    /// Exactly these people were asked to come by the last verb.
    pub fn only_called(&self, who: &[&str], notice: &Notice) {
        who.iter().for_each(|who| self.called(who, notice));
        let others: Vec<&Given> =
            self.given.iter().filter(|g| g.2.is_call() && !who.contains(&g.0.as_str())).collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// The person was asked to come by the last verb, whatever the words.
    pub fn called_at_all(&self, who: &str) {
        let id = plan::person(who);
        assert!(self.given.iter().any(|g| g.0 == id && g.2.is_call()), "{:?}", self.given);
    }

    pub fn not_called(&self, who: &str) {
        let id = plan::person(who);
        assert!(!self.given.iter().any(|g| g.0 == id && g.2.is_call()), "{:?}", self.given);
    }

    pub fn nobody_called(&self) {
        let calls: Vec<&Given> = self.given.iter().filter(|g| g.2.is_call()).collect();
        assert!(calls.is_empty(), "{calls:?}");
    }

    pub fn not_told(&self, who: &str) {
        let who = plan::person(who);
        assert!(self.given.iter().all(|g| g.0 != who), "{:?}", self.given);
    }

    /// The last verb changed nothing but the log.
    pub fn changed_nothing(&self) {
        let log_only = |f: &Fact| {
            matches!(f, Fact::AnswerHeard { ignored: Some(_), .. } | Fact::NoteKept { .. })
        };
        assert!(self.facts.iter().all(log_only), "{:?}", self.facts);
    }

    /// The last answer changed nothing, for this reason.
    pub fn ignored(&self, why: Ignored) {
        self.changed_nothing();
        let said = self.facts.iter().find_map(|fact| match fact {
            Fact::AnswerHeard { ignored, .. } => *ignored,
            _ => None,
        });
        assert_eq!(said, Some(why));
    }

    pub fn event(&self, kind: StoryKind) -> bool {
        self.events().any(|k| k == kind)
    }

    fn events(&self) -> impl Iterator<Item = StoryKind> {
        let of = |effect: &Effect| match effect {
            Effect::Story(seq, to) if to.as_str() == "district" => Some(*seq),
            _ => None,
        };
        self.effects.iter().filter_map(of).filter_map(|seq| Some(self.book.story(seq)?.event))
    }

    /// What the last verb told devices.
    pub fn feedback(&self) -> Vec<(&str, FeedbackStage)> {
        let of = |effect| match effect {
            &Effect::Feedback(Command { ref device, stage, .. }) => Some((device.as_str(), stage)),
            _ => None,
        };
        self.effects.iter().filter_map(of).collect()
    }

    pub fn calling(&self, rung: u8, lap: u32, epoch: u32) {
        let it = self.it();
        let Stage::Calling { rung: r, lap: l, .. } = it.stage else { panic!("{:?}", it.stage) };
        assert_eq!((r, l, it.epoch), (rung, lap, epoch), "rung, lap, epoch");
    }
}
