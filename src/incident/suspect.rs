//! Devices that tell more than people do, or less than they sent: a transmitter that is stuck, a device
//! that calls for nothing again and again, an old device that was swapped out and is still heard, and
//! one whose messages get lost.
//!
//! Each is a fault of the device, for a technician, beside the calls it makes: those are never fewer
//! because of it. A stuck transmitter only loses its power to climb the ladder, because its thirtieth
//! press says no more than its twentieth; the ladder climbs by time, as ever, and each press is written
//! down before it is answered, like any other (law 1): a limit on the record was rejected. Who says that an alarm was
//! nothing says it of the device: three times in seven days is a visit, and no resident is blamed.

use serde::{Deserialize, Serialize};

use super::{Fact, Incident, IncidentBook, Notice, Responder, Standing};
use crate::terms::{At, Class, DeviceId, Kind, Report, Wait, Wall, What};

/// More alarms of one device than this … (field.md 8: storms)
pub const STUCK_ABOVE: u32 = 20;
/// … within this time of the first of them, and its transmitter is stuck.
pub const STUCK_WITHIN: Wait = Wait::secs(60);
/// So many alarms that were nothing … (field.md 8: false alarms)
pub const FALSE_ALARMS: usize = 3;
/// … within so long, and somebody looks at the device.
pub const FALSE_ALARMS_WITHIN: Wait = Wait::hours(7 * 24);

/// So many messages lost …
///
/// Own choice: a radio that loses one in twenty of a word every ten minutes loses seven a day.
pub const MISSED_OFTEN: u32 = 20;
/// … within so long, and somebody looks at the device and its receiver.
pub const MISSED_WITHIN: Wait = Wait::hours(24);
/// Times that messages of one device were missed which are remembered one by one. Own choice: as many
/// as make [`MISSED_OFTEN`].
const MISSED_KEPT: usize = 20;

/// The messages that a device sent and that were never heard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// How many in all, since it was registered or swapped.
    pub count: u64,
    /// When that was last told.
    pub last: Wall,
    /// When they were told lately, and how many, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lately: Vec<(At, u32)>,
}

impl Missed {
    pub(super) fn note(&mut self, at: At, wall: Wall, count: u32) {
        self.count = self.count.saturating_add(u64::from(count));
        self.last = wall;
        self.lately.push((at, count));
        let extra = self.lately.len().saturating_sub(MISSED_KEPT);
        self.lately.drain(..extra);
    }

    /// How many within [`MISSED_WITHIN`].
    fn lately(&self, at: At) -> u32 {
        let lately = self.lately.iter().filter(|(told, _)| at - *told < MISSED_WITHIN);
        lately.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

impl IncidentBook {
    /// Messages of a registered device were missed: written down, and a fault where it is often.
    pub(super) fn on_missed(
        &self,
        at: At,
        standing: &Standing<'_>,
        device: &DeviceId,
        count: u32,
    ) -> Vec<Fact> {
        if count == 0 || self.registry.device(device).is_none() {
            return Vec::new();
        }
        let mut facts = vec![Fact::MessagesMissed { device: device.clone(), count }];
        let missed = self.devices.get(device).and_then(|memory| memory.missed.as_ref());
        let before = missed.map_or(0, |missed| missed.lately(at));
        let watched = !self.is_out_of_contract(standing, device);
        if watched && before < MISSED_OFTEN && before.saturating_add(count) >= MISSED_OFTEN {
            facts.extend(self.fault_of(at, standing, device, Kind::Missed));
        }
        facts
    }

    /// How many alarms of a device came in its running minute.
    fn alarms_lately(&self, device: &DeviceId, at: At) -> u32 {
        let alarms = self.devices.get(device).and_then(|memory| memory.alarms);
        alarms.filter(|(since, _)| at - *since < STUCK_WITHIN).map_or(0, |(_, count)| count)
    }

    /// Whether one more press makes this a stuck transmitter.
    pub(super) fn is_stuck(&self, at: At, device: &DeviceId) -> bool {
        self.alarms_lately(device, at) >= STUCK_ABOVE
    }

    /// A fault that was found of a device: raised, or told where another fault of it is open.
    pub(super) fn fault_of(
        &self,
        at: At,
        standing: &Standing<'_>,
        device: &DeviceId,
        kind: Kind,
    ) -> Vec<Fact> {
        let Some(open) = self.open_on(device, Class::Fault) else {
            return self.raised_of(at, standing, device, kind);
        };
        if open.kind == kind {
            return Vec::new();
        }
        let (incident, mark, moved) = (open.id, None, false);
        let again = Fact::PressedAgain { incident, mark, moved, kind: Some(kind) };
        let told = self.told_of_another_danger(at, standing, open);
        [again].into_iter().chain(told).collect()
    }

    /// The same device tells of another danger or fault: whoever was called or is there learns which,
    /// at once, because gas asks for something else than smoke.
    pub(super) fn told_of_another_danger(
        &self,
        at: At,
        standing: &Standing<'_>,
        open: &Incident,
    ) -> Option<Fact> {
        let concerned = open.responders.iter().filter(|(_, is)| *is != Responder::Declined);
        let to = self.step(at, standing, open).tell(concerned.map(|(who, _)| who.clone()));
        let (incident, notice) = (open.id, Notice::PressedMeanwhile);
        (!to.is_empty()).then_some(Fact::Told { incident, notice, to })
    }

    /// After an incident is closed: whether its device has now called for nothing too often.
    pub(super) fn on_false_alarm(
        &self,
        at: At,
        standing: &Standing<'_>,
        closed: &[Fact],
    ) -> Vec<Fact> {
        let nothing = closed.iter().find_map(|fact| match fact {
            Fact::Resolved { incident, ending, .. } if ending.was_nothing() => Some(*incident),
            _ => None,
        });
        let Some(incident) = nothing.and_then(|id| self.incident(id)) else { return Vec::new() };
        let device = &incident.device;
        if !incident.class.is_urgent() || self.registry.device(device).is_none() {
            return Vec::new();
        }
        let before = self.devices.get(device).map_or(&[][..], |memory| &memory.false_alarms);
        let lately = before.iter().filter(|was| at - **was <= FALSE_ALARMS_WITHIN).count();
        match lately + 1 >= FALSE_ALARMS {
            true => self.fault_of(at, standing, device, Kind::Suspect),
            false => Vec::new(),
        }
    }

    /// The same beside what its report led to: decided on a copy that goes along, because each incident
    /// takes the next number.
    pub(super) fn with_old_device(
        &self,
        at: At,
        standing: &Standing<'_>,
        report: &Report,
        facts: Vec<Fact>,
    ) -> Vec<Fact> {
        if self.swapped_out(&report.device).is_none() {
            return facts;
        }
        let (mut after, mut all) = (self.clone(), Vec::new());
        for fact in facts {
            after.goes_along(at, standing, fact, &mut all);
        }
        all.extend(after.on_old_device(at, standing, report));
        all
    }

    /// A device that was swapped out is heard: told once, as long as that is in memory.
    pub(super) fn on_old_device(
        &self,
        at: At,
        standing: &Standing<'_>,
        report: &Report,
    ) -> Vec<Fact> {
        let (address, retained) = (&report.device, report.retained);
        if self.swapped_out(address).is_none() {
            return Vec::new();
        }
        let told = self.open_on(address, Class::Fault).is_some()
            || self.over_on(address, Class::Fault).is_some();
        let says_nothing = matches!(report.what, What::Presence { online: false });
        if retained || told || says_nothing {
            return Vec::new();
        }
        self.raised_of(at, standing, address, Kind::OldDevice)
    }
}
