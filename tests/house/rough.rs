//! Strangers, rubbish and floods at the broker's port.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::devices::{Device, Listener, press, publish, topic};
use crate::hub::{HUB, Hub, soon};

fn still_hears(hub: &Hub, seq: u32) {
    let light = Listener::on(hub, "B-01", &topic("B-01", "cmd"));
    publish(hub, "B-01", &topic("B-01", "event"), &press(44, seq, "sos"));
    light.hears(44, seq, "stored");
}

#[test]
fn rubbish_a_silent_guest_and_a_packet_of_five_megabytes_change_nothing() {
    let hub = Hub::open();
    let port = hub.broker_port();
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for rubbish in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], &[0; 64], b"\x10\xff\xff\xff\x7f"]
    {
        let mut guest = TcpStream::connect(("127.0.0.1", port)).unwrap();
        guest.write_all(rubbish).unwrap();
    }
    let big = Device::connect(port, "B-02", "big").unwrap();
    big.send(&topic("B-02", "event"), vec![b'x'; 5 << 20]);
    assert!(big.next(Duration::from_secs(10)).is_none(), "it is not acknowledged");
    still_hears(&hub, 1);
    assert_eq!(hub.incidents().len(), 1);
    let mut silent = silent.into_iter().next().unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hung_up = silent.read(&mut [0; 8]);
    assert!(matches!(hung_up, Ok(0)), "a guest who says nothing is shown out: {hung_up:?}");
}

#[test]
fn nobody_speaks_for_another_device_another_hub_or_without_a_password() {
    let hub = Hub::open();
    let port = hub.broker_port();
    let other = Device::connect(port, "B-02", "b02").unwrap();
    let pressed = press(1, 1, "sos");
    for foreign in [
        topic("B-03", "event"),
        "anling/v1/other-hub/B-02/event".to_owned(),
        format!("anling/v1/{HUB}/B-02/cmd"),
        "$SYS/x".to_owned(),
    ] {
        let line = Device::connect(port, "B-02", "b02-foreign").unwrap();
        let acknowledged = line.acknowledged(&foreign, &pressed, Duration::from_secs(3));
        assert!(!acknowledged, "{foreign}");
    }
    assert!(Device::connect(port, "nobody", "n").is_none());
    assert!(Device::connect(port, "B-02 ", "n").is_none());
    assert!(hub.facts("reported").is_empty());
    drop(other);
    still_hears(&hub, 2);
}

#[test]
fn a_flood_of_rubbish_from_one_device_neither_fills_the_record_nor_delays_a_press() {
    let hub = Hub::open();
    let flood = Device::connect(hub.broker_port(), "zigbee2mqtt", "z2m").unwrap();
    let before = hub.status()["last_seq"].as_u64().unwrap();
    for _ in 0..60 {
        flood.send("zigbee2mqtt/陌生设备", "{\"broken\":");
    }
    for _ in 0..60 {
        assert!(flood.next(Duration::from_secs(10)).is_some());
    }
    still_hears(&hub, 3);
    soon("the count", || (hub.status()["refused"].as_u64() >= Some(60)).then_some(()));
    let after = hub.status()["last_seq"].as_u64().unwrap();
    assert!(after - before < 20, "{} entries", after - before);
}

#[test]
fn a_registered_button_that_sends_rubbish_is_a_call_and_does_not_fill_the_record() {
    let hub = Hub::open();
    let broken = Device::connect(hub.broker_port(), "B-01", "b01").unwrap();
    let before = hub.status()["last_seq"].as_u64().unwrap();
    let event = topic("B-01", "event");
    for _ in 0..200 {
        assert!(broken.acknowledged(&event, "{\"v\":1,", Duration::from_secs(10)));
    }
    let call = soon("the call", || hub.open_on("B-01").pop());
    assert_eq!(call["class"], "emergency", "a button nobody understands may be somebody's");
    soon("the count", || (hub.status()["refused"].as_u64() >= Some(200)).then_some(()));
    let after = hub.status()["last_seq"].as_u64().unwrap();
    assert!(after - before < 60, "{} entries", after - before);
    let refused = hub.facts("signal_refused");
    assert!(refused.iter().any(|fact| fact["count"] == 100), "its hundredth is told: {refused:?}");
    still_hears(&hub, 3);
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody_from_being_called() {
    let mut hub = Hub::prepared();
    // Standard error is a pipe that is full after 64 KiB: a terminal stopped by Ctrl-S, a log service
    // that hangs.
    let unread = "mkfifo \"$HOME/unread\"; exec 2<>\"$HOME/unread\"; exec \"$0\" \"$@\"";
    hub.under = ["sh", "-c", unread].map(String::from).to_vec();
    hub.env.push(("HOME".to_owned(), hub.path("").display().to_string()));
    hub.env.push(("ANLING_LOG".to_owned(), "trace".to_owned()));
    hub.spawn();
    soon("an answer", || (hub.cli(&["status"]).code == 0).then_some(()));
    for _ in 0..10 {
        let said = hub.does(&["press", "B-04", "--count", "20"]);
        assert!(said.contains("20"), "{said}");
    }
    let kinds: Vec<_> =
        hub.open_on("B-04").iter().map(|open| open["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["sos", "stuck"], "one call, and a fault of a button that presses so fast");
    hub.screen_says(&["紧急求助", "林淑珍"]);
    assert_eq!(hub.stop(), 0);
}
