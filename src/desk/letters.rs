//! Orders become letters and stories become events: ids are given their names here, at the last
//! moment before they leave the house.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

use super::power::homes_that_call;
use super::strangers::parts;
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::counter::Pass;
use crate::incident::{
    Carrier, HUB_FAMILY, Incident, IncidentBook, Notice, Order, Responder, Stage, Story,
};
use crate::notify::cloud_event::{Names, cloud_event};
use crate::notify::{Addressee, Closing, Letter, Named, Site, Still};
use crate::registry::{Registry, Whereabouts};
use crate::terms::{Class, DeviceId, HomeId, LinkId, PersonId, ResidentId, Secret, Wait, Wall};

/// Writes letters and events.
pub(super) struct Writer {
    pub(super) page_key: Secret,
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
        let place = whereabouts_of(registry, incident, settings);
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
            site: Site { name: settings.gateway.site.clone(), duty_phone: String::new() },
            place: match order.id.carrier {
                Carrier::Screen => shown_place(registry, settings, &incident.device, &place, None),
                Carrier::Mail | Carrier::Sms => place.place.clone(),
            },
            place_short: place.short.clone(),
            residents: place
                .residents
                .iter()
                .filter_map(|id| registry.resident(id))
                .map(|r| r.name.clone())
                .filter(|name| !name.is_empty())
                .collect(),
            age: named.age.and_then(|age| u8::try_from(age).ok()),
            device: device_label(registry, settings, &incident.device),
            unregistered: is_stranger(&incident.device) && !place.located,
            time: civil.map(|c| clock_time(&c)).unwrap_or_default(),
            date: civil.map(|c| format!("{}月{}日", c.month(), c.day())).unwrap_or_default(),
            clock_trusted: incident.clock_trusted,
            presses: incident.presses,
            minutes: whole_minutes(now - incident.raised_at),
            about: about(order, incident, registry),
            arrive_within: match incident.stage {
                Stage::Accepted { arrive_by, .. } | Stage::OnTheWay { arrive_by, .. } => {
                    Some(minutes_left(arrive_by - now))
                }
                _ => None,
            },
            closing: closing(incident, settings),
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
        let url = settings.gateway.public_url.as_deref()?;
        let valid = i64::try_from(settings.gateway.link_valid.0).ok()?;
        let pass = Pass {
            incident: incident.id,
            epoch: incident.epoch,
            person: order.id.person.clone(),
            until: Wall(clock.wall().wall.0.saturating_add(valid)),
        };
        Some(format!("{url}/a/{}", pass.sign(&self.page_key)))
    }

    /// The CloudEvent of a story; `names` says whether the receiver may know the resident's name.
    pub(super) fn event(
        &self,
        story: &Story,
        names: bool,
        settings: &Settings,
        book: &IncidentBook,
    ) -> Vec<u8> {
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
    whereabouts(registry, device, (home.as_ref(), resident.as_ref()), settings)
}

/// Where to go: the hub's own troubles are at the hub.
fn whereabouts(
    registry: &Registry,
    device: &DeviceId,
    (home, resident): (Option<&HomeId>, Option<&ResidentId>),
    settings: &Settings,
) -> Whereabouts {
    match hub_subject(device) {
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
    let row = registry.person(id);
    let said = |field: fn(&crate::registry::Person) -> &String| {
        row.map(|row| field(row).clone()).unwrap_or_default()
    };
    Addressee {
        id: id.clone(),
        name: said(|row| &row.name),
        email: said(|row| &row.email),
        phone: said(|row| &row.phone),
    }
}

/// The person a notice speaks of.
fn about(order: &Order, incident: &Incident, registry: &Registry) -> Option<Named> {
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
    let name = registry.person(id).map(|p| p.name.clone()).unwrap_or_default();
    Some(Named { id: id.clone(), name })
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
