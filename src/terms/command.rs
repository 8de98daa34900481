//! What the hub says to a device: how far its call has come.

use serde::{Deserialize, Serialize};

use super::{DeviceId, Mark};

/// How far a call has come, as the resident's light shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackStage {
    /// On disk: people are being called.
    Stored,
    /// A person is coming.
    Accepted,
    /// A person is there.
    OnScene,
    /// Done.
    Closed,
}

impl FeedbackStage {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Accepted => "accepted",
            Self::OnScene => "on_scene",
            Self::Closed => "closed",
        }
    }
}

/// One message to one device. Saying it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The device.
    pub device: DeviceId,
    /// The device's own count of the event that is answered, where its family has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// How far its call has come.
    pub stage: FeedbackStage,
}
