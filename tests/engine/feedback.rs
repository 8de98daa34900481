//! What the resident's light is told.

use anling::incident::{Fact, Move};
use anling::terms::FeedbackStage::{Accepted, Closed, OnScene, Stored};
use anling::terms::Kind;

use crate::house::{HELPED, House};
use crate::plan::device;

#[test]
fn stored_accepted_on_scene_closed() {
    let mut house = House::new();
    house.press("B-14");
    assert_eq!(house.feedback(), [("B-14", Stored)]);
    house.passes(60);
    assert!(house.feedback().is_empty());
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.feedback(), [("B-14", Accepted)]);
    house.says("zhangmin", Move::OnTheWay);
    assert!(house.feedback().is_empty());
    house.says("zhangmin", Move::Arrive);
    assert_eq!(house.feedback(), [("B-14", OnScene)]);
    house.says("zhangmin", HELPED);
    assert_eq!(house.feedback(), [("B-14", Closed)]);
}

#[test]
fn pressed_or_cancelled_while_somebody_is_coming_the_light_does_not_go_back() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.press("B-14");
    assert!(house.feedback().iter().all(|f| *f == ("B-14", Accepted)));
    house.cancel("B-14");
    assert_eq!(house.feedback(), [("B-14", Accepted)]);
}

#[test]
fn an_empty_battery_a_test_or_a_cancel_key_does_not_put_out_a_light_that_says_somebody_is_there() {
    let mut house = House::new();
    house.pulse("bed-7", Kind::BedExit);
    house.says("zhangmin", Move::Arrive);
    house.level("bed-7", Kind::LowBattery, true);
    assert_eq!(house.feedback(), [("bed-7", OnScene)]);
    house.cancel("bed-7");
    assert_eq!(house.feedback(), [("bed-7", OnScene)]);
    house.press("bed-7");
    assert_eq!(house.feedback(), [("bed-7", Stored)], "another call, that nobody has accepted");
}

#[test]
fn the_call_starts_again_and_the_light_says_so() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.minutes(15);
    assert_eq!(house.feedback(), [("B-14", Stored)]);
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    assert_eq!(house.feedback(), [("B-14", Stored)]);
}

#[test]
fn a_device_that_comes_back_is_told_how_far_its_call_has_come() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    let told = house.book.feedback_for(&device("B-14"));
    assert_eq!(told.iter().map(|c| c.stage).collect::<Vec<_>>(), [OnScene]);
    assert!(house.book.feedback_for(&device("B-15")).is_empty());
}

#[test]
fn a_technician_taking_a_low_battery_lights_no_lamp() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    assert_eq!(house.feedback(), [("B-14", Stored)]);
    house.says("sunwei", Move::Accept);
    assert!(house.feedback().is_empty());
}

#[test]
fn a_closed_order_does_not_put_out_an_emergencys_light() {
    let mut house = House::new();
    for _ in 0..4 {
        house.pulse("B-14", Kind::Service);
    }
    let order = house.nth(1).id;
    house.says_about(order, "zhangmin", HELPED);
    assert!(house.facts.iter().any(|f| matches!(f, Fact::Resolved { .. })));
    assert!(house.feedback().is_empty());
}

#[test]
fn the_hubs_own_troubles_light_nothing() {
    let mut house = House::new();
    house.trouble(Kind::Link, "broker", true);
    house.says("zhangmin", Move::Accept);
    assert!(house.feedback().is_empty());
}

#[test]
fn a_device_that_listens_only_after_the_end_is_told_that_it_is_over() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    let told = house.book.feedback_for(&device("B-14"));
    assert_eq!(told.iter().map(|c| c.stage).collect::<Vec<_>>(), [Closed]);
}
