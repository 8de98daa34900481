//! What programs list and machines measure: pages of incidents and devices, the beat, the hub in
//! numbers.

use std::collections::BTreeMap;

use super::Desk;
use super::boards::Boards;
use super::entries::Readings;
use super::held::record_view;
use super::lookup::Record;
use crate::counter::{
    BatteryView, Beat, ContractView, DeviceView, DevicesView, Feed, Figures, Histogram, LIST_MAX,
    ListView, MissedView, OpenAt, StationView, StrangerView, digest, page_of,
};
use crate::incident::Battery;
use crate::registry::{Contract, Device};
use crate::terms::{DeviceId, IncidentId, Seq, Sign, StationId, Wait, Wall, What};

/// What programs are served with beside what people ask for.
pub(super) struct Programs {
    pub(super) readings: Readings,
    pub(super) feed: Feed,
    pub(super) boards: Boards,
    pub(super) counts: Counts,
}

impl Programs {
    pub(super) fn new(record: Record, on_disk: Seq) -> Self {
        Self {
            readings: Readings::new(record),
            feed: Feed::new(on_disk),
            boards: Boards::default(),
            counts: Counts::default(),
        }
    }
}

/// What the desk counts from its start on.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) turns: u64,
    pub(super) forced: Histogram,
    heard: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// A reading of a device was understood.
    pub(super) fn hear(&mut self, what: What) {
        let word = match what {
            What::Pulse(kind) | What::Level { kind, .. } => kind.word(),
            What::Cancel => "cancel",
            What::Presence { .. } => "presence",
            What::Sign(Sign::Open | Sign::Closed) => "door",
            What::Sign(Sign::Motion | Sign::Still | Sign::Present | Sign::Absent) => "movement",
            What::Telemetry => "telemetry",
        };
        *self.heard.entry(word).or_default() += 1;
    }
}

impl Desk {
    pub(super) fn list(&self, after: Option<IncidentId>, most: usize) -> ListView {
        let (page, more) =
            page_of(self.book.open(), after.as_ref(), most.min(LIST_MAX), |one| &one.id);
        ListView {
            incidents: page.into_iter().map(|incident| self.view(incident)).collect(),
            more,
            digest: self.digest(),
        }
    }

    pub(super) fn devices(&self, after: Option<&DeviceId>, most: usize) -> DevicesView {
        let rows = self.book.registry().devices();
        let (page, more) = page_of(rows, after, most.min(LIST_MAX), |row| &row.id);
        let figures = self.archive.figures();
        let view = |row: &Device| {
            let now = self.intake.heard.get(&row.id).map(|at| self.clock.now() - *at);
            let memory = self.book.device(&row.id);
            let contract = self.contract_view(row);
            DeviceView {
                row: row.clone(),
                station: self.book.registry().station_at(row).cloned(),
                place: self.place_of(&row.id),
                heard: match now {
                    Some(ago) => Some(self.wall_before(ago)),
                    None => figures.heard.get(&row.id).copied(),
                },
                battery: self.intake.batteries.get(&row.id).copied(),
                tested: memory.and_then(|memory| memory.tested),
                // Nobody tests what nobody answers for, nor walks there with a battery.
                test_by: self
                    .test_by(row, memory.and_then(|memory| memory.tested))
                    .filter(|_| contract.is_none()),
                online: memory.and_then(|memory| memory.online),
                power: self.battery_view(row).filter(|_| contract.is_none()),
                contract,
                missed: memory
                    .and_then(|memory| memory.missed.as_ref())
                    .map(|missed| MissedView { count: missed.count, last: missed.last }),
                open: memory
                    .map(|memory| memory.open.values().copied().collect())
                    .unwrap_or_default(),
            }
        };
        DevicesView { devices: page.into_iter().map(view).collect(), more }
    }

    /// Where a device hangs, in words, its station first where there are several.
    pub(super) fn place_of(&self, device: &DeviceId) -> String {
        let registry = self.book.registry();
        let place = self.shown_place(device, &registry.whereabouts(device));
        let row = registry.device(device);
        let station = row.and_then(|row| registry.station_at(row));
        match self.settings.roster.label_of(station) {
            Some(label) => format!("{label}{place}"),
            None => place,
        }
    }

    /// How the contract of a device's bed stands; none while it runs, or where there is no bed.
    fn contract_view(&self, row: &Device) -> Option<ContractView> {
        let registry = self.book.registry();
        let today = self.settings.roster.day(self.clock.wall());
        let (bed, contract) = registry.bed_of(row, today).filter(|_| registry.has_beds())?;
        let since = match contract {
            Contract::Running => return None,
            Contract::Ahead => bed.from,
            Contract::Over => bed.until?.tomorrow().ok()?,
        };
        Some(ContractView { bed: bed.id.clone(), contract, since })
    }

    /// How many devices each station has, and how many of them are silent.
    pub(super) fn station_views(&self) -> Vec<StationView> {
        let (roster, registry) = (&self.settings.roster, self.book.registry());
        if roster.stations.len() < 2 {
            return Vec::new();
        }
        let mut counts: BTreeMap<&StationId, (usize, usize)> = BTreeMap::new();
        for device in registry.devices() {
            if let Some(station) = registry.station_at(device) {
                let (all, silent) = counts.entry(station).or_default();
                *all += 1;
                *silent += usize::from(self.book.is_offline(&device.id));
            }
        }
        let view = |(id, station): (&StationId, &crate::roster::Station)| {
            let (devices, silent) = counts.get(id).copied().unwrap_or_default();
            StationView { id: id.clone(), label: station.label.clone(), devices, silent }
        };
        roster.stations.iter().map(view).collect()
    }

    /// How a device's battery is; none where its type runs on the mains.
    fn battery_view(&self, row: &Device) -> Option<BatteryView> {
        let kind = self.settings.device_types.get(&row.type_name);
        if kind.is_some_and(|kind| kind.zigbee.mains || kind.bridged.mains) {
            return None;
        }
        let battery = self.book.device(&row.id).and_then(|memory| memory.battery.as_ref());
        let wall = self.clock.wall();
        let now = self.intake.batteries.get(&row.id).copied();
        let percent = now.or(battery.and_then(Battery::last).map(|(_, percent)| percent));
        Some(BatteryView {
            low: self.book.says_low(&row.id),
            percent,
            since: battery.and_then(Battery::since),
            empty_by: battery
                .zip(percent)
                .filter(|_| wall.trusted)
                .and_then(|(battery, percent)| battery.empty_by(wall.wall, percent)),
            installed: self.book.installed(&row.id),
        })
    }

    /// When a person is to test a device next: one that was never seen to work, now.
    fn test_by(&self, row: &Device, tested: Option<Wall>) -> Option<Wall> {
        let every = self.settings.device_types.get(&row.type_name)?.test_every?;
        let wait = i64::try_from(every.0).unwrap_or(i64::MAX);
        Some(tested.map_or(self.clock.wall().wall, |at| Wall(at.0.saturating_add(wait))))
    }

    pub(super) fn strangers(&self) -> Vec<StrangerView> {
        let now = self.clock.now();
        self.intake.strangers.views(|at| self.wall_before(now - at))
    }

    fn wall_before(&self, ago: Wait) -> Wall {
        Wall(self.clock.wall().wall.0.saturating_sub(i64::try_from(ago.0).unwrap_or(i64::MAX)))
    }

    fn digest(&self) -> String {
        let open = self.book.open().map(|one| (one, self.book.notes_of(one.id).count()));
        digest(open, self.book.registry_at())
    }

    pub(super) fn beat_now(&self) -> Beat {
        let wall = self.clock.wall();
        Beat {
            hub: self.settings.gateway.hub.clone(),
            at: self.clock.now(),
            wall: wall.wall,
            clock_trusted: wall.trusted,
            seq: self.book.last_seq(),
            open: self.book.open_count(),
            digest: self.digest(),
            // Both are said anew when it leaves.
            record: record_view(self.vitals.trouble()),
        }
    }

    pub(super) fn figures(&self) -> Figures {
        let mut open: BTreeMap<_, usize> = BTreeMap::new();
        for incident in self.book.open() {
            *open.entry((incident.class, incident.stage.name())).or_default() += 1;
        }
        let broker = self.broker.as_ref().map(crate::link::broker::Broker::counts);
        let broker = broker.unwrap_or_default();
        Figures {
            status: self.status(),
            open: open
                .into_iter()
                .map(|((class, stage), count)| OpenAt { class, stage, count })
                .collect(),
            heard: self
                .programs
                .counts
                .heard
                .iter()
                .map(|(word, n)| ((*word).to_owned(), *n))
                .collect(),
            stored: broker.stored,
            unstored: broker.unstored,
            turns: self.programs.counts.turns,
            forced: self.programs.counts.forced.clone(),
            orders: self.book.order_count(),
            boards: self.programs.boards.there(self.clock.now()),
        }
    }
}
