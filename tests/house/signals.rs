//! Signals over HTTP: a card reader and an Alertmanager with tokens of their own, on loopback and on
//! the network's door, with everything that may be wrong with a request.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Told, ask_with};
use crate::hub::Hub;
use crate::reload::reload;

const LINKS: &str = r#"
[signals.ward]
secret = "signals-ward"
[signals.ward.json]
device = "bed"
keys = ["key"]
[signals.monitor]
secret = "signals-monitor"
[signals.monitor.alertmanager]
"#;

const TYPES: &str = r#"
[type.bed-kiosk]
family = "json"
label = "床头机"
life_safety = true
actions = { "key=call" = "sos" }
[type.monitor]
family = "json"
label = "监控"
life_safety = false
"#;

const DEVICES: &str = "K-1,bed-kiosk,ward/7,,,
M-1,monitor,monitor,,,
";

const WARD: &str = "the-token-of-the-ward";
const MONITOR: &str = "the-token-of-the-monitor";
const CALL: &str = r#"{"bed": "7", "key": "call"}"#;

fn house() -> Hub {
    let hub = Hub::prepared();
    hub.append("devices.toml", TYPES);
    hub.append("registry/devices.csv", DEVICES);
    hub.append("links.toml", LINKS);
    hub.secret("signals-ward", WARD);
    hub.secret("signals-monitor", MONITOR);
    hub
}

fn says(port: u16, token: &str, key: Option<&str>, body: &str) -> Told {
    let token = format!("Bearer {token}");
    // Whatever name it is asked under: on the network there is no right one.
    let mut headers = vec![("host", "hub.lan"), ("authorization", token.as_str())];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    ask_with(port, "POST /api/v1/signals", &headers, body)
}

fn taken(told: &Told) -> Value {
    assert_eq!(told.status, 202, "{told:?}");
    assert!(told.json()["stored_at"].is_i64(), "{told:?}");
    told.json()
}

fn presses(hub: &Hub, device: &str) -> usize {
    let heard = hub.facts("press_heard");
    heard.iter().filter(|fact| fact["report"]["device"] == device).count()
}

fn alert(status: &str, labels: &Value) -> String {
    json!({
        "version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": status,
        "receiver": "anling", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://monitor:9093",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": "x"},
            "startsAt": "2026-11-22T00:30:05.120Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://monitor:9090/graph", "fingerprint": "57c6d9296de2ad39",
        }],
    })
    .to_string()
}

#[test]
fn a_machine_that_knows_only_http_calls_people_once_it_is_on_disk() {
    let mut hub = house();
    hub.start();
    let port = hub.console_port();
    taken(&says(port, WARD, Some("k-1"), CALL));
    // The answer comes after the record: nothing is waited for here.
    let open = hub.open_on("K-1");
    assert_eq!((open.len(), &open[0]["kind"]), (1, &json!("sos")), "{open:?}");
    // Beyond the bounce of devices that do not count, where another press is one.
    std::thread::sleep(Duration::from_millis(3_200));
    let again = taken(&says(port, WARD, Some("k-1"), CALL));
    assert_eq!(again["repeated"], true);
    let other = says(port, WARD, Some("k-1"), r#"{"bed": "8", "key": "call"}"#);
    assert_eq!((other.status, other.problem().as_str()), (409, "key-taken"));
    assert_eq!(hub.incident("A01")["presses"], 1, "the repeat counted once");
    taken(&says(port, WARD, Some("k-2"), CALL));
    assert_eq!(hub.incident("A01")["presses"], 2, "another key is another press");
    hub.kill();
    hub.start();
    assert_eq!(hub.open_on("K-1").len(), 1, "what was answered with 202 survives a kill");
}

#[test]
fn an_alert_of_a_monitor_is_a_fault_whose_end_is_noted_or_what_its_label_says() {
    let mut hub = house();
    hub.start();
    let port = hub.console_port();
    let labels = json!({"alertname": "DiskFull", "instance": "nas:9100"});
    for _ in 0..3 {
        taken(&says(port, MONITOR, None, &alert("firing", &labels)));
    }
    let open = hub.open_on("M-1");
    assert_eq!(
        (open.len(), &open[0]["kind"], &open[0]["class"]),
        (1, &json!("fault"), &json!("fault"))
    );
    // Its end is written down; as with any fault a person closes it.
    assert!(hub.facts("back_to_normal").is_empty(), "{:?}", hub.facts("back_to_normal"));
    taken(&says(port, MONITOR, None, &alert("resolved", &labels)));
    assert_eq!(hub.facts("back_to_normal").len(), 1);
    let labels = json!({"alertname": "Boiler", "anling_kind": "water"});
    taken(&says(port, MONITOR, None, &alert("firing", &labels)));
    let open = hub.open_on("M-1");
    assert!(open.iter().any(|incident| incident["kind"] == "water"), "{open:?}");
}

#[test]
fn what_is_wrong_with_a_signal_is_said_and_calls_nobody() {
    let mut hub = house();
    hub.secret("signals-short", "short");
    hub.append(
        "links.toml",
        "[signals.short]\nsecret = \"signals-short\"\n[signals.short.json]\ndevice = \"x\"\n",
    );
    hub.start();
    let port = hub.console_port();
    let without = ask_with(port, "POST /api/v1/signals", &[("host", "hub.lan")], CALL);
    assert_eq!((without.status, without.problem().as_str()), (401, "no-token"));
    assert_eq!(without.header("www-authenticate"), Some("Bearer"));
    for token in ["the-token-of-the-war", "THE-TOKEN-OF-THE-WARD", "short"] {
        assert_eq!(says(port, token, None, CALL).status, 401, "{token}");
    }
    let long = format!(r#"{{"bed": "7", "key": "call", "x": "{}"}}"#, "x".repeat(33_000));
    assert_eq!(says(port, WARD, None, &long).status, 413);
    for bad in ["", "{", "[1", r#"{"key": "call"}"#] {
        let told = says(port, WARD, None, bad);
        assert_eq!((told.status, told.problem().as_str()), (422, "unread"), "{bad:?}");
    }
    assert_eq!(
        says(port, MONITOR, None, CALL).status,
        422,
        "a ward's body with the monitor's token"
    );
    assert_eq!(says(port, WARD, Some("a b"), CALL).status, 400);
    let told = ask_with(port, "GET /api/v1/signals", &[("host", "127.0.0.1")], "");
    assert_eq!(told.status, 405, "{told:?}");
    assert!(hub.open_on("K-1").is_empty() && presses(&hub, "K-1") == 0);
    let flood: Vec<u16> =
        (0..100).map(|_| says(port, WARD, None, r#"{"bed": "7"}"#).status).collect();
    assert!(flood.contains(&202) && flood.contains(&429), "{flood:?}");
    let told = says(port, WARD, None, CALL);
    if told.status == 429 {
        assert_eq!((told.problem().as_str(), told.header("retry-after")), ("too-many", Some("2")));
    }
    assert_eq!(says(port, MONITOR, None, &alert("resolved", &json!({}))).status, 202, "another's");
}

#[test]
fn the_networks_door_takes_signals_and_nothing_else_of_the_api() {
    let mut hub = house();
    let port = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    hub.edit("gateway.toml", "[console]\n", &format!("[console]\nlan = \"0.0.0.0:{port}\"\n"));
    hub.start();
    taken(&says(port, WARD, None, CALL));
    assert_eq!(hub.open_on("K-1").len(), 1);
    for line in ["GET /api/v1/incidents", "GET /api/v1/status", "POST /api/v1/works"] {
        assert_eq!(ask_with(port, line, &[("host", "127.0.0.1")], "{}").status, 404, "{line}");
    }
}

#[test]
fn a_reload_gives_a_source_another_token_without_a_restart() {
    let mut hub = house();
    hub.start();
    let port = hub.console_port();
    taken(&says(port, WARD, None, r#"{"bed": "7"}"#));
    hub.secret("signals-ward", "another-token-of-the-ward");
    reload(&hub);
    assert_eq!(says(port, WARD, None, CALL).status, 401);
    taken(&says(port, "another-token-of-the-ward", None, CALL));
}
