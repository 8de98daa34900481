//! What is wrong with a request, as `application/problem+json` (RFC 9457): for a program in `type`, for
//! a person in `detail`, which says what to do next.
//!
//! A `type` is an address on this hub that lists them all, so that it can be looked up without the
//! internet.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::counter::Amiss;

/// The kinds of problems there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    NoPage,
    NoMethod,
    NoSuch,
    ForeignHost,
    CrossSite,
    Forwarded,
    NotJson,
    NoToken,
    TooMany,
    Unread,
    TooLarge,
    BadQuery,
    BadBody,
    BadField,
    KeyMissing,
    KeyBad,
    KeyTaken,
    NothingChanged,
    CannotBe,
    TooManyFollow,
    Busy,
}

impl Wrong {
    pub(super) const ALL: [Self; 21] = [
        Self::NoPage,
        Self::NoMethod,
        Self::NoSuch,
        Self::ForeignHost,
        Self::CrossSite,
        Self::Forwarded,
        Self::NotJson,
        Self::NoToken,
        Self::TooMany,
        Self::Unread,
        Self::TooLarge,
        Self::BadQuery,
        Self::BadBody,
        Self::BadField,
        Self::KeyMissing,
        Self::KeyBad,
        Self::KeyTaken,
        Self::NothingChanged,
        Self::CannotBe,
        Self::TooManyFollow,
        Self::Busy,
    ];

    /// Its status, the last part of its `type`, and its title.
    fn known_as(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoPage => (S::NOT_FOUND, "no-page", "There is nothing at this address"),
            Self::NoMethod => (S::METHOD_NOT_ALLOWED, "no-method", "This address is not for that"),
            Self::NoSuch => (S::NOT_FOUND, "no-such", "There is nothing of that name"),
            Self::ForeignHost => (
                S::MISDIRECTED_REQUEST,
                "foreign-host",
                "Asked under a name that is not this box's",
            ),
            Self::CrossSite => (S::FORBIDDEN, "cross-site", "Asked by a page from elsewhere"),
            Self::Forwarded => (S::FORBIDDEN, "forwarded", "Asked from outside the box"),
            Self::NotJson => (S::UNSUPPORTED_MEDIA_TYPE, "not-json", "The body is not called JSON"),
            Self::NoToken => (S::UNAUTHORIZED, "no-token", "No source has this token"),
            Self::TooMany => (S::TOO_MANY_REQUESTS, "too-many", "Asked too often"),
            Self::Unread => (S::UNPROCESSABLE_ENTITY, "unread", "The signal cannot be read"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The body is too long"),
            Self::BadQuery => (S::BAD_REQUEST, "bad-query", "The question cannot be read"),
            Self::BadBody => (S::BAD_REQUEST, "bad-body", "The body cannot be read"),
            Self::BadField => {
                (S::UNPROCESSABLE_ENTITY, "bad-field", "A field of the body is missing or wrong")
            }
            Self::KeyMissing => (S::BAD_REQUEST, "key-missing", "The Idempotency-Key is missing"),
            Self::KeyBad => (S::BAD_REQUEST, "key-bad", "The Idempotency-Key cannot be used"),
            Self::KeyTaken => (S::CONFLICT, "key-taken", "The key stands for another answer"),
            Self::NothingChanged => (S::CONFLICT, "nothing-changed", "Nothing changed"),
            Self::CannotBe => (S::UNPROCESSABLE_ENTITY, "cannot-be", "This cannot be done"),
            Self::TooManyFollow => {
                (S::SERVICE_UNAVAILABLE, "too-many-follow", "Too many follow the events")
            }
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "The hub does not answer at the moment"),
        }
    }

    /// The problem with what to do next.
    pub(super) fn because(self, detail: impl Into<String>) -> Problem {
        Problem { wrong: self, detail: detail.into(), more: Map::new() }
    }
}

impl From<Amiss> for Wrong {
    fn from(amiss: Amiss) -> Self {
        match amiss {
            Amiss::Wrong => Self::CannotBe,
            Amiss::Epoch => Self::BadField,
            Amiss::NoSuch => Self::NoSuch,
            Amiss::Taken => Self::KeyTaken,
            Amiss::NotNow => Self::Busy,
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    wrong: Wrong,
    detail: String,
    more: Map<String, Value>,
}

/// After how many seconds to ask again when the hub was busy, or asked too often.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    /// The desk is busy, stopping or silent.
    pub(super) fn busy() -> Self {
        Wrong::Busy.because(
            "the desk does not answer: ask again in a moment, a move under the same key, because it \
             may have been taken",
        )
    }

    /// Whether it is the same kind about the same thing, whatever its words.
    #[cfg(test)]
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        (self.wrong, &self.more) == (other.wrong, &other.more)
    }

    /// The same with one more member.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, slug, title) = self.wrong.known_as();
        let mut body = self.more;
        body.insert("type".to_owned(), json!(format!("/api/v1/problems#{slug}")));
        body.insert("title".to_owned(), json!(title));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("detail".to_owned(), json!(self.detail));
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// All kinds, for people who look one up.
pub(super) async fn list() -> Response {
    let one = |wrong: Wrong| {
        let (status, slug, title) = wrong.known_as();
        json!({ "type": format!("/api/v1/problems#{slug}"), "status": status.as_u16(), "title": title })
    };
    let all: Vec<Value> = Wrong::ALL.into_iter().map(one).collect();
    super::answer::json(&json!({ "problems": all }))
}

/// Whatever no route answers.
pub(super) async fn no_page() -> Problem {
    Wrong::NoPage.because("what there is stands in /api/openapi.json")
}

/// A method that an address does not answer.
pub(super) async fn no_method() -> Problem {
    Wrong::NoMethod.because("which methods an address answers stands in /api/openapi.json")
}

/// Names of headers that the API has beside the usual ones.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Wrong::ALL.iter().map(|wrong| wrong.known_as().1).collect();
        assert_eq!(names.len(), Wrong::ALL.len());
        let titles: BTreeSet<_> = Wrong::ALL.iter().map(|wrong| wrong.known_as().2).collect();
        assert_eq!(titles.len(), Wrong::ALL.len());
    }
}
