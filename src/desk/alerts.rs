//! Incidents as Alertmanager's alerts: what changed, and again and again what is open.

use std::collections::BTreeMap;

use super::Desk;
use super::letters::{whereabouts, whereabouts_of};
use crate::config::settings::Settings;
use crate::incident::{Incident, IncidentBook, Stage, Story, StoryKind};
use crate::notify::alert::{Alert, again_after, alerts};
use crate::notify::endpoint::LifeSign;
use crate::registry::Registry;
use crate::terms::{At, EndpointId, ResidentId};

/// When each receiver was last told what is open.
pub(super) type SaidAgain = BTreeMap<EndpointId, At>;

/// One event of the story.
pub(super) fn of_story(
    story: &Story,
    endpoint: &EndpointId,
    settings: &Settings,
    book: &IncidentBook,
) -> Vec<u8> {
    let registry = book.registry();
    let held = book.incident(story.incident);
    let called = (held.and_then(|i| i.home.as_ref()), story.resident.as_ref());
    let is_over = story.event == StoryKind::Resolved;
    let alert = Alert {
        incident: story.incident,
        code: story.code,
        class: story.class,
        kind: story.kind,
        device: story.device.clone(),
        place: whereabouts(registry, &story.device, called, settings).place,
        resident: name(registry, story.resident.as_ref(), settings, endpoint),
        raised: story.times.raised.unwrap_or(story.wall),
        over: is_over.then(|| story.times.resolved.unwrap_or(story.wall)),
    };
    written(endpoint, settings, &[alert])
}

fn name(
    registry: &Registry,
    resident: Option<&ResidentId>,
    settings: &Settings,
    endpoint: &EndpointId,
) -> Option<String> {
    let resident = registry.resident(resident?)?;
    settings.names_for(endpoint).then(|| resident.name.clone())
}

fn of_open(
    incident: &Incident,
    endpoint: &EndpointId,
    settings: &Settings,
    book: &IncidentBook,
) -> Alert {
    let registry = book.registry();
    Alert {
        incident: incident.id,
        code: incident.code,
        class: incident.class,
        kind: incident.kind,
        device: incident.device.clone(),
        place: whereabouts_of(registry, incident, settings).place,
        resident: name(registry, incident.resident.as_ref(), settings, endpoint),
        raised: incident.times.raised.unwrap_or(incident.raised_wall),
        over: None,
    }
}

fn written(endpoint: &EndpointId, settings: &Settings, all: &[Alert]) -> Vec<u8> {
    let url = settings.gateway.public_url.as_deref().unwrap_or_default();
    alerts(endpoint.as_str(), &settings.gateway.hub, url, all)
}

impl Desk {
    /// Says again what is open to each receiver that would let go of it, each when it is time.
    pub(super) fn say_again(&mut self) {
        let now = self.clock.now();
        let settings = std::sync::Arc::clone(&self.settings);
        for endpoint in settings.notify.webhooks.keys() {
            let Some(timeout) = settings.resolve_timeout(endpoint) else { continue };
            let last = *self.outbox.said_again.entry(endpoint.clone()).or_insert(now);
            if now - last < again_after(timeout) {
                continue;
            }
            if self.outbox.life(endpoint).is_none() {
                continue;
            }
            self.outbox.said_again.insert(endpoint.clone(), now);
            let wants = settings.policy.endpoints.get(endpoint);
            let wanted = |incident: &&Incident| {
                let over =
                    matches!(incident.stage, Stage::Resolved { .. } | Stage::FollowedUp { .. });
                !over && wants.is_some_and(|wants| wants.wants(incident.class, StoryKind::Raised))
            };
            let open = self.book.open().filter(wanted);
            let all: Vec<Alert> =
                open.map(|one| of_open(one, endpoint, &settings, &self.book)).collect();
            if let Some(again) = self.outbox.life(endpoint).filter(|_| !all.is_empty()) {
                let body = written(endpoint, &settings, &all).into();
                again.send_replace(Some(LifeSign { id: String::new(), body }));
            }
        }
    }
}
