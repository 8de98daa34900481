//! Calls that are heard, with the real binary and a modem on a real pseudo-terminal.

use std::time::Duration;

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::modem::{ModemSim, with_voice, works};
use crate::telephones::Telephone;

/// Who stands on the first and the second line: see the hub's roster and the shipped list.
const ZHANGMIN: &str = "13800138001";
const CHENJIE: &str = "13800138003";
const VOICE: &str = "[\"voice\"]";
const SOON: Duration = Duration::from_millis(300);

fn event(hub: &Hub, device: &str, seq: u32, kind: &str) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, kind));
}

fn becomes(hub: &Hub, code: &str, wanted: &str) {
    soon(&format!("{code} to be {wanted}"), || {
        (hub.incident(code)["stage"] == wanted).then_some(())
    });
}

fn one(by: &str, steps: &str) -> (Hub, ModemSim) {
    let mut hub = Hub::prepared();
    let paths = with_voice(&hub, &["front"], by);
    hub.steps(steps);
    let modem = ModemSim::plug(&paths[0]);
    hub.start();
    works(&hub, "front");
    (hub, modem)
}

/// What became of the calls, in order: whom, and why not.
fn outcomes(hub: &Hub) -> Vec<(String, Value)> {
    let all = hub.facts("outcome_heard").into_iter();
    let calls = all.filter(|fact| fact["order"]["carrier"] == "voice");
    calls
        .map(|fact| (fact["order"]["person"].as_str().unwrap().into(), fact["outcome"].clone()))
        .collect()
}

fn why(hub: &Hub, person: &str, word: &str) {
    soon(&format!("{word} of {person}, not {:?}", outcomes(hub)), || {
        let fits = |(who, outcome): &(String, Value)| {
            who == person && outcome["try_later"]["why"].as_str().is_some_and(|w| w.contains(word))
        };
        outcomes(hub).iter().any(fits).then_some(())
    });
}

#[test]
fn with_internet_and_mail_dead_a_second_line_person_is_reached_by_voice_and_accepts() {
    let mut hub = Hub::prepared();
    let paths = with_voice(&hub, &["front"], "[\"mail\", \"voice\"]");
    // Nobody listens on these ports: no mail server, no machine in the internet.
    hub.append(
        "notify.toml",
        "\n[mail]\nfrom = \"anling@yunjian.example\"\n[mail.relay.local]\nhost = \"127.0.0.1\"\n\
         port = 9\ntls = \"none\"\n",
    );
    hub.with_webhook("platform", "http://127.0.0.1:9/");
    // A step of 60 s in 8.
    hub.steps("8s");
    let modem = ModemSim::plug(&paths[0]);
    modem.telephone(ZHANGMIN, Telephone::Rings);
    modem.telephone(CHENJIE, Telephone::Answers(SOON, "1"));
    hub.start();
    works(&hub, "front");
    event(&hub, "B-01", 1, "sos");
    becomes(&hub, "A01", "accepted");
    let view = hub.incident("A01");
    assert!(view["age_ms"].as_u64().unwrap() < 180_000, "{view}");
    assert_eq!(modem.inside().telephones.dialled, [ZHANGMIN, CHENJIE]);
    let said = modem.inside().telephones.said.clone();
    assert_eq!((said.len(), said[0].0.as_str()), (1, CHENJIE), "{said:?}");
    let begins = "紧急呼叫，尚无人接警，三号楼二单元五零一";
    assert!(said[0].1.starts_with(begins) && said[0].1.contains("接警请按一"), "{said:?}");
    let ours = outcomes(&hub);
    assert_eq!(ours[0].0, "zhangmin");
    assert_eq!(ours[0].1["try_later"]["why"], "no answer");
    assert_eq!(ours.last().unwrap(), &("chenjie".to_owned(), "seen".into()));
    let answers = hub.facts("answer_heard");
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (&answers[0]["answer"]["by"], &answers[0]["answer"]["via"]),
        (&"chenjie".into(), &"voice".into())
    );
    soon("the end of the call", || (modem.inside().telephones.hung_up == 2).then_some(()));
    let status = hub.does(&["status"]);
    assert!(status.contains("ago: accepted with key 1"), "{status}");
    assert!(!hub.log().contains(CHENJIE), "its number is nobody's business");
}

#[test]
fn two_is_the_menu_again_zero_calls_the_next_at_once_and_a_call_comes_after_its_message() {
    let (hub, modem) = one("[\"voice\", \"sms\"]", "60s");
    modem.telephone(ZHANGMIN, Telephone::Answers(SOON, "20"));
    modem.telephone(CHENJIE, Telephone::Answers(SOON, "91"));
    event(&hub, "B-01", 1, "sos");
    modem.takes(ZHANGMIN, &["紧急求助"]);
    modem.dials(ZHANGMIN, 1);
    modem.dials(CHENJIE, 1);
    becomes(&hub, "A01", "accepted");
    let inside = modem.inside();
    let said: Vec<&str> = inside.telephones.said.iter().map(|(who, _)| who.as_str()).collect();
    assert_eq!(said, [ZHANGMIN, ZHANGMIN, CHENJIE, CHENJIE]);
    let place = |word: &str| inside.asked.iter().position(|told| told.starts_with(word)).unwrap();
    assert!(place("AT+CMGS=") < place("ATD"), "{:?}", inside.asked);
    assert!(!inside.telephones.disturbed, "no message in the middle of a call");
    assert!(inside.telephones.hung_up == 2);
    drop(inside);
    let people = hub.incident("A01")["people"].clone();
    assert!(people.to_string().contains("declined"), "{people}");
    // Being told that somebody has it rings nobody's telephone.
    modem.takes(CHENJIE, &["已登记：您已接警A01"]);
    assert_eq!(modem.inside().telephones.dialled.len(), 2);
}

#[test]
fn a_telephone_stops_ringing_once_somebody_has_accepted() {
    let (hub, modem) = one(VOICE, "60s");
    event(&hub, "B-01", 1, "sos");
    modem.dials(ZHANGMIN, 1);
    assert_eq!(hub.says("A01", "liuqiang", &["accept"]).code, 0);
    soon("the end of the call", || (modem.inside().telephones.hung_up == 1).then_some(()));
    assert_eq!(modem.inside().telephones.said, []);
    soon("its word", || hub.does(&["status"]).contains("ago: taken back").then_some(()));
}

#[test]
fn why_a_call_reached_nobody_is_told_apart_and_a_fourth_in_a_quarter_of_an_hour_is_put_off() {
    let mut hub = Hub::prepared();
    let paths = with_voice(&hub, &["front"], VOICE);
    hub.edit(
        "ladders.toml",
        "who = [\"line:first\"], by = [\"voice\"]",
        "who = [\"line:first\", \"line:second\"], by = [\"voice\"]",
    );
    let modem = ModemSim::plug(&paths[0]);
    hub.start();
    works(&hub, "front");
    modem.telephone(ZHANGMIN, Telephone::Busy);
    modem.telephone(CHENJIE, Telephone::HangsUp);
    event(&hub, "B-01", 1, "sos");
    why(&hub, "zhangmin", "busy");
    why(&hub, "chenjie", "hung up");
    modem.telephone(CHENJIE, Telephone::NoWay);
    event(&hub, "B-02", 1, "sos");
    why(&hub, "chenjie", "not connected");
    event(&hub, "B-03", 1, "sos");
    event(&hub, "B-04", 1, "sos");
    why(&hub, "zhangmin", "put off: called 3 times in 15 min");
    let inside = modem.inside();
    let calls = |number: &str| inside.telephones.dialled.iter().filter(|n| *n == number).count();
    assert_eq!(calls(ZHANGMIN), 3);
    assert!(calls(CHENJIE) <= 3);
}
