//! What an answer over HTTPS means for the events that were sent. Pure.
//!
//! Platforms answer 200 and say in the body that nothing was taken; so a platform's table may name a
//! place in the body and what must stand there. An answer that names events settles those alone; one
//! that names an event which was not sent is about something else, and settles nothing. Only an answer
//! that blames the content makes a dead letter: what a technician can mend loses nothing.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;

use crate::notify::endpoint::BLAMES_THE_EVENT;
use crate::notify::wire::Reply;

/// How much of an answer is told to people, in characters.
const SAID_MAX: usize = 80;

/// What a 2xx answer's body must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Where, as a JSON pointer (RFC 6901): `/code`.
    pub pointer: String,
    /// What must stand there.
    pub is: Value,
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These of the events sent were taken, by their places.
    Taken(Vec<usize>),
    /// The content is refused for good, of one of them at least.
    Blamed {
        /// Why, in a few words.
        why: String,
        /// It is the length that is wrong.
        too_large: bool,
    },
    /// Nothing was settled.
    Later {
        /// Why, in a few words.
        why: String,
        /// The pause it asked for.
        after: Option<Duration>,
    },
}

/// What an answer means for the events with these ids, and what the platform says beside it.
pub(super) fn judge(
    reply: &Reply,
    sent: &[String],
    test: Option<&Accepted>,
) -> (Verdict, Option<Value>) {
    let later = |why: &str, after| Verdict::Later { why: why.to_owned(), after };
    let (status, after, body) = match reply {
        Reply::Answered { status, retry_after, body, .. } => (*status, *retry_after, body),
        Reply::NoConnection => return (later("no connection", None), None),
        Reply::Broken => return (later("the connection broke", None), None),
        Reply::NoAnswer => return (later("no answer in time", None), None),
    };
    if !status.is_success() {
        let why = format!("answered {}", status.as_u16());
        return match BLAMES_THE_EVENT.contains(&status) {
            true => {
                let too_large = status == StatusCode::PAYLOAD_TOO_LARGE;
                (Verdict::Blamed { why, too_large }, None)
            }
            false => (Verdict::Later { why, after }, None),
        };
    }
    let mut said: Option<Value> = serde_json::from_slice(body).ok();
    let down = said.as_mut().and_then(|said| said.as_object_mut()?.remove("down"));
    if let Some(test) = test {
        let found = said.as_ref().and_then(|said| said.pointer(&test.pointer));
        if found != Some(&test.is) {
            let why = format!("answered {} and said {}", status.as_u16(), cut(body));
            return (Verdict::Later { why, after }, down);
        }
    }
    (taken(status, said.as_ref(), sent), down)
}

/// Which events an answer that is a yes speaks of: those it names, else all.
fn taken(status: StatusCode, said: Option<&Value>, sent: &[String]) -> Verdict {
    let named: Vec<&Value> = match said {
        Some(Value::Object(said)) => match (said.get("taken"), said.get("id")) {
            (Some(Value::Array(taken)), _) => taken.iter().collect(),
            (_, Some(id @ Value::String(_))) => vec![id],
            _ => return Verdict::Taken((0..sent.len()).collect()),
        },
        _ => return Verdict::Taken((0..sent.len()).collect()),
    };
    let mut places = Vec::with_capacity(named.len());
    for name in named {
        match sent.iter().position(|id| name.as_str() == Some(id)) {
            Some(place) => places.push(place),
            None => {
                let name = cut(name.to_string().as_bytes());
                let why = format!("answered {} for another event: {name}", status.as_u16());
                return Verdict::Later { why, after: None };
            }
        }
    }
    if places.is_empty() {
        let why = format!("answered {} and took none", status.as_u16());
        return Verdict::Later { why, after: None };
    }
    Verdict::Taken(places)
}

/// The beginning of what was said, on one line.
fn cut(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let cut: String = plain.take(SAID_MAX).collect();
    if cut.trim().is_empty() { "nothing".to_owned() } else { cut }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn answered(status: u16, body: &str) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        Reply::Answered {
            status,
            retry_after: None,
            date: None,
            body: Bytes::from(body.to_owned()),
        }
    }

    fn sent() -> Vec<String> {
        ["hub/7", "hub/8", "hub/9"].map(str::to_owned).to_vec()
    }

    fn meant(reply: &Reply, test: Option<&Accepted>) -> Verdict {
        judge(reply, &sent(), test).0
    }

    fn is_later(verdict: &Verdict, part: &str) -> bool {
        matches!(verdict, Verdict::Later { why, .. } if why.contains(part))
    }

    #[test]
    fn a_yes_that_names_nothing_takes_all_and_one_that_names_some_takes_those() {
        for body in ["", "ok", "null", "{}", r#"{"code":0,"msg":"ok"}"#] {
            assert_eq!(meant(&answered(200, body), None), Verdict::Taken(vec![0, 1, 2]), "{body}");
        }
        let some = answered(202, r#"{"taken":["hub/7","hub/9"]}"#);
        assert_eq!(meant(&some, None), Verdict::Taken(vec![0, 2]));
        assert_eq!(meant(&answered(200, r#"{"id":"hub/8"}"#), None), Verdict::Taken(vec![1]));
    }

    #[test]
    fn an_answer_for_another_event_settles_nothing() {
        for body in [r#"{"id":"hub/6"}"#, r#"{"taken":["hub/7","other/8"]}"#, r#"{"taken":[7]}"#] {
            let verdict = meant(&answered(200, body), None);
            assert!(is_later(&verdict, "for another event"), "{body}: {verdict:?}");
        }
        assert!(is_later(&meant(&answered(200, r#"{"taken":[]}"#), None), "took none"));
    }

    #[test]
    fn two_hundred_with_an_error_in_it_is_no_yes() {
        let test = Accepted { pointer: "/code".to_owned(), is: json!(0) };
        let meant = |body: &str| meant(&answered(200, body), Some(&test));
        assert_eq!(meant(r#"{"code":0}"#), Verdict::Taken(vec![0, 1, 2]));
        assert!(is_later(&meant(r#"{"code":40001,"msg":"签名错误"}"#), "签名错误"));
        for body in ["", "<html>busy</html>", r#"{"code":"0"}"#, r#"{"data":{"code":0}}"#, "[0]"] {
            assert!(is_later(&meant(body), "answered 200 and said"), "{body}");
        }
        let long = meant(&format!(r#"{{"code":1,"msg":"{}"}}"#, "长".repeat(5_000)));
        assert!(matches!(long, Verdict::Later { why, .. } if why.chars().count() < 120));
    }

    #[test]
    fn what_blames_the_content_is_dead_and_everything_else_waits() {
        for status in [400, 406, 409, 410, 413, 415, 422] {
            assert!(
                matches!(meant(&answered(status, ""), None), Verdict::Blamed { .. }),
                "{status}"
            );
        }
        for status in [301, 401, 403, 404, 408, 429, 500, 503] {
            assert!(is_later(&meant(&answered(status, ""), None), "answered"), "{status}");
        }
        for (reply, why) in [
            (Reply::NoConnection, "no connection"),
            (Reply::Broken, "broke"),
            (Reply::NoAnswer, "in time"),
        ] {
            assert!(is_later(&meant(&reply, None), why));
        }
        let wait = Some(Duration::from_secs(7));
        let status = StatusCode::TOO_MANY_REQUESTS;
        let busy = Reply::Answered { status, retry_after: wait, date: None, body: Bytes::new() };
        assert!(matches!(meant(&busy, None), Verdict::Later { after, .. } if after == wait));
    }

    #[test]
    fn what_the_platform_says_beside_is_found_whatever_the_verdict() {
        let body = r#"{"code":1,"down":[{"id":"1"}]}"#;
        let test = Accepted { pointer: "/code".to_owned(), is: json!(0) };
        let (verdict, down) = judge(&answered(200, body), &sent(), Some(&test));
        assert!(matches!(verdict, Verdict::Later { .. }));
        assert_eq!(down, Some(json!([{"id": "1"}])));
        assert_eq!(judge(&answered(500, body), &sent(), None).1, None);
    }
}
