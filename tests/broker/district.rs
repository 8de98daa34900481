//! A district platform over MQTT, with a real mosquitto as the district's broker: cut lines, a broker
//! that is killed in the middle of a backlog, and what the district says back.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anling::district::{self, Ends, Heard, Misfit, MqttSettings, PlatformSettings, Way};
use anling::incident::Move;
use anling::notify::endpoint::{
    EndpointHandle, EndpointReport, Health, Hearing, LifeSign, Settled, StoryLetter,
};
use anling::notify::wire::TlsFiles;
use anling::terms::{EndpointId, HubId, IncidentId, Seq};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, SubAck, SubscribeReasonCode};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::house::soon;
use crate::scripted::Scripted;
use crate::tls::Authority;

const UP: &str = "anling/v1/zs-yunjian/up";
const DOWN: &str = "anling/v1/zs-yunjian/down";
/// No step takes this long unless something hangs.
const HANGS: Duration = Duration::from_secs(30);

/// The district's mosquitto, of this test's own.
struct Mosquitto {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    async fn open() -> Self {
        Self::open_with("").await
    }

    /// With further lines for its listener.
    async fn open_with(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nmax_queued_messages 0\n{more}\n"
        );
        std::fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
        let child = Self::run(&dir);
        let broker = Self { dir, port, child };
        broker.listens().await;
        broker
    }

    fn run(dir: &TempDir) -> Child {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(dir.path().join("mosquitto.conf"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|why| panic!("install the package mosquitto ({why})"))
    }

    async fn listens(&self) {
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn again(&mut self) {
        self.child = Self::run(&self.dir);
        self.listens().await;
    }

    async fn says(&self, topic: &str, text: &str) {
        let port = self.port.to_string();
        let mut say = Command::new("mosquitto_pub");
        say.args(["-p", &port, "-q", "1", "-t", topic, "-m", text]);
        let said = tokio::task::spawn_blocking(move || say.status());
        assert!(soon("a word of the district", said).await.unwrap().unwrap().success());
    }

    /// So many bytes that mean nothing.
    fn says_a_film(&self, bytes: usize) {
        let film = self.dir.path().join("film");
        std::fs::write(&film, vec![b'x'; bytes]).unwrap();
        let mut say = Command::new("mosquitto_pub");
        say.args(["-p", &self.port.to_string(), "-q", "1", "-t", DOWN, "-f"]).arg(&film);
        assert!(say.status().unwrap().success());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line that can be cut: whatever is connected, and whether anybody may connect.
struct Line {
    port: u16,
    open: Arc<AtomicBool>,
    cut: watch::Sender<u32>,
    /// How often somebody connected.
    connections: Arc<AtomicU32>,
}

impl Line {
    async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, (cut, cuts)) = (Arc::new(AtomicBool::new(true)), watch::channel(0));
        let may = Arc::clone(&open);
        let connections = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if !may.load(Ordering::Acquire) {
                    continue;
                }
                count.fetch_add(1, Ordering::AcqRel);
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { port, open, cut, connections }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// What the district's own software hears on `up`, in order.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

impl Ear {
    /// Subscribes, and hears until the broker ends.
    async fn listen(&self, port: u16, name: &str) {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_clean_session(false);
        let (client, mut line) = AsyncClient::new(options, 10);
        client.subscribe(UP, QoS::AtLeastOnce).await.unwrap();
        let heard = Arc::clone(&self.0);
        let (subscribed, done) = tokio::sync::oneshot::channel();
        let mut subscribed = Some(subscribed);
        tokio::spawn(async move {
            let _client = client;
            while let Ok(event) = line.poll().await {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => {
                        subscribed.take().map(|tell| tell.send(()));
                    }
                    Event::Incoming(Packet::Publish(publish)) => {
                        let text = String::from_utf8(publish.payload.to_vec()).unwrap();
                        heard.lock().unwrap().push(text);
                    }
                    _ => {}
                }
            }
        });
        soon("the subscription", done).await.unwrap();
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The events of the record, each once, in the order of their first coming.
    fn record(&self) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        let numbers = self.all().into_iter().filter_map(|text| text.parse().ok());
        numbers.filter(|seq: &u64| seen.insert(*seq)).collect()
    }
}

struct Platform {
    handle: EndpointHandle,
    reports: mpsc::Receiver<EndpointReport>,
    heard: mpsc::Receiver<Heard>,
    settled: BTreeMap<u64, u32>,
    health: Vec<Health>,
    hearing: Vec<Hearing>,
}

impl Platform {
    fn open(port: u16) -> Self {
        Self::over("127.0.0.1", port, None)
    }

    fn over(host: &str, port: u16, tls: Option<TlsFiles>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (reports, reported) = mpsc::channel(64);
        let (heard, said) = mpsc::channel(64);
        let way = MqttSettings { host: host.into(), port, login: None, tls };
        let settings = PlatformSettings {
            platform: EndpointId::new("county").unwrap(),
            hub: HubId::new("zs-yunjian").unwrap(),
            may_speak: true,
            way: Way::Mqtt(way),
        };
        let handle = district::open(settings, Ends { reports, heard }).unwrap();
        let (settled, health, hearing) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { handle, reports: reported, heard: said, settled, health, hearing }
    }

    /// Offers events as the desk does: as many as are taken.
    fn offer(&self, events: std::ops::RangeInclusive<u64>) {
        let offer = self.handle.offer.clone();
        tokio::spawn(async move {
            for n in events {
                let body = n.to_string().into();
                let letter =
                    StoryLetter { seq: Seq(n), incident: IncidentId(1), body, urgent: false };
                offer.send(letter).await.unwrap();
            }
        });
    }

    async fn report(&mut self) {
        let report = timeout(HANGS, self.reports.recv()).await.unwrap().unwrap();
        self.health.extend(report.health);
        self.hearing.extend(report.hearing);
        for (seq, how) in report.settled {
            assert_eq!(how, Settled::HandedOver);
            *self.settled.entry(seq.0).or_default() += 1;
        }
    }

    async fn settles(&mut self, count: usize) {
        while self.settled.len() < count {
            self.report().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_cut_again_and_again_loses_nothing_and_turns_nothing_around() {
    let (broker, ear) = (Mosquitto::open().await, Ear::default());
    ear.listen(broker.port, "district").await;
    let line = Line::to(broker.port).await;
    let mut platform = Platform::open(line.port);
    let count = 3_000;
    platform.offer(1..=count);
    for part in 1..=5 {
        platform.settles(part * 400).await;
        line.cut();
    }
    platform.settles(count as usize).await;
    assert!(platform.settled.values().all(|times| *times == 1), "each is settled once");
    let all = async {
        while ear.record().len() < count as usize {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the last event", all).await;
    assert_eq!(ear.record(), (1..=count).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_in_the_middle_of_a_backlog_is_told_everything_it_has_not_acknowledged() {
    let (mut broker, ear) = (Mosquitto::open().await, Ear::default());
    ear.listen(broker.port, "district").await;
    let line = Line::to(broker.port).await;
    let mut platform = Platform::open(line.port);
    platform.offer(1..=20_000);
    platform.settles(2_000).await;
    line.open.store(false, Ordering::Release);
    broker.kill();
    line.cut();
    while !platform.health.iter().any(|health| matches!(health, Health::Down { .. })) {
        platform.report().await;
    }
    let before: BTreeSet<u64> = platform.settled.keys().copied().collect();
    assert!(before.len() < 20_000, "it was killed in the middle");
    broker.again().await;
    let later = Ear::default();
    later.listen(broker.port, "district").await;
    line.open.store(true, Ordering::Release);
    platform.settles(20_000).await;
    assert_eq!(platform.health.last(), Some(&Health::Up));
    let owed: Vec<u64> = (1..=20_000).filter(|seq| !before.contains(seq)).collect();
    let all = async {
        while later.record().len() < owed.len() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the last event", all).await;
    assert_eq!(later.record(), owed, "all that was owed, in order, and nothing that was taken");
}

#[tokio::test]
async fn what_the_district_says_is_acknowledged_once_it_is_stored_and_comes_again_until_then() {
    let broker = Mosquitto::open().await;
    let line = Line::to(broker.port).await;
    let mut platform = Platform::open(line.port);
    platform.offer(1..=1);
    platform.settles(1).await;
    let take = r#"{"id":"7f","type":"take-over","incident":"A01"}"#;
    broker.says(DOWN, take).await;
    let first = soon("the message", platform.heard.recv()).await.unwrap();
    let said = first.message.as_ref().unwrap();
    assert_eq!((said.id.as_str(), said.says), ("7f", Move::TakeOver));
    // The desk cannot store it: the line is given up, and the message comes again.
    first.receipt.refused();
    let second = soon("the same again", platform.heard.recv()).await.unwrap();
    assert_eq!(second.message.unwrap().id.as_str(), "7f");
    second.receipt.stored();
    platform.offer(2..=2);
    platform.settles(2).await;
    // Said while the line is away, it is kept for us; what was stored is not said again.
    line.open.store(false, Ordering::Release);
    line.cut();
    sleep(Duration::from_millis(100)).await;
    broker.says(DOWN, &take.replace("7f", "80")).await;
    broker.says(DOWN, "你好").await;
    line.open.store(true, Ordering::Release);
    let third = soon("what was said meanwhile", platform.heard.recv()).await.unwrap();
    assert_eq!(third.message.unwrap().id.as_str(), "80");
    third.receipt.stored();
    let fourth = soon("rubbish", platform.heard.recv()).await.unwrap();
    assert!(fourth.message.is_err());
    fourth.receipt.stored();
}

#[tokio::test]
async fn a_broker_behind_tls_lets_in_who_shows_its_certificate_and_no_other() {
    let authority = Authority::new();
    authority.sign("broker", "localhost");
    authority.sign("hub", "zs-yunjian");
    let path = |name: &str| authority.file(name).display().to_string();
    let tls = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        path("ca.crt"),
        path("broker.crt"),
        path("broker.key")
    );
    let broker = Mosquitto::open_with(&tls).await;
    let ca_file = Some(authority.file("ca.crt"));
    let without = TlsFiles { ca_file: ca_file.clone(), client: None };
    let mut outside = Platform::over("localhost", broker.port, Some(without));
    outside.offer(1..=1);
    while outside.health.is_empty() {
        outside.report().await;
    }
    assert!(matches!(outside.health[0], Health::Down { .. }) && outside.settled.is_empty());
    let client = Some((authority.file("hub.crt"), authority.file("hub.key")));
    let mut inside = Platform::over("localhost", broker.port, Some(TlsFiles { ca_file, client }));
    inside.offer(1..=100);
    inside.settles(100).await;
}

#[tokio::test]
async fn a_refused_subscription_is_told_and_asked_for_again_until_it_is_granted() {
    let (broker, port) = Scripted::open().await;
    let mut platform = Platform::open(port);
    let (mut line, _) = broker.accept().await;
    line.connack(false).await;
    let asked = line.subscribed().await;
    // Heard without acknowledgements, a message would be lost with the connection.
    let code = SubscribeReasonCode::Success(QoS::AtMostOnce);
    line.send(Packet::SubAck(SubAck::new(asked.pkid, vec![code]))).await;
    let asked = soon("the question asked again", line.subscribed()).await;
    line.grant(&asked).await;
    while platform.hearing.len() < 2 {
        platform.report().await;
    }
    let refused = Hearing::Refused { topic: DOWN.to_owned() };
    assert_eq!(platform.hearing, [refused, Hearing::Granted]);
}

const TAKE_OVER: &str = r#"{"id":"7f","type":"take-over","incident":"A01"}"#;

#[tokio::test]
async fn a_long_message_costs_itself_alone_and_what_is_said_right_after_it_counts() {
    let broker = Mosquitto::open().await;
    let line = Line::to(broker.port).await;
    let mut platform = Platform::open(line.port);
    platform.offer(1..=1);
    platform.settles(1).await;
    broker.says_a_film(300 << 10);
    broker.says(DOWN, TAKE_OVER).await;
    let long = soon("the word of it", platform.heard.recv()).await.unwrap();
    assert_eq!(long.message, Err(Misfit::TooLong));
    long.receipt.stored();
    let said = soon("the message", platform.heard.recv()).await.unwrap();
    assert_eq!(said.message.unwrap().id.as_str(), "7f");
    said.receipt.stored();
    platform.offer(2..=2);
    platform.settles(2).await;
    assert_eq!(line.connections.load(Ordering::Acquire), 1, "the session stood all the while");
}

#[tokio::test]
async fn a_message_too_large_for_any_packet_does_not_come_for_ever() {
    let broker = Mosquitto::open().await;
    let mut platform = Platform::open(broker.port);
    platform.offer(1..=1);
    platform.settles(1).await;
    broker.says_a_film(17 << 20);
    let large = soon("the word of it", platform.heard.recv()).await.unwrap();
    assert_eq!(large.message, Err(Misfit::NoPacket));
    platform.offer(2..=2);
    platform.settles(2).await;
    broker.says(DOWN, TAKE_OVER).await;
    let said = soon("the message", platform.heard.recv()).await.unwrap();
    assert_eq!(said.message.unwrap().id.as_str(), "7f");
    said.receipt.stored();
    assert!(!platform.health.iter().any(|health| matches!(health, Health::Down { .. })));
}

#[tokio::test]
async fn a_broker_that_dies_right_after_a_message_too_large_is_told_of() {
    let mut broker = Mosquitto::open().await;
    let mut platform = Platform::open(broker.port);
    platform.offer(1..=1);
    platform.settles(1).await;
    broker.says_a_film(17 << 20);
    let large = soon("the word of it", platform.heard.recv()).await.unwrap();
    broker.kill();
    assert_eq!(large.message, Err(Misfit::NoPacket));
    while !platform.health.iter().any(|health| matches!(health, Health::Down { .. })) {
        platform.report().await;
    }
}

#[tokio::test]
async fn a_sign_of_life_goes_beside_the_record_and_only_the_newest() {
    let (broker, ear) = (Mosquitto::open().await, Ear::default());
    ear.listen(broker.port, "district").await;
    let line = Line::to(broker.port).await;
    line.open.store(false, Ordering::Release);
    let mut platform = Platform::open(line.port);
    platform.offer(1..=500);
    let life = platform.handle.life.clone().unwrap();
    for n in 1..=3 {
        let (id, body) = (format!("zs-yunjian/alive/b-{n}"), format!("alive-{n}").into());
        life.send_replace(Some(LifeSign { id, body }));
        sleep(Duration::from_millis(20)).await;
    }
    line.open.store(true, Ordering::Release);
    platform.settles(500).await;
    let alive = || -> Vec<String> {
        ear.all().into_iter().filter(|text| text.starts_with("alive")).collect()
    };
    let said = async {
        while alive().is_empty() || ear.record().len() < 500 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the sign of life", said).await;
    assert_eq!(alive(), ["alive-3"]);
    let place = ear.all().iter().position(|text| text == "alive-3").unwrap();
    assert!(place >= 64, "alarms go first: it was number {place}");
    assert!(place < 500, "and it did not wait for the whole backlog");
}
