//! The examination's end of a device's broker.

use std::time::Duration;

use rumqttc::{AsyncClient, Event as Wired, EventLoop, MqttOptions, Packet, Publish, QoS};
use tokio::time::timeout;

use super::wire::{Event, Heard};
use crate::cli::Failure;
use crate::clock::Stopwatch;
use crate::contract::{NativeMqtt, encode};
use crate::exit;
use crate::terms::{
    At, Command, Decoded, Decoder as _, DeviceId, FeedbackStage, HubId, Inbound, LinkId, Mark,
    Receipt,
};

/// How long the broker may take to answer. Own choice.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Commands that may wait to be sent.
const QUEUED_MAX: usize = 64;

pub(super) struct MqttWire {
    client: AsyncClient,
    events: EventLoop,
    hub: HubId,
    native: NativeMqtt,
}

impl MqttWire {
    /// Signs in and listens; `at` is `HOST:PORT/HUB`.
    pub(super) async fn open(
        at: &str,
        user: Option<&str>,
        password: Option<String>,
    ) -> Result<Self, Failure> {
        let usage = |says: &str| Failure::new(exit::USAGE, says.to_owned());
        let form = "write it as mqtt://HOST:PORT/HUB, such as mqtt://127.0.0.1:1883/zs-yunjian";
        let (address, hub) = at.split_once('/').ok_or_else(|| usage(form))?;
        let (host, port) = address.rsplit_once(':').ok_or_else(|| usage(form))?;
        let port: u16 = port.parse().map_err(|_| usage(form))?;
        let hub = HubId::new(hub).map_err(|_| usage(form))?;
        let id = format!("anling-conform-{}", std::process::id());
        let mut options = MqttOptions::new(id, host, port);
        options.set_keep_alive(Duration::from_secs(30));
        if let Some(user) = user {
            options.set_credentials(user, password.unwrap_or_default());
        }
        let (client, events) = AsyncClient::new(options, QUEUED_MAX);
        let native = NativeMqtt::new(hub.clone());
        let mut wire = Self { client, events, hub, native };
        let topic = format!("anling/v1/{}/+/event", wire.hub);
        // The queue is empty.
        let _ = wire.client.try_subscribe(topic, QoS::AtLeastOnce);
        let watch = Stopwatch::start();
        loop {
            let left = ANSWER_WITHIN.saturating_sub(watch.elapsed());
            match timeout(left, wire.events.poll()).await {
                Ok(Ok(Wired::Incoming(Packet::SubAck(_)))) => return Ok(wire),
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => {
                    let says = format!(
                        "no broker lets us listen at {address}: see that it runs, and give --user \
                         and --password-file where it asks for them"
                    );
                    return Err(Failure::new(exit::NOT_RIGHT, says));
                }
            }
        }
    }

    pub(super) async fn hear(&mut self, within: Duration) -> Result<Option<Heard>, Failure> {
        let watch = Stopwatch::start();
        loop {
            let left = within.saturating_sub(watch.elapsed());
            match timeout(left, self.events.poll()).await {
                Err(_) => return Ok(None),
                Ok(Ok(Wired::Incoming(Packet::Publish(publish)))) => {
                    if let Some(heard) = self.read(&publish) {
                        return Ok(Some(heard));
                    }
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let says = format!("the broker is gone: {error}; begin again");
                    return Err(Failure::new(exit::NOT_RIGHT, says));
                }
            }
        }
    }

    fn read(&mut self, publish: &Publish) -> Option<Heard> {
        let inbound = Inbound {
            link: LinkId::new("conform").ok()?,
            topic: publish.topic.as_str().into(),
            retained: publish.retain,
            received: At(0),
            bytes: publish.payload.to_vec(),
            receipt: Receipt::new(|_| {}),
        };
        self.native.take(At(0), &inbound).into_iter().next().map(|decoded| match decoded {
            Decoded::Report(report) => Heard::Event(Event {
                device: report.device.to_string(),
                mark: report.mark,
                what: report.what,
                battery: report.battery,
                bytes: None,
            }),
            Decoded::Refusal(refusal) => Heard::Refused {
                device: refusal.device.map(|device| device.to_string()),
                reason: refusal.reason,
            },
        })
    }

    pub(super) async fn tell(
        &mut self,
        device: &str,
        mark: Mark,
        stage: FeedbackStage,
    ) -> Result<(), Failure> {
        let Ok(device) = DeviceId::new(device) else { return Ok(()) };
        let (topic, payload) = encode(&Command { device, mark: Some(mark), stage }, &self.hub);
        // A full queue is a device that gets no answer, which the examination then sees.
        let _ = self.client.try_publish(topic, QoS::AtLeastOnce, false, payload);
        Ok(())
    }
}
