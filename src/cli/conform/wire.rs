//! What an examination hears and says, whichever way the device is connected.

use std::time::Duration;

use super::mqtt::MqttWire;
use super::serial::SerialWire;
use crate::cli::Failure;
use crate::terms::{FeedbackStage, Mark, RefusalReason, What};

/// The way to the device.
pub(super) enum Wire {
    Serial(SerialWire),
    Mqtt(Box<MqttWire>),
}

/// One thing heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// An event.
    Event(Event),
    /// A receiver said that it is there; on a line only.
    Alive,
    /// A whole message that the hub would refuse.
    Refused { device: Option<String>, reason: RefusalReason },
}

/// An event of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// As it would stand in `heard_as`.
    pub(super) device: String,
    pub(super) mark: Option<Mark>,
    pub(super) what: What,
    pub(super) battery: Option<u8>,
    /// On a line a repeat is the same bytes; over MQTT its form is free.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Event {
    /// Whether it calls, so that the contract asks for an answer and for repeats.
    pub(super) fn calls(&self) -> bool {
        matches!(self.what, What::Pulse(_) | What::Level { on: true, .. })
    }
}

impl Wire {
    /// The next thing heard within a time; `None` when there was nothing.
    pub(super) async fn hear(&mut self, within: Duration) -> Result<Option<Heard>, Failure> {
        match self {
            Self::Serial(line) => line.hear(within).await,
            Self::Mqtt(broker) => broker.hear(within).await,
        }
    }

    /// Tells a device how far its call has come.
    pub(super) async fn tell(
        &mut self,
        device: &str,
        mark: Mark,
        stage: FeedbackStage,
    ) -> Result<(), Failure> {
        match self {
            Self::Serial(line) => line.tell(device, mark, stage).await,
            Self::Mqtt(broker) => broker.tell(device, mark, stage).await,
        }
    }

    /// Whether a receiver has to say that it is there.
    pub(super) fn has_receiver(&self) -> bool {
        matches!(self, Self::Serial(_))
    }
}
