//! A PUBACK means "on this hub's disk", and nothing else sends one.

use std::time::Duration;

use anling::terms::{Receipt, Wait};
use rumqttc::v5;
use tokio::time::timeout;

use crate::house::{B14_EVENT, B15_EVENT, House, settings, soon};
use crate::wire::{Said, Wire, publish_packet};

const PRESS: &[u8] = br#"{"v":1,"boot":17,"seq":1042,"kind":"sos"}"#;

#[tokio::test]
async fn a_press_is_acknowledged_only_after_the_receipt_says_stored() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(7, B14_EVENT, PRESS).await;
    let inbound = house.heard().await;
    assert_eq!((&*inbound.topic, &inbound.bytes[..]), (B14_EVENT, PRESS));
    assert_eq!((inbound.link.as_str(), inbound.retained), ("broker", false));
    let early = timeout(Duration::from_millis(300), button.said()).await;
    assert!(early.is_err(), "{early:?} came before the press was stored");
    inbound.receipt.stored();
    assert_eq!(button.said().await, Said::Puback(7));
    assert_eq!(house.broker.counts().stored, 1);
    house.close().await;
}

#[tokio::test]
async fn a_held_receipt_gives_no_puback_and_the_sender_repeats() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(7, B14_EVENT, PRESS).await;
    let held = house.heard().await;
    assert_eq!(button.said().await, Said::Closed);
    assert_eq!(house.broker.counts().unstored, 1);

    let mut button = Wire::signed_in(house.address, "b14").await;
    button.send(&publish_packet(1, true, 7, B14_EVENT, PRESS)).await;
    let again = house.heard().await;
    assert_eq!(again.bytes, held.bytes);
    held.receipt.stored();
    again.receipt.stored();
    assert_eq!(button.said().await, Said::Puback(7));
    house.close().await;
}

#[tokio::test]
async fn a_refused_receipt_closes_the_connection_without_a_puback() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(7, B14_EVENT, PRESS).await;
    house.heard().await.receipt.refused();
    assert_eq!(button.said().await, Said::Closed);
    house.close().await;
}

#[tokio::test]
async fn a_desk_that_is_full_gives_no_puback() {
    let mut hasty = settings(0);
    hasty.receipt_wait = Wait(300);
    let house = House::with(hasty, 1).await;
    let mut first = Wire::signed_in(house.address, "b14").await;
    first.publish(1, B14_EVENT, PRESS).await;
    assert_eq!(first.said().await, Said::Closed);
    let mut second = Wire::signed_in(house.address, "b15").await;
    second.publish(1, B15_EVENT, PRESS).await;
    assert_eq!(second.said().await, Said::Closed);
    assert_eq!(house.broker.counts().unstored, 2);
    house.close().await;
}

#[tokio::test]
async fn a_press_that_waits_holds_nobody_else_up() {
    let mut house = House::open().await;
    let mut slow = Wire::signed_in(house.address, "b14").await;
    slow.publish(1, B14_EVENT, PRESS).await;
    let held = house.heard().await;
    let mut quick = Wire::signed_in(house.address, "b15").await;
    quick.publish(2, B15_EVENT, PRESS).await;
    house.heard().await.receipt.stored();
    assert_eq!(quick.said().await, Said::Puback(2));
    held.receipt.stored();
    assert_eq!(slow.said().await, Said::Puback(1));
    house.close().await;
}

#[tokio::test]
async fn one_connection_is_heard_in_the_order_it_spoke() {
    let mut house = House::open().await;
    let mut heard = house.store_all();
    let mut button = Wire::signed_in(house.address, "b14").await;
    let mut burst = Vec::new();
    for n in 0..200_u16 {
        let qos = u8::from(n % 3 != 0);
        burst.extend(publish_packet(qos, false, n + 1, B14_EVENT, &n.to_be_bytes()));
    }
    button.send(&burst).await;
    for n in 0..200_u16 {
        let (_, bytes) = soon("the next message", heard.recv()).await.unwrap();
        assert_eq!(bytes, n.to_be_bytes());
    }
    house.close().await;
}

#[tokio::test]
async fn qos_0_is_queued_and_never_waited_for() {
    let mut house = House::with(settings(0), 1).await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    for _ in 0..3 {
        button.send(&publish_packet(0, false, 0, B14_EVENT, PRESS)).await;
    }
    button.send(&[0xc0, 0]).await;
    assert_eq!(button.said().await, Said::Pingresp);
    assert_eq!(house.broker.counts().dropped, 2);
    let kept = house.heard().await;
    assert_eq!(format!("{:?}", kept.receipt), format!("{:?}", Receipt::unasked()));
    house.close().await;
}

#[tokio::test]
async fn a_qos_2_press_is_received_only_when_stored() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.send(&publish_packet(2, false, 5, B14_EVENT, PRESS)).await;
    house.heard().await.receipt.stored();
    assert_eq!(button.said().await, Said::Pubrec(5));
    button.send(&[0x62, 2, 0, 5]).await;
    assert_eq!(button.said().await, Said::Pubcomp(5));
    house.close().await;
}

#[tokio::test]
async fn an_mqtt_5_press_is_acknowledged_when_stored_and_closed_with_a_reason_when_not() {
    let mut house = House::open().await;
    let mut options = v5::MqttOptions::new("b14", "127.0.0.1", house.address.port());
    options.set_credentials("b14", "b14-password");
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    let press = || {
        client.try_publish(B14_EVENT, v5::mqttbytes::QoS::AtLeastOnce, false, PRESS).unwrap();
    };
    press();
    let mut stored = false;
    loop {
        let event = tokio::select! {
            event = soon("an MQTT 5 event", events.poll()) => event,
            inbound = house.heard() => {
                if stored { inbound.receipt.refused() } else { inbound.receipt.stored() }
                continue;
            }
        };
        match event {
            Ok(v5::Event::Incoming(v5::Incoming::PubAck(_))) => {
                assert!(!stored, "the refused press was acknowledged");
                stored = true;
                press();
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    assert!(stored, "the first press was never acknowledged");
    let counts = house.broker.counts();
    assert_eq!((counts.stored, counts.unstored), (1, 1));
    house.close().await;
}
