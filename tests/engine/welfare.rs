//! A resident not heard of: slower, and an emergency in the end.

use anling::incident::{Move, Notice, StageName};
use anling::terms::{Class, Kind};

use crate::house::{HELPED, House};
use crate::plan;

fn unseen() -> House {
    let mut house = House::new();
    house.pulse("bed-7", Kind::Inactivity);
    house
}

#[test]
fn somebody_not_heard_of_is_looked_after_step_by_slower_step() {
    let mut house = unseen();
    house.only_called(&["zhangmin"], &Notice::Called);
    assert_eq!(house.it().code.to_string(), "P01");
    house.minutes(9);
    house.nobody_called();
    house.minutes(1);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
}

#[test]
fn after_half_an_hour_without_anybody_it_is_an_emergency_under_the_same_code() {
    let mut house = unseen();
    house.minutes(29);
    assert_eq!(house.it().class, Class::Welfare);
    house.minutes(1);
    house.only_called(&["zhangmin"], &Notice::Escalated);
    house.calling(0, 0, 1);
    assert_eq!((house.it().class, house.it().code.to_string().as_str()), (Class::Emergency, "P01"));
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.passes(120);
    house.called("chenjie", &Notice::AllHands);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.pulse("bed-7", Kind::Inactivity);
    assert_eq!(house.it().code.to_string(), "P02", "the old code rests");
    house.restarts();
}

#[test]
fn who_could_not_look_after_somebody_is_asked_again_for_the_emergency() {
    let mut house = unseen();
    house.says("zhangmin", Move::Decline);
    house.says("lina", Move::Decline);
    house.says("wangqiang", Move::Decline);
    assert_eq!(house.it().class, Class::Emergency);
    house.only_called(&["zhangmin"], &Notice::Escalated);
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
}

#[test]
fn the_resident_presses_meanwhile_and_that_is_an_emergency_of_its_own() {
    let mut house = unseen();
    house.press("bed-7");
    assert_eq!(house.book.open_count(), 2);
    assert_eq!((house.it().class, house.nth(1).class), (Class::Emergency, Class::Welfare));
}

#[test]
fn with_an_emergency_open_already_the_welfare_call_stays_loud_beside_it() {
    let mut house = unseen();
    house.press("bed-7");
    house.says("zhangmin", Move::Arrive);
    house.minutes(30);
    assert_eq!(house.nth(1).class, Class::Welfare);
    house.called("chenjie", &Notice::AllHands);
    house.says("zhangmin", HELPED);
    house.passes(180);
    assert_eq!(house.nth(1).class, Class::Emergency, "and becomes one when that is over");
    house.called("zhangmin", &Notice::Escalated);
}

#[test]
fn water_that_comes_and_goes_moves_no_step() {
    let mut house = House::new();
    house.level("bed-7", Kind::Water, true);
    for _ in 0..5 {
        house.level("bed-7", Kind::Water, false);
        house.level("bed-7", Kind::Water, true);
        house.nobody_called();
    }
    assert_eq!(house.it().presses, 6);
    house.calling(0, 0, 0);
}

#[test]
fn two_are_needed_for_an_emergency_and_so_for_one_that_became_one() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().needs = 2;
    let mut house = House::with(&policy);
    house.pulse("bed-7", Kind::BedExit);
    house.minutes(30);
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn a_welfare_call_nobody_arrives_at_goes_on_as_an_emergency() {
    let mut house = unseen();
    house.minutes(10);
    house.says("lina", Move::Accept);
    house.minutes(15);
    assert_eq!((house.it().class, house.it().epoch), (Class::Emergency, 2));
    house.called("zhangmin", &Notice::Escalated);
}

#[test]
fn a_class_that_becomes_a_hazard_calls_everybody() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Welfare).unwrap().becomes = Some(Class::Hazard);
    let mut house = House::with(&policy);
    house.level("bed-7", Kind::Water, true);
    house.minutes(30);
    assert_eq!(house.it().class, Class::Hazard);
    house.called("chenjie", &Notice::Escalated);
    house.passes(60);
    house.called("chenjie", &Notice::HazardGoesOn);
}
