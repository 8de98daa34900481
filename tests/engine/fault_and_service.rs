//! What is not urgent: work lists in working hours, never in the way of a call.

use anling::incident::{Move, Notice, StageName};
use anling::terms::{Class, Kind, What};

use crate::house::{HELPED, House};

fn by_night() -> House {
    let mut house = House::new();
    house.passes(13 * 3600);
    house
}

#[test]
fn a_low_battery_goes_to_the_technician_only() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    house.only_called(&["sunwei"], &Notice::Called);
    assert_eq!(house.it().code.to_string(), "D01");
}

#[test]
fn at_night_a_fault_waits_for_the_morning() {
    let mut house = by_night();
    house.level("B-14", Kind::Tamper, true);
    house.nobody_called();
    assert_eq!(house.stage(), StageName::Queued);
    house.restarts();
    house.passes(9 * 3600 - 1);
    house.nobody_called();
    house.passes(1);
    house.only_called(&["sunwei"], &Notice::Called);
}

#[test]
fn a_fault_nobody_takes_is_repeated_to_the_same_people_and_wakes_nobody_else() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    house.passes(8 * 24 * 3600);
    assert!(house.given.iter().all(|g| g.0.as_str() == "sunwei"));
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn a_fault_that_was_accepted_is_not_called_again_a_quarter_of_an_hour_later() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    house.says("sunwei", Move::Accept);
    house.passes(3 * 3600);
    house.nobody_called();
    house.passes(22 * 3600);
    house.called_at_all("sunwei");
}

#[test]
fn a_fault_is_closed_without_a_visit_to_a_resident_and_asks_no_follow_up() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    house.says("sunwei", HELPED);
    assert_eq!(house.stage(), StageName::Resolved);
    house.passes(3 * 24 * 3600);
    assert!(house.given.is_empty());
}

#[test]
fn a_fault_delays_no_press_on_the_same_device() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    house.press("B-14");
    house.only_called(&["zhangmin"], &Notice::Called);
    assert_eq!(house.it().class, Class::Emergency);
}

#[test]
fn the_second_key_is_an_order_and_no_emergency() {
    let mut house = House::new();
    house.pulse("B-14", Kind::Service);
    assert_eq!((house.it().class, house.it().code.to_string().as_str()), (Class::Service, "S01"));
    house.passes(30);
    house.pulse("B-14", Kind::Service);
    house.nobody_called();
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn an_order_soon_after_an_order_is_another_one() {
    let mut house = by_night();
    house.pulse("B-14", Kind::Service);
    house.says("zhangmin", HELPED);
    house.minutes(5);
    house.pulse("B-14", Kind::Service);
    assert_eq!((house.it().id.0, house.stage()), (2, StageName::Queued));
    house.nobody_called();
}

#[test]
fn the_second_key_four_times_in_fifteen_seconds_is_an_emergency() {
    let mut house = House::new();
    for _ in 0..3 {
        house.pulse("B-14", Kind::Service);
        assert_eq!(house.book.open_count(), 1);
        house.passes(4);
    }
    house.pulse("B-14", Kind::Service);
    assert_eq!((house.book.open_count(), house.it().class), (2, Class::Emergency));
    house.only_called(&["zhangmin"], &Notice::Called);
    assert_eq!(house.nth(1).presses, 4);
    house.pulse("B-14", Kind::Service);
    assert_eq!(house.book.open_count(), 2);
}

#[test]
fn pressed_hard_while_an_order_is_being_closed_gives_one_number_to_one_incident() {
    let mut house = House::new();
    for n in 0..3 {
        house.pulse("B-14", Kind::Service);
        house.passes(1);
        if n == 2 {
            house.says("zhangmin", HELPED);
        }
    }
    house.pulse("B-14", Kind::Service);
    let open: Vec<Class> = house.book.open().map(|i| i.class).collect();
    assert_eq!(open, [Class::Emergency]);
}

#[test]
fn pressed_hard_in_a_test_is_no_emergency_later() {
    let mut house = House::new();
    for _ in 0..3 {
        let press = house.report(&crate::plan::device("B-14"), What::Pulse(Kind::Service));
        house.hears(anling::terms::Report { test: true, ..press });
    }
    house.pulse("B-14", Kind::Service);
    assert_eq!(house.it().class, Class::Service);
}

#[test]
fn an_order_at_night_is_told_in_the_morning() {
    let mut house = by_night();
    house.pulse("B-14", Kind::Service);
    house.nobody_called();
    house.passes(9 * 3600);
    house.only_called(&["zhangmin"], &Notice::Called);
}

#[test]
fn with_an_untrusted_clock_nothing_waits_for_a_morning() {
    let mut house = by_night();
    house.trusted = false;
    house.level("B-14", Kind::Tamper, true);
    house.called_at_all("sunwei");
    assert!(!house.it().clock_trusted);
}
