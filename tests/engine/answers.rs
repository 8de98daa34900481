//! What people say, in order and out of it.

use anling::incident::{
    Carrier, Contact, Ending, Ignored, Move, Notice, Responder, Resumed, StageName, Stimulus,
    StoryKind, Via, WordId,
};
use anling::terms::{Class, IncidentId, Kind};

use crate::house::{BY_PHONE, HELPED, House};
use crate::plan::{self, person};

fn pressed() -> House {
    let mut house = House::new();
    house.press("B-14");
    house
}

fn needs_two() -> House {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().needs = 2;
    let mut house = House::with(&policy);
    house.press("B-14");
    house
}

#[test]
fn an_acceptance_is_confirmed_and_the_others_need_not_come() {
    let mut house = pressed();
    house.passes(60);
    house.says("lina", Move::Accept);
    house.called("lina", &Notice::YouAccepted);
    let taken = Notice::Taken { by: person("lina") };
    house.called("zhangmin", &taken);
    house.called("wangqiang", &taken);
    house.nobody_called();
    assert!(house.event(StoryKind::Accepted));
    assert!(!house.book.outstanding().any(|o| o.notice.is_call()), "waiting calls are withdrawn");
    house.minutes(9);
    house.nobody_called();
}

#[test]
fn a_second_person_accepts_and_nobody_is_told_twice_that_it_is_taken() {
    let mut house = pressed();
    house.passes(60);
    house.says("lina", Move::Accept);
    house.says("zhangmin", Move::Accept);
    house.not_told("wangqiang");
    assert_eq!(house.it().active().count(), 2);
}

#[test]
fn saying_it_twice_changes_nothing() {
    let mut house = pressed();
    for says in [Move::Accept, Move::OnTheWay, Move::Arrive] {
        house.says("zhangmin", says);
        house.says("zhangmin", says);
        house.changed_nothing();
    }
    house.says("zhangmin", Move::Accept);
    house.changed_nothing();
    assert_eq!(house.stage(), StageName::OnScene);
}

#[test]
fn what_a_program_says_twice_under_one_name_counts_once_also_after_a_restart() {
    let mut house = pressed();
    house.says_named("quzhi", "d-1", Move::Note, Some("已电话通知社区医院"));
    house.says_named("quzhi", "d-1", Move::Note, Some("已电话通知社区医院"));
    assert!(house.facts.is_empty(), "not even the log: {:?}", house.facts);
    house.says_named("lina", "d-1", Move::Accept, None);
    assert_eq!(house.stage(), StageName::Accepted, "another's name is no repeat");
    house.says("lina", Move::Decline);
    house.takes(&Stimulus::Stopping);
    house.starts(Resumed::ByWall);
    house.says_named("lina", "d-1", Move::Accept, None);
    assert!(house.facts.is_empty(), "a late repeat does not accept anew: {:?}", house.facts);
    assert_eq!(house.stage(), StageName::Calling);
    let heard = house.book.heard_word(&person("lina"), &WordId::new("d-1").unwrap()).unwrap();
    assert_eq!((heard.says, heard.ignored), (Move::Accept, None));
    let notes: Vec<&str> = house.book.notes_of(IncidentId(1)).collect();
    assert_eq!(notes, ["已电话通知社区医院"]);
}

#[test]
fn strangers_expired_links_and_unknown_incidents_change_nothing_but_the_log() {
    let mut house = pressed();
    house.answers(IncidentId(1), "nobody", Move::Accept, None, Via::Command);
    house.changed_nothing();
    house.answers(IncidentId(1), "zhangmin", Move::Accept, Some(0), Via::ExpiredPage);
    house.changed_nothing();
    house.answers(IncidentId(77), "zhangmin", Move::Accept, None, Via::Command);
    house.changed_nothing();
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn the_only_acceptance_is_given_back_and_the_rest_of_the_rung_is_called_again() {
    let mut house = pressed();
    house.passes(60);
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    house.only_called(&["wangqiang"], &Notice::Declined);
    house.calling(1, 0, 1);
}

#[test]
fn who_stood_alone_on_the_rung_gave_it_back_and_the_next_rung_is_called_at_once() {
    let mut house = pressed();
    house.says("zhangmin", Move::Accept);
    house.says("zhangmin", Move::Decline);
    house.only_called(&["lina", "wangqiang"], &Notice::Declined);
    house.calling(1, 0, 1);
}

#[test]
fn whoever_is_called_again_has_no_word_pending_that_they_need_not_come() {
    let mut house = pressed();
    house.passes(60);
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    let taken = |n: &Notice| matches!(n, Notice::Taken { .. } | Notice::YouAccepted);
    assert!(!house.book.outstanding().any(|o| taken(&o.notice)));
}

#[test]
fn everybody_called_says_no_and_the_next_step_does_not_wait() {
    let mut house = pressed();
    house.says("zhangmin", Move::Decline);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.says("lina", Move::Decline);
    house.nobody_called();
    house.says("wangqiang", Move::Decline);
    house.only_called(&["zhaolei"], &Notice::Escalated);
    house.says("zhaolei", Move::Decline);
    house.called("chenjie", &Notice::AllHands);
    for who in ["zhangmin", "lina", "wangqiang", "zhaolei", "chenjie", "sunwei"] {
        house.says(who, Move::Decline);
        house.nobody_called();
    }
    house.passes(120);
    house.called("zhangmin", &Notice::AllHands);
    house.called("chenjie", &Notice::AllHands);
}

#[test]
fn a_refusal_is_remembered_by_the_steps_that_follow() {
    let mut house = pressed();
    house.says("lina", Move::Decline);
    house.passes(60);
    house.only_called(&["wangqiang"], &Notice::Escalated);
}

#[test]
fn two_are_needed_and_one_acceptance_goes_on_calling_the_rest() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::Calling);
    house.called("zhangmin", &Notice::YouAccepted);
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.says("wangqiang", Move::Accept);
    assert_eq!(house.stage(), StageName::Accepted);
    house.called("lina", &Notice::Taken { by: person("wangqiang") });
}

#[test]
fn two_are_needed_and_who_is_coming_is_not_called_again_at_the_ladders_end() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Accept);
    house.passes(180);
    house.only_called(&["lina", "wangqiang", "chenjie", "zhaolei", "sunwei"], &Notice::AllHands);
}

#[test]
fn two_are_needed_and_one_who_arrives_alone_gets_help_called() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Arrive);
    assert_eq!(house.stage(), StageName::OnScene);
    house.only_called(&["lina", "wangqiang", "chenjie", "zhaolei", "sunwei"], &Notice::Reinforce);
    assert!(!house.given.iter().any(|g| matches!(g.2, Notice::Taken { .. })), "and not sent home");
    house.passes(60);
    house.called("lina", &Notice::Reinforce);
    house.says("lina", Move::Accept);
    house.passes(60);
    house.nobody_called();
}

#[test]
fn two_are_needed_and_one_of_them_gives_it_back() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Accept);
    house.says("lina", Move::Accept);
    house.says("lina", Move::Decline);
    house.called("wangqiang", &Notice::Reinforce);
    house.not_told("lina");
    house.passes(60);
    house.called("wangqiang", &Notice::Reinforce);
    assert_eq!(house.stage(), StageName::Accepted);
}

#[test]
fn two_are_needed_in_a_house_of_one() {
    let mut policy = plan::policy();
    policy.ladders.get_mut(&Class::Emergency).unwrap().needs = 2;
    let mut house = House::with(&policy);
    for (who, ..) in plan::PEOPLE.iter().filter(|p| p.0 != "zhangmin" && p.0 != "quzhi") {
        house.leaves(who);
    }
    house.press("B-14");
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::Accepted, "everybody there is coming");
    house.minutes(15);
    assert_eq!(house.it().epoch, 1, "and the arrival is watched");
}

#[test]
fn the_other_one_needed_leaves_the_house_and_who_is_coming_is_called_again() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Accept);
    for (who, ..) in plan::PEOPLE.iter().filter(|p| p.0 != "zhangmin") {
        house.leaves(who);
    }
    house.minutes(10);
    house.called_at_all("zhangmin");
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::Accepted);
}

#[test]
fn on_scene_help_is_asked_for_and_called_until_it_comes() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", Move::NeedHelp);
    house.only_called(&["lina", "wangqiang", "chenjie", "zhaolei", "sunwei"], &Notice::Reinforce);
    assert_eq!((house.stage(), house.it().needs), (StageName::OnScene, 2));
    house.passes(60);
    house.called("chenjie", &Notice::Reinforce);
    house.says("chenjie", Move::OnTheWay);
    house.called("chenjie", &Notice::YouAccepted);
    house.called("lina", &Notice::Taken { by: person("chenjie") });
    assert_eq!(house.stage(), StageName::OnScene);
    house.passes(120);
    house.nobody_called();
}

#[test]
fn help_for_nobody_is_refused() {
    let mut house = pressed();
    house.says("zhangmin", Move::NeedHelp);
    house.changed_nothing();
}

#[test]
fn the_last_one_on_scene_goes_and_the_call_starts_again_although_another_is_coming() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("lina", Move::Accept);
    house.says("zhangmin", Move::Decline);
    house.only_called(&["wangqiang"], &Notice::Declined);
    assert_eq!((house.stage(), house.it().epoch), (StageName::Calling, 1));
    house.says("lina", Move::Accept);
    assert_eq!(house.stage(), StageName::Accepted, "who is coming says so again");
}

#[test]
fn over_needs_somebody_there_or_a_word_with_the_resident() {
    let mut house = pressed();
    house.says("zhangmin", HELPED);
    house.changed_nothing();
    house.says("zhangmin", Move::Accept);
    house.says("zhangmin", HELPED);
    house.changed_nothing();
    house.says("zhangmin", Move::Resolve { ending: Ending::Accidental, contact: BY_PHONE });
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn only_who_is_on_scene_says_that_it_is_over() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("lina", Move::OnTheWay);
    for who in ["lina", "chenjie", "zhaolei", "sunwei"] {
        house.says(who, HELPED);
        house.ignored(Ignored::OthersOnScene);
    }
    house.says("lina", Move::Arrive);
    house.says("zhangmin", Move::Decline);
    house.says("zhangmin", HELPED);
    house.ignored(Ignored::OthersOnScene);
    house.says("lina", HELPED);
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn who_spoke_with_the_resident_closes_it_though_others_are_on_scene() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("zhaolei", Move::Resolve { ending: Ending::Helped, contact: BY_PHONE });
    assert_eq!(house.stage(), StageName::Resolved);
    house.called("zhangmin", &Notice::Closed);
}

#[test]
fn over_tells_everybody_who_was_called() {
    let mut house = pressed();
    house.passes(60);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.called("zhangmin", &Notice::Closed);
    house.called("wangqiang", &Notice::Closed);
    house.not_told("lina");
    house.not_told("chenjie");
    assert!(house.event(StoryKind::Resolved));
    assert_eq!(house.it().responder(&person("lina")), Some(Responder::Done));
}

#[test]
fn a_false_alarm_needs_a_word_with_the_resident_or_a_visit() {
    let mut house = pressed();
    house.says("zhangmin", Move::FalseAlarm { contact: None });
    house.changed_nothing();
    house.says("zhangmin", Move::FalseAlarm { contact: Some(Contact::Visit) });
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn who_stands_there_has_visited() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("lina", Move::FalseAlarm { contact: None });
    house.changed_nothing();
    house.says("zhangmin", Move::FalseAlarm { contact: None });
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn done_before_arrived_before_accepted_ends_louder_not_quieter() {
    let mut house = pressed();
    house.says("zhangmin", HELPED);
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", Move::Accept);
    assert_eq!(house.stage(), StageName::OnScene);
    house.minutes(20);
    house.called("zhangmin", &Notice::StillOnScene);
}

#[test]
fn the_district_takes_over_with_an_arrival_time_of_its_own_and_never_closes() {
    let mut house = pressed();
    house.says("zhangmin", Move::Accept);
    house.minutes(5);
    house.says("quzhi", Move::TakeOver);
    house.called("zhangmin", &Notice::Taken { by: person("quzhi") });
    house.called("quzhi", &Notice::YouAccepted);
    for says in [HELPED, Move::Arrive, Move::FalseAlarm { contact: BY_PHONE }, Move::Silence] {
        house.says("quzhi", says);
        house.changed_nothing();
    }
    house.minutes(14);
    assert_eq!(house.stage(), StageName::Accepted);
    house.minutes(1);
    house.calling(1, 0, 1);
}

#[test]
fn the_district_takes_over_and_whoever_is_on_scene_stays_there() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("lina", Move::OnTheWay);
    house.says("quzhi", Move::TakeOver);
    assert_eq!(house.stage(), StageName::OnScene);
    house.not_told("zhangmin");
    house.called("lina", &Notice::Taken { by: person("quzhi") });
    assert_eq!(house.it().responder(&person("zhangmin")), Some(Responder::OnScene));
}

#[test]
fn a_takeover_by_who_is_there_sends_nobody_back() {
    let mut house = pressed();
    house.says("lina", Move::Accept);
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", Move::TakeOver);
    assert_eq!(house.stage(), StageName::OnScene);
    assert_eq!(house.it().responder(&person("zhangmin")), Some(Responder::OnScene));
    assert_eq!(house.it().responder(&person("lina")), Some(Responder::Done));
}

#[test]
fn two_are_needed_and_a_takeover_is_only_one() {
    let mut house = needs_two();
    house.says("zhangmin", Move::Accept);
    house.says("lina", Move::Accept);
    house.says("zhaolei", Move::TakeOver);
    house.called("wangqiang", &Notice::Reinforce);
    house.not_called("zhaolei");
    house.passes(60);
    house.called("wangqiang", &Notice::Reinforce);
}

#[test]
fn silence_is_for_two_minutes_and_changes_no_deadline() {
    let mut house = pressed();
    house.says("zhangmin", Move::Silence);
    house.nobody_called();
    house.passes(60);
    house.only_called(&["lina", "wangqiang"], &Notice::Escalated);
    house.passes(59);
    assert!(house.it().silenced.is_some());
    house.nobody_called();
    house.passes(1);
    assert_eq!(house.it().silenced, None);
    let screen = (person("lina"), Carrier::Screen, Notice::Escalated);
    assert!(house.given.contains(&screen), "the sounder comes back");
    assert!(house.given.contains(&(person("zhaolei"), Carrier::Mail, Notice::Escalated)));
}

#[test]
fn answers_after_the_end_change_nothing() {
    let mut house = pressed();
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    for says in [Move::Accept, Move::Decline, Move::Arrive, Move::NeedHelp, Move::TakeOver, HELPED]
    {
        house.says("lina", says);
        house.changed_nothing();
    }
}

#[test]
fn a_note_is_kept_with_the_incident_and_goes_with_it() {
    let mut house = pressed();
    house.notes("lina", "门锁着");
    assert_eq!(house.book.notes_of(IncidentId(1)).collect::<Vec<_>>(), ["门锁着"]);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.restarts();
    house.minutes(8 * 24 * 60);
    assert_eq!(house.book.incidents().count(), 0);
    assert_eq!(house.book.notes_of(IncidentId(1)).count(), 0);
}

#[test]
fn an_answer_to_smoke_closes_only_with_somebody_there() {
    let mut house = House::new();
    house.level("smoke-1", Kind::Smoke, true);
    house.says("zhangmin", HELPED);
    house.changed_nothing();
}
