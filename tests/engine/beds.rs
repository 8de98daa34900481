//! Home-care beds: what a contract that is over changes, and who hears that one ends.

use anling::incident::{
    BedEnd, Fact, IncidentBook, LifeLook, LifePlan, LifeRule, LifeSign, Stimulus,
};
use anling::registry::{Bed, Change, Contract, Row};
use anling::roster::Hours;
use anling::terms::{BedId, Class, HomeId, Kind, ResidentId, What};

use crate::house::{BY_PHONE, House};
use crate::plan;

const OFFLINE: What = What::Presence { online: false };

/// R4 lives in 3-2-503 with B-16, bed-7 and temp-3. Today is 23 November 2026.
fn bed(id: &str, from: &str, until: Option<&str>) -> Change {
    Change::Set(Row::Bed(Bed {
        id: BedId::new(id).unwrap(),
        resident: ResidentId::new("R4").unwrap(),
        home: Some(HomeId::new("3-2-503").unwrap()),
        from: from.parse().unwrap(),
        until: until.map(|until| until.parse().unwrap()),
        plan: String::new(),
    }))
}

fn house(beds: Vec<Change>) -> House {
    let mut house = House::new();
    house.takes(&Stimulus::Registry(beds));
    house
}

fn over() -> House {
    house(vec![bed("HB-1", "2026-01-01", Some("2026-06-30"))])
}

/// The ends that one look after the other tells of.
fn ends(house: &mut House) -> Vec<(String, BedEnd)> {
    let mut all = Vec::new();
    loop {
        house.takes(&Stimulus::BedLook);
        let told = house.facts.iter().find_map(|fact| match fact {
            Fact::BedEnding { bed, end, .. } => Some((bed.to_string(), *end)),
            _ => None,
        });
        match told {
            Some(told) => all.push(told),
            None => return all,
        }
    }
}

fn days(house: &mut House, days: u64) {
    house.minutes(days * 24 * 60);
}

#[test]
fn a_press_after_the_contract_still_calls_and_its_fact_says_how_the_contract_stood() {
    let mut house = over();
    house.press("B-16");
    house.called_at_all("zhangmin");
    let stood = house.it().bed.clone().unwrap();
    assert_eq!((stood.id.as_str(), stood.contract), ("HB-1", Contract::Over));
    let told = house.book.owed(&plan::endpoint("district")).last().unwrap();
    assert_eq!(told.bed.as_ref().map(|bed| bed.contract), Some(Contract::Over));
    house.restarts();
    assert_eq!(house.it().bed, Some(stood));
    house.press("B-14");
    assert_eq!(house.it().bed, None, "R1 has no bed");
}

#[test]
fn a_press_before_the_first_day_calls_and_within_the_contract_it_runs() {
    let mut house = house(vec![bed("HB-1", "2026-11-24", None)]);
    house.press("B-16");
    assert_eq!(house.it().bed.as_ref().unwrap().contract, Contract::Ahead);
    days(&mut house, 1);
    house.pulse("bed-7", Kind::BedExit);
    assert_eq!(house.it().bed.as_ref().unwrap().contract, Contract::Running);
}

#[test]
fn silence_is_a_fault_while_the_contract_runs_and_none_before_and_after() {
    let mut house = over();
    house.says_of("bed-7", OFFLINE);
    assert!(house.facts.is_empty(), "{:?}", house.facts);
    house.takes(&Stimulus::Registry(vec![bed("HB-1", "2026-01-01", None)]));
    house.says_of("bed-7", OFFLINE);
    assert_eq!((house.it().class, house.it().kind), (Class::Fault, Kind::Silent));
}

#[test]
fn an_empty_battery_sends_nobody_once_the_contract_is_over_and_is_told_when_it_runs_again() {
    let mut house = over();
    house.level("temp-3", Kind::LowBattery, true);
    assert_eq!((house.facts.len(), house.book.open_count()), (1, 0), "written down");
    house.level("temp-3", Kind::Tamper, true);
    assert_eq!(house.it().kind, Kind::Tamper, "what else is wrong is for the technician");
    house.says("sunwei", anling::incident::Move::FalseAlarm { contact: BY_PHONE });
    house.minutes(20);
    house.takes(&Stimulus::Registry(vec![bed("HB-1", "2026-01-01", None)]));
    house.level("temp-3", Kind::LowBattery, true);
    assert_eq!(house.it().kind, Kind::LowBattery);
}

#[test]
fn lost_messages_are_written_down_and_no_fault_once_the_contract_is_over() {
    let missed = |device: &str| Stimulus::Missed { device: plan::device(device), count: 100 };
    let mut house = over();
    house.takes(&missed("bed-7"));
    assert_eq!((house.facts.len(), house.book.open_count()), (1, 0));
    house.takes(&missed("B-20"));
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn a_clock_in_doubt_leaves_every_bed_running() {
    let mut house = over();
    house.trusted = false;
    house.says_of("bed-7", OFFLINE);
    assert_eq!(house.it().kind, Kind::Silent);
    assert_eq!(house.it().bed.as_ref().unwrap().contract, Contract::Running);
    assert!(ends(&mut house).is_empty());
}

#[test]
fn nobody_is_asked_after_for_a_resident_whose_contract_is_over() {
    let rule = LifeRule {
        windows: vec![Hours { from: 660, to: 780 }],
        signs: [LifeSign::Door].into(),
        homes: [HomeId::new("3-2-503").unwrap()].into(),
        ..LifeRule::default()
    };
    let missed = |mut house: House| {
        house.takes(&Stimulus::LifePlan(LifePlan::from([("day".to_owned(), rule.clone())])));
        house.minutes(180);
        let facts = house.looks(&LifeLook::default());
        facts.iter().filter(|fact| matches!(fact, Fact::WindowMissed { .. })).count()
    };
    assert_eq!(missed(over()), 0);
    assert_eq!(missed(house(vec![bed("HB-1", "2026-01-01", None)])), 1);
}

#[test]
fn thirty_and_seven_days_before_the_end_and_after_it_the_work_list_says_so_once() {
    let mut house = house(vec![bed("HB-1", "2026-01-01", Some("2026-12-25"))]);
    assert!(ends(&mut house).is_empty(), "32 days are left");
    days(&mut house, 2);
    assert_eq!(ends(&mut house), [("HB-1".to_owned(), BedEnd::Month)]);
    assert_eq!((house.it().class, house.it().kind), (Class::Fault, Kind::BedEnds));
    assert_eq!(house.it().resident, Some(ResidentId::new("R4").unwrap()));
    assert_eq!(house.it().home, Some(HomeId::new("3-2-503").unwrap()));
    assert_eq!(house.it().device.as_str(), "hub:bed.HB-1");
    let (first, done) = (house.it().id, anling::incident::Ending::Done);
    house.restarts();
    assert!(ends(&mut house).is_empty(), "a restart says nothing twice");
    house.says("sunwei", anling::incident::Move::Resolve { ending: done, contact: BY_PHONE });
    days(&mut house, 23);
    assert_eq!(ends(&mut house), [("HB-1".to_owned(), BedEnd::Week)]);
    assert_ne!(house.it().id, first, "an entry of its own");
    let second = house.it().id;
    days(&mut house, 8);
    assert_eq!(ends(&mut house), [("HB-1".to_owned(), BedEnd::Over)]);
    assert_eq!((house.it().id, house.it().kind), (second, Kind::BedOver), "still open: the same");
    days(&mut house, 60);
    assert!(ends(&mut house).is_empty());
}

#[test]
fn a_contract_that_is_renewed_says_nothing_and_one_that_is_prolonged_begins_anew() {
    let mut house =
        house(vec![bed("HB-1", "2026-01-01", Some("2026-12-01")), bed("HB-2", "2026-12-02", None)]);
    assert!(ends(&mut house).is_empty());
    house.takes(&Stimulus::Registry(vec![bed("HB-2", "2026-12-10", Some("2027-12-31"))]));
    assert_eq!(ends(&mut house), [("HB-1".to_owned(), BedEnd::Month)], "a gap of eight days");
    house.takes(&Stimulus::Registry(vec![bed("HB-1", "2026-01-01", Some("2026-12-09"))]));
    assert!(ends(&mut house).is_empty(), "the gap is closed");
}

#[test]
fn an_end_long_ago_is_no_news() {
    assert!(ends(&mut over()).is_empty());
}

#[test]
fn an_older_snapshot_knows_of_no_bed() {
    let mut parts = serde_json::to_value(over().book).unwrap();
    let registry = parts["registry"].as_object_mut().unwrap();
    assert!(registry.remove("beds").is_some());
    let read: IncidentBook = serde_json::from_value(parts).unwrap();
    assert!(!read.registry().has_beds());
}
