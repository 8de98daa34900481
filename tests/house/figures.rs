//! `/metrics`, judged by Prometheus's own promtool.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::{Told, ask_with};
use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{Mood, Receiver};

/// promtool, from the path or from where `tests/all` puts it.
fn promtool() -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/promtool/promtool");
    if own.exists() {
        return Command::new(own);
    }
    let found = Command::new("promtool").arg("--version").output();
    assert!(
        found.is_ok(),
        "this test needs promtool: run tests/all, or take it out of Debian's prometheus"
    );
    Command::new("promtool")
}

fn scraped(hub: &Hub, accept: &str) -> Told {
    let headers = [("host", "127.0.0.1"), ("accept", accept)];
    let told = ask_with(hub.console_port(), "GET /metrics", &headers, "");
    assert_eq!(told.status, 200, "{told:?}");
    told
}

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0,text/plain;q=0.1";

fn house() -> (Hub, Receiver) {
    let mut hub = Hub::prepared();
    let receiver = Receiver::open(Mood::Takes);
    hub.with_webhook("board", &receiver.url());
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    publish(&hub, "B-02", &topic("B-02", "event"), "not json");
    soon("the incident", || (!hub.open_on("B-02").is_empty()).then_some(()));
    (hub, receiver)
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let (hub, _receiver) = house();
    let told = scraped(&hub, "text/plain");
    assert!(told.kind().starts_with("text/plain; version=0.0.4"), "{}", told.kind());
    let mut check = promtool();
    check.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", told.body);
}

#[test]
fn prometheus_reads_the_open_metrics_strictly() {
    let (hub, _receiver) = house();
    let told = scraped(&hub, OPEN_METRICS);
    assert!(told.kind().starts_with("application/openmetrics-text; version=1.0.0"));
    assert!(told.body.ends_with("\n# EOF\n"), "{}", told.body);
    // What is loaded into a store wants a time behind each sample; what is scraped does not.
    let dated: String = told
        .body
        .lines()
        .map(|line| match line.starts_with('#') {
            true => format!("{line}\n"),
            false => format!("{line} 1795307405\n"),
        })
        .collect();
    let (text, blocks) = (hub.path("metrics.txt"), hub.path("blocks"));
    std::fs::write(&text, dated).unwrap();
    let mut load = promtool();
    load.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&text).arg(&blocks);
    let output = load.output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", told.body);
    let samples = told.body.lines().filter(|line| !line.starts_with('#')).count();
    assert!(samples > 40 && std::fs::read_dir(&blocks).unwrap().count() > 0, "{samples}");
}

#[test]
fn what_is_counted_is_what_happened_and_names_nobody() {
    let (hub, receiver) = house();
    receiver.hears("raised", "A01");
    let body = scraped(&hub, OPEN_METRICS).body;
    for line in [
        "anling_up 1",
        "anling_incidents_open{class=\"emergency\",stage=\"calling\"} 1",
        "anling_reports_total{what=\"sos\"} 1",
        "anling_signals_refused_total 1",
        "anling_journal_volatile 0",
        "anling_receipts_total{stored=\"yes\"} 2",
        "anling_carrier_trouble{carrier=\"screen\"} 0",
        "anling_endpoint_dropped_total{endpoint=\"board\"} 0",
        "anling_endpoint_refused_total{endpoint=\"board\"} 0",
        "anling_endpoint_held_back{endpoint=\"board\"} 0",
        "# TYPE anling_journal_force_seconds histogram",
        "anling_boards{sound=\"audible\"} 0",
    ] {
        assert!(body.lines().any(|there| there == line), "{line} in\n{body}");
    }
    for prefix in
        ["anling_journal_seq ", "anling_desk_turns_total ", "process_resident_memory_bytes "]
    {
        let line = body.lines().find(|line| line.starts_with(prefix)).unwrap();
        assert!(line[prefix.len()..].parse::<f64>().unwrap() > 0.0, "{line}");
    }
    for name in ["陈秀英", "张敏", "zhangmin", "B-02", "302", "R000"] {
        assert!(!body.contains(name), "{name} in\n{body}");
    }
}

#[test]
fn an_endpoint_that_asks_for_a_pause_is_held_back_and_what_it_refuses_is_counted() {
    let (hub, receiver) = house();
    receiver.hears("raised", "A01");
    let has = |line: &str| {
        soon(line, || {
            let body = scraped(&hub, OPEN_METRICS).body;
            body.lines().any(|there| there == line).then_some(())
        });
    };
    receiver.becomes(Mood::Busy);
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin"]);
    has("anling_endpoint_held_back{endpoint=\"board\"} 1");
    has("anling_endpoint_trouble{endpoint=\"board\"} 0");
    let status = hub.does(&["status"]);
    let line = status.lines().find(|line| line.starts_with("webhooks")).unwrap();
    let until = line.split("board held back by it until ").nth(1).unwrap();
    assert!(until.as_bytes()[2] == b':' && until[5..].starts_with(", "), "{line}");
    receiver.becomes(Mood::Refuses);
    // The next alarm does not wait for the end of the pause.
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    soon("the refused event", || {
        let endpoints = hub.status()["endpoints"].clone();
        (endpoints[0]["refused"].as_u64().unwrap() > 0).then_some(())
    });
    has("anling_endpoint_held_back{endpoint=\"board\"} 0");
    let body = scraped(&hub, OPEN_METRICS).body;
    assert!(!body.contains("anling_endpoint_refused_total{endpoint=\"board\"} 0"), "{body}");
    let fault = "hub:endpoint_refuses.webhook.board";
    let fault = soon("the fault", || hub.open_on(fault).first().cloned());
    assert_eq!(fault["class"], "fault");
}
