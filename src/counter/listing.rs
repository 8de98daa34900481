//! What programs list: incidents a page at a time, devices with when they were heard, and entries of
//! the record.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::IncidentView;
use crate::incident::Fact;
use crate::registry::{Contract, Device};
use crate::terms::{At, BedId, IncidentId, LinkId, Seq, StationId, Wall};

/// Most rows on one page of a list. Own choice: the desk makes 500 in a few milliseconds, and no call
/// waits longer for that.
pub const LIST_MAX: usize = 500;

/// Most entries of the record in one answer. Own choice: below 1 MB of a storm's facts.
pub const ENTRIES_MAX: usize = 1_000;

/// Open incidents, a page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    /// They, by number.
    pub incidents: Vec<IncidentView>,
    /// There are more behind the last one.
    pub more: bool,
    /// The digest of all open ones, as a [`super::Beat`] has it.
    pub digest: String,
}

/// Registered devices, a page of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesView {
    /// They, by id.
    pub devices: Vec<DeviceView>,
    /// There are more behind the last one.
    pub more: bool,
}

/// One registered device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Its row.
    #[serde(flatten)]
    pub row: Device,
    /// Where it hangs, in words.
    pub place: String,
    /// The station it belongs to, where its home names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// How the contract of its home-care bed stands, where it does not run: nobody watches it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractView>,
    /// When it was last heard, where anybody remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Wall>,
    /// What is left in its battery in percent, as last said since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// Whether its wire says that it is there, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// When it was last pressed or tested, as far as the record in memory knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Wall>,
    /// When a person is to test it next; now or in the past when it is overdue. None where its type is
    /// not tested by people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_by: Option<Wall>,
    /// How its battery is, where it does not run on the mains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<BatteryView>,
    /// Messages that it sent and that were never heard, where it counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedView>,
    /// Its open incidents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<IncidentId>,
}

/// A contract that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractView {
    /// The bed.
    pub bed: BedId,
    /// Whether it is over or has not begun.
    pub contract: Contract,
    /// The first day without it; of one to come its first day.
    pub since: Date,
}

/// How the battery of a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatteryView {
    /// The device says that it is low; a fresh word of it ends that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub low: bool,
    /// What is left in percent, as last said; of before the start as the record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// When this battery was first heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Wall>,
    /// When 15 % are reached, at the pace so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_by: Option<Wall>,
    /// When the device was registered or swapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Wall>,
}

/// Messages of a device that were never heard, as far as the record in memory knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedView {
    /// How many in all.
    pub count: u64,
    /// When that was last found.
    pub last: Wall,
}

/// A device that nobody registered, as it was heard since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerView {
    /// Its family, in the words of `devices.toml`.
    pub family: String,
    /// Its address, as `heard_as` would be written.
    pub heard_as: String,
    /// The wire it was last heard on.
    pub link: LinkId,
    /// When it was first heard.
    pub first: Wall,
    /// When it was last heard.
    pub heard: Wall,
    /// How many messages it sent.
    pub count: u64,
    /// What is left in its battery in percent, as last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// How well it was heard in dBm, where it or its receiver says so; of several the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rssi: Option<i64>,
    /// The same as Zigbee has it, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_quality: Option<i64>,
    /// What its last message would mean: `sos`, `smoke off`, `sign of life`, `unreadable: …`.
    pub meant: String,
    /// The beginning of its last message where that is text, at most 512 characters; what may be a PIN
    /// is masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The same where it is none: its first bytes, at most 512, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// How long the whole message was, in bytes.
    pub bytes: usize,
}

/// A stretch of the record that is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntriesView {
    /// The entries, in order; what the record no longer has, or cannot be read, is left out.
    pub entries: Vec<EntryView>,
    /// Up to where the record was read: nothing between the last entry and this is missing.
    pub upto: Seq,
    /// The newest entry on disk.
    pub newest: Seq,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// Its sequence.
    pub seq: Seq,
    /// Hub time.
    pub at: At,
    /// Wall time.
    pub wall: Wall,
    /// Whether the wall time could be trusted.
    pub clock_trusted: bool,
    /// What happened.
    pub fact: Fact,
}

impl From<crate::incident::Entry> for EntryView {
    fn from(entry: crate::incident::Entry) -> Self {
        let crate::incident::Entry { seq, at, wall, trusted, fact } = entry;
        Self { seq, at, wall, clock_trusted: trusted, fact }
    }
}

/// A page of what is in order: at most `most` of those behind `after`, and whether there are more.
pub fn page_of<T, K: PartialOrd>(
    rows: impl Iterator<Item = T>,
    after: Option<&K>,
    most: usize,
    key: impl Fn(&T) -> &K,
) -> (Vec<T>, bool) {
    let mut behind = rows.filter(|row| after.is_none_or(|after| key(row) > after));
    let page: Vec<T> = behind.by_ref().take(most).collect();
    (page, behind.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap_or_a_double() {
        let rows = [1, 2, 3, 5, 8];
        let (mut seen, mut after): (Vec<i32>, Option<i32>) = (Vec::new(), None);
        loop {
            let (page, more) = page_of(rows.iter(), after.as_ref(), 2, |row| row);
            after = page.last().copied().copied();
            seen.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(seen, rows);
    }
}
