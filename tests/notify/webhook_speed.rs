//! How many events a second one endpoint takes; run by hand with `--release --ignored --nocapture`.

use std::time::Duration;

use anling::notify::endpoint::StoryLetter;
use anling::notify::webhook::{HookForm, TIME_LIMIT, WebhookSettings, open};
use anling::terms::{EndpointId, IncidentId, Seq};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::sync::mpsc;

use super::receiver::{Receiver, Reply};

const EVENTS: u64 = 10_000;

/// The size of an ordinary event with all names.
const BYTES: usize = 900;

#[test]
#[ignore = "measures, so it needs a quiet machine: cargo test --test notify a_storm_of_ten -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn a_storm_of_ten_thousand_events() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (told, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap().port()).unwrap();
            let take = post(|_: bytes::Bytes| async { StatusCode::NO_CONTENT });
            axum::serve(listener, Router::new().route("/", take)).await.unwrap();
        });
    });
    let url = format!("http://127.0.0.1:{}/", port.recv().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            let (sender, mut reports) = mpsc::channel(16);
            let settings = WebhookSettings {
                endpoint: EndpointId::new("fast").unwrap(),
                url: url.clone(),
                bearer: None,
                time_limit: TIME_LIMIT,
                ca_file: None,
                form: HookForm::CloudEvents,
            };
            let handle = open(settings, sender).unwrap();
            let offer = handle.offer.clone();
            let body = bytes::Bytes::from(vec![b'x'; BYTES]);
            let began = std::time::Instant::now();
            tokio::spawn(async move {
                for n in 1..=EVENTS {
                    let letter = StoryLetter {
                        seq: Seq(n),
                        incident: IncidentId(n),
                        body: body.clone(),
                        urgent: false,
                    };
                    offer.send(letter).await.unwrap();
                }
            });
            let (mut settled, mut batches) = (0, 0_u64);
            while settled < EVENTS {
                settled += reports.recv().await.unwrap().settled.len() as u64;
                batches += 1;
            }
            let took = began.elapsed();
            let rate = EVENTS as f64 / took.as_secs_f64();
            println!("{EVENTS} events in {took:?}: {rate:.0}/s, {batches} reports");
            handle.stop(Duration::from_secs(1)).await;
        }
    });
}

#[tokio::test]
#[ignore = "measures for 30 s, on a quiet machine: cargo test --test notify refuses_for_30_s -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
async fn a_receiver_that_refuses_for_30_s_and_is_back() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let away = Receiver::start(|_| Reply::ok()).await;
    let (port, url) = (away.port, away.url());
    drop(away);
    let (sender, mut reports) = mpsc::channel(16);
    let endpoint = EndpointId::new("away").unwrap();
    let settings = WebhookSettings {
        endpoint,
        url,
        bearer: None,
        time_limit: TIME_LIMIT,
        ca_file: None,
        form: HookForm::CloudEvents,
    };
    let handle = open(settings, sender).unwrap();
    let owed = 1000;
    for n in 1..=owed {
        let body = format!("{n}").into();
        let letter =
            StoryLetter { seq: Seq(n), incident: IncidentId(n % 300), body, urgent: false };
        handle.offer.send(letter).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let back = Receiver::start_at(port, None, |_| Reply::ok()).await;
    let began = std::time::Instant::now();
    let mut settled = 0;
    while settled < owed {
        settled += reports.recv().await.unwrap().settled.len() as u64;
    }
    let heard = back.heard().len();
    println!(
        "{owed} owed, the last one settled {:?} after it was back, heard {heard}",
        began.elapsed()
    );
}
