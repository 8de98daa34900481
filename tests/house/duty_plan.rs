//! `anling check --coverage`: the duty plan of the coming days, proven before somebody relies on it.

use serde_json::Value;

use crate::hub::Hub;

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
