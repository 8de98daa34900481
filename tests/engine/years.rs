//! Years on one record: what is given up, what must stay, and another box.

use anling::incident::{Fact, Stimulus, TakenOver};
use anling::terms::Seq;

use crate::house::House;
use crate::plan::{endpoint, person};

fn given_up(by: &str) -> Stimulus {
    Stimulus::GivenUp { endpoint: endpoint("district"), by: person(by) }
}

fn replaced(left_out: u64) -> Stimulus {
    Stimulus::BoxReplaced(TakenOver { through: Seq(9), chain: "c4".repeat(32), left_out })
}

#[test]
fn the_oldest_event_somebody_is_owed_keeps_the_record_from_there_on() {
    let mut house = House::new();
    assert_eq!(house.book.first_undelivered(), None);
    house.press("B-14");
    let first = house.book.owed(&endpoint("district")).next().unwrap().seq;
    house.press("B-15");
    assert_eq!(house.book.first_undelivered(), Some(first));
    house.endpoints_take_everything();
    assert_eq!(house.book.first_undelivered(), None);
}

#[test]
fn what_a_person_gives_up_is_owed_no_longer_and_their_name_stands_there() {
    let mut house = House::new();
    house.press("B-14");
    let owed = house.book.undelivered(&endpoint("district"));
    assert!(owed > 0);
    house.takes(&given_up("zhaolei"));
    let (endpoint, by) = (endpoint("district"), person("zhaolei"));
    let fact = Fact::EndpointGivenUp { endpoint: endpoint.clone(), by, events: owed };
    assert_eq!(house.facts, [fact]);
    assert_eq!((house.book.undelivered(&endpoint), house.book.first_undelivered()), (0, None));
    house.takes(&given_up("zhaolei"));
    assert!(house.facts.is_empty(), "nothing is given up twice");
    house.press("B-15");
    assert!(house.book.undelivered(&endpoint) > 0, "what comes after is owed again");
    house.restarts();
}

#[test]
fn another_box_goes_on_where_the_ladder_stood() {
    let mut house = House::new();
    house.press("B-14");
    let next = house.book.next_deadline();
    let outstanding: Vec<_> = house.book.outstanding().map(|order| order.id.clone()).collect();
    house.takes(&replaced(0));
    assert_eq!(house.book.next_deadline(), next);
    assert!(house.book.outstanding().map(|order| &order.id).eq(&outstanding), "the same orders");
    house.restarts();
    house.passes(60);
    house.calling(1, 0, 0);
}

#[test]
fn behind_an_older_copy_no_incident_gets_a_number_the_old_box_may_have_given() {
    let mut house = House::new();
    house.press("B-14");
    let before = house.book.incidents().next_back().unwrap().id.0;
    house.takes(&replaced(1_000_000));
    house.press("B-15");
    let after = house.book.incidents().next_back().unwrap().id.0;
    assert_eq!(after, before + 1_000_001);
    house.restarts();
}

#[test]
fn what_was_left_out_does_not_count_among_the_newest() {
    let mut house = House::new();
    house.press("B-14");
    let last = house.book.last_seq().0;
    assert_eq!(house.book.first_of_newest(5), Seq(last - 5));
    assert_eq!(house.book.first_of_newest(last + 5), Seq(1));
    house.takes(&replaced(7));
    assert_eq!(house.book.first_of_newest(12), Seq((last + 1 - 12).saturating_sub(7).max(1)));
}
