//! Wall boards: a board says every few seconds that it is there and whether it can be heard, and is
//! told in return how the house stands.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde::Deserialize;

use super::Counter;
use super::answer::json;
use super::incidents::read;
use super::params::Params;
use super::problem::Problem;
use crate::counter::{Ask, Reply, Sound};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    sound: Sound,
}

/// `POST /api/v1/boards/{board}/heard`.
pub(super) async fn heard(
    State(counter): State<Counter>,
    Path(board): Path<String>,
    RawQuery(query): RawQuery,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let Heard { sound } = read(body)?;
    match counter.told(Ask::Board { id: board, sound }).await? {
        Reply::Beat(beat) => Ok(json(&beat)),
        _ => Err(Problem::busy()),
    }
}

/// `GET /api/v1/boards`.
pub(super) async fn list(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    match counter.told(Ask::Status).await? {
        Reply::Status(status) => Ok(json(&serde_json::json!({ "boards": status.boards }))),
        _ => Err(Problem::busy()),
    }
}
