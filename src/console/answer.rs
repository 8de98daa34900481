//! How an answer looks: JSON that nobody keeps, with a tag where a repeat can be spared.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer in JSON.
pub(super) fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => typed("application/json", bytes),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// An answer of another kind.
pub(super) fn typed(kind: &'static str, bytes: impl IntoResponse) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Names and places of residents: no cache keeps them.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The same with a tag; only the tag where the asker has this already. It is a weak one: ages and
/// waits in the body go on while nothing happens.
pub(super) fn tagged(asked: &HeaderMap, tag: &str, body: &impl Serialize) -> Response {
    let tag = format!("W/\"{tag}\"");
    let Ok(value) = HeaderValue::from_str(&tag) else { return json(body) };
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|said| said.to_str().ok());
    let has = known.flat_map(|said| said.split(',')).any(|said| said.trim() == tag);
    let mut response = match has {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(body),
    };
    response.headers_mut().insert(header::ETAG, value);
    response
}
