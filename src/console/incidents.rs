//! Incidents as programs see and move them.
//!
//! Those that are open come a page at a time, by number. Those that are over come with the span they
//! began in, newest first from page to page, because whoever looks back begins at the end. A move is
//! said by a named person and under a key; the same key again is the same answer, also after a restart
//! ([`WordId`]), so that a program that got no reply says it again without a second thought.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Counter;
use super::answer::{json, tagged};
use super::params::Params;
use super::problem::{IDEMPOTENCY_KEY, Problem, Wrong};
use crate::counter::{
    About, ArchiveView, Ask, IncidentView, LIST_MAX, Moved, NOTE_MAX_BYTES, Reply, When,
};
use crate::incident::{Contact, Ending, Ignored, Move, Via, WordId};
use crate::terms::{Code, IncidentId, PersonId};

/// Rows on a page where nobody names a number.
pub(super) const PAGE: usize = 100;

#[derive(Serialize)]
struct Page<'p> {
    incidents: &'p [IncidentView],
    /// Where the next page is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'p str>,
    /// How far the archive was, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<&'p ArchiveView>,
    /// The span holds more than is looked through: name a shorter one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

/// `GET /api/v1/incidents`.
pub(super) async fn list(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = ["all", "after", "before", "from", "to", "days", "limit"];
    let params = Params::read(query.as_deref(), &known)?;
    let most = params.number("limit", 1..=LIST_MAX)?.unwrap_or(PAGE);
    if params.flag("all")? {
        return past(&counter, &params, most).await;
    }
    for name in ["before", "from", "to", "days"] {
        if params.get(name).is_some() {
            return Err(Wrong::BadQuery.because(format!("{name} goes with all only")));
        }
    }
    let after = params.number("after", 0..=u64::MAX)?.map(IncidentId);
    let ask = Ask::List { after, most };
    let Reply::List(list) = counter.told(ask).await? else { return Err(Problem::busy()) };
    let last = list.incidents.last().filter(|_| list.more);
    let page = Page {
        incidents: &list.incidents,
        next: last.map(|one| format!("/api/v1/incidents?after={}&limit={most}", one.id)),
        digest: Some(&list.digest),
        archive: None,
        cut: false,
    };
    let tag = format!("{}-{}-{most}", list.digest, after.unwrap_or(IncidentId(0)));
    Ok(tagged(&headers, &tag, &page))
}

/// Those of a span, the newest `most` before the cursor.
async fn past(counter: &Counter, params: &Params, most: usize) -> Result<Response, Problem> {
    if params.get("after").is_some() {
        return Err(Wrong::BadQuery.because("with all, pages go back: say before"));
    }
    let from = params.of("from", TIME, when)?;
    let to = params.of("to", TIME, when)?;
    let days = params.number("days", 1..=3660_u16)?;
    if days.is_some() && from.is_some() {
        return Err(Wrong::BadQuery.because("say days or from, not both"));
    }
    let before = params.number("before", 0..=u64::MAX)?.map(IncidentId);
    let ask = Ask::Past { from, to, days };
    let Reply::Past(mut past) = counter.told(ask).await? else { return Err(Problem::busy()) };
    past.incidents.retain(|one| before.is_none_or(|before| one.id < before));
    let first = past.incidents.len().saturating_sub(most);
    let shown = &past.incidents[first..];
    let next = shown.first().filter(|_| first > 0).map(|one| {
        let span = ["from", "to", "days"].map(|name| {
            let value = params.get(name)?;
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            Some(format!("&{name}={value}"))
        });
        let span: String = span.into_iter().flatten().collect();
        format!("/api/v1/incidents?all&before={}&limit={most}{span}", one.id)
    });
    let archive = Some(&past.archive);
    Ok(json(&Page { incidents: shown, next, digest: None, archive, cut: past.more }))
}

/// How a time is written.
pub(super) const TIME: &str = "a time like 2026-11-22T03:00, or with an offset of its own";

/// A time by the centre's clock, or a moment.
pub(super) fn when(text: &str) -> Option<When> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(When::Moment(crate::terms::Wall(moment.as_millisecond())));
    }
    text.parse().ok().map(When::Civil)
}

/// `GET /api/v1/incidents/{incident}`: by code or number.
pub(super) async fn one(
    State(counter): State<Counter>,
    Path(incident): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let ask = match about(&incident)? {
        About::Code(code) => Ask::Incident { code },
        About::Id(id) => Ask::IncidentById { id, reader: None },
    };
    match counter.told(ask).await? {
        Reply::Incident(view) => Ok(json(&view)),
        _ => Err(Problem::busy()),
    }
}

fn about(said: &str) -> Result<About, Problem> {
    let number = said.parse().ok().filter(|_| said.bytes().all(|byte| byte.is_ascii_digit()));
    let known = number.map(|number| About::Id(IncidentId(number)));
    known.or_else(|| Code::parse(said).map(About::Code)).ok_or_else(|| {
        Wrong::NoSuch.because(format!("{said:?} is neither a code like A17 nor a number"))
    })
}

/// What comes with a move.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(rename = "as")]
    by: String,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    epoch: Option<u32>,
    #[serde(default)]
    ending: Option<String>,
    #[serde(default)]
    contact: Option<Contact>,
    #[serde(default)]
    score: Option<u8>,
    #[serde(default)]
    complaint: Option<bool>,
}

/// `POST /api/v1/incidents/{incident}/{move}`: answers once it is on disk.
pub(super) async fn say(
    State(counter): State<Counter>,
    Path((incident, word)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    Params::read(query.as_deref(), &[])?;
    let key = key(&headers)?;
    let said: Said = read(body)?;
    let says = moved(&word, &said)?;
    let about = about(&incident)?;
    let by = person(&counter, &said.by).await?;
    let Said { epoch, note: words, .. } = said;
    let word = Some(key);
    let ask = Ask::Say { about, by, via: Via::Http, epoch, says, words, word };
    match counter.told(ask).await? {
        Reply::Moved(moved) => told(&moved),
        _ => Err(Problem::busy()),
    }
}

/// The one key that was sent.
pub(super) fn key(headers: &HeaderMap) -> Result<WordId, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        let detail =
            "send an Idempotency-Key, a UUID: said again under the same one it counts once";
        return Err(Wrong::KeyMissing.because(detail));
    };
    if keys.next().is_some() {
        return Err(Wrong::KeyBad.because("there are two keys: send one"));
    }
    let key = key.to_str().unwrap_or_default();
    WordId::new(key).map_err(|why| Wrong::KeyBad.because(why.to_string()))
}

/// Reads a body in JSON.
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Problem> {
    let body = body.map_err(|_| {
        let most = super::FORM_MAX;
        Wrong::TooLarge.because(format!("a body has at most {most} bytes: shorten it"))
    })?;
    // What reads an object would take a list of its values, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Wrong::BadBody.because("the body is no JSON object: send {…}"));
    }
    serde_json::from_slice(&body).map_err(|why| match why.is_data() {
        true => bad_field::<T>(&body, &why.to_string()),
        false => Wrong::BadBody.because(why.to_string()),
    })
}

/// The field that is missing, not known, or of another kind than it should be.
fn bad_field<T: DeserializeOwned>(body: &[u8], why: &str) -> Problem {
    let named = |text: &str, what: &str| {
        let name = text.strip_prefix(what)?.strip_prefix(" field `")?;
        Some(name.split_once('`')?.0.to_owned())
    };
    let said = named(why, "missing").or_else(|| named(why, "unknown"));
    let found = said.or_else(|| {
        // Without the one that is wrong the rest is right, or lacks it.
        let whole: Map<String, Value> = serde_json::from_slice(body).ok()?;
        whole
            .keys()
            .find(|name| {
                let mut rest = whole.clone();
                rest.remove(*name);
                match serde_json::from_value::<T>(Value::Object(rest)) {
                    Ok(_) => true,
                    Err(other) => named(&other.to_string(), "missing").as_ref() == Some(name),
                }
            })
            .cloned()
    });
    match found {
        Some(name) => field(&name, format!("`{name}`: {why}")),
        None => Wrong::BadField.because(why),
    }
}

/// What is wrong with one field.
fn field(name: &str, why: impl Into<String>) -> Problem {
    Wrong::BadField.because(why).with("field", Value::from(name))
}

/// The person meant, by the hub's registry.
pub(super) async fn person(counter: &Counter, said: &str) -> Result<PersonId, Problem> {
    if said.trim().is_empty() {
        return Err(field("as", "`as` is empty: give a person's id or name"));
    }
    match counter.told(Ask::Person { said: said.to_owned() }).await? {
        Reply::Person(id) => Ok(id),
        _ => Err(Problem::busy()),
    }
}

/// The move, with everything that belongs to it and nothing else.
fn moved(word: &str, said: &Said) -> Result<Move, Problem> {
    let says = match word {
        "accept" => Move::Accept,
        "decline" => Move::Decline,
        "on-the-way" => Move::OnTheWay,
        "arrive" => Move::Arrive,
        "still-here" => Move::StillHere,
        "need-help" => Move::NeedHelp,
        "resolve" => Move::Resolve { ending: ending(said)?, contact: said.contact },
        "false-alarm" => Move::FalseAlarm { contact: said.contact },
        "follow-up" => {
            Move::FollowUp { score: said.score, complaint: said.complaint.unwrap_or(false) }
        }
        "note" => Move::Note,
        "silence" => Move::Silence,
        "take-over" => Move::TakeOver,
        _ => return Err(Wrong::NoPage.because(format!("{word:?} is no move: {MOVES}"))),
    };
    let foreign = [
        ("ending", said.ending.is_some() && word != "resolve"),
        ("contact", said.contact.is_some() && !matches!(word, "resolve" | "false-alarm")),
        ("score", said.score.is_some() && word != "follow-up"),
        ("complaint", said.complaint.is_some() && word != "follow-up"),
    ];
    if let Some((name, _)) = foreign.iter().find(|(_, there)| *there) {
        return Err(field(name, format!("{name} does not go with {word}")));
    }
    if said.score.is_some_and(|score| !(1..=5).contains(&score)) {
        return Err(field("score", "a score is 1 to 5"));
    }
    note(word, said.note.as_deref())?;
    Ok(says)
}

const MOVES: &str = "accept, decline, on-the-way, arrive, still-here, need-help, resolve, \
                     false-alarm, follow-up, note, silence, take-over";

/// Nothing of a note is dropped in silence.
fn note(word: &str, note: Option<&str>) -> Result<(), Problem> {
    let why = match note {
        None if word == "note" => "say the words in `note`".to_owned(),
        Some(text) if text.trim().is_empty() => "the note is empty: leave it out".to_owned(),
        Some(text) if text.len() > NOTE_MAX_BYTES => {
            let long = text.len();
            format!("a note has at most {NOTE_MAX_BYTES} bytes, this one {long}: shorten it")
        }
        _ => return Ok(()),
    };
    Err(field("note", why))
}

fn ending(said: &Said) -> Result<Ending, Problem> {
    said.ending.as_deref().and_then(Ending::from_word).ok_or_else(|| {
        let words: Vec<&str> = Ending::ALL.iter().map(|ending| ending.word()).collect();
        field("ending", format!("say how it ended: `ending` is one of {}", words.join(", ")))
    })
}

/// What became of a move.
fn told(moved: &Moved) -> Result<Response, Problem> {
    let Some(why) = &moved.ignored else { return Ok(json(moved)) };
    let detail = moved.reason.map_or_else(|| why.clone(), |reason| advice(reason).to_owned());
    let mut problem = Wrong::NothingChanged
        .because(detail)
        .with("code", serde_json::json!(moved.code))
        .with("stage", serde_json::json!(moved.stage))
        .with("reason", serde_json::json!(moved.reason));
    if let Some(stored_at) = moved.stored_at {
        problem = problem.with("stored_at", serde_json::json!(stored_at));
    }
    Err(problem)
}

/// The advice in this interface's words, where the usual one names a command's options.
fn advice(reason: Ignored) -> &'static str {
    match reason {
        Ignored::UnknownPerson => "nobody of that name is registered: see /api/v1/people",
        Ignored::UnknownIncident => "no such incident: see /api/v1/incidents",
        Ignored::NobodyOnScene => {
            "nobody is on scene: arrive first, or say contact: voice if you spoke with the resident"
        }
        Ignored::OthersOnScene => {
            "only who is on scene closes it: arrive first, or say contact: voice if you spoke with \
             the resident"
        }
        Ignored::NoContact => {
            "say how you know, contact: voice or visit; a false alarm needs a word with the resident"
        }
        other => other.advice(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Result<Said, Problem> {
        read(Ok(Bytes::copy_from_slice(json.as_bytes())))
    }

    #[test]
    fn every_move_is_understood_and_nothing_beside_it_is_passed_over() {
        let plain = said(r#"{"as": "zhangmin"}"#).unwrap();
        for word in MOVES.split(", ").filter(|word| !matches!(*word, "resolve" | "note")) {
            assert!(moved(word, &plain).is_ok(), "{word}");
        }
        for word in ["resolve", "note", "dance", ""] {
            assert!(moved(word, &plain).is_err(), "{word}");
        }
        for (word, with) in [
            ("accept", r#""ending": "helped""#),
            ("accept", r#""contact": "voice""#),
            ("resolve", r#""ending": "nobody knows""#),
            ("arrive", r#""score": 3"#),
            ("follow-up", r#""score": 6"#),
            ("note", r#""note": "  ""#),
        ] {
            let said = said(&format!("{{\"as\": \"zhangmin\", {with}}}")).unwrap();
            assert!(moved(word, &said).is_err(), "{word} {with}");
        }
        for bad in ["", "{", "[]", r#"{"as": 7}"#, r#"{}"#, r#"{"as": "a", "note ": "x"}"#] {
            assert!(said(bad).is_err(), "{bad}");
        }
        for (body, field) in [
            (r#"{}"#, "as"),
            (r#"{"as": 7}"#, "as"),
            (r#"{"as": "a", "nota": "x"}"#, "nota"),
            (r#"{"as": "a", "score": 300}"#, "score"),
            (r#"{"as": "a", "contact": "smoke signal"}"#, "contact"),
        ] {
            let found = said(body).unwrap_err();
            let expected = Wrong::BadField.because("").with("field", field.into());
            assert!(found.is_alike(&expected), "{body}: {found:?}");
        }
        let ended = said(r#"{"as": "a", "ending": "helped", "contact": "voice"}"#).unwrap();
        let (ending, contact) = (Ending::Helped, Some(Contact::Voice));
        assert_eq!(moved("resolve", &ended).unwrap(), Move::Resolve { ending, contact });
    }

    #[test]
    fn a_code_and_a_number_name_an_incident_and_nothing_else_does() {
        assert_eq!(about("17").unwrap(), About::Id(IncidentId(17)));
        assert_eq!(about("a17").unwrap(), About::Code(Code::new('A', 17).unwrap()));
        for bad in ["", "+17", "17x", "AA", "99999999999999999999999"] {
            assert!(about(bad).is_err(), "{bad}");
        }
    }
}
