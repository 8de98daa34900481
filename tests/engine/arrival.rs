//! From acceptance to arrival, and what happens when nobody arrives.

use anling::incident::{
    Ignored, Move, Notice, Responder, Stage, StageName, Stimulus, StoryKind, Via,
};
use anling::registry::{Change, RowId};
use anling::terms::IncidentId;

use crate::house::{Given, House};
use crate::plan::person;

fn accepted() -> House {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house
}

#[test]
fn ten_minutes_without_arrival_remind_who_accepted_and_the_lead() {
    let mut house = accepted();
    house.passes(599);
    house.not_told("zhangmin");
    house.passes(1);
    house.called("zhangmin", &Notice::ArrivalReminder);
    house.called("zhaolei", &Notice::ArrivalReminder);
    assert_eq!(house.stage(), StageName::Accepted);
    house.passes(60);
    house.not_told("zhangmin");
}

#[test]
fn fifteen_minutes_without_arrival_start_the_call_again_at_the_second_line_first_included() {
    let mut house = accepted();
    house.minutes(15);
    house.only_called(&["lina", "wangqiang", "zhangmin"], &Notice::NotArrived);
    house.calling(1, 0, 1);
    assert_eq!(house.it().responder(&person("zhangmin")), Some(Responder::Called));
    assert!(house.event(StoryKind::Escalated));
}

#[test]
fn in_the_centres_own_building_it_is_four_and_eight_minutes() {
    let mut house = House::new();
    house.press("B-20");
    house.says("zhangmin", Move::Accept);
    house.minutes(4);
    house.called("zhangmin", &Notice::ArrivalReminder);
    house.minutes(4);
    house.called("lina", &Notice::NotArrived);
}

#[test]
fn setting_out_gives_no_more_time() {
    let mut house = accepted();
    house.minutes(9);
    house.says("zhangmin", Move::OnTheWay);
    assert_eq!(house.stage(), StageName::OnTheWay);
    assert!(house.event(StoryKind::OnTheWay));
    house.minutes(1);
    house.called("zhangmin", &Notice::ArrivalReminder);
    house.minutes(5);
    house.calling(1, 0, 1);
}

#[test]
fn accepted_at_the_second_step_and_missed_goes_on_at_the_third() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.says("lina", Move::Accept);
    house.minutes(15);
    house.only_called(&["zhaolei", "zhangmin"], &Notice::NotArrived);
    house.calling(2, 0, 1);
}

#[test]
fn accepted_after_the_ladders_end_and_missed_calls_everybody() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(180);
    house.says("chenjie", Move::Accept);
    house.minutes(15);
    house.called("sunwei", &Notice::NotArrived);
    house.called("chenjie", &Notice::NotArrived);
    assert!(house.event(StoryKind::Exhausted), "a new epoch is exhausted anew");
    assert_eq!(house.it().epoch, 1);
}

#[test]
fn an_acceptance_of_the_earlier_call_is_a_fresh_i_am_coming() {
    let mut house = accepted();
    house.minutes(15);
    house.answers(IncidentId(1), "zhangmin", Move::Arrive, Some(0), Via::Page);
    assert_eq!(house.stage(), StageName::Accepted, "an old message proves no arrival");
    house.minutes(15);
    assert_eq!(house.it().epoch, 2);
}

#[test]
fn an_earlier_calls_word_that_it_is_over_ends_nothing() {
    let mut house = accepted();
    house.minutes(15);
    let over = Move::FalseAlarm { contact: crate::house::BY_PHONE };
    for says in [over, Move::Decline, Move::Silence] {
        house.answers(IncidentId(1), "zhangmin", says, Some(0), Via::Page);
        house.changed_nothing();
    }
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn help_asked_for_under_an_earlier_call_is_heard_all_the_same() {
    let mut house = accepted();
    house.minutes(15);
    house.says("lina", Move::Arrive);
    house.answers(IncidentId(1), "lina", Move::NeedHelp, Some(0), Via::Page);
    house.called("zhangmin", &Notice::Reinforce);
}

#[test]
fn arriving_stops_the_arrival_deadline() {
    let mut house = accepted();
    house.says("zhangmin", Move::Arrive);
    assert_eq!(house.stage(), StageName::OnScene);
    assert!(house.event(StoryKind::OnScene));
    house.minutes(19);
    assert_eq!(house.it().epoch, 0);
    house.nobody_called();
}

#[test]
fn quiet_on_scene_is_asked_about_after_20_60_and_120_minutes_and_then_each_two_hours() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Arrive);
    house.minutes(20);
    house.called("lina", &Notice::StillOnScene);
    house.not_told("zhaolei");
    house.minutes(40);
    house.called("lina", &Notice::StillOnScene);
    house.called("zhaolei", &Notice::StillOnScene);
    assert!(!house.event(StoryKind::Escalated));
    house.minutes(60);
    assert!(house.event(StoryKind::Escalated), "the district is told");
    house.minutes(120);
    house.called("lina", &Notice::StillOnScene);
    assert!(house.event(StoryKind::Escalated));
    assert_eq!(house.stage(), StageName::OnScene);
}

#[test]
fn who_was_coming_is_taken_off_the_list_and_others_are_called_at_once() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.says("lina", Move::Accept);
    house.leaves("lina");
    house.only_called(&["wangqiang"], &Notice::Declined);
    house.calling(1, 0, 1);
    house.restarts();
}

#[test]
fn who_was_there_is_taken_off_the_list_and_others_are_called_at_once() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Arrive);
    house.leaves("zhangmin");
    house.called("lina", &Notice::Declined);
    house.calling(0, 0, 1);
    assert_eq!(house.it().on_scene(), 0);
}

#[test]
fn one_of_two_who_were_coming_is_taken_off_the_list_and_the_other_goes_on() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    house.says("lina", Move::Accept);
    house.leaves("zhangmin");
    house.nobody_called();
    assert_eq!(house.stage(), StageName::Accepted);
}

#[test]
fn everybody_who_was_coming_is_taken_off_the_list_at_once_and_nobody_of_them_is_called() {
    let mut house = House::new();
    for button in ["B-14", "B-16"] {
        house.press(button);
    }
    for (incident, who) in [(1, "zhangmin"), (1, "lina"), (2, "zhangmin")] {
        house.says_about(IncidentId(incident), who, Move::Accept);
    }
    let gone = ["zhangmin", "lina"].map(|who| Change::Removed(RowId::Person(person(who))));
    house.takes(&Stimulus::Registry(gone.into()));
    house.called_at_all("wangqiang");
    house.not_called("zhangmin");
    for id in [1, 2] {
        assert_eq!((house.nth(id).stage.name(), house.nth(id).epoch), (StageName::Calling, 1));
        assert_eq!(house.nth(id).active().count(), 0);
    }
}

#[test]
fn who_is_only_called_is_taken_off_the_list_and_the_steps_go_on() {
    let mut house = House::new();
    house.press("B-14");
    let next = house.book.next_deadline();
    house.leaves("zhangmin");
    house.nobody_called();
    assert_eq!(house.book.next_deadline(), next);
}

#[test]
fn no_lead_is_left_and_everybody_is_told_instead() {
    let mut house = accepted();
    house.leaves("zhaolei");
    house.roster.rules.retain(|rule| rule.name != "lead");
    house.minutes(10);
    house.called("chenjie", &Notice::ArrivalReminder);
}

#[test]
fn an_arrival_nobody_announced_is_an_acceptance_as_well() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.says("chenjie", Move::Arrive);
    assert_eq!(house.stage(), StageName::OnScene);
    let taken = Notice::Taken { by: person("chenjie") };
    for who in ["zhangmin", "lina", "wangqiang"] {
        house.called(who, &taken);
    }
    house.passes(300);
    house.nobody_called();
}

#[test]
fn the_call_starts_again_as_often_as_nobody_arrives() {
    let mut house = House::new();
    house.press("B-14");
    for epoch in 1..=5 {
        house.says("zhangmin", Move::Accept);
        house.minutes(15);
        assert_eq!(house.it().epoch, epoch);
        assert!(matches!(house.it().stage, Stage::Calling { .. }));
    }
}

#[test]
fn a_word_from_on_scene_ends_the_quiet_and_nobody_elses_does() {
    for says in [Move::StillHere, Move::Note, Move::NeedHelp] {
        let mut house = House::new();
        house.press("B-14");
        house.says("lina", Move::Arrive);
        house.minutes(19);
        house.says("lina", says);
        house.minutes(19);
        house.not_told("lina");
        house.minutes(1);
        house.called("lina", &Notice::StillOnScene);
        house.says("lina", says);
        house.minutes(20);
        house.called("lina", &Notice::StillOnScene);
        let lead = |g: &&Given| g.0 == person("zhaolei") && g.2 == Notice::StillOnScene;
        assert_eq!(house.given.iter().find(lead), None, "asked for the first time again");
    }
}

#[test]
fn who_is_not_on_scene_cannot_say_that_all_is_well_there() {
    let mut house = House::new();
    house.press("B-14");
    house.says("zhangmin", Move::StillHere);
    house.ignored(Ignored::NotOnScene);
    house.says("lina", Move::Arrive);
    house.says("zhangmin", Move::Accept);
    house.minutes(19);
    house.says("zhangmin", Move::StillHere);
    house.ignored(Ignored::NotOnScene);
    house.notes("zhangmin", "快到了");
    house.minutes(1);
    house.called("lina", &Notice::StillOnScene);
}
