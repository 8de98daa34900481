//! What the hub says to devices, and what the broker keeps for those who come later.

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};

use crate::house::{B14_CMD, B14_EVENT, B14_STATUS, House, soon};
use crate::wire::{ACCEPTED, Hello, Said, Wire, packet};

const STORED: &[u8] = br#"{"v":1,"boot":17,"ack":1042,"stage":"stored"}"#;

#[tokio::test]
async fn feedback_reaches_the_device_and_is_not_heard_as_a_message() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    assert_eq!(button.subscribe(B14_CMD).await, Said::Suback(vec![1]));
    house.listening(B14_CMD).await;
    house.broker.publish(B14_CMD, STORED.to_vec(), false).unwrap();
    let said = button.said().await;
    let expected =
        Said::Publish { topic: B14_CMD.into(), payload: STORED.to_vec(), retained: false };
    assert_eq!(said, expected);
    assert!(house.inbox.try_recv().is_err());
    house.close().await;
}

#[tokio::test]
async fn a_press_and_its_answer_with_an_ordinary_client() {
    let mut house = House::open().await;
    let mut options = MqttOptions::new("b14", "127.0.0.1", house.address.port());
    options.set_credentials("b14", "b14-password");
    let (client, mut events) = AsyncClient::new(options, 10);
    client.try_subscribe(B14_CMD, QoS::AtLeastOnce).unwrap();
    let answered = async {
        loop {
            match events.poll().await.unwrap() {
                Event::Incoming(Incoming::SubAck(_)) => {
                    client.try_publish(B14_EVENT, QoS::AtLeastOnce, false, "{}").unwrap();
                }
                Event::Incoming(Incoming::Publish(answer)) => return answer.payload.to_vec(),
                _ => {}
            }
        }
    };
    let desk = async {
        house.heard().await.receipt.stored();
        house.broker.publish(B14_CMD, STORED.to_vec(), false).unwrap();
    };
    let (answer, ()) = soon("the answer", async { tokio::join!(answered, desk) }).await;
    assert_eq!(answer, STORED);
    house.close().await;
}

#[tokio::test]
async fn a_device_that_was_away_for_a_moment_gets_its_feedback() {
    let mut house = House::open().await;
    let account = Some(("b14", "b14-password"));
    let hello = Hello { client_id: "b14", account, clean: false, ..Hello::default() };
    let (mut button, _) = Wire::hello(house.address, &hello).await;
    assert_eq!(button.subscribe(B14_CMD).await, Said::Suback(vec![1]));
    house.listening(B14_CMD).await;
    drop(button);
    house.broker.publish(B14_CMD, STORED.to_vec(), false).unwrap();
    let (mut back, answer) = Wire::hello(house.address, &hello).await;
    assert_eq!(answer, Said::Connack(ACCEPTED));
    let said = back.said().await;
    assert!(matches!(&said, Said::Publish { payload, .. } if payload == STORED), "{said:?}");
    house.close().await;
}

#[tokio::test]
async fn a_full_downlink_says_so_and_blocks_nobody() {
    let house = House::open().await;
    let refused = (0..100_000)
        .filter(|_| house.broker.publish(B14_CMD, STORED.to_vec(), false).is_err())
        .count();
    assert_eq!(house.broker.counts().unsent, u64::try_from(refused).unwrap());
    house.close().await;
}

#[tokio::test]
async fn a_bridge_s_levels_are_kept_for_whoever_subscribes_later() {
    let mut house = House::open().await;
    let mut heard = house.store_all();
    let mut bridge = Wire::signed_in(house.address, "z2m").await;
    let mut body = vec![0, 24];
    body.extend_from_slice(b"zigbee2mqtt/bridge/state\0\x01online");
    bridge.send(&packet(0x33, &body)).await;
    assert_eq!(bridge.said().await, Said::Puback(1));
    assert_eq!(soon("the level", heard.recv()).await.unwrap().1, b"online");
    drop(bridge);
    let mut later = Wire::signed_in(house.address, "z2m").await;
    assert_eq!(later.subscribe("zigbee2mqtt/bridge/#").await, Said::Suback(vec![1]));
    let topic = "zigbee2mqtt/bridge/state".to_owned();
    let kept = Said::Publish { topic, payload: b"online".to_vec(), retained: true };
    assert_eq!(later.said().await, kept);
    house.close().await;
}

#[tokio::test]
async fn a_device_s_own_status_is_not_told_to_other_devices() {
    let mut house = House::open().await;
    let mut heard = house.store_all();
    let mut other = Wire::signed_in(house.address, "b15").await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(1, B14_STATUS, b"online").await;
    assert_eq!(soon("the status", heard.recv()).await.unwrap().0, B14_STATUS);
    assert_eq!(button.said().await, Said::Puback(1));
    other.send(&[0xc0, 0]).await;
    assert_eq!(other.said().await, Said::Pingresp);
    house.close().await;
}
