//! The beat that tells a page whether it has gone stale, and what wall boards say of themselves.
//!
//! The digest covers what a list of the open incidents shows and time alone does not change. It was
//! chosen over the newest sequence, which moves with every life sign that turns and would have pages
//! fetch their list anew for nothing. It is no proof: who wants one reads the record.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};

use super::RecordView;
use crate::incident::{Incident, Stage};
use crate::terms::{At, HubId, Seq, Wall};

/// How the house stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The hub.
    pub hub: HubId,
    /// Hub time.
    pub at: At,
    /// The wall clock.
    pub wall: Wall,
    /// Whether it can be trusted.
    pub clock_trusted: bool,
    /// The newest entry on disk.
    pub seq: Seq,
    /// Open incidents.
    pub open: usize,
    /// Their digest: 16 letters and digits that change when the list of them does.
    pub digest: String,
    /// How the record stands.
    pub record: RecordView,
}

/// What a wall board says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// It can be heard: somebody has switched its sound on, and the page may play it.
    Audible,
    /// It cannot.
    Mute,
}

/// One wall board, as it last said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardView {
    /// Its name.
    pub id: String,
    /// How long ago it was heard, in ms of hub time.
    pub heard_ms_ago: u64,
    /// Whether it can be heard.
    pub sound: Sound,
}

/// Longest name of a wall board, in bytes.
pub const BOARD_MAX_BYTES: usize = 64;

/// Wall boards that are remembered; the one that has been silent longest makes room. Own choice: one
/// on every corridor.
pub const BOARDS_MAX: usize = 64;

/// The digest of the open incidents, each with how many notes it has; `registry` is the version of
/// the names they are shown with.
pub fn digest<'i>(open: impl Iterator<Item = (&'i Incident, usize)>, registry: Seq) -> String {
    let mut sum = Fnv::new();
    sum.write_u64(registry.0);
    for (incident, notes) in open {
        sum.write_u64(incident.id.0);
        sum.write(incident.class.word().as_bytes());
        sum.write(incident.stage.name().word().as_bytes());
        sum.write_u32(incident.epoch);
        sum.write_u32(incident.presses);
        sum.write_usize(notes);
        if let Stage::Calling { lap, .. } = incident.stage {
            sum.write_u32(lap);
        }
        let marks = [
            incident.rung(),
            u8::from(incident.exhausted.is_some()),
            u8::from(incident.cancelled),
            u8::from(incident.back_to_normal),
        ];
        sum.write(&marks);
        for (person, is) in &incident.responders {
            sum.write(person.as_str().as_bytes());
            sum.write(&[0, *is as u8]);
        }
    }
    format!("{:016x}", sum.finish())
}

/// FNV-1a, 64 bits: short, and the same on every box and in every version.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_published_one() {
        let of = |text: &str| {
            let mut sum = Fnv::new();
            sum.write(text.as_bytes());
            sum.finish()
        };
        assert_eq!(of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(of("foobar"), 0x8594_4171_f739_67e8);
    }
}
