//! Holds `src/contract/` and `firmware-contracts/` together: every vector, every cut of every vector,
//! every frozen byte. The folder is walked, so a new file or vector is a new check. When one of these
//! fails for a frozen version, the code is wrong, never the vector.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what cannot be read fails the test here"
)]

#[path = "contracts/inputs.rs"]
mod inputs;
#[path = "contracts/modbus.rs"]
mod modbus;
#[path = "contracts/modem.rs"]
mod modem;
#[path = "contracts/mutated.rs"]
mod mutated;
#[path = "contracts/native_serial.rs"]
mod native_serial;
#[path = "contracts/vectors.rs"]
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use anling::contract::{self, SAMPLE_MAX_CHARS};
use anling::terms::{At, Command, Decoded, Decoder, HubId, What};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use vectors::{
    NOW, VectorFile, decoder, device, field_reader, files, inbound, mark, vector_files, what,
};

#[test]
fn every_message_is_read_exactly_as_written_down() {
    for stem in ["uplink", "refused"] {
        for (name, file) in vector_files(stem) {
            let mut seen = BTreeSet::new();
            for vector in &file.vector {
                assert!(seen.insert(&vector.name), "{name}: {} stands twice", vector.name);
                assert_eq!(stem == "refused", vector.refusal.is_some(), "{name}: {}", vector.name);
                let got = vector.decode(&mut *decoder(&name, &file), vector.bytes());
                assert_eq!(got, vector.expected(&got), "{name}: {}", vector.name);
            }
            assert!(!seen.is_empty(), "{name} holds no vectors");
        }
    }
}

#[test]
fn every_command_is_written_exactly_as_written_down() {
    for (name, file) in vector_files("downlink") {
        for vector in &file.command {
            let command = Command {
                device: device(&vector.device),
                mark: vector.mark.as_deref().map(mark),
                stage: vector.stage,
            };
            let bridged = field_reader(&name, &file);
            let written = match (&file.hub, bridged) {
                (Some(hub), _) => contract::encode(&command, &HubId::new(hub).unwrap()),
                (None, Some(reader)) => reader.encode(&command).unwrap(),
                (None, None) => {
                    let name = vector.device.strip_prefix("native-serial:").unwrap();
                    let address = contract::serial_address(name).unwrap();
                    (String::new(), contract::encode_serial(address, &command).unwrap())
                }
            };
            assert_eq!(written, (vector.topic.clone(), vector.bytes()), "{}", vector.name);
            assert!(vector.idempotent, "{name}: {}: every stage may be said twice", vector.name);
        }
        let stages: BTreeSet<_> = file.command.iter().map(|vector| vector.stage).collect();
        assert_eq!(stages.len(), 4, "{name}: each stage has a vector");
    }
}

#[test]
fn every_cut_of_every_message_is_refused_or_harmless() {
    for (name, file) in vector_files("uplink") {
        for vector in &file.vector {
            let whole = vector.bytes();
            for cut in 0..whole.len() {
                for decoded in vector.decode(&mut *decoder(&name, &file), whole[..cut].to_vec()) {
                    let Decoded::Report(report) = decoded else { continue };
                    let is_same = vector.reports.iter().any(|said| what(&said.says) == report.what);
                    assert!(
                        is_same || report.what == What::Telemetry,
                        "{name}: {} cut to {cut} bytes says {:?}",
                        vector.name,
                        report.what
                    );
                }
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_every_message_is_refused_or_understood() {
    for stem in ["uplink", "refused"] {
        for (name, file) in vector_files(stem) {
            for vector in file.vector.iter().filter(|vector| vector.repeated.is_none()) {
                let mut reader = decoder(&name, &file);
                let mut bytes = vector.bytes();
                for bit in 0..bytes.len() * 8 {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    for decoded in vector.decode(&mut *reader, bytes.clone()) {
                        let heard_at = match decoded {
                            Decoded::Report(report) => report.heard_at,
                            Decoded::Refusal(refusal) => refusal.heard_at,
                        };
                        assert_eq!(heard_at, NOW, "{name}: {}", vector.name);
                    }
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
        }
    }
}

#[test]
fn every_word_of_the_native_table_and_every_reason_has_a_vector() {
    let mut kinds: BTreeSet<&str> = contract::kinds().collect();
    for (_, file) in vector_files("uplink").into_iter().filter(|(name, _)| is_native(name)) {
        for vector in file.vector.iter().filter(|vector| vector.topic.ends_with("/event")) {
            let payload: Value = serde_json::from_slice(&vector.bytes()).unwrap();
            kinds.remove(payload["kind"].as_str().unwrap());
        }
    }
    assert!(kinds.is_empty(), "without a vector: {kinds:?}");

    for (family, reasons) in [
        (
            "native-mqtt",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "newer_than_us",
                "unknown_kind",
                "trailing_bytes",
                "out_of_range",
                "too_long",
            ][..],
        ),
        (
            "native-serial",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "checksum",
                "newer_than_us",
                "unknown_kind",
                "trailing_bytes",
                "out_of_range",
                "too_long",
            ],
        ),
        (
            "zigbee2mqtt",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
                "empty_signal",
            ],
        ),
        (
            "chirpstack",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "out_of_range",
                "too_long",
            ],
        ),
        (
            "tasmota",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
            ],
        ),
        (
            "shelly",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
                "empty_signal",
            ],
        ),
        (
            "json",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
                "empty_signal",
            ],
        ),
        (
            "alertmanager",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
            ],
        ),
        (
            "modbus",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "checksum",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
            ],
        ),
        ("esphome", &["foreign_topic", "truncated", "malformed", "unknown_kind", "too_long"]),
        (
            "r60afd1",
            &[
                "truncated",
                "malformed",
                "checksum",
                "unknown_kind",
                "trailing_bytes",
                "out_of_range",
                "too_long",
            ],
        ),
        (
            "mr24fdb1",
            &["truncated", "malformed", "checksum", "unknown_kind", "trailing_bytes", "too_long"],
        ),
        ("lines", &["malformed", "unknown_kind", "too_long"]),
        ("ev1527", &["truncated", "malformed", "unknown_kind", "trailing_bytes"]),
        ("rf-bridge", &["truncated", "malformed", "unknown_kind", "trailing_bytes"]),
        ("rflink", &["truncated", "malformed", "unknown_kind", "too_long"]),
        (
            "contact-id",
            &["truncated", "malformed", "checksum", "unknown_kind", "trailing_bytes", "too_long"],
        ),
        (
            "rtl_433",
            &[
                "foreign_topic",
                "truncated",
                "malformed",
                "unknown_kind",
                "trailing_bytes",
                "too_long",
            ],
        ),
    ] {
        let files =
            vector_files("refused").into_iter().filter(|(name, _)| name.starts_with(family));
        let given: BTreeSet<String> = files
            .flat_map(|(_, file)| file.vector)
            .filter_map(|vector| vector.refusal.map(|refused| refused.reason))
            .collect();
        assert_eq!(given, reasons.iter().map(|word| (*word).to_owned()).collect(), "{family}");
    }
}

fn is_native(name: &str) -> bool {
    name.starts_with("native-mqtt/")
}

#[test]
fn every_frozen_byte_is_as_it_was() {
    let files = files();
    let frozen: BTreeMap<String, String> = toml::from_str(&files["frozen.toml"]).unwrap();
    let mut versions = BTreeSet::new();
    for (name, digest) in &frozen {
        let text = files.get(name).unwrap_or_else(|| panic!("{name} is frozen and gone"));
        let now: String =
            Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(&now, digest, "{name} is frozen: put a new vector into a new file beside it");
        versions.insert(name.rsplit_once('/').unwrap().0.to_owned());
    }
    assert!(["native-mqtt/v1", "native-serial/v1"].iter().all(|ours| versions.contains(*ours)));
    // Words may be said better and code mended: the vectors hold both.
    let bound = |name: &str| ![".md", ".c", ".h"].iter().any(|end| name.ends_with(end));
    for (name, _) in files.iter().filter(|(name, _)| bound(name)) {
        let frozen_version = name.rsplit_once('/').is_some_and(|(at, _)| versions.contains(at));
        assert!(
            !frozen_version || frozen.contains_key(name),
            "{name} stands in a frozen version: add its digest to frozen.toml"
        );
    }
}

#[test]
fn every_version_folder_is_complete() {
    let files = files();
    let versions: BTreeSet<&str> =
        files.keys().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect();
    for version in versions {
        for file in ["frame.md", "uplink.toml", "refused.toml"] {
            assert!(files.contains_key(&format!("{version}/{file}")), "{version} has no {file}");
        }
    }
}

/// The part of JSON Schema that our schemas use.
fn broken_rule(schema: &Value, value: &Value) -> Option<String> {
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("type {other} is not known here"),
    };
    let types = match &schema["type"] {
        Value::Array(names) => names.clone(),
        name => vec![name.clone()],
    };
    if !types.iter().any(|name| is_type(name.as_str().unwrap())) {
        return Some(format!("{value} is not a {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return Some(format!("{value} stands in no enum"));
    }
    if let Some(number) = value.as_i64() {
        let low = schema["minimum"].as_i64().is_some_and(|least| number < least);
        let high = schema["maximum"].as_i64().is_some_and(|most| number > most);
        return (low || high).then(|| format!("{value} is out of range"));
    }
    let missing = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|key| value.get(key.as_str().unwrap()).is_none());
    if let Some(key) = missing {
        return Some(format!("{key} is missing"));
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.filter_map(|(key, rule)| broken_rule(rule, value.get(key)?)).next()
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&files()[&format!("native-mqtt/v1/{name}.schema.json")]).unwrap()
}

#[test]
fn the_schemas_say_what_the_vectors_and_the_code_say() {
    let (event, state, cmd) = (schema("event"), schema("state"), schema("cmd"));
    let words = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let kinds: BTreeSet<String> = contract::kinds().map(str::to_owned).collect();
    assert_eq!(words(&event["properties"]["kind"]["enum"]), kinds);
    let required: BTreeSet<String> = ["v", "boot", "seq", "kind"].map(str::to_owned).into();
    assert_eq!(words(&event["required"]), required);

    for (name, file) in vector_files("uplink").into_iter().filter(|(name, _)| is_native(name)) {
        for vector in &file.vector {
            let schema = match vector.topic.rsplit('/').next() {
                Some("event") => &event,
                Some("state") if !vector.bytes().is_empty() => &state,
                _ => continue,
            };
            let payload: Value = serde_json::from_slice(&vector.bytes()).unwrap();
            assert_eq!(broken_rule(schema, &payload), None, "{name}: {}", vector.name);
        }
    }
    for (name, file) in vector_files("downlink").into_iter().filter(|(name, _)| is_native(name)) {
        for vector in &file.command {
            let payload: Value = serde_json::from_slice(&vector.bytes()).unwrap();
            assert_eq!(broken_rule(&cmd, &payload), None, "{name}: {}", vector.name);
        }
    }
}

/// Each decoder as its own vectors set it up.
fn decoders() -> Vec<Box<dyn Decoder>> {
    static FILES: LazyLock<Vec<(String, VectorFile)>> = LazyLock::new(|| vector_files("uplink"));
    FILES.iter().map(|(name, file)| decoder(name, file)).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = || {
        prop::sample::select(vec![
            "v",
            "boot",
            "seq",
            "kind",
            "edge",
            "levels",
            "test",
            "batt_pct",
            "action",
            "sos",
            "smoke",
            "gas",
            "battery",
            "state",
            "status",
            "fall_status",
            "sos",
            "press",
            "emergency",
            "online",
            "",
            "action_code",
            "data",
            "object",
            "button_event",
            "events",
            "alarm_type",
            "Button1",
            "Action",
            "RfReceived",
            "Data",
            "ZbReceived",
            "ZoneStatus",
            "method",
            "NotifyEvent",
            "NotifyStatus",
            "params",
            "component",
            "event",
            "event_cnt",
            "smoke:0",
            "alarm",
            "model",
            "id",
            "cmd",
            "X10-Security",
        ])
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2i64..200).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn any_topic() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "B-14",
        "三号楼/501-按钮",
        "keypad",
        "x",
        "",
        "bridge",
        "24e124535b310001",
        "button-301",
        "shellyplusi4-a8032abe54dc",
        "box",
    ]);
    let last = prop::sample::select(vec![
        "",
        "/event",
        "/state",
        "/status",
        "/cmd",
        "/availability",
        "/action",
        "/smoke",
        "/set",
        "/",
        "/event/up",
        "/event/status",
        "/LWT",
        "/RESULT",
        "/events/rpc",
        "/status/smoke:0",
        "/input_event/0",
        "/sensor/smoke",
        "/online",
        "/events",
    ]);
    let base = prop::sample::select(vec![
        "zigbee2mqtt/",
        "anling/v1/hub-7/",
        "anling/v9/hub-7/",
        "application/17c8/device/",
        "tele/",
        "stat/",
        "shellies/",
        "rtl_433/",
        "",
    ]);
    prop_oneof![
        (base, name, last).prop_map(|(base, name, last)| format!("{base}{name}{last}")),
        any::<String>(),
    ]
}

/// What holds of every answer, whatever was said.
fn is_sound(topic: &str, bytes: &[u8], retained: bool) -> Result<(), TestCaseError> {
    for mut decoder in decoders() {
        for at in [NOW, At(NOW.0 + 1), At(0)] {
            for decoded in decoder.take(at, &inbound(topic, bytes.to_vec(), retained, at)) {
                match decoded {
                    Decoded::Report(report) => {
                        prop_assert_eq!((report.retained, report.heard_at), (retained, at));
                    }
                    Decoded::Refusal(refusal) => {
                        prop_assert!(refusal.sample.chars().count() <= SAMPLE_MAX_CHARS);
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_on_any_topic_panic(topic in any_topic(), bytes: Vec<u8>, retained: bool) {
        is_sound(&topic, &bytes, retained)?;
    }

    #[test]
    fn no_json_on_any_topic_panics(topic in any_topic(), json in any_json(), retained: bool) {
        is_sound(&topic, json.to_string().as_bytes(), retained)?;
    }
}
