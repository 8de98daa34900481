//! What goes wrong with the hub itself: lost coverage, a disk that cannot be written.

use anling::incident::{Move, Notice, Resumed, StageName, StoryKind};
use anling::terms::{Class, Kind};

use crate::house::{HELPED, House};

const ALL: [&str; 6] = ["zhangmin", "lina", "wangqiang", "chenjie", "zhaolei", "sunwei"];

#[test]
fn a_lost_link_by_day_is_called_like_an_emergency() {
    let mut house = House::new();
    house.trouble(Kind::Link, "broker", true);
    assert_eq!((house.it().class, house.it().code.to_string().as_str()), (Class::Coverage, "H01"));
    house.only_called(&["zhangmin"], &Notice::Called);
    house.passes(180);
    house.only_called(&ALL, &Notice::AllHands);
}

#[test]
fn a_lost_link_by_night_is_the_leads_and_the_districts_until_the_morning() {
    let mut house = House::new();
    house.passes(13 * 3600);
    house.trouble(Kind::Link, "broker", true);
    house.only_called(&["zhaolei"], &Notice::Called);
    house.minutes(5);
    house.only_called(&["zhaolei"], &Notice::Escalated);
    assert!(house.event(StoryKind::Exhausted));
    house.passes(3 * 3600);
    assert!(house.given.iter().all(|g| g.0.as_str() == "zhaolei"));
    house.passes(4 * 3600);
    house.called_at_all("chenjie");
}

#[test]
fn what_is_broken_still_is_told_once() {
    let mut house = House::new();
    house.trouble(Kind::Link, "broker", true);
    house.trouble(Kind::Link, "broker", true);
    assert!(house.facts.is_empty());
    house.trouble(Kind::Link, "serial.front", true);
    assert_eq!(house.book.open_count(), 2);
}

#[test]
fn what_works_again_is_noted_and_a_person_closes_it() {
    let mut house = House::new();
    house.trouble(Kind::Link, "broker", true);
    house.trouble(Kind::Link, "broker", false);
    assert!(house.it().back_to_normal && house.stage() == StageName::Calling);
    house.trouble(Kind::Link, "broker", true);
    assert!(!house.it().back_to_normal);
    house.says("zhangmin", HELPED);
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn a_carrier_that_cannot_reach_people_is_lost_coverage_and_an_endpoint_a_fault() {
    let mut house = House::new();
    house.trouble(Kind::Carrier, "mail", true);
    assert_eq!(house.it().class, Class::Coverage);
    assert_eq!(house.it().device.as_str(), "hub:carrier.mail");
    let mut house = House::new();
    house.trouble(Kind::Endpoint, "webhook.district", true);
    house.only_called(&["sunwei"], &Notice::Called);
    assert_eq!(house.it().device.as_str(), "hub:endpoint.webhook.district");
}

#[test]
fn while_the_record_is_not_safe_a_press_calls_everybody_at_once() {
    let mut house = House::new();
    house.safe = false;
    house.press("B-14");
    house.only_called(&ALL, &Notice::AllHands);
    house.passes(120);
    house.only_called(&ALL, &Notice::AllHands);
    assert!(house.event(StoryKind::Exhausted));
}

#[test]
fn while_the_record_is_not_safe_every_new_call_calls_everybody() {
    let mut house = House::new();
    house.press("B-14");
    house.safe = false;
    house.press("B-14");
    house.only_called(&ALL, &Notice::PressedAgain);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.press("B-14");
    house.only_called(&ALL, &Notice::Reopened);
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    house.called("chenjie", &Notice::Declined);
}

#[test]
fn while_the_record_is_not_safe_a_fault_is_still_a_fault() {
    let mut house = House::new();
    house.safe = false;
    house.level("B-14", Kind::LowBattery, true);
    house.only_called(&["sunwei"], &Notice::Called);
}

#[test]
fn an_untrusted_clock_calls_everybody_who_could_be_on_duty() {
    let mut house = House::new();
    house.trusted = false;
    house.press("B-14");
    house.called("zhangmin", &Notice::Called);
    assert!(!house.it().clock_trusted);
}

#[test]
fn a_restart_in_the_same_boot_changes_no_deadline() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(30);
    let next = house.book.next_deadline();
    house.restarts();
    assert_eq!(house.book.next_deadline(), next);
    house.nobody_called();
    house.passes(30);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
}

#[test]
fn after_a_restart_what_was_not_sent_is_given_out_under_the_same_names() {
    let mut house = House::new();
    house.press("B-14");
    let names = |house: &House| house.book.outstanding().map(|o| o.id.clone()).collect::<Vec<_>>();
    let before = names(&house);
    house.restarts();
    assert_eq!(names(&house), before);
    assert!(!before.is_empty());
}

#[test]
fn nobody_knows_how_long_the_hub_was_away_and_silence_ends_and_tries_go_on() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Silence);
    let order = house.order_to("zhangmin", anling::incident::Carrier::Mail);
    let later = anling::incident::Outcome::TryLater { why: "421".to_owned(), after: None };
    house.carrier_says(&order, later);
    house.restarts();
    house.starts(Resumed::Unknown);
    house.passes(0);
    assert_eq!(house.it().silenced, None);
    assert_eq!(house.order_to("zhangmin", anling::incident::Carrier::Mail).attempt, 2);
}

#[test]
fn a_record_cut_between_a_raised_incident_and_its_first_call_is_called_at_once() {
    let mut house = House::new();
    house.press("B-14");
    house.loses_what_follows_the_raising();
    assert_eq!(house.stage(), StageName::Queued);
    house.passes(0);
    house.only_called(&["zhangmin"], &Notice::Called);
}

#[test]
fn many_silent_devices_are_a_gap_in_the_cover_of_the_house() {
    let mut house = House::new();
    house.trouble(Kind::Silent, "devices", true);
    assert_eq!((house.it().class, house.stage()), (Class::Coverage, StageName::Calling));
    house.trouble(Kind::Silent, "devices", false);
    assert!(house.it().back_to_normal && house.it().stage.is_open(), "people close it");
}

#[test]
fn another_id_than_the_records_is_a_fault_that_a_person_settles() {
    let mut house = House::new();
    house.starts(Resumed::SameBoot);
    let whose = |house: &House| house.book.hub().unwrap().to_string();
    house.starts_as("another");
    assert_eq!(whose(&house), "hub-1", "the first start says whose the record is");
    house.trouble(Kind::HubId, "hub.id", true);
    assert_eq!(house.it().class, Class::Coverage);
    house.starts(Resumed::SameBoot);
    house.trouble(Kind::HubId, "hub.id", false);
    assert!(house.it().back_to_normal);
    house.says("zhangmin", HELPED);
    assert_eq!(whose(&house), "hub-1", "it was changed back before it was closed");
    house.starts_as("another");
    house.trouble(Kind::HubId, "hub.id", true);
    house.says("zhangmin", HELPED);
    assert_eq!(whose(&house), "another", "closed while it runs as another: it is meant");
    house.restarts();
    assert_eq!(whose(&house), "another");
}
