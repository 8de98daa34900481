//! The sign of the hub's life: a CloudEvent that is not journaled and carries the chain's head.
//!
//! A platform that keeps the signs is an outside witness: whoever changed the record later would have
//! to change the head that the district has seen. Its id is of its own kind (`<hub>/alive/<boot>-<n>`),
//! so it can never be taken for an event of the record.

use serde::Serialize;

use crate::notify::cloud_event::{path_segment, rfc3339};
use crate::notify::endpoint::LifeSign;
use crate::terms::{HubId, Seq, WallReading};

/// What the hub knows of itself at the moment of the sign.
#[derive(Debug, Clone)]
pub struct Life<'a> {
    /// Which hub.
    pub hub: &'a HubId,
    /// The kernel's name for the boot.
    pub boot: &'a str,
    /// A number that no other sign of this boot has: hub time in ms, which never goes back.
    pub number: u64,
    /// The time.
    pub wall: WallReading,
    /// The newest entry that is on disk.
    pub head: Seq,
    /// The chain's hash there, in hexadecimal digits.
    pub chain: &'a str,
    /// Whether what is written down is on disk.
    pub safe: bool,
    /// Open incidents, and those of them that are urgent.
    pub open: usize,
    /// How many of the open ones are urgent.
    pub urgent: usize,
    /// How many events are owed to this platform.
    pub owed: usize,
    /// Our version.
    pub version: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    hub: &'a str,
    record: Record<'a>,
    open: usize,
    urgent: usize,
    owed: usize,
    clock_trusted: bool,
    version: &'a str,
}

#[derive(Serialize)]
struct Record<'a> {
    seq: Seq,
    chain: &'a str,
    safe: bool,
}

impl Life<'_> {
    /// The sign, as it is sent.
    pub fn sign(&self) -> LifeSign {
        let id = format!("{}/alive/{}-{}", self.hub, self.boot, self.number);
        let event = Event {
            specversion: "1.0",
            id: &id,
            source: format!("/hubs/{}", path_segment(self.hub.as_str())),
            kind: "anling.hub.alive",
            subject: self.hub.as_str(),
            time: rfc3339(self.wall.wall),
            datacontenttype: "application/json",
            data: Data {
                hub: self.hub.as_str(),
                record: Record { seq: self.head, chain: self.chain, safe: self.safe },
                open: self.open,
                urgent: self.urgent,
                owed: self.owed,
                clock_trusted: self.wall.trusted,
                version: self.version,
            },
        };
        let body = serde_json::to_vec(&event).unwrap_or_default().into();
        LifeSign { id, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Wall;

    #[test]
    fn a_sign_of_life_carries_the_chains_head() {
        let life = Life {
            hub: &HubId::new("zs-yunjian").unwrap(),
            boot: "4f1c",
            number: 3,
            wall: WallReading { wall: Wall(1_787_385_905_120), trusted: true },
            head: Seq(1042),
            chain: "ab01",
            safe: true,
            open: 2,
            urgent: 1,
            owed: 7,
            version: "0.1.0",
        };
        let sign = life.sign();
        assert_eq!(sign.id, "zs-yunjian/alive/4f1c-3");
        let value: serde_json::Value = serde_json::from_slice(&sign.body).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
    }
}
