//! A district platform over HTTPS, against receivers that answer well and badly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anling::district::{
    self, Accepted, Ends, Heard as Said, HttpsSettings, MESSAGES_MAX, Misfit, PlatformSettings, Way,
};
use anling::notify::endpoint::{
    EndpointHandle, EndpointReport, Health, LifeSign, Settled, StoryLetter,
};
use anling::notify::wire::TlsFiles;
use anling::terms::{EndpointId, HubId, IncidentId, Secret, Seq, Wait};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::letters::soon;
use super::receiver::{Heard, Receiver, Reply};

fn https(url: &str) -> HttpsSettings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpsSettings {
        url: url.to_owned(),
        bearer: Some(Secret::new("geheim")),
        tls: TlsFiles::default(),
        batch: Some(100),
        accepted: None,
        time_limit: Wait(500),
    }
}

struct Platform {
    handle: EndpointHandle,
    reports: mpsc::Receiver<EndpointReport>,
    said: mpsc::Receiver<Said>,
    settled: Vec<(u64, Settled)>,
    health: Vec<Health>,
}

impl Platform {
    fn open(https: HttpsSettings) -> Self {
        let (reports, reported) = mpsc::channel(64);
        let (heard, said) = mpsc::channel(64);
        let settings = PlatformSettings {
            platform: EndpointId::new("county").unwrap(),
            hub: HubId::new("hub").unwrap(),
            may_speak: true,
            way: Way::Https(https),
        };
        let handle = district::open(settings, Ends { reports, heard }).unwrap();
        Self { handle, reports: reported, said, settled: Vec::new(), health: Vec::new() }
    }

    fn owe(&self, events: std::ops::RangeInclusive<u64>) {
        self.owe_all(events, false);
    }

    fn owe_all(&self, events: std::ops::RangeInclusive<u64>, urgent: bool) {
        let offer = self.handle.offer.clone();
        tokio::spawn(async move {
            for n in events {
                let body = json!({"id": format!("hub/{n}")}).to_string().into();
                let letter = StoryLetter { seq: Seq(n), incident: IncidentId(n), body, urgent };
                // A task that has ended takes no more.
                let _ = offer.send(letter).await;
            }
        });
    }

    async fn hear(&mut self) {
        let report = soon("a report", self.reports.recv()).await.unwrap();
        self.settled.extend(report.settled.into_iter().map(|(seq, how)| (seq.0, how)));
        self.health.extend(report.health);
    }

    async fn settles(&mut self, count: usize) {
        while self.settled.len() < count {
            self.hear().await;
        }
    }

    async fn is_down(&mut self, why: &str) {
        let told =
            |health: &Health| matches!(health, Health::Down { why: said } if said.contains(why));
        while !self.health.iter().any(told) {
            self.hear().await;
        }
    }

    fn dead(&self) -> Vec<u64> {
        let dead = self.settled.iter().filter(|(_, how)| *how != Settled::HandedOver);
        dead.map(|(seq, _)| *seq).collect()
    }
}

/// The ids in one request, batch or not.
fn ids(heard: &Heard) -> Vec<u64> {
    let said: Value = serde_json::from_str(&heard.body).unwrap();
    let events = said.as_array().cloned().unwrap_or_else(|| vec![said]);
    let id = |event: &Value| event["id"].as_str().unwrap().strip_prefix("hub/")?.parse().ok();
    events.iter().filter_map(id).collect()
}

/// All events as they came, those of requests that were answered with `taken`.
fn came(receiver: &Receiver) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    receiver.heard().iter().flat_map(ids).filter(|id| seen.insert(*id)).collect()
}

#[tokio::test]
async fn a_backlog_goes_out_in_batches_in_its_order() {
    let receiver = Receiver::start(|_| Reply::ok()).await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=2_000);
    platform.settles(2_000).await;
    assert_eq!(
        receiver.heard().iter().flat_map(ids).collect::<Vec<_>>(),
        (1..=2_000).collect::<Vec<_>>()
    );
    assert!(receiver.heard().iter().all(|heard| ids(heard).len() <= 100));
    let head = receiver.heard()[0].head.to_lowercase();
    assert!(head.contains("application/cloudevents-batch+json"), "{head}");
    assert!(head.contains("bearer geheim"), "{head}");
}

#[tokio::test]
async fn a_platform_that_takes_single_events_gets_each_alone_and_one_after_the_other() {
    let receiver = Receiver::start(|_| Reply::ok()).await;
    let mut platform = Platform::open(HttpsSettings { batch: None, ..https(&receiver.url()) });
    platform.owe(1..=200);
    platform.settles(200).await;
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 200);
    assert!(bodies[7].starts_with(r#"{"id":"hub/8""#), "{}", bodies[7]);
    assert!(receiver.heard()[0].head.contains("application/cloudevents+json"));
}

#[tokio::test]
async fn two_hundred_with_an_error_in_it_is_no_yes_and_loses_nothing() {
    let receiver =
        Receiver::start(|_| Reply::Said(200, r#"{"code":500,"msg":"入库失败"}"#.into())).await;
    let accepted = Some(Accepted { pointer: "/code".into(), is: json!(0) });
    let mut platform = Platform::open(HttpsSettings { accepted, ..https(&receiver.url()) });
    platform.owe(1..=30);
    platform.is_down("入库失败").await;
    assert_eq!(platform.settled, []);
    receiver.now(|_| Reply::Said(200, r#"{"code":0}"#.into()));
    platform.settles(30).await;
    assert_eq!(platform.dead(), [0; 0]);
    assert_eq!(came(&receiver), (1..=30).collect::<Vec<_>>());
    assert_eq!(platform.health.last(), Some(&Health::Up));
}

#[tokio::test]
async fn a_platform_that_asks_for_a_pause_gets_it() {
    let mut first = true;
    let receiver = Receiver::start(move |_| match std::mem::take(&mut first) {
        true => Reply::Status(429, "retry-after: 2\r\n".into()),
        false => Reply::ok(),
    })
    .await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=3);
    platform.settles(3).await;
    let heard = receiver.heard();
    assert!(heard[1].at - heard[0].at >= 2_000, "{} ms", heard[1].at - heard[0].at);
}

#[tokio::test]
async fn a_platform_that_asks_for_a_long_pause_is_asked_sooner_while_an_alarm_waits() {
    let receiver = Receiver::start(|_| Reply::Status(429, "retry-after: 100\r\n".into())).await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=1);
    platform.hear().await;
    let pause = Duration::from_secs(100);
    let held = Health::HeldBack { why: "answered 429".into(), pause };
    assert_eq!(platform.health, [held], "it is not up, and not yet down");
    platform.owe_all(2..=2, true);
    let since = anling::clock::Stopwatch::start();
    platform.is_down("answered 429").await;
    // Far less than it asked for, and than the longest pause without an alarm.
    assert!(since.elapsed() < Duration::from_secs(60));
    receiver.now(|_| Reply::ok());
    platform.settles(2).await;
    assert_eq!(platform.health.last(), Some(&Health::Up));
}

#[tokio::test]
async fn no_answer_at_all_keeps_everything_owed() {
    let receiver = Receiver::start(|_| Reply::Never).await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=5);
    platform.is_down("no answer in time").await;
    receiver.now(|_| Reply::Close);
    platform.is_down("the connection broke").await;
    assert_eq!(platform.settled, []);
    receiver.now(|_| Reply::ok());
    platform.settles(5).await;
    assert_eq!(came(&receiver), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_answer_for_anothers_event_settles_nothing_and_one_that_names_some_settles_those() {
    let receiver = Receiver::start(|_| Reply::Said(200, r#"{"id":"other/1"}"#.into())).await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=4);
    platform.is_down("for another event").await;
    assert_eq!(platform.settled, []);
    // It takes two of what it is sent, whatever that is.
    receiver.now(|heard| {
        let some: Vec<String> = ids(heard).iter().take(2).map(|id| format!("hub/{id}")).collect();
        Reply::Said(200, json!({ "taken": some }).to_string())
    });
    platform.settles(4).await;
    let order: Vec<u64> = platform.settled.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(order, [1, 2, 3, 4]);
}

#[tokio::test]
async fn events_that_are_refused_for_good_are_found_in_their_batch_and_block_nothing() {
    let guilty = [17_u64, 18, 143];
    let receiver =
        Receiver::start(move |heard| match ids(heard).iter().any(|id| guilty.contains(id)) {
            true => Reply::Status(422, String::new()),
            false => Reply::ok(),
        })
        .await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=300);
    platform.settles(300).await;
    assert_eq!(platform.dead(), guilty);
    let order: Vec<u64> = platform.settled.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(order, (1..=300).collect::<Vec<_>>());
    assert_eq!(platform.health, [Health::Up], "it answers all the while");
}

#[tokio::test]
async fn what_the_platform_says_is_named_as_heard_once_it_is_stored() {
    let down = json!([
        {"id": "7f", "type": "take-over", "incident": "A01"},
        {"id": "80", "type": "note", "incident": "A01", "hub": "elsewhere", "text": "x"},
        {"id": "81", "type": "note", "incident": "A01", "text": "家属在路上"},
    ]);
    let said = json!({ "down": down }).to_string();
    let receiver = Receiver::start(move |heard| match heard.head.contains("7f") {
        true => Reply::ok(),
        false => Reply::Said(200, said.clone()),
    })
    .await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=1);
    platform.settles(1).await;
    let first = soon("the take-over", platform.said.recv()).await.unwrap();
    assert_eq!(first.message.as_ref().unwrap().id.as_str(), "7f");
    let second = soon("the other hub's", platform.said.recv()).await.unwrap();
    assert_eq!(second.message, Err(Misfit::AnotherHub));
    let third = soon("the note", platform.said.recv()).await.unwrap();
    assert_eq!(third.message.as_ref().unwrap().text.as_deref(), Some("家属在路上"));
    third.receipt.refused();
    first.receipt.stored();
    second.receipt.stored();
    tokio::time::sleep(Duration::from_millis(50)).await;
    platform.owe(2..=2);
    platform.settles(2).await;
    let head = &receiver.heard()[1].head;
    assert!(head.contains("anling-heard: 7f 80\r\n"), "what is on disk, meant or not: {head}");
}

#[tokio::test]
async fn as_many_messages_as_may_come_at_once_are_all_read() {
    let note = |n: usize| json!({"id": n.to_string(), "type": "note", "incident": "A01", "text": "家".repeat(2_000)});
    let all: Vec<_> = (0..MESSAGES_MAX).map(note).collect();
    let said = json!({ "code": 0, "down": all }).to_string();
    let mut first = true;
    let receiver = Receiver::start(move |_| match std::mem::take(&mut first) {
        true => Reply::Said(200, said.clone()),
        false => Reply::Said(200, r#"{"code":0}"#.into()),
    })
    .await;
    let accepted = Some(Accepted { pointer: "/code".into(), is: json!(0) });
    let mut platform = Platform::open(HttpsSettings { accepted, ..https(&receiver.url()) });
    platform.owe(1..=1);
    platform.settles(1).await;
    for n in 0..MESSAGES_MAX {
        let heard = soon("a note", platform.said.recv()).await.unwrap();
        assert_eq!(heard.message.unwrap().id.as_str(), n.to_string());
    }
    assert_eq!(receiver.heard().len(), 1, "what was taken is not sent again");
}

#[tokio::test]
async fn a_sign_of_life_comes_alone_and_a_refused_one_costs_nothing() {
    let receiver = Receiver::start(|_| Reply::Status(400, String::new())).await;
    let mut platform = Platform::open(https(&receiver.url()));
    let sign = LifeSign { id: "hub/alive/b-1".into(), body: r#"{"id":"hub/alive/b-1"}"#.into() };
    platform.handle.life.as_ref().unwrap().send_replace(Some(sign));
    receiver.hears(1).await;
    assert_eq!(receiver.bodies(), [r#"[{"id":"hub/alive/b-1"}]"#]);
    receiver.now(|_| Reply::ok());
    platform.owe(1..=1);
    platform.settles(1).await;
    assert_eq!((platform.dead(), platform.health), (Vec::new(), vec![Health::Up]));
}

#[tokio::test]
async fn signs_of_life_that_are_taken_do_not_hide_that_events_are_not() {
    let receiver = Receiver::start(|heard| match heard.body.contains("alive") {
        true => Reply::ok(),
        false => Reply::Status(500, String::new()),
    })
    .await;
    let mut platform = Platform::open(https(&receiver.url()));
    platform.owe(1..=150);
    let life = platform.handle.life.clone().unwrap();
    tokio::spawn(async move {
        for n in 0.. {
            let id = format!("hub/alive/b-{n}");
            let body = json!({ "id": id }).to_string().into();
            life.send_replace(Some(LifeSign { id, body }));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    platform.is_down("answered 500").await;
    receiver.hears(6).await;
    receiver.now(|_| Reply::ok());
    platform.settles(150).await;
    let down = Health::Down { why: "answered 500".into() };
    assert_eq!(
        platform.health,
        [down, Health::Up],
        "down until events are taken, and not in turns"
    );
}

/// A CA in a folder, with what it has signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the district's CA");
        let key = KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), params.self_signed(&key).unwrap().pem())
            .unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn sign(&self, name: &str) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.crt")), cert.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// A server that lets in only who shows a certificate of this CA.
    fn acceptor(&self) -> TlsAcceptor {
        let _ = rustls::crypto::ring::default_provider().install_default();
        self.sign("platform");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file("ca.crt")).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
        let cert = CertificateDer::from_pem_file(self.file("platform.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.file("platform.key")).unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![cert], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test]
async fn a_certificate_of_ours_opens_the_platform_and_without_it_nothing_is_lost() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let receiver = Receiver::start_at(0, Some(authority.acceptor()), |_| Reply::ok()).await;
    authority.sign("hub");
    foreign.sign("hub");
    let url = format!("https://localhost:{}/events", receiver.port);
    let with = |ca: &Authority, ours: Option<&Authority>| {
        let client = ours.map(|ours| (ours.file("hub.crt"), ours.file("hub.key")));
        let tls = TlsFiles { ca_file: Some(ca.file("ca.crt")), client };
        HttpsSettings { tls, ..https(&url) }
    };
    for closed in
        [with(&authority, None), with(&authority, Some(&foreign)), with(&foreign, Some(&authority))]
    {
        let mut platform = Platform::open(closed);
        platform.owe(1..=2);
        while platform.health.is_empty() {
            platform.hear().await;
        }
        assert_eq!((platform.settled.len(), receiver.heard().len()), (0, 0));
    }
    let mut platform = Platform::open(with(&authority, Some(&authority)));
    platform.owe(1..=2);
    platform.settles(2).await;
    assert_eq!(came(&receiver), [1, 2]);
}

#[test]
fn files_that_are_no_certificates_are_told_before_anything_is_owed() {
    let folder = tempfile::tempdir().unwrap();
    let (none, text) = (folder.path().join("none.pem"), folder.path().join("text.pem"));
    std::fs::write(&text, "no certificate").unwrap();
    for tls in [
        TlsFiles { ca_file: Some(none.clone()), client: None },
        TlsFiles { ca_file: Some(text.clone()), client: None },
        TlsFiles { ca_file: None, client: Some((text.clone(), none)) },
        TlsFiles { ca_file: None, client: Some((text.clone(), text)) },
    ] {
        let (reports, _) = mpsc::channel(1);
        let (heard, _) = mpsc::channel(1);
        let settings = PlatformSettings {
            platform: EndpointId::new("county").unwrap(),
            hub: HubId::new("hub").unwrap(),
            may_speak: false,
            way: Way::Https(HttpsSettings { tls, ..https("https://localhost:1/") }),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let opened =
            runtime.block_on(async { district::open(settings, Ends { reports, heard }).is_ok() });
        assert!(!opened);
    }
}
