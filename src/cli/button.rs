//! A pretended button: signs in to a broker, presses over the native contract, and listens for its
//! light, as a device's firmware does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde::Deserialize;
use tokio::time::timeout;

use crate::clock::Stopwatch;
use crate::terms::{FeedbackStage, HubId, Mark, Secret};

/// How long a connection or an answer may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Publishes and subscriptions that may wait to be sent.
const QUEUED_MAX: usize = 16_384;

/// Why a pretended button cannot press.
#[derive(Debug, thiserror::Error)]
pub(super) enum ButtonError {
    /// Nobody listens, or the account is refused.
    #[error(
        "cannot sign in to the broker at {0}; see that the hub runs and the password is its own"
    )]
    SignIn(SocketAddr, #[source] Box<rumqttc::ConnectionError>),
    /// The line broke.
    #[error(
        "the broker closed the connection before it acknowledged: see `anling status` for the disk and who is called, and the log"
    )]
    Line(#[source] Box<rumqttc::ConnectionError>),
    /// No answer in time.
    #[error("the hub did not answer in time: see `anling status`")]
    Silent,
}

/// A pretended button, or many behind one connection.
pub(super) struct Button {
    client: AsyncClient,
    events: EventLoop,
    hub: HubId,
    heard: VecDeque<Heard>,
}

/// What a device was told, or the broker's own acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// The hub's word on its `cmd` topic.
    Stage { mark: Option<Mark>, stage: FeedbackStage },
    /// The broker acknowledged a publish.
    Acknowledged,
}

#[derive(Deserialize)]
struct Cmd {
    boot: Option<u32>,
    ack: Option<u32>,
    stage: FeedbackStage,
}

impl Button {
    /// Signs in and listens to the given devices' `cmd`.
    pub(super) async fn connect(
        broker: SocketAddr,
        hub: &HubId,
        user: &str,
        password: &Secret,
        devices: &[impl std::fmt::Display],
    ) -> Result<Self, ButtonError> {
        let id = format!("anling-press-{}", std::process::id());
        let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(30));
        options.set_credentials(user, password.expose_text().unwrap_or_default());
        let (client, events) = AsyncClient::new(options, QUEUED_MAX);
        let mut button = Self { client, events, hub: hub.clone(), heard: VecDeque::new() };
        let refused = |error| ButtonError::SignIn(broker, Box::new(error));
        loop {
            let polled = timeout(ANSWER_WITHIN, button.events.poll()).await;
            let event = polled.map_err(|_| ButtonError::Silent)?.map_err(refused)?;
            if let Event::Incoming(Packet::ConnAck(_)) = event {
                break;
            }
        }
        for device in devices {
            let topic = format!("anling/v1/{hub}/{device}/cmd");
            // The queue holds more than the devices one command may name.
            let _ = button.client.try_subscribe(topic, QoS::AtLeastOnce);
            while !matches!(button.poll(ANSWER_WITHIN).await?, Event::Incoming(Packet::SubAck(_))) {
            }
        }
        Ok(button)
    }

    async fn poll(&mut self, within: Duration) -> Result<Event, ButtonError> {
        let event = timeout(within, self.events.poll())
            .await
            .map_err(|_| ButtonError::Silent)?
            .map_err(|error| ButtonError::Line(Box::new(error)))?;
        self.note(&event);
        Ok(event)
    }

    /// Sends one press; the answer comes later.
    pub(super) fn press(&self, device: &str, kind: &str, mark: Mark) {
        let topic = format!("anling/v1/{}/{device}/event", self.hub);
        let Mark { boot, seq } = mark;
        let payload = format!(
            "{{\"v\":1,\"boot\":{boot},\"seq\":{seq},\"kind\":\"{kind}\",\"edge\":\"press\"}}"
        );
        // A full queue is seen as a missing answer.
        let _ = self.client.try_publish(topic, QoS::AtLeastOnce, false, payload);
    }

    /// The next thing heard, within `within`.
    pub(super) async fn hear(&mut self, within: Duration) -> Result<Heard, ButtonError> {
        let watch = Stopwatch::start();
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            self.poll(within.saturating_sub(watch.elapsed())).await?;
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Incoming(Packet::PubAck(_)) => self.heard.push_back(Heard::Acknowledged),
            Event::Incoming(Packet::Publish(publish)) => {
                if let Ok(Cmd { boot, ack, stage }) = serde_json::from_slice(&publish.payload) {
                    let mark = boot.zip(ack).map(|(boot, seq)| Mark { boot, seq });
                    self.heard.push_back(Heard::Stage { mark, stage });
                }
            }
            _ => {}
        }
    }
}
