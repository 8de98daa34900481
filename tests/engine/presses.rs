//! Presses: again, soon after the end, cancelled, in a test, without a count.

use std::collections::BTreeSet;

use anling::incident::{Effect, Fact, Move, Notice, StageName, StoryKind};
use anling::terms::{Class, DeviceId, Kind, What};

use crate::house::{Given, HELPED, House};
use crate::plan::{self, device};

#[test]
fn the_same_press_heard_again_is_one_press() {
    let mut house = House::new();
    let report = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    house.hears(report.clone());
    house.passes(5);
    house.hears(report);
    assert!(house.facts.is_empty());
    assert_eq!(house.it().presses, 1);
}

#[test]
fn without_a_count_two_signals_within_three_seconds_are_one_and_later_ones_two() {
    let mut house = House::new();
    let radio = |house: &mut House| {
        let report = house.report(&device("B-14"), What::Pulse(Kind::Sos));
        house.hears(anling::terms::Report { mark: None, ..report });
        house.book.open().next().unwrap().presses
    };
    assert_eq!(radio(&mut house), 1);
    house.passes(2);
    assert_eq!(radio(&mut house), 1);
    house.passes(1);
    assert_eq!(radio(&mut house), 2);
}

#[test]
fn pressed_again_while_nobody_has_accepted_calls_the_next_step_now() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(5);
    house.press("B-14");
    house.only_called(&["zhangmin", "lina", "wangqiang"], &Notice::PressedAgain);
    house.calling(1, 0, 0);
    assert_eq!(house.it().presses, 2);
    house.passes(10);
    house.press("B-14");
    house.nobody_called();
    house.passes(10);
    house.press("B-14");
    house.called("zhaolei", &Notice::PressedAgain);
    house.calling(2, 0, 0);
}

#[test]
fn pressed_again_while_calling_is_one_happening_for_everybody_called() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.press("B-14");
    house.only_called(&["zhangmin", "lina", "wangqiang", "zhaolei"], &Notice::PressedAgain);
    let caused = |effect: &Effect| match effect {
        Effect::Order(id) => Some(id.cause),
        _ => None,
    };
    let causes: BTreeSet<_> = house.effects.iter().filter_map(caused).collect();
    assert_eq!(causes.len(), 1, "the duty room reads a line for each: {:?}", house.facts);
}

#[test]
fn pressed_again_after_the_ladders_end_calls_everybody_now() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(200);
    house.press("B-14");
    house.called("chenjie", &Notice::PressedAgain);
    house.calling(2, 2, 0);
}

#[test]
fn pressed_again_while_somebody_is_coming_tells_them_and_the_lead() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Accept);
    house.minutes(3);
    house.press("B-14");
    house.called("lina", &Notice::PressedMeanwhile);
    house.called("zhaolei", &Notice::PressedMeanwhile);
    house.nobody_called();
    assert_eq!(house.stage(), StageName::Accepted);
}

#[test]
fn a_string_of_presses_while_somebody_is_coming_is_one_word_every_twenty_seconds() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Accept);
    house.minutes(3);
    house.press("B-14");
    house.called("lina", &Notice::PressedMeanwhile);
    house.passes(10);
    house.press("B-14");
    house.not_told("lina");
    house.not_told("zhaolei");
    assert_eq!(house.it().presses, 3, "recorded all the same");
    house.passes(10);
    house.press("B-14");
    house.called("lina", &Notice::PressedMeanwhile);
    house.says("lina", Move::Arrive);
    house.passes(19);
    house.press("B-14");
    house.not_told("lina");
    house.passes(1);
    house.press("B-14");
    house.called("lina", &Notice::PressedMeanwhile);
}

#[test]
fn whoever_is_asked_to_come_because_of_a_press_is_not_told_of_it_as_well() {
    let mut policy = plan::policy();
    policy.second = vec![plan::line("lead")];
    let mut house = House::with(&policy);
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.minutes(4);
    for _ in 0..2 {
        house.press("B-14");
        house.passes(10);
    }
    house.press("B-14");
    let asked = |g: &&Given| g.0.as_str() == "zhaolei";
    let words: BTreeSet<_> = house.given.iter().filter(asked).map(|g| g.2.clone()).collect();
    assert_eq!(words, [Notice::Reinforce].into());
    house.called("zhangmin", &Notice::PressedMeanwhile);
}

#[test]
fn three_presses_in_two_minutes_while_somebody_is_coming_add_the_second_line() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.minutes(4);
    for _ in 0..2 {
        house.press("B-14");
        house.nobody_called();
        house.passes(10);
    }
    house.press("B-14");
    house.only_called(&["lina", "wangqiang"], &Notice::Reinforce);
    house.says("zhangmin", Move::OnTheWay);
    let asked = house.book.outstanding().filter(|o| o.notice == Notice::Reinforce).count();
    assert_eq!(asked, 3, "that Zhang Min sets out does not take it back");
    house.says("lina", Move::Accept);
    assert_eq!(house.book.outstanding().filter(|o| o.notice == Notice::Reinforce).count(), 0);
}

#[test]
fn many_presses_before_the_acceptance_do_not_spend_the_second_line() {
    let mut house = House::new();
    for _ in 0..5 {
        house.press("B-14");
    }
    house.says("zhangmin", Move::Accept);
    house.passes(25);
    house.press("B-14");
    house.called("lina", &Notice::Reinforce);
}

#[test]
fn pressed_on_scene_tells_the_responder_only() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Arrive);
    house.press("B-14");
    house.called("lina", &Notice::PressedMeanwhile);
    assert!(house.given.iter().all(|g| g.0.as_str() == "lina"));
}

#[test]
fn two_are_needed_and_the_one_coming_hears_of_another_press() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().needs = 2;
    let mut house = House::with(&policy);
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.press("B-14");
    house.called("zhangmin", &Notice::PressedMeanwhile);
    house.only_called(&["lina", "wangqiang"], &Notice::PressedAgain);
}

#[test]
fn pressed_within_ten_minutes_of_the_end_it_is_open_again_at_the_second_step() {
    let mut house = House::new();
    house.press("B-14");
    house.says("chenjie", Move::Arrive);
    house.says("chenjie", HELPED);
    house.passes(600);
    house.press("B-14");
    house.only_called(&["lina", "wangqiang", "zhangmin"], &Notice::Reopened);
    house.calling(1, 0, 1);
    assert_eq!((house.book.open_count(), house.it().id.0), (1, 1));
    assert!(house.event(StoryKind::Reopened));
    let stale = |n: &Notice| matches!(n, Notice::Closed);
    assert!(!house.book.outstanding().any(|o| stale(&o.notice)), "nobody hears that it is over");
    house.restarts();
}

#[test]
fn pressed_later_than_that_it_is_a_new_incident_linked_to_the_old_one() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house.passes(601);
    house.press("B-14");
    assert_eq!((house.it().id.0, house.it().code.to_string().as_str()), (2, "A02"));
    assert_eq!(house.it().linked, [house.nth(1).id]);
    house.only_called(&["zhangmin"], &Notice::Called);
}

#[test]
fn pressed_after_everybody_had_declined_the_first_time_asks_them_again() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Decline);
    house.says("wangqiang", Move::Decline);
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house.press("B-14");
    house.only_called(&["zhangmin", "lina", "wangqiang"], &Notice::Reopened);
}

#[test]
fn open_again_it_asks_for_as_many_as_the_ladder_does() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().needs = 2;
    let mut house = House::with(&policy);
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn the_resident_cancels_and_everybody_verifies_and_nothing_stops() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(30);
    let next = house.book.next_deadline();
    house.cancel("B-14");
    house.called("zhangmin", &Notice::ResidentCancelled);
    assert!(house.it().cancelled);
    assert_eq!(house.book.next_deadline(), next);
    house.passes(30);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.cancel("B-14");
    house.not_told("zhangmin");
    house.says("lina", Move::Accept);
    house.minutes(15);
    assert_eq!(house.it().epoch, 1, "nor does the arrival deadline");
}

#[test]
fn pressed_after_cancelling_it_is_a_call_again() {
    let mut house = House::new();
    house.press("B-14");
    house.cancel("B-14");
    house.press("B-14");
    assert!(!house.it().cancelled);
    house.called("lina", &Notice::PressedAgain);
}

#[test]
fn a_cancel_key_alone_is_only_recorded() {
    let mut house = House::new();
    house.cancel("B-14");
    assert!(matches!(house.facts.as_slice(), [Fact::Reported { .. }]));
}

#[test]
fn a_press_in_a_test_is_recorded_and_calls_nobody_and_hides_nothing() {
    let mut house = House::new();
    let press = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    house.hears(anling::terms::Report { test: true, mark: None, ..press.clone() });
    assert!(matches!(house.facts.as_slice(), [Fact::Reported { .. }]));
    house.passes(1);
    house.hears(anling::terms::Report { mark: None, heard_at: house.now, ..press });
    house.only_called(&["zhangmin"], &Notice::Called);
}

#[test]
fn a_kept_copy_of_a_press_or_a_cancel_is_history() {
    let mut house = House::new();
    let old = house.report(&device("B-14"), What::Pulse(Kind::Sos));
    house.hears(anling::terms::Report { retained: true, ..old });
    assert!(house.facts.is_empty());
    house.press("B-14");
    let old = house.report(&device("B-14"), What::Cancel);
    house.hears(anling::terms::Report { retained: true, ..old });
    assert!(house.facts.is_empty() && !house.it().cancelled);
}

#[test]
fn a_press_of_a_device_in_no_list_is_an_emergency_all_the_same() {
    let mut house = House::new();
    let unknown = DeviceId::unregistered("native-mqtt", "X-99");
    let press = house.report(&unknown, What::Pulse(Kind::Sos));
    house.hears(press);
    house.only_called(&["zhangmin"], &Notice::Called);
    assert_eq!((house.it().home.as_ref(), house.it().resident.as_ref()), (None, None));
}

#[test]
fn a_signal_of_a_button_that_cannot_be_read_is_an_emergency() {
    let mut house = House::new();
    house.garbage("B-14");
    house.only_called(&["zhangmin"], &Notice::Called);
    assert_eq!((house.it().kind, house.it().class), (Kind::Unreadable, Class::Emergency));
    house.garbage("B-14");
    assert_eq!(house.book.open_count(), 1);
}

#[test]
fn a_thermometer_that_cannot_be_read_is_recorded() {
    let mut house = House::new();
    house.garbage("temp-3");
    assert!(matches!(house.facts.as_slice(), [Fact::SignalRefused { .. }]));
}

#[test]
fn a_device_whose_type_nobody_knows_may_be_a_button() {
    let mut house = House::new();
    house.forgets_types();
    house.garbage("temp-3");
    house.only_called(&["zhangmin"], &Notice::Called);
}
