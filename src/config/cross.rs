//! What can only be seen when all files lie side by side: names that one file gives and another
//! uses. A file that could not be read whole is not held against the others.

use std::collections::{BTreeMap, BTreeSet};

use super::codes;
use super::district::DistrictRead;
use super::ladders::{Call, Ladders};
use super::links::Links;
use super::modbus;
use super::modem;
use super::problem::{Findings, Said, Spot};
use super::registry_files::{Rows, path};
use super::roster::{RosterRead, unknown_line};
use super::serial;
use super::settings::{Notify, Reach};
use super::stations::Stations;
use super::values::closest;
use crate::incident::{Carrier, Who};
use crate::registry::csv::Table;
use crate::registry::{Contact, Device, DeviceTypes, Family, Person, Role, Row};
use crate::roster::Roster;
use crate::terms::{DeviceId, LineId, PersonId, Phone, Wall};

const DEVICES: &str = path(Table::Devices);
const PEOPLE: &str = path(Table::People);
const CONTACTS: &str = path(Table::Contacts);

/// Everything that was read.
pub(super) struct Read<'r> {
    pub(super) links: &'r Links,
    pub(super) types: &'r DeviceTypes,
    pub(super) ladders: &'r Ladders,
    pub(super) notify: &'r Notify,
    pub(super) roster: &'r RosterRead,
    pub(super) rows: &'r Rows,
    pub(super) district: &'r DistrictRead,
    pub(super) stations: &'r Stations,
    /// Whom rules of signs of life name, with what names them.
    pub(super) owners: &'r [(String, Said<PersonId>)],
    /// When it is, where that is to count.
    pub(super) wall: Option<Wall>,
    pub(super) modems: &'r [(&'static str, Said<String>)],
}

pub(super) fn check(read: &Read<'_>, out: &mut Findings<'_>) {
    accounts(read, out);
    zigbee(read, out);
    bridged(read, out);
    serial::check(read.links, read.devices().map(|(d, at)| (d, at, read.family(d))), out);
    modbus::check(read.links, read.devices().map(|(d, at)| (d, at, read.family(d))), out);
    modem::check(read.links, read.modems, out);
    people(read, out);
    carriers(read, out);
    calls(read, out);
    stations(read, out);
    consents(read, out);
}

impl Read<'_> {
    fn devices(&self) -> impl Iterator<Item = (&Device, &Spot)> {
        self.rows.rows.iter().filter_map(|said| match &said.value {
            Row::Device(device) => Some((device, &said.at)),
            _ => None,
        })
    }

    fn people(&self) -> impl Iterator<Item = &Person> {
        self.rows.rows.iter().filter_map(|said| match &said.value {
            Row::Person(person) => Some(person),
            _ => None,
        })
    }

    fn family(&self, device: &Device) -> Option<Family> {
        self.types.get(&device.type_name).map(|kind| kind.family)
    }
}

fn accounts(read: &Read<'_>, out: &mut Findings<'_>) {
    let mut by_device: BTreeMap<&DeviceId, &str> = BTreeMap::new();
    let devices: BTreeMap<&DeviceId, &Device> =
        read.devices().map(|(device, _)| (&device.id, device)).collect();
    for (account, said) in &read.links.devices {
        if let Some(other) = by_device.insert(&said.value, account) {
            let message = format!("accounts {other} and {account} are both {}", said.value);
            out.add(&codes::ACCOUNT_TWICE, &said.at, message, "keep one of them");
        }
        match devices.get(&said.value) {
            Some(device) if read.family(device).is_some_and(|f| f != Family::NativeMqtt) => {
                let message = format!("{} does not speak to the broker itself", device.id);
                let help = "take the account out: its bridge signs in for it";
                out.add(&codes::ACCOUNT_FAMILY, &said.at, message, help);
            }
            Some(_) => {}
            None if out.is_whole(DEVICES) => unknown_device(account, said, &devices, out),
            None => {}
        }
    }
    let elsewhere = read.links.outside.iter().any(|(_, said)| said.value.native);
    if read.links.broker.is_none() || elsewhere || !out.is_whole("links.toml") {
        return;
    }
    for (device, at) in read.devices() {
        if read.family(device) == Some(Family::NativeMqtt) && !by_device.contains_key(&device.id) {
            let message = format!("device {} has no account and cannot sign in", device.id);
            let help = format!(
                "add [link.broker.account.{0}] with device = \"{0}\" and a secret to links.toml",
                device.id
            );
            out.add(&codes::DEVICE_WITHOUT_ACCOUNT, at, message, help);
        }
    }
}

fn unknown_device(
    account: &str,
    said: &Said<DeviceId>,
    devices: &BTreeMap<&DeviceId, &Device>,
    out: &mut Findings<'_>,
) {
    let help = match closest(said.value.as_str(), devices.keys().map(|id| id.as_str())) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "add it to registry/devices.csv, or take the account out".to_owned(),
    };
    let message = format!("account {account} names device {}, which is not registered", said.value);
    out.add(&codes::UNKNOWN_DEVICE, &said.at, message, help);
}

fn zigbee(read: &Read<'_>, out: &mut Findings<'_>) {
    let (Some(broker), Some(at)) = (&read.links.broker, &read.links.broker_at) else { return };
    if read.links.outside.iter().any(|(_, said)| said.value.zigbee_base_topic.is_some()) {
        return;
    }
    let mut zigbee = read.devices().filter(|(d, _)| read.family(d) == Some(Family::Zigbee2mqtt));
    let Some((device, _)) = zigbee.next().filter(|_| out.is_whole("links.toml")) else { return };
    let help = match &broker.zigbee_base_topic {
        None => "add [link.broker.zigbee2mqtt] and an account for Zigbee2MQTT".to_owned(),
        Some(base) => {
            let speaks = broker.accounts.iter().any(|account| match &account.reach {
                Reach::Bridge { publish, .. } => publish.iter().any(|filter| {
                    filter == "#" || filter.split('/').next() == base.split('/').next()
                }),
                _ => false,
            });
            if speaks {
                return;
            }
            format!("add an account with publish = [\"{base}/#\"] for Zigbee2MQTT")
        }
    };
    let message = format!("Zigbee devices, such as {}, cannot be heard", device.id);
    out.add(&codes::ZIGBEE_NOT_LINKED, at, message, help);
}

/// Devices of a bridged family that no link listens for.
fn bridged(read: &Read<'_>, out: &mut Findings<'_>) {
    let here = read.links.broker.iter().flat_map(|broker| broker.bridged.heard());
    let elsewhere = read.links.outside.iter().flat_map(|(_, said)| said.value.bridged.heard());
    let handed_in = read.links.signals.iter().map(|_| Family::Json);
    let heard: BTreeSet<Family> = here.chain(elsewhere).chain(handed_in).collect();
    let all = Family::BRIDGED.into_iter().chain([Family::Json]);
    for family in all.filter(|family| !heard.contains(family)) {
        let mut its = read.devices().filter(|(device, _)| read.family(device) == Some(family));
        let Some((device, at)) = its.next().filter(|_| out.is_whole("links.toml")) else {
            continue;
        };
        let word = family.word();
        let message = format!("{word} devices, such as {}, cannot be heard", device.id);
        let help = format!("add [link.broker.{word}] or [link.mqtt.NAME.{word}] to links.toml");
        out.add(&codes::FAMILY_NOT_LINKED, at, message, help);
    }
}

fn people(read: &Read<'_>, out: &mut Findings<'_>) {
    if !out.is_whole(PEOPLE) {
        return;
    }
    let ids: BTreeSet<&PersonId> = read.people().map(|person| &person.id).collect();
    for (title, said) in read.roster.people.iter().chain(read.owners) {
        if !ids.contains(&said.value) {
            unknown_person(title, &said.value, &said.at, &ids, out);
        }
    }
    let named = read.ladders.calls.iter().flat_map(|call| &call.who);
    for said in named {
        if let Who::Person(id) = &said.value
            && !ids.contains(id)
        {
            unknown_person("ladders.toml", id, &said.at, &ids, out);
        }
    }
    for (platform, said) in &read.district.people {
        match read.people().find(|person| person.id == said.value) {
            None => {
                let title = format!("platform {platform}");
                unknown_person(&title, &said.value, &said.at, &ids, out);
            }
            Some(person) if person.role != Role::District => {
                let message = format!(
                    "{} speaks for platform {platform} and is no operator of the district",
                    said.value
                );
                let help = "name somebody whose role in registry/people.csv is district";
                out.add(&codes::PERSON_NOT_DISTRICTS, &said.at, message, help);
            }
            Some(_) => {}
        }
    }
}

/// Lines that stations name, and stations that homes name.
fn stations(read: &Read<'_>, out: &mut Findings<'_>) {
    let lines = &read.roster.roster.lines;
    for said in &read.stations.lines {
        if out.is_whole("roster.toml") && !lines.contains_key(&said.value) {
            unknown_line(&said.value, &said.at, lines.keys().map(LineId::as_str), out);
        }
    }
    if !out.is_whole("gateway.toml") {
        return;
    }
    let known = &read.stations.stations;
    for said in &read.rows.rows {
        let Row::Home(home) = &said.value else { continue };
        let Some(station) = home.station.as_ref().filter(|id| !known.contains_key(*id)) else {
            continue;
        };
        let help = match closest(station.as_str(), known.keys().map(|id| id.as_str())) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("add [station.{station}] to gateway.toml, or empty the cell"),
        };
        let message = format!("home {} names station {station}, which is not there", home.id);
        out.add(&codes::UNKNOWN_STATION, &said.at, message, help);
    }
}

/// A word of a ladder behind which nobody has agreed to be called.
fn consents(read: &Read<'_>, out: &mut Findings<'_>) {
    if !out.is_whole(CONTACTS) {
        return;
    }
    let civil = read.wall.and_then(|wall| read.roster.roster.civil(wall));
    let day = civil.map(|civil| civil.date());
    let contacts = || {
        read.rows.rows.iter().filter_map(|said| match &said.value {
            Row::Contact(contact) => Some(contact),
            _ => None,
        })
    };
    let mut told = BTreeSet::new();
    for said in read.ladders.calls.iter().flat_map(|call| &call.who) {
        let Who::Contact(relation) = &said.value else { continue };
        let agrees = |one: &Contact| one.relation == *relation && one.agrees(day);
        if contacts().any(agrees) || !told.insert(*relation) {
            continue;
        }
        let word = relation.word();
        let listed = contacts().filter(|one| one.relation == *relation).count();
        let message = match listed {
            0 => format!("contact:{word} calls nobody: registry/contacts.csv has none"),
            _ => format!("contact:{word} calls nobody: of {listed}, none agrees to be called"),
        };
        let help = "fill in the day they agreed in registry/contacts.csv, or take the word out";
        out.add(&codes::NO_CONSENT, &said.at, message, help);
    }
}

fn unknown_person(
    title: &str,
    id: &PersonId,
    at: &Spot,
    known: &BTreeSet<&PersonId>,
    out: &mut Findings<'_>,
) {
    let help = match closest(id.as_str(), known.iter().map(|id| id.as_str())) {
        Some(meant) => format!("did you mean {meant}?"),
        None => "add them to registry/people.csv, or name somebody else".to_owned(),
    };
    out.add(&codes::UNKNOWN_PERSON, at, format!("{title} names {id}, who is not registered"), help);
}

fn calls(read: &Read<'_>, out: &mut Findings<'_>) {
    let roster = &read.roster.roster;
    let people: BTreeMap<&PersonId, &Person> = read.people().map(|p| (&p.id, p)).collect();
    let mut told = BTreeSet::new();
    for call in &read.ladders.calls {
        lines(call, roster, out);
        if out.is_whole(PEOPLE) {
            addresses(call, roster, &people, &mut told, out);
        }
    }
}

fn lines(call: &Call, roster: &Roster, out: &mut Findings<'_>) {
    if !out.is_whole("roster.toml") {
        return;
    }
    for said in &call.who {
        if let Who::Line(id) = &said.value
            && !roster.lines.contains_key(id)
        {
            unknown_line(id, &said.at, roster.lines.keys().map(LineId::as_str), out);
        }
    }
}

/// Every carrier that is used and not set up, once, where it is first named.
fn carriers(read: &Read<'_>, out: &mut Findings<'_>) {
    if !out.is_whole("notify.toml") {
        return;
    }
    let set_up = read.notify.carriers();
    for carrier in Carrier::ALL.into_iter().filter(|carrier| !set_up.contains(carrier)) {
        let uses = read.ladders.calls.iter().flat_map(|call| &call.by);
        let uses: Vec<&Said<Carrier>> = uses.filter(|said| said.value == carrier).collect();
        let Some(first) = uses.iter().min_by_key(|said| said.at.span.start) else { continue };
        let message = match uses.len() {
            1 => format!("{carrier} is not set up"),
            count => format!("{carrier} is not set up, and named in {count} places"),
        };
        let name = if carrier.is_group() { ".NAME" } else { "" };
        let help = format!("add [{carrier}{name}] to notify.toml, or take it out of ladders.toml");
        out.add(&codes::CARRIER_NOT_CONFIGURED, &first.at, message, help);
    }
}

/// Whether everybody a step may call has an address for its carriers. Somebody is told of once.
fn addresses<'p>(
    call: &Call,
    roster: &Roster,
    people: &BTreeMap<&'p PersonId, &'p Person>,
    told: &mut BTreeSet<(&'p PersonId, Carrier)>,
    out: &mut Findings<'_>,
) {
    let is_contact = |said: &Said<Who>| matches!(said.value, Who::Contact(_));
    let goes_out =
        |said: &Said<Carrier>| matches!(said.value, Carrier::Mail | Carrier::Sms | Carrier::Voice);
    let only_contacts = !call.who.is_empty() && call.who.iter().all(is_contact);
    if only_contacts && !call.by.is_empty() && !call.by.iter().any(goes_out) {
        let message = "contacts are not in the duty room, and in no group of the staff";
        let help = "add \"sms\", \"voice\" or \"mail\" to `by`";
        out.add(&codes::RUNG_REACHES_NOBODY, &call.at, message, help);
    }
    let called: BTreeSet<&PersonId> =
        call.who.iter().flat_map(|said| callable(&said.value, roster, people)).collect();
    let called: Vec<&'p Person> =
        called.into_iter().filter_map(|id| people.get(id).copied()).collect();
    let reached = |person: &Person| call.by.iter().any(|said| has_address(person, said.value));
    if !call.by.is_empty() && !called.is_empty() && !called.iter().any(|person| reached(person)) {
        let ways: Vec<&str> = call.by.iter().map(|said| address_of(said.value)).collect();
        out.add(
            &codes::RUNG_REACHES_NOBODY,
            &call.at,
            format!("nobody who is called here has a {}", ways.join(" or a ")),
            "add another way to `by`, or addresses to registry/people.csv",
        );
        return;
    }
    for said in &call.by {
        let without = called.iter().filter(|person| !has_address(person, said.value));
        for person in without {
            if told.insert((&person.id, said.value)) {
                let message = format!("{} has no {}", person.id, address_of(said.value));
                let help = format!(
                    "add it to registry/people.csv; until then {} does not reach them",
                    said.value
                );
                out.add(&codes::NO_ADDRESS, &said.at, message, help);
            }
        }
    }
}

/// Whether a carrier can reach somebody.
fn has_address(person: &Person, carrier: Carrier) -> bool {
    match carrier {
        Carrier::Mail => !person.email.trim().is_empty(),
        Carrier::Sms | Carrier::Voice => Phone::parse(&person.phone).is_some(),
        _ => true,
    }
}

/// What a carrier needs of somebody.
fn address_of(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Screen => "place at the screen",
        Carrier::Mail => "mail address",
        Carrier::Sms | Carrier::Voice => "mobile number",
        _ => "place in the group",
    }
}

/// Everybody who may be meant at some hour.
fn callable<'a>(
    who: &'a Who,
    roster: &'a Roster,
    people: &BTreeMap<&'a PersonId, &'a Person>,
) -> Vec<&'a PersonId> {
    match who {
        Who::Person(id) => vec![id],
        // Who they are is for the incident to say.
        Who::Contact(_) => Vec::new(),
        Who::Everyone => {
            let ours = people.values().filter(|person| person.role != Role::District);
            ours.map(|person| &person.id).collect()
        }
        Who::Line(id) => {
            let ruled = roster.rules.iter().filter(|rule| rule.line == *id);
            let fallback = roster.lines.get(id).map(|line| &line.fallback);
            ruled.flat_map(|rule| &rule.people).chain(fallback.into_iter().flatten()).collect()
        }
    }
}
