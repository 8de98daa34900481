//! Incidents as alerts: Alertmanager's webhook, version "4", written as Alertmanager writes it.
//!
//! A monitor that a district or a maker runs knows this form and needs no word of ours. One incident is one
//! alert: its fingerprint is the incident's id, it fires from the first press on, and it is resolved when
//! the incident is over. A change is told at once and until it is taken; what is open is said again every
//! [`again_after`], because a receiver lets go of what it has not heard of for its `resolve_timeout`.
//! What it fires for the receiver knows by labels: `class`, `kind`, `code`, `device`, `hub`.

use serde::Serialize;

use super::cloud_event::rfc3339;
use super::wording::told;
use crate::terms::{Class, Code, DeviceId, HubId, IncidentId, Kind, Wait, Wall};

/// What Alertmanager writes where an alert has no end so far.
const NO_END: &str = "0001-01-01T00:00:00Z";
/// Alerts in one message that says again what is open; of the rest it says how many. Own choice: 200 KB.
pub const ALERTS_MAX: usize = 500;

/// How often what is open is said again: three times in a `resolve_timeout`, so that two may be lost.
pub fn again_after(resolve_timeout: Wait) -> Wait {
    Wait(resolve_timeout.0 / 3)
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id.
    pub incident: IncidentId,
    /// Its code.
    pub code: Code,
    /// Its class now.
    pub class: Class,
    /// What happened.
    pub kind: Kind,
    /// The device.
    pub device: DeviceId,
    /// Where, in full; may be empty.
    pub place: String,
    /// The resident's name, where the receiver may know it.
    pub resident: Option<String>,
    /// When it began.
    pub raised: Wall,
    /// When it was over, if it is.
    pub over: Option<Wall>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: Group<'a>,
    common_labels: Group<'a>,
    common_annotations: Nothing,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    alerts: Vec<Written<'a>>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Group<'a> {
    hub: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    status: &'static str,
    labels: Labels<'a>,
    annotations: Annotations,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

#[derive(Serialize)]
struct Labels<'a> {
    alertname: &'static str,
    hub: &'a str,
    class: &'static str,
    kind: &'static str,
    code: String,
    device: &'a str,
    severity: &'static str,
}

#[derive(Serialize)]
struct Annotations {
    summary: String,
}

/// The message about these, UTF-8; `url` is where the hub's pages are, or empty.
pub fn alerts(receiver: &str, hub: &HubId, url: &str, all: &[Alert]) -> Vec<u8> {
    let group = || Group { hub: hub.as_str() };
    let key = match all {
        [one] => format!("{{}}:{{hub=\"{hub}\", incident=\"{}\"}}", one.incident),
        _ => format!("{{}}:{{hub=\"{hub}\"}}"),
    };
    let fires = all.iter().any(|alert| alert.over.is_none());
    let message = Message {
        version: "4",
        group_key: key,
        truncated_alerts: all.len().saturating_sub(ALERTS_MAX),
        status: if fires { "firing" } else { "resolved" },
        receiver,
        group_labels: group(),
        common_labels: group(),
        common_annotations: Nothing {},
        external_url: url,
        alerts: all.iter().take(ALERTS_MAX).map(|alert| written(alert, hub, url)).collect(),
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

fn written<'a>(alert: &'a Alert, hub: &'a HubId, url: &'a str) -> Written<'a> {
    // An end before the beginning is refused by receivers; a clock that was set may make one.
    let over = alert.over.map(|over| Wall(over.0.max(alert.raised.0.saturating_add(1))));
    let whose = alert.resident.as_deref().unwrap_or_default();
    let event = told(alert.class, &[alert.kind]).event;
    Written {
        status: if over.is_none() { "firing" } else { "resolved" },
        labels: Labels {
            alertname: "anling_incident",
            hub: hub.as_str(),
            class: alert.class.word(),
            kind: alert.kind.word(),
            code: alert.code.to_string(),
            device: alert.device.as_str(),
            severity: match alert.class {
                Class::Hazard | Class::Emergency | Class::Coverage => "critical",
                Class::Welfare | Class::Fault => "warning",
                Class::Service | Class::Test => "info",
            },
        },
        annotations: Annotations {
            summary: format!("{}{whose}{event}。单号{}", alert.place, alert.code),
        },
        starts_at: rfc3339(alert.raised).unwrap_or_default(),
        ends_at: over.and_then(rfc3339).unwrap_or_else(|| NO_END.to_owned()),
        generator_url: url,
        fingerprint: alert.incident.0.to_string(),
    }
}
