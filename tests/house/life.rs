//! One call from the press to the follow-up, as staff move it with commands.

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, Said, soon};

fn pressed(hub: &Hub, device: &str) {
    publish(hub, device, &topic(device, "event"), &press(1, 1, "sos"));
    soon("the incident", || (!hub.open_on(device).is_empty()).then_some(()));
}

fn refused(said: &Said, code: i32, parts: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    assert!(parts.iter().all(|part| said.err.contains(part)), "{parts:?} in {said:?}");
    assert_eq!(said.err.trim_end().lines().count(), 1, "one line: {said:?}");
    assert_eq!(said.out, "", "{said:?}");
}

#[test]
fn a_call_goes_from_press_to_follow_up_by_commands() {
    let mut hub = Hub::prepared();
    hub.steps("1s");
    hub.start();
    pressed(&hub, "B-02");
    hub.screen_says(&["A01", "升级", "无人接警"]);
    let people = |hub: &Hub| hub.incident("A01")["people"].to_string();
    assert!(people(&hub).contains("chenjie"), "the second line was called: {}", people(&hub));
    let moved = |person: &str, words: &[&str], told: &str| {
        let said = hub.says("A01", person, words);
        assert_eq!((said.code, said.out.as_str()), (0, told), "{words:?}: {said:?}");
    };
    moved("chenjie", &["decline"], "A01: taken down and on disk; the incident is calling\n");
    moved("zhangmin", &["accept"], "A01: taken down and on disk; the incident is accepted\n");
    moved("zhangmin", &["on-the-way"], "A01: taken down and on disk; the incident is on the way\n");
    moved("zhangmin", &["arrive"], "A01: taken down and on disk; the incident is on scene\n");
    moved("zhangmin", &["need-help"], "A01: taken down and on disk; the incident is on scene\n");
    hub.screen_says(&["A01", "增援"]);
    moved(
        "zhangmin",
        &["note", "左膝擦伤,已消毒"],
        "A01: taken down and on disk; the incident is on scene\n",
    );
    let resolve = ["resolve", "--ending", "helped", "--with-note", "已扶起"];
    moved("zhangmin", &resolve, "A01: taken down and on disk; the incident is resolved\n");
    let card = hub.does(&["incident", "A01"]);
    assert!(card.contains("已提供帮助"), "{card}");
    moved(
        "liuqiang",
        &["follow-up", "--score", "5"],
        "A01: taken down and on disk; the incident is followed up\n",
    );
    let card = hub.does(&["incident", "A01"]);
    for part in ["followed up", "3号楼2单元302", "陈秀英", "左膝擦伤,已消毒", "已扶起"]
    {
        assert!(card.contains(part), "{part} in {card}");
    }
    assert_eq!(hub.does(&["incidents"]), "no open incidents\n");
}

#[test]
fn a_wrong_person_code_or_order_of_things_changes_nothing_and_says_so() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    refused(&hub.says("A01", "nobody", &["accept"]), 1, &["nobody is called nobody", "zhangmin"]);
    refused(&hub.says("A77", "zhangmin", &["accept"]), 1, &["no incident A77", "anling incidents"]);
    refused(&hub.says("???", "zhangmin", &["accept"]), 2, &["write it like A17"]);
    refused(&hub.cli(&["incident", "A01", "accept"]), 2, &["--as PERSON"]);
    refused(&hub.says("A01", "zhangmin", &["follow-up"]), 1, &["not over yet"]);
    refused(&hub.says("A01", "zhangmin", &["need-help"]), 1, &["accept first"]);
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
    for _ in 0..2 {
        refused(&hub.says("A01", "zhangmin", &["accept"]), 1, &["said already"]);
    }
    assert_eq!(hub.facts("accepted").len(), 1);
    assert_eq!(hub.incident("A01")["stage"], "accepted");
    assert_eq!(hub.says("A01", "zhangmin", &["arrive"]).code, 0);
    assert_eq!(hub.says("A01", "zhangmin", &["resolve"]).code, 0);
    refused(&hub.says("A01", "chenjie", &["accept"]), 1, &["over already"]);
}

#[test]
fn a_press_on_a_call_that_somebody_has_accepted_is_told_that_it_is_stored() {
    let hub = Hub::open();
    hub.does(&["press", "B-02"]);
    hub.does(&["incident", "A01", "accept", "--as", "zhangmin"]);
    assert!(hub.does(&["press", "B-02"]).contains("B-02 sos stored after"));
    let many = hub.does(&["press", "B-02", "--count", "3"]);
    assert!(many.starts_with("3 presses stored"), "{many}");
    assert_eq!(hub.incident("A01")["presses"], 5);
}

#[test]
fn a_device_that_cannot_be_is_refused_and_one_nobody_registered_pages_and_is_named() {
    let hub = Hub::open();
    refused(&hub.cli(&["press", ""]), 2, &["may not be empty"]);
    refused(&hub.cli(&["press", "B/5"]), 2, &["B/5", "no /"]);
    refused(&hub.cli(&["press", &"B".repeat(127), "--from-devices", "2"]), 2, &["128 bytes"]);
    let known = hub.cli(&["press", "B-02"]);
    assert_eq!((known.code, known.err.as_str()), (0, ""));
    let unknown = hub.cli(&["press", "X-99"]);
    assert_eq!(unknown.code, 0, "{unknown:?}");
    assert!(unknown.err.contains("does not know X-99") && unknown.out.contains("stored"));
    assert_eq!(hub.open_on("native-mqtt:X-99").len(), 1);
    let many = hub.cli(&["press", "B", "--from-devices", "3"]);
    assert!(many.out.starts_with("3 presses stored"), "{many:?}");
    assert!(many.err.contains("does not know B-1 and 2 more"), "{many:?}");
}

#[test]
fn who_is_on_duty_is_asked_of_the_hub_and_of_the_files_where_none_answers() {
    let mut hub = Hub::open();
    let told = hub.cli(&["roster", "--at", "2026-11-23T03:00"]);
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    // The files are edited after the start; the hub goes by its record and says so.
    hub.edit("registry/people.csv", "张敏", "张三");
    assert_eq!(hub.does(&["roster", "--at", "2026-11-23T03:00"]), told.out);
    let json = hub.json(&["roster", "--days", "2", "--json"]);
    assert_eq!(json["source"], "hub");
    assert_eq!(json["shifts"][0]["people"][0]["name"], "张敏");
    assert_eq!(json["shifts"].as_array().unwrap().len(), 4);
    hub.stop();
    let alone = hub.cli(&["roster", "--at", "2026-11-23T03:00"]);
    assert_eq!(alone.code, 0, "{alone:?}");
    assert_eq!(alone.out, told.out.replace("张敏", "张三"));
    assert!(alone.err.contains("no hub answers") && alone.err.contains("the files in"));
    assert_eq!(hub.json(&["roster", "--json"])["source"], "files");
    let long = hub.does(&["roster", "--days", "7", "--at", "2026-11-23T03:00+08:00"]);
    assert!(long.starts_with("Mon 11-23 03:00 – Mon 11-30 03:00  first"), "{long}");
}

#[test]
fn a_person_may_be_called_by_name_where_only_one_has_it() {
    let hub = Hub::prepared();
    let twin = "wangli2,王丽,staff,00000000009,wangli2@yunjian.example\n";
    hub.append("registry/people.csv", twin);
    let mut hub = hub;
    hub.start();
    pressed(&hub, "B-02");
    refused(&hub.says("A01", "王丽", &["accept"]), 1, &["2 people", "wangli (王丽)", "wangli2"]);
    refused(&hub.says("A01", "zhangmni", &["accept"]), 1, &["did you mean zhangmin (张敏)?"]);
    refused(&hub.says("A01", " ", &["accept"]), 2, &["--as is empty"]);
    assert!(hub.facts("answer_heard").is_empty(), "nobody has answered");
    assert_eq!(hub.says("A01", "张敏", &["accept"]).code, 0);
    assert_eq!(hub.facts("accepted")[0]["by"], "zhangmin");
}

#[test]
fn nothing_that_is_said_about_a_call_is_dropped_in_silence() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    let two = ["note", "左膝擦伤", "--with-note", "已消毒"];
    refused(&hub.says("A01", "zhangmin", &two), 2, &["one text"]);
    refused(&hub.says("A01", "zhangmin", &["note", " "]), 2, &["empty"]);
    refused(&hub.says("A01", "zhangmin", &["accept", "--with-note", ""]), 2, &["empty"]);
    let long = "长".repeat(2_000);
    refused(&hub.says("A01", "zhangmin", &["note", &long]), 2, &["4096", "6000"]);
    refused(&hub.says("A01", "zhangmin", &[]), 2, &["say what you do"]);
    refused(&hub.cli(&["incident", "A01", "--with-note", "还在等"]), 2, &["say what you do"]);
    let both = hub.says("A01", "zhangmin", &["false-alarm", "--by-phone", "--visit"]);
    assert_eq!(both.code, 2, "{both:?}");
    assert!(hub.facts("note_kept").is_empty() && hub.facts("answer_heard").is_empty());
    for words in [&["accept"][..], &["silence"], &["arrive"], &["need-help"], &["resolve"]] {
        let mut words = words.to_vec();
        words.extend(["--with-note", words[0]]);
        assert_eq!(hub.says("A01", "zhangmin", &words).code, 0, "{words:?}");
    }
    let kept: Vec<_> = hub.facts("note_kept").iter().map(|note| note["text"].clone()).collect();
    assert_eq!(kept, ["accept", "silence", "arrive", "need-help", "resolve"]);
}

/// Times, sequences and sizes differ from run to run; everything else is promised to scripts.
fn masked(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    const VOLATILE: [&str; 14] = [
        "raised",
        "accepted",
        "on_the_way",
        "on_scene",
        "resolved",
        "followed_up",
        "age_ms",
        "in_ms",
        "up_ms",
        "wall",
        "last_handed_over",
        "disk_free",
        "stored_at",
        "to_accept_ms",
    ];
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::Number(_) if VOLATILE.contains(&&*name) => (name, "TIME".into()),
                Value::Number(_) if name == "last_seq" => (name, "SEQ".into()),
                Value::String(_) if name == "broker" => (name, "ADDRESS".into()),
                value => (name, masked(value)),
            })
            .collect(),
        Value::Array(parts) => parts.into_iter().map(masked).collect(),
        other => other,
    }
}

#[test]
fn json_output_keeps_its_shape() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    hub.screen_says(&["A01"]);
    let moved = hub.json(&["incident", "A01", "accept", "--as", "zhangmin", "--json"]);
    hub.screen_says(&["A01", "已登记"]);
    soon("the handing over", || (hub.status()["carriers"][0]["waiting"] == 0).then_some(()));
    soon("the archive", || {
        let status = hub.status();
        let known = status["response"]["to_accept_ms"].is_u64();
        (known && status["archive"]["state"] == "level").then_some(())
    });
    let at = ["roster", "--json", "--at", "2026-11-23T03:00"];
    let mut shapes = String::new();
    for (name, value) in [
        ("incident A01 accept", moved),
        ("incident A01", hub.incident("A01")),
        ("incidents", hub.json(&["incidents", "--json"])),
        ("status", hub.status()),
        ("roster --at 2026-11-23T03:00", hub.json(&at)),
        ("roster --at 2026-11-23T03:00 --days 1", hub.json(&[&at[..], &["--days", "1"]].concat())),
    ] {
        let text = serde_json::to_string_pretty(&masked(value)).unwrap();
        shapes.push_str(&format!("anling {name} --json\n{text}\n\n"));
    }
    crate::transcripts::same("json", &shapes);
}

#[test]
fn the_lead_takes_over_and_who_was_coming_hears_that_they_need_not() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    assert_eq!(hub.says("A01", "zhangmin", &["accept"]).code, 0);
    let said = hub.says("A01", "liuqiang", &["take-over"]);
    assert_eq!(said.out, "A01: taken down and on disk; the incident is accepted\n");
    hub.screen_says(&["A01已由刘强接警", "您无需出动"]);
    let people = hub.incident("A01")["people"].clone();
    let is =
        |id: &str| people.as_array().unwrap().iter().find(|p| p["id"] == id).unwrap()["is"].clone();
    assert_eq!((is("liuqiang"), is("zhangmin")), ("accepted".into(), "done".into()));
    refused(&hub.says("A01", "liuqiang", &["take-over"]), 1, &["A01", "said already"]);
}

#[test]
fn silence_is_taken_down_and_stops_no_step() {
    let mut hub = Hub::prepared();
    hub.steps("2s");
    hub.start();
    pressed(&hub, "B-02");
    let said = hub.says("A01", "zhangmin", &["silence"]);
    assert_eq!(said.out, "A01: taken down and on disk; the incident is calling\n");
    assert_eq!(hub.facts("silenced")[0]["by"], "zhangmin");
    hub.screen_says(&["A01", "升级"]);
    assert_eq!(hub.incident("A01")["stage"], "calling");
}

#[test]
fn a_false_alarm_is_closed_by_who_says_how_they_know() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    refused(&hub.says("A01", "zhangmin", &["false-alarm"]), 1, &["A01", "--by-phone or --visit"]);
    assert_eq!(hub.incident("A01")["stage"], "calling");
    assert_eq!(hub.says("A01", "zhangmin", &["false-alarm", "--by-phone"]).code, 0);
    let card = hub.does(&["incident", "A01"]);
    assert!(card.contains("误按"), "{card}");
    let resolved = hub.facts("resolved");
    assert_eq!(
        (&resolved[0]["by"], &resolved[0]["contact"]),
        (&"zhangmin".into(), &"voice".into())
    );
}

#[test]
fn smoke_and_then_gas_of_one_detector_are_both_named_wherever_the_call_is_shown() {
    let hub = Hub::open();
    hub.does(&["press", "B-02", "--kind", "smoke"]);
    hub.does(&["press", "B-02", "--kind", "gas"]);
    let list = hub.does(&["incidents"]);
    assert!(list.contains("smoke+gas"), "{list}");
    let card = hub.does(&["incident", "F01"]);
    assert!(card.starts_with("F01 smoke+gas (hazard)"), "{card}");
    assert_eq!(hub.incident("F01")["kinds"], serde_json::json!(["smoke", "gas"]));
    hub.screen_says(&["又报警", "烟感、燃气报警", "勿开关电器"]);
}

#[test]
fn where_no_place_is_known_the_duty_room_reads_what_is() {
    let hub = Hub::open();
    let whole = std::fs::read_to_string(hub.config().join("registry/devices.csv")).unwrap();
    let cleared = format!("{}\nB-02,sos-button,,,,\n", whole.lines().next().unwrap());
    std::fs::write(hub.path("devices.csv"), cleared).unwrap();
    let file = hub.path("devices.csv").display().to_string();
    hub.does(&["import", &file, "--yes"]);
    hub.does(&["press", "B-02"]);
    hub.does(&["press", "X-77"]);
    let list = hub.does(&["incidents"]);
    for part in [
        "设备B-02(位置未登记;地址native-mqtt B-02,经broker收到)",
        "未登记设备X-77(native-mqtt,经broker收到)",
    ] {
        assert!(list.contains(part), "{part} in {list}");
    }
    assert!(!list.contains("请查看值班室屏幕"), "{list}");
    assert!(hub.does(&["devices"]).contains("位置未登记;地址native-mqtt B-02"));
    hub.screen_says(&["A01", "地址native-mqtt B-02"]);
    assert!(!hub.screen().contains("请查看值班室屏幕"), "{}", hub.screen());
}

#[test]
fn a_note_commands_no_terminal_and_turns_no_line_around() {
    let hub = Hub::open();
    pressed(&hub, "B-02");
    let typed = "左膝\u{202e}擦伤\u{1b}[2J\u{9b}2J已消毒";
    assert_eq!(hub.says("A01", "zhangmin", &["note", typed]).code, 0);
    let card = hub.does(&["incident", "A01"]);
    assert!(card.contains("左膝擦伤 [2J 2J已消毒"), "{card}");
    let json = hub.does(&["incident", "A01", "--json"]);
    for shown in [&card, &json, &hub.does(&["journal", "tail", "-n", "9"])] {
        assert!(shown.chars().all(|c| c == '\n' || anling::terms::is_plain(c)), "{shown:?}");
    }
    assert_eq!(hub.incident("A01")["notes"][0], typed, "nothing of it is lost");
}
