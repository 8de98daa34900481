//! `anling check --coverage`: the duty plan of the coming days, proven before somebody relies on it.

use serde_json::Value;

use crate::hub::{Hub, soon};

/// Two lines that are never empty, but for the last minute of a make-up Saturday.
const ROSTER: &str = r#"zone = "Asia/Shanghai"
[day_type.2026]
rest = ["2026-10-01..2026-10-07"]
work = ["2026-10-10"]
[line.first]
label = "一线"
fallback = ["wangli"]
[line.second]
label = "二线"
fallback = ["wangli"]
[line.lead]
label = "负责人"
fallback = ["liuqiang"]
[line.technician]
label = "技术员"
fallback = ["zhaogang"]
[rule.rest]
line = "first"
days = ["restday"]
hours = "00:00-24:00"
people = ["wangli"]
[rule.work]
line = "first"
days = ["workday"]
hours = "00:00-23:59"
people = ["zhangmin"]
[rule.last-minute]
line = "first"
days = ["mon", "tue", "wed", "thu", "fri"]
hours = "23:59-24:00"
people = ["zhangmin"]
[rule.second]
line = "second"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
hours = "00:00-24:00"
people = ["chenjie"]
"#;

fn proven(roster: &str) -> Hub {
    let hub = Hub::prepared();
    hub.with_mail(9);
    std::fs::write(hub.config().join("roster.toml"), roster).unwrap();
    hub
}

const FROM_OCTOBER: [&str; 5] = ["check", "--coverage", "60d", "--from", "2026-10-01T00:00"];

#[test]
fn a_gap_of_one_minute_on_a_make_up_workday_is_named_to_the_minute() {
    let hub = proven(ROSTER);
    let said = hub.cli(&FROM_OCTOBER);
    assert_eq!(said.code, 1, "{said:?}");
    insta::assert_snapshot!(said.out);
    let mut args = FROM_OCTOBER.to_vec();
    args.push("--json");
    let gaps: Value = serde_json::from_str(&hub.cli(&args).out).unwrap();
    let minute = |gap: &Value| gap["to"].as_i64().unwrap() - gap["from"].as_i64().unwrap();
    assert!(gaps.as_array().unwrap().iter().all(|gap| minute(gap) == 60_000), "{gaps}");
}

#[test]
fn a_plan_that_holds_at_every_minute_says_so() {
    let whole = ROSTER.replace("00:00-23:59", "00:00-24:00");
    let said = proven(&whole).cli(&FROM_OCTOBER);
    assert_eq!(said.code, 0, "{said:?}");
    insta::assert_snapshot!(said.out);
}

#[test]
fn the_shipped_plan_hangs_on_the_duty_room_alone_and_says_so() {
    let said = Hub::prepared().cli(&FROM_OCTOBER);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("add a way that reaches a telephone"), "{said:?}");
    assert!(said.out.contains("(always)"), "{said:?}");
}

#[test]
fn days_and_times_that_cannot_be_are_refused() {
    let hub = Hub::prepared();
    for (args, code) in [
        (&["check", "--coverage", "0d"][..], 2),
        (&["check", "--coverage", "400d"], 2),
        (&["check", "--coverage", "soon"], 2),
        (&["check", "--from", "2026-10-01T00:00"], 2),
        (&["check", "--coverage", "7d", "--from", "tomorrow"], 2),
    ] {
        assert_eq!(hub.cli(args).code, code, "{args:?}");
    }
}

/// A moment so many hours from now.
fn in_hours(hours: i64) -> String {
    let (clock, _) = anling::clock::Clock::resume(None, anling::clock::Vouch::Host);
    let wall = clock.wall().wall.0 + hours * 3_600_000;
    jiff::Timestamp::from_millisecond(wall).unwrap().to_string()
}

fn called(hub: &Hub, device: &str) -> Vec<String> {
    hub.does(&["press", device]);
    soon("the call", || hub.open_on(device).pop());
    let last = hub.facts("called").pop().unwrap();
    let calls = last["calls"].as_array().unwrap();
    calls.iter().map(|call| call["person"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn who_steps_in_tonight_is_called_after_a_kill_and_a_reload_and_until_it_is_taken_back() {
    let mut hub = Hub::open();
    let to = in_hours(8);
    let put = ["roster", "override", "first", "chenjie", "--to", &to, "--as", "liuqiang"];
    let said = hub.does(&put);
    assert!(said.contains("on first: chenjie, says liuqiang"), "{said}");
    let now = hub.does(&["roster"]);
    assert!(now.contains("somebody said so for these hours"), "{now}");
    assert_eq!(called(&hub, "B-01"), ["chenjie"]);
    hub.kill();
    hub.start();
    assert_eq!(called(&hub, "B-02"), ["chenjie"]);
    hub.append("roster.toml", "# changed\n[line.spare]\nfallback = [\"wangli\"]\n");
    hub.signal("HUP");
    soon("the new plan", || hub.does(&["roster"]).contains("spare").then_some(()));
    assert_eq!(called(&hub, "B-03"), ["chenjie"]);
    assert!(hub.does(&["roster", "undo", "1", "--as", "liuqiang"]).contains("taken back"));
    assert_eq!(called(&hub, "B-04"), ["zhangmin"]);
    assert_eq!(hub.does(&["roster", "changes"]), "nobody has changed the plan\n");
}

#[test]
fn leave_of_both_is_a_gap_that_the_proof_names_by_the_hub_and_by_its_record() {
    let mut hub = proven(&ROSTER.replace("00:00-23:59", "00:00-24:00"));
    hub.start();
    let proof = |hub: &Hub| hub.cli(&["check", "--coverage", "2d"]);
    assert_eq!(proof(&hub).code, 0, "{:?}", proof(&hub));
    let to = in_hours(24);
    hub.does(&["roster", "leave", "chenjie", "--to", &to, "--as", "liuqiang"]);
    for _ in 0..2 {
        let said = proof(&hub);
        assert!(said.code == 1 && said.out.contains("nobody is on shift on second"), "{said:?}");
        hub.kill();
    }
}

#[test]
fn a_change_that_cannot_be_is_refused_with_what_to_do() {
    let hub = Hub::open();
    let (past, soon) = (in_hours(-2), in_hours(2));
    for (args, says) in [
        (&["roster", "leave", "wangli", "--to", &past, "--as", "liuqiang"][..], "hours to come"),
        (&["roster", "leave", "nobody", "--to", &soon, "--as", "liuqiang"], "nobody"),
        (
            &["roster", "swap", "wangli", "wangli", "--to", &soon, "--as", "liuqiang"],
            "nobody twice",
        ),
        (
            &["roster", "override", "third", "wangli", "--to", &soon, "--as", "liuqiang"],
            "no such line",
        ),
        (&["roster", "leave", "wangli", "--to", &soon], "--as"),
        (&["roster", "undo", "7", "--as", "liuqiang"], "no change of the plan"),
    ] {
        let said = hub.cli(args);
        assert!(said.code != 0 && said.err.contains(says), "{args:?}: {said:?}");
    }
}

#[test]
fn a_year_without_its_table_of_holidays_is_a_fault_until_it_is_written() {
    let mut hub = Hub::prepared();
    hub.append("roster.toml", "[day_type.2020]\nrest = [\"2020-10-01..2020-10-08\"]\n");
    hub.start();
    let missing = || hub.incidents().into_iter().find(|incident| incident["kind"] == "day_types");
    let fault = soon("the fault", missing);
    assert_eq!(fault["class"], "fault", "{fault}");
    let year = fault["device"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    // In December the next year's is missed as well.
    let next = year.parse::<u16>().unwrap() + 1;
    hub.append(
        "roster.toml",
        &format!("[day_type.{year}]\nrest = []\n[day_type.{next}]\nrest = []\n"),
    );
    hub.signal("HUP");
    soon("the end of it", || {
        let incident = hub.incidents().into_iter().find(|incident| incident["kind"] == "day_types");
        incident.filter(|incident| incident["back_to_normal"] == true)
    });
}
