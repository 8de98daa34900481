//! Smoke and gas: everybody at once, again and again, until enough are there.

use anling::incident::{Move, Notice, StageName, Stimulus, StoryKind};
use anling::registry::Role;
use anling::terms::{Class, Kind, Wait};

use crate::house::{HELPED, House};
use crate::plan;

const ALL: [&str; 6] = ["zhangmin", "lina", "wangqiang", "chenjie", "zhaolei", "sunwei"];

fn smoke() -> House {
    let mut house = House::new();
    house.level("smoke-1", Kind::Smoke, true);
    house
}

#[test]
fn smoke_calls_everybody_at_once_and_again_each_minute() {
    let mut house = smoke();
    house.only_called(&ALL, &Notice::Called);
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
    assert_eq!((house.stage(), house.it().epoch), (StageName::Calling, 0));
}

#[test]
fn an_answer_stops_only_that_persons_repeats() {
    let mut house = smoke();
    house.says("lina", Move::Accept);
    assert!(!house.given.iter().any(|g| matches!(g.2, Notice::Taken { .. })));
    house.says("sunwei", Move::Decline);
    house.passes(60);
    house.only_called(&["zhangmin", "wangqiang", "chenjie", "zhaolei"], &Notice::HazardGoesOn);
}

#[test]
fn acceptances_in_a_row_do_not_put_the_repeat_off() {
    let mut house = smoke();
    for who in ["lina", "zhangmin", "zhaolei"] {
        house.says(who, Move::Accept);
        house.passes(25);
    }
    house.passes(60 - 15);
    house.called("chenjie", &Notice::HazardGoesOn);
}

#[test]
fn two_on_scene_end_the_repeats() {
    let mut house = smoke();
    house.says("lina", Move::Arrive);
    house.passes(60);
    house.called("zhangmin", &Notice::HazardGoesOn);
    house.says("zhangmin", Move::Arrive);
    house.minutes(10);
    house.nobody_called();
    house.says("zhangmin", Move::Decline);
    house.passes(60);
    house.called("chenjie", &Notice::HazardGoesOn);
}

#[test]
fn everybody_accepts_nobody_arrives_and_it_is_loud_again() {
    let mut house = smoke();
    for who in ALL {
        house.says(who, Move::Accept);
    }
    house.minutes(14);
    house.nobody_called();
    house.minutes(1);
    house.only_called(&ALL, &Notice::NotArrived);
    assert_eq!((house.stage(), house.it().epoch), (StageName::Calling, 1));
}

#[test]
fn everybody_says_no_and_everybody_is_called_again() {
    let mut house = smoke();
    for who in ALL {
        house.says(who, Move::Decline);
    }
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
}

#[test]
fn the_only_one_coming_gives_it_back_and_everybody_else_is_called_at_once() {
    let mut house = smoke();
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    house
        .only_called(&["zhangmin", "wangqiang", "chenjie", "zhaolei", "sunwei"], &Notice::Declined);
}

#[test]
fn three_minutes_of_smoke_without_anybody_ask_the_district_to_take_over() {
    let mut house = smoke();
    house.passes(179);
    assert!(!house.event(StoryKind::Exhausted));
    house.passes(1);
    assert!(house.event(StoryKind::Exhausted));
}

#[test]
fn a_sensor_back_to_normal_only_annotates() {
    let mut house = smoke();
    house.level("smoke-1", Kind::Smoke, false);
    assert!(house.it().back_to_normal);
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
    house.level("smoke-1", Kind::Smoke, true);
    assert!(!house.it().back_to_normal);
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn smoke_again_soon_after_the_end_calls_everybody_not_a_step() {
    let mut house = smoke();
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.level("smoke-1", Kind::Smoke, false);
    house.passes(120);
    house.level("smoke-1", Kind::Smoke, true);
    house.only_called(&ALL, &Notice::Reopened);
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
}

#[test]
fn smoke_that_never_went_off_is_a_new_fire_ten_minutes_after_its_end() {
    let mut house = smoke();
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.passes(300);
    house.level("smoke-1", Kind::Smoke, true);
    assert!(house.facts.is_empty(), "it is being aired");
    house.passes(301);
    house.level("smoke-1", Kind::Smoke, true);
    house.only_called(&ALL, &Notice::Called);
}

#[test]
fn a_smoke_alarm_under_test_hides_no_smoke() {
    let mut house = smoke();
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.level("smoke-1", Kind::Smoke, false);
    let what = anling::terms::What::Level { kind: Kind::Smoke, on: true };
    let test = house.report(&plan::device("smoke-1"), what);
    house.hears(anling::terms::Report { test: true, ..test });
    house.nobody_called();
    house.level("smoke-1", Kind::Smoke, true);
    house.only_called(&ALL, &Notice::Reopened);
}

#[test]
fn smoke_is_never_delayed_by_an_open_emergency_next_door_or_by_faults() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Accept);
    house.level("smoke-1", Kind::Tamper, true);
    house.level("smoke-1", Kind::Smoke, true);
    house.only_called(&ALL, &Notice::Called);
    assert_eq!(house.it().class, Class::Hazard);
    assert_eq!(house.nth(1).stage.name(), StageName::Accepted);
}

#[test]
fn a_ladder_for_hazards_has_no_say_in_who_is_called_first() {
    let mut policy = plan::policy();
    let ladder = policy.ladders.get_mut(&Class::Hazard).unwrap();
    ladder.rungs[0].who = vec![plan::line("lead")];
    ladder.rungs[0].wait = Wait::hours(2);
    let mut house = House::with(&policy);
    house.level("smoke-1", Kind::Gas, true);
    house.only_called(&ALL, &Notice::Called);
    house.passes(60);
    house.only_called(&ALL, &Notice::HazardGoesOn);
}

#[test]
fn a_house_of_hundreds_is_called_though_no_entry_of_the_record_can_name_them_all() {
    let mut house = House::new();
    let long = |n: u32| format!("{n:03}-{}", "护".repeat(40));
    let rows = (0..300).map(|n| plan::person_row(&long(n), Role::Staff, true)).collect();
    house.takes(&Stimulus::Registry(rows));
    house.level("smoke-1", Kind::Smoke, true);
    for n in 0..300 {
        house.called_at_all(&long(n));
    }
    for fact in &house.facts {
        let length = serde_json::to_vec(fact).unwrap().len();
        assert!(length < 15 * 1024, "{} has {length} bytes", fact.name());
    }
}

#[test]
fn gas_on_an_alarm_that_told_of_smoke_is_told_to_those_who_came_for_smoke() {
    let mut house = smoke();
    house.says("lina", Move::Arrive);
    house.says("zhangmin", Move::Accept);
    house.says("sunwei", Move::Decline);
    house.passes(5);
    house.level("smoke-1", Kind::Gas, true);
    for who in ["lina", "zhangmin", "chenjie"] {
        house.called(who, &Notice::PressedMeanwhile);
    }
    house.not_told("sunwei");
    assert_eq!((house.it().kind, house.it().presses), (Kind::Gas, 2));
    house.level("smoke-1", Kind::Gas, false);
    assert!(!house.it().back_to_normal, "the gas has gone, the smoke has not");
    house.level("smoke-1", Kind::Smoke, false);
    assert!(house.it().back_to_normal);
}

#[test]
fn all_that_is_on_at_one_detector_is_named_and_nothing_that_is_over() {
    let mut house = House::new();
    let named = |house: &House| house.book.dangers(house.it());
    house.level("smoke-1", Kind::Smoke, true);
    house.passes(5);
    house.level("smoke-1", Kind::Gas, true);
    assert_eq!(named(&house), [Kind::Smoke, Kind::Gas]);
    house.level("smoke-1", Kind::LowBattery, true);
    let hazard = |house: &House| house.book.dangers(house.nth(1));
    assert_eq!(hazard(&house), [Kind::Smoke, Kind::Gas], "an empty battery is a fault of its own");
    house.level("smoke-1", Kind::Gas, false);
    assert_eq!(hazard(&house), [Kind::Smoke], "the newest is over, the oldest is on");
    house.passes(5);
    house.level("smoke-1", Kind::Gas, true);
    house.level("smoke-1", Kind::Smoke, false);
    house.passes(5);
    house.level("smoke-1", Kind::Smoke, true);
    assert_eq!(hazard(&house), [Kind::Gas, Kind::Smoke]);
    house.level("smoke-1", Kind::Gas, false);
    house.level("smoke-1", Kind::Smoke, false);
    assert_eq!(hazard(&house), [Kind::Smoke], "its kind stays when nothing is on any more");
}
