//! What an endpoint's task does with receivers that work, fail, stall and come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anling::notify::endpoint::{EndpointHandle, EndpointReport, Health, Settled, StoryLetter};
use anling::notify::webhook::{HELD_MAX, HookForm, OFFERS_MAX, WebhookSettings, open};
use anling::terms::{EndpointId, IncidentId, Secret, Seq, Wait};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::letters::soon;
use super::receiver::{Heard, Receiver, Reply};

fn settings(url: String) -> WebhookSettings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    WebhookSettings {
        endpoint: EndpointId::new("county").unwrap(),
        url,
        bearer: None,
        time_limit: Wait(400),
        ca_file: None,
        form: HookForm::CloudEvents,
    }
}

/// An endpoint, and what it has reported.
struct Told {
    handle: EndpointHandle,
    reports: mpsc::Receiver<EndpointReport>,
    settled: Vec<(Seq, Settled)>,
    health: Vec<Health>,
}

impl Told {
    fn open(settings: WebhookSettings) -> Self {
        let (sender, reports) = mpsc::channel(64);
        let handle = open(settings, sender).unwrap();
        Self { handle, reports, settled: Vec::new(), health: Vec::new() }
    }

    async fn owe(&self, events: impl IntoIterator<Item = (u64, u64)>) {
        for (incident, seq) in events {
            let letter = event(incident, seq);
            soon("room for an event", self.handle.offer.send(letter)).await.unwrap();
        }
    }

    async fn hear(&mut self) {
        let report = soon("a report", self.reports.recv()).await.unwrap();
        self.settled.extend(report.settled);
        self.health.extend(report.health);
    }

    async fn settles(&mut self, count: usize) {
        while self.settled.len() < count {
            self.hear().await;
        }
    }

    async fn feels(&mut self, count: usize) {
        while self.health.len() < count {
            self.hear().await;
        }
    }

    fn handed_over(&self) -> BTreeSet<u64> {
        let taken = self.settled.iter().filter(|(_, end)| *end == Settled::HandedOver);
        taken.map(|(seq, _)| seq.0).collect()
    }
}

fn event(incident: u64, seq: u64) -> StoryLetter {
    let body = format!("{incident}/{seq}").into();
    StoryLetter { seq: Seq(seq), incident: IncidentId(incident), body, urgent: false }
}

fn storm(count: u64) -> impl Iterator<Item = (u64, u64)> {
    (1..=count).map(|seq| (seq % 20, seq))
}

fn assert_order_within_each_incident(bodies: &[String]) {
    for incident in 0..20 {
        let prefix = format!("{incident}/");
        let seqs: Vec<u64> =
            bodies.iter().filter_map(|body| body.strip_prefix(&prefix)?.parse().ok()).collect();
        assert!(seqs.is_sorted(), "incident {incident}: {seqs:?}");
    }
}

#[tokio::test]
async fn everything_arrives_once_and_in_order_within_its_incident() {
    let receiver = Receiver::start(|_| Reply::ok()).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe(storm(400)).await;
    told.settles(400).await;
    assert_eq!(told.handed_over(), (1..=400).collect());
    assert_eq!(receiver.heard().len(), 400);
    assert_order_within_each_incident(&receiver.bodies());
    assert_eq!(told.health, [Health::Up], "once at first, then only when it changes");
}

#[tokio::test]
async fn the_receiver_is_told_what_it_gets_and_who_sends_it() {
    let receiver = Receiver::start(|_| Reply::ok()).await;
    let mut signed = settings(receiver.url());
    signed.bearer = Some(Secret::new("s3cret"));
    let mut told = Told::open(signed);
    told.owe([(1, 1)]).await;
    told.settles(1).await;
    let head = receiver.heard()[0].head.to_lowercase();
    assert!(head.starts_with("post /events http/1.1"), "{head}");
    assert!(head.contains("content-type: application/cloudevents+json"), "{head}");
    assert!(head.contains("authorization: bearer s3cret"), "{head}");
}

#[tokio::test]
async fn a_receiver_that_never_answers_does_not_delay_another() {
    let mute = Receiver::start(|_| Reply::Never).await;
    let good = Receiver::start(|_| Reply::ok()).await;
    let (mut to_mute, mut to_good) =
        (Told::open(settings(mute.url())), Told::open(settings(good.url())));
    to_mute.owe(storm(100)).await;
    mute.hears(1).await;
    to_good.owe(storm(400)).await;
    to_good.settles(400).await;
    assert_eq!(to_mute.settled, []);
    to_mute.feels(1).await;
    assert!(matches!(to_mute.health[0], Health::Down { .. }));

    mute.now(|_| Reply::ok());
    to_mute.settles(100).await;
    assert_eq!(to_mute.handed_over(), (1..=100).collect(), "nothing is lost once it answers");
    assert_eq!(to_mute.health.last(), Some(&Health::Up));
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything_when_it_is_back() {
    let away = Receiver::start(|_| Reply::ok()).await;
    let port = away.port;
    let mut told = Told::open(settings(away.url()));
    told.owe([(1, 1)]).await;
    told.settles(1).await;
    drop(away);
    told.owe((2..=300).map(|seq| (seq % 20, seq))).await;
    told.feels(2).await;
    assert_eq!(told.health, [Health::Up, Health::Down { why: "no connection".into() }]);
    let back = Receiver::start_at(port, None, |_| Reply::ok()).await;
    told.settles(300).await;
    assert_eq!(told.handed_over(), (1..=300).collect());
    assert_order_within_each_incident(&back.bodies());
    told.feels(3).await;
    assert_eq!(told.health[2], Health::Up);
}

#[tokio::test]
async fn while_a_receiver_is_down_it_is_asked_by_one_request_at_a_time() {
    let receiver = Receiver::start(|_| Reply::Status(503, String::new())).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe((1..=500).map(|seq| (seq, seq))).await;
    told.feels(1).await;
    let before = receiver.heard().len();
    receiver.hears(before + 3).await;
    let times: Vec<u128> = receiver.heard().iter().map(|heard| heard.at).collect();
    for pair in times[before..].windows(2) {
        assert!(pair[1] - pair[0] >= 90, "probes keep apart: {times:?}");
    }
    receiver.now(|_| Reply::ok());
    told.settles(500).await;
    assert_eq!(told.handed_over().len(), 500);
}

/// An event is told again under the same id until it is taken, whatever came first.
async fn told_again(first: Reply) -> Vec<Heard> {
    let mut replies = vec![Reply::ok(), first];
    let receiver = Receiver::start(move |_| replies.pop().unwrap_or_else(Reply::ok)).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1), (1, 2)]).await;
    told.settles(2).await;
    assert_eq!(told.handed_over(), [1, 2].into());
    assert_eq!(receiver.bodies(), ["1/1", "1/1", "1/2"]);
    receiver.heard()
}

#[tokio::test]
async fn a_receiver_that_was_restarted_gets_the_next_event_over_a_new_connection() {
    let first = Receiver::start(|_| Reply::ok()).await;
    let port = first.port;
    let mut told = Told::open(settings(first.url()));
    told.owe([(1, 1), (2, 2), (3, 3)]).await;
    told.settles(3).await;
    drop(first);
    tokio::task::yield_now().await;
    let second = Receiver::start_at(port, None, |_| Reply::ok()).await;
    told.owe([(4, 4)]).await;
    told.settles(4).await;
    assert_eq!(second.bodies(), ["4/4"]);
    assert_eq!(told.health, [Health::Up], "a connection that was closed in between is no failure");
}

#[tokio::test]
async fn somebody_who_presses_now_does_not_wait_for_what_an_outage_has_left() {
    let receiver = Receiver::start(|_| Reply::Close).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe((1..=900).map(|n| (n, n))).await;
    told.feels(1).await;
    receiver.now(|_| Reply::Late(Duration::from_millis(5)));
    told.settles(1).await;
    let before = receiver.heard().len();
    told.handle.alarms.as_ref().unwrap().send(event(5_000, 5_000)).await.unwrap();
    told.owe([(5_000, 5_001)]).await;
    told.settles(902).await;
    let bodies = receiver.bodies();
    let place = |wanted: &str| bodies.iter().position(|body| body == wanted).unwrap();
    let (alarm, after) = (place("5000/5000"), place("5000/5001"));
    assert!(alarm < before + 300, "before most of the others, at {alarm} after {before}");
    assert!(alarm < after, "what follows an alarm comes after it");
    let all: BTreeSet<u64> = (1..=900).chain([5_000, 5_001]).collect();
    assert_eq!(told.handed_over(), all);
}

#[tokio::test]
async fn a_500_is_told_again() {
    told_again(Reply::Status(500, String::new())).await;
}

#[tokio::test]
async fn a_408_and_a_425_are_told_again() {
    told_again(Reply::Status(408, String::new())).await;
    told_again(Reply::Status(425, String::new())).await;
}

#[tokio::test]
async fn a_wrong_token_or_path_loses_nothing_until_a_technician_has_mended_it() {
    for status in [401, 403, 404] {
        told_again(Reply::Status(status, String::new())).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_told_again() {
    told_again(Reply::Close).await;
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_told_again() {
    told_again(Reply::Late(Duration::from_secs(3))).await;
}

#[tokio::test]
async fn an_answer_that_drips_for_ever_is_told_again() {
    told_again(Reply::SlowLoris).await;
}

#[tokio::test]
async fn a_429_that_asks_for_a_wait_gets_it() {
    let heard = told_again(Reply::Status(429, "retry-after: 1\r\n".into())).await;
    assert!(heard[1].at - heard[0].at >= 990, "{} ms", heard[1].at - heard[0].at);
}

#[tokio::test]
async fn who_asks_for_a_wait_is_held_back_and_neither_up_nor_down() {
    let mut replies =
        vec![Reply::ok(), Reply::Status(503, "retry-after: 1\r\n".into()), Reply::ok()];
    let receiver = Receiver::start(move |_| replies.pop().unwrap_or_else(Reply::ok)).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1)]).await;
    told.settles(1).await;
    told.owe([(1, 2)]).await;
    told.feels(3).await;
    let pause = Duration::from_secs(1);
    let held = Health::HeldBack { why: "answered 503".into(), pause };
    assert_eq!(told.health, [Health::Up, held, Health::Up]);
}

#[tokio::test]
async fn an_alarm_cuts_a_wait_short_that_was_asked_for() {
    let mut replies = vec![Reply::Status(429, "retry-after: 30\r\n".into())];
    let receiver = Receiver::start(move |_| replies.pop().unwrap_or_else(Reply::ok)).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1)]).await;
    told.feels(1).await;
    let alarm = StoryLetter { urgent: true, ..event(2, 2) };
    told.handle.alarms.as_ref().unwrap().send(alarm).await.unwrap();
    told.settles(2).await;
    let heard = receiver.heard();
    let waited = heard[1].at - heard[0].at;
    assert!((9_000..25_000).contains(&waited), "{waited} ms");
}

#[tokio::test]
async fn a_retry_after_that_is_no_number_is_taken_for_none() {
    told_again(Reply::Status(503, "retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n".into())).await;
}

#[tokio::test]
async fn a_200_whose_body_breaks_off_was_taken() {
    let mut replies = vec![Reply::CloseInMidBody];
    let receiver = Receiver::start(move |_| replies.pop().unwrap_or_else(Reply::ok)).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1), (1, 2)]).await;
    told.settles(2).await;
    assert_eq!(receiver.bodies(), ["1/1", "1/2"]);
}

#[tokio::test]
async fn a_refusal_is_a_dead_letter_and_blocks_nothing() {
    let receiver = Receiver::start(|heard| match heard.body.as_str() {
        "1/1" => Reply::Status(422, String::new()),
        _ => Reply::ok(),
    })
    .await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1), (1, 2), (2, 3)]).await;
    told.settles(3).await;
    let dead = (Seq(1), Settled::DeadLetter { why: "answered 422".into() });
    assert!(told.settled.contains(&dead), "{:?}", told.settled);
    assert_eq!(told.handed_over(), [2, 3].into());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(|_| Reply::ok()).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let receiver = Receiver::start(move |_| Reply::Status(307, location.clone())).await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe([(1, 1)]).await;
    told.feels(1).await;
    assert_eq!(told.health, [Health::Down { why: "answered 307".into() }]);
    assert_eq!(told.settled, [], "what was sent elsewhere is not told");
    assert_eq!(elsewhere.heard().len(), 0);
}

#[tokio::test]
async fn an_event_the_receiver_cannot_digest_holds_up_only_its_incident() {
    let receiver = Receiver::start(|heard| match heard.body.as_str() {
        "3/3" => Reply::Status(500, String::new()),
        _ => Reply::ok(),
    })
    .await;
    let mut told = Told::open(settings(receiver.url()));
    told.owe(storm(200)).await;
    told.settles(190).await;
    assert!(told.handed_over().iter().all(|seq| seq % 20 != 3));
    receiver.now(|_| Reply::ok());
    told.settles(200).await;
    assert_order_within_each_incident(&receiver.bodies());
}

#[tokio::test]
async fn a_full_endpoint_leaves_the_rest_with_the_desk() {
    let receiver = Receiver::start(|_| Reply::Never).await;
    let told = Told::open(settings(receiver.url()));
    let mut taken = 0;
    let full = soon("a full channel", async {
        loop {
            match told.handle.offer.try_send(event(taken, taken)) {
                Ok(()) => taken += 1,
                Err(TrySendError::Full(_)) if taken >= (OFFERS_MAX + HELD_MAX) as u64 => {
                    break taken;
                }
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(told.handle.offer.try_send(event(full, full)).is_err());
    assert_eq!(full, (OFFERS_MAX + HELD_MAX) as u64);
}

#[tokio::test]
async fn a_desk_that_does_not_listen_stops_nothing_before_the_limit() {
    let receiver = Receiver::start(|_| Reply::ok()).await;
    let (sender, mut reports) = mpsc::channel(1);
    let handle = open(settings(receiver.url()), sender).unwrap();
    for (incident, seq) in storm(HELD_MAX as u64 / 2) {
        soon("room", handle.offer.send(event(incident, seq))).await.unwrap();
    }
    receiver.hears(HELD_MAX / 2).await;
    let mut settled = 0;
    while settled < HELD_MAX / 2 {
        settled += soon("a report", reports.recv()).await.unwrap().settled.len();
    }
}

#[tokio::test]
async fn a_stop_reports_what_was_under_way_and_leaves_the_rest_owed() {
    let receiver = Receiver::start(|_| Reply::Late(Duration::from_millis(150))).await;
    let Told { handle, mut reports, .. } = {
        let told = Told::open(settings(receiver.url()));
        told.owe((1..=10).map(|seq| (1, seq))).await;
        told
    };
    receiver.hears(1).await;
    soon("the end", handle.stop(Duration::from_secs(5))).await;
    let mut settled = Vec::new();
    while let Some(report) = soon("the end of reports", reports.recv()).await {
        settled.extend(report.settled);
    }
    assert_eq!(settled, [(Seq(1), Settled::HandedOver)]);
    assert_eq!(receiver.bodies(), ["1/1"], "nothing is begun after the stop");
}

#[tokio::test]
async fn https_with_a_certificate_of_ones_own() {
    let settings = settings(String::new());
    let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(cert.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let receiver = Receiver::start_at(0, Some(acceptor), |_| Reply::ok()).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, cert.cert.pem()).unwrap();

    let url = format!("https://localhost:{}/events", receiver.port);
    let stranger = WebhookSettings { url: url.clone(), ..settings.clone() };
    let mut told = Told::open(stranger);
    told.owe([(1, 1)]).await;
    told.feels(1).await;
    assert!(matches!(told.health[0], Health::Down { .. }), "an unknown certificate is not trusted");
    assert_eq!(receiver.heard().len(), 0);

    let mut told = Told::open(WebhookSettings { url, ca_file: Some(ca_file), ..settings });
    told.owe([(1, 1)]).await;
    told.settles(1).await;
    assert_eq!(told.handed_over(), [1].into());
}
