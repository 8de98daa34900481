//! What an expert would try, under the numbers of the field notes' list of acceptance tests.

use serde_json::Value;

use crate::devices::{Listener, press, publish, topic};
use crate::hub::{Hub, soon};
use crate::modem::{ModemSim, Mood, with_modems, with_voice, works as modem_works};
use crate::mosquitto::{Mosquitto, heard};
use crate::telephones::Telephone;
use crate::times::preload;

fn open(hub: &Hub) -> Vec<Value> {
    hub.json(&["incidents", "--json"]).as_array().unwrap().clone()
}

/// Its exit code and what it says.
fn refused(hub: &Hub, args: &[&str]) -> (i32, String) {
    let said = hub.cli(args);
    (said.code, said.err)
}

fn works(hub: &Hub) -> Value {
    serde_json::from_str(&hub.does(&["walk-test", "--json"])).unwrap()
}

fn event(hub: &Hub, device: &str, seq: u32, kind: &str) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, kind));
}

#[test]
fn expert_17_a_listed_device_calls_nobody_in_a_walk_test_and_an_unlisted_one_does() {
    let mut hub = Hub::open();
    hub.does(&["walk-test", "B-01", "--as", "zhaogang", "--for", "30m", "--no-follow"]);
    event(&hub, "B-01", 1, "sos");
    let heard = soon("the point", || {
        let works = works(&hub);
        (works[0]["points"][0]["heard"][0] == "sos").then_some(works)
    });
    assert_eq!(heard[0]["on_disk"], true, "{heard}");
    assert!(hub.does(&["status"]).contains("walk test 1 of B-01 by 赵刚"));
    assert_eq!(open(&hub), [] as [Value; 0], "nobody is called for it");
    event(&hub, "B-02", 1, "sos");
    let called = soon("the other button's call", || open(&hub).pop());
    assert_eq!(called["device"], "B-02");
    // The window outlives a kill, and closes by a word.
    hub.kill();
    hub.start();
    event(&hub, "B-01", 2, "sos");
    soon("the point again", || (works(&hub)[0]["points"][0]["device"] == "B-01").then_some(()));
    let over = hub.does(&["walk-test", "--end", "1", "--as", "zhaogang"]);
    assert!(over.contains("1 of 1 point spoke"), "{over}");
    event(&hub, "B-01", 3, "sos");
    soon("the call after it", || {
        open(&hub).iter().any(|open| open["device"] == "B-01").then_some(())
    });
}

#[test]
fn expert_17_a_walk_test_that_is_followed_names_each_point_and_what_was_not_heard() {
    let hub = Hub::open();
    std::thread::scope(|scope| {
        let presses = scope.spawn(|| {
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            event(&hub, "B-01", 1, "sos");
        });
        let told = hub.does(&["walk-test", "B-01", "--as", "zhaogang"]);
        presses.join().unwrap();
        assert!(told.contains("✓ B-01"), "{told}");
        assert!(told.ends_with("Heard: 1 point, all there are.\n"), "{told}");
    });
    assert_eq!(works(&hub), Value::Array(Vec::new()), "it is over when all were heard");
}

#[test]
fn expert_18_a_swap_keeps_the_history_and_the_old_id_is_told_of() {
    let hub = Hub::open();
    event(&hub, "B-01", 1, "sos");
    let code = soon("the call", || open(&hub).pop())["code"].as_str().unwrap().to_owned();
    hub.does(&["incident", &code, "resolve", "--by-phone", "--as", "zhangmin"]);
    let told = hub.does(&["swap", "B-01", "B-01-2026", "--as", "zhaogang"]);
    assert!(told.contains("heard as B-01-2026 from now on, no longer as B-01"), "{told}");
    // Pressed within ten minutes: the same point, so its call is open again, and its own light says so.
    let light = Listener::on(&hub, "press", &topic("B-01-2026", "cmd"));
    publish(&hub, "press", &topic("B-01-2026", "event"), &press(1, 1, "sos"));
    light.hears(1, 1, "stored");
    let again = soon("the call of the new device", || open(&hub).pop());
    assert_eq!((&again["device"], &again["code"]), (&"B-01".into(), &code.clone().into()));
    // The old one is found in a drawer, and somebody presses it.
    event(&hub, "B-01", 2, "sos");
    let old = soon("the old button's call", || {
        open(&hub).into_iter().find(|open| open["device"] == "native-mqtt:B-01")
    });
    assert_eq!(old["kind"], "sos", "somebody may have meant it: {old}");
    hub.screen_says(&["紧急求助", "3号楼2单元501", "按下呼救键"]);
    let fault =
        soon("its fault", || open(&hub).into_iter().find(|open| open["kind"] == "old_device"));
    assert_eq!(fault["class"], "fault", "{fault}");
    assert!(fault["place"].as_str().unwrap().contains("号楼"), "where it was: {fault}");
    // It cannot be swapped for one that has a place already.
    let (code, said) = refused(&hub, &["swap", "B-02", "foo/#+", "--as", "zhaogang"]);
    assert_eq!((code, said.contains("no native device can be heard as")), (1, true), "{said}");
    let (code, said) = refused(&hub, &["swap", "B-02", "B-01-2026", "--as", "zhaogang"]);
    assert_eq!(code, 1);
    assert!(said.contains("B-01 is heard as B-01-2026 already"), "{said}");
}

#[test]
fn maintenance_wants_a_name_a_reason_and_an_end_and_lets_fire_through() {
    let hub = Hub::open();
    let (code, said) = refused(&hub, &["maintenance", "B-01", "--as", "zhaogang"]);
    assert_eq!((code, said.contains("say why in a few words")), (1, true), "{said}");
    let long = ["maintenance", "B-01", "--as", "zhaogang", "--reason", "换面板", "--for", "5h"];
    let (code, said) = refused(&hub, &long);
    assert_eq!((code, said.contains("1 min to 4 h")), (1, true), "{said}");
    let (code, said) = refused(&hub, &["maintenance", "B-01", "--reason", "换面板"]);
    assert_eq!((code, said.contains("--as PERSON")), (2, true), "{said}");
    let told = hub.does(&["maintenance", "B-01", "--as", "zhaogang", "--reason", "换面板"]);
    assert!(told.contains("fire and gas excepted"), "{told}");
    event(&hub, "B-01", 1, "sos");
    event(&hub, "B-01", 2, "smoke");
    let called = soon("the fire", || open(&hub).pop());
    assert_eq!(called["kind"], "smoke");
    assert_eq!(open(&hub).len(), 1, "the press is held back");
    assert!(hub.does(&["status"]).contains("(换面板)"));
}

#[test]
fn a_home_is_commissioned_in_one_pass_with_a_stranger_registered_and_a_sheet_to_sign() {
    let hub = Hub::open();
    let sheet = hub.path("sheet.html");
    std::thread::scope(|scope| {
        let presses = scope.spawn(|| {
            // A button of a parcel is opened when it is asked for; then both points of the home.
            let parcel = topic("0A17", "event");
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            publish(&hub, "press", &parcel, &press(1, 1, "sos"));
            soon("its row", || hub.does(&["devices"]).contains("B-21").then_some(()));
            let light = Listener::on(&hub, "press", &topic("0A17", "cmd"));
            publish(&hub, "press", &parcel, &press(1, 2, "sos"));
            light.hears(1, 2, "stored");
            event(&hub, "B-01", 1, "sos");
        });
        let told = hub.does(&[
            "commission",
            "H-3-2-501",
            "--as",
            "zhaogang",
            "--adopt",
            "0A17=B-21,sos-button,卫生间",
            "--yes",
            "--sheet",
            &sheet.display().to_string(),
        ]);
        presses.join().unwrap();
        assert!(told.contains("✓ registered as B-21"), "{told}");
        let reads = "staff would read: 【紧急求助】3号楼2单元501卫生间";
        assert!(told.contains(reads), "{told}");
        assert!(told.contains("after   0 s: ") && told.contains(" by screen"), "{told}");
        assert!(told.ends_with("PASSED: 2 points, all there are.\n"), "{told}");
    });
    assert_eq!(open(&hub), [] as [Value; 0], "nobody was called for any of it");
    let page = std::fs::read_to_string(sheet).unwrap();
    for part in ["安装验收单：3号楼2单元501", "B-21", "全部合格", "赵刚", "技术员签字"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let (code, said) = refused(&hub, &["commission", "H-9", "--as", "zhaogang"]);
    assert_eq!((code, said.contains("no home is called H-9")), (1, true), "{said}");
    std::fs::write(hub.path("homes.csv"), "id,place\nH-EMPTY,9号楼\n").unwrap();
    hub.does(&["import", &hub.path("homes.csv").display().to_string(), "--yes"]);
    let (code, said) = refused(&hub, &["commission", "H-EMPTY", "--as", "zhaogang", "--yes"]);
    assert_eq!((code, said.contains("has no devices")), (1, true), "{said}");
    assert_eq!(works(&hub), Value::Array(Vec::new()), "no window stays open");
}

#[test]
fn a_point_that_was_not_heard_or_whose_words_nobody_read_does_not_pass() {
    let hub = Hub::open();
    let home = ["commission", "H-3-2-501", "--as", "zhaogang"];
    let (code, said) = refused(&hub, &[&home[..], &["--for", "1m", "--adopt", "x=B-9"]].concat());
    assert_eq!((code, said.contains("HEARD_AS=ID,TYPE")), (2, true), "{said}");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            event(&hub, "B-01", 1, "sos");
        });
        // No terminal to ask, and nobody said --yes.
        let (code, said) = refused(&hub, &home);
        assert_eq!(code, 1);
        assert!(said.contains("NOT PASSED: B-01 its words were not found right"), "{said}");
    });
}

const ZIGBEE: &str = "native = false\n[link.mqtt.home.zigbee2mqtt]\nbase_topic = \"zigbee2mqtt\"\n";

#[test]
fn expert_03_after_a_brokers_restart_a_kept_press_is_history_and_kept_smoke_is_found_at_start() {
    let mut broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    broker.heard_by(&hub, ZIGBEE);
    hub.start();
    heard(&hub, 1);
    broker.says("zigbee2mqtt/厨房烟感", r#"{"smoke":false,"battery":90}"#, &[]);
    soon("the first word of the detector", || {
        hub.does(&["devices"]).contains("battery 90 %").then_some(())
    });
    hub.stop();
    // It comes back without its sessions, and the bridge keeps its last words there.
    broker.kill();
    broker.start();
    broker.says("zigbee2mqtt/二楼203床头", r#"{"action":"emergency"}"#, &["-r"]);
    broker.says("zigbee2mqtt/厨房烟感", r#"{"smoke":true,"battery":90}"#, &["-r"]);
    hub.start();
    let smoke = soon("the smoke", || open(&hub).pop());
    assert_eq!((&smoke["device"], &smoke["class"]), (&"S-01".into(), &"hazard".into()));
    let raised = hub.facts("raised");
    assert_eq!(raised.last().unwrap()["found_at_start"], true, "{raised:?}");
    assert_eq!(hub.incidents().len(), 1, "the kept press calls nobody");
}

#[test]
fn expert_04_a_detectors_own_test_is_written_down_as_a_test_and_calls_nobody() {
    let broker = Mosquitto::open("");
    let mut hub = Hub::prepared();
    hub.append(
        "devices.toml",
        "[type.shelly-smoke]\nfamily = \"shelly\"\nlabel = \"烟感\"\nlife_safety = true\n",
    );
    let id = "shellyplussmoke-80646fd1a001";
    hub.append("registry/devices.csv", &format!("Y-1,shelly-smoke,{id},P-C-KIT,,\n"));
    broker.heard_by(&hub, &format!("{ZIGBEE}[link.mqtt.home.shelly]\n"));
    hub.start();
    heard(&hub, 1);
    broker.says("zigbee2mqtt/厨房烟感", r#"{"smoke":true,"test":true}"#, &[]);
    let event = r#"{"method":"NotifyEvent","params":{"events":[{"component":"smoke:0","event":"alarm_test"}]}}"#;
    broker.says(&format!("{id}/events/rpc"), event, &[]);
    for device in ["S-01", "Y-1"] {
        soon(&format!("the test of {device}"), || {
            let tested =
                |fact: &Value| fact["report"]["device"] == device && fact["report"]["test"] == true;
            hub.facts("reported").iter().any(tested).then_some(())
        });
    }
    assert_eq!(hub.incidents(), [] as [Value; 0]);
}

#[test]
fn expert_05_an_empty_action_of_an_sos_button_is_an_unreadable_signal_and_calls() {
    let mut hub = Hub::prepared();
    let broker = Mosquitto::open("");
    broker.heard_by(&hub, ZIGBEE);
    hub.start();
    heard(&hub, 1);
    broker.says("zigbee2mqtt/二楼203床头", r#"{"action":null,"battery":80}"#, &[]);
    let called = soon("the call", || open(&hub).pop());
    assert_eq!((&called["device"], &called["kind"]), (&"Z-01".into(), &"unreadable".into()));
    hub.screen_says(&["A01", "报警信号无法识别", "按紧急处理"]);
}

#[test]
fn expert_22_in_1970_alarms_page_flagged_and_are_told_right_once_the_clock_is_set() {
    let mut hub = Hub::prepared();
    hub.args.clear();
    let clock = hub.path("clock");
    std::fs::write(&clock, "@1970-01-02 00:00:00\n").unwrap();
    hub.env = [
        ("LD_PRELOAD", preload().as_str()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    hub.args = vec!["--host-clock".into()];
    hub.start();
    event(&hub, "B-01", 1, "sos");
    hub.screen_says(&["A01", "紧急求助"]);
    event(&hub, "B-02", 1, "sos");
    hub.screen_says(&["A02", "紧急求助"]);
    assert_eq!(hub.incident("A01")["clock_trusted"], false);
    // Seconds later the network sets it.
    std::fs::write(&clock, "+0s\n").unwrap();
    event(&hub, "B-03", 1, "sos");
    hub.screen_says(&["A03", "紧急求助"]);
    let raised = |code: &str| hub.incident(code)["times"]["raised"].as_i64().unwrap();
    let times = [raised("A01"), raised("A02"), raised("A03")];
    assert!(times[0] <= times[1] && times[1] <= times[2], "the order stays: {times:?}");
    assert!(times[2] - times[0] < 600_000, "told by the right clock: {times:?}");
    assert_eq!(hub.incident("A01")["clock_trusted"], false, "that it was wrong stays said");
}

#[test]
fn a_smoke_detectors_test_ends_when_it_is_let_go_and_a_broken_signal_is_no_pass() {
    let mut hub = Hub::prepared();
    let broker = Mosquitto::open("");
    broker.heard_by(&hub, ZIGBEE);
    hub.start();
    heard(&hub, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            soon("the window", || works(&hub).get(0).is_some().then_some(()));
            broker.says("zigbee2mqtt/厨房烟感", r#"{"smoke":true}"#, &[]);
            soon("the level", || {
                (works(&hub)[0]["points"][0]["still_on"][0] == "smoke").then_some(())
            });
            std::thread::sleep(std::time::Duration::from_millis(800));
            broker.says("zigbee2mqtt/厨房烟感", r#"{"smoke":false}"#, &[]);
        });
        let told = hub.does(&["walk-test", "S-01", "--as", "zhaogang"]);
        assert!(told.contains("S-01 is still on: let smoke end"), "{told}");
        assert!(told.ends_with("Heard: 1 point, all there are.\n"), "{told}");
    });
    assert_eq!(hub.incidents(), [] as [Value; 0], "nobody was called for it");
    hub.does(&["walk-test", "B-01", "--as", "zhaogang", "--no-follow"]);
    publish(&hub, "B-01", &topic("B-01", "event"), "{\"v\":1,\"boot\":");
    let point = soon("the broken signal", || {
        let point = works(&hub)[0]["points"][0].clone();
        (point["trouble"][0] == "unreadable").then_some(point)
    });
    assert_eq!(point["heard"], Value::Array(Vec::new()), "it does not count as heard: {point}");
    hub.does(&["walk-test", "--end", "2", "--as", "zhaogang"]);
    // What maintenance held back is named as long as it goes on, and at its end.
    hub.does(&["maintenance", "B-02", "--as", "zhaogang", "--reason", "换\n面板"]);
    event(&hub, "B-02", 1, "sos");
    soon("what is held back", || {
        hub.does(&["status"]).contains("(换 面板); HELD BACK: B-02 sos").then_some(())
    });
    let over = hub.does(&["maintenance", "--end", "3", "--as", "zhaogang"]);
    assert!(over.contains("was held back, and called nobody: B-02 sos"), "{over}");
}

/// One of two modems in trouble: the other one carries the call within 10 s, and the trouble is told.
fn over_the_other(trouble: impl FnOnce(&ModemSim), is_told: bool) {
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["a", "b"]);
    let (a, b) = (ModemSim::plug(&paths[0]), ModemSim::plug(&paths[1]));
    hub.start();
    modem_works(&hub, "a");
    modem_works(&hub, "b");
    trouble(&a);
    event(&hub, "B-01", 1, "sos");
    let began = soon("the call", || open(&hub).pop());
    b.takes("13800138001", &["紧急求助", "单号A01"]);
    // Its age as the hub counts it, and not as this machine does.
    let age = soon("its age", || open(&hub).pop())["age_ms"].as_u64().unwrap();
    let found = began["age_ms"].as_u64().unwrap();
    assert!(age - found < 10_000, "{} ms after the press", age - found);
    if is_told {
        soon("the technical event", || {
            let all = hub.facts("hub_trouble");
            let of_a = |fact: &Value| fact["trouble"]["subject"] == "modem.a";
            all.iter().any(|fact| of_a(fact) && fact["trouble"]["broken"] == true).then_some(())
        });
    }
}

#[test]
fn expert_07_a_sim_is_taken_out() {
    over_the_other(|a| a.inside().sim = false, true);
}

#[test]
fn expert_07_the_memory_is_full_and_the_network_is_away() {
    over_the_other(|a| a.becomes(Mood::Refuses(322)), true);
    over_the_other(|a| a.becomes(Mood::Refuses(331)), true);
}

#[test]
fn expert_07_the_prompt_never_comes() {
    over_the_other(|a| a.becomes(Mood::NoPrompt), true);
}

#[test]
fn expert_07_the_answer_is_lost() {
    over_the_other(|a| a.becomes(Mood::LosesAnswer), false);
}

#[test]
fn expert_07_the_port_is_unplugged_and_the_sim_is_barred() {
    over_the_other(ModemSim::pull, true);
    over_the_other(|a| a.becomes(Mood::Refuses(10)), true);
    // It hangs, with its port open.
    over_the_other(|a| a.becomes(Mood::Mute), false);
}

#[test]
fn expert_07_it_rings_in_the_middle_of_a_send() {
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["a"]);
    let a = ModemSim::plug(&paths[0]);
    hub.start();
    modem_works(&hub, "a");
    a.becomes(Mood::Rings);
    event(&hub, "B-01", 1, "sos");
    a.takes("13800138001", &["紧急求助", "单号A01"]);
    soon("the hand-over", || {
        let all = hub.facts("outcome_heard");
        let is_ours = |fact: &&Value| fact["order"]["carrier"] == "sms";
        let ours = all.iter().find(is_ours)?;
        assert_eq!(ours["outcome"], "handed_over", "{ours}");
        Some(())
    });
    assert_eq!(a.count("13800138001"), 1, "once");
}

#[test]
fn expert_08_two_are_open_and_a_bare_word_lists_them_a_stranger_is_ignored_and_full_width_counts() {
    let mut hub = Hub::prepared();
    let paths = with_modems(&hub, &["a"]);
    let modem = ModemSim::plug(&paths[0]);
    hub.start();
    modem_works(&hub, "a");
    event(&hub, "B-01", 1, "sos");
    event(&hub, "B-02", 1, "sos");
    modem.takes("13800138001", &["单号A01"]);
    modem.takes("13800138001", &["单号A02"]);
    modem.receives("+8613800138001", "收到");
    modem.takes("13800138001", &["您有2件未结", "A01", "A02", "单号+数字"]);
    modem.receives("13912345678", "A01 1");
    modem.receives("10086", "尊敬的客户，回复TD退订");
    soon("an empty store", || modem.inside().store.is_empty().then_some(()));
    assert_eq!(hub.facts("answer_heard"), [] as [Value; 0], "nothing is accepted");
    soon("the strangers in the log", || hub.log().contains("139****5678").then_some(()));
    assert!(!hub.log().contains("13912345678"), "its number is nobody's business");
    assert_eq!(modem.count("13912345678") + modem.count("10086"), 0, "no answer to strangers");
    modem.receives("+8613800138001", "Ａ０２");
    let accepted = soon("the acceptance", || {
        let all = open(&hub);
        all.into_iter().find(|call| call["code"] == "A02" && call["stage"] == "accepted")
    });
    assert_eq!(accepted["people"][0]["is"], "accepted", "{accepted}");
    assert!(open(&hub).iter().any(|call| call["code"] == "A01" && call["stage"] == "calling"));
}

#[test]
fn expert_09_a_mail_box_takes_the_call_and_it_is_not_accepted_and_the_second_line_is_called() {
    let mut hub = Hub::prepared();
    let paths = with_voice(&hub, &["a"], "[\"voice\"]");
    hub.steps("10s");
    let modem = ModemSim::plug(&paths[0]);
    modem.telephone("13800138001", Telephone::MailBox);
    modem.telephone("13800138003", Telephone::Answers(std::time::Duration::from_millis(300), "1"));
    hub.start();
    modem_works(&hub, "a");
    event(&hub, "B-01", 1, "sos");
    modem.dials("13800138001", 1);
    let accepted = soon("the second line's key", || {
        open(&hub).into_iter().find(|call| call["stage"] == "accepted")
    });
    assert_eq!(accepted["people"][0]["is"], "called", "a mail box is nobody: {accepted}");
    assert_eq!(accepted["people"][1]["is"], "accepted", "{accepted}");
    let menus = |number: &str| {
        let inside = modem.inside();
        inside.telephones.said.iter().filter(|(to, _)| to == number).count()
    };
    assert_eq!((menus("13800138001"), menus("13800138003")), (3, 1));
    let outcomes = hub.facts("outcome_heard");
    let first = outcomes.iter().find(|fact| fact["order"]["carrier"] == "voice").unwrap();
    assert_eq!(first["outcome"]["try_later"]["why"], "answered, no key pressed");
}

#[test]
fn expert_16_in_a_flood_the_fire_is_called_next_and_nobody_is_called_without_end() {
    let mut hub = Hub::prepared();
    let paths = with_voice(&hub, &["a"], "[\"voice\"]");
    hub.edit(
        "ladders.toml",
        "rungs = [{ who = [\"everyone\"], by = [\"screen\", \"sms\"]",
        "rungs = [{ who = [\"everyone\"], by = [\"screen\", \"voice\"]",
    );
    let modem = ModemSim::plug(&paths[0]);
    modem.telephone("13800138002", Telephone::MailBox);
    hub.start();
    modem_works(&hub, "a");
    for n in 0..200 {
        publish(&hub, "press", &topic(&format!("X-{n:03}"), "event"), &press(1, 1, "sos"));
    }
    event(&hub, "B-01", 1, "smoke");
    // Whoever is being called is not cut off; the next ones are called for the fire, each once.
    let said = soon("a word of the fire", || modem.inside().telephones.said.first().cloned());
    assert!(said.1.starts_with("火警"), "{said:?}");
    let inside = modem.inside();
    let dialled = &inside.telephones.dialled;
    let of_the_fire = dialled.iter().position(|number| number == "13800138002").unwrap();
    assert!(of_the_fire <= 5, "{dialled:?}");
    for number in dialled {
        assert!(dialled.iter().filter(|other| *other == number).count() <= 4, "{dialled:?}");
    }
    drop(inside);
    assert_eq!(open(&hub).len(), 201);
}
