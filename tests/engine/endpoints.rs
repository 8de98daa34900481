//! What machines are told: one event per fact, owed until it is taken.

use anling::incident::{Fact, Move, Policy, Stimulus, StoryKind};
use anling::terms::{Class, Kind, Seq};

use crate::house::{HELPED, House};
use crate::plan::{self, endpoint};

fn owed(house: &House, to: &str) -> Vec<StoryKind> {
    house.book.owed(&endpoint(to)).map(|story| story.event).collect()
}

#[test]
fn the_district_is_owed_the_whole_story_in_order() {
    let mut house = House::new();
    house.press("B-14");
    house.passes(60);
    house.says("lina", Move::Accept);
    house.says("lina", Move::OnTheWay);
    house.says("lina", Move::Arrive);
    house.says("lina", HELPED);
    house.says("lina", Move::FollowUp { score: None, complaint: false });
    use StoryKind::{Accepted, Escalated, FollowedUp, OnScene, OnTheWay, Raised, Resolved};
    let whole = [Raised, Escalated, Accepted, OnTheWay, OnScene, Resolved, FollowedUp];
    assert_eq!(owed(&house, "district"), whole);
    house.restarts();
    assert_eq!(owed(&house, "district"), whole);
}

#[test]
fn an_endpoint_is_told_what_it_asked_for() {
    let mut house = House::new();
    house.press("B-14");
    house.level("smoke-1", Kind::Smoke, true);
    assert_eq!(owed(&house, "fire"), [StoryKind::Raised]);
    assert_eq!(owed(&house, "district").len(), 2);
}

#[test]
fn what_was_taken_is_owed_no_longer_and_what_is_refused_neither() {
    let mut house = House::new();
    house.press("B-14");
    house.press("B-15");
    let seqs: Vec<Seq> = house.book.owed(&endpoint("district")).map(|s| s.seq).collect();
    let refused = vec![(seqs[1], "schema".to_owned())];
    let took = vec![seqs[0]];
    let delivered = Stimulus::Delivered { endpoint: endpoint("district"), took, refused };
    house.takes(&delivered);
    assert!(owed(&house, "district").is_empty());
    assert_eq!(house.book.story(seqs[0]), None, "and forgotten");
    house.takes(&delivered);
    assert!(house.facts.is_empty(), "told twice, recorded once");
}

#[test]
fn deliveries_of_what_nobody_owes_are_not_recorded() {
    let mut house = House::new();
    house.press("B-14");
    for to in ["district", "nobody"] {
        let (took, refused) = (vec![Seq(1), Seq(999)], Vec::new());
        house.takes(&Stimulus::Delivered { endpoint: endpoint(to), took, refused });
        assert!(house.facts.is_empty());
    }
}

#[test]
fn an_event_waits_until_the_last_endpoint_has_it() {
    let mut house = House::new();
    house.level("smoke-1", Kind::Smoke, true);
    let seq = house.book.owed(&endpoint("fire")).next().unwrap().seq;
    let take = |to: &str| Stimulus::Delivered {
        endpoint: endpoint(to),
        took: vec![seq],
        refused: Vec::new(),
    };
    house.takes(&take("district"));
    assert!(house.book.story(seq).is_some());
    house.takes(&take("fire"));
    assert!(house.book.story(seq).is_none());
}

#[test]
fn an_endpoint_taken_out_of_the_config_is_owed_nothing() {
    let mut house = House::new();
    house.press("B-14");
    let mut policy = plan::policy();
    policy.endpoints.remove(&endpoint("district"));
    house.takes(&Stimulus::Policy(Box::new(policy)));
    assert!(owed(&house, "district").is_empty());
    house.restarts();
}

#[test]
fn a_recorded_policy_nobody_can_read_is_loud_and_forgets_no_debt() {
    let mut house = House::new();
    house.press("B-14");
    house.enters_alone(Fact::PolicyTaken { text: "{\"from\":\"the future\"}".to_owned() });
    assert_eq!(owed(&house, "district"), [StoryKind::Raised]);
    let policy = house.book.policy();
    assert_eq!(policy.ladders, Policy::loud().ladders);
    house.press("B-15");
    house.called_at_all("chenjie");
    assert_eq!(owed(&house, "district").len(), 2);
    house.replays();
}

#[test]
fn the_same_policy_again_is_no_fact() {
    let mut house = House::new();
    house.takes(&Stimulus::Policy(Box::new(plan::policy())));
    assert!(house.facts.is_empty());
}

#[test]
fn an_event_says_how_things_stood_after_its_fact() {
    let mut house = House::new();
    house.press("B-14");
    house.says("lina", Move::Arrive);
    let story = house.book.owed(&endpoint("district")).last().unwrap();
    assert_eq!((story.class, story.stage.word(), story.epoch), (Class::Emergency, "on_scene", 0));
    assert_eq!(story.people, [(plan::person("lina"), None)]);
    assert!(story.times.raised.is_some() && story.times.on_scene.is_some());
    assert!(story.clock_trusted && !story.test);
}
