//! Who gets in, and what they may say and hear there.

use crate::house::{B14_EVENT, B14_STATUS, B15_CMD, B15_EVENT, House};
use crate::wire::{ACCEPTED, BAD_PASSWORD, Hello, NOT_ALLOWED, REFUSED_FILTER, Said, Wire};

async fn answer(house: &House, hello: Hello<'_>) -> Said {
    Wire::hello(house.address, &hello).await.1
}

#[tokio::test]
async fn only_a_name_with_its_password_gets_in() {
    let house = House::open().await;
    let with = |account| Hello { account, ..Hello::default() };
    let wrong = answer(&house, with(Some(("b14", "b15-password")))).await;
    assert_eq!(wrong, Said::Connack(BAD_PASSWORD));
    let without = answer(&house, with(Some(("b14", "")))).await;
    assert_eq!(without, Said::Connack(BAD_PASSWORD));
    let stranger = answer(&house, with(Some(("b99", "b14-password")))).await;
    assert_eq!(stranger, Said::Connack(BAD_PASSWORD));
    let nameless = answer(&house, with(None)).await;
    assert_eq!(nameless, Said::Connack(BAD_PASSWORD));
    assert_eq!(house.broker.counts().strangers, 4);
    let right = answer(&house, with(Some(("b14", "b14-password")))).await;
    assert_eq!(right, Said::Connack(ACCEPTED));
    house.close().await;
}

#[tokio::test]
async fn a_foreign_topic_ends_the_connection_and_the_desk_hears_nothing() {
    let mut house = House::open().await;
    for topic in ["zigbee2mqtt/lamp", B15_EVENT, "anling/v1/hub2/B-14/event"] {
        let mut button = Wire::signed_in(house.address, "b14").await;
        button.publish(1, topic, b"x").await;
        assert_eq!(button.said().await, Said::Closed, "{topic}");
    }
    assert_eq!(house.broker.counts().foreign_topics, 3);
    assert!(house.inbox.try_recv().is_err());
    house.close().await;
}

#[tokio::test]
async fn another_s_commands_cannot_be_listened_to() {
    let house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    for filter in [B15_CMD, "anling/v1/hub1/+/cmd", "#"] {
        assert_eq!(button.subscribe(filter).await, Said::Suback(vec![REFUSED_FILTER]), "{filter}");
    }
    assert_eq!(house.broker.counts().foreign_filters, 3);
    house.close().await;
}

#[tokio::test]
async fn another_account_s_session_cannot_be_taken_over() {
    let house = House::open().await;
    let mut owner = Wire::signed_in(house.address, "b14").await;
    let account = Some(("b15", "b15-password"));
    let thief = Hello { client_id: "b14", account, clean: false, ..Hello::default() };
    assert_eq!(answer(&house, thief).await, Said::Connack(NOT_ALLOWED));
    owner.send(&[0xc0, 0]).await;
    assert_eq!(owner.said().await, Said::Pingresp);
    house.close().await;
}

#[tokio::test]
async fn a_client_that_comes_back_takes_its_own_place() {
    let mut house = House::open().await;
    let mut lost = Wire::signed_in(house.address, "b14").await;
    let mut back = Wire::signed_in(house.address, "b14").await;
    assert_eq!(lost.said().await, Said::Closed);
    back.publish(1, B14_EVENT, b"x").await;
    house.heard().await.receipt.stored();
    assert_eq!(back.said().await, Said::Puback(1));
    house.close().await;
}

#[tokio::test]
async fn a_client_that_was_thrown_out_is_let_in_again_at_once() {
    let house = House::open().await;
    for round in 0..100 {
        let mut button = Wire::signed_in(house.address, "b14").await;
        button.publish(1, B15_EVENT, b"x").await;
        assert_eq!(button.said().await, Said::Closed, "{round}");
    }
    house.close().await;
}

#[tokio::test]
async fn a_foreign_will_is_refused_at_the_door() {
    let house = House::open().await;
    let account = Some(("b14", "b14-password"));
    let foreign = Hello { account, will: Some((B15_EVENT, b"sos")), ..Hello::default() };
    assert_eq!(answer(&house, foreign).await, Said::Connack(NOT_ALLOWED));
    assert_eq!(house.broker.counts().foreign_topics, 1);
    house.close().await;
}

#[tokio::test]
async fn a_will_reports_its_device_offline() {
    let mut house = House::open().await;
    let hello = Hello {
        account: Some(("b14", "b14-password")),
        will: Some((B14_STATUS, b"offline")),
        ..Hello::default()
    };
    let (button, answer) = Wire::hello(house.address, &hello).await;
    assert_eq!(answer, Said::Connack(ACCEPTED));
    drop(button);
    let inbound = house.heard().await;
    assert_eq!((&*inbound.topic, &inbound.bytes[..]), (B14_STATUS, &b"offline"[..]));
    house.close().await;
}

#[tokio::test]
async fn the_press_account_speaks_for_every_device_of_the_hub() {
    let mut house = House::open().await;
    let mut press = Wire::signed_in(house.address, "press").await;
    assert_eq!(press.subscribe("anling/v1/hub1/+/cmd").await, Said::Suback(vec![1]));
    for (id, topic) in [(1, B14_EVENT), (2, B15_EVENT)] {
        press.publish(id, topic, b"x").await;
        house.heard().await.receipt.stored();
        assert_eq!(press.said().await, Said::Puback(id));
    }
    house.close().await;
}
