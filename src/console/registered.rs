//! Who and what is registered: devices, residents, people, contacts, home-care beds.
//!
//! Names and places, because a page on the box needs them; no telephone numbers, mail addresses or
//! ways into a home, because loopback asks nobody who they are. Who may see those is in the socket's
//! group, and `anling export` writes them.

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Counter;
use super::answer::{json, tagged};
use super::incidents::PAGE;
use super::params::Params;
use super::problem::{Problem, Wrong};
use crate::counter::{Ask, LIST_MAX, RegistryView, Reply, StrangerView, TRACES_MAX, page_of};
use crate::registry::{Bed, Contact, Person, Relation, Resident, Role};
use crate::terms::{BedId, DeviceId, HomeId, PersonId, ResidentId, Seq};

/// A resident without what only the accepting person is told.
#[derive(Serialize)]
struct ResidentRow {
    id: ResidentId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    born: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<HomeId>,
    place: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<PersonId>,
}

/// A contact without how they are reached.
#[derive(Serialize)]
struct ContactRow {
    id: PersonId,
    name: String,
    relation: Relation,
    #[serde(skip_serializing_if = "Option::is_none")]
    resident: Option<ResidentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<HomeId>,
    #[serde(skip_serializing_if = "String::is_empty")]
    grid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent_until: Option<Date>,
    order: u8,
}

/// A home-care bed; its plan is between those who care and the resident.
#[derive(Serialize)]
struct BedRow {
    id: BedId,
    resident: ResidentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    home: Option<HomeId>,
    from: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Date>,
}

/// A person without how they are reached.
#[derive(Serialize)]
struct PersonRow {
    id: PersonId,
    name: String,
    role: Role,
}

/// What part of a list was asked for.
struct Part {
    after: Option<String>,
    most: usize,
}

impl Part {
    fn of(query: Option<&str>) -> Result<Self, Problem> {
        let params = Params::read(query, &["after", "limit"])?;
        let most = params.number("limit", 1..=LIST_MAX)?.unwrap_or(PAGE);
        Ok(Self { after: params.get("after").map(str::to_owned), most })
    }

    /// The tag of this part of a registry of this version.
    fn tag(&self, version: Seq) -> String {
        let after = self.after.as_deref().unwrap_or_default();
        let after: String = after.bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{version}-{}-{after}", self.most)
    }

    /// Where the rest is.
    fn next(&self, list: &str, last: Option<&str>, more: bool) -> Option<String> {
        let last = last.filter(|_| more)?;
        let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
        Some(format!("/api/v1/{list}?after={last}&limit={}", self.most))
    }
}

#[derive(Serialize)]
struct Devices<T: Serialize> {
    devices: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /api/v1/devices`.
pub(super) async fn devices(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let part = Part::of(query.as_deref())?;
    let after = part.after.as_deref().map(DeviceId::new).transpose();
    let after = after.map_err(|why| Wrong::BadQuery.because(format!("after: {why}")))?;
    let ask = Ask::Devices { after, most: part.most };
    let Reply::Devices(page) = counter.told(ask).await? else { return Err(Problem::busy()) };
    let last = page.devices.last().map(|device| device.row.id.as_str());
    let next = part.next("devices", last, page.more);
    Ok(json(&Devices { devices: &page.devices, next }))
}

#[derive(Serialize)]
struct Heard {
    heard: Vec<StrangerView>,
}

/// `GET /api/v1/devices/heard`.
pub(super) async fn strangers(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    match counter.told(Ask::Strangers).await? {
        Reply::Strangers(heard) => Ok(json(&Heard { heard })),
        _ => Err(Problem::busy()),
    }
}

/// `GET /api/v1/devices/{device}/history`.
pub(super) async fn history(
    State(counter): State<Counter>,
    Path(device): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::read(query.as_deref(), &["limit"])?;
    let most = Some(params.number("limit", 1..=TRACES_MAX)?.unwrap_or(PAGE));
    let device = DeviceId::new(&device)
        .map_err(|why| Wrong::NoSuch.because(format!("{device:?} is no device: {why}")))?;
    match counter.told(Ask::History { device, most }).await? {
        Reply::History(history) => Ok(json(&history)),
        _ => Err(Problem::busy()),
    }
}

/// `GET /api/v1/residents`.
pub(super) async fn residents(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let list = List { name: "residents", part: Part::of(query.as_deref())? };
    let known = registry(&counter).await?;
    let place = |one: &Resident| known.registry.home(one.home.as_ref()?).map(|home| &*home.place);
    let row = |one: &Resident| ResidentRow {
        id: one.id.clone(),
        name: one.name.clone(),
        born: one.born,
        home: one.home.clone(),
        place: place(one).unwrap_or_default().to_owned(),
        owner: one.owner.clone(),
    };
    let rows = known.registry.residents().map(|one| (one.id.as_str(), one));
    list.part(&headers, known.version, rows, row)
}

/// `GET /api/v1/people`.
pub(super) async fn people(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let list = List { name: "people", part: Part::of(query.as_deref())? };
    let known = registry(&counter).await?;
    let row =
        |one: &Person| PersonRow { id: one.id.clone(), name: one.name.clone(), role: one.role };
    let rows = known.registry.people().map(|one| (one.id.as_str(), one));
    list.part(&headers, known.version, rows, row)
}

/// `GET /api/v1/contacts`.
pub(super) async fn contacts(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let list = List { name: "contacts", part: Part::of(query.as_deref())? };
    let known = registry(&counter).await?;
    let row = |one: &Contact| ContactRow {
        id: one.id.clone(),
        name: one.name.clone(),
        relation: one.relation,
        resident: one.resident.clone(),
        home: one.home.clone(),
        grid: one.grid.clone(),
        consent: one.consent,
        consent_until: one.consent_until,
        order: one.order,
    };
    let rows = known.registry.contacts().map(|one| (one.id.as_str(), one));
    list.part(&headers, known.version, rows, row)
}

/// `GET /api/v1/beds`.
pub(super) async fn beds(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let list = List { name: "beds", part: Part::of(query.as_deref())? };
    let known = registry(&counter).await?;
    let row = |one: &Bed| BedRow {
        id: one.id.clone(),
        resident: one.resident.clone(),
        home: one.home.clone(),
        from: one.from,
        until: one.until,
    };
    let rows = known.registry.beds().map(|one| (one.id.as_str(), one));
    list.part(&headers, known.version, rows, row)
}

/// A list of the registry, by its name in the address and in the answer.
struct List {
    name: &'static str,
    part: Part,
}

impl List {
    /// The part that was asked for, its rows as they may be shown.
    fn part<'r, T: 'r, S: Serialize>(
        &self,
        headers: &HeaderMap,
        version: Seq,
        rows: impl Iterator<Item = (&'r str, &'r T)>,
        shown: impl Fn(&T) -> S,
    ) -> Result<Response, Problem> {
        let part = &self.part;
        let after = part.after.as_deref().unwrap_or_default();
        let (page, more) = page_of(rows, Some(&after), part.most, |(id, _)| id);
        let next = part.next(self.name, page.last().map(|(id, _)| *id), more);
        let page: Vec<S> = page.iter().map(|(_, one)| shown(one)).collect();
        let rows = serde_json::to_value(page).map_err(|_| Problem::busy())?;
        let mut answer = Map::from_iter([(self.name.to_owned(), rows)]);
        answer.extend(next.map(|next| ("next".to_owned(), Value::from(next))));
        Ok(tagged(headers, &part.tag(version), &answer))
    }
}

async fn registry(counter: &Counter) -> Result<Box<RegistryView>, Problem> {
    match counter.told(Ask::Registry).await? {
        Reply::Registry(known) => Ok(known),
        _ => Err(Problem::busy()),
    }
}
