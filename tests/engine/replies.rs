//! Short messages: what people mean by them, and what the network says of ours.

use anling::incident::{
    Answer, Carrier, Fact, Ignored, Ladder, Meant, Move, Notice, Outcome, Policy, Stage, StageName,
    Stimulus, Via,
};
use anling::registry::{Change, Person, Role, Row};
use anling::terms::{Class, IncidentId};

use crate::house::{HELPED, House};
use crate::plan::{self, person};

/// Everybody has a mobile telephone and is called by it.
fn house() -> House {
    let mut policy = plan::policy();
    let by = vec![Carrier::Screen, Carrier::Sms];
    let ladders = policy.ladders.values_mut();
    ladders.flat_map(|ladder| &mut ladder.rungs).for_each(|rung| rung.by = by.clone());
    policy.lead_by = by;
    with(&policy)
}

fn with(policy: &Policy) -> House {
    let mut house = House::with(policy);
    let rows = plan::PEOPLE.iter().enumerate().map(|(n, (id, role, _))| {
        Change::Set(Row::Person(Person {
            id: person(id),
            name: (*id).to_owned(),
            role: *role,
            phone: if *role == Role::District { String::new() } else { format!("1380013800{n}") },
            email: String::new(),
        }))
    });
    house.takes(&Stimulus::Registry(rows.collect()));
    house
}

/// What a message comes to, taken down if it is a move.
fn writes(house: &mut House, who: &str, text: &str) -> Meant {
    let meant = house.book.meant(&person(who), text);
    if let Meant::Move { incident, says, epoch } = meant {
        house.answers(incident, who, says, epoch, Via::Sms);
    }
    meant
}

fn handed_over(house: &mut House, who: &str) {
    let order = house.order_to(who, Carrier::Sms);
    house.carrier_says(&order, Outcome::HandedOver);
}

#[test]
fn a_call_is_accepted_reached_and_closed_by_digits_alone() {
    let mut house = house();
    house.press("B-14");
    let order = house.order_to("zhangmin", Carrier::Sms);
    handed_over(&mut house, "zhangmin");
    writes(&mut house, "zhangmin", " １ ");
    assert_eq!(house.stage(), StageName::Accepted);
    assert!(house.given.contains(&(person("zhangmin"), Carrier::Sms, Notice::YouAccepted)));
    writes(&mut house, "zhangmin", "2");
    assert_eq!(house.stage(), StageName::OnScene);
    let again = writes(&mut house, "zhangmin", "2");
    assert!(matches!(again, Meant::Move { says: Move::StillHere, .. }), "{again:?}");
    let done = writes(&mut house, "zhangmin", "完成");
    assert!(matches!(done, Meant::Move { says, .. } if says == HELPED), "{done:?}");
    assert_eq!(house.stage(), StageName::Resolved);
    assert_eq!(writes(&mut house, "zhangmin", "1"), Meant::NothingOpen);
    // A late report about the first message rewrites nothing and is on the record.
    house.carrier_says(&order, Outcome::Arrived);
    assert!(matches!(&house.facts[..], [Fact::OutcomeHeard { outcome: Outcome::Arrived, .. }]));
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn every_way_of_writing_a_code_means_the_same_call() {
    for text in [
        "A01",
        "a01 1",
        "Ａ０１",
        "1A01",
        "A011",
        "收到01",
        "收到 A01",
        "A01 收到",
        "01",
        "01 1",
        "接警，A01。",
        "收到，马上去",
        "好的",
    ] {
        let mut house = house();
        house.press("B-14");
        let meant = writes(&mut house, "zhangmin", text);
        assert!(matches!(meant, Meant::Move { says: Move::Accept, .. }), "{text}: {meant:?}");
        assert_eq!(house.stage(), StageName::Accepted, "{text}");
    }
}

#[test]
fn what_means_nothing_or_two_things_changes_nothing_and_no_word_unsubscribes() {
    let mut house = house();
    house.press("B-14");
    for text in [
        "",
        "TD",
        "T",
        "STOP",
        "退订",
        "到了吗",
        "1 0",
        "收到 去不了",
        "12345678901234567890 x",
        "没收到",
        "7",
        "马上",
    ] {
        let meant = writes(&mut house, "zhangmin", text);
        let nothing = matches!(meant, Meant::Note(_) | Meant::Nothing | Meant::NoSuch(_));
        assert!(nothing, "{text}: {meant:?}");
        assert!(matches!(house.it().stage, Stage::Calling { .. }), "{text}");
    }
    assert_eq!(writes(&mut house, "zhangmin", "A77 1"), Meant::NoSuch("A77".to_owned()));
    house.passes(60);
    house.called_at_all("lina");
    let id = house.it().id;
    assert_eq!(house.book.meant(&person("zhangmin"), &"字".repeat(500)), Meant::Note(id));
}

#[test]
fn with_two_calls_open_a_bare_word_lists_them_and_a_code_tells_which() {
    let mut house = house();
    house.press("B-14");
    house.press("B-20");
    let both = vec![IncidentId(1), IncidentId(2)];
    assert_eq!(writes(&mut house, "zhangmin", "收到"), Meant::Several(both.clone()));
    assert_eq!(writes(&mut house, "zhangmin", "?"), Meant::Several(both));
    for incident in [1, 2] {
        assert!(matches!(house.nth(incident).stage, Stage::Calling { .. }), "{incident}");
    }
    writes(&mut house, "zhangmin", "Ａ０２");
    assert_eq!(house.nth(2).stage.name(), StageName::Accepted);
    assert!(matches!(house.nth(1).stage, Stage::Calling { .. }));
    // Whoever was called to one only needs no code, and one they gave back is no longer theirs.
    writes(&mut house, "zhangmin", "A02 0");
    let one = writes(&mut house, "zhangmin", "1");
    assert!(matches!(one, Meant::Move { incident: IncidentId(1), .. }), "{one:?}");
    assert_eq!(writes(&mut house, "sunwei", "1"), Meant::NothingOpen);
}

#[test]
fn an_answer_belongs_to_the_newest_message_that_person_was_sent() {
    let mut house = house();
    house.press("B-14");
    handed_over(&mut house, "zhangmin");
    writes(&mut house, "zhangmin", "1");
    // The second line is called since nobody arrived; the first one's new message is still under way.
    house.minutes(16);
    assert_eq!(house.it().epoch, 1);
    let late = writes(&mut house, "zhangmin", "到了");
    assert!(matches!(late, Meant::Move { epoch: Some(0), .. }), "{late:?}");
    assert_eq!(house.stage(), StageName::Accepted, "it answers the earlier call");
}

#[test]
fn after_the_cancel_key_done_is_believed_from_afar_and_without_it_is_not() {
    let mut house = house();
    house.press("B-14");
    writes(&mut house, "zhangmin", "1");
    writes(&mut house, "zhangmin", "3");
    house.ignored(Ignored::NobodyOnScene);
    house.cancel("B-14");
    writes(&mut house, "zhangmin", "误报");
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn a_network_that_could_not_deliver_is_told_to_the_lead_while_somebody_is_called() {
    let mut house = house();
    house.press("B-14");
    let order = house.order_to("zhangmin", Carrier::Sms);
    handed_over(&mut house, "zhangmin");
    let refused = || Outcome::Refused { why: "the network could not deliver it".to_owned() };
    house.carrier_says(&order, refused());
    let notice = Notice::CannotReach { person: person("zhangmin"), by: Carrier::Sms };
    assert!(house.given.contains(&(person("zhaolei"), Carrier::Sms, notice)), "{:?}", house.given);
    assert!(matches!(house.it().stage, Stage::Calling { .. }));
    house.carrier_says(&order, refused());
    assert!(house.given.is_empty(), "told once");
    // No report is no failure, and one about an order that never was is nothing.
    let mut other = order.clone();
    other.person = person("lina");
    house.carrier_says(&other, refused());
    assert!(house.facts.is_empty());
    assert_eq!(house.it().class, Class::Emergency);
}

#[test]
fn an_answer_that_is_read_twice_counts_once() {
    let mut house = house();
    house.press("B-14");
    let word = anling::incident::WordId::new("sms-1").unwrap();
    let answer = |says| Answer {
        incident: IncidentId(1),
        by: person("zhangmin"),
        via: Via::Sms,
        epoch: None,
        says,
        note: None,
        word: Some(word.clone()),
    };
    house.takes(&Stimulus::Answered(answer(Move::Accept), None));
    house.restarts();
    house.takes(&Stimulus::Answered(answer(Move::Accept), None));
    assert!(house.facts.is_empty());
}

#[test]
fn a_telephone_rings_to_call_somebody_and_for_nothing_else() {
    let mut policy = plan::policy();
    let by = vec![Carrier::Sms, Carrier::Voice];
    let ladders = policy.ladders.values_mut();
    ladders.flat_map(|ladder| &mut ladder.rungs).for_each(|rung| rung.by = by.clone());
    policy.lead_by = by;
    let mut house = with(&policy);
    house.press("B-14");
    let mut given = house.given.clone();
    let order = house.order_to("zhangmin", Carrier::Voice);
    house.carrier_says(&order, Outcome::Seen);
    let incident = order.incident;
    for (says, via) in
        [(Move::Accept, Via::Voice), (Move::Arrive, Via::Command), (HELPED, Via::Command)]
    {
        house.answers(incident, "zhangmin", says, None, via);
        given.extend(house.given.clone());
    }
    assert_eq!(house.stage(), StageName::Resolved);
    let rung: Vec<_> = given.iter().filter(|(_, by, _)| *by == Carrier::Voice).collect();
    assert!(!rung.is_empty() && rung.iter().all(|(.., notice)| notice.is_call()), "{rung:?}");
    let told = (person("zhangmin"), Carrier::Sms, Notice::YouAccepted);
    assert!(given.contains(&told), "the message says it: {given:?}");
    for (class, rings) in [(Class::Emergency, true), (Class::Fault, false), (Class::Test, false)] {
        let by = &Ladder::loud(class).rungs[0].by;
        assert_eq!(by.contains(&Carrier::Voice), rings, "{class} where no policy can be read");
    }
}
