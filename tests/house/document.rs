//! The OpenAPI document, walked: every address in it is asked as its own example says, and what comes
//! back is what it says comes back.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::{Reader, Told, ask_with};
use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};

/// What a value lacks of a schema, and what it has beside it.
struct Judge<'d> {
    document: &'d Value,
    wrong: Vec<String>,
}

impl Judge<'_> {
    fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        let Some(path) = value["$ref"].as_str() else { return value };
        let found = self.document.pointer(path.strip_prefix('#').unwrap());
        found.unwrap_or_else(|| panic!("{path} leads nowhere"))
    }

    fn judge(&mut self, at: &str, schema: &Value, value: &Value) {
        let schema = self.resolved(schema).clone();
        if let Some(any) = schema["anyOf"].as_array() {
            let fits = any.iter().any(|one| {
                let mut judge = Judge { document: self.document, wrong: Vec::new() };
                judge.judge(at, one, value);
                judge.wrong.is_empty()
            });
            if !fits {
                self.wrong.push(format!("{at}: {value} is none of {any:?}"));
            }
            return;
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            other => panic!("{at}: a schema without a type: {other}"),
        };
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.contains(&is) {
            self.wrong.push(format!("{at}: {value} is not {types:?}"));
            return;
        }
        if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
            self.wrong.push(format!("{at}: {value} is not one of {words:?}"));
        }
        for (n, item) in value.as_array().into_iter().flatten().enumerate() {
            self.judge(&format!("{at}[{n}]"), &schema["items"], item);
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        let Some(object) = value.as_object() else { return };
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                self.wrong.push(format!("{at}: no {name}"));
            }
        }
        for (name, value) in object {
            match properties.get(name) {
                Some(schema) => self.judge(&format!("{at}.{name}"), schema, value),
                None => self.wrong.push(format!("{at}: {name} is not described")),
            }
        }
    }
}

fn judged(document: &Value, at: &str, schema: &Value, value: &Value) -> Vec<String> {
    let mut judge = Judge { document, wrong: Vec::new() };
    judge.judge(at, schema, value);
    judge.wrong
}

/// The address with its own examples in it, percent-encoded.
fn address(path: &str, operation: &Value) -> String {
    let mut address = path.to_owned();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "path" {
            let example =
                parameter["example"].as_str().unwrap_or_else(|| panic!("{path}: {parameter}"));
            let escaped: String = example
                .bytes()
                .map(|byte| match byte.is_ascii_alphanumeric() || byte == b'-' {
                    true => char::from(byte).to_string(),
                    false => format!("%{byte:02X}"),
                })
                .collect();
            address =
                address.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &escaped);
        }
    }
    assert!(!address.contains('{'), "{path}: a part without an example");
    address
}

/// Asks as the document says.
fn asked(hub: &Hub, method: &str, path: &str, operation: &Value) -> Told {
    let mut headers = vec![("host".to_owned(), "127.0.0.1".to_owned())];
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "header" && parameter["required"] == true {
            let word = |name: &str| parameter[name].as_str().unwrap().to_owned();
            headers.push((word("name"), word("example")));
        }
    }
    let mut body = String::new();
    for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        headers.push(("content-type".to_owned(), kind.clone()));
        let example = &content["example"];
        body = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
    }
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let line = format!("{} {}", method.to_uppercase(), address(path, operation));
    ask_with(hub.console_port(), &line, &headers, &body)
}

fn house() -> Hub {
    let hub = Hub::open();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("the incident", || (!hub.open_on("B-02").is_empty()).then_some(()));
    hub
}

#[test]
fn every_address_in_the_document_answers_as_it_says() {
    let hub = house();
    let document = hub.has("/api/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(operation["summary"].is_string(), "{path}");
            if path == "/api/v1/events" {
                continue;
            }
            let told = asked(&hub, method, path, operation);
            let judge = Judge { document: &document, wrong: Vec::new() };
            let response = judge.resolved(&operation["responses"][told.status.to_string()]);
            assert!(response.is_object(), "{method} {path} answers {told:?}");
            let kinds = response["content"].as_object().unwrap();
            let kind = told.kind().split(';').next().unwrap();
            let content = kinds.get(kind).unwrap_or_else(|| panic!("{method} {path}: {told:?}"));
            // The page behind a link wants one of a real message, and signals a source's token; all else
            // does as its example says.
            let wants_more = matches!(path.as_str(), "/a/{pass}" | "/api/v1/signals");
            assert!(told.status == 200 || wants_more, "{method} {path}: {told:?}");
            if content["schema"].is_object() {
                wrong.extend(judged(&document, path, &content["schema"], &told.json()));
            }
        }
    }
    assert!(names.len() > 15 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn problems_past_incidents_beats_and_events_are_as_the_document_says() {
    let hub = house();
    let document = hub.has("/api/openapi.json");
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let ending = r#"{"as": "zhangmin", "ending": "helped"}"#;
    let told = hub.posts("/api/v1/incidents/A01/resolve", "k", ending);
    let mut wrong = judged(&document, "problem", &schema("Problem"), &told.json());
    let past = hub.has("/api/v1/incidents?all");
    wrong.extend(judged(&document, "past", &schema("Incidents"), &past));
    let plan = hub.has("/api/v1/roster?days=3");
    wrong.extend(judged(&document, "plan", &schema("Roster"), &plan));
    let newest = hub.status()["last_seq"].as_u64().unwrap();
    let mut reader = Reader::open(hub.console_port(), "?after=0", None);
    loop {
        let event = reader.next().unwrap();
        let name = if event.name == "beat" { "Beat" } else { "Event" };
        wrong.extend(judged(&document, &event.name, &schema(name), &event.data));
        if event.id == Some(newest) && name == "Event" {
            break;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let kinds = hub.has("/api/v1/problems");
    let known = kinds["problems"].as_array().unwrap();
    assert!(known.iter().any(|kind| kind["type"] == told.json()["type"]));
}
