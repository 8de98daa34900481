//! A broker that does what the test says, packet by packet, and a hub's client that is connected to it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anling::clock::Stopwatch;
use anling::link::mqtt::{MqttNews, MqttSettings, OutsideBroker};
use anling::terms::{At, Inbound, LinkId, Secret, Wait};
use bytes::BytesMut;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, QoS, SubAck, Subscribe,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::house::soon;

const PACKET_MAX: usize = 64 << 20;

/// The listening side.
pub struct Scripted {
    pub listener: TcpListener,
}

/// One connection to it.
pub struct Line {
    stream: TcpStream,
    read: BytesMut,
}

/// The hub's side, with a desk that the test plays.
pub struct Ears {
    pub link: OutsideBroker,
    pub inbox: mpsc::Receiver<Inbound>,
    pub news: mpsc::Receiver<(LinkId, MqttNews)>,
    skipped: Arc<AtomicU64>,
}

pub fn settings(port: u16) -> MqttSettings {
    MqttSettings {
        link: LinkId::new("mqtt.home").unwrap(),
        host: "127.0.0.1".into(),
        port,
        client_id: "anling-hub1".into(),
        login: Some(("anling".into(), Secret::new("pass"))),
        tls: None,
        topics: vec!["z/#".into(), "anling/v1/hub1/+/event".into()],
        narrow: vec!["z/+".into(), "anling/v1/hub1/+/event".into()],
        bare: vec!["anling/v1/hub1/+/event".into()],
        probe: None,
    }
}

impl Ears {
    pub fn open(settings: MqttSettings) -> Self {
        Self::with(settings, 4_096)
    }

    pub fn with(settings: MqttSettings, room: usize) -> Self {
        let (to_desk, inbox) = mpsc::channel(room);
        let (tell, news) = mpsc::channel(64);
        let since = Stopwatch::start();
        let skipped: Arc<AtomicU64> = Arc::default();
        let skips = Arc::clone(&skipped);
        let now = move || {
            let passed = u64::try_from(since.elapsed().as_millis()).unwrap();
            At(passed + skips.load(Ordering::Acquire))
        };
        Self { link: OutsideBroker::keep(settings, to_desk, now, tell), inbox, news, skipped }
    }

    /// So much time passes, as the link sees when it looks next.
    pub fn skip(&self, wait: Wait) {
        self.skipped.fetch_add(wait.0, Ordering::AcqRel);
    }

    pub async fn heard(&mut self) -> Inbound {
        soon("a message for the desk", self.inbox.recv()).await.unwrap()
    }

    /// The next news of a kind; others are passed over.
    pub async fn news(&mut self, wanted: impl Fn(&MqttNews) -> bool) -> MqttNews {
        loop {
            let (_, news) = soon("news of the link", self.news.recv()).await.unwrap();
            if wanted(&news) {
                return news;
            }
        }
    }

    pub async fn hearing(&mut self) -> bool {
        match self.news(|news| matches!(news, MqttNews::Hearing { .. })).await {
            MqttNews::Hearing { resumed } => resumed,
            _ => unreachable!(),
        }
    }

    /// Whether nothing comes to the desk for a while.
    pub async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_millis(200), self.inbox.recv()).await.is_err()
    }
}

impl Scripted {
    pub async fn open() -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (Self { listener }, port)
    }

    /// The next connection and its CONNECT.
    pub async fn accept(&self) -> (Line, Connect) {
        loop {
            let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut line = Line { stream, read: BytesMut::new() };
            // A knock says nothing and goes.
            if let Some(packet) = line.next().await {
                let Packet::Connect(connect) = packet else { panic!("{packet:?}") };
                return (line, connect);
            }
        }
    }

    /// The next connection, signed in and subscribed.
    pub async fn welcome(&self, session_present: bool) -> (Line, Subscribe) {
        let (mut line, _) = self.accept().await;
        line.connack(session_present).await;
        let subscribe = line.subscribed().await;
        line.grant(&subscribe).await;
        (line, subscribe)
    }
}

impl Line {
    /// The next packet but signs of life; `None` when the connection is over.
    pub async fn next(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.read, PACKET_MAX) {
                Ok(Packet::PingReq) => {
                    self.send(Packet::PingResp).await;
                    continue;
                }
                Ok(packet) => return Some(packet),
                Err(rumqttc::Error::InsufficientBytes(_)) => {}
                Err(why) => panic!("{why}"),
            }
            let read = soon("bytes of the hub", self.stream.read_buf(&mut self.read)).await;
            if !read.is_ok_and(|count| count > 0) {
                return None;
            }
        }
    }

    pub async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, PACKET_MAX).unwrap();
        // A hub that has gone is seen by the next read.
        let _gone = self.stream.write_all(&bytes).await;
    }

    pub async fn connack(&mut self, session_present: bool) {
        let code = ConnectReturnCode::Success;
        self.send(Packet::ConnAck(ConnAck { session_present, code })).await;
    }

    /// The SUBSCRIBE for what the hub wants to hear.
    pub async fn subscribed(&mut self) -> Subscribe {
        loop {
            match self.next().await {
                Some(Packet::Subscribe(subscribe))
                    if !subscribe.filters[0].path.starts_with('$') =>
                {
                    return subscribe;
                }
                Some(_) => {}
                None => panic!("the hub left without subscribing"),
            }
        }
    }

    pub async fn grant(&mut self, subscribe: &Subscribe) {
        let code = SubscribeReasonCode::Success(QoS::AtLeastOnce);
        let codes = vec![code; subscribe.filters.len()];
        self.send(Packet::SubAck(SubAck::new(subscribe.pkid, codes))).await;
    }

    pub async fn publish(&mut self, pkid: u16, dup: bool, retain: bool, topic: &str, said: &str) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, said);
        (publish.pkid, publish.dup, publish.retain) = (pkid, dup, retain);
        self.send(Packet::Publish(publish)).await;
    }

    /// The number of the next acknowledgement.
    pub async fn acknowledged(&mut self) -> u16 {
        loop {
            match self.next().await {
                Some(Packet::PubAck(PubAck { pkid })) => return pkid,
                Some(_) => {}
                None => panic!("the hub left without acknowledging"),
            }
        }
    }

    /// Whether the hub acknowledges nothing for a while.
    pub async fn is_silent(&mut self) -> bool {
        let acknowledged = async {
            loop {
                match self.next().await {
                    Some(Packet::PubAck(_)) => return,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        within(200, acknowledged).await.is_none()
    }
}

pub async fn within<T>(ms: u64, waited: impl Future<Output = T>) -> Option<T> {
    timeout(Duration::from_millis(ms), waited).await.ok()
}
