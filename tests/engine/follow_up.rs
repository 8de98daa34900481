//! After the end: the follow-up, its reminders, and leaving memory.

use anling::incident::{Move, Notice, StageName, StoryKind};
use anling::terms::{DeviceId, Kind, What};

use crate::house::{BY_PHONE, HELPED, House};

fn over() -> House {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house
}

const ASKED_HOW_THEY_ARE: Move = Move::FollowUp { score: Some(5), complaint: false };

#[test]
fn the_lead_is_reminded_of_a_follow_up_after_a_day_and_after_two() {
    let mut house = over();
    house.passes(24 * 3600 - 1);
    assert!(house.given.is_empty());
    house.passes(1);
    house.called("zhaolei", &Notice::FollowUpDue);
    house.passes(24 * 3600);
    house.called("zhaolei", &Notice::FollowUpDue);
    house.passes(24 * 3600);
    assert!(house.given.is_empty());
}

#[test]
fn a_follow_up_is_recorded_with_a_score_once() {
    let mut house = over();
    house.says("lina", Move::FollowUp { score: Some(6), complaint: false });
    house.changed_nothing();
    house.says("lina", ASKED_HOW_THEY_ARE);
    assert_eq!(house.stage(), StageName::FollowedUp);
    assert!(house.event(StoryKind::FollowedUp));
    house.says("lina", ASKED_HOW_THEY_ARE);
    house.changed_nothing();
    house.passes(3 * 24 * 3600);
    assert!(house.given.is_empty());
}

#[test]
fn before_the_end_there_is_nothing_to_follow_up() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", ASKED_HOW_THEY_ARE);
    house.changed_nothing();
}

#[test]
fn pressed_within_ten_minutes_it_is_open_again_even_when_followed_up() {
    let mut house = over();
    house.says("lina", ASKED_HOW_THEY_ARE);
    house.press("B-14");
    assert_eq!((house.stage(), house.it().epoch), (StageName::Calling, 1));
}

#[test]
fn a_drill_asks_for_no_follow_up() {
    let mut house = House::new();
    house.press("B-14");
    let ending = anling::incident::Ending::Drill;
    house.says("zhangmin", Move::Resolve { ending, contact: BY_PHONE });
    house.passes(3 * 24 * 3600);
    assert!(house.given.is_empty());
}

#[test]
fn a_week_after_its_end_it_leaves_memory_and_nothing_of_it_stays() {
    let mut house = over();
    house.notes("lina", "已送医");
    let stranger = DeviceId::unregistered("native-mqtt", "X-99");
    for what in [What::Pulse(Kind::Sos), What::Cancel] {
        let report = house.report(&stranger, what);
        house.hears(report);
    }
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.endpoints_take_everything();
    house.minutes(7 * 24 * 60 + 1);
    house.endpoints_take_everything();
    assert_eq!((house.book.incidents().count(), house.book.order_count()), (0, 0));
    assert!(house.book.device(&stranger).is_none());
    assert_eq!(house.book.owed_counts().map(|(_, n)| n).sum::<usize>(), 0);
    assert_eq!(house.book.next_deadline(), None);
    house.restarts();
}

#[test]
fn what_a_stranger_says_in_tests_or_cancels_leaves_nothing_in_memory() {
    let mut house = House::new();
    for n in 0..5 {
        let stranger = DeviceId::unregistered("native-mqtt", &format!("X-{n}"));
        let test = house.report(&stranger, What::Pulse(Kind::Sos));
        house.hears(anling::terms::Report { test: true, ..test });
        let cancel = house.report(&stranger, What::Cancel);
        house.hears(cancel);
        assert!(house.book.device(&stranger).is_none());
    }
}

#[test]
fn a_strangers_empty_battery_is_written_down_and_sends_nobody_but_its_smoke_does() {
    let mut house = House::new();
    let stranger = DeviceId::unregistered("native-serial", "77777777");
    for kind in [Kind::LowBattery, Kind::Tamper] {
        let report = house.report(&stranger, What::Level { kind, on: true });
        house.hears(report);
        assert_eq!(house.facts.len(), 1, "it is written down: {:?}", house.facts);
        assert!(house.book.device(&stranger).is_none());
    }
    assert_eq!(house.book.open_count(), 0);
    let report = house.report(&stranger, What::Level { kind: Kind::Smoke, on: true });
    house.hears(report);
    assert_eq!(house.book.open_count(), 1);
}
