//! Levels and presence of devices.

use anling::incident::{Move, Notice, StageName};
use anling::registry::{Change, RowId};
use anling::terms::{Kind, Mark, Report, What};

use crate::house::{HELPED, House};
use crate::plan::device;

#[test]
fn a_known_level_is_no_news() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, false);
    assert!(house.facts.is_empty());
    house.level("B-14", Kind::LowBattery, true);
    house.level("B-14", Kind::LowBattery, true);
    assert!(house.facts.is_empty());
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn smoke_found_at_the_start_is_called_and_marked_as_found() {
    let mut house = House::new();
    let what = What::Level { kind: Kind::Smoke, on: true };
    let kept = house.report(&device("smoke-1"), what);
    house.hears(Report { retained: true, ..kept.clone() });
    assert!(house.it().found_at_start);
    house.called_at_all("chenjie");
    house.restarts();
    house.hears(Report { retained: true, ..kept });
    assert!(house.facts.is_empty(), "the same kept copy after a restart is no news");
}

#[test]
fn a_silent_device_is_a_fault_and_back_again_is_noted() {
    let mut house = House::new();
    house.says_of("B-14", What::Presence { online: true });
    assert!(house.facts.is_empty());
    house.says_of("B-14", What::Presence { online: false });
    assert_eq!(house.it().kind, Kind::Silent);
    house.says_of("B-14", What::Presence { online: true });
    assert!(house.it().back_to_normal);
    house.says_of("B-14", What::Presence { online: false });
    assert!(!house.it().back_to_normal, "silent again");
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn signs_of_life_leave_no_fact() {
    let mut house = House::new();
    house.says_of("B-14", What::Telemetry);
    assert!(house.facts.is_empty());
}

#[test]
fn after_a_battery_change_the_first_press_counts() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house.passes(601);
    let press = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    house.hears(Report { mark: Some(Mark { boot: 2, seq: 1 }), ..press });
    assert_eq!((house.it().id.0, house.stage()), (2, StageName::Calling));
}

#[test]
fn a_device_taken_out_of_the_registry_is_forgotten_when_nothing_of_it_is_left() {
    let mut house = House::new();
    house.press("B-14");
    let gone = Change::Removed(RowId::Device(device("B-14")));
    house.takes(&anling::incident::Stimulus::Registry(vec![gone]));
    assert!(house.book.device(&device("B-14")).is_some(), "its call goes on");
    house.passes(60);
    house.called_at_all("lina");
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.minutes(7 * 24 * 60 + 1);
    assert!(house.book.device(&device("B-14")).is_none());
}

#[test]
fn a_button_that_dies_while_its_battery_is_low_is_told_as_dead_and_not_kept_for_later() {
    let mut house = House::new();
    house.level("B-14", Kind::LowBattery, true);
    let fault = house.it().id;
    house.says_of("B-14", What::Presence { online: false });
    assert_eq!((house.it().id, house.it().kind), (fault, Kind::Silent));
    house.called("sunwei", &Notice::PressedMeanwhile);
    house.says_of("B-14", What::Presence { online: true });
    assert_eq!(house.it().kind, Kind::LowBattery, "it speaks, and its battery is still low");
    assert!(!house.it().back_to_normal);
    house.level("B-14", Kind::LowBattery, false);
    assert!(house.it().back_to_normal);
}

#[test]
fn a_call_that_is_found_is_the_open_one_or_a_new_one_and_moves_nobody_up() {
    let mut house = House::new();
    let press = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    let found = Report { mark: None, found: true, ..press };
    house.hears(found.clone());
    assert!(house.it().found_at_start);
    house.passes(20);
    house.restarts();
    house.hears(Report { heard_at: house.now, ..found.clone() });
    assert!(house.facts.is_empty(), "still lit: the call that is open");
    house.says("zhangmin", Move::Accept);
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house.passes(601);
    house.hears(Report { heard_at: house.now, ..found });
    assert_eq!((house.it().id.0, house.stage()), (2, StageName::Calling), "when unsure, a call");
}
