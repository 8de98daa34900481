//! Calls by short message, with the real binary and modems on real pseudo-terminals.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::modem::{ModemSim, Mood, with_modems, works};

/// Who stands on the first line: see the hub's roster and the shipped list.
const ZHANGMIN: &str = "13800138001";
const LIUQIANG: &str = "13800138004";

fn event(hub: &Hub, device: &str, seq: u32, kind: &str) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, kind));
}

fn stage(hub: &Hub, code: &str) -> String {
    hub.incident(code)["stage"].as_str().unwrap().to_owned()
}

fn becomes(hub: &Hub, code: &str, wanted: &str) {
    soon(&format!("{code} to be {wanted}"), || (stage(hub, code) == wanted).then_some(()));
}

/// A hub with one modem that works.
fn one() -> (Hub, ModemSim) {
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["front"]);
    let modem = ModemSim::plug(&paths[0]);
    hub.start();
    works(&hub, "front");
    (hub, modem)
}

fn answers(hub: &Hub) -> Vec<Value> {
    hub.facts("answer_heard")
}

fn troubles(hub: &Hub, subject: &str) -> Vec<bool> {
    let all = hub.facts("hub_trouble").into_iter().map(|fact| fact["trouble"].clone());
    let ours = all.filter(|trouble| trouble["subject"] == subject && trouble["kind"] == "carrier");
    ours.map(|trouble| trouble["broken"].as_bool().unwrap()).collect()
}

#[test]
fn a_call_goes_out_as_one_message_and_four_digits_carry_it_to_its_end() {
    let (hub, modem) = one();
    event(&hub, "B-01", 1, "sos");
    let call = modem.takes(
        ZHANGMIN,
        &["【紧急求助】", "3号楼2单元501", "已接警回复1，到场2，完成3", "单号A01"],
    );
    modem.reports(&call, "00");
    modem.receives("+8613800138001", "１");
    becomes(&hub, "A01", "accepted");
    modem.takes(ZHANGMIN, &["已登记：您已接警A01", "到场回2", "去不了回0"]);
    modem.receives("+8613800138001", "2");
    becomes(&hub, "A01", "on_scene");
    modem.takes(ZHANGMIN, &["已登记：A01您已到场", "完成回3"]);
    modem.receives_turned_round("+8613800138001", ["完", "成"]);
    becomes(&hub, "A01", "resolved");
    modem.takes(ZHANGMIN, &["已登记：A01已完成"]);
    soon("an empty store", || modem.inside().store.is_empty().then_some(()));
    let outcomes = hub.facts("outcome_heard");
    let arrived = outcomes.iter().any(|fact| fact["outcome"] == "arrived");
    assert!(arrived, "the delivery report stands in the record: {outcomes:?}");
    let vias: Vec<Value> = answers(&hub).iter().map(|fact| fact["answer"]["via"].clone()).collect();
    assert_eq!(vias, ["sms", "sms", "sms"]);
    let status = hub.does(&["status"]);
    assert!(status.contains("front works, CHINA MOBILE, signal 21 of 31"), "{status}");
    let log = hub.log();
    assert!(!log.contains(ZHANGMIN) && log.contains("138****8001"), "{log}");
    assert!(!log.contains("单号"), "no text stands in the log: {log}");
}

#[test]
fn a_daughter_who_agreed_is_called_comes_by_one_digit_and_the_house_closes() {
    const DAUGHTER: &str = "13900000201";
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["front"]);
    hub.edit("registry/contacts.csv", "00000000201", DAUGHTER);
    let first = "who = [\"line:first\"], by = [\"screen\", \"sms\"], wait = \"60s\"";
    hub.edit("ladders.toml", first, &first.replace("first\"]", "first\", \"contact:family\"]"));
    let modem = ModemSim::plug(&paths[0]);
    hub.start();
    works(&hub, "front");
    event(&hub, "B-02", 1, "sos");
    modem.takes(DAUGHTER, &["A01", "3号楼2单元302"]);
    modem.receives("+8613900000201", "1");
    becomes(&hub, "A01", "accepted");
    modem.receives("+8613900000201", "3");
    modem.takes(DAUGHTER, &["A01未登记", "完成和误报由中心登记"]);
    assert_eq!(stage(&hub, "A01"), "accepted");
    // Another home's call is none of hers.
    event(&hub, "B-04", 1, "sos");
    soon("the other call", || hub.open_on("B-04").pop());
    modem.receives("+8613900000201", "A02 1");
    modem.takes(DAUGHTER, &["A02"]);
    assert_eq!(stage(&hub, "A02"), "calling");
}

/// What Debian's gammu makes of messages.
fn gammu(hexes: &[String]) -> Vec<Value> {
    const READ: &str = "
import gammu, json, sys
def one(line):
    sms = gammu.DecodePDU(bytes.fromhex(line), True)
    return [sms['Number'], sms['Text'], sms['Coding'], sms['Type']]
print(json.dumps([one(line) for line in sys.argv[1:]]))
";
    let output = Command::new("/usr/bin/python3")
        .args(["-c", READ])
        .args(hexes)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("install the Debian package python3-gammu: {why}: {said}")
    })
}

#[test]
fn an_independent_decoder_reads_what_goes_out_as_it_was_meant() {
    let (hub, modem) = one();
    event(&hub, "B-01", 1, "sos");
    event(&hub, "B-02", 1, "smoke");
    modem.takes(ZHANGMIN, &["紧急求助"]);
    modem.takes(LIUQIANG, &["火警"]);
    let sent = modem.inside().sent.clone();
    let hexes: Vec<String> = sent.iter().map(|sms| sms.hex.clone()).collect();
    let read = gammu(&hexes);
    assert!(sent.len() >= 2);
    for (sms, read) in sent.iter().zip(&read) {
        assert_eq!(read[0], sms.to.as_str());
        assert_eq!(read[1], sms.text.as_str());
        assert_eq!(read[2], "Unicode_No_Compression");
        assert!(sms.text.encode_utf16().count() <= 70, "{}", sms.text);
    }
}

#[test]
fn what_means_nothing_is_kept_as_a_note_and_answered_once() {
    let (hub, modem) = one();
    event(&hub, "B-01", 1, "sos");
    modem.takes(ZHANGMIN, &["单号A01"]);
    modem.receives("+8613800138001", "门锁着进不去");
    modem.takes(ZHANGMIN, &["您的话已记入A01", "1接警"]);
    modem.receives("+8613800138001", "怎么办");
    modem.receives("+8613800138001", "退订");
    soon("three notes", || (hub.facts("note_kept").len() == 3).then_some(()));
    assert_eq!(stage(&hub, "A01"), "calling");
    let notes = hub.incident("A01")["notes"].to_string();
    assert!(notes.contains("门锁着进不去"), "{notes}");
    soon("an empty store", || modem.inside().store.is_empty().then_some(()));
    let told = modem.inside().sent.iter().filter(|sms| sms.text.contains("您的话已记入")).count();
    assert_eq!(told, 1, "help once in ten minutes");
    // Without a call there is nothing to answer to, and the person is told so.
    modem.receives("13800138005", "1");
    modem.takes("13800138005", &["没有未结的呼叫"]);
}

#[test]
fn an_answer_that_the_modem_keeps_over_a_kill_counts_once() {
    let (mut hub, modem) = one();
    event(&hub, "B-01", 1, "sos");
    modem.takes(ZHANGMIN, &["单号A01"]);
    modem.inside().deletes = false;
    modem.receives("+8613800138001", "1");
    becomes(&hub, "A01", "accepted");
    hub.kill();
    hub.start();
    works(&hub, "front");
    modem.receives("+8613800138001", "2");
    becomes(&hub, "A01", "on_scene");
    modem.inside().deletes = true;
    modem.says("+CMTI: \"ME\",1");
    soon("an empty store", || modem.inside().store.is_empty().then_some(()));
    assert_eq!(answers(&hub).len(), 2);
}

#[test]
fn a_modem_that_is_pulled_out_is_told_and_comes_back_without_a_restart() {
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["front"]);
    hub.start();
    soon("the trouble", || (troubles(&hub, "modem.front") == [true]).then_some(()));
    hub.screen_says(&["通知发不出去"]);
    let modem = ModemSim::plug(&paths[0]);
    works(&hub, "front");
    soon("its end", || (troubles(&hub, "modem.front") == [true, false]).then_some(()));
    modem.inside().sim = false;
    soon("the SIM missing", || {
        hub.does(&["status"]).contains("front FAILS: it has no SIM").then_some(())
    });
    modem.inside().sim = true;
    works(&hub, "front");
    // It starts anew by itself, with its echo on again.
    let asked = modem.inside().asked.len();
    modem.inside().echo = true;
    modem.says("RDY\r\n\r\n+CPIN: READY\r\n\r\nSMS DONE");
    soon("the settings anew", || {
        modem.inside().asked[asked..].iter().any(|told| told.starts_with("AT+CNMI=")).then_some(())
    });
    works(&hub, "front");
    event(&hub, "B-01", 1, "sos");
    modem.takes(ZHANGMIN, &["单号A01"]);
    drop(modem);
    soon("it lost", || hub.does(&["status"]).contains("front FAILS").then_some(()));
    let again = ModemSim::plug(&paths[0]);
    works(&hub, "front");
    event(&hub, "B-02", 1, "sos");
    again.takes(ZHANGMIN, &["单号A02"]);
}

#[test]
fn a_modem_moves_to_another_port_by_a_reload_and_titles_lose_their_brackets() {
    let (hub, modem) = one();
    let other = hub.path("modem-other");
    let moved = ModemSim::plug(&other);
    hub.edit("links.toml", "modem-front", "modem-other");
    hub.append("notify.toml", "prefix = false\n");
    hub.signal("HUP");
    soon("the other port in use", || (!moved.inside().asked.is_empty()).then_some(()));
    works(&hub, "front");
    event(&hub, "B-01", 1, "sos");
    let call = moved.takes(ZHANGMIN, &["紧急求助：", "单号A01"]);
    assert!(!call.text.contains('【'), "{}", call.text);
    assert!(modem.inside().sent.is_empty());
}

#[test]
fn a_late_prompt_is_waited_for_and_a_lost_ok_is_no_doubt() {
    let (hub, modem) = one();
    modem.becomes(Mood::LatePrompt(Duration::from_secs(2)));
    event(&hub, "B-01", 1, "sos");
    modem.takes(ZHANGMIN, &["单号A01"]);
    modem.becomes(Mood::LosesOk);
    event(&hub, "B-02", 1, "sos");
    modem.takes(ZHANGMIN, &["单号A02"]);
    soon("both handed over", || {
        let told =
            |fact: &&Value| fact["order"]["carrier"] == "sms" && fact["outcome"] == "handed_over";
        (hub.facts("outcome_heard").iter().filter(told).count() >= 2).then_some(())
    });
    assert_eq!(modem.count(ZHANGMIN), 2, "each once");
}
