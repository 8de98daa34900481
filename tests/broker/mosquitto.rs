//! The tools people have at hand: mosquitto_pub and mosquitto_sub.

use std::process::{Child, Command, Output, Stdio};

use crate::house::{B14_CMD, B14_EVENT, B15_EVENT, House, soon};

fn tool(name: &str, house: &House, version: &str, topic: &str) -> Command {
    let mut command = Command::new(name);
    let port = house.address.port().to_string();
    command.args(["-h", "127.0.0.1", "-p", &port, "-u", "b14", "-P", "b14-password"]);
    command.args(["-V", version, "-i", "b14", "-q", "1", "-t", topic]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn started(mut command: Command) -> Child {
    command.spawn().unwrap_or_else(|cause| {
        panic!("cannot run {command:?} ({cause}): install the package mosquitto-clients")
    })
}

async fn ended(running: Child) -> Output {
    let waited = tokio::task::spawn_blocking(|| running.wait_with_output());
    soon("the end of the tool", waited).await.unwrap().unwrap()
}

#[tokio::test]
async fn mosquitto_pub_presses_in_both_versions() {
    let mut house = House::open().await;
    for version in ["mqttv311", "mqttv5"] {
        let mut press = tool("mosquitto_pub", &house, version, B14_EVENT);
        press.args(["-m", version]);
        let press = started(press);
        let inbound = house.heard().await;
        assert_eq!(inbound.bytes, version.as_bytes());
        inbound.receipt.stored();
        let output = ended(press).await;
        assert!(output.status.success(), "{version}: {output:?}");
    }
    assert_eq!(house.broker.counts().stored, 2);
    house.close().await;
}

#[tokio::test]
async fn mosquitto_pub_cannot_press_for_another() {
    let mut house = House::open().await;
    let mut press = tool("mosquitto_pub", &house, "mqttv5", B15_EVENT);
    press.args(["-m", "x"]);
    let mut press = started(press);
    let refused = async {
        while house.broker.counts().foreign_topics == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the refusal", refused).await;
    // It would connect again for ever; the broker's refusal is what matters.
    press.kill().unwrap();
    press.wait().unwrap();
    assert!(house.inbox.try_recv().is_err());
    house.close().await;
}

#[tokio::test]
async fn mosquitto_sub_hears_the_feedback_in_both_versions() {
    let mut house = House::open().await;
    for version in ["mqttv311", "mqttv5"] {
        let mut listen = tool("mosquitto_sub", &house, version, B14_CMD);
        listen.args(["-C", "1"]);
        let listen = started(listen);
        house.listening(B14_CMD).await;
        house.broker.publish(B14_CMD, b"stored".to_vec(), false).unwrap();
        let output = ended(listen).await;
        assert_eq!(output.stdout, b"stored\n", "{version}: {output:?}");
    }
    house.close().await;
}
