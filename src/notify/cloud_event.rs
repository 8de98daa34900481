//! One event of the story as a CloudEvent 1.0 in structured JSON, as `interface.md` fixes it.
//!
//! The story holds ids only; [`Names`] adds what the receiver's profile allows, and an absent name
//! is an absent field, never an empty text. The bytes are written once per endpoint and sent
//! unchanged however often, so a repeat is recognisable as one.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::incident::{StageTimes, Story};
use crate::terms::{HubId, PersonId, Wall};

/// What an event says beside the ids, as far as its receiver may know it. Empty texts are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The device's type.
    pub device_type: String,
    /// What staff call the device.
    pub device: String,
    /// The resident's name; `None` where the profile does not allow it.
    pub resident: Option<String>,
    /// The place in full.
    pub place: String,
    /// The grid's code (网格).
    pub grid: String,
    /// People's names; whoever is missing is told by id only.
    pub people: BTreeMap<PersonId, String>,
}

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    incident: Incident<'a>,
    device: Device<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident: Option<Resident<'a>>,
    home: Home<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bed: Option<Bed<'a>>,
    times: Times,
    people: Vec<Person<'a>>,
    clock_trusted: bool,
    test: bool,
}

#[derive(Serialize)]
struct Incident<'a> {
    id: u64,
    code: &'a str,
    class: &'static str,
    kind: &'static str,
    stage: &'static str,
    epoch: u32,
    rung: u8,
    press_count: u32,
}

#[derive(Serialize)]
struct Device<'a> {
    id: &'a str,
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    type_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Serialize)]
struct Resident<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct Home<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    place: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    grid: &'a str,
}

#[derive(Serialize)]
struct Bed<'a> {
    id: &'a str,
    contract: &'static str,
}

#[derive(Serialize)]
struct Times {
    #[serde(skip_serializing_if = "Option::is_none")]
    raised: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_the_way: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_scene: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    followed_up: Option<String>,
}

impl Times {
    fn of(times: &StageTimes) -> Self {
        let said = |wall: Option<Wall>| wall.and_then(rfc3339);
        Self {
            raised: said(times.raised),
            accepted: said(times.accepted),
            on_the_way: said(times.on_the_way),
            on_scene: said(times.on_scene),
            resolved: said(times.resolved),
            followed_up: said(times.followed_up),
        }
    }
}

#[derive(Serialize)]
struct Person<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
}

/// The event as the body of a request or a message, UTF-8.
pub fn cloud_event(story: &Story, names: &Names, hub: &HubId) -> Vec<u8> {
    let code = story.code.to_string();
    let event = Event {
        specversion: "1.0",
        id: format!("{hub}/{}", story.seq),
        source: format!("/hubs/{}", path_segment(hub.as_str())),
        kind: format!("anling.incident.{}", story.event.word()),
        subject: code.clone(),
        time: rfc3339(story.wall),
        datacontenttype: "application/json",
        data: Data {
            incident: Incident {
                id: story.incident.0,
                code: &code,
                class: story.class.word(),
                kind: story.kind.word(),
                stage: story.stage.word(),
                epoch: story.epoch,
                rung: story.rung,
                press_count: story.press_count,
            },
            device: Device {
                id: story.device.as_str(),
                type_name: &names.device_type,
                name: &names.device,
            },
            resident: story
                .resident
                .as_ref()
                .map(|id| Resident { id: id.as_str(), name: names.resident.as_deref() }),
            home: Home { place: &names.place, grid: &names.grid },
            bed: story
                .bed
                .as_ref()
                .map(|bed| Bed { id: bed.id.as_str(), contract: bed.contract.word() }),
            times: Times::of(&story.times),
            people: story
                .people
                .iter()
                .map(|(id, by)| Person {
                    id: id.as_str(),
                    name: names.people.get(id).map(String::as_str),
                    by: by.map(|carrier| carrier.word()),
                })
                .collect(),
            clock_trusted: story.clock_trusted,
            test: story.test,
        },
    };
    #[expect(
        clippy::expect_used,
        reason = "only maps with other keys than texts cannot be written"
    )]
    serde_json::to_vec(&event).expect("an event is texts, numbers and lists")
}

/// The time in RFC 3339, UTC; `None` for a wall clock beyond the year 9999.
pub fn rfc3339(wall: Wall) -> Option<String> {
    jiff::Timestamp::from_millisecond(wall.0).ok().map(|time| format!("{time:.3}"))
}

/// A hub's name as one segment of a URI path (RFC 3986): Chinese characters are legal in an id, not
/// in a URI.
pub fn path_segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Carrier, StageName, StoryKind};
    use crate::terms::{Class, Code, DeviceId, IncidentId, Kind, ResidentId, Seq};

    fn story() -> Story {
        Story {
            seq: Seq(1042),
            event: StoryKind::Notified,
            wall: Wall(1_787_385_905_120),
            clock_trusted: true,
            incident: IncidentId(7),
            code: Code::new('A', 17).unwrap(),
            class: Class::Emergency,
            kind: Kind::Sos,
            stage: StageName::Calling,
            epoch: 1,
            rung: 0,
            press_count: 2,
            device: DeviceId::new("B-14").unwrap(),
            resident: Some(ResidentId::new("R0007").unwrap()),
            times: StageTimes { raised: Some(Wall(1_787_385_900_000)), ..StageTimes::default() },
            people: vec![(PersonId::new("P001").unwrap(), Some(Carrier::Mail))],
            test: false,
            bed: None,
        }
    }

    fn pretty(bytes: &[u8]) -> String {
        let value: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    }

    #[test]
    fn an_event_with_all_names() {
        let names = Names {
            device_type: "sos_button".into(),
            device: "床头呼叫器".into(),
            resident: Some("王桂芳".into()),
            place: "3号楼2单元501".into(),
            grid: "110101-003".into(),
            people: [(PersonId::new("P001").unwrap(), "李建国".to_owned())].into(),
        };
        let hub = HubId::new("hub-a").unwrap();
        insta::assert_snapshot!(pretty(&cloud_event(&story(), &names, &hub)));
    }

    #[test]
    fn a_name_the_profile_does_not_allow_is_absent() {
        let bytes = cloud_event(&story(), &Names::default(), &HubId::new("幸福里").unwrap());
        let event: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(event["data"]["resident"], serde_json::json!({"id": "R0007"}));
        assert_eq!(event["data"]["people"], serde_json::json!([{"id": "P001", "by": "mail"}]));
        assert_eq!(event["data"]["home"], serde_json::json!({}));
        assert_eq!(event["id"], "幸福里/1042");
        assert_eq!(event["source"], "/hubs/%E5%B9%B8%E7%A6%8F%E9%87%8C");
    }

    #[test]
    fn the_same_fact_is_the_same_bytes() {
        let hub = HubId::new("hub-a").unwrap();
        let once = cloud_event(&story(), &Names::default(), &hub);
        assert_eq!(once, cloud_event(&story(), &Names::default(), &hub));
    }
}
