//! Devices on the wire: mosquitto's own tools, and a client that does what firmware does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;

use crate::hub::{HANG_GUARD, HUB, Hub, password, soon, tool};

/// The native contract's topic of a device.
pub fn topic(device: &str, leaf: &str) -> String {
    format!("anling/v1/{HUB}/{device}/{leaf}")
}

/// A press in the native contract.
pub fn press(boot: u32, seq: u32, kind: &str) -> String {
    format!(
        "{{\"v\":1,\"boot\":{boot},\"seq\":{seq},\"kind\":\"{kind}\",\"edge\":\"press\",\
         \"batt_pct\":84}}"
    )
}

fn mosquitto(name: &str, hub: &Hub, account: &str, topic: &str) -> Command {
    let mut command = tool(name, "mosquitto-clients");
    let port = hub.broker_port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-u", account, "-P", &password(account)]);
    command.args(["-q", "1", "-t", topic]);
    command
}

/// One message by `mosquitto_pub`, which waits for the PUBACK.
pub fn publish(hub: &Hub, account: &str, topic: &str, payload: &str) {
    let mut command = mosquitto("mosquitto_pub", hub, account, topic);
    let output = command.args(["-m", payload]).output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", hub.log());
}

/// `mosquitto_sub` on a topic, already listening.
pub struct Listener {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Listener {
    pub fn on(hub: &Hub, account: &str, topic: &str) -> Self {
        let mut command = mosquitto("mosquitto_sub", hub, account, topic);
        // Line by line, because it writes into a pipe.
        let mut lines = Command::new("stdbuf");
        lines.arg("-oL").arg(command.get_program()).args(command.args(["-d"]).get_args());
        let mut child = lines.stdout(Stdio::piped()).spawn().unwrap();
        let said: Arc<Mutex<String>> = Arc::default();
        let out = BufReader::new(child.stdout.take().unwrap());
        let into = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                into.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let listener = Self { child, said };
        soon("the subscription of mosquitto_sub", || {
            listener.said.lock().unwrap().contains("SUBACK").then_some(())
        });
        listener
    }

    /// The messages heard so far.
    pub fn heard(&self) -> Vec<Value> {
        let said = self.said.lock().unwrap();
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for an answer of this stage to this mark.
    pub fn hears(&self, boot: u32, seq: u32, stage: &str) {
        soon(&format!("{stage} for {boot}/{seq} on cmd"), || {
            let right = |m: &&Value| m["stage"] == stage && m["boot"] == boot && m["ack"] == seq;
            self.heard().iter().find(right).map(|_| ())
        });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device that speaks MQTT itself.
pub struct Device {
    client: Client,
    heard: Receiver<Packet>,
}

impl Device {
    /// Connects, or not: `None` when nobody listens.
    pub fn connect(port: u16, account: &str, id: &str) -> Option<Self> {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_credentials(account, password(account));
        options.set_keep_alive(Duration::from_secs(5));
        options.set_max_packet_size(8 << 20, 8 << 20);
        let (client, mut connection) = Client::new(options, 64);
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            // One connection each: the first error ends it, as in a device that starts anew.
            for event in connection.iter() {
                let heard = match event {
                    Ok(Event::Incoming(packet)) => tell.send(packet).is_ok(),
                    Ok(Event::Outgoing(_)) => true,
                    Err(_) => false,
                };
                if !heard {
                    return;
                }
            }
        });
        let device = Self { client, heard };
        matches!(device.next(HANG_GUARD), Some(Packet::ConnAck(_))).then_some(device)
    }

    /// The next packet; `None` when the connection is gone or nothing came in time.
    pub fn next(&self, within: Duration) -> Option<Packet> {
        self.heard.recv_timeout(within).ok()
    }

    /// The same, saying which of the two it was.
    pub fn heard(&self, within: Duration) -> Result<Packet, RecvTimeoutError> {
        self.heard.recv_timeout(within)
    }

    /// Asks for a topic; what comes is among the packets.
    pub fn listen(&self, topic: &str) {
        let _ = self.client.try_subscribe(topic, QoS::AtLeastOnce);
    }

    /// Sends and forgets.
    pub fn send(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        let _ = self.client.try_publish(topic, QoS::AtLeastOnce, false, payload.into());
    }

    /// Sends and waits for the PUBACK; whether it came.
    pub fn acknowledged(&self, topic: &str, payload: &str, within: Duration) -> bool {
        self.send(topic, payload);
        loop {
            match self.next(within) {
                Some(Packet::PubAck(_)) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}

#[test]
fn a_device_that_nobody_registered_is_listed_with_what_a_technician_needs() {
    let hub = Hub::open();
    assert_eq!(hub.status()["devices"]["strangers"], 0);
    let button = r#"{"action":"single","battery":71,"linkquality":102}"#;
    let name = "0x00158d0001a2b3c4";
    for _ in 0..2 {
        publish(&hub, "zigbee2mqtt", &format!("zigbee2mqtt/{name}"), button);
    }
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.does(&["press", "X-77"]);
    let listed = hub.json(&["devices", "--heard", "--json"]);
    let of = |listed: &Value, heard_as: &str| {
        let all = listed.as_array().unwrap().clone();
        all.into_iter().find(|one| one["heard_as"] == heard_as).unwrap()
    };
    let one = of(&listed, name);
    assert_eq!((&one["family"], &one["link"]), (&"zigbee2mqtt".into(), &"broker".into()), "{one}");
    assert_eq!((&one["count"], &one["battery"]), (&2.into(), &71.into()), "{one}");
    assert_eq!((&one["link_quality"], &one["text"]), (&102.into(), &button.into()), "{one}");
    assert_eq!(of(&listed, "X-77")["meant"], "sos");
    assert_eq!(listed.as_array().unwrap().len(), 2, "B-02 is registered: {listed}");
    assert_eq!(hub.status()["devices"]["strangers"], 2);
    let told = hub.does(&["devices", "--heard"]);
    for part in [name, "battery 71 %", "link quality 102", "2 messages", "heard_as"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(hub.does(&["status"]).contains("2 that nobody registered: `anling devices --heard`"));
    // Registered, it is no stranger any more; the rest is gone with the next start.
    let row = format!("id,type,heard_as\nZ-77,zigbee-sos,{name}\n");
    std::fs::write(hub.path("devices.csv"), row).unwrap();
    let file = hub.path("devices.csv").display().to_string();
    hub.does(&["import", &file, "--yes"]);
    assert_eq!(hub.status()["devices"]["strangers"], 1);
    let mut hub = hub;
    hub.kill();
    hub.start();
    assert_eq!(hub.does(&["devices", "--heard"]).lines().count(), 1);
}
