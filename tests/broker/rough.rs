//! What a network does to a broker in ten years: silence, garbage, crowds, and the plug pulled.

use std::time::Duration;

use anling::link::LinkError;
use anling::link::broker::{Broker, BrokerCounts};
use anling::terms::{At, Wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;

use crate::house::{B14_EVENT, B14_STATUS, House, settings, soon};
use crate::wire::{ACCEPTED, Hello, Said, Wire, connect_packet, packet, publish_packet};

/// After whatever happened, a button must still get through.
async fn still_answers(house: &mut House) {
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(3, B14_EVENT, b"still here").await;
    let inbound = house.heard().await;
    assert_eq!(inbound.bytes, b"still here");
    inbound.receipt.stored();
    assert_eq!(button.said().await, Said::Puback(3));
}

fn short_handshake() -> anling::link::broker::BrokerSettings {
    let mut settings = settings(0);
    settings.handshake = Wait(300);
    settings
}

#[tokio::test]
async fn garbage_on_the_port_is_closed() {
    let mut house = House::with(short_handshake(), 64).await;
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4_096], &[0x10, 0x04, 0, 4, b'M', b'Q']]
    {
        let mut wire = Wire::open(house.address).await;
        wire.send(garbage).await;
        assert_eq!(wire.said().await, Said::Closed);
    }
    let mut wire = Wire::signed_in(house.address, "b14").await;
    wire.send(&[0x00; 512]).await;
    assert_eq!(wire.said().await, Said::Closed);
    still_answers(&mut house).await;
    house.close().await;
}

#[tokio::test]
async fn a_packet_of_a_megabyte_ends_its_connection() {
    let mut house = House::open().await;
    let mut wire = Wire::signed_in(house.address, "b14").await;
    wire.send(&publish_packet(1, false, 1, B14_EVENT, &vec![b'x'; 1 << 20])).await;
    assert_eq!(wire.said().await, Said::Closed);
    let mut stranger = Wire::open(house.address).await;
    stranger.send(&packet(0x10, &vec![0; 1 << 20])).await;
    assert_eq!(stranger.said().await, Said::Closed);
    still_answers(&mut house).await;
    house.close().await;
}

async fn counted(house: &House, so: impl Fn(&BrokerCounts) -> bool) {
    let count = async {
        while !so(&house.broker.counts()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the count", count).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let mut house = House::with(short_handshake(), 64).await;
    let mut mute = Wire::open(house.address).await;
    assert_eq!(mute.said().await, Said::Closed);
    // A connection is closed a moment before it is counted.
    counted(&house, |counts| counts.mute == 1).await;
    still_answers(&mut house).await;
    house.close().await;
}

#[tokio::test]
async fn a_connect_that_trickles_in_is_dropped() {
    let mut house = House::with(short_handshake(), 64).await;
    let connect = connect_packet(&Hello::default());
    let mut loris = Wire::open(house.address).await;
    for byte in &connect[..connect.len() - 1] {
        loris.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(loris.said().await, Said::Closed);
    counted(&house, |counts| counts.mute == 1).await;
    still_answers(&mut house).await;
    house.close().await;
}

#[tokio::test]
async fn a_crowd_of_mutes_cannot_keep_a_button_waiting() {
    let mut narrow = settings(0);
    narrow.max_unsigned = 8;
    let mut house = House::with(narrow, 64).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        crowd.push(Wire::open(house.address).await);
    }
    still_answers(&mut house).await;
    assert_eq!(crowd[0].said().await, Said::Closed);
    assert!(house.broker.counts().pushed_out >= 32);
    house.close().await;
}

#[tokio::test]
async fn a_full_house_turns_away_and_takes_again_when_one_leaves() {
    let mut small = settings(0);
    small.max_connections = 2;
    let house = House::with(small, 64).await;
    let first = Wire::signed_in(house.address, "b14").await;
    let _second = Wire::signed_in(house.address, "b15").await;
    let mut third = Wire::open(house.address).await;
    assert_eq!(third.said().await, Said::Closed);
    assert_eq!(house.broker.counts().turned_away, 1);
    drop(first);
    let hello = Hello { account: Some(("b14", "b14-password")), ..Hello::default() };
    let let_in = async {
        while Wire::hello(house.address, &hello).await.1 != Said::Connack(ACCEPTED) {
            tokio::task::yield_now().await;
        }
    };
    soon("a free place", let_in).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_clients_connect_and_each_press_is_acknowledged() {
    const CLIENTS: u16 = 2_000;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let mut house = House::open().await;
    let _heard = house.store_all();
    let address = house.address;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..CLIENTS {
        clients.spawn(async move {
            let id = format!("press-{n}");
            let account = Some(("press", "press-password"));
            let hello = Hello { client_id: &id, account, ..Hello::default() };
            let (mut wire, answer) = Wire::hello(address, &hello).await;
            assert_eq!(answer, Said::Connack(ACCEPTED));
            wire.publish(1, &format!("anling/v1/hub1/D-{n}/event"), b"x").await;
            assert_eq!(wire.said().await, Said::Puback(1));
            wire
        });
    }
    let held = clients.join_all().await;
    assert_eq!(held.len(), usize::from(CLIENTS));
    assert_eq!(house.broker.counts().stored, u64::from(CLIENTS));
    house.close().await;
}

#[tokio::test]
async fn a_client_that_vanishes_while_its_press_waits_is_still_heard() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(1, B14_EVENT, b"last words").await;
    let inbound = house.heard().await;
    drop(button);
    inbound.receipt.stored();
    still_answers(&mut house).await;
    house.close().await;
}

#[tokio::test]
async fn the_same_port_is_free_at_once_after_a_stop() {
    let house = House::open().await;
    let port = house.address.port();
    let mut button = Wire::signed_in(house.address, "b14").await;
    house.close().await;
    assert_eq!(button.said().await, Said::Closed);
    let mut again = House::with(settings(port), 64).await;
    assert_eq!(again.address.port(), port);
    still_answers(&mut again).await;
    again.close().await;
}

#[tokio::test]
async fn a_taken_port_is_said_with_its_address() {
    let house = House::open().await;
    let (inbox, _) = mpsc::channel(1);
    let (sessions, _) = mpsc::channel(1);
    let port = house.address.port();
    let second = Broker::start(settings(port), inbox, || At(0), sessions).await.err().unwrap();
    assert!(matches!(second, LinkError::Listen { address, .. } if address.port() == port));
    house.close().await;
}

#[tokio::test]
async fn a_stop_acknowledges_what_is_being_stored_and_reports_nobody_offline() {
    let mut house = House::open().await;
    let hello = Hello {
        account: Some(("b14", "b14-password")),
        will: Some((B14_STATUS, b"offline")),
        ..Hello::default()
    };
    let (mut button, answer) = Wire::hello(house.address, &hello).await;
    assert_eq!(answer, Said::Connack(ACCEPTED));
    button.publish(1, B14_EVENT, b"x").await;
    let inbound = house.heard().await;
    let House { broker, mut inbox, address, .. } = house;
    let stopping = tokio::spawn(broker.stop(Wait::secs(10)));
    let refused = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon("the closed port", refused).await;
    inbound.receipt.stored();
    assert_eq!(button.said().await, Said::Puback(1));
    assert_eq!(button.said().await, Said::Closed);
    soon("the stop", stopping).await.unwrap();
    assert!(
        soon("the end of the inbox", inbox.recv()).await.is_none(),
        "something was heard after the stop"
    );
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_receipt_that_never_comes() {
    let mut house = House::open().await;
    let mut button = Wire::signed_in(house.address, "b14").await;
    button.publish(1, B14_EVENT, b"x").await;
    let held = house.heard().await;
    soon("the stop", house.broker.stop(Wait(200))).await;
    assert_eq!(button.said().await, Said::Closed);
    drop(held);
}
