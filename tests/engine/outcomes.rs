//! What carriers say. Handed over is not heard.

use anling::incident::{
    ATTEMPTS_MAX, Carrier, Fact, Move, Notice, OrderId, Outcome, StageName, StoryKind,
};
use anling::terms::{Class, IncidentId, PersonId, Seq, Wait};

use crate::house::{Given, House};
use crate::plan::person;

fn pressed() -> House {
    let mut house = House::new();
    house.press("B-14");
    house
}

fn later(after: Option<Wait>) -> Outcome {
    Outcome::TryLater { why: "451".to_owned(), after }
}

fn refused() -> Outcome {
    Outcome::Refused { why: "550".to_owned() }
}

#[test]
fn handed_over_arrived_and_seen_are_no_acceptance() {
    for outcome in [Outcome::HandedOver, Outcome::Arrived, Outcome::Seen] {
        let mut house = pressed();
        let order = house.order_to("zhangmin", Carrier::Mail);
        house.carrier_says(&order, outcome);
        assert!(house.event(StoryKind::Notified));
        assert_eq!(house.stage(), StageName::Calling);
        assert_eq!(house.book.order(&order), None, "settled");
        house.passes(60);
        house.called("lina", &Notice::Escalated);
    }
}

#[test]
fn a_message_put_off_is_tried_again_as_the_next_attempt() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, later(None));
    let sent = |house: &House| house.book.outstanding().any(|o| o.id.carrier == Carrier::Mail);
    assert!(!sent(&house));
    house.passes(1);
    assert!(!sent(&house));
    house.restarts();
    house.passes(2);
    assert!(sent(&house));
    assert_eq!(house.order_to("zhangmin", Carrier::Mail), OrderId { attempt: 2, ..order });
}

#[test]
fn what_nobody_can_say_counts_as_not_handed_over() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, Outcome::Unknown { why: "connection lost".to_owned() });
    house.passes(3);
    assert_eq!(house.order_to("zhangmin", Carrier::Mail).attempt, 2);
}

#[test]
fn a_message_is_tried_so_often_and_then_the_lead_is_told() {
    let mut policy = crate::plan::policy();
    let rungs = &mut policy.ladders.get_mut(&Class::Emergency).unwrap().rungs;
    rungs.iter_mut().for_each(|rung| rung.wait = Wait::secs(120));
    let mut house = House::with(&policy);
    house.press("B-14");
    let notice = Notice::CannotReach { person: person("zhangmin"), by: Carrier::Mail };
    let first = house.order_to("zhangmin", Carrier::Mail);
    for attempt in 1..=ATTEMPTS_MAX {
        let order = OrderId { attempt, ..first.clone() };
        assert!(house.book.order(&order).is_some(), "{attempt}");
        house.carrier_says(&order, later(Some(Wait::secs(1))));
        if attempt < ATTEMPTS_MAX {
            assert!(!house.given.iter().any(|g| g.2 == notice));
            house.passes(37);
        }
    }
    house.called("zhaolei", &notice);
}

#[test]
fn a_message_refused_for_good_is_told_to_the_lead_once() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, refused());
    let notice = Notice::CannotReach { person: person("zhangmin"), by: Carrier::Mail };
    house.called("zhaolei", &notice);
    house.passes(180);
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, refused());
    house.not_told("zhaolei");
}

#[test]
fn that_the_lead_cannot_be_told_is_not_told_to_the_lead() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, refused());
    let order = house.order_to("zhaolei", Carrier::Mail);
    house.carrier_says(&order, refused());
    assert!(house.given.is_empty());
}

#[test]
fn an_outcome_of_a_withdrawn_or_an_unknown_order_changes_nothing() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.says("lina", Move::Accept);
    for outcome in [Outcome::HandedOver, later(None), refused()] {
        house.carrier_says(&order, outcome.clone());
        assert!(house.facts.is_empty());
        let stranger = OrderId { cause: Seq(9_999), incident: IncidentId(77), ..order.clone() };
        house.carrier_says(&stranger, outcome);
        assert!(house.facts.is_empty());
    }
}

#[test]
fn an_outcome_told_twice_counts_once() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, later(None));
    house.carrier_says(&order, later(None));
    assert!(house.facts.is_empty());
}

#[test]
fn a_message_waiting_for_another_try_is_withdrawn_when_somebody_accepts() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, later(None));
    house.says("lina", Move::Accept);
    house.passes(60);
    assert!(!house.facts.iter().any(|f| matches!(f, Fact::DeadlineCame { .. })));
    assert!(!house.book.outstanding().any(|o| o.notice.is_call()));
}

#[test]
fn every_carrier_fails_for_ever_and_the_calls_go_on() {
    let mut house = pressed();
    for _ in 0..200 {
        house.passes(30);
        let all: Vec<OrderId> = house.book.outstanding().map(|o| o.id.clone()).collect();
        for order in all {
            house.carrier_says(&order, later(None));
        }
    }
    house.passes(180);
    house.called_at_all("chenjie");
    assert!(house.book.order_count() < 100, "{}", house.book.order_count());
}

#[test]
fn who_has_no_mail_address_is_told_on_the_screen() {
    let mut house = pressed();
    house.passes(60);
    house.called("wangqiang", &Notice::Escalated);
}

#[test]
fn refused_on_the_screen_is_mailed_to_who_has_an_address_and_to_nobody_else() {
    let mut policy = crate::plan::policy();
    let rungs = &mut policy.ladders.get_mut(&Class::Emergency).unwrap().rungs;
    rungs[1].by = vec![Carrier::Screen];
    let mut house = House::with(&policy);
    house.press("B-14");
    house.passes(60);
    let order = house.order_to("lina", Carrier::Screen);
    house.carrier_says(&order, refused());
    let mail: Vec<_> = house.given.iter().filter(|g| g.0.as_str() == "lina").collect();
    assert_eq!(mail, [&(person("lina"), Carrier::Mail, Notice::Escalated)]);
    let order = house.order_to("wangqiang", Carrier::Screen);
    house.carrier_says(&order, refused());
    house.not_told("wangqiang");
    house.called(
        "zhaolei",
        &Notice::CannotReach { person: person("wangqiang"), by: Carrier::Screen },
    );
}

/// The mail server is dead: every mail that is to be sent is put off, as long as time passes.
fn mail_fails(house: &mut House, secs: u64) -> Vec<Given> {
    let mut given = Vec::new();
    for _ in 0..secs {
        let mails: Vec<OrderId> = mails(house);
        for order in mails {
            house.carrier_says(&order, later(None));
            given.append(&mut house.given);
        }
        house.passes(1);
        given.append(&mut house.given);
    }
    given
}

fn mails(house: &House) -> Vec<OrderId> {
    let of_mail = house.book.outstanding().filter(|o| o.id.carrier == Carrier::Mail);
    of_mail.map(|o| o.id.clone()).collect()
}

/// The mail server works again, for so long; whom it brought which notice.
fn mail_arrives(house: &mut House, secs: u64) -> Vec<(PersonId, Notice)> {
    let mut arrived = Vec::new();
    for _ in 0..secs {
        for order in mails(house) {
            let notice = house.book.order(&order).unwrap().notice.clone();
            arrived.push((order.person.clone(), notice));
            house.carrier_says(&order, Outcome::HandedOver);
        }
        house.passes(1);
    }
    arrived
}

#[test]
fn a_mail_server_that_comes_back_brings_each_person_one_call_the_newest() {
    let mut house = pressed();
    mail_fails(&mut house, 180 + 120 + 10);
    house.calling(2, 2, 0);
    let arrived = mail_arrives(&mut house, 60);
    for who in ["zhangmin", "lina", "zhaolei", "sunwei"] {
        let to = |(person, _): &&(PersonId, Notice)| person.as_str() == who;
        let words: Vec<_> = arrived.iter().filter(to).map(|(_, notice)| notice).collect();
        assert_eq!(words, [&Notice::AllHands], "{who}");
    }
}

#[test]
fn a_mail_server_that_comes_back_brings_nothing_of_a_call_that_somebody_has_taken() {
    let mut house = pressed();
    let given = mail_fails(&mut house, 240);
    assert!(given.iter().any(|g| matches!(g.2, Notice::CannotReach { .. })));
    house.says("chenjie", Move::Accept);
    let waits = house.book.outstanding();
    let missing = |notice: &Notice| matches!(notice, Notice::CannotReach { .. });
    assert_eq!(waits.filter(|order| missing(&order.notice)).count(), 0, "on no carrier");
    let arrived = mail_arrives(&mut house, 60);
    let stale = |notice: &Notice| notice.is_call() || matches!(notice, Notice::CannotReach { .. });
    assert!(!arrived.iter().any(|(_, notice)| stale(notice)), "{arrived:?}");
    assert!(!arrived.is_empty(), "they hear who has it");
}

#[test]
fn the_lead_is_told_on_the_screen_that_a_dead_mail_server_reaches_nobody() {
    let mut house = pressed();
    let given = mail_fails(&mut house, 240);
    let notice = Notice::CannotReach { person: person("zhangmin"), by: Carrier::Mail };
    let told = |g: &&Given| g.2 == notice && g.1 == Carrier::Screen;
    assert_eq!(given.iter().filter(told).count(), 1, "once, by what works");
    let arrived = mail_arrives(&mut house, 60);
    assert!(!arrived.iter().any(|(_, n)| *n == notice), "no stale word once mail works");
}

#[test]
fn the_mail_server_fails_again_after_it_worked_and_the_lead_is_told_again() {
    let mut house = pressed();
    let notice = Notice::CannotReach { person: person("zhangmin"), by: Carrier::Mail };
    let told = |given: &[Given]| given.iter().filter(|g| g.2 == notice).count();
    let given = mail_fails(&mut house, 240);
    assert!(told(&given) > 0);
    mail_arrives(&mut house, 60);
    assert!(told(&mail_fails(&mut house, 600)) > 0);
}

#[test]
fn what_waits_for_another_try_ends_as_superseded_when_a_newer_one_says_it() {
    let mut house = pressed();
    let old = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&old, later(None));
    house.press("B-14");
    let new = house.order_to("zhangmin", Carrier::Mail);
    assert!(new.cause > old.cause);
    house.passes(3);
    let ended = |fact: &Fact| match fact {
        Fact::OutcomeHeard { order, outcome: Outcome::Superseded, retry: None } => {
            *order == OrderId { attempt: 2, ..old.clone() }
        }
        _ => false,
    };
    assert!(house.facts.iter().any(ended), "{:?}", house.facts);
    assert!(mails(&house).contains(&new));
    house.not_told("zhaolei");
}

#[test]
fn once_the_newest_call_has_left_no_older_one_follows_it() {
    let mut house = pressed();
    let old = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&old, later(Some(Wait::secs(30))));
    house.press("B-14");
    let new = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&new, Outcome::HandedOver);
    house.passes(40);
    assert!(mails(&house).iter().all(|id| id.cause > new.cause || id.person != old.person));
    assert_eq!(house.book.put_off(Carrier::Mail), 0);
}

#[test]
fn what_waits_for_another_try_is_counted() {
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    assert_eq!(house.book.put_off(Carrier::Mail), 0);
    house.carrier_says(&order, later(None));
    assert_eq!(house.book.put_off(Carrier::Mail), 1);
    assert_eq!(house.book.put_off(Carrier::Screen), 0);
    house.passes(3);
    assert_eq!(house.book.put_off(Carrier::Mail), 0);
}

#[test]
fn only_a_try_whose_answer_was_lost_may_have_arrived_already() {
    let maybe_sent = |house: &House| {
        let id = house.order_to("zhangmin", Carrier::Mail);
        house.book.order(&id).unwrap().maybe_sent
    };
    let mut house = pressed();
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, later(None));
    house.passes(3);
    assert!(!maybe_sent(&house), "it surely failed");
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, Outcome::Unknown { why: "connection lost".to_owned() });
    house.passes(7);
    assert!(maybe_sent(&house));
    let order = house.order_to("zhangmin", Carrier::Mail);
    house.carrier_says(&order, later(None));
    house.passes(13);
    assert!(maybe_sent(&house), "and stays so");
    house.restarts();
    assert!(maybe_sent(&house));
}
