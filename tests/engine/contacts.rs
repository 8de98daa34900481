//! Neighbours, family and others outside of the house: who of them is called, and what they may say.

use anling::incident::{Ignored, Move, Notice, Policy, Rung, StageName, Stimulus, Who};
use anling::registry::{Change, Contact, Relation, Row, RowId};
use anling::terms::{Class, HomeId, ResidentId, Wait};

use crate::house::{BY_PHONE, HELPED, House};
use crate::plan;

/// A neighbour of 3-2-501, by whom `edit` says otherwise.
fn contact(id: &str, edit: impl FnOnce(&mut Contact)) -> Change {
    let mut row = Contact {
        id: plan::person(id),
        name: id.to_owned(),
        relation: Relation::Neighbour,
        phone: "1".to_owned(),
        email: String::new(),
        resident: None,
        home: Some(HomeId::new("3-2-501").unwrap()),
        grid: String::new(),
        consent: Some("2026-10-01".parse().unwrap()),
        consent_until: None,
        order: 1,
    };
    edit(&mut row);
    Change::Set(Row::Contact(row))
}

fn of_family(row: &mut Contact) {
    row.relation = Relation::Family;
    (row.home, row.resident) = (None, Some(ResidentId::new("R1").unwrap()));
}

/// First the first line, then neighbours, then family.
fn policy() -> Policy {
    let mut policy = plan::policy();
    let ladder = policy.ladders.get_mut(&Class::Emergency).unwrap();
    let rung = |who| Rung { who: vec![who], by: plan::BOTH.to_vec(), wait: Wait::secs(60) };
    ladder.rungs = vec![
        rung(plan::line("first")),
        rung(Who::Contact(Relation::Neighbour)),
        rung(Who::Contact(Relation::Family)),
    ];
    policy
}

fn house(contacts: Vec<Change>) -> House {
    let mut house = House::with(&policy());
    house.takes(&Stimulus::Registry(contacts));
    house
}

#[test]
fn a_step_calls_the_neighbours_of_that_home_in_their_order_and_no_others() {
    let elsewhere = |row: &mut Contact| row.home = Some(HomeId::new("3-2-502").unwrap());
    let mut house = house(vec![
        contact("aunt-li", |row| row.order = 2),
        contact("uncle-wu", |_| {}),
        contact("far-off", elsewhere),
    ]);
    house.press("B-14");
    house.only_called(&["zhangmin"], &Notice::Called);
    house.passes(60);
    house.only_called(&["uncle-wu", "aunt-li"], &Notice::Escalated);
    let order: Vec<&str> = house.given.iter().map(|given| given.0.as_str()).collect();
    assert_eq!(order, ["uncle-wu", "aunt-li"]);
    assert_eq!(house.stage(), StageName::Calling);
}

#[test]
fn where_there_is_no_neighbour_the_next_step_is_called_and_in_the_end_everybody() {
    let mut house = house(vec![contact("daughter", of_family)]);
    house.press("B-14");
    house.passes(60);
    house.only_called(&["daughter"], &Notice::Escalated);
    let mut alone = House::with(&policy());
    alone.press("B-15");
    alone.passes(60);
    for who in ["zhangmin", "lina", "chenjie", "zhaolei"] {
        alone.called(who, &Notice::AllHands);
    }
}

#[test]
fn whoever_has_not_agreed_or_no_longer_does_is_never_called() {
    let mut house = house(vec![
        contact("not-asked", |row| row.consent = None),
        contact("over", |row| row.consent_until = Some("2026-11-22".parse().unwrap())),
        contact("to-come", |row| row.consent = Some("2026-11-24".parse().unwrap())),
        contact("daughter", of_family),
    ]);
    house.press("B-14");
    house.passes(60);
    house.only_called(&["daughter"], &Notice::Escalated);
    house.minutes(30);
    for who in ["not-asked", "over", "to-come"] {
        house.not_told(who);
    }
}

#[test]
fn while_the_clock_cannot_say_the_day_a_date_counts_and_no_date_does_not() {
    let mut house = house(vec![
        contact("over", |row| row.consent_until = Some("2026-11-22".parse().unwrap())),
        contact("not-asked", |row| row.consent = None),
    ]);
    house.trusted = false;
    house.press("B-14");
    house.passes(60);
    house.only_called(&["over"], &Notice::Escalated);
}

#[test]
fn a_neighbour_accepts_and_arrives_and_only_the_house_closes() {
    let mut house = house(vec![contact("aunt-li", |_| {})]);
    house.press("B-14");
    house.passes(60);
    house.says("aunt-li", Move::Accept);
    assert_eq!(house.stage(), StageName::Accepted);
    house.says("aunt-li", Move::OnTheWay);
    house.says("aunt-li", Move::Arrive);
    assert_eq!(house.stage(), StageName::OnScene);
    for closing in [
        HELPED,
        Move::FalseAlarm { contact: BY_PHONE },
        Move::FollowUp { score: None, complaint: false },
        Move::Silence,
        Move::TakeOver,
    ] {
        house.says("aunt-li", closing);
        house.ignored(Ignored::NotAContacts);
    }
    house.notes("aunt-li", "人醒着，坐在椅子上");
    assert_eq!(house.book.notes_of(house.it().id).count(), 1);
    house.says("aunt-li", Move::NeedHelp);
    house.called_at_all("zhangmin");
    house.not_called("aunt-li");
    house.says("zhangmin", Move::Arrive);
    house.says("zhangmin", HELPED);
    assert_eq!(house.stage(), StageName::Resolved);
}

#[test]
fn a_contact_speaks_of_what_they_were_called_for_and_of_nothing_else() {
    let mut house = house(vec![contact("aunt-li", |_| {}), contact("daughter", of_family)]);
    house.press("B-14");
    house.says("aunt-li", Move::Accept);
    house.ignored(Ignored::NotCalledFor);
    house.notes("aunt-li", "什么事？");
    house.ignored(Ignored::NotCalledFor);
    assert_eq!(house.book.notes_of(house.it().id).count(), 0);
    house.passes(60);
    house.says("zhangmin", Move::Decline);
    house.says("aunt-li", Move::Decline);
    house.only_called(&["daughter"], &Notice::Escalated);
    house.says("nobody", Move::Accept);
    house.ignored(Ignored::UnknownPerson);
}

#[test]
fn who_takes_their_word_back_is_counted_on_no_more_and_others_are_called_at_once() {
    let mut house = house(vec![contact("aunt-li", |_| {}), contact("daughter", of_family)]);
    house.press("B-14");
    house.passes(60);
    house.says("aunt-li", Move::Accept);
    let withdrawn = contact("aunt-li", |row| row.consent = None);
    house.takes(&Stimulus::Registry(vec![withdrawn]));
    assert_eq!(house.stage(), StageName::Calling);
    house.called_at_all("daughter");
    house.not_told("aunt-li");
    house.says("daughter", Move::Accept);
    let gone = Change::Removed(RowId::Contact(plan::person("daughter")));
    let import = house.book.next_import();
    house.takes(&Stimulus::Bring { import, changes: vec![gone] });
    house.takes(&Stimulus::Take { import, rows: 1 });
    assert_eq!(house.stage(), StageName::Calling);
    house.restarts();
}

#[test]
fn everybody_is_the_house_and_a_lead_or_a_hazard_reaches_no_contact() {
    let mut house = house(vec![contact("aunt-li", |_| {})]);
    house.level("smoke-1", anling::terms::Kind::Smoke, true);
    house.not_told("aunt-li");
    house.minutes(10);
    house.not_told("aunt-li");
}
