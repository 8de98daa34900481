//! Entries of the record as programs read them, in a list or one by one as events.
//!
//! A fact holds ids. What rows of the registry and the texts of policy and roster hold beside them is
//! left out: names are asked for where they are current, telephone numbers not at all here (see
//! `registered.rs`), and the whole record is read on the box by `anling journal`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::Counter;
use super::answer;
use super::incidents::PAGE;
use super::params::Params;
use super::problem::Problem;
use crate::counter::{Ask, ENTRIES_MAX, EntryView, Reply};
use crate::incident::Fact;
use crate::registry::Change;
use crate::terms::{HubId, Seq, Wall};

/// `GET /api/v1/journal`.
pub(super) async fn list(
    State(counter): State<Counter>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let params = Params::read(query.as_deref(), &["after", "limit"])?;
    let after = Seq(params.number("after", 0..=u64::MAX)?.unwrap_or(0));
    let most = params.number("limit", 1..=ENTRIES_MAX)?.unwrap_or(PAGE);
    let Reply::Entries(read) = counter.told(Ask::Entries { after, most }).await? else {
        return Err(Problem::busy());
    };
    let entries: Vec<Value> = read.entries.iter().map(entry).collect();
    let mut body = json!({ "entries": entries, "newest": read.newest });
    if read.upto < read.newest {
        body["next"] = json!(format!("/api/v1/journal?after={}&limit={most}", read.upto));
    }
    Ok(answer::json(&body))
}

/// One entry.
fn entry(entry: &EntryView) -> Value {
    json!({
        "seq": entry.seq,
        "at": entry.at,
        "wall": entry.wall,
        "clock_trusted": entry.clock_trusted,
        "name": entry.fact.name(),
        "incident": entry.fact.incident(),
        "fact": shown(&entry.fact),
    })
}

/// The same as a CloudEvent 1.0.
pub(super) fn event(hub: &HubId, one: &EntryView) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": format!("{hub}/{}", one.seq),
        "source": format!("/hubs/{}", segment(hub.as_str())),
        "type": format!("anling.fact.{}", one.fact.name()),
        "datacontenttype": "application/json",
        "data": entry(one),
    });
    if let Some(incident) = one.fact.incident() {
        event["subject"] = json!(incident.to_string());
    }
    if let Some(time) = rfc3339(one.wall) {
        event["time"] = json!(time);
    }
    event
}

/// A fact without what it says beside ids.
fn shown(fact: &Fact) -> Value {
    match fact {
        Fact::RegistryChanged { change } => {
            json!({ "registry_changed": { "change": bare(change) } })
        }
        Fact::RegistryBrought { import, change } => {
            json!({ "registry_brought": { "import": import, "change": bare(change) } })
        }
        Fact::PolicyTaken { text } => json!({ "policy_taken": { "bytes": text.len() } }),
        Fact::RosterTaken { text } => json!({ "roster_taken": { "bytes": text.len() } }),
        Fact::HubStopped => json!({ "hub_stopped": {} }),
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

fn bare(change: &Change) -> Value {
    let done = match change {
        Change::Set(_) => "set",
        Change::Removed(_) => "removed",
    };
    json!({ done: change.id() })
}

fn rfc3339(wall: Wall) -> Option<String> {
    jiff::Timestamp::from_millisecond(wall.0).ok().map(|time| format!("{time:.3}"))
}

/// A name as one segment of a URI's path.
fn segment(text: &str) -> String {
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    form.replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Person, Role, Row};
    use crate::terms::{At, PersonId};

    #[test]
    fn a_row_of_the_registry_is_named_and_not_shown() {
        let row = Row::Person(Person {
            id: PersonId::new("zhangmin").unwrap(),
            name: "张敏".to_owned(),
            role: Role::Staff,
            phone: "13800000000".to_owned(),
            email: "zm@yunjian.example".to_owned(),
        });
        let fact = Fact::RegistryChanged { change: Change::Set(row) };
        let one = EntryView { seq: Seq(7), at: At(1), wall: Wall(0), clock_trusted: true, fact };
        let event = event(&HubId::new("幸福里").unwrap(), &one);
        let change = &event["data"]["fact"]["registry_changed"]["change"];
        assert_eq!(*change, json!({ "set": { "person": "zhangmin" } }));
        let text = event.to_string();
        assert!(
            !text.contains("138000") && !text.contains("张敏") && !text.contains('@'),
            "{text}"
        );
        assert_eq!(event["source"], "/hubs/%E5%B9%B8%E7%A6%8F%E9%87%8C");
        assert_eq!(event["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(event["id"], "幸福里/7");
    }
}
