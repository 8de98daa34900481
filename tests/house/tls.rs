//! The broker behind TLS as the config sets it up: a press, a certificate that ends, and its renewal.

use std::process::Command;

use rcgen::{CertificateParams, KeyPair};

use crate::devices::{press, topic};
use crate::hub::{Hub, password, soon};

/// A certificate that holds for so many days from now on, in the hub's folder.
fn certificate(hub: &Hub, days: i64) {
    let now =
        Command::new("date").args(["-u", "-d", &format!("{days} days"), "+%Y %m %d"]).output();
    let text = String::from_utf8(now.unwrap().stdout).unwrap();
    let day: Vec<i32> = text.split_whitespace().map(|part| part.parse().unwrap()).collect();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let (month, date) = (u8::try_from(day[1]).unwrap(), u8::try_from(day[2]).unwrap());
    params.not_after = rcgen::date_time_ymd(day[0], month, date);
    let key = KeyPair::generate().unwrap();
    std::fs::write(hub.path("hub.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(hub.path("hub.key"), key.serialize_pem()).unwrap();
}

fn with_tls(hub: &Hub) {
    let (cert, key) = (hub.path("hub.crt"), hub.path("hub.key"));
    hub.append(
        "links.toml",
        &format!(
            "\n[link.broker.tls]\nlisten = \"127.0.0.1:0\"\ncert = {:?}\nkey = {:?}\n",
            cert.display(),
            key.display()
        ),
    );
}

fn tls_port(hub: &Hub) -> String {
    let status = hub.status();
    let address = status["broker_tls"].as_str().unwrap_or_default().to_owned();
    address.rsplit(':').next().unwrap().to_owned()
}

fn presses(hub: &Hub, seq: u32) {
    let mut command = Command::new("timeout");
    command.args(["20", "mosquitto_pub", "-h", "localhost", "-p", &tls_port(hub), "--cafile"]);
    command.arg(hub.path("hub.crt")).args(["-u", "B-02", "-P", &password("B-02"), "-q", "1"]);
    command.args(["-t", &topic("B-02", "event"), "-m", &press(1, seq, "sos")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", hub.log());
}

fn fault(hub: &Hub, subject: &str) -> Option<serde_json::Value> {
    let device = format!("hub:config.{subject}");
    let is = |i: &serde_json::Value| i["device"].as_str().is_some_and(|d| d.ends_with(&device));
    hub.incidents().into_iter().find(is)
}

#[test]
fn a_certificate_that_ends_soon_is_a_fault_until_a_reload_brings_another() {
    let mut hub = Hub::prepared();
    certificate(&hub, 20);
    with_tls(&hub);
    hub.start();
    presses(&hub, 1);
    hub.screen_says(&["A01", "紧急求助", "陈秀英"]);
    let subject = "link.broker.tls.certificate";
    let ends = soon("the fault", || fault(&hub, subject));
    assert_eq!(ends["class"], "fault", "{ends}");

    std::fs::write(hub.path("hub.key"), "no key").unwrap();
    hub.signal("HUP");
    soon("the fault of the files", || fault(&hub, "link.broker.tls.files"));
    presses(&hub, 2);

    certificate(&hub, 90);
    hub.signal("HUP");
    for subject in [subject, "link.broker.tls.files"] {
        soon("all is well", || {
            fault(&hub, subject).filter(|fault| fault["back_to_normal"] == true)
        });
    }
    presses(&hub, 3);
    assert_eq!(hub.stop(), 0);
}

#[test]
fn a_hub_without_its_certificate_still_hears_the_plain_address() {
    let mut hub = Hub::prepared();
    with_tls(&hub);
    hub.start();
    soon("the trouble", || hub.incidents().into_iter().find(|incident| incident["kind"] == "link"));
    crate::devices::publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    assert_eq!(hub.status()["broker_tls"], serde_json::Value::Null);
}
