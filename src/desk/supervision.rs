//! Devices that have fallen silent, found before somebody needs them.
//!
//! Each type says how long its devices may say nothing. One that stays longer is a fault of that
//! device, to be looked at in working hours; one word of it, of any kind, settles that. Three rules keep
//! this from becoming a noise that people learn to ignore. Time that the hub was off does not count. What
//! has a cause of its own, a line or a broker or a bridge that is lost, is that one trouble and not one
//! for each device behind it. And when many are silent at once, a fifth of the house or of one of its
//! stations, it is one trouble, which calls people by day and the lead by night: nobody behind those may
//! be able to call.
//!
//! What was heard is only in memory and, every five minutes, in the archive; without one a restart
//! counts from the start. The engine keeps what was said of each device, so a restart repeats nothing.

use std::collections::{BTreeMap, BTreeSet};

use tracing::{info, warn};

use super::gaps::Gaps;
use super::life::Life;
use super::power::Power;
use super::{Desk, Turn};
use crate::config::settings::Power as Wanted;
use crate::incident::{Stimulus, Trouble};
use crate::registry::Watch;
use crate::terms::{At, DeviceId, Kind, LinkId, Report, StationId, Wait, What};

/// Silent devices that are one trouble of the site: at least so many …
const MANY_AT_LEAST: usize = 5;
/// … and at least one in so many of those that are watched (design: 20 %).
const MANY_ONE_IN: usize = 5;
/// It is over when fewer than one in so many are silent: half, so that it does not flicker.
const FEW_ONE_IN: usize = 10;
/// The subject of that trouble.
const DEVICES: &str = "devices";

/// What is known of the watched devices.
pub(super) struct Supervision {
    started: At,
    /// How long the hub was off before that.
    off: Wait,
    /// Whether they are many, by the subject of the trouble: the house, or a station of it.
    many: BTreeMap<String, bool>,
    /// How many were silent at the last look, by the same subjects.
    silent: BTreeMap<String, usize>,
    /// The numbers of those that count.
    pub(super) gaps: Gaps,
    /// What is known of the clock that windows of signs are judged by.
    pub(super) life: Life,
    /// What the box runs on.
    pub(super) power: Power,
}

impl Supervision {
    pub(super) fn new(started: At, off: Wait) -> Self {
        let (gaps, life, power) = (Gaps::default(), Life::default(), Power::default());
        let (many, silent) = (BTreeMap::new(), BTreeMap::new());
        Self { started, off, many, silent, gaps, life, power }
    }

    /// The same, and the mains of the box are watched.
    pub(super) fn powered(self, wanted: Option<&Wanted>) -> Self {
        Self { power: Power::watch(wanted), ..self }
    }

    /// How long a device has said nothing while the hub listened.
    fn silence(&self, heard: Option<At>, now: At) -> Wait {
        match heard {
            Some(at) if at >= self.started => now - at,
            Some(at) => Wait((now - at).0.saturating_sub(self.off.0)),
            None => now - self.started,
        }
    }
}

/// Whether so many silent devices are one trouble of the site; `None` where it stays as it was.
fn are_many(silent: usize, watched: usize) -> Option<bool> {
    if silent >= MANY_AT_LEAST && silent * MANY_ONE_IN >= watched {
        Some(true)
    } else {
        (silent * FEW_ONE_IN < watched || silent == 0).then_some(false)
    }
}

/// The watched devices of one station, or of none.
#[derive(Default)]
struct Group {
    watched: usize,
    silent: BTreeSet<DeviceId>,
}

/// The subject of a station's trouble: `devices.hepan`; of the whole house: `devices`.
fn subject_of(station: Option<&StationId>) -> String {
    station.map_or_else(|| DEVICES.to_owned(), |id| format!("{DEVICES}.{id}"))
}

/// Whether many silent devices are one trouble, station by station and for the house; each device counts
/// to one trouble only. A station that is lost is that station's; the house is judged by the rest. Where
/// every one of several stations is lost, the cause lies in the house.
fn causes(
    groups: &BTreeMap<Option<StationId>, Group>,
    before: &BTreeMap<String, bool>,
) -> BTreeMap<String, bool> {
    let judged =
        |subject: &str, silent, watched| are_many(silent, watched).or(before.get(subject).copied());
    let mut causes = BTreeMap::new();
    for (station, group) in groups.iter().filter(|(station, _)| station.is_some()) {
        let subject = subject_of(station.as_ref());
        if let Some(many) = judged(&subject, group.silent.len(), group.watched) {
            causes.insert(subject, many);
        }
    }
    let all_lost = causes.len() > 1 && causes.values().all(|many| *many);
    if all_lost {
        causes.values_mut().for_each(|many| *many = false);
        causes.insert(DEVICES.to_owned(), true);
        return causes;
    }
    let is_lost = |station: &Option<StationId>| {
        station.is_some() && causes.get(&subject_of(station.as_ref())) == Some(&true)
    };
    let rest = groups.iter().filter(|(station, _)| !is_lost(station));
    let (silent, watched) = rest.fold((0, 0), |(silent, watched), (_, group)| {
        (silent + group.silent.len(), watched + group.watched)
    });
    if let Some(many) = judged(DEVICES, silent, watched) {
        causes.insert(DEVICES.to_owned(), many);
    }
    causes
}

/// How many silent devices each trouble is about.
fn silent_by(
    groups: &BTreeMap<Option<StationId>, Group>,
    causes: &BTreeMap<String, bool>,
) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (station, group) in groups {
        let own = subject_of(station.as_ref());
        let of = if causes.get(&own) == Some(&true) { own } else { DEVICES.to_owned() };
        *counts.entry(of).or_default() += group.silent.len();
    }
    counts
}

/// Whether a station's silent devices are one trouble already, its own or the house's.
fn is_one_trouble(causes: &BTreeMap<String, bool>, station: Option<&StationId>) -> bool {
    let holds = |subject: &str| causes.get(subject) == Some(&true);
    holds(DEVICES) || station.is_some_and(|id| holds(&subject_of(Some(id))))
}

impl Desk {
    /// Looks who has fallen silent. A device whose contract does not run is not watched.
    pub(super) fn look_at_devices(&mut self, turn: &mut Turn) {
        let now = self.clock.now();
        let figures = self.archive.figures();
        let today = self.settings.roster.day(self.clock.wall());
        let several = self.settings.roster.stations.len() > 1;
        let registry = self.book.registry();
        let mut groups: BTreeMap<Option<StationId>, Group> = BTreeMap::new();
        for device in registry.devices() {
            let kind = self.settings.device_types.get(&device.type_name);
            let Some(Watch::Within(limit)) = kind.map(|kind| kind.watch) else { continue };
            if registry.is_out_of_contract(device, today) {
                continue;
            }
            let station = registry.station_at(device).filter(|_| several).cloned();
            let group = groups.entry(station).or_default();
            group.watched += 1;
            let in_archive = || figures.heard.get(&device.id).map(|wall| self.at_of(*wall));
            let heard = self.intake.heard.get(&device.id).copied().or_else(in_archive);
            let cut_off = self.ports.is_cut_off(&device.id) || self.outside.is_cut_off(&device.id);
            let is_gone = self.book.is_offline(&device.id);
            if !cut_off && (is_gone || self.supervision.silence(heard, now) >= limit) {
                group.silent.insert(device.id.clone());
            }
        }
        let causes = causes(&groups, &self.supervision.many);
        self.supervision.silent = silent_by(&groups, &causes);
        self.say_causes(turn, &causes);
        let alone = groups.iter().filter(|(station, _)| !is_one_trouble(&causes, station.as_ref()));
        let silent: BTreeSet<DeviceId> =
            alone.flat_map(|(_, group)| group.silent.iter().cloned()).collect();
        for device in silent {
            if self.book.is_offline(&device) {
                continue;
            }
            info!(%device, "the device has fallen silent");
            self.say_presence(turn, &device, false);
        }
    }

    /// Tells what became one trouble of many devices, or is none any more. Of a station that is not
    /// there any more nothing is lost.
    fn say_causes(&mut self, turn: &mut Turn, causes: &BTreeMap<String, bool>) {
        let before = &self.supervision.many;
        let gone = before.keys().filter(|subject| !causes.contains_key(*subject));
        let gone: Vec<(String, bool)> = gone.map(|subject| (subject.clone(), false)).collect();
        let news = causes.iter().filter(|(subject, many)| before.get(*subject) != Some(*many));
        let news = news.map(|(subject, many)| (subject.clone(), *many));
        for (subject, many) in news.chain(gone).collect::<Vec<_>>() {
            if many {
                warn!(subject, "many devices have fallen silent");
            }
            self.trouble(turn, Kind::Silent, subject, many);
        }
        self.supervision.many = causes.clone();
    }

    /// How many registered devices nobody hears while a trouble lasts; none where it silences none.
    pub(super) fn silenced_by(&self, trouble: &Trouble) -> Option<usize> {
        let subject = trouble.subject.as_str();
        match trouble.kind {
            Kind::Silent if trouble.broken => self.supervision.silent.get(subject).copied(),
            Kind::Link if trouble.broken => Some(self.behind(subject)),
            _ => None,
        }
    }

    /// How many registered devices are cut off that were heard over the link a trouble is named by.
    fn behind(&self, subject: &str) -> usize {
        let is_of = |link: &LinkId| {
            let rest = subject.strip_prefix(link.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let behind = self.book.registry().devices().filter(|device| {
            let heard_on = self.ports.heard_on(&device.id).or(self.outside.heard_on(&device.id));
            let cut = self.ports.is_cut_off(&device.id) || self.outside.is_cut_off(&device.id);
            cut && heard_on.is_some_and(is_of)
        });
        behind.count()
    }

    /// The hub time of a wall time, as far as the clock can be believed; never after now.
    fn at_of(&self, wall: crate::terms::Wall) -> At {
        let (now, reading) = (self.clock.now(), self.clock.wall());
        match reading.trusted {
            true => {
                let ago = u64::try_from(reading.wall.0.saturating_sub(wall.0)).unwrap_or(0);
                At(now.0.saturating_sub(ago))
            }
            false => self.supervision.started,
        }
    }

    /// A bridge that is going down says of each device that it is gone, or its broker does; the trouble
    /// is the bridge's, and told once. Who is still gone when it is back is said anew, or found silent.
    pub(super) fn is_behind_a_cut(&self, report: &Report) -> bool {
        let (device, gone) = (&report.device, What::Presence { online: false });
        report.what == gone && (self.ports.is_cut_off(device) || self.outside.is_cut_off(device))
    }

    /// A device that speaks is there, whatever was said of it before.
    pub(super) fn spoke(&mut self, turn: &mut Turn, report: &Report) {
        let speaks = !report.retained && !matches!(report.what, What::Presence { .. });
        if speaks && self.book.is_offline(&report.device) {
            info!(device = %report.device, "a device that was held for silent speaks");
            self.say_presence(turn, &report.device, true);
        }
    }

    fn say_presence(&mut self, turn: &mut Turn, device: &DeviceId, online: bool) {
        let report = Report {
            device: device.clone(),
            mark: None,
            what: What::Presence { online },
            test: false,
            retained: false,
            found: false,
            hold_ms: None,
            battery: None,
            heard_at: self.clock.now().max(self.book.last_at()),
            said_at: None,
        };
        self.decide(turn, &Stimulus::Heard(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_house_is_one_trouble_and_a_tenth_no_longer() {
        for (silent, watched, says) in [
            (0, 0, Some(false)),
            (4, 4, None),
            (5, 25, Some(true)),
            (5, 26, None),
            (100, 500, Some(true)),
            (50, 500, None),
            (49, 500, Some(false)),
        ] {
            assert_eq!(are_many(silent, watched), says, "{silent} of {watched}");
        }
    }

    fn station(id: &str) -> Option<StationId> {
        Some(StationId::new(id).unwrap())
    }

    fn told(groups: &[(Option<StationId>, usize, usize)], before: &[(&str, bool)]) -> Vec<String> {
        let group = |silent: usize, watched| {
            let silent = (0..silent).map(|n| DeviceId::new(&format!("D{n}")).unwrap()).collect();
            Group { watched, silent }
        };
        let groups = groups.iter().map(|(id, silent, all)| (id.clone(), group(*silent, *all)));
        let before = before.iter().map(|(subject, many)| ((*subject).to_owned(), *many));
        let causes = causes(&groups.collect(), &before.collect());
        causes.into_iter().filter(|(_, many)| *many).map(|(subject, _)| subject).collect()
    }

    #[test]
    fn a_station_that_is_lost_is_its_own_trouble_and_not_the_houses_beside_it() {
        let (east, west) = (station("east"), station("west"));
        assert_eq!(told(&[(east.clone(), 20, 50), (west.clone(), 0, 50)], &[]), ["devices.east"]);
        let few = [(east.clone(), 3, 50), (west.clone(), 3, 50)];
        assert_eq!(told(&few, &[]), [""; 0]);
        let all = [(east.clone(), 20, 50), (west.clone(), 20, 50), (None, 0, 9)];
        assert_eq!(told(&all, &[]), ["devices"], "one cause, in the house");
        let rest = [(east, 20, 50), (west, 0, 50), (None, 12, 12)];
        assert_eq!(told(&rest, &[]), ["devices.east"], "twelve of sixty-two are not many");
        assert_eq!(told(&[(None, 5, 20)], &[]), ["devices"], "a house without stations");
    }

    #[test]
    fn between_a_tenth_and_a_fifth_a_station_stays_as_it_was() {
        let east = || [(station("east"), 7, 50)];
        assert_eq!(told(&east(), &[("devices.east", true)]), ["devices.east"]);
        assert_eq!(told(&east(), &[("devices.east", false)]), [""; 0]);
    }

    #[test]
    fn time_that_the_hub_was_off_does_not_count_as_silence() {
        let day = Wait::hours(24);
        let started = At(Wait::hours(100).0);
        let watch = Supervision::new(started, day);
        let now = started + Wait::hours(1);
        // Heard two hours before the power went, which was a day before the start.
        let heard = At(started.0 - day.0 - Wait::hours(2).0);
        assert_eq!(watch.silence(Some(heard), now), Wait::hours(3));
        assert_eq!(watch.silence(Some(started + Wait::mins(30)), now), Wait::mins(30));
        assert_eq!(watch.silence(None, now), Wait::hours(1));
        // Heard while the clock of the archive says the hub was off: never negative.
        assert_eq!(watch.silence(Some(At(started.0 - 1)), now), Wait::ZERO);
    }
}
