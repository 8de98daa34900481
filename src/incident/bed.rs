//! Home-care beds in the engine: what a call says of its contract, and when one nears its end.
//!
//! How a contract stands is decided with the call and stands in its fact: a replay on another day says
//! the same. Thirty days and seven days before the end, and after it, one entry of the work list says
//! so, once for each end that was agreed; a contract that is followed by another without a gap says
//! nothing. While nobody knows the day every bed runs.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Entry, Fact, HUB_FAMILY, IncidentBook, Standing};
use crate::registry::{Bed, Contract};
use crate::terms::{At, BedId, Class, DeviceId, Kind, ResidentId};

/// So many days before the end the work list says so for the first time …
const MONTH_DAYS: i32 = 30;
/// … and for the second.
const WEEK_DAYS: i32 = 7;
/// An end that is longer ago, in days, is no news: a list that was brought late, a hub that was off.
/// Own choice.
const LATE_DAYS: i32 = 30;

/// The bed that a call belongs to, and how its contract stood then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBed {
    /// The bed.
    pub id: BedId,
    /// How its contract stood.
    pub contract: Contract,
}

/// How near the end of a contract is, the nearest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BedEnd {
    /// Within thirty days.
    Month,
    /// Within seven.
    Week,
    /// It is over.
    Over,
}

impl BedEnd {
    fn of(today: Date, until: Date) -> Option<Self> {
        let left = today.until(until).ok()?.get_days();
        match left {
            ..0 => (left >= -LATE_DAYS).then_some(Self::Over),
            0..=WEEK_DAYS => Some(Self::Week),
            _ => (left <= MONTH_DAYS).then_some(Self::Month),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Self::Month | Self::Week => Kind::BedEnds,
            Self::Over => Kind::BedOver,
        }
    }
}

/// The prefix of the pretended device that stands for a bed.
const BED: &str = "bed.";

/// The device that stands for a bed in incidents: `hub:bed.HB-0007`.
fn device_of(bed: &BedId) -> DeviceId {
    DeviceId::unregistered(HUB_FAMILY, &format!("{BED}{bed}"))
}

/// The bed that a pretended device stands for.
pub fn bed_behind(device: &DeviceId) -> Option<BedId> {
    let subject = device.as_str().strip_prefix(HUB_FAMILY)?.strip_prefix(':')?;
    BedId::new(subject.strip_prefix(BED)?).ok()
}

impl IncidentBook {
    /// The bed a device belongs to, and how its contract stands.
    pub(super) fn call_bed(&self, standing: &Standing<'_>, device: &DeviceId) -> Option<CallBed> {
        let row = self.registry.device(device).filter(|_| self.registry.has_beds())?;
        let (bed, contract) = self.registry.bed_of(row, standing.today())?;
        Some(CallBed { id: bed.id.clone(), contract })
    }

    /// Whether nobody answers for a device now.
    pub(super) fn is_out_of_contract(&self, standing: &Standing<'_>, device: &DeviceId) -> bool {
        let bed = self.call_bed(standing, device);
        bed.is_some_and(|bed| bed.contract != Contract::Running)
    }

    /// Whether nobody is asked after for a resident now: they have a bed, and it does not run.
    pub(super) fn is_bed_idle(&self, standing: &Standing<'_>, resident: &ResidentId) -> bool {
        let bed = self.registry.bed_of_resident(resident, standing.today());
        bed.is_some_and(|(_, contract)| contract != Contract::Running)
    }

    /// Decides about the first contract whose end is news; empty where none is.
    pub(super) fn on_bed_look(&self, at: At, standing: &Standing<'_>) -> Vec<Fact> {
        let Some(today) = standing.today() else { return Vec::new() };
        let news = self.registry.beds().find_map(|bed| self.news_of(bed, today));
        let Some((bed, until, end)) = news else { return Vec::new() };
        let (id, resident) = (bed.id.clone(), bed.resident.clone());
        let mut facts = vec![Fact::BedEnding { bed: id, resident, until, end }];
        let (device, kind) = (device_of(&bed.id), end.kind());
        match self.open_on(&device, Class::Fault) {
            Some(open) => {
                let (incident, mark, moved) = (open.id, None, false);
                facts.push(Fact::PressedAgain { incident, mark, moved, kind: Some(kind) });
            }
            None => facts.extend(self.raised_of(at, standing, &device, kind)),
        }
        facts
    }

    fn news_of<'b>(&self, bed: &'b Bed, today: Date) -> Option<(&'b Bed, Date, BedEnd)> {
        let until = bed.until?;
        let end = BedEnd::of(today, until)?;
        let told = self.beds_told.get(&bed.id);
        let is_told = told.is_some_and(|(day, said)| *day == until && *said >= end);
        (!is_told && !self.goes_on(bed, until)).then_some((bed, until, end))
    }

    /// Whether another contract of the same resident follows without a gap.
    fn goes_on(&self, bed: &Bed, until: Date) -> bool {
        let day_after = until.tomorrow().unwrap_or(until);
        let follows = |other: &Bed| {
            let is_later = other.until.is_none_or(|end| end > until);
            other.resident == bed.resident && other.from <= day_after && is_later
        };
        self.registry.beds().any(follows)
    }

    pub(super) fn note_bed(&mut self, entry: &Entry) {
        let Fact::BedEnding { bed, until, end, .. } = &entry.fact else { return };
        self.beds_told.insert(bed.clone(), (*until, *end));
        let registry = &self.registry;
        self.beds_told.retain(|bed, _| registry.bed(bed).is_some());
    }
}
