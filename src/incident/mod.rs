//! The engine.

mod order;
mod policy;
mod story;

pub use order::{Carrier, Effect, Notice, Order, OrderId, OrderState, Outcome};
pub use policy::{Ladder, Policy, PolicyHash, Rung, Subscription, Waits, Who};
pub use story::{StageTimes, Story, StoryKind};

use serde::{Deserialize, Serialize};

/// The stage's bare name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Waits for working hours.
    Queued,
    /// People are being called.
    Calling,
    /// A person accepted.
    Accepted,
    /// A person is on the way.
    OnTheWay,
    /// A person is there.
    OnScene,
    /// Over.
    Resolved,
    /// Followed up.
    FollowedUp,
}

impl StageName {
    /// The word in events and on pages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Calling => "calling",
            Self::Accepted => "accepted",
            Self::OnTheWay => "on_the_way",
            Self::OnScene => "on_scene",
            Self::Resolved => "resolved",
            Self::FollowedUp => "followed_up",
        }
    }
}
