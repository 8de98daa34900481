//! A district platform: dead for a while, over a restart and a kill; what it says back; its signs of
//! life; another address by a reload.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{HUB, Hub, soon, tool};
use crate::mosquitto::Mosquitto;
use crate::receivers::{Mood, Receiver};

/// A broker that remembers what it is asked to keep for the district's own software.
const KEEPS: &str =
    "persistence true\nautosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0";

fn with_platform(hub: &Hub, table: &str) {
    hub.append("registry/people.csv", "quzhiban,区值班员,district,00000000009,\n");
    hub.append("district.toml", &format!("\n[platform.county]\nperson = \"quzhiban\"\n{table}\n"));
}

fn over_mqtt(hub: &Hub, port: u16) {
    let table = format!("[platform.county.mqtt]\nhost = \"127.0.0.1\"\nport = {port}");
    with_platform(hub, &table);
}

/// The district's own software at its broker: subscribes once, and reads what was kept later.
fn sub(port: u16, more: &[&str]) -> std::process::Output {
    let topic = format!("anling/v1/{HUB}/up");
    let port = port.to_string();
    let mut command = tool("mosquitto_sub", "mosquitto-clients");
    command.args(["-p", &port, "-c", "-i", "district", "-q", "1", "-t", &topic]).args(more);
    command.stderr(Stdio::null()).output().unwrap()
}

fn heard(port: u16) -> Vec<Value> {
    let output = sub(port, &["-W", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn owed(hub: &Hub) -> u64 {
    let endpoints = hub.status()["endpoints"].clone();
    let county = endpoints.as_array().unwrap().iter().find(|e| e["name"] == "county").unwrap();
    county["owed"].as_u64().unwrap()
}

fn number(event: &Value) -> u64 {
    event["id"].as_str().unwrap().rsplit('/').next().unwrap().parse().unwrap()
}

#[test]
fn a_dead_district_costs_nobody_a_call_and_hears_everything_in_order_when_it_is_back() {
    let mut broker = Mosquitto::open(KEEPS);
    sub(broker.port, &["-E"]);
    std::thread::sleep(Duration::from_millis(1_500));
    broker.kill();
    let mut hub = Hub::prepared();
    over_mqtt(&hub, broker.port);
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    soon("the word that it is down", || {
        hub.does(&["status"]).contains("county DOWN").then_some(())
    });
    soon("the hub's own trouble", || {
        let is = |i: &Value| i["device"] == "hub:endpoint.platform.county";
        hub.incidents().into_iter().find(is)
    });
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin"]);
    hub.does(&["incident", "A01", "arrive", "--as", "zhangmin"]);
    hub.kill();
    hub.start();
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A02", "紧急求助"]);
    hub.does(&["incident", "A01", "resolve", "--as", "zhangmin", "--ending", "helped"]);
    assert_eq!(hub.stop(), 0);
    hub.start();
    let waits = owed(&hub);
    assert!(waits >= 6, "{waits} owed");
    assert!(hub.does(&["status"]).contains("district  county"), "{}", hub.does(&["status"]));

    broker.start();
    soon("nothing owed", || (owed(&hub) == 0).then_some(()));
    soon("the word that it is up", || hub.does(&["status"]).contains("county up").then_some(()));
    let all = heard(broker.port);
    let record: Vec<&Value> =
        all.iter().filter(|event| event["type"] != "anling.hub.alive").collect();
    let numbers: Vec<u64> = record.iter().map(|event| number(event)).collect();
    let mut once = numbers.clone();
    once.dedup();
    assert!(once.is_sorted() && once.len() as u64 >= waits, "{numbers:?}");
    let story: Vec<&str> = record
        .iter()
        .filter(|event| event["subject"] == "A01")
        .map(|event| event["type"].as_str().unwrap().rsplit('.').next().unwrap())
        .collect();
    for word in ["raised", "accepted", "on_scene", "resolved"] {
        assert!(story.contains(&word), "{story:?}");
    }
    assert_eq!(story[0], "raised");
}

#[test]
fn what_the_district_says_counts_once_and_what_it_cannot_mean_is_only_recorded() {
    let broker = Mosquitto::open(KEEPS);
    let mut hub = Hub::prepared();
    over_mqtt(&hub, broker.port);
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    soon("nothing owed", || (owed(&hub) == 0).then_some(()));
    let down = format!("anling/v1/{HUB}/down");
    let take = r#"{"id":"7f-1","type":"take-over","incident":"A01","text":"区里来处理"}"#;
    for _ in 0..3 {
        broker.says(&down, take, &[]);
    }
    soon("the take-over", || (hub.incident("A01")["stage"] == "accepted").then_some(()));
    let view = hub.incident("A01");
    assert!(view["notes"].to_string().contains("区里来处理"), "{view}");
    hub.kill();
    hub.start();
    broker.says(&down, take, &[]);
    // Without a name it is known by what it says: it takes no other's place.
    for _ in 0..4 {
        broker.says(&down, "{", &[]);
    }
    for (text, why) in [
        ("{", "no JSON object"),
        (r#"{"id":"1","type":"resolve","incident":"A01"}"#, "neither a take-over nor a note"),
        (r#"{"id":"2","type":"note","incident":"A99","text":"x"}"#, "not known here"),
        (r#"{"id":"7f-1","type":"note","incident":"A01","text":"x"}"#, "for something else"),
        (r#"{"id":"3","type":"note","incident":"A01","hub":"zs-other","text":"x"}"#, "another hub"),
        (r#"{"id":"4","type":"take-over","incident":"A01","epoch":99}"#, "has not reached"),
    ] {
        broker.says(&down, text, &[]);
        soon(why, || {
            let found = hub.facts("found");
            found.iter().any(|fact| fact.to_string().contains(why)).then_some(())
        });
    }
    for n in 0..40 {
        broker.says(&down, &format!("rubbish {n}"), &[]);
    }
    broker.says(&down, r#"{"id":"7f-2","type":"note","incident":"A01","text":"家属已到"}"#, &[]);
    soon("the note", || {
        hub.incident("A01")["notes"].to_string().contains("家属已到").then_some(())
    });
    let answers = hub.facts("answer_heard");
    assert_eq!(answers.len(), 2, "one take-over and one note: {answers:?}");
    assert!(answers.iter().all(|fact| fact["answer"]["via"] == "district"), "{answers:?}");
    assert!(hub.facts("found").len() <= 12, "rubbish fills no record: {:?}", hub.facts("found"));
    assert_eq!(hub.incident("A01")["stage"], "accepted");
}

#[test]
fn a_platform_hears_that_the_hub_lives_with_the_head_of_the_chain() {
    let platform = Receiver::open(Mood::Takes);
    let mut hub = Hub::prepared();
    with_platform(
        &hub,
        &format!("[platform.county.https]\nurl = \"{}\"\nbatch = false", platform.url()),
    );
    hub.start();
    let sign = soon("a sign of life", || platform.signs().into_iter().next());
    assert!(sign["id"].as_str().unwrap().starts_with(&format!("{HUB}/alive/")), "{sign}");
    let record = &sign["data"]["record"];
    let chain = record["chain"].as_str().unwrap();
    let seq = record["seq"].as_u64().unwrap();
    assert!(seq > 0 && chain.len() == 64, "{sign}");
    let export = hub.does(&["journal", "export", "--to", &(seq + 50).to_string()]);
    assert!(export.contains(chain), "the chain's head stands in the record");
}

#[test]
fn what_is_owed_to_a_platform_goes_to_its_new_address() {
    let (old, new) = (Receiver::open(Mood::NeverAnswers), Receiver::open(Mood::Takes));
    let mut hub = Hub::prepared();
    let table = |url: &str| {
        format!("[platform.county.https]\nurl = \"{url}\"\nbatch = false\ntime_limit = \"2s\"")
    };
    with_platform(&hub, &table(&old.url()));
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    soon("a try at the old address", || (old.asked() > 0).then_some(()));
    hub.edit("district.toml", &old.url(), &new.url());
    hub.signal("HUP");
    new.hears("raised", "A01");
    soon("a sign of life there", || (!new.signs().is_empty()).then_some(()));
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    new.hears("raised", "A02");
    soon("nothing owed", || (owed(&hub) == 0).then_some(()));
}

/// mosquitto's access rules that answer a refused subscription with a no, and where they stand.
fn rules(dir: &std::path::Path, subscribe: bool) -> String {
    let file = dir.join("dynsec.json");
    let default = format!(
        r#"{{"publishClientSend":true,"publishClientReceive":true,"subscribe":{subscribe},"unsubscribe":true}}"#
    );
    let rules = format!(r#"{{"defaultACLAccess":{default},"clients":[],"groups":[],"roles":[]}}"#);
    std::fs::write(&file, rules).unwrap();
    let found = std::fs::read_dir("/usr/lib").unwrap().filter_map(|entry| {
        let plugin = entry.unwrap().path().join("mosquitto_dynamic_security.so");
        plugin.is_file().then_some(plugin)
    });
    let plugin = found.last().expect("install the Debian package mosquitto");
    format!("plugin {}\nplugin_opt_config_file {}", plugin.display(), file.display())
}

#[test]
fn a_district_that_cannot_be_heard_is_a_fault_until_its_broker_lets_us_hear_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Mosquitto::open(&rules(dir.path(), false));
    let mut hub = Hub::prepared();
    over_mqtt(&hub, broker.port);
    hub.start();
    soon("the word that it is not heard", || {
        let status = hub.does(&["status"]);
        (status.contains("county up") && status.contains("NOT HEARD")).then_some(())
    });
    let fault = soon("the fault", || hub.open_on("hub:access.platform.county").first().cloned());
    assert_eq!(fault["class"], "fault");
    broker.kill();
    rules(dir.path(), true);
    broker.start();
    soon("the word that it is heard", || {
        (!hub.does(&["status"]).contains("NOT HEARD")).then_some(())
    });
    let down = format!("anling/v1/{HUB}/down");
    broker.says(&down, "rubbish", &[]);
    soon("what it says", || {
        hub.facts("found").iter().any(|fact| fact.to_string().contains("no JSON")).then_some(())
    });
    let told = hub.facts("hub_trouble");
    let access = |broken: bool| {
        let of = |fact: &&Value| fact["trouble"]["kind"] == "access";
        told.iter().filter(of).filter(|fact| fact["trouble"]["broken"] == broken).count()
    };
    assert_eq!((access(true), access(false)), (1, 1), "{told:?}");
}
