//! Signs of life: windows with and without them, who is asked, and what is never judged.

use std::collections::{BTreeMap, BTreeSet};

use anling::incident::{
    Fact, LifeLook, LifePlan, LifeRule, LifeSign, Move, Notice, Resumed, Stimulus, Unjudged,
};
use anling::roster::Hours;
use anling::terms::{Class, HomeId, Kind, ResidentId, Sign, Wait, Wall, What};

use crate::house::House;
use crate::plan::{device, person};

const MOTION: What = What::Sign(Sign::Motion);
const DOOR: What = What::Sign(Sign::Open);

/// R1's bed-room sensor is what `smoke-1` stands for here: a device of that home and of nobody.
const HERS: &str = "smoke-1";

fn resident(id: &str) -> ResidentId {
    ResidentId::new(id).unwrap()
}

/// From eleven to one, and from five to nine, in R1's home.
fn rule() -> LifeRule {
    LifeRule {
        windows: vec![Hours { from: 660, to: 780 }, Hours { from: 1020, to: 1260 }],
        signs: BTreeSet::from([LifeSign::Door, LifeSign::Motion]),
        homes: BTreeSet::from([HomeId::new("3-2-501").unwrap()]),
        owner: Some(person("zhaolei")),
        ..LifeRule::default()
    }
}

fn house_with(rule: LifeRule) -> House {
    let mut house = House::new();
    house.takes(&Stimulus::LifePlan(LifePlan::from([("day".to_owned(), rule)])));
    house
}

/// At 10:00, an hour before the first window.
fn house() -> House {
    house_with(rule())
}

fn looks(house: &mut House) -> Vec<Fact> {
    house.looks(&LifeLook::default())
}

fn missed(facts: &[Fact]) -> Vec<(String, u32)> {
    let row = |fact: &Fact| match fact {
        Fact::WindowMissed { resident, row, .. } => Some((resident.to_string(), *row)),
        _ => None,
    };
    facts.iter().filter_map(row).collect()
}

fn unjudged(facts: &[Fact]) -> Vec<Option<Unjudged>> {
    let why = |fact: &Fact| match fact {
        Fact::WindowJudged { unjudged, .. } => Some(*unjudged),
        _ => None,
    };
    facts.iter().filter_map(why).collect()
}

fn raised(facts: &[Fact]) -> Vec<(Class, Kind)> {
    let kind = |fact: &Fact| match fact {
        Fact::Raised { class, kind, .. } => Some((*class, *kind)),
        _ => None,
    };
    facts.iter().filter_map(kind).collect()
}

// ---- windows ----

#[test]
fn one_sign_in_the_window_is_written_down_once_and_nobody_is_asked_after() {
    let mut house = house();
    assert!(!house.lives(HERS, MOTION), "no window is open at ten");
    house.minutes(90);
    assert!(house.lives(HERS, MOTION));
    assert!(!house.lives(HERS, DOOR), "the second one is no news");
    house.minutes(90);
    let facts = looks(&mut house);
    assert_eq!((missed(&facts), unjudged(&facts)), (vec![], vec![None]));
    assert!(looks(&mut house).is_empty(), "judged once");
}

#[test]
fn the_first_miss_asks_the_duty_room_and_the_owner_on_the_screen_and_hurries_nobody() {
    let mut house = house();
    house.minutes(180);
    let facts = looks(&mut house);
    assert_eq!(missed(&facts), [("R1".to_owned(), 1)]);
    assert_eq!(raised(&facts), [(Class::Service, Kind::NoSign)]);
    let called = facts.iter().find_map(|fact| match fact {
        Fact::Called { calls, notice, next, .. } => Some((calls.clone(), notice.clone(), *next)),
        _ => None,
    });
    let (calls, notice, next) = called.unwrap();
    assert_eq!(notice, Notice::Called);
    assert!(calls.iter().any(|call| call.person == person("zhaolei")), "{calls:?}");
    assert!(next - house.now >= Wait::hours(4));
    assert_eq!(house.it().resident, Some(resident("R1")));
    house.restarts();
    assert!(looks(&mut house).is_empty(), "a restart asks nobody twice");
}

#[test]
fn the_second_miss_in_a_row_is_a_welfare_call_and_a_sign_settles_both() {
    let mut house = house();
    house.minutes(180);
    looks(&mut house);
    house.minutes(8 * 60);
    let facts = looks(&mut house);
    assert_eq!(missed(&facts), [("R1".to_owned(), 2)]);
    assert_eq!(raised(&facts), [(Class::Welfare, Kind::Inactivity)]);
    assert!(house.lives(HERS, MOTION), "news outside of a window, too");
    let settled = house.facts.iter().filter(|f| matches!(f, Fact::BackToNormal { .. })).count();
    assert_eq!((settled, house.book.open_count()), (2, 2), "only a person closes");
    // The row is broken: the next miss is a first one.
    house.minutes(16 * 60);
    assert_eq!(missed(&looks(&mut house)), [("R1".to_owned(), 1)]);
}

#[test]
fn a_sign_between_two_misses_breaks_the_row() {
    let mut house = house();
    house.minutes(180);
    looks(&mut house);
    house.says("zhaolei", Move::Accept);
    house.minutes(5 * 60);
    assert!(house.lives(HERS, DOOR));
    house.minutes(4 * 60);
    assert_eq!(missed(&looks(&mut house)), []);
    house.minutes(15 * 60);
    assert_eq!(missed(&looks(&mut house)), [("R1".to_owned(), 1)]);
}

// ---- which signs count, and whose ----

#[test]
fn a_key_counts_everywhere_and_a_sign_that_is_not_asked_for_does_not() {
    let only_doors = LifeRule { signs: BTreeSet::from([LifeSign::Door]), ..rule() };
    let mut house = house_with(only_doors);
    house.minutes(90);
    assert!(!house.lives(HERS, MOTION));
    assert!(!house.lives(HERS, What::Telemetry), "a sensor that is well says nothing of her");
    assert!(house.lives("B-14", What::Pulse(Kind::Service)));
    house.minutes(90);
    assert_eq!(missed(&looks(&mut house)), []);
}

#[test]
fn a_missing_meal_only_ever_asks_and_a_meal_counts_for_every_rule() {
    let meals = LifeRule { signs: BTreeSet::from([LifeSign::Meal]), ..rule() };
    let mut house = house_with(meals);
    for row in 1..=3 {
        house.minutes(if row == 2 { 8 * 60 } else { 180 + (row / 3) * 13 * 60 });
        let facts = looks(&mut house);
        assert_eq!(missed(&facts), [("R1".to_owned(), u32::try_from(row).unwrap())]);
        assert!(raised(&facts).iter().all(|(class, _)| *class == Class::Service));
    }
    let (resident, sign) = (resident("R1"), LifeSign::Meal);
    house.takes(&Stimulus::Sign { resident, sign });
    house.minutes(8 * 60);
    assert_eq!(missed(&looks(&mut house)), [("R1".to_owned(), 1)], "a meal broke the row");
}

#[test]
fn a_rule_without_homes_watches_whoever_has_such_a_device_and_names_what_it_says() {
    let types = BTreeMap::from([("bed".to_owned(), LifeSign::Bed)]);
    let signs = BTreeSet::from([LifeSign::Bed]);
    let of_beds = LifeRule { types, signs, homes: BTreeSet::new(), ..rule() };
    let mut house = house_with(of_beds.clone());
    let watched: Vec<_> = house.book.watched_by(&of_beds).map(|r| r.id.to_string()).collect();
    assert_eq!(watched, ["R4"]);
    house.minutes(90);
    assert!(!house.lives("B-16", MOTION), "a button is no bed");
    assert!(house.lives("bed-7", What::Pulse(Kind::BedExit)));
    let without = LifeRule { without: BTreeSet::from([resident("R4")]), ..of_beds };
    assert_eq!(house.book.watched_by(&without).count(), 0);
}

// ---- what is not judged ----

#[test]
fn whoever_is_away_is_not_asked_after_until_they_are_back() {
    let mut house = house();
    let until = Some(Wall(house.wall.0 + 6 * 3_600_000));
    let (who, by) = (resident("R1"), person("zhangmin"));
    house.takes(&Stimulus::Away { resident: who.clone(), until, by: by.clone() });
    house.restarts();
    house.minutes(180);
    assert_eq!(missed(&looks(&mut house)), []);
    house.minutes(8 * 60);
    assert_eq!(missed(&looks(&mut house)), [("R1".to_owned(), 1)], "the absence was over at four");
    house.takes(&Stimulus::Away { resident: who, until: None, by });
    assert_eq!(house.book.away().count(), 0);
    let stranger = Stimulus::Away { resident: resident("R99"), until, by: person("zhangmin") };
    house.takes(&stranger);
    assert!(house.facts.is_empty(), "nobody knows them");
}

#[test]
fn a_window_in_which_the_hub_was_off_is_not_judged_and_says_so() {
    let mut house = house();
    house.minutes(90);
    // The plug is out from half past eleven until twenty to twelve, and then for longer.
    house.away_for(Wait::mins(9), Resumed::ByWall);
    house.minutes(90);
    assert_eq!(unjudged(&looks(&mut house)), [None], "an update is no excuse");
    house.minutes(6 * 60);
    house.away_for(Wait::mins(11), Resumed::ByWall);
    house.minutes(3 * 60);
    let facts = looks(&mut house);
    assert_eq!((unjudged(&facts), missed(&facts)), (vec![Some(Unjudged::Off)], vec![]));
}

#[test]
fn days_of_darkness_are_no_miss() {
    let mut house = house();
    house.away_for(Wait::hours(24 * 3), Resumed::Unknown);
    let facts = looks(&mut house);
    let off = Some(Unjudged::Off);
    assert_eq!((unjudged(&facts), missed(&facts)), (vec![off, off], vec![]), "the last of each");
}

#[test]
fn while_the_clock_is_wrong_nothing_is_judged_and_afterwards_that_window_neither() {
    let mut house = house();
    house.trusted = false;
    house.minutes(90);
    assert!(house.lives(HERS, MOTION), "which window it is nobody knows");
    assert!(!house.lives(HERS, MOTION));
    house.minutes(90);
    assert!(looks(&mut house).is_empty(), "it waits");
    house.trusted = true;
    assert_eq!(unjudged(&looks(&mut house)), [Some(Unjudged::Clock)]);
    // The desk knows of a doubt that no fact holds.
    house.minutes(8 * 60);
    let look = LifeLook { untrusted_at: Some(house.now), ..LifeLook::default() };
    assert_eq!(unjudged(&house.looks(&look)), [Some(Unjudged::Clock)]);
}

#[test]
fn a_clock_that_is_set_makes_no_miss_of_a_sign() {
    let mut house = house();
    house.minutes(75);
    assert!(house.lives(HERS, MOTION), "at a quarter past eleven");
    house.wall = Wall(house.wall.0 + 3_600_000);
    house.minutes(60);
    // By this clock the window began before her sign.
    assert_eq!(missed(&looks(&mut house)), []);
    house.wall = Wall(house.wall.0 - 3_600_000);
    assert!(looks(&mut house).is_empty(), "the same window is not judged twice");
}

#[test]
fn who_cannot_be_heard_is_counted_and_not_missed() {
    let mut house = house();
    house.minutes(180);
    let cut_off = ["B-14", "smoke-1"].map(device).into();
    let facts = house.looks(&LifeLook { cut_off, untrusted_at: None });
    assert_eq!(missed(&facts), []);
    let unheard = facts.iter().any(|f| matches!(f, Fact::WindowJudged { unheard: 1, .. }));
    assert!(unheard, "{facts:?}");
}

#[test]
fn a_rule_that_is_new_or_changed_begins_with_its_next_window() {
    let mut house = house();
    house.minutes(90);
    let plan = LifePlan::from([("day".to_owned(), LifeRule { owner: None, ..rule() })]);
    house.takes(&Stimulus::LifePlan(plan.clone()));
    house.minutes(90);
    assert_eq!(unjudged(&looks(&mut house)), [Some(Unjudged::New)]);
    house.takes(&Stimulus::LifePlan(plan));
    assert!(house.facts.is_empty(), "the same rules are no news");
    house.minutes(8 * 60);
    assert_eq!(missed(&looks(&mut house)), [("R1".to_owned(), 1)]);
    house.takes(&Stimulus::LifePlan(LifePlan::new()));
    house.minutes(24 * 60);
    assert!(looks(&mut house).is_empty());
}
