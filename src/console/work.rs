//! A technician's work over HTTP: what is being done, what begins and ends, swaps, dry runs, joining.
//!
//! Every change names a person, as with incidents. No Idempotency-Key is asked for: a swap said twice
//! changes nothing the second time, and work begun twice is two windows on the same devices, which is no
//! more than one.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Counter;
use super::answer::json;
use super::incidents::{person, read};
use super::params::Params;
use super::problem::{Problem, Wrong};
use crate::counter::{Ask, BeginWork, Reply, WorkAsk, WorkView};
use crate::incident::{Scope, WorkKind};
use crate::terms::{DeviceId, Kind, LinkId, Wait, WorkId};

/// What begins work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    #[serde(rename = "as")]
    by: String,
    kind: WorkKind,
    scope: Vec<Scope>,
    lasts_s: u64,
    #[serde(default)]
    reason: Option<String>,
}

/// Who says something and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    #[serde(rename = "as")]
    by: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Swap {
    #[serde(rename = "as")]
    by: String,
    heard_as: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    #[serde(rename = "as")]
    by: String,
    lasts_s: u64,
    #[serde(default)]
    link: Option<LinkId>,
}

#[derive(Serialize)]
struct Works {
    works: Vec<WorkView>,
}

#[derive(Serialize)]
struct Joining {
    links: Vec<LinkId>,
}

/// `GET /api/v1/works`.
pub(super) async fn list(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    match counter.told(Ask::Work(WorkAsk::All)).await? {
        Reply::Works(works) => Ok(json(&Works { works })),
        _ => Err(Problem::busy()),
    }
}

/// `POST /api/v1/works`: answers once it is on disk.
pub(super) async fn begin(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let Begun { by, kind, scope, lasts_s, reason } = read(body)?;
    let by = person(&counter, &by).await?;
    let asked = BeginWork { kind, scope, by, lasts: lasts(lasts_s), reason };
    about_work(&counter, WorkAsk::Begin(asked)).await
}

/// `GET /api/v1/works/{work}`.
pub(super) async fn one(
    State(counter): State<Counter>,
    Path(work): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let work = number(&work)?;
    about_work(&counter, WorkAsk::One { work }).await
}

/// `POST /api/v1/works/{work}/end`: answers once it is on disk.
pub(super) async fn end(
    State(counter): State<Counter>,
    Path(work): Path<String>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let Ended { by } = read(body)?;
    let (work, by) = (number(&work)?, person(&counter, &by).await?);
    about_work(&counter, WorkAsk::End { work, by }).await
}

/// `POST /api/v1/devices/{device}/swap`: answers once it is on disk.
pub(super) async fn swap(
    State(counter): State<Counter>,
    Path(said): Path<String>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let Swap { by, heard_as } = read(body)?;
    let (device, by) = (device(&said)?, person(&counter, &by).await?);
    match counter.told(Ask::Work(WorkAsk::Swap { device, heard_as, by })).await? {
        Reply::Swapped(swapped) => Ok(json(&swapped)),
        _ => Err(Problem::busy()),
    }
}

/// `GET /api/v1/devices/{device}/dry-run`: who would be called if it called now.
pub(super) async fn dry_run(
    State(counter): State<Counter>,
    Path(said): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::read(query.as_deref(), &["kind"])?;
    let kind = params.of("kind", "a kind such as sos or smoke", Kind::from_word)?;
    let (device, kind) = (device(&said)?, kind.unwrap_or(Kind::Sos));
    match counter.told(Ask::Work(WorkAsk::DryRun { device, kind })).await? {
        Reply::DryRun(view) => Ok(json(&view)),
        _ => Err(Problem::busy()),
    }
}

/// `POST /api/v1/joining`: new Zigbee devices may join for a while.
pub(super) async fn join(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let Join { by, lasts_s, link } = read(body)?;
    let (by, lasts) = (person(&counter, &by).await?, lasts(lasts_s));
    match counter.told(Ask::Work(WorkAsk::Join { link, lasts, by })).await? {
        Reply::Joining(links) => Ok(json(&Joining { links })),
        _ => Err(Problem::busy()),
    }
}

async fn about_work(counter: &Counter, ask: WorkAsk) -> Result<Response, Problem> {
    match counter.told(Ask::Work(ask)).await? {
        Reply::Work(work) => Ok(json(&work)),
        _ => Err(Problem::busy()),
    }
}

/// Seconds that somebody named, however many.
fn lasts(secs: u64) -> Wait {
    Wait(secs.saturating_mul(1_000))
}

fn number(said: &str) -> Result<WorkId, Problem> {
    let number = said.parse().ok().filter(|_| said.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(WorkId).ok_or_else(|| Wrong::NoSuch.because(format!("{said:?} is no work's number")))
}

fn device(said: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(said)
        .map_err(|why| Wrong::NoSuch.because(format!("{said:?} is no device: {why}")))
}
