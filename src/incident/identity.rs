//! Whose record this is: the hub's id, which stands in every device's topic and in every event's name.
//!
//! Each start writes down the id it was started with; the first one that did is the record's. A start
//! with another one is a fault, because buttons speak to topics that nobody hears any more and a
//! receiver may throw the new events away as repeats of another hub's. It is never refused: the calls
//! that still come must be heard. The id becomes the record's own when a named person closes that
//! fault. Chosen over taking the new id in silence, and over a file beside the record, which a copy
//! would lack.

use serde::{Deserialize, Serialize};

use super::{Fact, IncidentBook};
use crate::terms::{HubId, Kind};

/// The record's id and the last start's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<HubId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<HubId>,
}

impl IncidentBook {
    /// The hub whose record this is; `None` where no start has said so yet.
    pub fn hub(&self) -> Option<&HubId> {
        self.identity.record.as_ref()
    }

    /// Whether a fact can change what [`IncidentBook::hub`] says.
    pub fn is_about_hub(fact: &Fact) -> bool {
        match fact {
            Fact::HubStarted { .. } | Fact::Resolved { .. } => true,
            Fact::Raised { kind, .. } => *kind == Kind::HubId,
            _ => false,
        }
    }

    pub(super) fn start_as(&mut self, hub: Option<&HubId>) {
        if let Some(hub) = hub {
            self.identity.record.get_or_insert_with(|| hub.clone());
            self.identity.started = Some(hub.clone());
        }
    }

    /// A person has closed an incident: of this kind it says that the id was changed on purpose.
    pub(super) fn agree_to_hub(&mut self, closed: Kind) {
        if closed == Kind::HubId {
            self.identity.record.clone_from(&self.identity.started);
        }
    }
}
