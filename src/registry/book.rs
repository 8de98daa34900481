//! The registry as it stands, built by applying changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rows::{Change, Device, Home, Person, Resident, Row, RowId};
use crate::terms::{DeviceId, HomeId, PersonId, ResidentId};

/// Everybody and everything known, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    residents: BTreeMap<ResidentId, Resident>,
    homes: BTreeMap<HomeId, Home>,
    devices: BTreeMap<DeviceId, Device>,
    people: BTreeMap<PersonId, Person>,
}

/// Where to go and whom to look for, in words, for one device. Never empty: see
/// [`Registry::whereabouts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The place in full: 3号楼2单元501卫生间.
    pub place: String,
    /// The shortest form: 3-2-501.
    pub short: String,
    /// The residents it may be about: one, a couple, or none.
    pub residents: Vec<ResidentId>,
    /// The district's grid code; may be empty.
    pub grid: String,
    /// Whether it is in the centre's own building.
    pub on_site: bool,
}

impl Registry {
    /// Applies one change. Removing what is not there changes nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Set(Row::Resident(row)) => {
                self.residents.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Home(row)) => {
                self.homes.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Device(row)) => {
                self.devices.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Person(row)) => {
                self.people.insert(row.id.clone(), row.clone());
            }
            Change::Removed(RowId::Resident(id)) => {
                self.residents.remove(id);
            }
            Change::Removed(RowId::Home(id)) => {
                self.homes.remove(id);
            }
            Change::Removed(RowId::Device(id)) => {
                self.devices.remove(id);
            }
            Change::Removed(RowId::Person(id)) => {
                self.people.remove(id);
            }
        }
    }

    /// Whether nothing was ever taken in.
    pub fn is_empty(&self) -> bool {
        self.residents.is_empty()
            && self.homes.is_empty()
            && self.devices.is_empty()
            && self.people.is_empty()
    }

    /// A resident by id.
    pub fn resident(&self, id: &ResidentId) -> Option<&Resident> {
        self.residents.get(id)
    }

    /// A home by id.
    pub fn home(&self, id: &HomeId) -> Option<&Home> {
        self.homes.get(id)
    }

    /// A device by id.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// A person by id.
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.get(id)
    }

    /// All residents by id.
    pub fn residents(&self) -> impl Iterator<Item = &Resident> {
        self.residents.values()
    }

    /// All homes by id.
    pub fn homes(&self) -> impl Iterator<Item = &Home> {
        self.homes.values()
    }

    /// All devices by id.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// All people by id.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// Where to go for a device, whatever is missing: the home and spot where known, else the
    /// resident's home, else the device's own name and that its place is not registered.
    pub fn whereabouts(&self, id: &DeviceId) -> Whereabouts {
        let device = self.devices.get(id);
        let resident = device.and_then(|d| d.resident.as_ref());
        let home = device
            .and_then(|d| d.home.as_ref())
            .or_else(|| resident.and_then(|r| self.residents.get(r)?.home.as_ref()))
            .and_then(|h| self.homes.get(h));
        let residents = match (resident, home) {
            (Some(one), _) => vec![one.clone()],
            (None, Some(home)) => self
                .residents
                .values()
                .filter(|r| r.home.as_ref() == Some(&home.id))
                .map(|r| r.id.clone())
                .collect(),
            (None, None) => Vec::new(),
        };
        let spot = device.map(|d| d.spot.as_str()).unwrap_or_default();
        let (full, short) = match home {
            Some(home) => {
                let named = [home.place.as_str(), home.short.as_str(), home.id.as_str()];
                let full = first_said(&named);
                (format!("{full}{spot}"), first_said(&[&home.short, &full]))
            }
            None if !spot.is_empty() => (spot.to_owned(), spot.to_owned()),
            None => (format!("设备{id}(位置未登记)"), format!("设备{id}")),
        };
        Whereabouts {
            place: full,
            short,
            residents,
            grid: home.map(|h| h.grid.clone()).unwrap_or_default(),
            on_site: home.is_some_and(|h| h.on_site),
        }
    }
}

fn first_said(texts: &[&str]) -> String {
    texts.iter().find(|t| !t.trim().is_empty()).copied().unwrap_or_default().to_owned()
}
