//! Who is on duty, and how the hub is.

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::Counter;
use super::answer::json;
use super::incidents::{TIME, when};
use super::params::Params;
use super::problem::Problem;
use crate::counter::{Ask, Reply};

/// `GET /api/v1/roster`.
pub(super) async fn roster(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::read(query.as_deref(), &["at", "days"])?;
    let at = params.of("at", TIME, when)?;
    let days = params.number("days", 1..=366_u16)?;
    match counter.told(Ask::Roster { at, days }).await? {
        Reply::Roster(plan) => Ok(json(&plan)),
        _ => Err(Problem::busy()),
    }
}

/// `GET /api/v1/status`.
pub(super) async fn status(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    match counter.told(Ask::Status).await? {
        Reply::Status(status) => Ok(json(&status)),
        _ => Err(Problem::busy()),
    }
}
