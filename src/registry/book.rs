//! The registry as it stands, built by applying changes.
//!
//! Three indexes stand beside the rows: who lives in a home, which devices hang there, and which device
//! is heard under a name. A press asks all, and a street's power returning asks them ten thousand times at once, so none
//! may cost a walk through 3,000 devices. They are derived: never written down, kept by every
//! change, and built anew when a registry is read back, so that no record can disagree with itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::bed::Bed;
use super::contact::Contact;
use super::device_types::{DeviceTypes, Family};
use super::rows::{Change, Device, Home, Person, Resident, Row, RowId};
use crate::terms::{BedId, DeviceId, HomeId, PersonId, ResidentId};

/// Everybody and everything known, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Rows")]
pub struct Registry {
    residents: BTreeMap<ResidentId, Resident>,
    homes: BTreeMap<HomeId, Home>,
    devices: BTreeMap<DeviceId, Device>,
    people: BTreeMap<PersonId, Person>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    contacts: BTreeMap<PersonId, Contact>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    beds: BTreeMap<BedId, Bed>,
    #[serde(skip_serializing)]
    living: BTreeMap<HomeId, BTreeSet<ResidentId>>,
    #[serde(skip_serializing)]
    hanging: BTreeMap<HomeId, BTreeSet<DeviceId>>,
    #[serde(skip_serializing)]
    heard: BTreeMap<String, BTreeSet<DeviceId>>,
}

impl Registry {
    /// Applies one change. Removing what is not there changes nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Set(Row::Resident(row)) => self.set_resident(row),
            Change::Set(Row::Home(row)) => {
                self.homes.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Device(row)) => self.set_device(row),
            Change::Set(Row::Person(row)) => {
                self.people.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Contact(row)) => {
                self.contacts.insert(row.id.clone(), row.clone());
            }
            Change::Set(Row::Bed(row)) => {
                self.beds.insert(row.id.clone(), row.clone());
            }
            Change::Removed(RowId::Resident(id)) => self.remove_resident(id),
            Change::Removed(RowId::Home(id)) => {
                self.homes.remove(id);
            }
            Change::Removed(RowId::Device(id)) => self.remove_device(id),
            Change::Removed(RowId::Person(id)) => {
                self.people.remove(id);
            }
            Change::Removed(RowId::Contact(id)) => {
                self.contacts.remove(id);
            }
            Change::Removed(RowId::Bed(id)) => {
                self.beds.remove(id);
            }
        }
    }

    /// Whether nothing was ever taken in.
    pub fn is_empty(&self) -> bool {
        self.residents.is_empty()
            && self.homes.is_empty()
            && self.devices.is_empty()
            && self.people.is_empty()
            && self.contacts.is_empty()
            && self.beds.is_empty()
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

    /// A contact by id.
    pub fn contact(&self, id: &PersonId) -> Option<&Contact> {
        self.contacts.get(id)
    }

    /// A bed by id.
    pub fn bed(&self, id: &BedId) -> Option<&Bed> {
        self.beds.get(id)
    }

    /// A row by its name.
    pub fn row(&self, id: &RowId) -> Option<Row> {
        match id {
            RowId::Resident(id) => self.resident(id).cloned().map(Row::Resident),
            RowId::Home(id) => self.home(id).cloned().map(Row::Home),
            RowId::Device(id) => self.device(id).cloned().map(Row::Device),
            RowId::Person(id) => self.person(id).cloned().map(Row::Person),
            RowId::Contact(id) => self.contact(id).cloned().map(Row::Contact),
            RowId::Bed(id) => self.bed(id).cloned().map(Row::Bed),
        }
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

    /// All contacts by id.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values()
    }

    /// All beds by id.
    pub fn beds(&self) -> impl Iterator<Item = &Bed> {
        self.beds.values()
    }

    /// Whether there is any bed at all.
    pub fn has_beds(&self) -> bool {
        !self.beds.is_empty()
    }

    /// The devices that name a home, by id.
    pub fn devices_at(&self, home: &HomeId) -> impl Iterator<Item = &Device> {
        let ids = self.hanging.get(home).into_iter().flatten();
        ids.filter_map(|id| self.devices.get(id))
    }

    /// Everybody who lives in a home, by id: one, a couple, or none.
    pub fn residents_of(&self, home: &HomeId) -> impl Iterator<Item = &ResidentId> {
        self.living.get(home).into_iter().flatten()
    }

    /// The device that `family` hears under this name. Where two share a name (import refuses that,
    /// an older record may hold it), one whose type is known to be of this family goes before one
    /// whose type is not known at all; a device of another family is never meant.
    pub fn by_heard_as(
        &self,
        types: &DeviceTypes,
        family: Family,
        heard_as: &str,
    ) -> Option<&Device> {
        let named = self.heard.get(heard_as)?;
        let of = |wanted: Option<Family>| {
            let mut rows = named.iter().filter_map(|id| self.devices.get(id));
            rows.find(|row| types.get(&row.type_name).map(|kind| kind.family) == wanted)
        };
        of(Some(family)).or_else(|| of(None))
    }

    fn set_resident(&mut self, row: &Resident) {
        self.remove_resident(&row.id);
        if let Some(home) = &row.home {
            self.living.entry(home.clone()).or_default().insert(row.id.clone());
        }
        self.residents.insert(row.id.clone(), row.clone());
    }

    fn remove_resident(&mut self, id: &ResidentId) {
        let Some(home) = self.residents.remove(id).and_then(|row| row.home) else { return };
        forget(&mut self.living, &home, id);
    }

    fn set_device(&mut self, row: &Device) {
        self.remove_device(&row.id);
        self.heard.entry(row.heard_name().to_owned()).or_default().insert(row.id.clone());
        if let Some(home) = &row.home {
            self.hanging.entry(home.clone()).or_default().insert(row.id.clone());
        }
        self.devices.insert(row.id.clone(), row.clone());
    }

    fn remove_device(&mut self, id: &DeviceId) {
        let Some(row) = self.devices.remove(id) else { return };
        forget(&mut self.heard, row.heard_name(), id);
        if let Some(home) = &row.home {
            forget(&mut self.hanging, home, id);
        }
    }
}

/// Takes one name out of an index, and its entry when that was the last.
fn forget<K, Q, V>(index: &mut BTreeMap<K, BTreeSet<V>>, key: &Q, value: &V)
where
    K: Ord + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
    V: Ord,
{
    if let Some(names) = index.get_mut(key) {
        names.remove(value);
        if names.is_empty() {
            index.remove(key);
        }
    }
}

/// The registry as it is written down: rows only.
#[derive(Deserialize)]
struct Rows {
    residents: BTreeMap<ResidentId, Resident>,
    homes: BTreeMap<HomeId, Home>,
    devices: BTreeMap<DeviceId, Device>,
    people: BTreeMap<PersonId, Person>,
    #[serde(default)]
    contacts: BTreeMap<PersonId, Contact>,
    #[serde(default)]
    beds: BTreeMap<BedId, Bed>,
}

impl From<Rows> for Registry {
    fn from(rows: Rows) -> Self {
        let Rows { homes, people, contacts, beds, .. } = rows;
        let mut book = Self { homes, people, contacts, beds, ..Self::default() };
        rows.residents.values().for_each(|row| book.set_resident(row));
        rows.devices.values().for_each(|row| book.set_device(row));
        book
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::DeviceType;

    fn resident(n: u8, home: Option<u8>) -> Row {
        Row::Resident(Resident {
            id: ResidentId::new(&format!("R{n}")).unwrap(),
            name: format!("住户{n}"),
            born: None,
            home: home.map(home_id),
            phone: String::new(),
            access: String::new(),
            owner: None,
        })
    }

    fn home_id(n: u8) -> HomeId {
        HomeId::new(&format!("H{n}")).unwrap()
    }

    fn device(id: &str, type_name: &str, heard_as: &str) -> Row {
        Row::Device(Device {
            id: DeviceId::new(id).unwrap(),
            type_name: type_name.to_owned(),
            heard_as: heard_as.to_owned(),
            home: None,
            resident: None,
            spot: String::new(),
        })
    }

    fn book(rows: Vec<Row>) -> Registry {
        let mut book = Registry::default();
        rows.into_iter().for_each(|row| book.apply(&Change::Set(row)));
        book
    }

    fn types() -> DeviceTypes {
        let kind = |family| DeviceType {
            family,
            label: "按钮".to_owned(),
            life_safety: true,
            actions: BTreeMap::new(),
            watch: Default::default(),
            test_every: None,
            zigbee: Default::default(),
            bridged: Default::default(),
        };
        DeviceTypes::from([
            ("button".to_owned(), kind(Family::NativeMqtt)),
            ("zigbee-button".to_owned(), kind(Family::Zigbee2mqtt)),
        ])
    }

    fn heard(book: &Registry, family: Family, name: &str) -> Option<String> {
        Some(book.by_heard_as(&types(), family, name)?.id.to_string())
    }

    #[test]
    fn a_device_is_found_by_the_name_it_is_heard_under_and_else_by_its_id() {
        let book = book(vec![
            device("B-14", "button", ""),
            device("Z-1", "zigbee-button", "三号楼/501 按钮"),
        ]);
        assert_eq!(heard(&book, Family::NativeMqtt, "B-14").as_deref(), Some("B-14"));
        assert_eq!(heard(&book, Family::Zigbee2mqtt, "三号楼/501 按钮").as_deref(), Some("Z-1"));
        assert_eq!(heard(&book, Family::Zigbee2mqtt, "Z-1"), None);
    }

    #[test]
    fn one_name_in_two_families_is_two_devices() {
        let book = book(vec![device("B-14", "button", ""), device("A-1", "zigbee-button", "B-14")]);
        assert_eq!(heard(&book, Family::NativeMqtt, "B-14").as_deref(), Some("B-14"));
        assert_eq!(heard(&book, Family::Zigbee2mqtt, "B-14").as_deref(), Some("A-1"));
    }

    #[test]
    fn a_device_whose_type_nobody_knows_any_more_is_still_found() {
        let book = book(vec![device("B-14", "forgotten", "")]);
        assert_eq!(heard(&book, Family::NativeMqtt, "B-14").as_deref(), Some("B-14"));
    }

    #[test]
    fn a_device_that_is_renamed_or_removed_leaves_its_old_name() {
        let mut book = book(vec![device("Z-1", "zigbee-button", "old")]);
        book.apply(&Change::Set(device("Z-1", "zigbee-button", "new")));
        assert_eq!(heard(&book, Family::Zigbee2mqtt, "old"), None);
        assert_eq!(heard(&book, Family::Zigbee2mqtt, "new").as_deref(), Some("Z-1"));
        book.apply(&Change::Removed(RowId::Device(DeviceId::new("Z-1").unwrap())));
        assert_eq!(book, Registry::default());
    }

    #[test]
    fn a_record_holds_rows_only_and_reads_back_as_the_same_registry() {
        let book = book(vec![resident(1, Some(1)), device("Z-1", "zigbee-button", "heard")]);
        let text = serde_json::to_string(&book).unwrap();
        let parts: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names: Vec<&String> = parts.as_object().unwrap().keys().collect();
        assert_eq!(names, ["devices", "homes", "people", "residents"]);
        assert_eq!(serde_json::from_str::<Registry>(&text).unwrap(), book);
    }

    proptest! {
        #[test]
        fn whatever_changes_the_index_says_what_a_walk_through_the_rows_would(
            moves in proptest::collection::vec((0u8..6, proptest::option::of(proptest::option::of(0u8..3))), 0..40)
        ) {
            let mut book = Registry::default();
            for (n, to) in moves {
                let change = match to {
                    Some(home) => Change::Set(resident(n, home)),
                    None => Change::Removed(resident(n, None).id()),
                };
                book.apply(&change);
            }
            for n in 0..3 {
                let indexed: Vec<_> = book.residents_of(&home_id(n)).collect();
                let walked: Vec<_> = book
                    .residents()
                    .filter(|row| row.home == Some(home_id(n)))
                    .map(|row| &row.id)
                    .collect();
                prop_assert_eq!(indexed, walked);
            }
            let text = serde_json::to_string(&book).unwrap();
            prop_assert_eq!(serde_json::from_str::<Registry>(&text).unwrap(), book);
        }
    }
}
