//! Steps, the end of the ladder, and laps without an end.

use anling::incident::{Move, Notice, Rung, StageName, StoryKind, Who};
use anling::registry::Role;
use anling::terms::{Class, Kind, Wait};

use crate::house::House;
use crate::plan::{self, BOTH, person};

#[test]
fn a_press_calls_the_first_line_at_once_by_every_way() {
    let mut house = House::new();
    house.press("B-14");
    house.only_called(&["zhangmin"], &Notice::Called);
    house.calling(0, 0, 0);
    assert_eq!(house.it().code.to_string(), "A01");
    assert_eq!(house.it().resident.as_ref().map(|r| r.as_str()), Some("R1"));
    assert!(house.event(StoryKind::Raised));
}

#[test]
fn a_couples_button_and_a_corridors_cord_name_no_single_resident() {
    let mut house = House::new();
    for device in ["B-15", "cord"] {
        house.press(device);
        house.only_called(&["zhangmin"], &Notice::Called);
        assert_eq!(house.it().resident, None);
        assert!(house.it().home.is_some());
    }
}

#[test]
fn press_nobody_answers_sixty_seconds_pass_the_second_line_is_called() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(59);
    house.nobody_called();
    house.passes(1);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.calling(1, 0, 0);
    assert!(house.event(StoryKind::Escalated));
    let first = house.order_to("zhangmin", anling::incident::Carrier::Mail);
    assert!(house.book.order(&first).is_some(), "the first line's own call goes on");
}

#[test]
fn after_the_last_step_everybody_is_called_and_the_district_is_asked() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.passes(60);
    house.only_called(&["zhaolei"], &Notice::Escalated);
    house.passes(60);
    let all = ["zhangmin", "lina", "wangqiang", "chenjie", "zhaolei", "sunwei"];
    house.only_called(&all, &Notice::AllHands);
    house.not_told("quzhi");
    assert!(house.event(StoryKind::Exhausted));
    assert!(house.it().exhausted.is_some());
}

#[test]
fn nobody_answers_for_a_week_and_it_is_still_loud() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(180);
    for (pause, laps) in [(120, 5), (180, 20)] {
        for _ in 0..laps {
            house.passes(pause - 1);
            house.nobody_called();
            house.passes(1);
            house.called("chenjie", &Notice::AllHands);
        }
    }
    house.passes(7 * 24 * 3600);
    assert!(house.book.order_count() <= 3 * 12, "{}", house.book.order_count());
    house.passes(180);
    house.called("zhangmin", &Notice::AllHands);
    assert_eq!(house.stage(), StageName::Calling);
    assert_eq!(house.it().epoch, 0);
    house.restarts();
}

#[test]
fn the_end_of_the_ladder_is_told_to_the_district_once_an_epoch() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(180);
    assert!(house.event(StoryKind::Exhausted));
    house.minutes(60);
    assert!(!house.event(StoryKind::Exhausted));
}

#[test]
fn a_rung_nobody_stands_on_is_answered_with_everybody() {
    let mut policy = plan::policy();
    let rungs = &mut policy.ladders.get_mut(&Class::Emergency).unwrap().rungs;
    rungs[0].who = vec![Who::Person(person("gone"))];
    let mut house = House::with(&policy);
    house.press("B-14");
    house.called("chenjie", &Notice::Called);
    house.called("zhangmin", &Notice::Called);
    assert!(house.event(StoryKind::Exhausted));
}

#[test]
fn a_ladder_without_steps_calls_everybody() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().rungs.clear();
    policy.ladders.remove(&Class::Hazard);
    let mut house = House::with(&policy);
    house.press("B-14");
    house.called("chenjie", &Notice::Called);
    house.passes(60);
    house.called("chenjie", &Notice::AllHands);
    house.level("smoke-1", Kind::Smoke, true);
    house.called("lina", &Notice::Called);
}

#[test]
fn a_ladder_that_repeats_its_last_step_never_calls_nobody() {
    let mut policy = plan::policy();
    let ladder = policy.ladders.get_mut(&Class::Emergency).unwrap();
    ladder.all_hands = false;
    ladder.rungs = vec![Rung {
        who: vec![Who::Person(person("lina"))],
        by: BOTH.to_vec(),
        wait: Wait::secs(60),
    }];
    let mut house = House::with(&policy);
    house.press("B-14");
    house.passes(60);
    house.only_called(&["lina"], &Notice::Escalated);
    assert!(house.event(StoryKind::Exhausted), "the district is asked all the same");
    house.leaves("lina");
    house.passes(120);
    house.called("chenjie", &Notice::Escalated);
}

#[test]
fn nobody_is_registered_and_the_press_stays_open_until_somebody_is() {
    let mut house = House::bare();
    house.press("B-14");
    house.nobody_called();
    house.minutes(30);
    assert_eq!(house.stage(), StageName::Calling);
    let first = plan::person_row("lina", Role::Staff, true);
    house.takes(&anling::incident::Stimulus::Registry(vec![first]));
    house.passes(180);
    house.called("lina", &Notice::AllHands);
}

#[test]
fn only_the_district_is_registered_so_the_district_is_called() {
    let mut house = House::bare();
    let row = plan::person_row("quzhi", Role::District, true);
    house.takes(&anling::incident::Stimulus::Registry(vec![row]));
    house.press("B-14");
    house.called("quzhi", &Notice::Called);
}

#[test]
fn a_policy_of_waits_that_would_be_silence_or_a_loop_is_held_to_its_bounds() {
    for wait in [Wait::ZERO, Wait::hours(24), Wait(u64::MAX)] {
        let mut policy = plan::policy();
        let ladder = policy.ladders.get_mut(&Class::Emergency).unwrap();
        ladder.rungs.iter_mut().for_each(|rung| rung.wait = wait);
        (ladder.lap, ladder.lap_later, ladder.remind, ladder.arrive) = (wait, wait, wait, wait);
        policy.waits.scene_remind = wait;
        policy.waits.scene_lead = wait;
        policy.waits.scene_district = wait;
        policy.waits.follow_up = wait;
        policy.waits.hazard_repeat = wait;
        let mut house = House::with(&policy);
        house.press("B-14");
        house.passes(700);
        house.called_at_all("chenjie");
        house.says("lina", Move::Accept);
        house.passes(if wait == Wait::ZERO { 60 } else { 46 * 60 });
        house.called_at_all("zhangmin");
        house.says("lina", Move::Arrive);
        house.passes(60);
        house.says("lina", crate::house::HELPED);
        house.passes(60);
        house.level("smoke-1", Kind::Smoke, true);
        house.passes(301);
        house.called_at_all("zhangmin");
    }
}

#[test]
fn a_new_ladder_changes_no_call_that_runs() {
    let mut house = House::new();
    house.press("B-14");
    let mut other = plan::policy();
    other.ladders.get_mut(&Class::Emergency).unwrap().rungs[1].who =
        vec![Who::Person(person("chenjie"))];
    house.takes(&anling::incident::Stimulus::Policy(Box::new(other)));
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.press("B-15");
    house.passes(60);
    house.called("chenjie", &Notice::Escalated);
    house.restarts();
}

#[test]
fn a_person_who_left_is_not_called_and_somebody_else_is() {
    let mut house = House::new();
    house.press("B-14");
    house.leaves("lina");
    house.leaves("wangqiang");
    house.passes(60);
    house.not_told("lina");
    house.called("chenjie", &Notice::Escalated);
}

#[test]
fn two_residents_press_and_each_has_an_incident_of_their_own() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(10);
    house.press("B-16");
    assert_eq!(house.book.open_count(), 2);
    assert_eq!(house.it().code.to_string(), "A02");
    house.passes(50);
    assert_eq!(house.given.iter().filter(|g| g.0.as_str() == "lina").count(), 2);
    house.passes(10);
    assert_eq!(house.given.iter().filter(|g| g.0.as_str() == "lina").count(), 2);
}

#[test]
fn two_devices_of_one_home_stay_apart_and_are_linked() {
    let mut house = House::new();
    house.press("B-14");
    house.level("smoke-1", Kind::Smoke, true);
    assert_eq!(house.it().linked, [house.nth(1).id]);
}

#[test]
fn an_hour_unaccounted_for_makes_every_deadline_due() {
    let mut house = House::new();
    house.press("B-14");
    house.press("B-15");
    house.says("zhangmin", Move::Accept);
    house.restarts();
    house.starts(anling::incident::Resumed::Unknown);
    house.passes(0);
    assert_eq!((house.nth(1).rung(), house.nth(1).epoch), (1, 0));
    house.called_at_all("lina");
    assert_eq!((house.nth(2).stage.name(), house.nth(2).epoch), (StageName::Calling, 1));
}
