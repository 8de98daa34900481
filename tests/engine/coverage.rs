//! The duty plan, proven: a planted gap is named to the minute, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use anling::incident::coverage::{COVERED, STEPS, Uncovered, Weakness, uncovered};
use anling::incident::{Carrier, Ladder, Needs, Policy, Rung, Who};
use anling::registry::{Change, Person, Registry, Role, Row};
use anling::roster::{
    DayType, DayTypes, DutyBy, DutyChange, DutyChanged, Hours, Line, Roster, Rule, RuleDays,
    Station,
};
use anling::terms::{Class, DutyChangeId, LineId, StationId, Wait, Wall, WallReading};
use jiff::civil::date;
use proptest::prelude::*;

use crate::plan::person;

const BOTH: &[Carrier] = &[Carrier::Screen, Carrier::Mail];

fn line(id: &str) -> LineId {
    LineId::new(id).unwrap()
}

fn rung(lines: &[&str], by: &[Carrier]) -> Rung {
    let who = lines.iter().map(|id| Who::Line(line(id))).collect();
    Rung { who, by: by.to_vec(), wait: Wait::secs(60) }
}

/// Every class calls the first line, then the second, then everybody.
fn policy(by: &[Carrier]) -> Policy {
    let mut policy = Policy::loud();
    for class in COVERED {
        let everyone = Rung { who: vec![Who::Everyone], by: by.to_vec(), wait: Wait::secs(60) };
        let rungs = vec![rung(&["first"], by), rung(&["second"], by), everyone];
        let night = match class {
            Class::Coverage => vec![rung(&["second"], by)],
            _ => Vec::new(),
        };
        policy.ladders.insert(class, Ladder { rungs, night, ..Ladder::loud(class) });
    }
    policy
}

/// Four people with a mail address, and Wu without one.
fn registry() -> Registry {
    let mut registry = Registry::default();
    for (id, email) in
        [("zhang", "a@b"), ("li", "a@b"), ("wang", "a@b"), ("chen", "a@b"), ("wu", "")]
    {
        registry.apply(&Change::Set(Row::Person(Person {
            id: person(id),
            name: String::new(),
            role: Role::Staff,
            phone: String::new(),
            email: email.to_owned(),
        })));
    }
    registry
}

fn rule(on: &str, days: RuleDays, (from, to): (u16, u16), people: &[&str]) -> Rule {
    let people = people.iter().map(|id| person(id)).collect();
    Rule { name: on.to_owned(), line: line(on), days, hours: Hours { from, to }, people }
}

/// The first line by workday and rest day, the second always; the National Day of 2026 as published.
fn roster(rules: Vec<Rule>) -> Roster {
    let with = |fallback: &str| Line { label: String::new(), fallback: vec![person(fallback)] };
    let mut day_types = DayTypes::default();
    for day in 1..=7 {
        day_types.put(date(2026, 10, day), DayType::Rest);
    }
    day_types.put(date(2026, 10, 10), DayType::Work);
    day_types.know(2026);
    Roster {
        zone: "Asia/Shanghai".to_owned(),
        lines: BTreeMap::from([(line("first"), with("li")), (line("second"), with("li"))]),
        rules,
        night: Hours { from: 21 * 60, to: 7 * 60 },
        work: Hours { from: 480, to: 1020 },
        work_days: RuleDays::every(),
        day_types,
        changes: BTreeMap::new(),
        stations: BTreeMap::new(),
    }
}

fn whole() -> Vec<Rule> {
    vec![
        rule("first", RuleDays::OfType(DayType::Work), (0, 1440), &["zhang"]),
        rule("first", RuleDays::OfType(DayType::Rest), (0, 1440), &["wang"]),
        rule("second", RuleDays::every(), (0, 1440), &["chen"]),
    ]
}

fn found(policy: &Policy, roster: &Roster) -> Vec<Uncovered> {
    uncovered(policy, roster, &registry(), (october(roster), 60))
}

fn october(roster: &Roster) -> Wall {
    at(roster, "2026-10-01T00:00")
}

fn at(roster: &Roster, civil: &str) -> Wall {
    roster.moment(civil.parse().unwrap()).unwrap()
}

#[test]
fn a_whole_plan_with_two_people_and_two_ways_has_no_gap() {
    assert_eq!(
        found(&policy(BOTH), &roster(whole()))
            .iter()
            .filter(|g| g.class != Class::Coverage)
            .count(),
        0
    );
}

#[test]
fn at_night_the_steps_of_the_night_count() {
    let roster = roster(whole());
    let gaps = found(&policy(BOTH), &roster);
    assert!(gaps.iter().all(|gap| gap.class == Class::Coverage), "{gaps:?}");
    let one = Weakness::OnePerson { person: person("chen") };
    assert!(gaps.iter().all(|gap| gap.why == [one.clone()]), "{gaps:?}");
    // Of the first night only its morning, of the last one its evening.
    assert_eq!(gaps.len(), 61);
    assert_eq!((gaps[0].from, gaps[0].to), (october(&roster), at(&roster, "2026-10-01T07:00")));
    assert_eq!(gaps[1].from, at(&roster, "2026-10-01T21:00"));
    assert_eq!(gaps[1].to, at(&roster, "2026-10-02T07:00"));
}

#[test]
fn a_minute_before_midnight_on_a_make_up_workday_is_named_and_nothing_else() {
    let mut rules = whole();
    rules[0] = rule("first", RuleDays::OfType(DayType::Work), (0, 1439), &["zhang"]);
    rules.push(rule("first", RuleDays::Weekly(vec![1, 2, 3, 4, 5]), (1439, 1440), &["zhang"]));
    let roster = roster(rules);
    let mut policy = policy(BOTH);
    policy.ladders.get_mut(&Class::Coverage).unwrap().night.clear();
    let gaps = found(&policy, &roster);
    let (from, to) = (at(&roster, "2026-10-10T23:59"), at(&roster, "2026-10-11T00:00"));
    let empty =
        Weakness::NobodyOnShift { step: 1, line: line("first"), instead: vec![person("li")] };
    let named =
        COVERED.map(|class| Uncovered { class, station: None, from, to, why: vec![empty.clone()] });
    assert_eq!(gaps, named);
}

#[test]
fn one_person_on_both_lines_is_one_person() {
    let mut rules = whole();
    rules[2] = rule("second", RuleDays::every(), (0, 1440), &["zhang"]);
    let roster = roster(rules);
    let gaps = found(&policy(BOTH), &roster);
    let of_emergency: Vec<_> = gaps.iter().filter(|gap| gap.class == Class::Emergency).collect();
    let one = Weakness::OnePerson { person: person("zhang") };
    assert!(of_emergency.iter().all(|gap| gap.why == [one.clone()]), "{of_emergency:?}");
    assert_eq!(of_emergency[0].from, at(&roster, "2026-10-08T00:00"), "behind the holidays");
    assert_eq!(of_emergency[0].to, at(&roster, "2026-10-11T00:00"), "with the make-up Saturday");
}

#[test]
fn ways_that_all_need_the_same_are_one_way_and_none_is_none() {
    let roster = roster(whole());
    let by = |by: &[Carrier]| {
        let gaps = found(&policy(by), &roster);
        let mut gaps = gaps.into_iter().filter(|gap| gap.class == Class::Emergency);
        let first = gaps.next().unwrap();
        let days = (first.to.0 - first.from.0) / 86_400_000;
        (days, first.why, gaps.count())
    };
    let one_way = |needs| vec![Weakness::OneWay { needs }];
    assert_eq!(by(&[Carrier::Mail]), (60, one_way(Needs::Internet), 0));
    assert_eq!(by(&[Carrier::Screen]), (60, one_way(Needs::Building), 0));
    let silent = Registry::default();
    let gaps = uncovered(&policy(&[Carrier::Mail]), &roster, &silent, (october(&roster), 60));
    assert!(gaps.iter().all(|gap| gap.why.contains(&Weakness::NoWay)), "{gaps:?}");
}

#[test]
fn who_has_no_address_of_a_way_is_not_reached_by_it() {
    let mut rules = whole();
    rules[2] = rule("second", RuleDays::every(), (0, 1440), &["wu"]);
    let gaps = found(&policy(&[Carrier::Mail]), &roster(rules));
    let first = gaps.into_iter().find(|gap| gap.class == Class::Emergency).unwrap();
    let one = Weakness::OnePerson { person: person("wang") };
    assert!(first.why.contains(&one), "{first:?}");
}

#[test]
fn a_station_with_a_line_of_its_own_is_looked_at_by_itself() {
    let mut rules = whole();
    rules.push(rule("first-hepan", RuleDays::every(), (0, 1430), &["li"]));
    let mut roster = roster(rules);
    let fallback = vec![person("li")];
    roster.lines.insert(line("first-hepan"), Line { label: String::new(), fallback });
    let hepan = StationId::new("hepan").unwrap();
    let lines = BTreeMap::from([(line("first"), line("first-hepan"))]);
    roster.stations.insert(hepan.clone(), Station { label: "河畔驿站".to_owned(), lines });
    roster.stations.insert(StationId::new("yunjian").unwrap(), Station::default());
    let gaps = found(&policy(BOTH), &roster);
    let of_emergency: Vec<_> = gaps.iter().filter(|gap| gap.class == Class::Emergency).collect();
    assert_eq!(of_emergency.len(), 60, "ten minutes of every day");
    assert!(of_emergency.iter().all(|gap| gap.station.as_ref() == Some(&hepan)));
    assert_eq!(of_emergency[0].from, at(&roster, "2026-10-01T23:50"));
}

#[test]
fn leave_opens_a_gap_for_its_own_hours() {
    let mut roster = roster(whole());
    let (from, to) = (at(&roster, "2026-10-12T10:00"), at(&roster, "2026-10-12T11:30"));
    let (id, by) = (DutyChangeId(1), person("chen"));
    let what = DutyChanged::Leave { who: person("zhang") };
    roster.changes.insert(id, DutyChange { id, from, to, what, by });
    let gaps = found(&policy(BOTH), &roster);
    let gap = gaps.into_iter().find(|gap| gap.class == Class::Hazard).unwrap();
    assert_eq!((gap.from, gap.to), (from, to));
}

/// The same for one moment, asked of the roster itself.
fn lacks(policy: &Policy, roster: &Roster, class: Class, wall: Wall) -> BTreeSet<Weakness> {
    let registry = registry();
    let ladder = &policy.ladders[&class];
    let reading = WallReading { wall, trusted: true };
    let night = class == Class::Coverage && !ladder.night.is_empty() && roster.is_night(reading);
    let rungs = if night { &ladder.night } else { &ladder.rungs };
    let (mut lacks, mut people, mut ways) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (step, rung) in (1..).zip(rungs.iter().take(STEPS)) {
        for who in &rung.who {
            let Who::Line(line) = who else { panic!("lines only") };
            let duty = roster.on_duty(&registry, line, reading);
            if !matches!(duty.by, DutyBy::Rule | DutyBy::Override) && roster.has_rules(line) {
                let (line, instead) = (line.clone(), duty.people.clone());
                lacks.insert(Weakness::NobodyOnShift { step, line, instead });
            }
            for id in duty.people {
                let row = registry.person(&id).unwrap();
                let by = rung.by.iter().filter(|carrier| carrier.can_reach(row));
                let needs: Vec<Needs> = by.map(|carrier| carrier.needs()).collect();
                if !needs.is_empty() {
                    people.insert(id);
                    ways.extend(needs);
                }
            }
        }
    }
    match (people.len(), people.first()) {
        (1, Some(person)) => drop(lacks.insert(Weakness::OnePerson { person: person.clone() })),
        (0, _) => drop(lacks.insert(Weakness::NoWay)),
        _ => {}
    }
    if ways.len() == 1 {
        lacks.insert(Weakness::OneWay { needs: *ways.first().unwrap() });
    }
    lacks
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn at_every_moment_the_proof_says_what_the_roster_would_answer(
        rules in proptest::collection::vec(
            (0..2usize, 0..3usize, 0..1440u16, 1..=1440u16, 0..5usize), 1..6),
        left in proptest::option::of((0i64..20 * 1440, 1i64..2 * 1440, 0..5usize)),
        moments in proptest::collection::vec(0i64..20 * 86_400_000, 40),
    ) {
        const PEOPLE: [&str; 5] = ["zhang", "li", "wang", "chen", "wu"];
        let days = [
            RuleDays::OfType(DayType::Work), RuleDays::OfType(DayType::Rest), RuleDays::every(),
        ];
        let rules = rules.into_iter().map(|(on, of, from, to, who)| {
            rule(["first", "second"][on], days[of].clone(), (from, to), &[PEOPLE[who]])
        });
        let mut roster = roster(rules.collect());
        let start = october(&roster);
        if let Some((from, length, who)) = left {
            let (id, by) = (DutyChangeId(1), person("chen"));
            let (from, to) = (Wall(start.0 + from * 60_000), Wall(start.0 + (from + length) * 60_000));
            let what = DutyChanged::Leave { who: person(PEOPLE[who]) };
            roster.changes.insert(id, DutyChange { id, from, to, what, by });
        }
        let policy = policy(BOTH);
        let gaps = uncovered(&policy, &roster, &registry(), (start, 20));
        let edges = gaps.iter().flat_map(|gap| [gap.from.0 - 1, gap.from.0, gap.to.0 - 1, gap.to.0]);
        let moments = moments.into_iter().map(|ms| start.0 + ms).chain(edges).map(Wall);
        let inside = moments.filter(|at| start <= *at && at.0 < start.0 + 20 * 86_400_000);
        for at in inside.collect::<Vec<_>>() {
            for class in COVERED {
                let here = gaps.iter().find(|g| g.class == class && g.from <= at && at < g.to);
                let said: BTreeSet<Weakness> =
                    here.into_iter().flat_map(|gap| gap.why.iter().cloned()).collect();
                prop_assert_eq!(said, lacks(&policy, &roster, class, at), "{} {:?}", class, at);
            }
        }
    }
}
