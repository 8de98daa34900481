//! Carries the story to district platforms, and brings back what they say.
//!
//! A platform is an endpoint of the story like a webhook: the book owes it every event, and its
//! settled facts are the cursor, so nothing here remembers across a restart. What differs is the
//! order: a platform takes one hub's whole record lane by sequence, not incident by incident, and
//! what it answers is read. Each runs in a task of its own (`platform`), over [`mqtt`] or [`https`]:
//!
//! - The record lane keeps its order in a [`window`]: what is not settled when a line breaks is sent
//!   again from the first on, under the same ids, so a receiver throws repeats away.
//! - The telemetry lane holds one life sign, the newest. It waits for the events before it, and a
//!   backlog cannot starve it.
//! - An event that is refused for good is a dead letter and blocks nothing; everything else stays
//!   owed and is tried for ever.
//! - What the platform says ([`down`]) goes to the desk, and is acknowledged once it is on disk.
//!
//! This room may import `notify` and `link` beside the pure rooms: the letters, reports, CloudEvents and
//! the HTTP wire are the same for webhooks and platforms, the MQTT client and its pauses the same for
//! platforms and brokers that others run, and second copies of them would drift.

mod answer;
mod batch;
pub mod down;
pub mod https;
mod ledger;
pub mod life;
pub mod mqtt;
mod pace;
mod platform;
pub mod window;

pub use answer::Accepted;
pub use down::{Heard, MESSAGES_MAX, Message, Misfit};
pub use https::HttpsSettings;
pub use mqtt::MqttSettings;

use std::time::Duration;

use platform::{Held, serve};
use tokio::sync::{mpsc, oneshot, watch};

use crate::notify::endpoint::{EndpointHandle, EndpointReport, LifeSign, StoryLetter};
use crate::notify::wire::WireError;
use crate::terms::{EndpointId, HubId};

/// Events waiting in the channel to one platform.
pub const OFFERS_MAX: usize = 1024;

/// Events one platform's task holds beside its channel.
pub const HELD_MAX: usize = 1024;

/// How long settled events may wait before they are reported together. Own choice: at 5,000 a second
/// 250 of them are one fact, and at most so many are sent again after a cut.
const REPORT_AFTER: Duration = Duration::from_millis(50);

/// Messages of one platform that are on the way to the disk. Own choice: more than a person can say
/// in the time of one force; beyond it a message is left unacknowledged and comes again.
pub const UNSTORED_MAX: usize = 64;

/// Why a platform cannot be opened. Both are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// Its address or its TLS.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The secret holds characters that the protocol cannot carry.
    #[error("the platform's secret cannot be sent: replace it by visible ASCII characters")]
    Secret,
}

/// One platform, from the config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformSettings {
    /// Its name.
    pub platform: EndpointId,
    /// Our hub: a level of its topics, and the first part of every event's id.
    pub hub: HubId,
    /// Whether anybody is named who speaks for it; otherwise nothing it says is heard.
    pub may_speak: bool,
    /// How it is reached.
    pub way: Way,
}

/// How a platform is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// `[platform.NAME.mqtt]`
    Mqtt(MqttSettings),
    /// `[platform.NAME.https]`
    Https(HttpsSettings),
}

impl Way {
    /// Whether it is opened with files that may hold something else by the next time.
    pub fn names_files(&self) -> bool {
        match self {
            Self::Mqtt(mqtt) => mqtt.tls.as_ref().is_some_and(|files| files.names_any()),
            Self::Https(https) => https.tls.names_any(),
        }
    }
}

/// Where platforms report.
#[derive(Debug, Clone)]
pub struct Ends {
    /// What was settled, and their health.
    pub reports: mpsc::Sender<EndpointReport>,
    /// What they say.
    pub heard: mpsc::Sender<Heard>,
}

/// The task's ends of its channels.
struct Ears {
    offers: mpsc::Receiver<StoryLetter>,
    life: watch::Receiver<Option<LifeSign>>,
    stopped: oneshot::Receiver<()>,
}

/// Opens a platform and begins to serve it. Call it on the runtime. One that is not there is no error:
/// it is tried for ever.
///
/// # Errors
/// See [`PlatformError`].
pub fn open(settings: PlatformSettings, ends: Ends) -> Result<EndpointHandle, PlatformError> {
    let (offer, offers) = mpsc::channel(OFFERS_MAX);
    let (sign, life) = watch::channel(None);
    let (stop, stopped) = oneshot::channel();
    let ears = Ears { offers, life, stopped };
    let platform = settings.platform.clone();
    let task = match &settings.way {
        Way::Mqtt(way) => {
            let held = Held::new(&settings, mqtt::WINDOW);
            tokio::spawn(serve(mqtt::Mqtt::new(&settings, way)?, held, ends, ears))
        }
        Way::Https(way) => {
            let held = Held::new(&settings, way.batch.unwrap_or(1));
            let https = https::Https::new(way, https::wire(way)?);
            tokio::spawn(serve(https, held, ends, ears))
        }
    };
    Ok(EndpointHandle::in_order(platform, offer, sign, stop, task))
}
