//! A broker that others run, as it may behave: late, forgetful, refusing, repeating, too large.

use std::time::Duration;

use anling::link::mqtt::{Breadth, MqttNews, MqttSettings, REGAIN, probe_topic};
use anling::terms::HubId;
use rumqttc::{
    ConnAck, ConnectReturnCode, Packet, Publish, QoS, SubAck, Subscribe, SubscribeReasonCode,
};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::house::soon;
use crate::scripted::{Ears, Line, Scripted, settings, within};

#[tokio::test]
async fn a_press_is_acknowledged_when_it_is_stored_and_not_before() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, connect) = broker.accept().await;
    assert_eq!((connect.client_id.as_str(), connect.clean_session), ("anling-hub1", false));
    assert!(connect.login.unwrap().validate("anling", "pass"));
    line.connack(false).await;
    let subscribe = line.subscribed().await;
    assert!(subscribe.filters.iter().all(|filter| filter.qos == QoS::AtLeastOnce));
    line.grant(&subscribe).await;
    assert!(!ears.hearing().await);
    for pkid in [7, 8] {
        line.publish(pkid, false, false, "z/B-1", "press").await;
    }
    let (first, second) = (ears.heard().await, ears.heard().await);
    assert_eq!((&*first.topic, &*first.bytes, first.retained), ("z/B-1", &b"press"[..], false));
    assert!(line.is_silent().await);
    second.receipt.stored();
    assert_eq!(line.acknowledged().await, 8);
    first.receipt.stored();
    assert_eq!(line.acknowledged().await, 7);
}

#[tokio::test]
async fn a_press_that_cannot_be_stored_is_asked_for_again() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(7, false, false, "z/B-1", "press").await;
    ears.heard().await.receipt.refused();
    while line.next().await.is_some() {}
    let (mut line, _) = broker.welcome(true).await;
    line.publish(7, true, false, "z/B-1", "press").await;
    ears.heard().await.receipt.stored();
    assert_eq!(line.acknowledged().await, 7);
}

#[tokio::test]
async fn a_press_under_way_while_the_line_breaks_is_one_press() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(7, false, false, "z/B-1", "press").await;
    line.publish(8, false, false, "z/B-1", "press").await;
    let (early, late) = (ears.heard().await, ears.heard().await);
    drop(line);
    early.receipt.stored();
    let (mut line, _) = broker.welcome(true).await;
    line.publish(7, true, false, "z/B-1", "press").await;
    line.publish(8, true, false, "z/B-1", "press").await;
    assert_eq!(line.acknowledged().await, 7);
    assert!(ears.is_silent().await, "both were heard before");
    late.receipt.stored();
    assert_eq!(line.acknowledged().await, 8);
}

#[tokio::test]
async fn old_messages_that_a_broker_sends_again_after_their_acknowledgement_are_heard_again() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(7, false, false, "z/B-1", "press").await;
    ears.heard().await.receipt.stored();
    assert_eq!(line.acknowledged().await, 7);
    drop(line);
    let (mut line, _) = broker.welcome(true).await;
    line.publish(7, true, false, "z/B-1", "press").await;
    ears.heard().await.receipt.stored();
    assert_eq!(line.acknowledged().await, 7, "its number may stand for another press");
}

#[tokio::test]
async fn a_broker_that_forgets_is_told_of_and_subscribed_to_anew() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    for known in [false, true, false] {
        let (line, subscribe) = broker.welcome(known).await;
        assert_eq!(subscribe.filters.len(), 2, "whatever it remembers");
        assert_eq!(ears.hearing().await, known);
        drop(line);
    }
    let (_line, _) = broker.welcome(false).await;
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(MqttNews::Hearing { .. })) {
        seen.push(soon("news", ears.news.recv()).await.unwrap().1);
    }
    assert!(seen.contains(&MqttNews::Forgot), "{seen:?}");
}

#[tokio::test]
async fn a_refused_subscription_is_named_and_the_others_are_heard() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.accept().await;
    line.connack(false).await;
    let asked = line.subscribed().await;
    let codes = vec![SubscribeReasonCode::Failure, SubscribeReasonCode::Success(QoS::AtLeastOnce)];
    line.send(Packet::SubAck(SubAck::new(asked.pkid, codes))).await;
    let news = ears.news(|_| true).await;
    assert_eq!(news, MqttNews::Deaf { filters: vec!["z/#".into()] });
    line.publish(1, false, false, "anling/v1/hub1/B-1/event", "press").await;
    ears.heard().await.receipt.stored();
    assert_eq!(line.acknowledged().await, 1);
}

#[tokio::test]
async fn a_subscription_granted_without_acknowledgements_counts_as_refused() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.accept().await;
    line.connack(false).await;
    let asked = line.subscribed().await;
    let codes = vec![SubscribeReasonCode::Success(QoS::AtMostOnce); 2];
    line.send(Packet::SubAck(SubAck::new(asked.pkid, codes))).await;
    let news = ears.news(|_| true).await;
    assert!(matches!(news, MqttNews::Deaf { filters } if filters.len() == 2));
}

#[tokio::test]
async fn kept_copies_are_told_from_what_is_said_now() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(1, false, true, "z/smoke", r#"{"smoke":true}"#).await;
    line.publish(2, false, false, "z/smoke", r#"{"smoke":true}"#).await;
    assert_eq!((ears.heard().await.retained, ears.heard().await.retained), (true, false));
}

#[tokio::test]
async fn commands_wait_for_a_broker_that_acknowledges_late_and_acknowledgements_do_not() {
    const COMMANDS: usize = 300;
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    for n in 0..COMMANDS {
        ears.link.publish(&format!("cmd/{n}"), b"stored".to_vec()).unwrap();
    }
    let (mut line, _) = broker.welcome(true).await;
    let mut under_way = Vec::new();
    let mut heard = Vec::new();
    let mut next_press = 1;
    while heard.len() < COMMANDS {
        // No command is acknowledged before 64 are out; then all at once, the last first.
        if under_way.len() == 64 {
            line.publish(next_press, false, false, "z/B-1", "press").await;
            ears.heard().await.receipt.stored();
            assert_eq!(line.acknowledged().await, next_press);
            next_press += 1;
            sleep(Duration::from_millis(50)).await;
            for pkid in under_way.drain(..).rev() {
                line.send(Packet::PubAck(rumqttc::PubAck::new(pkid))).await;
            }
        }
        match soon("a command", line.next()).await {
            Some(Packet::Publish(publish)) => {
                heard.push(publish.topic);
                under_way.push(publish.pkid);
            }
            Some(_) => {}
            None => panic!("the hub left"),
        }
    }
    let all: Vec<String> = (0..COMMANDS).map(|n| format!("cmd/{n}")).collect();
    assert_eq!(heard, all);
}

#[tokio::test]
async fn a_large_kept_message_costs_no_connection_and_no_press() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let list = "x".repeat(700_000);
    let (mut line, _) = broker.welcome(false).await;
    for (pkid, retain, topic, said) in [
        (1, false, "z/B-1", "before"),
        (2, true, "z/bridge/devices", list.as_str()),
        (3, false, "z/B-1", "after"),
    ] {
        line.publish(pkid, false, retain, topic, said).await;
        let heard = ears.heard().await;
        assert_eq!((&*heard.topic, heard.bytes.len()), (topic, said.len().min(65_536)));
        heard.receipt.stored();
        assert_eq!(line.acknowledged().await, pkid);
    }
    assert_eq!(ears.news(|_| true).await, MqttNews::Hearing { resumed: false });
    assert!(ears.news.try_recv().is_err(), "the connection stood all the while");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_left_out_and_presses_are_heard() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(2, false, true, "z/bridge/devices", &"x".repeat(17 << 20)).await;
    forgets(&broker).await;
    let (mut line, subscribe) = broker.welcome(false).await;
    assert_eq!(filters(&subscribe), ["z/+", "anling/v1/hub1/+/event"]);
    line.publish(3, false, false, "z/B-1", "press").await;
    is_pressed(&mut ears).await;
    let MqttNews::Big { bytes, heard } = ears.news(is_big).await else { unreachable!() };
    assert!(bytes > 17 << 20 && heard == Breadth::Narrow);
    // Another one, of the topics that are left, costs no more.
    line.publish(4, false, false, "anling/v1/hub1/B-1/event", &"x".repeat(18 << 20)).await;
    forgets(&broker).await;
    let (mut line, subscribe) = broker.welcome(false).await;
    assert_eq!(filters(&subscribe), ["z/+", "anling/v1/hub1/+/event"]);
    line.publish(5, false, false, "z/B-1", "press").await;
    is_pressed(&mut ears).await;
    let MqttNews::Big { bytes, heard } = ears.news(is_big).await else { unreachable!() };
    assert!(bytes > 18 << 20 && heard == Breadth::Narrow);
}

async fn is_pressed(ears: &mut Ears) {
    let press = ears.heard().await;
    assert_eq!(&*press.bytes, b"press");
    press.receipt.stored();
}

fn is_big(news: &MqttNews) -> bool {
    matches!(news, MqttNews::Big { .. })
}

fn filters(subscribe: &Subscribe) -> Vec<&str> {
    subscribe.filters.iter().map(|filter| filter.path.as_str()).collect()
}

/// The connection that makes the broker forget the session, with what it would send again.
async fn forgets(broker: &Scripted) {
    let (mut wiping, connect) = broker.accept().await;
    assert!(connect.clean_session, "the broker forgets what it would send again");
    wiping.connack(false).await;
    while wiping.next().await.is_some() {}
}

#[tokio::test]
async fn a_kept_message_beyond_the_limit_costs_what_is_kept_until_it_is_cleared() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (all, few) = (["z/+", "anling/v1/hub1/+/event"], ["anling/v1/hub1/+/event"]);
    let film = "x".repeat(17 << 20);
    for wanted in [&["z/#", few[0]][..], &all, &few] {
        let (mut line, subscribe) = broker.welcome(false).await;
        assert_eq!(filters(&subscribe), wanted);
        if wanted.len() > 1 {
            line.publish(2, false, true, "z/B-1", &film).await;
            forgets(&broker).await;
            continue;
        }
        line.publish(3, false, false, "anling/v1/hub1/B-2/event", "press").await;
        is_pressed(&mut ears).await;
        let heard = async |ears: &mut Ears| match ears.news(is_big).await {
            MqttNews::Big { heard, .. } => heard,
            _ => unreachable!(),
        };
        assert_eq!(heard(&mut ears).await, Breadth::Narrow);
        assert_eq!(heard(&mut ears).await, Breadth::Bare);
        ears.skip(REGAIN);
        line.publish(4, false, false, "anling/v1/hub1/B-2/event", "wakes it").await;
        ears.heard().await.receipt.stored();
    }
    // It is there still: nothing is told anew.
    let (mut line, subscribe) = broker.welcome(true).await;
    assert_eq!(filters(&subscribe), all);
    line.publish(2, false, true, "z/B-1", &film).await;
    forgets(&broker).await;
    let (mut line, subscribe) = broker.welcome(false).await;
    assert_eq!(filters(&subscribe), few);
    ears.skip(REGAIN);
    line.publish(5, false, false, "anling/v1/hub1/B-2/event", "wakes it").await;
    ears.heard().await.receipt.stored();
    let (_line, subscribe) = broker.welcome(true).await;
    assert_eq!(filters(&subscribe), all, "cleared: all of them are heard again");
    sleep(Duration::from_millis(100)).await;
    while let Ok((_, news)) = ears.news.try_recv() {
        assert!(!is_big(&news), "{news:?}");
    }
}

#[tokio::test]
async fn a_broker_that_throws_messages_away_is_told_of() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    for (pkid, count) in [(1, "40"), (2, "40"), (3, "52")] {
        line.publish(pkid, false, pkid == 1, "$SYS/broker/publish/messages/dropped", count).await;
    }
    let news = ears.news(|news| matches!(news, MqttNews::ThrownAway { .. })).await;
    assert_eq!(news, MqttNews::ThrownAway { more: 12 });
    assert!(ears.is_silent().await, "its own topics are not the desk's");
}

#[tokio::test]
async fn a_wrong_password_is_a_sentence_and_the_broker_is_left_alone_for_a_while() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.accept().await;
    let code = ConnectReturnCode::BadUserNamePassword;
    line.send(Packet::ConnAck(ConnAck { session_present: false, code })).await;
    let news = ears.news(|_| true).await;
    assert!(matches!(&news, MqttNews::Lost { why } if why.contains("sign-in")), "{news:?}");
    let again = crate::scripted::within(200, broker.accept()).await;
    assert!(again.is_none(), "the shortest pause is 250 ms");
    broker.welcome(false).await;
    assert!(!ears.hearing().await);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_still_stored_and_leaves_the_rest_with_the_broker() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (mut line, _) = broker.welcome(false).await;
    line.publish(1, false, false, "z/B-1", "press").await;
    let press = ears.heard().await;
    let link = ears.link;
    let stopping = tokio::spawn(link.stop(anling::terms::Wait::secs(5)));
    sleep(Duration::from_millis(100)).await;
    line.publish(2, false, false, "z/B-1", "press").await;
    sleep(Duration::from_millis(100)).await;
    press.receipt.stored();
    assert_eq!(line.acknowledged().await, 1);
    let mut left = Vec::new();
    while let Some(packet) = line.next().await {
        left.push(packet);
    }
    assert_eq!(left, [Packet::Disconnect]);
    soon("the stop", stopping).await.unwrap();
    assert!(ears.inbox.try_recv().is_err());
}

#[tokio::test]
async fn a_broker_that_returns_is_found_at_once() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(settings(port));
    let (line, _) = broker.welcome(false).await;
    assert!(!ears.hearing().await);
    drop((line, broker));
    ears.news(|news| matches!(news, MqttNews::Lost { .. })).await;
    // Far longer than the first pauses: a growing one would be seconds by now.
    sleep(Duration::from_secs(4)).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    let back: TcpListener = socket.listen(16).unwrap();
    let waited = anling::clock::Stopwatch::start();
    soon("a knock", back.accept()).await.unwrap();
    let took = waited.elapsed();
    println!("the broker's return was found after {took:?}");
    // A hang guard: a pause that grows is 2 s or more here; what is promised is 50 ms.
    assert!(took < Duration::from_secs(1), "{took:?}");
    let broker = Scripted { listener: back };
    broker.welcome(false).await;
    assert!(!ears.hearing().await);
}

fn probed(port: u16) -> MqttSettings {
    let probe = probe_topic(&HubId::new("hub1").unwrap());
    MqttSettings { probe: Some(probe), ..settings(port) }
}

/// The next probe, as it was said.
async fn probe(line: &mut Line) -> Publish {
    loop {
        match line.next().await {
            Some(Packet::Publish(said)) if said.topic == "anling/v1/hub1/hub:probe/event" => {
                return said;
            }
            Some(_) => {}
            None => panic!("the hub left without a probe"),
        }
    }
}

#[tokio::test]
async fn a_broker_gives_back_what_is_said_and_the_desk_hears_nothing_of_it() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(probed(port));
    let (mut line, _) = broker.welcome(false).await;
    let said = soon("a probe", probe(&mut line)).await;
    line.send(Packet::Publish(said)).await;
    assert_eq!(ears.news(|news| *news == MqttNews::Through).await, MqttNews::Through);
    drop(line);
    // An old one says nothing of this connection, and is acknowledged where that is asked for.
    let (mut line, _) = broker.welcome(true).await;
    let (topic, old) = ("anling/v1/hub1/hub:probe/event", r#"{"v":1,"probe":"0"}"#);
    line.publish(9, false, false, topic, old).await;
    assert_eq!(line.acknowledged().await, 9);
    assert!(ears.is_silent().await);
    while let Ok((_, news)) = ears.news.try_recv() {
        assert_ne!(news, MqttNews::Through);
    }
}

#[tokio::test]
async fn a_broker_that_ends_connections_over_a_probe_is_heard_without() {
    let (broker, port) = Scripted::open().await;
    let mut ears = Ears::open(probed(port));
    for _ in 0..3 {
        let (mut line, _) = broker.welcome(true).await;
        soon("a probe", probe(&mut line)).await;
    }
    let (mut line, _) = broker.welcome(true).await;
    let news = ears.news(|news| matches!(news, MqttNews::Barred { .. })).await;
    assert_eq!(news, MqttNews::Barred { heard: true });
    assert!(within(300, probe(&mut line)).await.is_none());
    line.publish(3, false, false, "z/B-1", "press").await;
    assert_eq!(&*ears.heard().await.bytes, b"press");
}
