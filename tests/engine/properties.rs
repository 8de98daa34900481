//! Anything at any time: presses, answers from right and wrong people, late and reordered and told
//! twice, carriers that lie, power cuts between any two steps, edits of the registry and the policy,
//! a disk that cannot be written. Every step is held to `laws.rs` and replayed by `house.rs`.
//!
//! `PROPTEST_CASES=20000 cargo test --test engine properties` is the long form; a seed other than
//! the fixed one is given by `PROPTEST_RNG_SEED`.

use anling::incident::{
    Answer, Contact, Ending, Fact, Move, OrderId, Outcome, Resumed, Stage, StageName, Stimulus,
    Via, Who,
};
use anling::registry::{Change, RowId};
use anling::terms::{At, Class, DeviceId, IncidentId, Kind, Mark, Report, Wait, What};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use crate::house::House;
use crate::plan::{self, person};

#[derive(Debug, Clone)]
enum Happening {
    Passes(u64),
    Report { device: usize, what: What, flags: (bool, bool, bool) },
    Repeat(usize),
    Garbage(usize),
    Answer { incident: usize, who: usize, says: Move, epoch: Option<u32>, via: Via, words: bool },
    SameAnswer,
    Outcome { order: usize, outcome: Outcome },
    LateOutcome(usize, Outcome),
    Taken { endpoint: usize, refuses: bool },
    Trouble { kind: Kind, broken: bool },
    Restarts(Resumed),
    Leaves(usize),
    Joins(usize),
    DeviceGone(usize),
    Policy(u8),
    Disk(bool),
    Clock(bool),
}

const DEVICES: [&str; 6] = ["B-14", "B-15", "cord", "smoke-1", "bed-7", "B-20"];

fn device(n: usize) -> DeviceId {
    match DEVICES.get(n) {
        Some(id) => plan::device(id),
        None => DeviceId::unregistered("native-mqtt", &format!("X-{n}")),
    }
}

fn who(n: usize) -> &'static str {
    plan::PEOPLE.get(n).map_or("stranger", |p| p.0)
}

fn what() -> impl Strategy<Value = What> {
    let level = prop_oneof![
        Just(Kind::Smoke),
        Just(Kind::Gas),
        Just(Kind::Water),
        Just(Kind::Tamper),
        Just(Kind::LowBattery),
    ];
    prop_oneof![
        6 => Just(What::Pulse(Kind::Sos)),
        1 => Just(What::Pulse(Kind::Fall)),
        2 => Just(What::Pulse(Kind::Inactivity)),
        2 => Just(What::Pulse(Kind::Service)),
        2 => Just(What::Cancel),
        4 => (level, any::<bool>()).prop_map(|(kind, on)| What::Level { kind, on }),
        1 => any::<bool>().prop_map(|online| What::Presence { online }),
        1 => Just(What::Telemetry),
    ]
}

fn says() -> impl Strategy<Value = Move> {
    let contact = prop_oneof![Just(None), Just(Some(Contact::Voice)), Just(Some(Contact::Visit))];
    let score = prop_oneof![Just(None), (0..8_u8).prop_map(Some)];
    prop_oneof![
        6 => Just(Move::Accept),
        5 => Just(Move::Decline),
        2 => Just(Move::OnTheWay),
        4 => Just(Move::Arrive),
        2 => Just(Move::NeedHelp),
        1 => Just(Move::StillHere),
        2 => contact.clone().prop_map(|c| Move::Resolve { ending: Ending::Helped, contact: c }),
        1 => contact.prop_map(|contact| Move::FalseAlarm { contact }),
        1 => score.prop_map(|score| Move::FollowUp { score, complaint: false }),
        1 => Just(Move::Note),
        1 => Just(Move::Silence),
        2 => Just(Move::TakeOver),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let after = prop_oneof![Just(None), (0..9_999_u64).prop_map(|s| Some(Wait::secs(s)))];
    prop_oneof![
        Just(Outcome::HandedOver),
        Just(Outcome::Arrived),
        Just(Outcome::Seen),
        after.prop_map(|after| Outcome::TryLater { why: "later".to_owned(), after }),
        Just(Outcome::Refused { why: "no".to_owned() }),
        Just(Outcome::Unknown { why: "lost".to_owned() }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    let pause = prop_oneof![
        4 => 0..5_u64,
        6 => 5..90_u64,
        3 => 90..1_000_u64,
        1 => Just(5_000_u64),
    ];
    let via =
        prop_oneof![3 => Just(Via::Command), 3 => Just(Via::Page), 1 => Just(Via::ExpiredPage)];
    let epoch = prop_oneof![2 => Just(None), 1 => (0..4_u32).prop_map(Some)];
    let how = prop_oneof![Just(Resumed::SameBoot), Just(Resumed::ByWall), Just(Resumed::Unknown)];
    let trouble = prop_oneof![Just(Kind::Link), Just(Kind::Memory), Just(Kind::Carrier)];
    let flag = || prop::bool::weighted(0.1);
    prop_oneof![
        10 => pause.prop_map(H::Passes),
        10 => (0..8_usize, what(), (flag(), flag(), flag()))
            .prop_map(|(device, what, flags)| H::Report { device, what, flags }),
        1 => (0..4_usize).prop_map(H::Repeat),
        1 => (0..8_usize).prop_map(H::Garbage),
        14 => (0..3_usize, 0..8_usize, says(), epoch, via, flag()).prop_map(
            |(incident, who, says, epoch, via, words)| {
                H::Answer { incident, who, says, epoch, via, words }
            }
        ),
        1 => Just(H::SameAnswer),
        6 => (0..12_usize, outcome()).prop_map(|(order, outcome)| H::Outcome { order, outcome }),
        1 => (0..12_usize, outcome()).prop_map(|(n, outcome)| H::LateOutcome(n, outcome)),
        1 => (0..3_usize, any::<bool>())
            .prop_map(|(endpoint, refuses)| H::Taken { endpoint, refuses }),
        2 => (trouble, any::<bool>()).prop_map(|(kind, broken)| H::Trouble { kind, broken }),
        2 => how.prop_map(H::Restarts),
        1 => (0..7_usize).prop_map(H::Leaves),
        1 => (0..7_usize).prop_map(H::Joins),
        1 => (0..6_usize).prop_map(H::DeviceGone),
        1 => any::<u8>().prop_map(H::Policy),
        1 => any::<bool>().prop_map(H::Disk),
        1 => any::<bool>().prop_map(H::Clock),
    ]
}

/// A policy as a bad day would have it.
fn odd_policy(n: u8) -> anling::incident::Policy {
    let mut policy = plan::policy();
    let ladder = policy.ladders.get_mut(&Class::Emergency).unwrap();
    match n % 8 {
        0 => ladder.needs = 2,
        1 => ladder.needs = 200,
        2 => ladder.rungs.iter_mut().for_each(|rung| rung.wait = Wait(u64::from(n))),
        3 => ladder.rungs.clear(),
        4 => ladder.all_hands = false,
        5 => ladder.rungs[1].who = vec![Who::Person(person("gone"))],
        6 => (policy.lead, policy.second) = (Vec::new(), Vec::new()),
        _ => ladder.arrive = Wait::hours(9),
    }
    policy
}

/// The house, and what a careless wire may bring a second time.
struct Day {
    house: House,
    reports: Vec<Report>,
    answers: Vec<Answer>,
    orders: Vec<OrderId>,
}

impl Day {
    fn begins() -> Self {
        Self { house: House::new(), reports: Vec::new(), answers: Vec::new(), orders: Vec::new() }
    }

    fn goes_on(&mut self, happening: &Happening) {
        match happening {
            Happening::Passes(secs) => self.house.passes(*secs),
            Happening::Report { device: n, what, flags: (unmarked, test, retained) } => {
                let report = self.house.report(&device(*n), *what);
                let mark = report.mark.filter(|_| !unmarked);
                let report = Report { mark, test: *test, retained: *retained, ..report };
                self.reports.push(report.clone());
                self.house.hears(report);
            }
            Happening::Repeat(back) => {
                let Some(at) = self.reports.len().checked_sub(back + 1) else { return };
                self.repeats(&self.reports[at].clone());
            }
            Happening::Garbage(n) => {
                if let Some(id) = DEVICES.get(*n) {
                    self.house.garbage(id);
                }
            }
            Happening::Answer { .. } => self.answers(happening),
            Happening::SameAnswer => {
                if let Some(answer) = self.answers.last().cloned() {
                    self.house.takes(&Stimulus::Answered(answer, None));
                }
            }
            Happening::Outcome { order, outcome } => {
                let at = self.house.book.outstanding().map(|o| o.id.clone()).nth(*order);
                let Some(id) = at else { return };
                self.orders.push(id.clone());
                self.house.carrier_says(&id, outcome.clone());
            }
            Happening::LateOutcome(n, outcome) => {
                if let Some(id) = self.orders.get(*n).cloned() {
                    self.house.carrier_says(&id, outcome.clone());
                    assert!(self.house.facts.is_empty(), "a settled order was settled again");
                }
            }
            Happening::Taken { endpoint, refuses } => self.takes_events(*endpoint, *refuses),
            other => self.house_changes(other),
        }
    }

    fn house_changes(&mut self, happening: &Happening) {
        let house = &mut self.house;
        match happening {
            Happening::Trouble { kind, broken } => house.trouble(*kind, "subject", *broken),
            Happening::Restarts(how) => {
                house.replays();
                house.starts(*how);
            }
            Happening::Leaves(n) => house.leaves(who(*n)),
            Happening::Joins(n) => {
                let (id, role, mail) = plan::PEOPLE[*n];
                let row = plan::person_row(id, role, mail);
                house.takes(&Stimulus::Registry(vec![row]));
            }
            Happening::DeviceGone(n) => {
                let gone = Change::Removed(RowId::Device(device(*n)));
                house.takes(&Stimulus::Registry(vec![gone]));
            }
            Happening::Policy(n) => house.takes(&Stimulus::Policy(Box::new(odd_policy(*n)))),
            Happening::Disk(safe) => house.safe = *safe,
            Happening::Clock(trusted) => house.trusted = *trusted,
            _ => {}
        }
    }

    /// Invariant 2: the same event again is the same state.
    fn repeats(&mut self, report: &Report) {
        let counted = report.mark.is_some() && !report.retained;
        let pulse = matches!(report.what, What::Pulse(_) | What::Cancel);
        let kept = self.house.book.device(&report.device).is_some();
        self.house.hears(report.clone());
        let dropped_level = matches!(report.what, What::Level { .. } | What::Presence { .. });
        if counted && pulse && kept && !dropped_level && recent(&self.reports, report) {
            // A device in no list is forgotten once nothing of it is open; then a repeat is loud.
            let stranger = self.house.book.registry().device(&report.device).is_none();
            assert!(self.house.facts.is_empty() || stranger, "{:?}", self.house.facts);
        }
    }

    fn answers(&mut self, happening: &Happening) {
        let Happening::Answer { incident, who: n, says, epoch, via, words } = happening else {
            return;
        };
        let back = self.house.book.incidents().rev().nth(*incident).map(|i| i.id);
        let incident = back.unwrap_or(IncidentId(404));
        let (by, via) = (person(who(*n)), *via);
        let answer =
            Answer { incident, by, via, epoch: *epoch, says: *says, note: None, word: None };
        self.answers.push(answer.clone());
        let words = words.then(|| "门开着".to_owned());
        self.house.takes(&Stimulus::Answered(answer, words));
    }

    fn takes_events(&mut self, n: usize, refuses: bool) {
        let id = ["district", "fire", "nobody"][n];
        let endpoint = plan::endpoint(id);
        let mut took: Vec<_> = self.house.book.owed(&endpoint).map(|s| s.seq).take(3).collect();
        let refused = match refuses {
            true => took.pop().map(|seq| (seq, "no".to_owned())).into_iter().collect(),
            false => Vec::new(),
        };
        took.push(anling::terms::Seq(987_654));
        self.house.takes(&Stimulus::Delivered { endpoint, took, refused });
    }

    /// The hub goes home in the end: people see to everything, and nothing stays behind.
    fn ends(&mut self) {
        self.house.safe = true;
        let row = plan::person_row("zhangmin", anling::registry::Role::Staff, true);
        self.house.takes(&Stimulus::Registry(vec![row]));
        self.house.passes(301);
        let open: Vec<IncidentId> = self.house.book.open().map(|i| i.id).collect();
        for id in open {
            let over = Move::Resolve { ending: Ending::Helped, contact: Some(Contact::Voice) };
            self.house.says_about(id, "zhangmin", over);
        }
        assert_eq!(self.house.book.open_count(), 0);
        self.house.passes(8 * 24 * 3600);
        self.house.endpoints_take_everything();
        let book = &self.house.book;
        assert_eq!((book.incidents().count(), book.order_count()), (0, 0));
        assert_eq!(book.owed_counts().map(|(_, n)| n).sum::<usize>(), 0);
        assert_eq!(book.next_deadline(), None);
        for n in 0..8 {
            let id = device(n);
            let known = book.registry().device(&id).is_some();
            assert!(known || book.device(&id).is_none(), "{id} is remembered for ever");
        }
        let kept = serde_json::to_value(book).unwrap();
        assert_eq!(kept["notes"], serde_json::json!({}));
        assert_eq!(kept["stories"], serde_json::json!([]));
    }
}

/// Whether so few numbers followed it within the same count that the device memory still holds it.
fn recent(reports: &[Report], report: &Report) -> bool {
    let highest = reports.iter().filter(|r| r.device == report.device).filter_map(|r| r.mark).max();
    let far = |highest: Mark| report.mark.map_or(u32::MAX, |m| highest.seq - m.seq);
    highest.is_some_and(|highest| far(highest) < 64)
}

fn config() -> Config {
    let fixed = std::env::var_os("PROPTEST_RNG_SEED").is_none();
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    if fixed {
        config.rng_seed = RngSeed::Fixed(20_261_123);
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_the_laws_hold_and_nothing_stays_behind(
        day in prop::collection::vec(happening(), 1..90)
    ) {
        let mut it = Day::begins();
        for happening in &day {
            it.goes_on(happening);
        }
        it.house.replays();
        it.ends();
    }

    /// Invariant 23: in whatever order a hub's line delivers what people said, the end is the same
    /// as in order, or louder.
    #[test]
    fn answers_in_another_order_end_the_same_or_louder(
        order in Just(vec![Move::Accept, Move::OnTheWay, Move::Arrive, crate::house::HELPED])
            .prop_shuffle(),
        twice in 0..4_usize,
    ) {
        let mut house = House::new();
        house.press("B-14");
        for (n, says) in order.iter().enumerate() {
            house.says("zhangmin", *says);
            if n == twice {
                house.says("zhangmin", *says);
            }
        }
        prop_assert!(matches!(house.stage(), StageName::OnScene | StageName::Resolved));
        let arrived = order.iter().position(|m| *m == Move::Arrive);
        let done = order.iter().position(|m| *m == crate::house::HELPED);
        prop_assert_eq!(house.stage() == StageName::Resolved, arrived < done);
    }

    /// Invariants 4, 6 and 25: left alone, everybody and the district within 180 s, and then each
    /// person in every lap, however the power behaves.
    #[test]
    fn left_alone_an_emergency_reaches_everybody_and_keeps_reaching_them(
        cuts in prop::collection::vec(1..400_u64, 0..8)
    ) {
        let mut house = House::new();
        house.press("B-14");
        house.passes(180);
        prop_assert!(house.it().exhausted.is_some());
        house.called_at_all("chenjie");
        for cut in cuts {
            house.passes(cut);
            house.restarts();
            house.passes(300);
            house.called_at_all("chenjie");
        }
    }

    /// Invariant 17: after an unknown gap deadlines come earlier, never later.
    #[test]
    fn an_unknown_gap_puts_nothing_off(wait in 0..1_500_u64, accepted in any::<bool>()) {
        let mut house = House::new();
        house.press("B-14");
        if accepted {
            house.says("zhangmin", Move::Accept);
        }
        house.passes(wait);
        let before = house.book.next_deadline().map(|(at, _, _)| at);
        house.restarts();
        house.starts(Resumed::Unknown);
        let after = house.book.next_deadline().map(|(at, _, _)| at);
        prop_assert!(after <= before && after <= Some(house.now));
        house.passes(0);
        house.passes(120);
        let again = !matches!(house.it().stage, Stage::Accepted { .. });
        prop_assert!(again && house.book.next_deadline().map(|d| d.0) > Some(At(0)));
    }

    /// A book read from the middle of a record, or given facts about what it never knew, stands.
    #[test]
    fn a_record_read_from_the_middle_stops_nobody(
        day in prop::collection::vec(happening(), 1..60), from in 0..100_usize
    ) {
        let mut it = Day::begins();
        day.iter().for_each(|happening| it.goes_on(happening));
        it.house.reads_from(from);
    }
}

#[test]
fn ten_thousand_presses_at_once_get_ten_thousand_incidents_and_codes() {
    let mut house = House::unwatched();
    for n in 0..10_000 {
        let report = house.report(&device(n + 10), What::Pulse(Kind::Sos));
        house.hears(report);
    }
    assert_eq!(house.book.open_count(), 10_000);
    let codes: std::collections::BTreeSet<_> = house.book.open().map(|i| i.code).collect();
    assert_eq!(codes.len(), 10_000);
    assert!(house.facts.iter().any(|f| matches!(f, Fact::Called { .. })));
}
