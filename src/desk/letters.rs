//! Orders become letters and stories become events: ids are given their names here, at the last
//! moment before they leave the house.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use super::alerts;
use super::power::homes_that_call;
use super::strangers::parts;
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::counter::Pass;
use crate::incident::{
    Carrier, HUB_FAMILY, Incident, IncidentBook, Notice, Order, Responder, Stage, Story, bed_behind,
};
use crate::notify::cloud_event::{Names, cloud_event};
use crate::notify::{Addressee, Closing, Letter, Named, Site, Still};
use crate::registry::{Contract, Registry, Whereabouts};
use crate::terms::{
    Class, DeviceId, EndpointId, HomeId, LinkId, PersonId, ResidentId, Secret, StationId, Wait,
    Wall,
};

/// Writes letters and events.
pub(super) struct Writer {
    pub(super) page_key: Secret,
    /// How many devices each open trouble of the hub silences, and what staff call what is broken.
    pub(super) silenced: BTreeMap<DeviceId, (usize, String)>,
}

/// Whether nobody else was called who has not said that they cannot come.
fn is_alone(incident: &Incident, person: &PersonId) -> bool {
    let others = incident.responders.iter().filter(|(who, _)| who != person);
    others.filter(|(_, what)| *what != Responder::Declined).count() == 0
}

impl Writer {
    /// The letter of an order; none when its incident is no longer in memory.
    pub(super) fn letter(
        &self,
        order: &Order,
        settings: &Settings,
        book: &IncidentBook,
        clock: &Clock,
        resent: bool,
    ) -> Option<Letter> {
        let incident = book.incident(order.id.incident)?;
        let registry = book.registry();
        let civil = settings.roster.civil(incident.raised_wall);
        let trusted_year = civil.filter(|_| incident.clock_trusted).map(|c| c.year());
        let mut place = whereabouts_of(registry, incident, settings);
        let person = &order.id.person;
        let contact = registry.contact(person).filter(|_| registry.person(person).is_none());
        if let Some(contact) = contact {
            place.residents.retain(|resident| registry.is_theirs(contact, resident));
        }
        let named = registry.names_of(&place, trusted_year);
        let now = clock.now();
        Some(Letter {
            id: order.id.clone(),
            still: Still::new(),
            notice: order.notice.clone(),
            class: order.class,
            kind: incident.kind,
            kinds: book.dangers(incident),
            code: incident.code,
            epoch: incident.epoch,
            test: incident.class == Class::Test,
            resent: resent || order.maybe_sent,
            to: addressee(registry, &order.id.person),
            site: Site { name: site_of(incident, settings), duty_phone: String::new() },
            place: match order.id.carrier {
                Carrier::Screen => shown_place(registry, settings, &incident.device, &place, None),
                _ => place.place.clone(),
            },
            place_short: place.short.clone(),
            residents: names_of(registry, &place.residents),
            age: named.age.and_then(|age| u8::try_from(age).ok()),
            device: device_label(registry, settings, &incident.device),
            unregistered: is_stranger(&incident.device) && !place.located,
            time: civil.map(|c| clock_time(&c)).unwrap_or_default(),
            date: civil.map(|c| format!("{}月{}日", c.month(), c.day())).unwrap_or_default(),
            clock_trusted: incident.clock_trusted,
            alone: is_alone(incident, &order.id.person),
            presses: incident.presses,
            minutes: whole_minutes(now - incident.raised_at),
            about: about(order, incident, registry, contact.is_some()),
            contract: contract_words(incident),
            found: incident.found_at_start,
            arrive_within: match incident.stage {
                Stage::Accepted { arrive_by, .. } | Stage::OnTheWay { arrive_by, .. } => {
                    Some(minutes_left(arrive_by - now))
                }
                _ => None,
            },
            closing: closing(incident, settings),
            silenced: self.silenced.get(&incident.device).cloned().unwrap_or_default(),
            unheard: match order.notice {
                Notice::RunningLow { .. } => homes_that_call(book),
                _ => Vec::new(),
            },
            link: self.link(order, incident, settings, clock),
        })
    }

    fn link(
        &self,
        order: &Order,
        incident: &Incident,
        settings: &Settings,
        clock: &Clock,
    ) -> Option<String> {
        // It answers as one person, so it is for their eyes alone.
        let url =
            settings.gateway.public_url.as_deref().filter(|_| !order.id.carrier.is_group())?;
        let valid = i64::try_from(settings.gateway.link_valid.0).ok()?;
        let pass = Pass {
            incident: incident.id,
            epoch: incident.epoch,
            person: order.id.person.clone(),
            until: Wall(clock.wall().wall.0.saturating_add(valid)),
        };
        Some(format!("{url}/a/{}", pass.sign(&self.page_key)))
    }

    /// A story in the form that an endpoint is told in.
    pub(super) fn event(
        &self,
        story: &Story,
        endpoint: &EndpointId,
        settings: &Settings,
        book: &IncidentBook,
    ) -> Vec<u8> {
        if settings.resolve_timeout(endpoint).is_some() {
            return alerts::of_story(story, endpoint, settings, book);
        }
        let names = settings.names_for(endpoint);
        let registry = book.registry();
        let home = book.incident(story.incident).and_then(|i| i.home.as_ref());
        let called = (home, story.resident.as_ref());
        let place = whereabouts(registry, &story.device, called, settings);
        let resident = story.resident.as_ref().filter(|_| names);
        let device = registry.device(&story.device);
        let people: BTreeMap<PersonId, String> = story
            .people
            .iter()
            .filter_map(|(id, _)| Some((id.clone(), registry.person(id)?.name.clone())))
            .collect();
        let names = Names {
            device_type: device.map(|d| d.type_name.clone()).unwrap_or_default(),
            device: device_label(registry, settings, &story.device),
            resident: resident.and_then(|id| registry.resident(id)).map(|r| r.name.clone()),
            place: place.place,
            grid: place.grid,
            people,
        };
        cloud_event(story, &names, &settings.gateway.hub)
    }
}

/// Where to go for an incident, also after its device was taken out of the registry.
pub(super) fn whereabouts_of(
    registry: &Registry,
    incident: &Incident,
    settings: &Settings,
) -> Whereabouts {
    let Incident { device, home, resident, .. } = incident;
    let lives = || registry.resident(resident.as_ref()?)?.home.as_ref();
    let home = home.as_ref().or_else(lives);
    let mut place = whereabouts(registry, device, (home, resident.as_ref()), settings);
    // Two stations may each have a 3-2-501.
    let station = home.and_then(|home| registry.home(home)?.station.as_ref());
    if let Some(label) = settings.roster.label_of(station) {
        place.place.insert_str(0, label);
        place.short.insert_str(0, label);
    }
    place
}

/// The names of residents that have one.
fn names_of(registry: &Registry, residents: &[ResidentId]) -> Vec<String> {
    let rows = residents.iter().filter_map(|id| registry.resident(id));
    rows.map(|row| row.name.clone()).filter(|name| !name.is_empty()).collect()
}

/// Where to go: the hub's own troubles are at the hub.
/// The line that says that nobody answers for a home any more, or not yet.
fn contract_words(incident: &Incident) -> String {
    match incident.bed.as_ref().map(|bed| bed.contract) {
        Some(Contract::Over) => "床位合同已到期".to_owned(),
        Some(Contract::Ahead) => "床位合同未开始".to_owned(),
        Some(Contract::Running) | None => String::new(),
    }
}

/// The centre's name; a station's own where many of its devices are silent.
fn site_of(incident: &Incident, settings: &Settings) -> String {
    let station = hub_subject(&incident.device)
        .and_then(|subject| subject.strip_prefix("silent.devices."))
        .and_then(|id| StationId::new(id).ok());
    let label = settings.roster.label_of(station.as_ref()).map(str::to_owned);
    label.unwrap_or_else(|| settings.gateway.site.clone())
}

/// What everybody else is to a contact.
pub(super) fn other_to_contact(registry: &Registry, other: &PersonId) -> &'static str {
    match registry.person(other) {
        Some(_) => "工作人员",
        None => "其他联系人",
    }
}

pub(super) fn whereabouts(
    registry: &Registry,
    device: &DeviceId,
    (home, resident): (Option<&HomeId>, Option<&ResidentId>),
    settings: &Settings,
) -> Whereabouts {
    match hub_subject(device).filter(|_| bed_behind(device).is_none()) {
        Some(_) => Whereabouts {
            place: settings.gateway.site.clone(),
            short: "本站主机".to_owned(),
            residents: Vec::new(),
            grid: String::new(),
            on_site: true,
            located: true,
        },
        None => registry.whereabouts_of_call(device, home, resident),
    }
}

/// A place as the duty room reads it: where nobody has typed one in, what is known of the device, since
/// there is no other screen to look at.
pub(super) fn shown_place(
    registry: &Registry,
    settings: &Settings,
    device: &DeviceId,
    at: &Whereabouts,
    link: Option<&LinkId>,
) -> String {
    if at.located {
        return at.place.clone();
    }
    let over = link.map(|link| format!(",经{link}收到")).unwrap_or_default();
    match registry.device(device) {
        Some(row) => {
            let family = settings.device_types.get(&row.type_name).map(|kind| kind.family.word());
            let (family, name) = (family.unwrap_or_default(), row.heard_name());
            format!("设备{device}(位置未登记;地址{family} {name}{over})")
        }
        None => {
            let (family, name) = parts(device);
            format!("未登记设备{name}({family}{over})")
        }
    }
}

/// What of the hub's own a pretended device stands for: `carrier.mail`.
pub(super) fn hub_subject(device: &DeviceId) -> Option<&str> {
    device.as_str().strip_prefix(HUB_FAMILY)?.strip_prefix(':')
}

fn is_stranger(device: &DeviceId) -> bool {
    device.is_unregistered() && hub_subject(device).is_none()
}

fn device_label(registry: &Registry, settings: &Settings, device: &DeviceId) -> String {
    if let Some(bed) = bed_behind(device) {
        return format!("床位{bed}");
    }
    if let Some(subject) = hub_subject(device) {
        return subject.to_owned();
    }
    let row = registry.device(device);
    row.and_then(|row| settings.device_types.get(&row.type_name))
        .map(|kind| kind.label.clone())
        .filter(|label| !label.is_empty())
        .unwrap_or_else(|| device.to_string())
}

fn addressee(registry: &Registry, id: &PersonId) -> Addressee {
    let person = registry.person(id).map(|row| (&row.name, &row.email, &row.phone));
    let contact = || registry.contact(id).map(|row| (&row.name, &row.email, &row.phone));
    let of_the_house = person.is_some();
    let (name, email, phone) = match person.or_else(contact) {
        Some((name, email, phone)) => (name.clone(), email.clone(), phone.clone()),
        None => Default::default(),
    };
    Addressee { id: id.clone(), name, email, phone, of_the_house }
}

/// The person a notice speaks of. A contact is told what they are and not who.
fn about(
    order: &Order,
    incident: &Incident,
    registry: &Registry,
    to_contact: bool,
) -> Option<Named> {
    let last = |wanted: Responder| {
        incident.responders.iter().rev().find(|(_, is)| *is == wanted).map(|(who, _)| who)
    };
    let id = match &order.notice {
        Notice::Taken { by } => Some(by),
        Notice::CannotReach { person, .. } => Some(person),
        Notice::NotArrived => last(Responder::TimedOut),
        Notice::Declined => last(Responder::Declined),
        Notice::Closed | Notice::FollowUpDue => match &incident.stage {
            Stage::Resolved { by, .. } | Stage::FollowedUp { by, .. } => Some(by),
            _ => None,
        },
        _ => last(Responder::OnScene).or_else(|| incident.active().next()),
    }?;
    let name = match to_contact && *id != order.id.person {
        true => other_to_contact(registry, id),
        false => registry.name_of(id).unwrap_or_default(),
    };
    Some(Named { id: id.clone(), name: name.to_owned() })
}

fn closing(incident: &Incident, settings: &Settings) -> Option<Closing> {
    let ending = match &incident.stage {
        Stage::Resolved { ending, .. } | Stage::FollowedUp { ending, .. } => ending,
        _ => return None,
    };
    let time = |wall: Option<Wall>| {
        wall.and_then(|wall| settings.roster.civil(wall)).map(|civil| clock_time(&civil))
    };
    Some(Closing {
        raised: time(incident.times.raised).unwrap_or_default(),
        on_scene: time(incident.times.on_scene),
        closed: time(incident.times.resolved).unwrap_or_default(),
        outcome: ending.chinese().to_owned(),
    })
}

fn clock_time(civil: &DateTime) -> String {
    format!("{:02}:{:02}", civil.hour(), civil.minute())
}

/// Minutes that are left, the begun one included: "within 15 minutes" is said at the start of them.
fn minutes_left(wait: Wait) -> u32 {
    u32::try_from(wait.0.div_ceil(60_000)).unwrap_or(u32::MAX).max(1)
}

fn whole_minutes(wait: Wait) -> u32 {
    u32::try_from(wait.0 / 60_000).unwrap_or(u32::MAX)
}
