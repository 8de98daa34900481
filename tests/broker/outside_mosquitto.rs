//! Real brokers that others run: a mosquitto that is killed and returns, and TLS.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anling::clock::Stopwatch;
use anling::link::mqtt::{MqttNews, trust};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::house::soon;
use crate::scripted::{Ears, settings};

/// A mosquitto of this test's own.
struct Mosquitto {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Mosquitto {
    fn open(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let place = dir.path().display();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n\
             persistence_location {place}/\n{more}\n"
        );
        std::fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
        let child = start(&dir);
        Self { dir, port, child }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn press(&self, payload: &str) {
        let port = self.port.to_string();
        let mut press = Command::new("mosquitto_pub");
        press.args(["-p", &port, "-q", "1", "-t", "z/B-1", "-m", payload]);
        let pressed = tokio::task::spawn_blocking(move || press.status());
        assert!(soon("a press", pressed).await.unwrap().unwrap().success());
    }
}

fn start(dir: &TempDir) -> Child {
    let mut command = Command::new("/usr/sbin/mosquitto");
    command.arg("-c").arg(dir.path().join("mosquitto.conf"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|cause| panic!("install the package mosquitto ({cause})"))
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The moment in which the port answers, looked for without a pause.
async fn listens(port: u16) {
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_killed_mosquitto_is_heard_again_soon_after_it_listens() {
    let mut broker = Mosquitto::open("");
    let mut ears = Ears::open(settings(broker.port));
    ears.hearing().await;
    let mut took = Vec::new();
    for _ in 0..10 {
        broker.kill();
        ears.news(|news| matches!(news, MqttNews::Lost { .. })).await;
        sleep(Duration::from_millis(300)).await;
        broker.child = start(&broker.dir);
        soon("a listening mosquitto", listens(broker.port)).await;
        let waited = Stopwatch::start();
        assert!(!ears.hearing().await, "it has forgotten");
        took.push(waited.elapsed());
        broker.press("after").await;
        let after = ears.heard().await;
        assert_eq!(&*after.bytes, b"after");
        after.receipt.stored();
    }
    took.sort();
    println!("heard again after {took:?}");
    // A hang guard for the middle one: growing pauses would be seconds by now; promised are 50 ms.
    assert!(took[5] < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn a_mosquitto_with_a_memory_sends_what_came_while_the_hub_was_away() {
    let broker = Mosquitto::open("persistence true\nmax_queued_messages 0");
    let mut ears = Ears::open(settings(broker.port));
    ears.hearing().await;
    let link = ears.link;
    soon("the stop", link.stop(anling::terms::Wait::secs(1))).await;
    for n in 0..5 {
        broker.press(&n.to_string()).await;
    }
    let mut ears = Ears::open(settings(broker.port));
    assert!(ears.hearing().await, "it has kept the session");
    for n in 0..5 {
        let heard = ears.heard().await;
        assert_eq!((&*heard.bytes, heard.retained), (n.to_string().as_bytes(), false));
        heard.receipt.stored();
    }
}

/// Stands before a plain broker and speaks TLS as `localhost`; the authority's certificate.
async fn tls_before(port: u16, dir: &TempDir) -> (u16, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = door.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(stream).await else { return };
                let far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
                if let Ok(mut far) = far {
                    let _over = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (address, file)
}

#[tokio::test]
async fn a_broker_behind_tls_is_heard_when_its_authority_is_named_and_else_not() {
    let broker = Mosquitto::open("");
    let dir = tempfile::tempdir().unwrap();
    let (port, ca_file) = tls_before(broker.port, &dir).await;
    let named = |ca_file: Option<&std::path::Path>| {
        let mut settings = settings(port);
        settings.host = "localhost".into();
        settings.tls = Some(trust(ca_file).unwrap());
        settings
    };
    let mut strangers = Ears::open(named(None));
    let news = strangers.news(|_| true).await;
    assert!(matches!(&news, MqttNews::Lost { why } if why.contains("TLS")), "{news:?}");
    drop(strangers);
    let mut ears = Ears::open(named(Some(&ca_file)));
    ears.hearing().await;
    broker.press("sealed").await;
    assert_eq!(&*ears.heard().await.bytes, b"sealed");
    assert!(trust(Some(&dir.path().join("none.pem"))).is_err());
    std::fs::write(&ca_file, "no certificate").unwrap();
    assert!(trust(Some(&ca_file)).is_err());
}

#[tokio::test]
async fn what_is_no_broker_at_all_is_a_sentence() {
    for (answer, goes) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], true),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false),
        (b"\x15\x03\x03\x00\x02\x02\x32", true),
        (
            b"220 mail ESMTP ready, what can be done for you, and when, and by whom, and why?\r\n",
            false,
        ),
    ] {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = door.accept().await {
                let mut head = [0; 64];
                let _request = stream.read(&mut head).await;
                let _answer = stream.write_all(answer).await;
                if !goes {
                    let _rest = stream.read(&mut head).await;
                }
            }
        });
        let mut ears = Ears::open(settings(port));
        let news = ears.news(|_| true).await;
        let said = String::from_utf8_lossy(answer);
        assert!(
            matches!(&news, MqttNews::Lost { why } if why.contains("not in MQTT") || (!goes && why.contains("did not answer"))),
            "{said}: {news:?}"
        );
    }
}
